// The page at /whep/NAME: plays an endpoint by WHEP, and says why there is no picture.
//
// Like app.js it is embedded as it is, so that a daemon built with Rust alone has it, and imports nothing.
// The picture comes to its address by POST; what keeps it away is in GET /endpoints/NAME, which a token that
// may watch may read.

const CHECK_EVERY = 1000; // ms
const SHOWN = 1500; // ms without a frame that a person notices
const PATIENCE = 20000; // ms for a connection
const $ = (selector) => document.querySelector(selector);
const video = $('video');
const name = decodeURIComponent(location.pathname.split('/').pop());
document.title = $('h1').textContent = name;

/** How long to wait before another attempt; not the same for all pages, or they would all come back at once. */
const backoff = (attempt) => Math.min(500 * 2 ** attempt, 10000) * (0.75 + Math.random() / 2);

// --- the token: an address brings it behind its #, and the tab keeps it, as for the console

/** A browser may refuse storage; then a token lasts as long as the page. */
function kept(token) {
  try {
    if (token) sessionStorage.setItem('thingway.token', token);
    return sessionStorage.getItem('thingway.token') ?? localStorage.getItem('thingway.token');
  } catch {
    return token;
  }
}
function tokenOf({ hash }) {
  const brought = new URLSearchParams(hash.slice(1)).get('token');
  if (brought) history.replaceState(null, '', location.pathname + location.search);
  return kept(brought);
}
let token = tokenOf(location);
addEventListener('hashchange', () => {
  token = tokenOf(location);
  again(0);
});

/** A request to the gateway, in the name of the token. */
function ask(path, { headers = {}, ...init } = {}) {
  const authorization = token ? { Authorization: `Bearer ${token}` } : {};
  const signal = AbortSignal.timeout(10000);
  return fetch(path, { cache: 'no-store', signal, ...init, headers: { ...headers, ...authorization } });
}

// --- what a person reads

function say(text) {
  if ($('#state').textContent !== text) $('#state').textContent = text;
}

/** An answer that is none, in plain words, from its problem+json body. */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const error = new Error(problem.detail ?? problem.title ?? `status ${response.status}`);
  error.retryAfter = 1000 * Number(response.headers.get('Retry-After') ?? 0);
  // Only another token changes that, and the address brings it.
  error.isFinal = response.status === 401;
  if (error.isFinal) error.message += '. Open this page with #token=… behind its address';
  return error;
}

// --- the session: one RTCPeerConnection, made anew when it is lost

let session = null;
let timer = null;
let attempts = 0; // since the last picture

class Session {
  #peer = new RTCPeerConnection();
  #began = performance.now();
  #frames = 0;
  #frameAt = null;
  #sourcePackets = null; // those that the gateway had from the source, when it was asked last
  #url = null;

  constructor() {
    for (const kind of ['video', 'audio']) this.#peer.addTransceiver(kind, { direction: 'recvonly' });
    const stream = new MediaStream();
    video.srcObject = stream;
    this.#peer.ontrack = ({ track }) => stream.addTrack(track);
    this.#peer.onconnectionstatechange = () => {
      if (['failed', 'closed'].includes(this.#peer.connectionState)) lost(this, 'The connection was lost.');
    };
  }

  /** Candidates of this page need not be sent: the gateway sees its addresses in its checks. */
  async connect() {
    await this.#peer.setLocalDescription();
    const response = await ask(`${location.pathname}?wait=true`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: this.#peer.localDescription.sdp,
    });
    if (!response.ok) throw await refusal(response);
    // A proxy may have the gateway below a path of its own, so only the id is used.
    this.#url = new URL(`../sessions/${response.headers.get('Location').split('/').pop()}`, location.href);
    const sdp = await response.text();
    if (session !== this) return this.close();
    await this.#peer.setRemoteDescription({ type: 'answer', sdp });
  }

