// The page at /basic, which is also at / in a daemon that was built without Node. It lists the endpoints,
// opens them over one WebRTC session and shows text both ways.
//
// The file is embedded as it is, so that a daemon built with Rust alone has a page. Therefore it imports
// nothing, and does by itself a part of what the client library does: the POST of an offer and the candidates
// after it (../client/src/ signaling.ts, link.ts), credit (credit.ts), delays between attempts (backoff.ts)
// and refusals in words (errors.ts). The library is TypeScript that Node compiles, so neither can use the
// other's code, and a compiled copy in the repository would get old. What they share is docs/control.md: a
// change of it changes both, and tests/browser drives both.
//
// From the bottom up: notices, endpoints (the list), panels (one panel per open endpoint), the session, the
// watch.

const LOG_LIMIT = 65536; // characters kept per console: a device may talk for days
const QUEUE_LIMIT = 65536; // bytes typed for which the device has not yet made room
const PING_EVERY = 2000;
const ENDINGS = { none: '', lf: '\n', cr: '\r', crlf: '\r\n' };
const REASONS = {
  // for what comes without a sentence of the gateway's
  absent: 'it is not there',
  unwritten: 'it vanished before they were written',
  overflow: 'it takes less than was sent',
  'too-large': 'they were larger than one message may be',
  lagged: 'this page reads too slowly',
};
const $ = (selector, root = document) => root.querySelector(selector);
const fill = (root, texts) => {
  // what has not changed stays, or a screen reader would say it again
  for (const [selector, text] of Object.entries(texts)) {
    if ($(selector, root).textContent !== text) $(selector, root).textContent = text;
  }
};
const copy = (template) => $(template).content.firstElementChild.cloneNode(true);
const joined = (separator, ...parts) => parts.filter(Boolean).join(separator);
const reason = ({ reason, detail }) => joined(': ', reason, detail || REASONS[reason]);

/**
 * How long to wait before another attempt; not the same for all pages, or they would all come back at once.
 */
const backoff = (attempt) => Math.min(500 * 2 ** attempt, 5000) * (0.75 + Math.random() / 2);

// --- notices: one per topic, so a trouble that repeats does not fill the page

const notices = new Map();
function notice(topic, what, hint) {
  const item = notices.get(topic) ?? copy('#notice');
  fill(item, { '.what': what, '.try': hint });
  $('button', item).onclick = () => settle(topic);
  notices.set(topic, item);
  $('#notices').append(item);
}
function settle(topic) {
  notices.get(topic)?.remove();
  notices.delete(topic);
}

// --- endpoints

const endpoints = new Map();
function showEndpoint(endpoint) {
  if (endpoint.state === 'removed') {
    endpoints.get(endpoint.name)?.item.remove();
    endpoints.delete(endpoint.name);
    $('#no-endpoints').hidden = endpoints.size > 0;
    return;
  }
  const known = endpoints.get(endpoint.name);
  const item = known?.item ?? copy('#endpoint');
  endpoints.set(endpoint.name, { ...endpoint, item });
  Object.assign(item.dataset, { name: endpoint.name, state: endpoint.state });
  const state = joined(': ', endpoint.state, endpoint.detail);
  fill(item, { '.name': endpoint.name, '.kind': endpoint.kind, '.state': state });
  $('.open', item).ariaLabel = `Open ${endpoint.name}`;
  // Pictures and sound have a page of their own; a panel shows text.
  $('.open', item).onclick =
    endpoint.kind === 'rtp'
      ? () => open(`whep/${encodeURIComponent(endpoint.name)}`, '_blank', 'noopener')
      : () => openPanel(endpoint.name);
  if (!known) $('#endpoints').append(item);
  panels.get(endpoint.name)?.show();
}
function showEndpoints(list) {
  const names = new Set(list.map(({ name }) => name));
  for (const [name, { item }] of endpoints)
    if (!names.has(name)) {
      item.remove();
      endpoints.delete(name);
    }
  list.forEach(showEndpoint);
  $('#no-endpoints').hidden = list.length > 0;
  $('#no-endpoints').textContent = 'The gateway has no endpoint: add an [[endpoint]] to its configuration.';
}

// --- panels

const panels = new Map();
class Panel {
  channel = null;
  #queue = [];
  #sent = 0; // bytes sent on this channel in all: what credit is counted against
  #unsent = 0;
  #decoder = new TextDecoder();
  #heldReturn = false;
  #fresh = [];
  #printing = null;
  #element = copy('#console');

