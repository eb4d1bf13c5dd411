// What a program sees: options, messages and states. What has a port in it is in port.ts and
// session_types.ts, so that every module may import this one.
import type { ThingwayError } from './errors.js';

/** Options of {@link connect}. */
export interface ConnectOptions {
  /**
   * An access token, or a function that gives one; it is asked again for each attempt. Not needed on the
   * gateway's own machine.
   */
  token?: string | (() => string | Promise<string>) | undefined;
  /**
   * Endpoints whose ports are opened with the connection, a round trip sooner than by `open()`: they are in
   * `session.ports`.
   */
  open?: Iterable<string>;
  /** STUN and TURN servers, as in `RTCConfiguration`. On one network none are needed. */
  iceServers?: RTCIceServer[];
  /** `relay` forces everything through TURN. Default `all`. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Ends the attempt to connect, and later the session, as `close()` does. */
  signal?: AbortSignal | undefined;
  /** How to come back after the connection was lost; `false` for not at all. The default tries for ever. */
  reconnect?: false | ReconnectOptions;
  /** How long one attempt to connect may take, in ms. Default 15,000. */
  timeout?: number;
  /** A constructor for where there is none: Node with `node-datachannel/polyfill`, for instance. */
  RTCPeerConnection?: new (
    configuration?: RTCConfiguration,
  ) => RTCPeerConnection;
  /** Used in place of the global `fetch`. */
  fetch?: typeof fetch;
}

/** Waiting times grow from `minDelay` to `maxDelay`, each with some chance in it. All in ms. */
export interface ReconnectOptions {
  /** Default 500. */
  minDelay?: number;
  /** Default 10,000. */
  maxDelay?: number;
  /** The session is closed when it has been away for so long. Default: never. */
  giveUpAfter?: number;
}

/** Options of {@link Session.open}: those of `RTCDataChannelInit`, and how much may wait. */
export interface OpenOptions {
  /** Default true. */
  ordered?: boolean;
  maxRetransmits?: number;
  /** Milliseconds. */
  maxPacketLifeTime?: number;
  /** Bytes that may wait in the browser before `writable` waits. Default 262,144. */
  highWaterMark?: number;
  /**
   * Bytes received that may wait for `readable`; with more the port is closed with `lagged`. Default
   * 16,777,216.
   */
  readLimit?: number;
  /**
   * Whether `writable` may cut what is too long for one message into several. Default: for byte streams
   * (serial, tcp, unix, demo). Set it to false where a message is a frame.
   */
  split?: boolean;
}

/** `open`, on its way, not there, or there and not usable (`detail` says why). */
export type EndpointState = 'open' | 'opening' | 'absent' | 'failed';
/** `removed` is told once, by the event `endpoint`. More kinds and states may come. */
export interface EndpointInfo {
  name: string;
  kind: 'serial' | 'tcp' | 'unix' | 'udp' | 'rtp' | 'demo' | 'echo' | 'sink' | 'source' | (string & {});
  state: EndpointState | 'removed' | (string & {});
  /** Why it is not open; else empty. */
  detail: string;
  /** Of an endpoint with pictures or sound: what can be watched. */
  media?: readonly ('video' | 'audio')[];
  /** What of that can be sent to it. */
  takes?: readonly ('video' | 'audio')[];
}

/** How a track of {@link Session.watch} or {@link Session.publish} is. */
export interface MediaInfo {
  endpoint: string;
  kind: 'video' | 'audio';
  /**
   * `refused`; `playing`; `waiting`, for a keyframe; `absent`: the source is silent; `thinned`: this page is too
   * slow, and frames are left out. More may come.
   */
  state: 'refused' | 'playing' | 'waiting' | 'absent' | 'thinned' | (string & {});
  /** A sentence for people. */
  detail: string;
}
/** What the source of a track is told to send at most. */
export interface Bitrate {
  endpoint: string;
  kind: 'video' | 'audio';
  /** bit/s */
  bitrate: number;
}
/** What a page sends to an endpoint; made by {@link Session.publish}. */
export interface Publication {
  readonly endpoint: string;
  readonly stream: MediaStream;
  /** Ends sending. The tracks stay the page's own: a camera goes on until they are stopped. */
  stop(): Promise<void>;
}

