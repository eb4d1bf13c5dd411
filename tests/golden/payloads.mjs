// Makes tests/golden/payloads.json anew: what the real libraries send for a value, taken from a channel that
// goes nowhere.
//   npm install --prefix FOLDER peerjs@1.5.5 skyway-js@4.4.5 && node tests/golden/payloads.mjs FOLDER
// What is written has also been read: the libraries are given their own frames, in another order where there
// are several.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = resolve(process.argv[2], 'node_modules');
const require = createRequire(`${folder}/`);
const version = (name) => JSON.parse(readFileSync(`${folder}/${name}/package.json`)).version;

/** All that the libraries need of a browser. */
class Channel extends EventTarget {
  sent = [];
  readyState = 'open';
  bufferedAmount = 0;
  send(data) {
    this.sent.push(data);
  }
  close() {}
  receive(data) {
    const event = Object.assign(new Event('message'), { data });
    this.onmessage?.(event);
    this.dispatchEvent(event);
  }
}
let channel;
globalThis.RTCPeerConnection = class extends EventTarget {
  createDataChannel() {
    return (channel = new Channel());
  }
  async createOffer() {
    return { type: 'offer', sdp: '' };
  }
  async setLocalDescription() {}
  close() {}
};
globalThis.WebSocket = class {
  send() {}
  close() {}
};
// In browsers, too, whoever reads first is given the bytes first.
let reading = Promise.resolve();
globalThis.FileReader = class {
  readAsArrayBuffer(blob) {
    reading = reading.then(() => blob.arrayBuffer()).then((result) => this.onload({ target: { result } }));
  }
};
const agent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';
const { Peer: PeerJs } = require('peerjs/dist/bundler.cjs');
Object.defineProperty(globalThis, 'navigator', {
  value: { userAgent: agent, platform: 'Linux' },
  configurable: true,
});
globalThis.window = globalThis;
globalThis.location = { protocol: 'http:', hostname: '127.0.0.1', host: '127.0.0.1', port: '' };
globalThis.XMLHttpRequest = class {
  withCredentials = false;
  open() {}
  send() {}
  setRequestHeader() {}
  abort() {}
};
// The signalling goes nowhere either.
const SkyWay = require('skyway-js');

function open(library, serialization) {
  let connection;
  if (library === 'peerjs') {
    connection = new PeerJs('us', { host: '127.0.0.1', port: 9 }).connect('page', { serialization });
  } else {
    const peer = new SkyWay('us', {
      key: '',
      host: '127.0.0.1',
      port: 9,
      config: { iceServers: [] },
      turn: false,
    });
    Object.defineProperty(peer, 'open', { value: true });
    connection = peer.connect('page', { serialization });
  }
  channel.onopen();
  const received = [];
  connection.on('data', (data) => received.push(data));
  return { connection, channel, received };
}

// The same identifiers each time.
let seed = 1;
Math.random = () => (seed = (seed * 48271) % 0x7fffffff) / 0x7fffffff;

const pattern = (len) => Uint8Array.from({ length: len }, (_, i) => i % 251);
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** Hexadecimal digits, and from which to which byte the pattern goes on in between. */
function pieces(frame, from) {
  const bytes = Buffer.from(frame);
  const whole = pattern(70000);
  const at = bytes.indexOf(whole.subarray(from, from + 64));
  if (at < 0) return { binary: [hex(bytes)], from };
  let to = from;
  while (bytes[at + to - from] === whole[to] && at + to - from < bytes.length) to++;
  // What follows may look like the pattern.
  const whatFollows = bytes.subarray(at + to - from);
  return { binary: [hex(bytes.subarray(0, at)), [from, to], hex(whatFollows)], from: to };
}

/** What a device is to be told. */
async function meaning(value) {
  if (typeof value === 'string')
    return value.length > 64 ? { repeat: [value[0], value.length] } : { text: value };
  if (value instanceof Blob) value = await value.arrayBuffer();
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength);
    return bytes.length > 64 ? { pattern: bytes.length } : { bytes: hex(bytes) };
  }
  return { json: JSON.stringify(value) };
}

async function plain(value) {
  if (value instanceof Blob) value = await value.arrayBuffer();
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value;
}

