// Pictures and sound of a session: what a page watches and sends, over all reconnects. This module is loaded
// when a page first uses it, so nothing but types may be imported from the core: it would come twice.
import type { Message } from '../control.js';
import type { ThingwayError } from '../errors.js';
import type { Link } from '../link.js';
import type { EndpointInfo, Publication } from '../types.js';
import { unchanged } from './unchanged.js';
import { type Kind, Publishing, Watching, type Wish } from './wish.js';

/** What media need of their session. */
export interface Host extends EventTarget {
  readonly known: ReadonlyMap<string, EndpointInfo>;
  readonly closed: Promise<unknown>;
}
const BOTH: readonly Kind[] = ['video', 'audio'];

export class Media {
  #wishes = new Map<Wish, PromiseWithResolvers>();
  /** The offers of a connection, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #turnOf: Link | undefined;
  /** Why the gateway refused, by endpoint and kind. */
  #refusals = new Map<string, string>();
  #isClosed = false;

  /** `up`: the connection of now, if there is one. */
  constructor(
    private host: Host,
    private up: () => Link | undefined,
    private Failure: typeof ThingwayError,
  ) {
    host.closed.then(() => this.#close());
    host.addEventListener('endpoint', (event) => this.#changed((event as CustomEvent<EndpointInfo>).detail));
  }

  /** The stream of an endpoint, with its tracks; the same one for everybody who asks. */
  async watch(endpoint: string): Promise<MediaStream> {
    const known = this.#find(endpoint, Watching);
    if (known) return this.#wishes.get(known)!.promise.then(() => known.stream);
    this.#check();
    const wish = new Watching(endpoint, () => this.#kinds(endpoint, 'media'));
    await this.#want(wish);
    return wish.stream;
  }

  /** Sends the tracks of a stream; those that were sent to the endpoint before are not sent any more. */
  async publish(endpoint: string, stream: MediaStream): Promise<Publication> {
    this.#check();
    const before = this.#find(endpoint, Publishing);
    if (before) await before.stop();
    const kinds = () => this.#kinds(endpoint, 'takes');
    if (!stream.getTracks().some(({ kind }) => kinds().includes(kind as Kind))) {
      const why = kinds().length
        ? `the stream has no ${kinds().join(' and no ')} for`
        : 'nothing can be sent to';
      throw new this.Failure('refused', `${why} ${endpoint}`);
    }
    const wish = new Publishing(endpoint, stream, kinds, (it) => this.#drop([it]));
    await this.#want(wish);
    return wish;
  }

  /** Ends watching and sending. */
  stop(endpoint: string): Promise<void> {
    return this.#drop([...this.#wishes.keys()].filter((wish) => wish.endpoint === endpoint));
  }

  /**
   * Adds what is wanted to the first offer of a new connection, and returns the query for it. The gateway gives
   * the sections to the endpoints in the order of both. An endpoint is in it once; the rest follows later.
   */
  begin(peer: RTCPeerConnection): string {
    const names = new Set<string>();
    for (const wish of this.#wishes.keys()) {
      clearTimeout(wish.retry);
      if (names.has(wish.endpoint)) continue;
      names.add(wish.endpoint);
      wish.attach(peer);
    }
    return query([...names]);
  }

  /** A connection has come up. What its first offer has not brought is asked for alone. */
  connected({ peer }: Link): void {
    for (const wish of this.#wishes.keys()) {
      if (wish.peer === peer && wish.settle()) this.#keep(wish);
      else this.#join(wish);
    }
  }

  /** A message of the gateway. */
  heard({ type, endpoint, kind, ...rest }: Message): void {
    const { state, detail = '', bitrate } = rest;
    if (type === 'bitrate') this.#emit(type, { endpoint, kind, bitrate });
    if (type !== 'media') return;
    if (state === 'refused') this.#refusals.set(`${endpoint} ${kind}`, detail);
    else this.#refusals.delete(`${endpoint} ${kind}`);
    this.#emit(type, { endpoint, kind, state, detail });
  }

  #want(wish: Wish): Promise<void> {
    const promise = withResolvers();
    this.#wishes.set(wish, promise);
    this.#join(wish);
    return promise.promise;
  }

  #keep(wish: Wish): void {
    wish.isKept = true;
    this.#wishes.get(wish)?.resolve();
  }

  /** Asks for a wish with an offer of its own. Without a connection it waits for the next one. */
  async #join(wish: Wish): Promise<void> {
    const link = this.up();
    if (!link) return;
    clearTimeout(wish.retry);
    try {
      const change = () => {
        wish.detach();
        wish.attach(link.peer);
      };
      if (!(await this.#offer(link, [wish.endpoint], change, wish))) return;
      if (wish.settle()) return this.#keep(wish);
      // The gateway says why before it answers this.
      await link.control.ping();
      throw new this.Failure('refused', this.#refusal(wish.endpoint));
    } catch (error) {
      // After a reconnect it is asked for again.
      if (this.up() === link) this.#failed(wish, error as ThingwayError);
    }
  }

  #failed(wish: Wish, error: ThingwayError): void {
    const promise = this.#wishes.get(wish);
    if (!promise) return;
    // Sections that were not answered would be in the next offer, which is another wish's.
    wish.detach();
    if (!wish.isKept) {
      this.#wishes.delete(wish);
      promise.reject(error);
      return;
    }
    // It was there before, so it waits: there may be room again, or the endpoint.
    wish.isLost = true;
    for (const kind of this.#kinds(wish.endpoint, wish instanceof Watching ? 'media' : 'takes'))
      if (!this.#refusals.has(`${wish.endpoint} ${kind}`))
        this.#emit('media', { endpoint: wish.endpoint, kind, state: 'refused', detail: error.message });
    if (error.retryAfter) wish.retry = setTimeout(() => this.#join(wish), error.retryAfter);
  }

  /**
   * Makes an offer of the whole connection once those before it are answered. `change` changes the sections just
   * before. False: nobody wants it any more.
   */
  #offer(link: Link, names: string[], change: () => void, wish?: Wish): Promise<boolean> {
    if (this.#turnOf !== link) this.#turn = Promise.resolve();
    this.#turnOf = link;
    const turn = this.#turn.then(async () => {
      if (this.up() !== link || (wish && !this.#wishes.has(wish))) return false;
      const { peer } = link;
      change();
      await peer.setLocalDescription();
      const answer = async (sdp: string) => peer.setRemoteDescription({ type: 'answer', sdp });
      try {
        await answer(await link.reoffer(query(names)));
      } catch (error) {
        if (peer.signalingState === 'have-local-offer')
          await answer(unchanged(peer.localDescription!.sdp, peer.remoteDescription!.sdp));
        throw error;
      }
      return true;
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #drop(wishes: Wish[]): Promise<void> {
    const link = this.up();
    const there = wishes.filter((wish) => this.#wishes.has(wish));
    for (const wish of there) {
      this.#wishes.get(wish)!.reject(new this.Failure('aborted', `${wish.endpoint} was stopped`));
      this.#wishes.delete(wish);
    }
    const detach = () => {
      for (const wish of there) wish.detach();
    };
    if (!link) return detach();
    if (!there.length) return;
    await this.#offer(link, [], detach).catch((error) => {
      if (this.up() === link) throw error;
    });
  }

  /** An endpoint that was removed and comes again has no sections any more. */
  #changed({ name, state }: EndpointInfo): void {
    for (const wish of this.#wishes.keys()) {
      if (wish.endpoint !== name || !wish.isKept) continue;
      if (state === 'removed') wish.isLost = true;
      else if (wish.isLost) this.#join(wish);
    }
  }

  #close(): void {
    this.#isClosed = true;
    for (const [wish, { reject }] of this.#wishes) {
      clearTimeout(wish.retry);
      reject(new this.Failure('session-closed', 'the session is closed'));
    }
    this.#wishes.clear();
  }

  #check(): void {
    if (this.#isClosed) throw new this.Failure('session-closed', 'the session is closed');
    const peer = this.up()?.peer;
    if (typeof MediaStream === 'undefined' || (peer && !peer.addTransceiver))
      throw new this.Failure('no-webrtc', 'this RTCPeerConnection has no pictures and no sound');
  }

  /** The kinds of an endpoint's tracks that go this way; both where nothing is known of the endpoint. */
  #kinds(endpoint: string, way: 'media' | 'takes'): readonly Kind[] {
    const known = this.host.known.get(endpoint);
    return known?.media ? (known[way] ?? []) : BOTH;
  }

  #refusal(endpoint: string): string {
    const said = BOTH.map((kind) => this.#refusals.get(`${endpoint} ${kind}`)).filter(Boolean);
    return said.join('; ') || `the gateway has refused the media of ${endpoint}`;
  }

  #find<T extends Wish>(endpoint: string, kind: abstract new (...words: never[]) => T): T | undefined {
    for (const wish of this.#wishes.keys())
      if (wish.endpoint === endpoint && wish instanceof kind) return wish;
    return undefined;
  }

  #emit(type: string, detail: unknown): void {
    this.host.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}
function withResolvers(): PromiseWithResolvers {
  const result = {} as PromiseWithResolvers;
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  result.promise.catch(() => {});
  return result;
}

const query = (names: string[]) => (names.length ? `media=${names.map(encodeURIComponent).join()}` : '');
