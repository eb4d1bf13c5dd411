// The endpoints that this page has open: one port each, what came over it and what a person has set for it.
import { computed, signal, type Signal } from '@preact/signals';
import type { CloseInfo, Port, Session } from 'thingway';
import { t } from '../i18n/index.ts';
import type { Look } from '../terminal/present.ts';
import { Record, type Piece } from '../terminal/record.ts';
import { get } from './access.ts';
import { first } from './early.ts';
import { reasonWords, words, type Words } from './failures.ts';
import { leases, link, session } from './gateway.ts';
import { remembered } from './settings.ts';

export type Ending = 'none' | 'lf' | 'cr' | 'crlf';
export const ENDINGS: { [ending in Ending]: string } = { none: '', lf: '\n', cr: '\r', crlf: '\r\n' };
const WAITING_LIMIT = 64 << 10; // bytes typed or pasted for which the device has not yet made room
const HISTORY = 100;

export interface Habits extends Look { input: 'keys' | 'line'; ending: Ending; enter: Ending; echo: boolean; /** A line feed alone begins a new line at its start, as most devices mean it. */ returns: boolean }
const HABITS: Habits = { mode: 'text', stamps: false, returns: true, input: 'line', ending: 'lf', enter: 'cr', echo: true };

/** Ports that were asked for before there was a desk: they are as good as any, unless their session came to nothing. */
export const begun = new Map<string, Promise<Port>>();

/** What takes a device's bytes. It cannot hold them up: what it has no time for is its own to leave out. */
export interface Sink { take(piece: Piece): void }

export class Desk {
  readonly state = signal<'opening' | 'open' | 'reopening' | 'closed'>('opening');
  readonly trouble = signal<(() => Words) | null>(null);
  readonly waiting = signal(0);
  /** How often the connection has come back: each time the device's last output comes again. */
  readonly returns = signal(0);
  readonly habits: Signal<Habits>;
  readonly record = new Record();
  readonly history: string[] = [];
  port: Port | null = null;
  #opening: Session | null = null;
  #sinks = new Set<Sink>();
  #writer: WritableStreamDefaultWriter<Uint8Array | string> | null = null;
  #sent = 0;
  #received = 0;
  #connection = 0; // counts them
  #hasWritten = false; // whether a person has, over the connection of now
  #hasDeadman = true; // as long as the opposite is not known

  constructor(readonly name: string) {
    this.habits = remembered(`desk.${name}`, HABITS);
    void this.open();
  }

