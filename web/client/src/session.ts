// A session with a gateway: it keeps one connection up, makes it anew when it is lost, and routes what the
// gateway says.
import { backoff, Wait } from './backoff.js';
import { Leasing } from './leases.js';
import { ThingwayError, isFinal } from './errors.js';
import { emit, typedTarget } from './events.js';
import { deferred, Link } from './link.js';
import { measure } from './measure.js';
import { type Gap, Port } from './port.js';
import { Signaling } from './signaling.js';
import { stats } from './stats.js';
import type { Message } from './control.js';
import type { Media } from './media/index.js';
import type { LineOptions, SessionEvents } from './session_types.js';
import type * as t from './types.js';

/** Made by {@link connect}. All its events are those of {@link SessionEvents}. */
export class Session extends /* @__PURE__ */ typedTarget<SessionEvents>() {
  /** Resolves, and never rejects, when the session is over for good. */
  readonly closed: Promise<t.CloseInfo>;
  /** Who may write, where only one may. */
  readonly lease: t.Leases;
  #options: t.ConnectOptions;
  #signaling: Signaling;
  #link: Link | undefined;
  #state: t.SessionState = 'connecting';
  #id = '';
  #server = '';
  #known = new Map<string, t.EndpointInfo>();
  #ports = new Set<Port>();
  #leasing: Leasing;
  #close = deferred<t.CloseInfo>();
  #ending = new AbortController();
  #wait = new Wait();
  #media: Media | undefined;

  /** @internal Use {@link connect}. */
  constructor(url: string | URL, options: t.ConnectOptions) {
    super();
    this.#options = options;
    this.#signaling = new Signaling(url, options);
    this.closed = this.#close.promise;
    this.lease = this.#leasing = new Leasing(() => this.#up.control);
    for (const endpoint of options.open ?? []) this.#ports.add(new Port(this, endpoint, {}));
  }

  /** As in `GET /sessions/{id}`: another one after each reconnect. */
  get id(): string {
    return this.#id;
  }
  /** The gateway's. */
  get url(): URL {
    return this.#signaling.url;
  }
  get state(): t.SessionState {
    return this.#state;
  }
  /** The gateway's name and version. */
  get server(): string {
    return this.#server;
  }
  /** That of now: another one after each reconnect. */
  get peerConnection(): RTCPeerConnection {
    return this.#up.peer;
  }
  /** Endpoints as they were last heard of. Kept up to date: see the event `endpoint`. */
  get known(): ReadonlyMap<string, t.EndpointInfo> {
    return this.#known;
  }
  /** Those that are not closed. */
  get ports(): ReadonlySet<Port> {
    return this.#ports;
  }

  /** Asks for all endpoints that this session may see. */
  endpoints(): Promise<t.EndpointInfo[]> {
    return this.#call((link) => link.control.endpoints());
  }

