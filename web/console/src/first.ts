// The connection of a page that has just been opened, and the terminals to begin with, begun before anything
// of the page is there.
import { connect, type Port, type Session } from 'thingway';
import { Glance } from './glance.ts';
import { namedIn } from './state/address.ts';
import { heldToken, share } from './state/arrival.ts';

/**
 * Aborted when the page is left: a session that is still being made then would stay with the gateway until a
 * time-out.
 */
const left = new AbortController();
export const leaving = left.signal;
addEventListener('pagehide', () => left.abort());

export class First {
  readonly session: Promise<Session>;
  /**
   * The terminals to begin with, the one in front first: those that the address names, or that of the only
   * device.
   */
  readonly names: Promise<string[]>;
  /** Each is taken over by the one who opens the endpoint first. */
  readonly ports = new Map<string, Promise<Port>>();
  /** Of the terminal in front, unless the console was there sooner. Whoever takes its port over ends it. */
  glance: Glance | null = null;
  /** When there is something to be seen before the console, or there will be nothing. */
  readonly shown: Promise<unknown>;
  #isOver = false;

  constructor() {
    const named = namedIn(location.hash);
    this.session = connect(location.origin, { token: () => heldToken() ?? '', open: named, signal: leaving });
    for (const name of named) this.#open(name);
    // An address without anything asks for nothing: then one device alone is what a person has come for.
    this.names = location.hash ? Promise.resolve(named) : this.session.then(onlyOne);
    this.shown = this.names.then(([front]): unknown => {
      if (front === undefined) return this.session;
      if (this.#isOver) return;
      this.glance = new Glance(front, this.ports.get(front) ?? this.#open(front));
      return this.glance.shown;
    });
    // Each is heard by who takes it over.
    for (const begun of [this.session, this.names, this.shown, ...this.ports.values()]) begun.catch(() => {});
  }

  /** The console is there. What is not open yet is its own to open. */
  over(): void {
    this.#isOver = true;
  }

  #open(name: string): Promise<Port> {
    const port = this.session.then(
      (made) => [...made.ports].find(({ endpoint }) => endpoint === name) ?? made.open(name),
    );
    this.ports.set(name, port);
    return port;
  }
}

/** Of a kind of which nobody notices that a channel to it is opened. */
function onlyOne({ known }: Session): string[] {
  const [only, other] = known.values();
  return only && !other && only.state === 'open' && (only.kind === 'serial' || only.kind === 'demo')
    ? [only.name]
    : [];
}

export const first = share || !('RTCPeerConnection' in globalThis) ? null : new First();
