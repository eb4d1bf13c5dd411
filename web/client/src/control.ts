// The control channel (docs/control.md): JSON messages, and which answer belongs to which question.
import { ThingwayError } from './errors.js';
import type { EndpointInfo, LineStatus } from './types.js';

/** What the gateway says. Fields that this library does not know are passed over. */
export interface Message {
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the gateway is trusted to keep to docs/control.md
  [field: string]: any;
}
interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}
/** A ping that was sent behind a question: whatever comes before its pong belongs to the question. */
interface Fence {
  id: number;
  heard: Message[];
  failed?: ThingwayError;
  done(fence: Fence): void;
  fail(error: unknown): void;
  asked: boolean;
}

const TEXT_LIMIT = 4096;
const encoder = new TextEncoder();

export class Control {
  #id = 0;
  #fences: Fence[] = [];
  #lines = new Map<number, Waiting<LineStatus>>();
  #lists: Waiting<EndpointInfo[]>[] = [];
  #unfenced = false;
  #ended: ThingwayError | undefined;

  /** `write` sends a text; `stray` is told of errors that belong to no question. */
  constructor(
    private write: (text: string) => void,
    private stray: (error: ThingwayError) => void,
  ) {}

  /** Sends a message that is not answered. */
  tell(message: Message) {
    this.#send(message);
    this.#unfenced = true;
  }

  /** How long the gateway takes to answer, in ms. */
  async ping(): Promise<number> {
    const began = performance.now();
    await this.#fence(false);
    return performance.now() - began;
  }

  /**
   * Sends a message that is answered by an error, by something else, or not at all; gives what came
   * meanwhile.
   */
  async ask(message: Message): Promise<Message[]> {
    if (this.#unfenced) this.#fence(false).catch(() => {});
    this.#send(message);
    const fence = await this.#fence(true);
    if (fence.failed) throw fence.failed;
    return fence.heard;
  }

  endpoints(): Promise<EndpointInfo[]> {
    return new Promise((resolve, reject) => {
      this.#send({ type: 'endpoints' });
      this.#lists.push({ resolve, reject });
    });
  }

  /** Resolves when the script has ended, which may be long after the gateway has taken it. */
  line(fields: Record<string, unknown>): Promise<LineStatus> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#lines.set(id, { resolve, reject });
      this.ask({ type: 'line', id, ...fields }).catch((error) => {
        // what is no script at all gets an error, not a `line`
        this.#lines.delete(id);
        reject(error);
      });
    });
  }

  /** Whether the message was an answer, and is dealt with. */
  heard(message: Message): boolean {
    switch (message.type) {
      case 'pong':
        return this.#pong(message.id);
      case 'endpoints':
        this.#lists.shift()?.resolve(message.endpoints);
        return false; // the session wants to know, too
      case 'line': {
        const waiting = this.#lines.get(message.id);
        this.#lines.delete(message.id);
        const { ok, line, reason, detail, step } = message;
        if (ok) waiting?.resolve(line);
        else waiting?.reject(new ThingwayError(reason, detail, { step }));
        return true;
      }
      case 'error': {
        const error = new ThingwayError(message.reason, message.detail);
        const [fence] = this.#fences;
        if (fence?.asked) fence.failed ??= error;
        else this.stray(error);
        return true;
      }
      default:
        this.#fences[0]?.heard.push(message);
        return false;
    }
  }

  /** Everything that waits for an answer fails. */
  end(error: ThingwayError) {
    this.#ended = error;
    for (const { reject } of [...this.#lines.values(), ...this.#lists.splice(0)]) reject(error);
    this.#lines.clear();
    for (const fence of this.#fences.splice(0)) fence.fail(error);
  }

  #fence(asked: boolean): Promise<Fence> {
    return new Promise((done, fail) => {
      const id = ++this.#id;
      this.#send({ type: 'ping', id });
      this.#unfenced = false;
      this.#fences.push({ id, heard: [], done, fail, asked });
    });
  }

  /** Answers come in order, and the gateway may leave pongs out: a later one answers for those before it. */
  #pong(id: number): boolean {
    while (this.#fences.length && this.#fences[0]!.id <= id) {
      const fence = this.#fences.shift()!;
      fence.done(fence);
    }
    return true;
  }

  #send(message: Message) {
    if (this.#ended) throw this.#ended;
    const text = JSON.stringify(message);
    if (encoder.encode(text).length > TEXT_LIMIT)
      throw new ThingwayError('too-large', `a control message has at most ${TEXT_LIMIT} bytes`);
    this.write(text);
  }
}
