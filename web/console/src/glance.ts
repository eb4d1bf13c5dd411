// What a device says before the console is there: the first terminal that the address names, as plain text,
// from its first byte. It stands where the terminal will stand, and hands over all that came.
import type { Port } from 'thingway';
import { showPlain, SHOWN } from './terminal/plain_text.ts';
import { Record, type Piece } from './terminal/record.ts';

const SILENCE = 50; // ms in which a device that has something to say has begun

export class Glance {
  /** When there is something to be seen, or there will be nothing. */
  readonly shown: Promise<void>;
  #record = new Record();
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #taken: ((piece: Piece) => void) | null = null;
  #isGone = false;
  #frame: HTMLElement | null = null;

  constructor(
    readonly name: string,
    port: Promise<Port>,
  ) {
    this.shown = new Promise((done) => {
      void port
        .then((opened) => {
          setTimeout(done, SILENCE);
          return this.#taken ? undefined : this.#read(opened.readable, done);
        })
        .catch(() => {})
        .then(done); // the desk says why there is no port
    });
  }

  /**
   * Ends it. The port is free, and `take` gets what it gave: also what was read already and has not come yet.
   */
  leave(take: (piece: Piece) => void): void {
    for (const piece of this.#record.last(Infinity)) take(piece);
    this.#taken = take;
    this.#reader?.releaseLock();
  }

  /**
   * The console is there, and nothing is shown beside it. What comes is still kept for who takes the port
   * over.
   */
  remove(): void {
    this.#isGone = true;
    this.#frame?.remove();
  }

  async #read(readable: ReadableStream<Uint8Array>, seen: () => void): Promise<void> {
    const reader = (this.#reader = readable.getReader());
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      if (this.#taken) return this.#taken({ at: Date.now(), bytes: value });
      this.#record.add(value);
      if (document.body) this.#show();
      else addEventListener('DOMContentLoaded', () => this.#show(), { once: true });
      seen();
    }
  }

  #show(): void {
    if (this.#isGone) return;
    const text = this.#frame?.querySelector('pre') ?? element('pre', 'early');
    showPlain(text, this.#record.last(SHOWN));
    if (this.#frame) return;
    // The same boxes as in app.tsx, views/terminals.tsx and terminal/desk_panel.tsx, so that nothing moves
    // far when those come.
    const title = element('h2');
    title.textContent = this.name;
    const desk = element('article', 'desk', element('header', 'bar', title), element('div', 'screen', text));
    const work = element('section', 'work', element('div', 'desks', desk));
    const logo = element('span', 'logo');
    logo.textContent = 'thingway';
    this.#frame = element(
      'div',
      '',
      element('header', 'top', logo),
      element('main', '', element('div', 'terminals', element('section', 'endpoints'), work)),
    );
    this.#frame.id = 'app';
    document.body.prepend(this.#frame);
  }
}

function element(name: string, kind = '', ...inside: Node[]): HTMLElement {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}
