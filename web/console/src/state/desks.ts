// The endpoints that this page has open: one port each, what came over it and what a person has set for it.
import { computed, effect, signal, type Signal } from '@preact/signals';
import type { CloseInfo, Port, Session } from 'thingway';
import { bytes as size, t } from '../i18n/index.ts';
import type { Look } from '../terminal/present.ts';
import { Record, type Piece } from '../terminal/record.ts';
import { get } from './access.ts';
import { first } from './early.ts';
import { reasonWords, words, type Words } from './failures.ts';
import { endpoints, leases, link, session, stops } from './gateway.ts';
import { remembered } from './settings.ts';

/** A button with a person's own text. */
export interface Macro {
  label: string;
  text: string;
}
export type Ending = 'none' | 'lf' | 'cr' | 'crlf';
export const ENDINGS: { [ending in Ending]: string } = { none: '', lf: '\n', cr: '\r', crlf: '\r\n' };
const WAITING_LIMIT = 64 << 10; // bytes typed or pasted for which the device has not yet made room
const HISTORY = 100;

export interface Habits extends Look {
  input: 'keys' | 'line';
  ending: Ending;
  enter: Ending;
  echo: boolean;
  /** A line feed alone begins a new line at its start, as most devices mean it. */
  returns: boolean;
}
const HABITS: Habits = {
  mode: 'text',
  stamps: false,
  returns: true,
  input: 'line',
  ending: 'lf',
  enter: 'cr',
  echo: true,
};

/**
 * Ports that were asked for before there was a desk: they are as good as any, unless their session came to
 * nothing.
 */
export const begun = new Map<string, Promise<Port>>();

/** What ends a trouble by itself: the thing that was missing is there again. */
type Until = 'lease' | 'device' | 'stop' | 'open' | 'room' | null;
const ENDS: { [reason: string]: Until } = {
  'no-lease': 'lease',
  absent: 'device',
  'device-failed': 'device',
  deadman: 'stop',
};

/** What takes a device's bytes. It cannot hold them up: what it has no time for is its own to leave out. */
export interface Sink {
  take(piece: Piece): void;
}

export class Desk {
  readonly state = signal<'opening' | 'open' | 'reopening' | 'closed'>('opening');
  readonly trouble = signal<(() => Words) | null>(null);
  /** The gateway has no such endpoint, or none that this page may see. */
  readonly isUnknown = signal(false);
  /** The endpoint has pictures or sound in place of bytes: the desk has no port, and its panel does the rest. */
  readonly isMedia = signal(false);
  /** The dead-man switch of the endpoint; null: it has none, undefined: not known yet. */
  readonly deadman = signal<{ timeout_ms: number } | null | undefined>(undefined);
  /** Whether a person has written over the connection of now. */
  readonly hasWritten = signal(false);
  /** How often the gateway has dropped messages of this page. */
  readonly dropped = signal(0);
  readonly waiting = signal(0);
  /** How often the connection has come back: each time the device's last output comes again. */
  readonly returns = signal(0);
  readonly habits: Signal<Habits>;
  /** Buttons with texts of a person's own. */
  readonly macros: Signal<{ list: readonly Macro[] }>;
  /** Whether files can be sent in sight, and whether one is on its way. */
  readonly hasFilePanel = signal(false);
  readonly sending = signal(false);
  readonly record = new Record();
  readonly history: string[] = [];
  port: Port | null = null;
  #opening: Session | null = null;
  #sinks = new Set<Sink>();
  #writer: WritableStreamDefaultWriter<Uint8Array | string> | null = null;
  #sent = 0;
  #received = 0;
  #connection = 0; // counts them
  #until: Until = null;
  #wasListed = false;
  #stop: () => void;

  constructor(readonly name: string) {
    this.habits = remembered(`desk.${name}`, HABITS);
    this.macros = remembered<{ list: readonly Macro[] }>(`macros.${name}`, { list: [] });
    this.#stop = effect(() => this.#settle());
    void this.open();
  }

  get sent(): number {
    return this.#sent + (this.port?.bytesSent ?? 0);
  }
  get received(): number {
    return this.#received + (this.port?.bytesReceived ?? 0);
  }

