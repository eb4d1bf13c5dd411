// What belongs to a session and has ports in it: its events, and options of its methods.
import type { ThingwayError } from './errors.js';
import type { Dropped, Gap, Port } from './port.js';
import type {
  Bitrate,
  CloseInfo,
  Deadman,
  EndpointInfo,
  Lease,
  Lost,
  MediaInfo,
  Reconnecting,
  SessionState,
} from './types.js';

/** When a script begins. */
export interface LineOptions {
  /**
   * After that many bytes of the port's channel of now ({@link Port.offset}) have left the line; `sent`:
   * after all that was handed over so far. Without it: at once.
   */
  after?: number | 'sent';
  /**
   * Before the scripts that wait at the line and have not begun; an older gateway runs it behind them. Not
   * together with `after`.
   */
  overtake?: boolean;
  /** Whose bytes `after` counts. Needed only if the session has several ports of the endpoint. */
  port?: Port;
}

export interface Reconnected {
  attempts: number;
  /** ms without a connection */
  away: number;
  gap: Gap[];
}

/** All are `CustomEvent`s: what happened is in `detail`. */
export interface SessionEvents {
  state: CustomEvent<{ state: SessionState }>;
  /** An endpoint is new, has changed or is gone (`removed`). */
  endpoint: CustomEvent<EndpointInfo>;
  lease: CustomEvent<Lease>;
  deadman: CustomEvent<Deadman>;
  dropped: CustomEvent<Dropped>;
  lost: CustomEvent<Lost>;
  /** A track that is watched or sent is in another state. */
  media: CustomEvent<MediaInfo>;
  /** At most once a second for each track, when it has changed. */
  bitrate: CustomEvent<Bitrate>;
  refused: CustomEvent<CloseInfo & { port: Port }>;
  closed: CustomEvent<CloseInfo & { port: Port }>;
  reconnecting: CustomEvent<Reconnecting>;
  reconnected: CustomEvent<Reconnected>;
  /** The gateway has ended the session: `token-revoked`, `token-expired`, `disconnected`. */
  bye: CustomEvent<{ reason: string }>;
  /** What belongs to no call: the gateway did not understand a message, for instance. */
  error: CustomEvent<ThingwayError>;
}
