// One xterm.js screen and what flows into it, in pieces small enough that the page answers between two of
// them. A device is never held up by a screen, and what is too fast to be drawn is left out, in sight: the
// record has it.
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Terminal, type IDisposable, type ITheme } from '@xterm/xterm';
import { bytes, t } from '../i18n/index.ts';
import { Noise } from './noise.ts';
import { Presenter, type Look } from './present.ts';
import type { Piece } from './record.ts';

// bytes parsed at one go: a few milliseconds on a slow phone. As hex, or as noise, it is five times as many
const PIECE = 8 << 10;
const BATCH = 96 << 10; // bytes for one drawing, `APART` from the next: about 3 MB/s, which nobody reads
const WAITING = 1 << 20; // bytes of the device that wait to be drawn
const APART = 30; // ms; what comes after a silence is drawn in the next frame
// bytes shown when the look changes or more waits than may: more than the scrollback of most
const AGAIN = 256 << 10;

// ms in which the rest of a character comes, if it comes: a slow line takes 33 for a byte
const PATIENCE = 500;

export interface Found {
  index: number;
  count: number;
}

export class Screen {
  readonly terminal: Terminal;
  /** Bytes left out because they came too fast. */
  skipped = 0;
  /** True while the record is shown again: the queries in it were put before, and are not answered again. */
  repeats = false;
  /** Whether what comes is text at all. */
  readonly noise = new Noise();
  #fit = new FitAddon();
  #search = new SearchAddon();
  /**
   * What waits to be drawn, the page's own texts among it, and what is to be called when the terminal has
   * taken all before it.
   */
  #queue: (Piece | string | (() => void))[] = [];
  #queued = 0; // bytes of the pieces in it
  #gap = 0; // bytes left out before what is in it
  #writing = false;
  #written = 0; // when
  #flush: ReturnType<typeof setTimeout> | undefined;
  #shows = 0; // how often the record was shown
  #presenter: Presenter;
  /** More came while nobody looked than is worth drawing: it is shown from the record when somebody does. */
  #stale = false;
  #observer: ResizeObserver | null = null;

  /** `past` gives the last pieces of what came, see `Record.last`. */
  constructor(
    look: Look,
    theme: ITheme,
    scrollback: number,
    label: string,
    readonly past: (bytes: number) => Piece[],
  ) {
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
    clearTimeout(this.#flush);
    document.removeEventListener('visibilitychange', this.#seen);
    this.terminal.dispose();
    this.#queue = [];
  }

  take(piece: Piece): void {
    if (document.hidden && this.#unseen()) return;
    this.#push(piece);
    if (this.#queued > WAITING) this.#skip();
    this.#schedule();
  }

  /** What the page itself has to say, or what was typed here. */
  print(text: string): void {
    this.#queue.push(text);
    this.#schedule();
  }

  /** Another look at what came before. */
  show(look: Look): void {
    this.#stale = false;
    const columns = this.terminal.cols >= (look.stamps ? 90 : 77) ? 16 : 8;
    this.#presenter = new Presenter(look, columns);
    this.#queue = [];
    this.#queued = this.#gap = 0;
    this.terminal.reset();
    const times = ++this.#shows;
    this.repeats = true;
    for (const piece of this.past(AGAIN)) this.#push(piece);
    this.#queue.push(() => {
      if (this.#shows === times) this.repeats = false;
    });
    this.#schedule();
  }

  find(text: string, backwards: boolean, colours: { match: string; active: string }): void {
    const decorations = {
      matchBackground: colours.match,
      matchOverviewRuler: colours.match,
      activeMatchBackground: colours.active,
      activeMatchColorOverviewRuler: colours.active,
    };
    if (!text) {
      this.#search.clearDecorations();
      return;
    }
    const options = { decorations };
    if (backwards) this.#search.findPrevious(text, options);
    else this.#search.findNext(text, options);
  }

  endFind(): void {
    this.#search.clearDecorations();
    this.terminal.clearSelection();
  }

  onFound(listener: (found: Found) => void): IDisposable {
    return this.#search.onDidChangeResults(({ resultIndex, resultCount }) =>
      listener({ index: resultIndex, count: resultCount }),
    );
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
    if (document.hidden) return;
    if (this.#stale) this.show(this.#presenter.look);
    else this.#schedule();
  };

  #push(piece: Piece): void {
    const { length } = piece.bytes;
    const part = this.#presenter.look.mode === 'hex' || this.noise.isNoisy.peek() ? PIECE >> 2 : PIECE;
    for (let from = 0; from < length; from += part)
      this.#queue.push({ at: piece.at, bytes: piece.bytes.subarray(from, from + part) });
    this.#queued += length;
  }

  /** The latest stays, and what the page itself has to say. */
  #skip(): void {
    this.#queue = this.#queue.filter((waiting) => {
      if (typeof waiting === 'string' || typeof waiting === 'function' || this.#queued <= AGAIN) return true;
      this.#queued -= waiting.bytes.length;
      this.#gap += waiting.bytes.length;
      this.skipped += waiting.bytes.length;
      return false;
    });
  }

  /** What comes next, as the terminal takes it, or what is to be called then. */
  #next(): Uint8Array | string | (() => void) {
    if (this.#gap) {
      const text = this.#presenter.skip(
        this.#gap,
        t('desk.skipped', { size: bytes(this.#gap), save: t('save') }),
      );
      this.#gap = 0;
      return text;
    }
    const next = this.#queue.shift()!;
    if (typeof next === 'string') this.#presenter.interrupt();
    if (typeof next === 'string' || typeof next === 'function') return next;
    this.#queued -= next.bytes.length;
    return this.#judged(() => this.#presenter.present(next.bytes, next.at));
  }

  #judged<T>(present: () => T): T {
    const { seen, unreadable } = this.#presenter;
    const shown = present();
    if (this.#presenter.seen > seen)
      this.noise.add(this.#presenter.seen - seen, this.#presenter.unreadable - unreadable);
    return shown;
  }

  /**
   * Nothing is drawn for nobody. A frame that is not drawn all the same (a covered window) must not stop the
   * stream for ever.
   */
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
    let written = 0;
    while (this.#queue.length && written < BATCH) {
      const next = this.#next();
      const [data, then] = typeof next === 'function' ? ['', next] : [next, undefined];
      written += data.length;
      const isLast = !this.#queue.length || written >= BATCH;
      this.terminal.write(
        data,
        isLast
          ? () => {
              then?.();
              this.#drawn();
            }
          : then,
      );
      if (isLast) return;
    }
    this.#writing = false; // another look was chosen, and nothing came yet
  }

  #drawn = (): void => {
    this.#writing = false;
    this.#schedule();
    clearTimeout(this.#flush);
    const presenter = this.#presenter;
    if (presenter.holds)
      this.#flush = setTimeout(() => {
        if (presenter === this.#presenter && !this.#queue.length) this.terminal.write(presenter.flush());
      }, PATIENCE);
  };
}
