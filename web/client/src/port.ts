// The surface; the bodies follow.
import type * as t from './types.js';
type L<E> = E extends Event ? ((event: E) => void) | { handleEvent(event: E): void } : never;

/** One DataChannel to one endpoint; it is opened again after each reconnect. */
export declare class Port extends EventTarget {
  readonly endpoint: string;
  readonly label: string;
  readonly state: t.PortState;
  /** That of now; another one after each reconnect. */
  readonly channel: RTCDataChannel;
  /** What the device sends, text as UTF-8. Goes on over reconnects. See `message`. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Waits for credit. After a failed write `writable` is a new stream, as in Web Serial. */
  readonly writable: WritableStream<Uint8Array | string>;
  /** Bytes that may be sent now. */
  readonly credit: number;
  /** Bytes sent on the channel of now: what `after` of a line script counts. */
  readonly offset: number;
  /** Bytes in all, over all reconnects. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly closed: Promise<t.CloseInfo>;
  /** Sends one message now; false (nothing was sent) if credit does not cover it or the port is not open. Throws `too-large`, `port-closed`. */
  send(data: Uint8Array | ArrayBuffer | string): boolean;
  /** When `bytes` (default 1) may be sent. Rejects when the port closes. */
  sendReady(bytes?: number): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  addEventListener<K extends keyof t.PortEvents>(type: K, listener: L<t.PortEvents[K]> | null, options?: boolean | AddEventListenerOptions): void;
}
