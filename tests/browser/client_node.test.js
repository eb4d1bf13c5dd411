// The client library in Node, over libdatachannel: no browser at all.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import { connect, ThingwayError } from '../../web/client/dist/index.js';
import { Daemon, demoEndpoint, serialEndpoint } from './lib/daemon.js';
import { library } from './lib/datachannel.js';
import { SerialDevice } from './lib/devices.js';
import { pty } from './lib/library.js';
import { testBound, until } from './lib/until.js';

test('node: without a WebRTC package it says what is missing', async () => {
  await assert.rejects(
    connect('http://127.0.0.1:1'),
    (error) => error instanceof ThingwayError && error.code === 'no-webrtc' && /Node/.test(error.hint),
  );
});

test('node: streams, line, measuring, a restart of the daemon', { timeout: testBound }, async (t) => {
  const path = pty('arm');
  const arm = await SerialDevice.plugIn(t, path, { echo: true });
  const daemon = await Daemon.start(
    t,
    `${demoEndpoint}${serialEndpoint('arm', path)}[[endpoint]]\nname = "echo"\nkind = "echo"\n`,
  );
  const session = await connect(daemon.url, { RTCPeerConnection });
  t.after(() => session.close());
  assert.equal((await daemon.sessions())[0].id, session.id);
  const port = await session.open('arm');
  const writer = port.writable.getWriter();
  await writer.write('G28\n');
  const reader = port.readable.getReader();
  let heard = '';
  while (!heard.includes('\n')) heard += new TextDecoder().decode((await reader.read()).value);
  assert.equal(heard, 'G28\n');
  await writer.write(new Uint8Array(200_000));
  await until('all of it', () => arm.received.length === 200_004);
  assert.equal((await session.line('arm', [{ baud: 57600 }], { after: 'sent' })).baud, 57600);
  const { rtt, throughput } = await session.measure({ endpoint: 'echo', pings: 10, seconds: 0.3 });
  assert.ok(rtt.n === 10 && throughput.up > 0, JSON.stringify({ rtt, throughput }));
  assert.match((await session.stats()).fingerprint, /^sha-256 /);

  const lost = new Promise((done) => session.addEventListener('reconnecting', done, { once: true }));
  const back = new Promise((done) =>
    session.addEventListener('reconnected', ({ detail }) => done(detail), { once: true }),
  );
  await daemon.stop();
  await lost;
  await daemon.start();
  const { gap } = await back;
  assert.deepEqual(
    gap.map(({ port: of }) => of),
    [port],
  );
  await until('open again', () => port.state === 'open');
  await writer.write('again\n'); // nothing was being written, so the stream goes on
  await until('it is there', () => arm.received.toString().endsWith('again\n'));
  await session.close();
  assert.equal((await port.closed).reason, 'session-closed');
});

test('node: the same library by require()', { timeout: testBound }, async (t) => {
  const require = createRequire(import.meta.url);
  const [core, { createSerial }] = ['index.cjs', 'serial/index.cjs'].map((file) =>
    require(`../../web/client/dist/${file}`),
  );
  const path = pty('arm');
  await SerialDevice.plugIn(t, path, { echo: true });
  const daemon = await Daemon.start(t, serialEndpoint('arm', path));
  const session = await core.connect(daemon.url, {
    RTCPeerConnection: require('node-datachannel/polyfill').RTCPeerConnection,
  });
  t.after(() => session.close());
  const port = await createSerial(session).requestPort();
  await port.open({ baudRate: 115200 });
  await port.writable.getWriter().write(new TextEncoder().encode('G28'));
  const reader = port.readable.getReader();
  let heard = '';
  while (heard.length < 3) heard += new TextDecoder().decode((await reader.read()).value);
  assert.equal(heard, 'G28');
  await session.close();
  await assert.rejects(
    session.ping(),
    (error) => error instanceof core.ThingwayError && error.code === 'session-closed',
  );
});

test('the library lets the process end', () => library.cleanup());
