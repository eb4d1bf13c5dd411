// Bytes that a terminal would swallow, made visible: what is no UTF-8 and control bytes without effect are
// written as `\xE9`, in a muted colour. A wrong baud rate then looks wrong. Escape sequences of the device
// pass unchanged.
//
// C1 controls (U+0080 to U+009F) count as unreadable, too. xterm.js would obey them, so that the noise `C2
// 90` hid all that follows (a device control string without an end). Devices that speak UTF-8 use the
// seven-bit forms, which begin with ESC.
//
// BEL, SO and SI pass without a trace: shells and curses programs write them on purpose, and count on it that
// the cursor stays.

const MUTED = '\x1b[90m'; // the palettes keep it readable on both grounds
const CAN = 0x18; // ends whatever sequence the terminal is in
const PARAMETERS = 64; // bytes of a control sequence that are remembered; longer ones set no colour
/** A muted piece of what `Visible` writes, for a reader without a terminal. */
export const MUTED_PIECE = /\x1b\[90m((?:\\x[0-9A-F]{2})+)\x1b\[[\d;:]*m/;

const [ESC, DEL] = [0x1b, 0x7f];
// biome-ignore lint/suspicious/noConstEnum: esbuild puts the numbers in, so that the hot path looks nothing up
const enum State {
  Ground,
  Escape,
  Control,
  Text,
}
/** Where a scan of plain text stops: control bytes without effect, ESC, and everything above ASCII. */
const STOPS = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= DEL || byte < 7 || (byte > 0x0f && byte < 0x20)),
);
const HEX = Array.from(
  { length: 256 },
  (_, byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`,
);
const encoder = new TextEncoder();

export class Visible {
  /** Bytes seen, and those of them that no terminal can show. */
  seen = 0;
  unreadable = 0;
  #state = State.Ground;
  #held = new Uint8Array(0); // the beginning of a character whose end has not come
  #parameters: number[] = [];
  #colour = '39'; // what the device writes in, as parameters of SGR
  #saved = '39';

  /** Whether the end of a character is waited for. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** The same array if there is nothing to be made visible. Where the stream is cut makes no difference. */
  show(bytes: Uint8Array): Uint8Array {
    this.seen += bytes.length;
    if (this.#held.length) {
      const whole = new Uint8Array(this.#held.length + bytes.length);
      whole.set(this.#held);
      whole.set(bytes, this.#held.length);
      this.#held = new Uint8Array(0);
      return this.#scan(whole);
    }
    return this.#scan(bytes);
  }

  /** What was held: its end did not come. */
  flush(): Uint8Array {
    const { length } = this.#held;
    const text = this.#mute(this.#held, 0, length);
    this.#held = new Uint8Array(0);
    this.#state = State.Ground;
    return text;
  }

  /** The page itself has written in between, and the terminal is back at its own colour. */
  interrupt(): void {
    this.#colour = '39';
  }

  #scan(bytes: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    const { length } = bytes;
    let from = 0; // what has not been taken over yet begins here
    let at = 0;
    while (at < length) {
      if (this.#state === State.Ground) while (at < length && !STOPS[bytes[at]!]) at++;
      if (at === length) break;
      const byte = bytes[at]!;
      let size = byte < 0x80 ? 1 : characterAt(bytes, at);
      // Within a control sequence a character above ASCII is noise, which the terminal would swallow together
      // with the sequence.
      if (size > 1 && (this.#state === State.Escape || this.#state === State.Control)) size = -size;
      if (size === 0) {
        this.#held = bytes.slice(at);
        break;
      }
      if (size > 0 && (byte >= 0x80 || byte === ESC || this.#state !== State.Ground)) {
        this.#step(byte);
        at += size;
        continue;
      }
      // Bytes of the same kind become one muted piece.
      let end = at + Math.abs(size);
      while (end < length) {
        const more =
          bytes[end]! < 0x80
            ? STOPS[bytes[end]!] && bytes[end] !== ESC && this.#state === State.Ground
              ? -1
              : 1
            : characterAt(bytes, end);
        if (more >= 0) break;
        end -= more;
      }
      parts.push(bytes.subarray(from, at), this.#mute(bytes, at, end));
      from = at = end;
    }
    const rest = bytes.subarray(from, length - this.#held.length);
    return parts.length ? concat([...parts, rest]) : rest;
  }

  /**
   * Follows the escape sequences of ECMA-48, as far as this needs to know where they end and which colour is
   * set.
   */
  #step(byte: number): void {
    if (byte === ESC) this.#state = State.Escape;
    else if (byte === CAN || byte === 0x1a) this.#state = State.Ground;
    else if (this.#state === State.Text) {
      if (byte === 7) this.#state = State.Ground;
    } else if (byte < 0x20 || byte === DEL)
      return; // obeyed or ignored within the sequence
    else if (this.#state === State.Escape) this.#escape(byte);
    else if (this.#state === State.Control) this.#control(byte);
  }

  #escape(byte: number): void {
    const letter = String.fromCharCode(byte);
    if (byte < 0x30) return; // an intermediate byte
    this.#state = letter === '[' ? State.Control : 'P]X^_'.includes(letter) ? State.Text : State.Ground;
    this.#parameters.length = 0;
    if (letter === '7') this.#saved = this.#colour;
    if (letter === '8') this.#colour = this.#saved;
    if (letter === 'c') this.#colour = '39';
  }

  #control(byte: number): void {
    if (byte < 0x40) {
      if (this.#parameters.length <= PARAMETERS) this.#parameters.push(byte);
      return;
    }
    this.#state = State.Ground;
    const parameters =
      byte === 0x6d && this.#parameters.length <= PARAMETERS ? String.fromCharCode(...this.#parameters) : '-';
    if (/^[\d;:]*$/.test(parameters)) this.#colour = foreground(parameters, this.#colour);
  }

  #mute(bytes: Uint8Array, from: number, to: number): Uint8Array {
    if (from === to) return bytes.subarray(from, to);
    this.unreadable += to - from;
    let text = this.#state === State.Ground ? '' : String.fromCharCode(CAN);
    this.#state = State.Ground;
    text += MUTED;
    for (let at = from; at < to; at++) text += HEX[bytes[at]!];
    return encoder.encode(`${text}\x1b[${this.#colour}m`);
  }
}

/**
 * The length of the character that begins there (Unicode 16, table 3-7); 0 if its end has not come yet. What
 * cannot be shown has a negative length: one byte that is no UTF-8, or the two of a C1 control.
 */
function characterAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  if (size === 1) return -1;
  for (let n = 1; n < size; n++) {
    const byte = bytes[at + n];
    if (byte === undefined) return 0;
    const low = n > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = n > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (byte < low || byte > high) return -1;
  }
  return lead === 0xc2 && bytes[at + 1]! < 0xa0 ? -2 : size;
}

/** The colour of the text after `SGR parameters`, where it was `before`. */
function foreground(parameters: string, before: string): string {
  let colour = before;
  const codes = parameters.split(';');
  for (let n = 0; n < codes.length; n++) {
    const code = codes[n]!;
    const value = Number.parseInt(code, 10) || 0;
    // An extended colour takes the codes behind it along, unless it has its parts after colons.
    const taken = /^[345]8$/.test(code) ? (codes[n + 1] === '5' ? 2 : codes[n + 1] === '2' ? 4 : 0) : 0;
    if (value === 38) colour = codes.slice(n, n + taken + 1).join(';');
    else if (value === 0 || value === 39) colour = '39';
    else if ((value >= 30 && value < 38) || (value >= 90 && value < 98)) colour = code;
    n += taken;
  }
  return colour;
}

/** One array of several. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