  async open(): Promise<void> {
    const made = session.peek();
    if (!made || this.port || this.#opening === made) return;
    this.#opening = made;
    this.state.value = 'opening';
    this.trouble.value = null;
    this.isUnknown.value = false;
    this.isMedia.value = made.known.get(this.name)?.kind === 'rtp';
    try {
      const early = await begun.get(this.name)?.catch(() => null);
      begun.delete(this.name);
      if (this.isMedia.peek()) {
        this.state.value = 'open';
        return;
      }
      if (early && first?.glance?.name === this.name) first.glance.leave((piece) => this.#take(piece));
      const port = early && early.state !== 'closed' ? early : await made.open(this.name);
      // Closed meanwhile, or another session has come.
      if (this.#opening !== made) return void port.close();
      this.#attach(port);
    } catch (error) {
      if (this.#opening !== made) return;
      this.state.value = 'closed';
      this.isUnknown.value = (error as { code?: unknown }).code === 'unknown-endpoint';
      this.fail(() => words(error), 'open');
    } finally {
      if (this.#opening === made) this.#opening = null;
    }
  }

  async close(): Promise<void> {
    const port = this.port;
    this.#opening = null;
    this.#stop();
    this.state.value = 'closed';
    this.#forget();
    await port?.close();
  }

  attach(sink: Sink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /**
   * What the gateway grants no room for waits; with too much waiting it is refused, since a late command may
   * do harm.
   */
  send(text: string | Uint8Array): boolean {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    const port = this.#writable();
    if (!port) return false;
    if (this.waiting.peek() + bytes.length > WAITING_LIMIT)
      return this.#refuse(() => ({ what: t('desk.too-much'), todo: t('try.desk-too-much') }), 'room');
    this.trouble.value = null;
    void this.#write(port, bytes);
    return true;
  }

  /**
   * As `send`, for a long stream: settles when all of it is on its way, as soon as the gateway has room for
   * it. False if it was refused, the connection was lost, or `signal` came first; then nothing of it is sent.
   */
  async deliver(bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const port = this.#writable();
    if (!port || signal.aborted) return false;
    const ended = new Promise((done) => signal.addEventListener('abort', done, { once: true }));
    await Promise.race([port.sendReady(bytes.length).catch(() => {}), ended]);
    return !signal.aborted && this.#writable() === port && this.#write(port, bytes);
  }

  /**
   * The port, if a person may write to it now. What the gateway would drop is refused here, with the reason,
   * and stays where it was typed.
   */
  #writable(): Port | null {
    const port = this.port;
    const reason = this.#whyDropped();
    if (port?.state !== 'open')
      this.#refuse(() => ({ what: t('desk.not-open'), todo: t('try.desk-not-open') }), 'open');
    else if (reason)
      this.#refuse(() => {
        const { what, todo } = reasonWords(reason);
        return { what: t('desk.not-sent', { what }), todo };
      }, ENDS[reason]!);
    else {
      if (this.deadman.peek() === undefined) this.#ask();
      this.hasWritten.value = true;
      return port;
    }
    return null;
  }

  /** The reason for which the gateway would drop what is written now, or null. */
  #whyDropped(): string | null {
    const state = endpoints.peek().get(this.name)?.state;
    if (state === 'absent') return 'absent';
    if (state === 'failed') return 'device-failed';
    const lease = leases.peek().get(this.name);
    if (lease?.holder && !lease.yours) return 'no-lease';
    return isStopped(this.name) ? 'deadman' : null;
  }

  /**
   * Sends what the terminal says by itself: answers to the device's queries, reports of the focus and of a
   * pointer that passes. A message takes a free lease and arms a dead-man switch, and neither may happen
   * without a person. So this is sent only if a person has written over this connection before, and still has
   * the lease where there is one; never to a device with a dead-man switch. Everything else is dropped
   * without a word: nobody has asked for it here.
   */
  answer(message: string | Uint8Array): void {
    const port = this.port;
    const lease = leases.peek().get(this.name);
    if (
      port?.state !== 'open'
      || !this.hasWritten.peek()
      || this.deadman.peek() !== null
      || (lease && !lease.yours)
    )
      return;
    void this.#write(port, typeof message === 'string' ? new TextEncoder().encode(message) : message);
  }

  /** The gateway tells about a dead-man switch only when asked; until then there may be one. */
  #ask(): void {
    const connection = this.#connection;
    void get<{ deadman?: { timeout_ms: number } | null }>(`/endpoints/${encodeURIComponent(this.name)}`).then(
      ({ deadman }) => {
        if (this.#connection === connection) this.deadman.value = deadman ?? null;
      },
      () => {},
    );
  }

  /** Another connection: its lease and its dead-man switch are not those of before. */
  #startOver(): void {
    this.#connection++;
    this.hasWritten.value = false;
    this.deadman.value = undefined;
    this.#ask();
  }

  async #write(port: Port, bytes: Uint8Array): Promise<boolean> {
    this.waiting.value += bytes.length;
    try {
      this.#writer ??= port.writable.getWriter();
      await this.#writer.write(bytes);
      return true;
    } catch (error) {
      this.#writer = null; // after a failure the port has a new stream
      if (this.port === port) this.fail(() => words(error));
      return false;
    } finally {
      this.waiting.value -= bytes.length;
    }
  }

