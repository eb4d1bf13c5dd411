// Pages with the libraries as npm has them, on a web site of their own, and what they ask of the hub.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from './browsers.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './daemon.js';
import { SerialDevice } from './devices.js';
import { serve } from './site.js';
import { until } from './until.js';

const file = (path) => readFileSync(new URL(path, import.meta.url));
const scripts = {
  '/skyway.js': () => file('../node_modules/skyway-js/dist/skyway.js'),
  '/peerjs.js': () => file('../node_modules/peerjs/dist/peerjs.min.js'),
  '/hub_page.js': () => file('hub_page.js'),
};
const page = (library) =>
  `<!doctype html><title>${library}</title><script src="/${library}.js"></script><script src="/hub_page.js"></script>`;

/** A site with a page at /skyway and one at /peerjs. */
export function startHubSite(t) {
  return serve(t, (request, response) => {
    const script = scripts[request.url];
    if (script)
      return response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(script());
    return response
      .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
      .end(page(request.url.slice(1)));
  });
}

/** A daemon with the peer `robot-1`, which is a serial line, and with whatever else is in `config`. */
export async function startHub(t, site, config = '') {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const allowed = site ? `[http]\nallowed_origins = ["${site.origin}"]\n` : '';
  const daemon = await Daemon.start(
    t,
    `${allowed}${config}\n${serialEndpoint('line', path)}scrollback = 0

[[peer]]
id = "robot-1"
endpoint = "line"
`,
  );
  return { daemon, device };
}

/**
 * A hub with its device, and a browser. `open` opens a page with `library`, or with another one. `config` is
 * for the daemon, `browser` for the browser.
 */
export async function startWorld(t, library, { config, browser: options } = {}) {
  const site = await startHubSite(t);
  const { daemon, device } = await startHub(t, site, config);
  const browser = await chromium(t, options);
  return { daemon, device, open: (other = library) => HubPage.open(browser, site, other) };
}

/** The device hears these bytes, and no others since it was asked last. */
export async function deviceHears(device, expected) {
  const wanted = Buffer.from(expected);
  await until(
    `the device hears ${wanted.length} bytes, not ${device.received.length}`,
    () => device.received.length >= wanted.length,
  );
  assert.ok(device.received.equals(wanted), `it hears ${device.received.subarray(0, 200)}`);
  device.received = Buffer.alloc(0);
}

export const key = '00000000-0000-4000-8000-000000000000';

/** The options of `Peer` for a page of either library. */
export function optionsFor(library, url, more = {}) {
  const { hostname: host, port } = new URL(url);
  const both = { host, port: Number(port), secure: false, config: { iceServers: [] } };
  return library === 'skyway' ? { key, turn: false, ...both, ...more } : { path: '/', ...both, ...more };
}

export const text = (value) => ({ text: value });
export const bytes = (value) => ({ bytes: Buffer.from(value).toString('base64') });
/** What is wanted of `length` bytes that are all alike nowhere. */
export const pattern = (length) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255));

/** The bytes of something received, as a device would have sent it. */
export const toBytes = (value) => {
  if (value.text !== undefined) return Buffer.from(value.text);
  return value.bytes === undefined
    ? Buffer.from(JSON.stringify(value.json))
    : Buffer.from(value.bytes, 'base64');
};

/** One page, or what else can do what `lib/hub_page.js` does: `run` calls a function of it. */
export class HubPage {
  static async open(browser, site, library) {
    const tab = await browser.newPage();
    const errors = [];
    const sockets = [];
    tab.on('pageerror', (error) => errors.push(String(error)));
    tab.on('websocket', (socket) => sockets.push(socket.url()));
    await tab.goto(`${site.origin}/${library}`);
    const run = (name, ...words) =>
      tab.evaluate(([called, given]) => globalThis.hub[called](...given), [name, words]);
    return Object.assign(new HubPage(library, run), { tab, errors, sockets });
  }

  constructor(library, run) {
    this.library = library;
    this.run = run;
  }

  /** A peer called `name` here; `id: null` leaves its id to the hub. */
  join(name, url, { id = name, ...more } = {}) {
    return this.run('join', name, id, optionsFor(this.library, url, more));
  }

  /** A connection that is open. */
  async connect(name, target, options = {}) {
    const at = await this.run('connect', name, target, options);
    await this.isOpen(at);
    return at;
  }

  isOpen(at) {
    return until(`connection ${at} of a page of ${this.library} opens`, async () => {
      const state = await this.run('state', at);
      if (state.open) return true;
      throw new Error(JSON.stringify({ ...state, errors: this.errors }));
    });
  }

  hasClosed(at) {
    return until(`connection ${at} of a page of ${this.library} closes`, async () => {
      const { open, events } = await this.run('state', at);
      if (!open && events.includes('close')) return true;
      throw new Error(JSON.stringify({ open, events }));
    });
  }

  /** Somebody has called the peer: that connection, open. */
  async isCalled(name, times = 1) {
    const all = await until(`${name} is called`, async () => {
      const incoming = await this.run('incoming', name);
      return incoming.length >= times && incoming;
    });
    await this.isOpen(all[times - 1]);
    return all[times - 1];
  }

  /** So many messages, all that there are by then. */
  receives(at, count) {
    return until(`${count} messages at connection ${at}`, async () => {
      const received = await this.run('received', at);
      if (received.length >= count) return received;
      throw new Error(JSON.stringify(received).slice(0, 300));
    });
  }

  /** As many bytes, however many messages they came in. */
  receivesBytes(at, length) {
    return until(`${length} bytes at connection ${at}`, async () => {
      const all = Buffer.concat((await this.run('received', at)).map(toBytes));
      if (all.length >= length) return all;
      throw new Error(`${all.length}: ${all.subarray(0, 100)}`);
    });
  }

  /** The first event of that name that a peer had, past `from` others of all names. */
  hears(name, event, from = 0) {
    return until(`${event} at ${name}`, async () => {
      const events = await this.run('events', name);
      const found = events.slice(from).find(([its]) => its === event);
      if (found) return found;
      throw new Error(JSON.stringify(events));
    });
  }
}

/**
 * A channel is open for its page before its first word is here (RFC 8832 §6): what a device says until then
 * is not for it.
 */
export const isBound = (daemon) =>
  until('the channel is bound', async () =>
    (await daemon.sessions()).some(({ channels }) => channels.length > 0),
  );

/**
 * A page and the pty that it has reached say to each other what they can in that serialization; with `sign`
 * in what is text.
 */
export async function talksToALine(page, device, at, serialization, sign) {
  await page.run('send', at, text(`Gr\u00fc\u00dfe ${sign}`));
  await deviceHears(device, `Gr\u00fc\u00dfe ${sign}`);
  if (serialization === 'json') {
    await page.run('send', at, { json: { left: [1, 2.5], right: null } });
    await deviceHears(device, '{"left":[1,2.5],"right":null}');
  } else {
    await page.run('send', at, bytes(pattern(256)));
    await deviceHears(device, pattern(256));
  }
  device.write('ok \u20ac\r\n');
  assert.equal(String(await page.receivesBytes(at, 8)), 'ok \u20ac\r\n');
  const [first] = await page.run('received', at);
  assert.equal(
    Object.keys(first)[0],
    serialization === 'json' ? 'text' : 'bytes',
    'what the page gets it as',
  );
  if (serialization !== 'binary') return;
  const long = pattern(100000); // cut in parts of 16,300 bytes
  await page.run('send', at, bytes(long));
  await deviceHears(device, long);
  const words = `a word and ${sign} `.repeat(6500);
  await page.run('send', at, text(words));
  await deviceHears(device, words);
}
