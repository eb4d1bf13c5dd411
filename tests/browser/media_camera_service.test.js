// What the service for cameras runs (systemd/thingway-camera@.service): the picture in a browser, and the packets
// that viewers need.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { freePorts, look, rtpEndpoint, watch } from './lib/media.js';
import { isNear, red } from './lib/media_colors.js';
import { fakeRpicam, redTestSource, recipe, Shell } from './lib/recipes.js';
import { Hopeless, testBound, until } from './lib/until.js';

const here = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name) => readFileSync(here(name), 'utf8');

/** The settings of the document, with this source. */
const settings = (source, port) => ({
  ...Object.fromEntries(
    recipe('ini', 'SOURCE=')
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/).slice(0, 2)),
  ),
  OPTIONS: '',
  SOURCE: source,
  PORT: String(port),
});

const sources = { 'a source of GStreamer': redTestSource, 'rpicam-vid': 'rpicam' };

for (const [name, source] of Object.entries(sources)) {
  const start = (t, port) =>
    Shell.start(t, here('systemd/camera'), {
      programs: { 'rpicam-vid': fakeRpicam },
      environment: settings(source, port),
    });

  test(`chromium: the service for ${name} gives a picture`, { timeout: testBound }, async (t) => {
    const port = await freePorts();
    const daemon = await Daemon.start(t, rtpEndpoint('camera', 'video', 'H264', port));
    const shell = start(t, port);
    const page = await (await chromium(t)).newPage();
    await page.goto(`${daemon.url}/healthz`); // a page of the gateway's own origin
    const { status, answer } = await page.evaluate(watch, { url: daemon.url, name: 'camera' });
    assert.equal(status, 201, answer);
    await until('the color is right', async () => {
      if (shell.hasEnded) throw new Hopeless(`it has ended: ${shell.log}`);
      const { color } = await page.evaluate(look);
      if (!isNear(color, red)) throw new Error(`it is ${color}`);
      return true;
    });
    assert.deepEqual((await page.evaluate(look)).size, [1280, 720]);
  });

  test(`the service for ${name} sends a keyframe with its parameter sets each second, in small packets`, {
    timeout: testBound,
  }, async (t) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    t.after(() => socket.close());
    const shell = start(t, socket.address().port);
    const heard = { pictures: 0, largest: 0, keyframes: [], parameters: [] };
    socket.on('message', (packet) => {
      heard.largest = Math.max(heard.largest, packet.length);
      for (const kind of unitsOf(packet.subarray(12))) {
        if (kind === 5) heard.keyframes.push(heard.pictures);
        if (kind === 7) heard.parameters.push(heard.pictures);
      }
      if (packet[1] & 128) heard.pictures++;
    });
    await until('100 pictures', () => {
      if (shell.hasEnded) throw new Hopeless(`it has ended: ${shell.log}`);
      return heard.pictures >= 100;
    });
    assert.ok(heard.largest <= 1200, `a packet of ${heard.largest} B`);
    const keyframes = [...new Set(heard.keyframes)].filter((at) => at < 100);
    assert.deepEqual(keyframes, [0, 30, 60, 90]);
    assert.deepEqual(
      [...new Set(heard.parameters)].filter((at) => at < 100),
      keyframes,
    );
  });
}

/** The kinds of the units that begin in a payload (RFC 6184 §5.2). */
function unitsOf(payload) {
  const kind = payload[0] & 31;
  if (kind === 28) return payload[1] & 128 ? [payload[1] & 31] : []; // a fragment: only the first one
  if (kind !== 24) return [kind];
  const kinds = []; // several in one
  for (let at = 1; at < payload.length; at += 2 + payload.readUInt16BE(at)) kinds.push(payload[at + 2] & 31);
  return kinds;
}

test('what the unit runs is what the package installs', () => {
  const [, program] = read('systemd/thingway-camera@.service').match(/^ExecStart=(\S+)$/m);
  const folder = program.replace(/[^/]*$/, '').slice(1);
  const assets = read('Cargo.toml');
  assert.ok(assets.includes(`["systemd/camera", "${folder}", "755"]`), program);
  assert.ok(assets.includes('["systemd/thingway-camera@.service", "usr/lib/systemd/system/", "644"]'));
});

test('the document names every setting, and its default', () => {
  const script = read('systemd/camera');
  const defaults = Object.fromEntries(
    [...script.matchAll(/"\$\{([A-Z]+):=([^}]*)\}"/g)].map(([, name, value]) => [name, value]),
  );
  const rows = [...read('docs/media.md').matchAll(/^\| (`[A-Z]+`(?:, `[A-Z]+`)*) \| ([^|]*) \|/gm)];
  const documented = Object.fromEntries(
    rows.flatMap(([, names, values]) => {
      const [listed, given] = [names.match(/[A-Z]+/g), values.replaceAll('`', '').split(', ')];
      return listed.map((name, at) => [name, given[at].replace(/^none$/, '')]);
    }),
  );
  assert.deepEqual(documented, defaults);
});
