// A file on its way to an endpoint, as raw bytes or line by line, as fast as the gateway grants credit: at
// the pace of the device.
import { effect, signal, type Signal } from '@preact/signals';
import { ENDINGS, isStopped, type Desk } from '../state/desks.ts';
import { remembered } from '../state/settings.ts';
import { Answers } from './answers.ts';

export interface Plan {
  mode: 'bytes' | 'lines';
  wait: 'no' | 'pause' | 'answer';
  pause: number;
  answer: string;
}

const PIECE = 1024; // bytes: what is cancelled ends within so many
const LINE_PIECE = 16384; // a line goes out whole unless it is longer
const LF = 10;
const CR = 13;

const plans = new WeakMap<Desk, Signal<Plan>>();
/** How files are sent to this endpoint, as a person has chosen last. */
export function planOf(desk: Desk): Signal<Plan> {
  const plan =
    plans.get(desk)
    ?? remembered<Plan>(`file.${desk.name}`, { mode: 'bytes', wait: 'answer', pause: 100, answer: 'ok' });
  plans.set(desk, plan);
  return plan;
}

const transfers = new WeakMap<Desk, Signal<Transfer | null>>();
/** The last one to this endpoint: it goes on while its panel is not in sight. */
export function transferOf(desk: Desk): Signal<Transfer | null> {
  const transfer = transfers.get(desk) ?? signal(null);
  transfers.set(desk, transfer);
  return transfer;
}

export class Transfer {
  readonly state = signal<'sending' | 'done' | 'cancelled' | 'stopped'>('sending');
  /** Since when an answer is waited for, in ms of the page; null while none is. */
  waiting: number | null = null;
  sent = 0; // bytes of the file
  line = 0; // lines sent
  lines: number | null = null; // that it has, if it is sent line by line
  readonly begun = performance.now();
  ended: number | null = null;
  #end = new AbortController();
  #skip: (() => void) | null = null;

  constructor(
    readonly desk: Desk,
    readonly file: File,
    readonly plan: Plan,
  ) {
    const dropped = desk.dropped.peek();
    // A channel that was away, a stop, or messages that the gateway has dropped: what follows must not go out
    // as if nothing had happened.
    const watch = effect(() => {
      if (desk.state.value !== 'open' || desk.dropped.value !== dropped || isStopped(desk.name))
        this.#finish('stopped');
    });
    void this.#run()
      .then(
        (state) => this.#finish(state),
        () => this.#finish('stopped'),
      )
      .finally(watch);
  }

  cancel(): void {
    this.#finish('cancelled');
  }

  /** Goes on without the answer that is waited for. */
  skip(): void {
    this.#skip?.();
  }

  #finish(state: 'done' | 'cancelled' | 'stopped'): void {
    if (this.state.peek() !== 'sending') return;
    this.waiting = null;
    this.ended = performance.now();
    this.state.value = state;
    this.desk.sending.value = false;
    this.#end.abort();
  }

  async #run(): Promise<'done' | 'stopped'> {
    this.desk.sending.value = true;
    return this.plan.mode === 'bytes' ? this.#bytes() : this.#byLine();
  }

  async #bytes(): Promise<'done' | 'stopped'> {
    for (let at = 0; at < this.file.size; at += PIECE) {
      const bytes = new Uint8Array(await this.file.slice(at, at + PIECE).arrayBuffer());
      if (!(await this.desk.deliver(bytes, this.#end.signal))) return 'stopped';
      this.sent += bytes.length;
    }
    return 'done';
  }

  async #byLine(): Promise<'done' | 'stopped'> {
    const lines = linesOf(new Uint8Array(await this.file.arrayBuffer()));
    this.lines = lines.length;
    const ending = new TextEncoder().encode(ENDINGS[this.desk.habits.peek().ending]);
    const answers = this.plan.wait === 'answer' ? new Answers(this.plan.answer) : null;
    const detach = answers && this.desk.attach(answers);
    try {
      for (const { bytes, size } of lines) {
        const whole = new Uint8Array([...bytes, ...ending]);
        answers?.clear();
        for (let at = 0; at < whole.length; at += LINE_PIECE) {
          if (!(await this.desk.deliver(whole.subarray(at, at + LINE_PIECE), this.#end.signal)))
            return 'stopped';
        }
        this.sent += size;
        this.line++;
        if (answers) await this.#rest(answers.come());
        else if (this.plan.wait === 'pause' && this.line < lines.length)
          await this.#rest(new Promise((done) => setTimeout(done, this.plan.pause)));
        if (this.#end.signal.aborted) return 'stopped';
      }
      return 'done';
    } finally {
      detach?.();
    }
  }

  /** Waits for that, for the end of the transfer, or for a person who goes on without. */
  async #rest(what: Promise<void>): Promise<void> {
    this.waiting = performance.now();
    const ended = new Promise<void>((done) => {
      this.#skip = done;
      this.#end.signal.addEventListener('abort', () => done(), { once: true });
    });
    await Promise.race([what, ended]);
    this.#skip = null;
    this.waiting = null;
  }
}

/**
 * The lines of a file without their endings, and how many of its bytes each takes. An ending at the end
 * begins no line.
 */
export function linesOf(file: Uint8Array): { bytes: Uint8Array; size: number }[] {
  const lines = [];
  for (let from = 0; from < file.length; ) {
    const end = file.indexOf(LF, from);
    const next = end < 0 ? file.length : end + 1;
    const to = end < 0 ? file.length : end > from && file[end - 1] === CR ? end - 1 : end;
    lines.push({ bytes: file.subarray(from, to), size: next - from });
    from = next;
  }
  return lines;
}
