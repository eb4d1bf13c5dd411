// One DataChannel to one endpoint, with streams on both sides of it. The streams outlive the channel.
import { Credit } from './credit.js';
import { ThingwayError } from './errors.js';
import { emit, type Listener, typedTarget } from './events.js';
import { bytesOf, Inbox } from './inbox.js';
import { deferred, type Link } from './link.js';
import type { Message } from './control.js';
import type { CloseInfo, EndpointInfo, OpenOptions, PortState } from './types.js';

/** The longest message that the gateway takes, and the length of the pieces of what is longer. */
const MESSAGE_LIMIT = 65536;
const PIECE = 16384;
const STREAMS = new Set(['serial', 'tcp', 'unix', 'demo']);
/** What ends a port in good order: `readable` is closed then, else it fails. */
const ORDERLY = new Set(['closed', 'ended', 'session-closed']);

/** Messages that were lost, all since the channel opened. */
export interface Dropped {
  endpoint: string;
  port: Port | undefined;
  direction: 'from_peer' | 'to_peer';
  reason: string;
  messages: number;
  bytes: number;
}

/** What a port went without while the connection was gone. Nothing of it is sent again. */
export interface Gap {
  port: Port;
  /** Bytes that were to be written and certainly never left. */
  unsent: number;
  /** Bytes that were sent and of which nobody knows whether the device had them: at most so many. */
  mayBeLost: number;
}

/** All but `message` are `CustomEvent`s: what happened is in `detail`. */
export interface PortEvents {
  /** One message of the device, as it came: bytes or text. */
  message: MessageEvent<Uint8Array | string>;
  state: CustomEvent<{ state: PortState }>;
  /** More may be sent. */
  credit: CustomEvent<{ credit: number }>;
  dropped: CustomEvent<Dropped>;
  /** The connection was lost, and with it perhaps bytes. Comes when the port is open again. */
  gap: CustomEvent<Gap>;
  closed: CustomEvent<CloseInfo>;
}

/** What a port needs of its session. */
interface Owner {
  readonly known: ReadonlyMap<string, EndpointInfo>;
  _closed(port: Port, info: CloseInfo): void;
  _reopen(port: Port): void;
  _discard(port: Port): Promise<void>;
}

/** Made by {@link Session.open}. One DataChannel to one endpoint; it is opened again after each reconnect. */
export class Port extends /* @__PURE__ */ typedTarget<PortEvents>() {
  /** The endpoint's name. */
  readonly endpoint: string;
  /** Resolves, and never rejects, when the port is closed for good. */
  readonly closed: Promise<CloseInfo>;
  #owner: Owner;
  #options: OpenOptions;
  #state: PortState = 'opening';
  #link: Link | undefined;
  #channel: RTCDataChannel | undefined;
  #credit = new Credit();
  #sentBefore = 0;
  #received = 0;
  #inbox: Inbox;
  #writable: WritableStream<Uint8Array | string> | undefined;
  #writer: WritableStreamDefaultController | undefined;
  #writing = 0; // bytes of the write in progress that have not been sent
  #tapped = false;
  #waiting = new Set<() => void>();
  #opened = deferred<void>();
  #close = deferred<CloseInfo>();
  #gap: Gap | undefined;
  #highWater: number;

  /** @internal */
  constructor(owner: Owner, endpoint: string, options: OpenOptions) {
    super();
    this.#owner = owner;
    this.endpoint = endpoint;
    this.#options = options;
    this.#highWater = options.highWaterMark ?? 1 << 18;
    this.#inbox = new Inbox(options.readLimit ?? 1 << 24);
    this.closed = this.#close.promise;
    this.#opened.promise.catch(() => {});
  }

