// What a device has said, as it said it: for another way to look at it, and for a file.

export interface Piece {
  /** Milliseconds since the epoch, when the browser had it. */
  at: number;
  bytes: Uint8Array;
}

/** Keeps the last `limit` bytes, whole pieces at a time. */
export class Record {
  #pieces: Piece[] = [];
  #first = 0; // pieces before it are forgotten; the array is cut now and then, not at each piece
  #kept = 0;
  /** Bytes that came since the record began, the forgotten ones too. */
  total = 0;

  constructor(readonly limit = 8 << 20) {}

  add(bytes: Uint8Array, at = Date.now()): void {
    this.#pieces.push({ at, bytes });
    this.#kept += bytes.length;
    this.total += bytes.length;
    while (this.#kept > this.limit && this.#first < this.#pieces.length - 1)
      this.#kept -= this.#pieces[this.#first++]!.bytes.length;
    if (this.#first > 4096) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }

  clear(): void {
    [this.#pieces, this.#first, this.#kept] = [[], 0, 0];
  }

  /**
   * The last pieces, of `bytes` in all or a little more, oldest first. Where more came before, they begin
   * with a whole character.
   */
  last(bytes: number): Piece[] {
    let from = this.#pieces.length;
    let sum = 0;
    for (; from > this.#first && sum < bytes; from--) sum += this.#pieces[from - 1]!.bytes.length;
    const pieces = this.#pieces.slice(from);
    if (pieces[0] && sum < this.total) {
      let cut = 0;
      while (cut < 3 && (pieces[0].bytes[cut]! & 0xc0) === 0x80) cut++;
      if (cut) pieces[0] = { at: pieces[0].at, bytes: pieces[0].bytes.subarray(cut) };
    }
    return pieces;
  }

  /** All that is kept, as a file. */
  blob(): Blob {
    return new Blob(
      this.#pieces.slice(this.#first).map(({ bytes }) => bytes as Uint8Array<ArrayBuffer>),
      { type: 'application/octet-stream' },
    );
  }
}
