// One peer connection to the gateway with its control channel: what is made anew for each (re)connect.
import { Control, type Message } from './control.js';
import { Credit } from './credit.js';
import { ThingwayError } from './errors.js';
import type { Resource, Signaling } from './signaling.js';
import type { ConnectOptions } from './types.js';

/**
 * ms for the answer to an offer that nobody waits for any more: it names the session that has to be ended.
 */
const GRACE = 3000;
/**
 * ms in which candidates come together: one request for all of them, and where none is needed it holds
 * nothing up.
 */
const TOGETHER = 100;

/** What a link tells its session. */
export interface LinkEvents {
  message(message: Message): void;
  /** Once at most, and only after `start` has resolved. */
  lost(error: ThingwayError): void;
  stray(error: ThingwayError): void;
}

export class Link {
  readonly peer: RTCPeerConnection;
  readonly control: Control;
  #channel: RTCDataChannel;
  #resource: Resource | undefined;
  #candidates: string[] = [];
  #patching = false;
  #hello = deferred<Message>();
  #state: 'starting' | 'up' | 'down' = 'starting';
  #looking: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private signaling: Signaling,
    private options: ConnectOptions,
    private events: LinkEvents,
  ) {
    const Peer = options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    if (!Peer) throw new ThingwayError('no-webrtc', 'there is no RTCPeerConnection');
    // One transport carries everything, also what a later offer adds.
    const configuration: RTCConfiguration = {
      iceServers: options.iceServers ?? [],
      bundlePolicy: 'max-bundle',
    };
    if (options.iceTransportPolicy) configuration.iceTransportPolicy = options.iceTransportPolicy;
    this.peer = new Peer(configuration);
    // first, so that it tells of every channel after it
    this.#channel = this.peer.createDataChannel('thingway');
    this.control = new Control((text) => this.#write(text), events.stray);
    this.#channel.onopen = () => this.control.tell({ v: 1, type: 'hello' });
    this.#channel.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    this.#channel.onclose = () =>
      this.#down(new ThingwayError('connection-lost', 'the gateway has ended the connection'));
    this.peer.onconnectionstatechange = () => this.#changed();
    this.peer.onicecandidate = ({ candidate }) => {
      this.#candidates.push(
        candidate?.candidate ? `a=${candidate.candidate.replace(/^a=/, '')}` : 'a=end-of-candidates',
      );
      this.#trickle();
    };
  }

  /** Resolves with `hello`. The offer goes out at once, candidates follow by PATCH. `media`: {@link Signaling.post}. */
  async start(signal: AbortSignal, media = ''): Promise<Message> {
    const timeout = this.options.timeout ?? 15000;
    const timer = setTimeout(
      () => this.#down(new ThingwayError('timeout', `no connection within ${timeout} ms`)),
      timeout,
    );
    const aborter = new AbortController();
    const abort = () => this.#down(new ThingwayError('aborted', 'it was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    this.#hello.promise.catch((error) => setTimeout(() => aborter.abort(error), GRACE));
    try {
      if (signal.aborted) abort();
      // What a peer connection still had to do when it was closed is never settled.
      await this.#unlessDown(this.peer.setLocalDescription());
      const posted = this.signaling
        .post(this.peer.localDescription!.sdp, aborter.signal, media)
        .then((resource) => {
          this.#resource = resource;
          if (this.isDown) this.#forget();
          return resource;
        });
      const { answer: sdp } = await this.#unlessDown(posted);
      await this.#unlessDown(this.peer.setRemoteDescription({ type: 'answer', sdp }));
      this.#trickle();
      return await this.#hello.promise;
    } catch (error) {
      const cause =
        error instanceof ThingwayError
          ? error
          : new ThingwayError('failed', (error as Error).message, { cause: error });
      this.#down(cause);
      this.#hello.promise.catch(() => {});
      throw cause;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Of the session, at the gateway. */
  get url(): URL | undefined {
    return this.#resource?.url;
  }

  /** Sends the local description, with sections for what `media` names, and gives the answer. */
  reoffer(media: string): Promise<string> {
    return this.signaling.reoffer(this.#resource!, this.peer.localDescription!.sdp, media);
  }

  channel(label: string, init: RTCDataChannelInit): RTCDataChannel {
    const channel = this.peer.createDataChannel(label, init);
    channel.binaryType = 'arraybuffer';
    return channel;
  }

  /**
   * By stream id, what the gateway has opened and no port has taken yet: grants may come before this side has
   * its own event. A port takes its entry away, since the id may serve another channel later.
   */
  readonly credits = new Map<number, Credit>();
  /** `refused` and `closed` by stream id: they may come before the channel's own event, or after it. */
  readonly ends = new Map<number, Message>();
  get isDown(): boolean {
    return this.#state === 'down';
  }
  get isUp(): boolean {
    return this.#state === 'up' && this.#channel.readyState === 'open';
  }

  /** Ends it, and tells the gateway. */
  async close(error: ThingwayError): Promise<void> {
    this.#down(error, false);
    await this.#forget();
  }

  #unlessDown<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#hello.promise.then(() => work)]);
  }

  async #forget() {
    const resource = this.#resource;
    this.#resource = undefined;
    // It may be gone, and the gateway notices by itself, only later.
    if (resource) await this.signaling.delete(resource).catch(() => {});
  }

  /** Asks whether the other side is there still: after the machine has slept, for instance. */
  async check(): Promise<void> {
    if (this.#state !== 'up') return;
    clearTimeout(this.#looking);
    this.#looking = setTimeout(
      () => this.#down(new ThingwayError('connection-lost', 'the gateway does not answer')),
      4000,
    );
    await this.control.ping().catch(() => {});
    clearTimeout(this.#looking);
  }

  #write(text: string) {
    if (this.#channel.readyState !== 'open')
      throw new ThingwayError('connection-lost', 'there is no connection now');
    this.#channel.send(text);
  }

  #heard(message: Message) {
    if (message.type === 'hello') {
      this.#state = 'up';
      return this.#hello.resolve(message);
    }
    if (message.type === 'opened') {
      this.credits.set(message.channel, new Credit());
      this.ends.delete(message.channel);
    }
    if (message.type === 'credit') this.credits.get(message.channel)?.grant(message['limit']);
    if (message.type === 'refused' || message.type === 'closed') this.ends.set(message.channel, message);
    if (message.type === 'closed' && message.label === 'thingway') {
      return this.#down(
        new ThingwayError(
          message.reason === 'unsupported-version' ? message.reason : 'connection-lost',
          message.detail,
        ),
      );
    }
    if (!this.control.heard(message)) this.events.message(message);
  }

  #changed() {
    clearTimeout(this.#looking);
    const state = this.peer.connectionState;
    if (state === 'failed') {
      this.#down(
        this.#state === 'starting'
          ? new ThingwayError('ice-failed', 'no network path to the gateway was found')
          : new ThingwayError('connection-lost', 'the network path to the gateway is gone'),
      );
    }
    if (state === 'closed') this.#down(new ThingwayError('connection-lost', 'the connection was closed'));
    if (state === 'disconnected') this.#look();
  }

  /**
   * ICE waits up to half a minute before it gives a path up. A gateway that was started anew says at once
   * that there is no such session; where nobody listens any more, asking fails at once and again; a network
   * that is away lets it wait.
   */
  async #look(refused = 0) {
    const began = performance.now();
    const has = this.#resource && (await this.signaling.has(this.#resource));
    if (this.peer.connectionState !== 'disconnected' || this.#state !== 'up') return;
    refused =
      has === undefined && performance.now() - began < 500 && globalThis.navigator?.onLine !== false
        ? refused + 1
        : 0;
    if (has === false)
      return this.#down(
        new ThingwayError('connection-lost', 'the gateway does not know the session any more'),
      );
    if (refused > 4) return this.#down(new ThingwayError('connection-lost', 'the gateway is gone'));
    this.#looking = setTimeout(() => this.#look(refused), 500);
  }

  async #trickle() {
    if (this.#patching || !this.#resource || !this.#candidates.length) return;
    this.#patching = true;
    await new Promise((later) => setTimeout(later, TOGETHER));
    const sdp = this.peer.localDescription?.sdp ?? '';
    const line = (name: string) => new RegExp(`^a=${name}:.*`, 'm').exec(sdp)?.[0].trim() ?? '';
    const lines = [
      line('ice-ufrag'),
      line('ice-pwd'),
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      line('mid'),
      ...this.#candidates.splice(0),
      '',
    ];
    // Not fatal: the gateway also learns of this side's addresses from its connectivity checks.
    if (this.#resource) await this.signaling.patch(this.#resource, lines.join('\r\n')).catch(() => {});
    this.#patching = false;
    this.#trickle();
  }

  #down(error: ThingwayError, tell = true) {
    if (this.#state === 'down') return;
    const wasUp = this.#state === 'up';
    this.#state = 'down';
    clearTimeout(this.#looking);
    this.#channel.onclose = this.#channel.onmessage = this.#channel.onopen = null;
    this.peer.onconnectionstatechange = this.peer.onicecandidate = null;
    this.control.end(error);
    this.#hello.reject(error);
    if (wasUp && tell) this.events.lost(error);
    this.peer.close();
    if (!wasUp) this.#forget();
  }
}

export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}
export function deferred<T>(): Deferred<T> {
  const result = {} as Deferred<T>;
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
