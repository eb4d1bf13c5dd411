// What was received and not yet read. A DataChannel cannot be held up, so what waits here is bounded.

const KEPT_LIMIT = 1 << 20;
const encoder = new TextEncoder();

export class Inbox {
  #kept: (Uint8Array | string)[] | null = [];
  #keptBytes = 0;
  #stream: ReadableStream<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #ended = false;
  #error: unknown;

  constructor(private limit: number) {}

  /**
   * One stream until it is cancelled; then, or after an error, another. What was kept for a first reader
   * comes first.
   */
  get readable(): ReadableStream<Uint8Array> {
    return (this.#stream ??= new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          for (const data of this.takeKept()) controller.enqueue(bytesOf(data));
          if (this.#ended) this.#finish(controller);
        },
        cancel: () => {
          this.#stream = this.#controller = undefined;
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: this.limit }),
    ));
  }

  /** False when more waits than may. */
  push(data: Uint8Array | string): boolean {
    if (this.#controller) {
      this.#controller.enqueue(bytesOf(data));
      return this.#controller.desiredSize! >= 0;
    }
    if (this.#kept) {
      this.#kept.push(data);
      this.#keptBytes += data.length;
      while (this.#keptBytes > KEPT_LIMIT) this.#keptBytes -= this.#kept.shift()!.length;
    }
    return true;
  }

  /** For the first listener. From then on nothing is kept for later. */
  takeKept(): (Uint8Array | string)[] {
    const kept = this.#kept ?? [];
    this.#kept = null;
    return kept;
  }

  /** No more will come; with `error` not in good order. */
  end(error?: unknown) {
    this.#ended = true;
    this.#error = error;
    if (this.#controller) this.#finish(this.#controller);
    this.#controller = undefined;
  }

  #finish(controller: ReadableStreamDefaultController<Uint8Array>) {
    if (this.#error) controller.error(this.#error);
    else controller.close();
  }
}

export const bytesOf = (
  data: Uint8Array | ArrayBuffer | ArrayBufferView | string,
): Uint8Array<ArrayBuffer> =>
  typeof data === 'string'
    ? encoder.encode(data)
    : data instanceof ArrayBuffer
      ? new Uint8Array(data)
      : new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
