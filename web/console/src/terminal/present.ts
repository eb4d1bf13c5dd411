// From a device's bytes to what a terminal is given: as they are, with the time before each line, or as a hex dump.

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

  constructor(readonly look: Look, readonly columns = 16) {}

  present(bytes: Uint8Array, at: number): Uint8Array | string {
    if (this.look.mode === 'hex') return this.#hex(bytes, at);
    return this.look.stamps ? this.#text(bytes, at) : bytes;
  }

  /** `bytes` are left out, and `note` says so: on a line of its own, after whatever sequence they have cut. */
  skip(bytes: number, note: string): string {
    this.#atStart = true;
    this.#offset += this.#row.length + bytes;
    this.#row = [];
    return `\x18${PLAIN}\r\n\x1b[7m ${note} ${PLAIN}\r\n`;
  }

  #text(bytes: Uint8Array, at: number): Uint8Array {
    const stamp = encoder.encode(`${GREY}${clock(at)} ${PLAIN}`);
    let lines = 1;
    for (const byte of bytes) if (byte === LF) lines++;
    const out = new Uint8Array(bytes.length + lines * stamp.length);
    let n = 0;
    for (const byte of bytes) {
      if (this.#atStart) {
        out.set(stamp, n);
        n += stamp.length;
      }
      this.#atStart = byte === LF;
      out[n++] = byte;
    }
    return out.subarray(0, n);
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

/** `09:05:07.123`, in the time of this place. Kept for the millisecond it is for: a fast device has many lines in one. */
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