async function golden(library, serialization, value) {
  const { connection, channel, received } = open(library, serialization);
  connection.send(value);
  await sleep(60);
  const frames = [];
  let from = 0;
  for (const frame of channel.sent) {
    if (typeof frame === 'string') frames.push({ text: frame });
    else {
      const it = pieces(frame, from);
      from = it.from;
      frames.push({ binary: it.binary });
    }
  }
  assert.ok(frames.length > 0, `${library} ${serialization}`);
  const wire = channel.sent.splice(0).reverse();
  // skyway-js cannot read its own wide characters; neither library reads long negative numbers, nor keeps a
  // negative 0.
  let reads = true;
  try {
    for (const frame of wire) channel.receive(ArrayBuffer.isView(frame) ? frame.slice().buffer : frame);
    assert.deepEqual(await plain(received[0]), await plain(value));
  } catch {
    reads = false;
  }
  const kind = value.constructor.name;
  return {
    library: `${library} ${version(library)}`,
    serialization,
    kind,
    payload: await meaning(value),
    frames,
    reads,
  };
}

/**
 * A text as skyway-js is able to read it, in one envelope: two surrogates of three bytes for a wide
 * character.
 */
async function surrogates(text) {
  const { channel, received } = open('skyway-js', 'binary');
  const units = [...Array(text.length).keys()].map((i) => text.charCodeAt(i));
  const bytes = units.flatMap((unit) =>
    unit < 0x80 ? [unit] : [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63)],
  );
  const packed = Buffer.from([0xb0 | bytes.length, ...bytes]);
  const head = Buffer.from('86b26964d80010', 'hex');
  const frame = Buffer.concat([
    head,
    Buffer.from('0'.repeat(16)),
    Buffer.from('b474797065b6537472696e67b473697a65', 'hex'),
    Buffer.from([packed.length]),
    Buffer.from('ba746f74616c506172747301b5696e64657800b464617461', 'hex'),
    Buffer.from([0xa0 | packed.length]),
    packed,
  ]);
  channel.receive(new Uint8Array(frame).buffer);
  assert.equal(received[0], text);
  return {
    library: `skyway-js ${version('skyway-js')}`,
    serialization: 'binary',
    kind: 'String',
    payload: { text },
    frames: [{ binary: [hex(frame)] }],
    reads: true,
  };
}

const values = [
  'hey',
  '',
  'sixteen bytes...',
  'grüße €',
  'line\r\n"\\\b\f\t\u0000\u001f\u007f\u2028</',
  '\u{1f600}',
  'x'.repeat(300),
  { a: 1, b: 'hey' },
  [[1, [2, [3, ['x']]]], []],
  [null, true, false],
  { text: '', list: [], inner: { null: null } },
  [0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2 ** 53 - 1, 2 ** 62],
  [-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -(2 ** 53), -(2 ** 63)],
  [1.5, -0.1, Math.PI, 1e-7, 1234.5678, -0],
  Array(16).fill(7),
  Object.fromEntries(
    pattern(16)
      .map((i) => i)
      .entries(),
  ),
  -12,
  'true',
  true,
];
const binaries = [
  Uint8Array.of(1, 2, 255).buffer,
  Uint8Array.of(0),
  pattern(15),
  pattern(16),
  pattern(300).buffer,
  new Blob([pattern(10)]),
  pattern(16181).buffer,
  pattern(16187).buffer,
  pattern(16188).buffer,
  pattern(16297).buffer,
  pattern(16298).buffer,
  pattern(40000).buffer,
  pattern(66000).buffer,
];
const all = [];
for (const value of values) {
  for (const serialization of ['json', 'binary']) all.push(await golden('peerjs', serialization, value));
  for (const serialization of ['json', 'binary']) all.push(await golden('skyway-js', serialization, value));
}
for (const value of binaries) {
  for (const library of ['peerjs', 'skyway-js']) all.push(await golden(library, 'binary', value));
}
all.push(await golden('peerjs', 'binary', new ArrayBuffer(0)));
all.push(await golden('skyway-js', 'binary', new Blob([])));
all.push(
  await golden('skyway-js', 'binary', new File([pattern(40000)], 'name.bin', { type: 'text/x-test' })),
);
for (const [library, serialization] of [
  ['peerjs', 'raw'],
  ['skyway-js', 'none'],
]) {
  for (const value of ['hey', Uint8Array.of(1, 2, 255).buffer])
    all.push(await golden(library, serialization, value));
}
all.push(await surrogates('\u{1f600}'), await surrogates('a\u{1f600}!'));

// PeerJS says in the channel that it closes.
for (const serialization of ['json', 'binary']) {
  const { connection, channel } = open('peerjs', serialization);
  connection.close({ flush: true });
  const frames = channel.sent.map((frame) => ({ binary: [hex(frame)] }));
  all.push({
    library: `peerjs ${version('peerjs')}`,
    serialization,
    kind: 'Object',
    payload: { close: true },
    frames,
    reads: true,
  });
}

writeFileSync(
  new URL('payloads.json', import.meta.url),
  `[\n${all.map((it) => JSON.stringify(it)).join(',\n')}\n]\n`,
);
process.exit();