  /** The channel's label, which is the endpoint's name. */
  get label(): string {
    return this.endpoint;
  }
  get state(): PortState {
    return this.#state;
  }
  /** That of now: another one after each reconnect. */
  get channel(): RTCDataChannel {
    if (!this.#channel) throw new ThingwayError('connection-lost', 'there is no channel now');
    return this.#channel;
  }

  /**
   * What the device sends; text comes as UTF-8. It goes on over reconnects (the event `gap` tells of them),
   * ends with the port, and fails if that was not in good order. A DataChannel cannot be held up: see
   * `readLimit`.
   *
   * `message` events come as well, whoever reads. Until one of the two is first used, the last MiB is kept
   * for it.
   */
  get readable(): ReadableStream<Uint8Array> {
    return this.#inbox.readable;
  }

  /**
   * Each chunk is one message, as text or as bytes; what is too long for one is cut (`split`). A write waits
   * for credit, so for the device itself. If the connection is lost, the write in progress and those behind
   * it fail with `connection-lost` and how many bytes that were; they are not sent later. After an error, an
   * abort or a close this is a new stream.
   *
   * `abort()` ends at once even if the device takes nothing. The write in progress fails with `aborted`, and
   * the gateway is asked to throw away what it has not yet written to the device.
   */
  get writable(): WritableStream<Uint8Array | string> {
    return (this.#writable ??= new WritableStream<Uint8Array | string>({
      start: (controller) => {
        this.#writer = controller;
        // The stream calls `abort` below only when the write in progress has ended, so that write has to be
        // ended here.
        controller.signal.addEventListener('abort', () => {
          this.#failed = new ThingwayError('aborted', 'the write was aborted', {
            cause: controller.signal.reason,
            bytesUnsent: this.#writing,
            bytesMayBeLost: this.#credit.unconfirmed,
          });
          this.#wake();
        });
      },
      write: async (chunk) => {
        try {
          await this.#write(chunk);
        } catch (error) {
          this.#writable = this.#writer = undefined;
          throw error;
        } finally {
          this.#writing = 0;
          this.#wake();
        }
      },
      close: () => {
        this.#writable = this.#writer = undefined;
      },
      abort: () => {
        this.#writable = this.#writer = undefined;
        return this.#owner._discard(this);
      },
    }));
  }

  /** Bytes that may be sent now. */
  get credit(): number {
    return this.#state === 'open' ? this.#credit.left : 0;
  }
  /** Bytes sent on the channel of now: what `after` of a line script counts. */
  get offset(): number {
    return this.#credit.sent;
  }
  /** Payload bytes in all, over all reconnects. */
  get bytesSent(): number {
    return this.#sentBefore + this.#credit.sent;
  }
  get bytesReceived(): number {
    return this.#received;
  }

  /**
   * Sends one message now, whole. False, and nothing was sent, if credit does not cover it, if the port is
   * not open, or if a write to `writable` waits. Throws `too-large` and `port-closed`.
   */
  send(data: Uint8Array | ArrayBuffer | string): boolean {
    if (this.#state === 'closed')
      throw new ThingwayError('port-closed', `the port to ${this.endpoint} is closed`);
    const size = typeof data === 'string' ? bytesOf(data).length : data.byteLength;
    this.#check(size);
    if (this.#writing || !this.#fits(size)) return false;
    this.#transmit(data, size);
    return true;
  }

  /** When `bytes` may be sent. Rejects when the port is closed, or never can have so much. */
  async sendReady(bytes = 1): Promise<void> {
    this.#check(bytes);
    while (this.#writing || !this.#fits(bytes)) {
      if (this.#state === 'closed')
        throw new ThingwayError('port-closed', `the port to ${this.endpoint} is closed`);
      await new Promise<void>((done) => this.#waiting.add(done));
    }
  }

  /** What was sent before still goes out. */
  async close(): Promise<void> {
    const channel = this.#channel;
    if (channel && channel.readyState !== 'closed' && this.#state !== 'closed') {
      const gone = new Promise((done) => {
        channel.addEventListener('close', done, { once: true });
        setTimeout(done, 2000);
      });
      this._end({ reason: 'closed', detail: 'closed by this page' });
      await gone;
    } else {
      this._end({ reason: 'closed', detail: 'closed by this page' });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  override addEventListener<K extends keyof PortEvents & string>(
    type: K,
    listener: Listener<PortEvents[K]> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: never,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
    if (type !== 'message' || this.#tapped) return;
    this.#tapped = true;
    for (const data of this.#inbox.takeKept()) queueMicrotask(() => this.#dispatch(data));
  }

  /** @internal Settles when the first channel is bound, or refused. */
  get _opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** @internal The stream id of the channel of now. */
  get _id(): number | null | undefined {
    return this.#channel?.id;
  }

  /** @internal A new channel on a new connection, or on the same one after `reconfigured`. */
  _attach(link: Link) {
    if (this.#channel && this.#link === link) return;
    const { ordered, maxRetransmits, maxPacketLifeTime } = this.#options;
    const init: RTCDataChannelInit = {};
    if (ordered !== undefined) init.ordered = ordered;
    if (maxRetransmits !== undefined) init.maxRetransmits = maxRetransmits;
    if (maxPacketLifeTime !== undefined) init.maxPacketLifeTime = maxPacketLifeTime;
    const channel = (this.#channel = link.channel(this.endpoint, init));
    this.#link = link;
    this.#credit = new Credit();
    channel.bufferedAmountLowThreshold = this.#highWater >> 1;
    channel.onbufferedamountlow = () => this.#wake();
    channel.onopen = () => this._bind();
    channel.onmessage = ({ data }) => this.#receive(typeof data === 'string' ? data : new Uint8Array(data));
    channel.onclose = () => this.#lostChannel(link, channel);
  }

  /** @internal The gateway knows the channel, and so do we. */
  _bind() {
    const channel = this.#channel;
    if (
      channel?.id == null
      || channel.readyState !== 'open'
      || this.#state === 'open'
      || this.#state === 'closed'
    )
      return;
    const credit = this.#link?.credits.get(channel.id);
    if (!credit?.granted) return; // whoever has a port may send at once
    this.#link?.credits.delete(channel.id);
    this.#credit = credit;
    this.#setState('open');
    this.#opened.resolve();
    const gap = this.#gap;
    this.#gap = undefined;
    if (gap) emit(this, 'gap', gap);
    emit(this, 'credit', { credit: this.credit });
  }

  /** @internal */
  _granted(limit: number) {
    if (this.#state !== 'open') return this._bind();
    this.#credit.grant(limit);
    this.#wake();
    emit(this, 'credit', { credit: this.credit });
  }

  /** @internal `refused` and `closed`. */
  _refused({ type, reason, detail }: Message) {
    const error = new ThingwayError(
      reason,
      detail || `the gateway has closed the channel to ${this.endpoint}: ${reason}`,
    );
    // the connection goes next, and the port with it
    if (reason === 'shutdown' || reason === 'draining') return;
    if (reason === 'reconfigured' && type === 'closed') {
      this._detach(error);
      return this._owner._reopen(this);
    }
    this._end({ reason, detail, error });
  }

  /** @internal */
  get _owner() {
    return this.#owner;
  }

  /** @internal The channel is gone and another will come. Nothing of what waited is sent on it. */
  _detach(error: ThingwayError): Gap {
    const gap: Gap = {
      port: this,
      unsent: this.#writing + (this.#gap?.unsent ?? 0),
      mayBeLost: this.#credit.unconfirmed + (this.#gap?.mayBeLost ?? 0),
    };
    this.#dropChannel();
    this.#sentBefore += this.#credit.sent;
    this.#credit = new Credit();
    if (this.#state === 'closed') return gap;
    if (this.#state !== 'opening') {
      this.#gap = gap;
      this.#setState('reopening');
    }
    this.#failWrite(error, gap);
    this.#wake();
    return gap;
  }

  /** @internal For good. */
  _end(info: CloseInfo) {
    if (this.#state === 'closed') return;
    const error =
      info.error ?? new ThingwayError(info.reason === 'closed' ? 'port-closed' : info.reason, info.detail);
    const lost = {
      unsent: this.#writing,
      mayBeLost: info.reason === 'closed' ? 0 : this.#credit.unconfirmed,
    };
    this.#dropChannel();
    this.#setState('closed');
    this.#opened.reject(error);
    this.#failWrite(error, lost);
    this.#wake();
    this.#inbox.end(ORDERLY.has(info.reason) ? undefined : error);
    this.#owner._closed(this, info);
    this.#close.resolve(info);
    emit(this, 'closed', info);
  }

  #failed: ThingwayError | undefined;

  async #write(chunk: Uint8Array | ArrayBuffer | string): Promise<void> {
    if (this.#state !== 'open')
      throw new ThingwayError('connection-lost', `the port to ${this.endpoint} is ${this.#state}`);
    this.#failed = undefined;
    const bytes = bytesOf(chunk);
    const limit = this.#messageLimit;
    if (bytes.length <= limit)
      return this.#sendWhole(typeof chunk === 'string' ? chunk : bytes, bytes.length);
    if (!(this.#options.split ?? STREAMS.has(this.#owner.known.get(this.endpoint)?.kind ?? '')))
      this.#check(bytes.length);
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, (at += Math.min(PIECE, limit)));
      this.#writing = bytes.length - at + piece.length;
      const sent = this.#sendWhole(piece, piece.length);
      if (sent) await sent;
    }
  }

  /** No promise where nothing has to be waited for: that is most of the speed. */
  #sendWhole(data: Uint8Array<ArrayBuffer> | string, size: number): void | Promise<void> {
    if (this.#fits(size)) return this.#transmit(data, size);
    this.#writing ||= size;
    return this.#sendLater(data, size);
  }

  async #sendLater(data: Uint8Array<ArrayBuffer> | string, size: number): Promise<void> {
    while (!this.#failed && !this.#fits(size)) await new Promise<void>((done) => this.#waiting.add(done));
    if (this.#failed) throw this.#failed;
    this.#transmit(data, size);
  }

  /** The write in progress fails; `writable` is a new stream from then on. */
  #failWrite(error: ThingwayError, { unsent, mayBeLost }: { unsent: number; mayBeLost: number }) {
    this.#failed = new ThingwayError(error.code, error.message, {
      cause: error,
      bytesUnsent: unsent,
      bytesMayBeLost: mayBeLost,
    });
    if (this.#state !== 'closed') return;
    this.#writer?.error(this.#failed);
  }

  #fits(size: number): boolean {
    const channel = this.#channel;
    if (this.#state !== 'open' || channel?.readyState !== 'open' || size > this.#credit.left) return false;
    const waiting = channel.bufferedAmount;
    return waiting === 0 || waiting + size <= this.#highWater;
  }

  #transmit(data: Uint8Array | ArrayBuffer | string, size: number) {
    this.#channel!.send(data as string);
    this.#credit.sent += size;
  }

  #check(size: number) {
    const limit = this.#messageLimit;
    if (size > limit)
      throw new ThingwayError('too-large', `a message of ${size} bytes; ${limit} is the limit`);
  }

  get #messageLimit() {
    return Math.min(MESSAGE_LIMIT, this.#link?.peer.sctp?.maxMessageSize || MESSAGE_LIMIT);
  }

  #receive(data: Uint8Array | string) {
    this.#received += typeof data === 'string' ? bytesOf(data).length : data.length;
    if (this.#tapped) this.#dispatch(data);
    if (this.#inbox.push(data)) return;
    const detail = 'more was received than readLimit allows to wait';
    this._end({ reason: 'lagged', detail, error: new ThingwayError('lagged', detail) });
  }

  #dispatch(data: Uint8Array | string) {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }

  /**
   * Why comes over the control channel, before or after; if the whole connection is gone, the session says
   * so.
   */
  #lostChannel(link: Link, channel: RTCDataChannel) {
    const ended = channel.id != null && link.ends.get(channel.id);
    if (ended && ended.label === this.endpoint) return this._refused(ended);
    setTimeout(() => {
      if (this.#channel !== channel || link.isDown) return;
      this._end({ reason: 'port-closed', detail: 'the gateway has closed the channel and did not say why' });
    }, 3000);
  }

  #dropChannel() {
    const channel = this.#channel;
    this.#channel = undefined;
    if (!channel) return;
    if (channel.id != null) this.#link?.credits.delete(channel.id);
    channel.onopen = channel.onmessage = channel.onclose = channel.onbufferedamountlow = null;
    channel.close();
  }

  #setState(state: PortState) {
    if (this.#state === state) return;
    this.#state = state;
    emit(this, 'state', { state });
  }

  #wake() {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const done of waiting) done();
  }
}
