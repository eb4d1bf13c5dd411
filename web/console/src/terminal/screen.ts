// One xterm.js screen and what flows into it. The flow waits for the screen: it takes no more from the device's stream
// than has been drawn, in pieces small enough that the page answers between two of them.
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Terminal, type IDisposable, type ITheme } from '@xterm/xterm';
import { Presenter, type Look } from './present.ts';
import type { Piece } from './record.ts';

const PIECE = 8 << 10; // bytes parsed at one go: a few milliseconds on a slow phone
const BATCH = 96 << 10; // bytes for one drawing, `APART` from the next: about 3 MB/s, which nobody reads
const APART = 30; // ms; what comes after a silence is drawn in the next frame
const AGAIN = 256 << 10; // bytes shown again when the look changes: more than the scrollback of most

export interface Found { index: number; count: number }

export class Screen {
  readonly terminal: Terminal;
  #fit = new FitAddon();
  #search = new SearchAddon();
  #queue: (Uint8Array | string)[] = [];
  #queued = 0;
  #writing = false;
  #written = 0; // when
  #room: (() => void)[] = [];
  #presenter: Presenter;
  /** More came while nobody looked than is worth drawing: it is shown from the record when somebody does. */
  #stale = false;
  #observer: ResizeObserver | null = null;

  /** `past` gives the last pieces of what came, see `Record.last`. */
  constructor(look: Look, theme: ITheme, scrollback: number, label: string, readonly past: (bytes: number) => Piece[]) {
    this.#presenter = new Presenter(look);
    document.addEventListener('visibilitychange', this.#seen);
    this.terminal = new Terminal({
      allowProposedApi: true, // marks what a search has found
      fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 13,
      lineHeight: 1.15,
      minimumContrastRatio: 4.5,
      cursorBlink: false,
      scrollback,
      theme,
    });
    this.terminal.loadAddon(this.#fit);
    this.terminal.loadAddon(this.#search);
    this.label = label;
  }

  label: string;

  mount(place: HTMLElement): void {
    this.terminal.open(place);
    this.terminal.textarea?.setAttribute('aria-label', this.label);
    this.#observer = new ResizeObserver(() => this.fit());
    this.#observer.observe(place);
    this.fit();
  }

  fit(): void {
    const place = this.terminal.element?.parentElement;
    if (place?.offsetParent) this.#fit.fit();
  }

  dispose(): void {
    this.#observer?.disconnect();
    document.removeEventListener('visibilitychange', this.#seen);
    this.terminal.dispose();
    this.#queue = [];
    this.#release();
  }

  /** Resolves when there is room for more. */
  async take({ at, bytes }: Piece): Promise<void> {
    if (document.hidden && this.#unseen()) return;
    for (let from = 0; from < bytes.length; from += PIECE) this.#push(this.#presenter.present(bytes.subarray(from, from + PIECE), at));
    this.#schedule();
    if (this.#queued >= BATCH && !document.hidden) await new Promise<void>((done) => this.#room.push(done));
  }

  /** What the page itself has to say, or what was typed here. */
  print(text: string): void {
    this.#push(text);
    this.#schedule();
  }

  /** Another look at what came before. */
  show(look: Look): void {
    this.#stale = false;
    const columns = this.terminal.cols >= (look.stamps ? 90 : 77) ? 16 : 8;
    this.#presenter = new Presenter(look, columns);
    this.#queue = [];
    this.#queued = 0;
    this.terminal.reset();
    for (const { at, bytes } of this.past(AGAIN)) this.#push(this.#presenter.present(bytes, at));
    this.#schedule();
  }

  find(text: string, backwards: boolean, colours: { match: string; active: string }): void {
    const decorations = {
      matchBackground: colours.match, matchOverviewRuler: colours.match,
      activeMatchBackground: colours.active, activeMatchColorOverviewRuler: colours.active,
    };
    if (!text) return this.#search.clearDecorations();
    const options = { decorations };
    if (backwards) this.#search.findPrevious(text, options);
    else this.#search.findNext(text, options);
  }

  endFind(): void {
    this.#search.clearDecorations();
    this.terminal.clearSelection();
  }

  onFound(listener: (found: Found) => void): IDisposable {
    return this.#search.onDidChangeResults(({ resultIndex, resultCount }) => listener({ index: resultIndex, count: resultCount }));
  }

  /** What waits for somebody to look is bounded. */
  #unseen(): boolean {
    if (this.#queued > AGAIN) {
      this.#stale = true;
      this.#queue = [];
      this.#queued = 0;
    }
    return this.#stale;
  }

  #seen = (): void => {
    if (document.hidden) this.#release();
    else if (this.#stale) this.show(this.#presenter.look);
    else this.#schedule();
  };

  #push(data: Uint8Array | string): void {
    if (!data.length) return;
    this.#queue.push(data);
    this.#queued += data.length;
  }

  /** Nothing is drawn for nobody. A frame that is not drawn all the same (a covered window) must not stop the stream for ever. */
  #schedule(): void {
    if (this.#writing || !this.#queue.length || document.hidden) return;
    this.#writing = true;
    let begun = false;
    const begin = () => {
      if (begun) return;
      begun = true;
      clearTimeout(late);
      this.#write();
    };
    const late = setTimeout(begin, 250);
    const rest = this.#written + APART - performance.now();
    if (rest > 0) setTimeout(() => requestAnimationFrame(begin), rest);
    else requestAnimationFrame(begin);
  }

  #write(): void {
    this.#written = performance.now();
    let size = 0;
    while (this.#queue.length && size < BATCH) {
      const data = this.#queue.shift()!;
      size += data.length;
      const written = () => {
        this.#writing = false;
        this.#queued = Math.max(0, this.#queued - size);
        if (this.#queued < BATCH) this.#release();
        this.#schedule();
      };
      if (this.#queue.length && size < BATCH) this.terminal.write(data);
      else return this.terminal.write(data, written);
    }
    this.#writing = false;
  }

  #release(): void {
    for (const done of this.#room.splice(0)) done();
  }
}