  /**
   * Opens a DataChannel to an endpoint; while the session is reconnecting, as soon as it is back. Rejects
   * with the gateway's reason if it refuses, `unknown-endpoint` for instance. An endpoint whose device is
   * absent can be opened.
   */
  async open(endpoint: string, options: t.OpenOptions = {}): Promise<Port> {
    if (this.#state === 'closed') throw new ThingwayError('session-closed', 'the session is closed');
    const port = new Port(this, endpoint, options);
    this.#ports.add(port);
    if (this.#link) port._attach(this.#link);
    await port._opened;
    return port;
  }

  /**
   * The pictures and sounds of an endpoint. Resolves when the gateway has agreed to them, and rejects with its
   * reason if it refuses all of them. A picture may come later: see the event `media`. After a reconnect the
   * same stream has the new tracks.
   */
  async watch(endpoint: string): Promise<MediaStream> {
    return (await this.#withMedia()).watch(endpoint);
  }

  /** Sends a camera or a microphone to an endpoint; after a reconnect, again. Rejects as {@link watch}. */
  async publish(endpoint: string, stream: MediaStream): Promise<t.Publication> {
    return (await this.#withMedia()).publish(endpoint, stream);
  }

  /** Ends watching an endpoint and sending to it. */
  async stop(endpoint: string): Promise<void> {
    await this.#media?.stop(endpoint);
  }

  /**
   * Does steps at a serial line, timed on the board, and tells how the line is afterwards. No steps: only
   * looks. Rejects with the gateway's reason; `step` says how far it came.
   */
  line(
    endpoint: string,
    steps: t.LineStep[] = [],
    { after, overtake, port }: LineOptions = {},
  ): Promise<t.LineStatus> {
    return this.#call((link) => {
      if (after !== undefined)
        port ??= [...this.#ports].filter((p) => p.endpoint === endpoint && p.state === 'open')[0];
      if (port && port.state !== 'open')
        throw new ThingwayError('connection-lost', `the port to ${endpoint} is ${port.state}`);
      const fields: Record<string, unknown> = { endpoint, do: steps };
      if (after !== undefined) fields['after'] = after === 'sent' ? (port?.offset ?? 0) : after;
      if (port) fields['channel'] = port._id;
      if (overtake) fields['overtake'] = true;
      return link.control.line(fields);
    });
  }

  /** The lease as last heard of; undefined without a port to the endpoint, or where everybody may write. */
  leaseOf(endpoint: string): t.Lease | undefined {
    return this.#leasing.of(endpoint);
  }

  /**
   * A sign of life for a dead-man switch; `fired` ends the stop of that number, `stop` says that the machine
   * is at rest. Does nothing while there is no connection.
   */
  heartbeat(options: { endpoint?: string; stop?: boolean; fired?: number } = {}): void {
    if (this.#link?.isUp) this.#link.control.tell({ type: 'heartbeat', ...options });
  }

  /**
   * Heartbeats until `signal` says stop. The timer is the page's own: if the page hangs or is hidden, so that
   * they stay away, that is the point.
   */
  heartbeats(endpoint: string, everyMs: number, { signal }: { signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.heartbeat({ endpoint });
    const timer = setInterval(() => this.heartbeat({ endpoint }), everyMs);
    const end = () => clearInterval(timer);
    signal.addEventListener('abort', end, { once: true });
    this.closed.then(end);
  }

  /** ms until the gateway has answered. */
  ping(): Promise<number> {
    return this.#call((link) => link.control.ping());
  }

  /** Measures the round trip and, over a probe, the throughput. */
  measure(options: t.MeasureOptions = {}): Promise<t.Measurement> {
    return measure(this, options);
  }

  /** Which path is used, and what went over it. */
  stats(): Promise<t.SessionStats> {
    return this.#call((link) => stats(link.peer));
  }

  /** While it is reconnecting: tries at once. While it is connected: asks whether the gateway is there. */
  reconnectNow(): void {
    this.#wait.wake();
    this.#link?.check();
  }

  /** Ends the session and all its ports, and tells the gateway. */
  async close(): Promise<void> {
    const link = this.#link;
    const error = new ThingwayError('session-closed', 'closed by this page');
    this.#end({ reason: 'closed', detail: 'closed by this page' });
    await link?.close(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  async _start(): Promise<this> {
    const { signal } = this.#options;
    const abort = () => {
      this.close();
    };
    try {
      if (signal?.aborted) throw new ThingwayError('aborted', 'it was aborted', { cause: signal.reason });
      signal?.addEventListener('abort', () => this.#ending.abort(signal.reason), { once: true });
      await this.#connect();
    } catch (error) {
      this.#end({
        reason: (error as ThingwayError).code,
        detail: (error as ThingwayError).message,
        error: error as ThingwayError,
      });
      throw error;
    }
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    const until = { signal: this.#ending.signal } as AddEventListenerOptions;
    const check = () => {
      if (globalThis.document?.visibilityState !== 'hidden') this.#link?.check();
    };
    globalThis.addEventListener?.('online', check, until);
    globalThis.document?.addEventListener('visibilitychange', check, until);
    globalThis.addEventListener?.(
      'pagehide',
      () => {
        this.#link?.close(new ThingwayError('connection-lost', 'the page was left'));
      },
      until,
    );
    // A page that comes back from the browser's cache has lost its connection and is told so here.
    globalThis.addEventListener?.(
      'pageshow',
      (event) => {
        if ((event as PageTransitionEvent).persisted && this.#link?.isDown)
          this.#lost(this.#link, new ThingwayError('connection-lost', 'the page was left'));
      },
      until,
    );
    return this;
  }

  /** @internal A port is closed. */
  _closed(port: Port, info: t.CloseInfo) {
    this.#ports.delete(port);
    if (![...this.#ports].some(({ endpoint }) => endpoint === port.endpoint))
      this.#leasing.forget(port.endpoint);
    emit(this, 'closed', { ...info, port });
  }

  /** @internal The endpoint was configured anew. */
  _reopen(port: Port) {
    if (this.#link && this.#options.reconnect !== false) port._attach(this.#link);
    else port._end({ reason: 'reconfigured', detail: '' });
  }

  /**
   * @internal Asks the gateway to throw away what the port has sent and the device has not taken. Resolves when the gateway has the
   * request, not when it is done: the scripts in front of it may wait for a device that takes nothing. Later
   * bytes wait behind it.
   */
  async _discard(port: Port): Promise<void> {
    const link = this.#link;
    if (!link || !port.offset || port.state !== 'open') return;
    // Of an unreliable channel the gateway has not counted what was lost on the way, so the two sides mean
    // other bytes.
    const { maxRetransmits, maxPacketLifeTime } = port.channel;
    if (maxRetransmits != null || maxPacketLifeTime != null) return;
    // The request and the bytes go over different channels, so the request may arrive first: `discard` says
    // which bytes are meant.
    const fields = {
      endpoint: port.endpoint,
      channel: port._id,
      discard: port.offset,
      do: [{ flush: 'output' }],
    };
    // only serial lines have a driver whose queue can be thrown away
    const done = link.control.line(fields).catch(() => {});
    await Promise.race([done, link.control.ping().catch(() => {})]);
  }

  get #up(): Link {
    if (this.#link) return this.#link;
    throw this.#state === 'closed'
      ? new ThingwayError('session-closed', 'the session is closed')
      : new ThingwayError('connection-lost', 'there is no connection now');
  }

  /** A page without pictures does not load what is for them. */
  async #withMedia(): Promise<Media> {
    const { Media } = await import('./media/index.js').catch((cause) => {
      throw new ThingwayError('unreachable', 'a part of the library cannot be loaded', { cause });
    });
    return (this.#media ??= new Media(this, () => this.#link, ThingwayError));
  }

  async #call<T>(what: (link: Link) => Promise<T>): Promise<T> {
    return what(this.#up);
  }

  /** One attempt. */
  async #connect(): Promise<void> {
    const link: Link = new Link(this.#signaling, this.#options, {
      message: (message) => this.#heard(link, message),
      lost: (error) => this.#lost(link, error),
      stray: (error) => emit(this, 'error', error),
    });
    this.#link = undefined;
    const attach = () => {
      for (const port of this.#ports) port._attach(link);
    };
    // With the connection itself: a round trip sooner. Some packages for Node give a channel its stream id
    // only afterwards.
    if (!this.#options.RTCPeerConnection) attach();
    const hello = await link.start(this.#ending.signal, this.#media?.begin(link.peer));
    if (link.isDown) throw new ThingwayError('connection-lost', 'the connection was lost at once');
    this.#link = link;
    this.#id = hello['session'];
    this.#server = hello['server'];
    this.#list(hello['endpoints']);
    attach();
    this.#setState('connected');
    this.#media?.connected(link);
  }

  #lost(link: Link, error: ThingwayError) {
    if (link !== this.#link || this.#state === 'closed') return;
    this.#link = undefined;
    this.#leasing.clear();
    const { reconnect } = this.#options;
    if (reconnect === false || isFinal(error)) {
      return this.#end({ reason: error.code, detail: error.message, error });
    }
    this.#setState('reconnecting');
    const gap = [...this.#ports].map((port) => port._detach(error));
    this.#comeBack(reconnect ?? {}, error, gap);
  }

  async #comeBack(
    { minDelay = 500, maxDelay = 10000, giveUpAfter = Infinity }: t.ReconnectOptions,
    error: ThingwayError,
    gap: Gap[],
  ) {
    const since = performance.now();
    for (let attempt = 1; ; attempt++) {
      const away = performance.now() - since;
      const delay = Math.min(
        Math.max(backoff(attempt, minDelay, maxDelay), error.retryAfter ?? 0),
        Math.max(0, giveUpAfter - away),
      );
      emit(this, 'reconnecting', { attempt, delay, error });
      await this.#wait.until(delay);
      if (this.#state !== 'reconnecting') return;
      try {
        await this.#connect();
        const left = gap.filter(({ port }) => port.state !== 'closed');
        emit(this, 'reconnected', { attempts: attempt, away: performance.now() - since, gap: left });
        return;
      } catch (caught) {
        error = caught as ThingwayError;
      }
      if (this.#state !== 'reconnecting') return;
      const final = isFinal(error) && !(error.code === 'token-expired' && this.#signaling.renews);
      if (final || performance.now() - since >= giveUpAfter) {
        return this.#end({ reason: error.code, detail: error.message, error });
      }
    }
  }

  #end(info: t.CloseInfo) {
    if (this.#state === 'closed') return;
    this.#setState('closed');
    this.#link = undefined;
    this.#leasing.clear();
    for (const port of [...this.#ports]) {
      port._end(info.error ? info : { reason: 'session-closed', detail: info.detail });
    }
    this.#ending.abort(info.error);
    this.#wait.wake();
    this.#close.resolve(info);
  }

  #heard(link: Link, message: Message) {
    const port = this.#portOf(message);
    const { type, endpoint, label, reason, detail } = message;
    switch (type) {
      case 'endpoint':
        return this.#endpoint(message as unknown as t.EndpointInfo);
      case 'endpoints':
        return this.#list(message['endpoints']);
      case 'opened':
        return port?._bind();
      case 'credit':
        return port?._granted(message['limit']);
      case 'refused':
      case 'closed':
        if (!port) return;
        if (type === 'refused') emit(this, 'refused', { port, reason, detail });
        return port._refused(message);
      case 'dropped': {
        const dropped = {
          endpoint: label,
          port,
          direction: message['direction'],
          reason,
          messages: message['messages'],
          bytes: message['bytes'],
        };
        if (port) emit(port, type, dropped);
        return void emit(this, type, dropped);
      }
      case 'lease': {
        const { holder, yours, asked_by: askedBy = null, wait_ms: waitMs = null } = message;
        const lease = { endpoint, holder, yours, askedBy, waitMs } as t.Lease;
        this.#leasing.heard(lease);
        return void emit(this, type, lease);
      }
      case 'deadman':
        return void emit(this, type, { endpoint, session: message['session'], fired: message['fired'] });
      case 'lost':
        return void emit(this, type, { endpoint, reason, bytes: message['bytes'] });
      case 'bye': {
        emit(this, type, { reason });
        const renewed = reason === 'token-expired' && this.#signaling.renews;
        const error = new ThingwayError(
          renewed ? 'connection-lost' : reason,
          `the gateway has ended the session: ${reason}`,
        );
        this.#lost(link, error);
        return void link.close(error);
      }
      default:
        this.#media?.heard(message);
    }
  }

  #portOf({ channel, label }: Message): Port | undefined {
    if (channel === undefined) return undefined;
    for (const port of this.#ports)
      if (port._id === channel && (label === undefined || label === port.endpoint)) return port;
    return undefined;
  }

  #endpoint(message: t.EndpointInfo & { type?: string }) {
    const { type: _, ...told } = message;
    const { name, state } = told;
    const info = { ...told, kind: told.kind ?? this.#known.get(name)?.kind ?? '' };
    if (state === 'removed') this.#known.delete(name);
    else this.#known.set(name, info);
    emit(this, 'endpoint', info);
  }

  /** The whole list; events tell only of what is different. */
  #list(endpoints: t.EndpointInfo[]) {
    const names = new Set(endpoints.map(({ name }) => name));
    for (const [name, info] of [...this.#known])
      if (!names.has(name)) this.#endpoint({ ...info, state: 'removed' });
    for (const info of endpoints) {
      const known = this.#known.get(info.name);
      const isOther = (field: keyof t.EndpointInfo) => `${known?.[field]}` !== `${info[field]}`;
      if ((['state', 'detail', 'kind', 'media', 'takes'] as const).some(isOther)) this.#endpoint(info);
    }
  }

  #setState(state: t.SessionState) {
    if (this.#state === state) return;
    this.#state = state;
    emit(this, 'state', { state });
  }
}

/**
 * Connects to a gateway: `await connect('https://board:8443', { token })`. Rejects if the first attempt
 * fails, with a {@link ThingwayError} whose `hint` says what to do; later losses are made good by
 * reconnecting.
 */
export function connect(url: string | URL, options: t.ConnectOptions = {}): Promise<Session> {
  return Promise.resolve().then(() => new Session(url, options)._start());
}
