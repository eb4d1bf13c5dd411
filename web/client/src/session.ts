// The surface; the bodies follow.
import type * as t from './types.js';
import type { Port } from './port.js';
type L<E> = E extends Event ? ((event: E) => void) | { handleEvent(event: E): void } : never;

/** A connection to a gateway, which comes back by itself. */
export declare class Session extends EventTarget {
  /** As in `GET /sessions/{id}`; another one after each reconnect. */
  readonly id: string;
  /** Of the gateway. */
  readonly url: URL;
  readonly state: t.SessionState;
  /** The gateway's version. */
  readonly server: string;
  /** That of now. */
  readonly peerConnection: RTCPeerConnection;
  /** Endpoints as last heard. */
  readonly known: ReadonlyMap<string, t.EndpointInfo>;
  readonly ports: ReadonlySet<Port>;
  readonly closed: Promise<t.CloseInfo>;
  readonly lease: t.Leases;
  endpoints(): Promise<t.EndpointInfo[]>;
  open(endpoint: string, options?: t.OpenOptions): Promise<Port>;
  line(endpoint: string, steps: t.LineStep[], options?: t.LineOptions): Promise<t.LineStatus>;
  leaseOf(endpoint: string): t.Lease | undefined;
  heartbeat(options?: { endpoint?: string; stop?: boolean; fired?: number }): void;
  heartbeats(endpoint: string, everyMs: number, options: { signal: AbortSignal }): void;
  ping(): Promise<number>;
  measure(options?: t.MeasureOptions): Promise<t.Measurement>;
  stats(): Promise<t.SessionStats>;
  /** Does not wait for the backoff: tries now. */
  reconnectNow(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  addEventListener<K extends keyof t.SessionEvents>(type: K, listener: L<t.SessionEvents[K]> | null, options?: boolean | AddEventListenerOptions): void;
}
export declare function connect(url: string | URL, options?: t.ConnectOptions): Promise<Session>;