  constructor(name) {
    this.name = this.#element.dataset.name = this.#element.ariaLabel = name;
    fill(this.#element, { '.name': name });
    $('.log', this.#element).ariaLabel = `Output of ${name}`;
    $('.close', this.#element).ariaLabel = `Close ${name}`;
    $('.close', this.#element).onclick = () => closePanel(this);
    $('form', this.#element).onsubmit = (event) => {
      event.preventDefault();
      this.#submit(event.target);
    };
    $('#consoles').append(this.#element);
    this.show();
  }

  attach(channel) {
    this.detach();
    this.channel = channel;
    [this.#sent, this.#decoder, this.#heldReturn] = [0, new TextDecoder(), false];
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => {
      this.trouble(
        this.#unsent ? `${this.#unsent} bytes typed before the connection was lost were not sent.` : '',
      );
      this.#unsent = 0;
      this.pump();
    };
    channel.onmessage = ({ data }) =>
      this.#print(typeof data === 'string' ? data : this.#decoder.decode(data, { stream: true }));
    channel.onclose = () => {
      if (this.channel === channel) this.detach();
    };
    this.show();
  }

  /**
   * The channel is gone. What waits is dropped, never sent later: a stale command must not move a machine.
   */
  detach() {
    this.#unsent += this.#waiting();
    this.channel?.close();
    [this.channel, this.#queue] = [null, []];
    this.show();
  }

  remove() {
    this.detach();
    this.#element.remove();
  }
  focus() {
    $('input', this.#element).focus();
  }
  trouble(text) {
    $('.trouble', this.#element).textContent = text;
  }

  show() {
    const open = this.channel?.readyState === 'open';
    const endpoint = endpoints.get(this.name);
    const state = (this.#element.dataset.state = open ? 'open' : this.channel ? 'opening' : 'closed');
    const device =
      endpoint
      && endpoint.state !== 'open'
      && `device ${endpoint.state}: this goes on by itself when it is there`;
    const waiting = this.#waiting() && `waiting for the device: ${this.#waiting()} bytes`;
    fill(this.#element, { '.state': joined(' · ', state, device, waiting) });
    $('form button', this.#element).disabled = !open;
  }

  /** Sends what credit allows. A message waits whole or not at all. */
  pump() {
    const limit = session?.limit(this.channel) ?? 0;
    while (
      this.channel?.readyState === 'open'
      && this.#queue.length
      && this.#sent + this.#queue[0].length <= limit
    ) {
      const bytes = this.#queue.shift();
      this.#sent += bytes.length;
      this.channel.send(bytes);
    }
    this.show();
  }

  #waiting() {
    return this.#queue.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  #submit(form) {
    const text = form.elements.line.value + ENDINGS[form.elements.ending.value];
    const bytes = new TextEncoder().encode(text);
    if (!bytes.length) return this.trouble('Nothing to send: type a text or choose a line ending.');
    if (this.channel?.readyState !== 'open')
      return this.trouble('Not open: press Open in the list to try again.');
    if (this.#waiting() + bytes.length > QUEUE_LIMIT)
      return this.trouble('Not sent: too much is waiting already.');
    this.trouble('');
    this.#queue.push(bytes);
    form.elements.line.value = '';
    this.#print(text, 'typed');
    this.pump();
  }

  /** Batched: a fast device would otherwise cost one layout of the page per message. */
  #print(text, kind = '') {
    this.#fresh.push([text, kind]);
    this.#printing ??= setTimeout(() => this.#flush(), 30);
  }

  #flush() {
    const log = $('.log', this.#element);
    const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    for (let [text, kind] of this.#fresh.splice(0)) {
      if (!kind) {
        // one line end for the screen; a CR at the end waits, since its LF may be in the next message
        text = (this.#heldReturn ? '\r' : '') + text;
        this.#heldReturn = text.endsWith('\r');
        if (this.#heldReturn) text = text.slice(0, -1);
      }
      if (log.lastChild?.className !== kind || log.lastChild.textContent.length > 4096) {
        log.append(Object.assign(document.createElement('span'), { className: kind }));
      }
      log.lastChild.append(text.replace(/\r\n?/g, '\n'));
    }
    for (let size = log.textContent.length; size > LOG_LIMIT && log.childElementCount > 1; ) {
      size -= log.firstChild.textContent.length;
      log.firstChild.remove();
    }
    if (follow) log.scrollTop = log.scrollHeight;
    this.#printing = null;
  }
}
function openPanel(name) {
  if (!panels.has(name)) panels.set(name, new Panel(name));
  const panel = panels.get(name);
  panel.trouble('');
  if (!session) connect();
  else if (!panel.channel) panel.attach(session.channel(name));
  $('#no-consoles').hidden = true;
  panel.focus();
}
function closePanel(panel) {
  panels.delete(panel.name);
  panel.remove();
  $('#no-consoles').hidden = panels.size > 0;
  if (!panels.size) disconnect();
  $(`[data-name="${CSS.escape(panel.name)}"] .open`)?.focus();
}

// --- the session: one RTCPeerConnection, its control channel, trickle ICE by PATCH

class Session {
  #peer = new RTCPeerConnection();
  #control = this.#peer.createDataChannel('thingway'); // first, so that it knows of every channel after it
  // credit by SCTP stream id: a grant may come before this page knows its own channel's id
  #limits = new Map();
  #candidates = [];
  #etag = null;
  #sentPing = null;
  #timer = setInterval(() => this.#ping(), PING_EVERY);
  url = null;
  roundTrip = null;

  constructor() {
    this.#control.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    this.#control.onclose = () => lost(this);
    this.#peer.onconnectionstatechange = () => {
      if (this.state === 'failed')
        notice(
          'path',
          'No network path to the gateway was found.',
          'UDP between this device and the gateway may be blocked by a firewall, a VPN or another subnet.',
        );
      if (this.state === 'failed' || this.state === 'closed') lost(this);
      showSession();
    };
    this.#peer.onicecandidate = ({ candidate }) => {
      this.#candidates.push(candidate?.candidate ? `a=${candidate.candidate}` : 'a=end-of-candidates');
      this.#trickle();
    };
  }

  get state() {
    return this.#peer.connectionState;
  }
  limit(channel) {
    return this.#limits.get(channel?.id);
  }
  channel(name) {
    const channel = this.#peer.createDataChannel(name);
    // the id may serve a later channel
    channel.addEventListener('close', () => this.#limits.delete(channel.id));
    return channel;
  }

  async connect() {
    await this.#peer.setLocalDescription();
    const response = await fetch('sessions', {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: this.#peer.localDescription.sdp,
      signal: AbortSignal.timeout(10000),
    });
    if (!response.ok) throw await refusal(response);
    this.url = response.headers.get('Location');
    this.#etag = response.headers.get('ETag');
    await this.#peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    this.#trickle();
  }

  close() {
    clearInterval(this.#timer);
    this.#control.onclose = this.#peer.onconnectionstatechange = this.#peer.onicecandidate = null;
    this.#peer.close();
  }

  async #trickle() {
    if (!this.url || !this.#candidates.length) return;
    const line = (name) => this.#peer.localDescription.sdp.match(`a=${name}:.*`)[0];
    const section = 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel';
    const lines = [
      line('ice-ufrag'),
      line('ice-pwd'),
      section,
      line('mid'),
      ...this.#candidates.splice(0),
      '',
    ];
    const headers = { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': this.#etag ?? '*' };
    const response = await fetch(this.url, { method: 'PATCH', headers, body: lines.join('\r\n') }).catch(
      () => null,
    );
    // Not fatal: the gateway also learns our address from our own connectivity checks.
    if (!response || response.ok || this.state === 'connected') return;
    notice('path', "The gateway did not take this page's addresses:", (await refusal(response)).message);
  }

  #ping() {
    if (this.#control.readyState !== 'open') return;
    this.#sentPing = performance.now();
    this.#control.send(JSON.stringify({ type: 'ping', id: this.#sentPing }));
  }

  #heard(message) {
    let target = panels.get(message.label);
    // that was an earlier channel
    if (target?.channel && target.channel.id !== message.channel) target = null;
    switch (message.type) {
      case 'hello':
        attempts = 0;
        settle('path');
        settle('refused');
        this.#ping();
        return showEndpoints(message.endpoints);
      case 'endpoints':
        return showEndpoints(message.endpoints);
      case 'endpoint':
        return showEndpoint(message);
      case 'pong':
        if (message.id === this.#sentPing) this.roundTrip = performance.now() - this.#sentPing;
        return showSession();
      case 'opened':
        return this.#limits.set(message.channel, 0);
      case 'credit':
        if (!this.#limits.has(message.channel)) return; // late, for a channel that is closed
        this.#limits.set(message.channel, Math.max(message.limit, this.#limits.get(message.channel)));
        for (const panel of panels.values()) panel.pump();
        return;
      case 'refused':
      case 'closed':
        target?.detach();
        return target?.trouble(
          `The gateway has ${message.type} this: ${reason(message)}. Press Open to try again.`,
        );
      case 'dropped': {
        const where =
          message.direction === 'to_peer' ? 'from the device did not get here' : 'did not reach the device';
        const count = message.messages === 1 ? '1 message' : `${message.messages} messages`;
        return target?.trouble(`${count} (${message.bytes} bytes) ${where}: ${reason(message)}.`);
      }
      case 'lost': {
        const panel = panels.get(message.endpoint);
        return panel?.trouble(`${message.bytes} bytes queued for the device are lost: ${reason(message)}.`);
      }
      case 'error':
        return notice(
          'control',
          'The gateway did not understand this page:',
          `${reason(message)}. Reload the page: it may be older than the gateway.`,
        );
    }
  }
}

/** A refusal in plain words, from the problem+json body. */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const error = new Error(
    joined(', ', problem.detail ?? problem.title ?? `status ${response.status}`, problem.where),
  );
  error.retryAfter = 1000 * Number(response.headers.get('Retry-After') ?? 0);
  error.hint =
    {
      403: "Open this page under the gateway's own address, or allow its origin in http.allowed_origins.",
      421: "Open this page by a name in http.hosts, or by the gateway's address.",
      503: 'Close a page that uses the gateway, or wait.',
    }[response.status] ?? "Reload the page; if that does not help, the gateway's log says more.";
  return error;
}

let session = null;
let retry = null;
let attempts = 0; // since the last session that worked

async function connect() {
  clearTimeout(retry);
  retry = null;
  const mine = (session = new Session());
  for (const panel of panels.values()) panel.attach(mine.channel(panel.name));
  showSession();
  try {
    await mine.connect();
  } catch (error) {
    if (session !== mine) return;
    if (error.hint) notice('refused', `The gateway refused the session: ${error.message}.`, error.hint);
    else
      notice('refused', 'No session could be made:', `${error.message}. Check the gateway and the network.`);
    lost(mine, error.retryAfter);
  }
}
function disconnect() {
  clearTimeout(retry);
  retry = null;
  session?.close();
  session = null;
  showSession();
}
function lost(which, retryAfter = 0) {
  if (session !== which) return;
  disconnect();
  for (const panel of panels.values()) panel.detach();
  // Without a gateway there is nothing to retry: the watch connects when it is back.
  if (gatewayThere && panels.size) retry = setTimeout(connect, Math.max(retryAfter, backoff(attempts++)));
  showSession();
}
function showSession() {
  const state = !gatewayThere ? 'gone' : (session?.state ?? (panels.size ? 'disconnected' : 'idle'));
  $('#session').dataset.state = state;
  fill($('#session'), {
    '.state':
      {
        gone: 'Gateway gone, trying again…',
        idle: 'Not connected',
        new: 'Connecting…',
        connecting: 'Connecting…',
        disconnected: session ? 'Interrupted, waiting for the gateway…' : 'Connection lost, trying again…',
        connected: 'Connected',
      }[state] ?? state,
    '.round-trip':
      state === 'connected' && session.roundTrip ? ` · round trip ${session.roundTrip.toFixed(1)} ms` : '',
  });
}

// --- the watch: is the gateway there, and what are its endpoints?

let gatewayThere = true;
let unanswered = 0;

/**
 * The whole list first (names may have gone), then its changes. Without a stream, only the list, again and
 * again.
 */
async function watch() {
  try {
    const response = await fetch('endpoints', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw await refusal(response);
    showEndpoints((await response.json()).endpoints);
  } catch (error) {
    gatewayThere = false;
    clearTimeout(retry);
    retry = null;
    settle('refused');
    notice(
      'gateway',
      'The gateway does not answer.',
      error.hint
        ? `${error.message}. ${error.hint}`
        : 'It may be restarting, or the network is down. This page tries again by itself.',
    );
    showSession();
    return setTimeout(watch, Math.max(error.retryAfter ?? 0, backoff(unanswered++)));
  }
  gatewayIsThere();
  const events = new EventSource('events');
  let pause = 2000; // between lists, when there is no stream to be had
  events.onopen = () => {
    pause = 0;
  };
  events.addEventListener('endpoint', ({ data }) => showEndpoint(JSON.parse(data)));
  events.onerror = () => {
    events.close();
    setTimeout(watch, pause);
  };
}
async function gatewayIsThere() {
  const mine = session;
  gatewayThere = true;
  unanswered = 0;
  settle('gateway');
  showSession();
  if (!mine) return panels.size && !retry && connect();
  // A gateway that was restarted does not know this session any more.
  const response = mine.url && (await fetch(mine.url, { cache: 'no-store' }).catch(() => null));
  if (response?.status === 404) lost(mine);
}

// Leaving closes the session at once, so that the gateway need not wait for a time-out to free the device.
addEventListener('beforeunload', () => session?.close());
addEventListener('pagehide', () => session?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload();
});
watch();
