// Notices when most of what a device says is no text: a wrong baud rate, binary data, or another encoding.
import { signal } from '@preact/signals';

const LEAST = 64; // bytes: a few stray ones at power-up are usual
const WINDOW = 2048; // bytes of which about the last are judged
// of random bytes 55 in 100 are unreadable; of text in an 8-bit encoding few are, of Shift JIS most
const MANY = 0.4;
const FEW = 0.2;

export class Noise {
  readonly isNoisy = signal(false);
  #seen = 0;
  #unreadable = 0;

  add(seen: number, unreadable: number): void {
    this.#seen += seen;
    this.#unreadable += unreadable;
    while (this.#seen > WINDOW) {
      this.#seen /= 2;
      this.#unreadable /= 2;
    }
    const share = this.#unreadable / this.#seen;
    if (this.#seen >= LEAST && share > MANY) this.isNoisy.value = true;
    else if (share < FEW) this.isNoisy.value = false;
  }
}
