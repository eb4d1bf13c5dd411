// One megabyte written in one go to a line that takes 115,200 bits per second: ninety seconds in which
// nothing may be closed, lost or piled up. With THINGWAY_SOAK=1 it is four megabytes and six minutes. The
// file's name makes it start first; the others run beside it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { openSite, startSite } from './lib/site.js';
import { bound, until } from './lib/until.js';

const total = process.env.THINGWAY_SOAK ? 4_000_000 : 1_000_000;
const bytesPerSecond = 115_200 / 10; // eight bits, a start and a stop bit
const piece = 60_000;
const longest = 60 * bound; // six minutes for four megabytes on a quiet machine
const samples = 200; // of the daemon's memory, at equal distances in what the line has taken

test('chromium: more than a line of 115,200 baud takes at once', { timeout: longest }, async (t) => {
  const path = join(temporaryDirectory(), 'tty');
  const device = await SerialDevice.plugIn(t, path, { bytesPerSecond });
  const site = await startSite(t);
  const config = `[http]\nallowed_origins = ["${site.origin}"]\n${serialEndpoint('line', path)}`;
  const daemon = await Daemon.start(t, config);
  const page = await openSite(await chromium(t), site);
  await page.evaluate(
    async ([gateway, total, piece]) => {
      window.session = await window.client.Session.connect(gateway, [['line']]);
      const [channel] = window.session.channels;
      // A sequence that repeats only after 2^24 bytes, so that a hole or a repetition shows.
      const bytes = new Uint8Array(total);
      for (let i = 0, x = 1; i < total; i++) {
        x = (Math.imul(x, 1103515245) + 12345) | 0;
        bytes[i] = x >>> 16;
      }
      const digest = await crypto.subtle.digest('SHA-256', bytes);
      window.hash = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      window.written = (async () => {
        const granted = () => window.session.credit.get(channel.id) ?? 0;
        for (let at = 0; at < total; ) {
          const size = Math.min(piece, total - at);
          await window.client.until('credit', () => channel.sent + size <= granted());
          channel.sent += size;
          channel.send(bytes.subarray(at, at + size));
          at += size;
        }
      })();
      window.written.catch((error) => {
        window.failure = String(error);
      });
    },
    [daemon.url, total, piece],
  );

  const memory = [];
  await until(
    'the line has taken it all',
    async () => {
      const failure = await page.evaluate(
        () => window.failure ?? (window.session.channels[0].closed && 'it was closed'),
      );
      assert.ok(!failure, failure);
      if (device.taken >= (memory.length * total) / samples) memory.push(daemon.residentKilobytes());
      return device.taken >= total;
    },
    longest,
  );
  await page.evaluate(() => window.written);

  assert.equal(device.taken, total);
  assert.equal(device.hash.digest('hex'), await page.evaluate(() => window.hash), 'every byte, in order');
  const [session] = await daemon.sessions();
  const channel = session.channels.find(({ label }) => label === 'line');
  assert.deepEqual(channel.drops, []);
  assert.equal(channel.from_peer.bytes, total);
  // Its first samples are from before its buffers were full.
  const settled = memory.slice(samples / 20);
  const growth = Math.max(...settled) - settled[0];
  assert.ok(settled.length > samples / 2 && growth < 2048, `it grew by ${growth} KiB: ${settled.join(' ')}`);
});
