// From a device's bytes to what a terminal is given: as text, with the time before each line, or as a hex
// dump.
import { concat, Visible } from './visible.ts';

export interface Look {
  mode: 'text' | 'hex';
  /** The time of arrival before each line or row. */
  stamps: boolean;
}

const GREY = '\x1b[90m';
const PLAIN = '\x1b[0m';
const LF = 10;
const encoder = new TextEncoder();

/** Goes over pieces of a stream; where they are cut makes no difference to what is shown. */
export class Presenter {
  #atStart = true;
  #row: number[] = [];
  #rowAt = 0;
  #offset = 0;
  #visible = new Visible();

  constructor(
    readonly look: Look,
    readonly columns = 16,
  ) {}

  present(bytes: Uint8Array, at: number): Uint8Array | string {
    if (this.look.mode === 'hex') return this.#hex(bytes, at);
    return this.look.stamps ? this.#stamped(bytes, at) : this.#visible.show(bytes);
  }

  /** Bytes that were seen as text, and those of them that no terminal can show. */
  get seen(): number {
    return this.#visible.seen;
  }
  get unreadable(): number {
    return this.#visible.unreadable;
  }

  /** Whether the beginning of a character waits for its end, and what is shown if that does not come. */
  get holds(): boolean {
    return this.#visible.holds;
  }
  flush(): Uint8Array {
    return this.#visible.flush();
  }

  /** The page itself writes in between, and sets the terminal back to its own colour. */
  interrupt(): void {
    this.#visible.interrupt();
  }

  /**
   * `bytes` are left out, and `note` says so: on a line of its own, after whatever sequence they have cut.
   */
  skip(bytes: number, note: string): string {
    this.#atStart = true;
    this.#offset += this.#row.length + bytes;
    this.#row = [];
    this.#visible = new Visible();
    return `\x18${PLAIN}\r\n\x1b[7m ${note} ${PLAIN}\r\n`;
  }

  /** Each line by itself, because the time before it sets the colour back. */
  #stamped(bytes: Uint8Array, at: number): Uint8Array {
    const parts: Uint8Array[] = [];
    const stamp = encoder.encode(`${GREY}${clock(at)} ${PLAIN}`);
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(LF, from) + 1 || bytes.length;
      if (this.#atStart) {
        parts.push(stamp);
        this.#visible.interrupt();
      }
      parts.push(this.#visible.show(bytes.subarray(from, end)));
      this.#atStart = bytes[end - 1] === LF;
      from = end;
    }
    return concat(parts);
  }

  /** The last row is written again and again until it is full. */
  #hex(bytes: Uint8Array, at: number): string {
    let out = '';
    for (const byte of bytes) {
      if (this.#row.length === 0) this.#rowAt = at;
      this.#row.push(byte);
      if (this.#row.length === this.columns) {
        out += `\r${this.#line()}\r\n`;
        this.#offset += this.columns;
        this.#row = [];
      }
    }
    return this.#row.length ? `${out}\r${this.#line()}` : out;
  }

  #line(): string {
    const stamp = this.look.stamps ? `${clock(this.#rowAt)} ` : '';
    let hex = '';
    let text = '';
    for (const [i, byte] of this.#row.entries()) {
      hex += `${i === 8 ? ' ' : ''} ${HEX[byte]!}`;
      text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·';
    }
    const width = this.columns * 3 + (this.columns > 8 ? 1 : 0);
    return `${GREY}${stamp}${this.#offset.toString(16).padStart(8, '0')}${PLAIN} ${hex.padEnd(width)}  ${GREY}${text}${PLAIN}`;
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * `09:05:07.123`, in the time of this place. Kept for the millisecond it is for: a fast device has many lines
 * in one.
 */
function clock(at: number): string {
  if (at !== clocked) {
    const date = new Date(at);
    const pad = (value: number, digits = 2) => String(value).padStart(digits, '0');
    clocked = at;
    reading = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
  }
  return reading;
}
let clocked = -1;
let reading = '';