  get sent(): number { return this.#sent + (this.port?.bytesSent ?? 0); }
  get received(): number { return this.#received + (this.port?.bytesReceived ?? 0); }

  async open(): Promise<void> {
    const made = session.peek();
    if (!made || this.port || this.#opening === made) return;
    this.#opening = made;
    this.state.value = 'opening';
    this.trouble.value = null;
    try {
      const early = await begun.get(this.name)?.catch(() => null);
      begun.delete(this.name);
      if (early && first?.glance?.name === this.name) first.glance.leave((piece) => this.#take(piece));
      const port = early && early.state !== 'closed' ? early : await made.open(this.name);
      // Closed meanwhile, or another session has come.
      if (this.#opening !== made) return void port.close();
      this.#attach(port);
    } catch (error) {
      if (this.#opening !== made) return;
      this.state.value = 'closed';
      this.trouble.value = () => words(error);
    } finally {
      if (this.#opening === made) this.#opening = null;
    }
  }

  async close(): Promise<void> {
    const port = this.port;
    this.#opening = null;
    this.#forget();
    await port?.close();
  }

  attach(sink: Sink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** What the gateway grants no room for waits; with too much waiting it is refused, since a late command may do harm. */
  send(text: string | Uint8Array): boolean {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    const port = this.port;
    if (!port || port.state !== 'open') return this.#refuse('desk.not-open', 'try.desk-not-open');
    if (this.waiting.peek() + bytes.length > WAITING_LIMIT) return this.#refuse('desk.too-much', 'try.desk-too-much');
    if (!this.#hasWritten) this.#begin();
    void this.#write(port, bytes);
    return true;
  }

  /**
   * Sends what the terminal says by itself: answers to the device's queries, reports of the focus and of a pointer that passes.
   * A message takes a free lease and arms a dead-man switch, and neither may happen without a person. So this is sent only if a
   * person has written over this connection before, and still has the lease where there is one; never to a device with a
   * dead-man switch. Everything else is dropped without a word: nobody has asked for it here.
   */
  answer(message: string | Uint8Array): void {
    const port = this.port;
    const lease = leases.peek().get(this.name);
    if (port?.state !== 'open' || !this.#hasWritten || this.#hasDeadman || (lease && !lease.yours)) return;
    void this.#write(port, typeof message === 'string' ? new TextEncoder().encode(message) : message);
  }

  /** A person has begun to write. The gateway tells about a dead-man switch only when asked; until then there may be one. */
  #begin(): void {
    this.#hasWritten = true;
    const connection = this.#connection;
    void get<{ deadman?: unknown }>(`/endpoints/${encodeURIComponent(this.name)}`).then(({ deadman }) => {
      if (this.#connection === connection) this.#hasDeadman = Boolean(deadman);
    }, () => {});
  }

  /** Another connection: its lease and its dead-man switch are not those of before. */
  #startOver(): void {
    this.#connection++;
    this.#hasWritten = false;
    this.#hasDeadman = true;
  }

  async #write(port: Port, bytes: Uint8Array): Promise<void> {
    this.waiting.value += bytes.length;
    try {
      this.#writer ??= port.writable.getWriter();
      await this.#writer.write(bytes);
    } catch (error) {
      this.#writer = null; // after a failure the port has a new stream
      if (this.port === port) this.trouble.value = () => words(error);
    } finally {
      this.waiting.value -= bytes.length;
    }
  }

  #refuse(what: 'desk.not-open' | 'desk.too-much', todo: 'try.desk-not-open' | 'try.desk-too-much'): false {
    this.trouble.value = () => ({ what: t(what), todo: t(todo) });
    return false;
  }

  remember(line: string): void {
    if (line && this.history.at(-1) !== line) this.history.push(line);
    if (this.history.length > HISTORY) this.history.shift();
  }

  #attach(port: Port): void {
    this.port = port;
    this.#startOver();
    this.state.value = port.state;
    port.addEventListener('state', ({ detail: { state } }) => {
      if (this.port !== port) return;
      if (state === 'open' && this.state.peek() === 'reopening') {
        this.#startOver();
        this.returns.value++;
      }
      this.state.value = state;
    });
    port.addEventListener('dropped', ({ detail: { direction, reason, messages, bytes } }) => {
      this.trouble.value = () => {
        const { what, todo } = reasonWords(reason);
        return { what: `${t(direction === 'to_peer' ? 'desk.dropped-to-peer' : 'desk.dropped-from-peer', { messages, bytes })} ${what}`, todo };
      };
    });
    port.addEventListener('gap', ({ detail: { unsent, mayBeLost } }) => {
      if (!unsent && !mayBeLost) return;
      this.trouble.value = () => ({ what: t('desk.gap', { unsent, mayBeLost }), todo: t('try.gap') });
    });
    void port.closed.then((info) => this.#closed(port, info));
    void this.#read(port);
  }

  #closed(port: Port, { reason, detail }: CloseInfo): void {
    if (this.port !== port) return;
    this.#forget();
    this.state.value = 'closed';
    if (link.peek() === 'closed') return; // a notice says what has become of the session
    this.trouble.value = () => reasonWords(reason, detail);
    if (reason === 'reconfigured') setTimeout(() => void this.open(), 300);
  }

  #forget(): void {
    this.#sent = this.sent;
    this.#received = this.received;
    this.port = null;
    this.#writer = null;
  }

  #take(piece: Piece): void {
    this.record.add(piece.bytes, piece.at);
    for (const sink of this.#sinks) sink.take(piece);
  }

  async #read(port: Port): Promise<void> {
    const reader = port.readable.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        this.#take({ at: Date.now(), bytes: value });
      }
    } catch {
      // `closed` says why.
    }
  }
}

export const desks = signal<readonly Desk[]>([]);
/** The one in front, by its name. */
export const front = signal<string | null>(null);
/** The names of all, that one first. */
export const open = computed(() => {
  const names = desks.value.map((desk) => desk.name).filter((name) => name !== front.value);
  return front.value === null ? names : [front.value, ...names];
});
export const deskOf = (name: string): Desk | undefined => desks.value.find((desk) => desk.name === name);

export function openDesk(name: string): Desk {
  let desk = deskOf(name);
  if (!desk) {
    desk = new Desk(name);
    desks.value = [...desks.value, desk];
  } else if (desk.state.value === 'closed') {
    void desk.open();
  }
  front.value = name;
  return desk;
}

/** What an address names, the first in front. */
export function openNamed(names: readonly string[]): void {
  for (const name of names) openDesk(name);
  if (names[0] !== undefined) front.value = names[0];
}

export function closeDesk(desk: Desk): void {
  const left = desks.value.filter((other) => other !== desk);
  desks.value = left;
  if (front.value === desk.name) front.value = left.at(-1)?.name ?? null;
  void desk.close();
}

// A new session (after a sign-in, or "again") opens again what was open.
session.subscribe((made) => { if (made) for (const desk of desks.peek()) void desk.open(); });