  #refuse(words: () => Words, until: Until): false {
    this.fail(words, until);
    return false;
  }

  /** Says what went wrong, until a person dismisses it or `until` has come. */
  fail(words: () => Words, until: Until = null): void {
    this.#until = until;
    this.trouble.value = words;
  }

  /**
   * Runs whenever something that a trouble may be about has changed. An endpoint that was unknown is opened
   * when it comes.
   */
  #settle(): void {
    const lease = leases.value.get(this.name);
    const endpoint = endpoints.value.get(this.name);
    const over = {
      lease: !lease?.holder || lease.yours,
      device: endpoint?.state === 'open',
      stop: !stops.value.has(this.name),
      open: this.state.value === 'open',
      room: this.waiting.value === 0,
    };
    if (this.#until && over[this.#until]) {
      this.#until = null;
      this.trouble.value = null;
    }
    if (endpoint && !this.#wasListed && this.isUnknown.peek()) queueMicrotask(() => void this.open());
    this.#wasListed = endpoint !== undefined;
  }

  remember(line: string): void {
    if (line && this.history.at(-1) !== line) this.history.push(line);
    if (this.history.length > HISTORY) this.history.shift();
  }

  #attach(port: Port): void {
    this.port = port;
    // A port that was opened before the console was there has brought its lease already.
    const lease = session.peek()?.leaseOf(this.name);
    if (lease) leases.value = new Map(leases.peek()).set(this.name, lease);
    this.#startOver();
    this.state.value = port.state;
    port.addEventListener('state', ({ detail: { state } }) => {
      if (this.port !== port) return;
      if (state === 'reopening') {
        // The next channel brings its own lease, if the endpoint still has one.
        const rest = new Map(leases.peek());
        rest.delete(this.name);
        leases.value = rest;
      }
      if (state === 'open' && this.state.peek() === 'reopening') {
        this.#startOver();
        this.returns.value++;
      }
      this.state.value = state;
    });
    port.addEventListener('dropped', ({ detail: { direction, reason, messages, bytes } }) => {
      if (direction !== 'to_peer') this.dropped.value++;
      this.fail(() => {
        const { what, todo } = reasonWords(reason);
        return {
          what: `${t(direction === 'to_peer' ? 'desk.dropped-to-peer' : 'desk.dropped-from-peer', { messages, size: size(bytes) })} ${what}`,
          todo,
        };
      }, ENDS[reason]);
    });
    port.addEventListener('gap', ({ detail: { unsent, mayBeLost } }) => {
      if (!unsent && !mayBeLost) return;
      this.fail(() => ({
        what: t('desk.gap', { unsent: size(unsent), mayBeLost: size(mayBeLost) }),
        todo: t('try.gap'),
      }));
    });
    void port.closed.then((info) => this.#closed(port, info));
    void this.#read(port);
  }

  #closed(port: Port, { reason, detail }: CloseInfo): void {
    if (this.port !== port) return;
    this.#forget();
    this.state.value = 'closed';
    if (link.peek() === 'closed') return; // a notice says what has become of the session
    this.fail(() => reasonWords(reason, detail), 'open');
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

/**
 * Whether the gateway has stopped the machine because this page was silent, and drops what it sends until a
 * person has said that they know.
 */
export function isStopped(name: string): boolean {
  const stop = stops.value.get(name);
  return stop !== undefined && stop.session === session.value?.id;
}

export const desks = signal<readonly Desk[]>([]);
/** The one in front, by its name. */
export const front = signal<string | null>(null);
/** The names of all that there are, that one first. */
export const open = computed(() => {
  const names = desks.value.filter((desk) => !desk.isUnknown.value).map((desk) => desk.name);
  return front.value !== null && names.includes(front.value)
    ? [front.value, ...names.filter((name) => name !== front.value)]
    : names;
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
session.subscribe((made) => {
  if (made) for (const desk of desks.peek()) void desk.open();
});