/**
 * One step of a line script, timed on the board. `dtr` and `rts` may be together, everything else is alone.
 */
export type LineStep =
  | { dtr?: boolean; rts?: boolean }
  | { wait_ms: number }
  | { break_ms: number }
  | { baud: number }
  | { format: string }
  | { flow: FlowControl }
  | { flush: 'input' | 'output' | 'both' };
export type FlowControl = 'none' | 'rts-cts' | 'xon-xoff';

/** How a serial line is now. What its driver does not have is `unsupported`. */
export interface LineStatus {
  baud: number;
  /** Data bits, parity (N, E, O, M, S), stop bits: `8N1`. */
  format: string;
  flow: FlowControl;
  modem:
    | 'unsupported'
    | { dtr: boolean; rts: boolean; cts: boolean; dsr: boolean; dcd: boolean; ri: boolean };
  counters:
    | 'unsupported'
    | {
        rx: number;
        tx: number;
        frame: number;
        overrun: number;
        parity: number;
        breaks: number;
        buffer_overrun: number;
      };
  /** Bytes that the driver has taken and not sent. */
  unsent: number;
}

/** Who may write to an endpoint. */
export interface Lease {
  endpoint: string;
  /** A session's id. */
  holder: string | null;
  yours: boolean;
  /**
   * The session that has asked the holder for it; it gets the lease after `waitMs`, unless the holder keeps
   * it.
   */
  askedBy: string | null;
  waitMs: number | null;
}
/** A machine was stopped because the page that drove it fell silent. `session` is that page's. */
export interface Deadman {
  endpoint: string;
  session: string | null;
  fired: number;
}
/** A device vanished with this much in its queue. */
export interface Lost {
  endpoint: string;
  reason: string;
  bytes: number;
}
/** Why a port or a session has ended; `reason` is one word for programs, `detail` a sentence for people. */
export interface CloseInfo {
  reason: string;
  detail: string;
  error?: ThingwayError;
}
/** Before each attempt to come back; `error` is what went wrong last. */
export interface Reconnecting {
  attempt: number;
  /** ms until the attempt */
  delay: number;
  error: ThingwayError;
}

export type SessionState = 'connecting' | 'connected' | 'reconnecting' | 'closed';
export type PortState = 'opening' | 'open' | 'reopening' | 'closed';

export interface MeasureOptions {
  /** A probe (`echo`, `sink` or `source`) to measure the throughput with. */
  endpoint?: string;
  /** Default 20. */
  pings?: number;
  /** How long the throughput is measured. Default 2. */
  seconds?: number;
}
export interface Measurement {
  /** Round trips over the control channel, in ms. */
  rtt: { median: number; p99: number; n: number };
  /** MB/s (10^6 bytes), each way that the probe can tell. */
  throughput?: { up?: number; down?: number };
}

/** An address of a path: of this side or of the gateway's. */
export interface Candidate {
  address: string;
  port: number;
  type: string;
}
export interface SessionStats {
  candidatePair: { local: Candidate; remote: Candidate; relayed: boolean; protocol: string } | null;
  /** ms, as ICE measures it; null before the first measurement. */
  roundTripTime: number | null;
  bytesSent: number;
  bytesReceived: number;
  /** Of the gateway's certificate: `sha-256 AB:CD:…`; compare it with `thingway fingerprint`. */
  fingerprint: string | null;
  /** The whole report, for what is not here. */
  report: RTCStatsReport;
}

/** Leases of endpoints with `writers = "one"`; `session.lease`. Each needs a port to the endpoint. */
export interface Leases {
  /**
   * Takes the lease. Rejects with `lease-held` while another session has it, unless `force`. With `ask` that
   * session is asked, and has ten seconds to {@link keep} it; then this resolves, or rejects if it was kept.
   */
  take(endpoint: string, options?: { force?: boolean; ask?: boolean }): Promise<Lease>;
  /** Keeps the lease from the session that has asked for it (`askedBy`). */
  keep(endpoint: string): Promise<void>;
  release(endpoint: string): Promise<void>;
  /** Hands it to a session that has a channel to the endpoint. */
  give(endpoint: string, sessionId: string): Promise<void>;
}