  /** Ends it, and tells the gateway, even while the page goes away. */
  close() {
    this.#peer.onconnectionstatechange = null;
    this.#peer.close();
    if (this.#url) ask(this.#url, { method: 'DELETE', keepalive: true }).catch(() => {});
    this.#url = null;
  }

  /** Says how it is, and notices what ICE would notice only later. */
  async check() {
    const now = performance.now();
    const { frames, isSoundOnly } = await this.#count();
    if (frames !== this.#frames) [this.#frames, this.#frameAt] = [frames, now];
    const isMoving = this.#frameAt !== null && now - this.#frameAt < SHOWN;
    if (isMoving || isSoundOnly) attempts = 0;
    if (isMoving) {
      this.#sourcePackets = null;
      return say('');
    }
    const isUp = this.#peer.connectionState === 'connected';
    if (!this.#url) return;
    // A gateway that was started anew does not know this session.
    const known = isUp ? null : await ask(this.#url).catch(() => null);
    if (session !== this) return;
    if (known?.status === 404) return lost(this, 'The gateway does not know this session any more.');
    if (!isUp && this.#frameAt === null && now - this.#began > PATIENCE)
      return lost(
        this,
        'No network path to the gateway was found: UDP may be blocked by a firewall or a VPN.',
      );
    if (!isUp) return say('Waiting for the gateway…');
    const why = await this.#why(now, isSoundOnly);
    if (session === this) say(why);
  }

  async #count() {
    const reports = [...(await this.#peer.getStats()).values()].filter(({ type }) => type === 'inbound-rtp');
    const picture = reports.find(({ kind }) => kind === 'video');
    const sound = reports.find(({ kind }) => kind === 'audio');
    return {
      frames: picture?.framesDecoded ?? 0,
      isSoundOnly: !this.#has('video') && (sound?.packetsReceived ?? 0) > 0,
    };
  }

  /** Whether the gateway has granted a track of this kind. */
  #has(wanted) {
    return this.#peer
      .getTransceivers()
      .some(
        ({ currentDirection, receiver }) => currentDirection === 'recvonly' && receiver.track.kind === wanted,
      );
  }

  /** Why nothing moves, as one sentence. */
  async #why(now, isSoundOnly) {
    const response = await ask(`../endpoints/${encodeURIComponent(name)}`).catch(() => null);
    if (!response) return 'The gateway does not answer.';
    if (!response.ok) return `${(await refusal(response)).message}.`;
    const endpoint = await response.json();
    for (const kind of ['video', 'audio']) {
      const track = endpoint[kind];
      if (track?.why) return `Nothing comes from the source: ${track.why}.`;
      if (track && !this.#has(kind)) return `This browser has no ${track.codec}, which the source sends.`;
    }
    if (isSoundOnly) return '';
    // The gateway keeps back what nobody can decode, so packets that come to it and not to this page lack a
    // keyframe. Without them the source has stopped, and the gateway waits a while before it calls that so.
    const before = this.#sourcePackets;
    this.#sourcePackets = endpoint.video?.received?.packets ?? null;
    const isSending = before !== null && this.#sourcePackets > before;
    const seconds = Math.round((now - (this.#frameAt ?? this.#began)) / 1000);
    if (isSending) return `No keyframe for ${seconds} s: nothing can be decoded before one comes.`;
    return this.#frameAt === null ? 'Waiting for the first picture…' : 'The picture has stopped.';
  }
}

async function connect() {
  const mine = new Session();
  session = mine;
  try {
    await mine.connect();
  } catch (error) {
    if (session !== mine) return;
    const why =
      error.retryAfter === undefined ? `The gateway does not answer: ${error.message}` : error.message;
    lost(mine, `${why}.`, error);
  }
}

/** Tries again after a while, unless only a person can change something. */
function lost(which, why, { retryAfter = 0, isFinal = false } = {}) {
  if (session !== which) return;
  session = null;
  which.close();
  say(why);
  if (!isFinal) again(Math.max(retryAfter, backoff(attempts++)));
}
function again(after) {
  session?.close();
  session = null;
  clearTimeout(timer);
  timer = setTimeout(connect, after);
}

async function watch() {
  await session?.check().catch(() => {});
  setTimeout(watch, CHECK_EVERY);
}

// Leaving closes the session at once, so that the gateway need not wait for a time-out.
addEventListener('pagehide', () => session?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
// A picture that is waited for would keep the page loading, so the page is loaded first.
if (document.readyState === 'complete') connect();
else addEventListener('load', connect, { once: true });
watch();
