// Serial and UDP endpoints on the first page, with real devices at the far end.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { browsers, chromium } from './lib/browsers.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice, udpDevice } from './lib/devices.js';
import { FirstPage } from './lib/first_page.js';
import { testBound, until } from './lib/until.js';

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: a serial line, byte for byte`, { timeout: testBound }, async (t) => {
    const path = join(temporaryDirectory(), 'tty');
    const device = await SerialDevice.plugIn(t, path);
    const daemon = await Daemon.start(t, serialEndpoint('line', path));
    const page = await FirstPage.open(await launch(t), daemon.url);
    await page.openEndpoint('line');

    // Every line ending as chosen; two bytes per umlaut; 0x03 and friends are not typed but no terminal may
    // eat them.
    await page.send('line', 'plain', 'none');
    await page.send('line', 'Gr\u00fc\u00dfe', 'lf');
    await page.send('line', 'AT', 'cr');
    await page.send('line', 'G0 X1', 'crlf');
    const expected = 'plainGr\u00fc\u00dfe\nAT\rG0 X1\r\n';
    await until('the device has it all', () => device.received.length >= Buffer.byteLength(expected));
    assert.deepEqual(device.received, Buffer.from(expected));

    device.write('ok\r\n');
    await page.shows('line', 'ok\n');
    const euro = Buffer.from('12 \u20ac\r\n'); // a character torn over two writes is still one character
    device.write(euro.subarray(0, 4));
    await sleep(100);
    device.write(euro.subarray(4));
    await page.shows('line', '12 \u20ac\n');

    const endpoint = await daemon.get('/endpoints/line');
    assert.equal(endpoint.to_device.bytes, Buffer.byteLength(expected));
    assert.equal(endpoint.from_device.bytes, 4 + euro.length);
    assert.deepEqual(page.errors, []);
  });

  test(`${name}: a UDP device answers`, { timeout: testBound }, async (t) => {
    const remote = await udpDevice(t, (datagram) => Buffer.concat([Buffer.from('you said '), datagram]));
    const daemon = await Daemon.start(
      t,
      `[[endpoint]]\nname = "robot"\nkind = "udp"\nremote = "${remote}"\n`,
    );
    const page = await FirstPage.open(await launch(t), daemon.url);
    await page.openEndpoint('robot');
    await page.send('robot', 'left 10');
    await page.shows('robot', 'you said left 10\n');
    await page.send('robot', 'right 5', 'none');
    await page.shows('robot', 'you said right 5');
    assert.deepEqual(page.errors, []);
  });
}

test('a device that does not read: the page waits, and nothing is lost', {
  timeout: testBound,
}, async (t) => {
  const path = join(temporaryDirectory(), 'tty');
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `[limits]\nroute_queue = 131072\n${serialEndpoint('line', path)}`);
  const page = await FirstPage.open(await chromium(t), daemon.url);
  await page.openEndpoint('line');
  device.pause();

  // Line after line, each another one, until the page has waited for half a second.
  const isWaiting = async () => /waiting for the device: \d+ bytes/.test(await page.state('line'));
  const lines = [];
  const waitsForGood = async () => (await isWaiting()) && (await sleep(500)) === undefined && isWaiting();
  while (!(await waitsForGood())) {
    assert.ok(lines.length < 300, 'the page waits at last');
    lines.push(`${lines.length} `.padEnd(3000, String(lines.length % 10)));
    await page.page.evaluate((line) => {
      const form = document.querySelector('.console[data-name="line"] form');
      form.elements.line.value = line;
      form.requestSubmit();
    }, lines.at(-1));
  }
  const [session] = await daemon.sessions();
  const channel = session.channels.find(({ label }) => label === 'line');
  assert.ok(channel.from_peer.bytes <= channel.credit, 'the page keeps to its credit');
  assert.deepEqual(channel.drops, []);

  device.resume();
  const expected = `${lines.join('\n')}\n`;
  await until('all of it has arrived', () => device.received.length >= expected.length);
  assert.equal(String(device.received), expected);
  await until('the page waits no more', async () => (await page.state('line')) === 'open');
});
