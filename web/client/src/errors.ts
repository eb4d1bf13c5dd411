// One class of errors. `code` is for programs, the message for people, the hint says what to do about it.

/** What an error knows besides its code. */
export interface ErrorDetails {
  /** The HTTP status, if an answer of the gateway said so. */
  status?: number;
  cause?: unknown;
  /** Milliseconds after which trying again makes sense. */
  retryAfter?: number;
  /** Bytes of a write that certainly were not sent. */
  bytesUnsent?: number;
  /** Bytes of which nobody knows whether the device had them: at most so many. */
  bytesMayBeLost?: number;
  /** The step of a line script that failed, counted from 0. */
  step?: number;
}

/** Every code. `docs/control.md` has the words of the gateway; more of them may come. */
export type ErrorCode = keyof typeof HINTS;

const address = 'Check the address, and that the daemon runs there.';
const elsewhere = 'Ask who looks after the gateway.';
const newToken = "Ask for a new token: the gateway's owner makes one.";
const slower = 'Send less, or wait for credit: write to `writable`, or await `sendReady()`.';
const script = 'See "Line control" in docs/control.md.';
const wait = 'Wait a moment and try again.';
const again = 'Open a new port when it is there again.';

const HINTS = {
  // Getting there.
  unreachable: `${address} A page of another origin must be in http.allowed_origins, a page over https cannot ask http, and a certificate of the gateway's own must be accepted in a tab first.`,
  'not-a-gateway': 'Something else answers there. The address is that of the gateway itself, without a path.',
  'ice-failed':
    'UDP between this device and the gateway is blocked: by a firewall, a VPN or another subnet. Fix ice.port and let it in, or give iceServers with a TURN server.',
  timeout: 'The gateway or the network is too slow. Try again, or give `timeout`.',
  'no-webrtc':
    'There is no RTCPeerConnection here. In a worker: connect in the page and transfer `readable` and `writable`. In Node: give the option RTCPeerConnection.',
  aborted: 'It was ended by `abort()` or by an AbortSignal.',
  'bad-url': 'Give an address such as https://board:8443.',
  'bad-host': 'Use a name that the gateway knows, or add this one to http.hosts.',
  unavailable: wait,
  'too-many-sessions': 'Close one that is not needed, or raise limits.sessions.',
  refused: 'See the message.',
  'unsupported-version': 'Use the version of this library that belongs to the gateway.',
  // Access.
  'token-missing': 'Give the option `token`.',
  'token-unknown': newToken,
  'token-expired': newToken,
  'token-revoked': newToken,
  'token-in-query': 'Give the token as an option, not in the address.',
  'share-unknown': 'The link was used already. Ask for a new one.',
  forbidden: 'The token does not allow this. Ask for one whose scopes do.',
  'too-many-tries': wait,
  disconnected: 'Somebody has ended this session. Connect again if that was a mistake.',
  // The connection.
  'connection-lost': 'Nothing is sent again by itself: look at the device, then decide.',
  'session-closed': 'Connect again.',
  // Ports.
  'unknown-endpoint': 'See `session.endpoints()`; a token shows only what it may read.',
  'carries-media': 'It has pictures or sound. Add a media section, or use `/whep/`.',
  'too-many-channels': 'Close one that is not needed, or raise limits.channels_per_session.',
  'bad-label': 'A label is the name of an endpoint.',
  draining: wait,
  'bad-control-channel': elsewhere,
  'duplicate-control-channel': elsewhere,
  overflow: slower,
  lagged: 'Read all the time, or listen to `message`.',
  'too-large':
    'A message may have 65,536 bytes, or what the peer allows. Write byte streams to `writable`, which cuts them.',
  ended: 'The program behind the endpoint has hung up. Open a new port to start it again.',
  removed: again,
  reconfigured: 'Open a new port.',
  shutdown: again,
  'port-closed': 'Open a new port.',
  // Messages and lines.
  absent: 'The device is not there. Plug it in, then send again.',
  empty: 'This endpoint takes no empty messages.',
  closed: again,
  'send-failed': "The gateway's system would not send it. Is the remote address right?",
  'no-lease': 'Take the lease first: `session.lease.take(endpoint)`.',
  deadman: 'The machine was stopped. Ask the person, then send a heartbeat with the `fired` of that stop.',
  unwritten: 'The device vanished before it had them.',
  'bad-script': script,
  'no-channel': 'Open a port to the endpoint first.',
  'which-channel': 'Give the option `port`: there are several to this endpoint.',
  unsupported: 'The line or its driver does not do this; a pseudo terminal has no modem lines.',
  busy: 'Wait until scripts that were sent before have ended.',
  failed: 'See the message.',
  'lease-held': 'Another session may write. Ask there, or take it with { force: true }.',
  'unknown-session': 'See `GET /sessions`.',
  'bad-json': elsewhere,
  'unknown-type': 'The gateway is older than this library.',
  'bad-request': 'See the message.',
} as const;

/** What every call of this library rejects or throws. */
export class ThingwayError extends Error {
  override readonly name = 'ThingwayError';
  /** One word, to switch on. */
  readonly code: ErrorCode | (string & {});
  /** One sentence: what to do about it. */
  readonly hint: string;
  declare readonly status?: number;
  declare readonly retryAfter?: number;
  declare readonly bytesUnsent?: number;
  declare readonly bytesMayBeLost?: number;
  declare readonly step?: number;

  constructor(code: ErrorCode | (string & {}), message?: string, { cause, ...details }: ErrorDetails = {}) {
    super(message || code, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = (HINTS as Record<string, string>)[code] ?? 'See docs/control.md.';
    Object.assign(this, details);
  }
}

/** Codes that no further attempt would change. */
const FINAL: ReadonlySet<string> = new Set<ErrorCode>([
  'token-missing',
  'token-unknown',
  'token-expired',
  'token-revoked',
  'token-in-query',
  'forbidden',
  'disconnected',
  'bad-url',
  'bad-host',
  'no-webrtc',
  'aborted',
  'refused',
  'unsupported-version',
]);
export const isFinal = (error: ThingwayError) => FINAL.has(error.code);
