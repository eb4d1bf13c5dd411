// A file on its way to a device: as raw bytes, line by line, at the pace of the device, and called back.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

async function world(t, { device: how = {}, settings = '' } = {}) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path, how);
  const daemon = await Daemon.start(t, `${serialEndpoint('arm', path)}${settings}`);
  const browser = await chromium(t);
  const url = await consoleOf(t, daemon);
  const page = await Console.open(browser, url);
  await page.isOpen('arm');
  await page.tool('arm', 'Send file').click();
  const panel = page.desk('arm').locator('.file-panel');
  await panel.waitFor();
  const choose = (name, bytes) =>
    panel
      .getByLabel('File', { exact: true })
      .setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
  const send = () => panel.getByRole('button', { name: 'Send the file' }).click();
  const state = (wanted) =>
    until(
      `the file is ${wanted}`,
      async () => (await panel.locator('.progress').getAttribute('data-state')) === wanted,
    );
  const share = () => panel.locator('progress').evaluate(({ value, max }) => value / max);
  const lineByLine = async (wait) => {
    await panel.getByLabel('Send it').selectOption('lines');
    await panel.getByLabel('After each line').selectOption(wait);
  };
  const received = (text) =>
    until(`the device has ${JSON.stringify(text)}`, () => String(device.received) === text).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(String(device.received))}`);
    });
  return { device, daemon, browser, url, page, panel, choose, send, state, share, lineByLine, received };
}

test('a file goes out as it is, byte for byte', { timeout: testBound }, async (t) => {
  const { device, page, panel, choose, send, state, share } = await world(t);
  const bytes = Buffer.concat([randomBytes(200_000), Buffer.from(Array.from({ length: 256 }, (_, n) => n))]);
  await choose('firmware.bin', bytes);
  await send();
  await state('done');
  assert.equal(await share(), 1);
  await until('the device has all of it', () => device.received.length >= bytes.length);
  assert.ok(device.received.equals(bytes));
  assert.match(await panel.innerText(), /firmware\.bin 200 kB of 200 kB.*All of it was sent/s);
  assert.deepEqual(page.errors, []);
});

test('at the pace of the device, and cancelled on the way', { timeout: testBound }, async (t) => {
  const { device, page, panel, choose, send, state, share } = await world(t, {
    device: { bytesPerSecond: 20_000 },
  });
  const bytes = randomBytes(4_000_000);
  await choose('large.bin', bytes);
  await send();
  const has = (count) => until(`the device has ${count} bytes`, () => device.taken > count);
  await has(50_000);
  const now = await share();
  assert.ok(now > 0 && now < 0.5, `the page waits for the device: ${now} of it was sent`);
  await page.tool('arm', 'Line').click();
  await until('how far it is stays in sight', () => panel.isVisible());
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await state('cancelled');
  assert.match(
    await panel.innerText(),
    /Cancelled\. What the gateway has already taken still reaches the device/,
  );
  const sent = () =>
    page
      .desk('arm')
      .locator('.count')
      .getAttribute('aria-label')
      .then((label) => Number(label.match(/([\d.]+) kB sent/)[1]) * 1000);
  const last = await share();
  await until(
    'the bytes of the terminal, counted four times a second, are as many',
    async () => Math.abs((await sent()) - last * bytes.length) <= 1000,
  );
  await page.send('arm', 'and a line');
  await until(
    'the device has what was taken, and the line',
    () => device.taken >= last * bytes.length + 'and a line\n'.length,
  );
  const expected = createHash('sha256')
    .update(bytes.subarray(0, Math.round(last * bytes.length)))
    .update('and a line\n')
    .digest('hex');
  assert.equal(device.hash.digest('hex'), expected, 'and nothing else');
  assert.deepEqual(page.errors, []);
});

test('line by line, each after the answer to the one before', { timeout: testBound }, async (t) => {
  const { device, page, panel, choose, send, state, lineByLine, received } = await world(t);
  await page.desk('arm').locator('form.input').getByLabel('Line ending').selectOption('crlf');
  await lineByLine('answer');
  assert.equal(await panel.getByRole('textbox', { name: 'Answer' }).inputValue(), 'ok');
  await choose('part.gcode', 'G21\r\nG0 X1\nM400\n\nM2');
  device.write('ok\r\n'); // is no answer to anything
  await page.shows('arm', 'ok');
  await send();
  await received('G21\r\n');
  device.write('token okay book\r\necho:busy\r\n'); // nor is this
  await page.shows('arm', 'echo:busy');
  await until('it is said that it is silent', async () =>
    /has not answered “ok” yet/.test(await panel.innerText()),
  );
  assert.match(await panel.innerText(), /line 1 of 5/);
  await received('G21\r\n');
  device.write('o');
  device.write('\x1b[0mk T:20.1\r\n'); // in colours, in pieces
  await received('G21\r\nG0 X1\r\n');
  device.write('ok\r\n');
  await received('G21\r\nG0 X1\r\nM400\r\n');
  await panel.getByRole('button', { name: 'Go on without it' }).click();
  await received('G21\r\nG0 X1\r\nM400\r\n\r\n');
  device.write('ok\r\n');
  await received('G21\r\nG0 X1\r\nM400\r\n\r\nM2\r\n');
  assert.equal(
    await panel.locator('.progress').getAttribute('data-state'),
    'sending',
    'the last one has an answer, too',
  );
  device.write('ok\r\n');
  await state('done');
  assert.deepEqual(page.errors, []);
});

test('a prompt is an answer; a pause holds back what follows', { timeout: testBound }, async (t) => {
  const { device, panel, choose, send, state, lineByLine, received } = await world(t);
  await lineByLine('answer');
  await panel.getByRole('textbox', { name: 'Answer' }).fill('=> ');
  await choose('boot.scr', 'one\ntwo\n');
  await send();
  await received('one\n');
  device.write('one\r\ndone\r\n=> ');
  await received('one\ntwo\n');
  device.write('=> ');
  await state('done');
  await lineByLine('pause');
  await panel.getByRole('spinbutton', { name: 'Pause' }).fill('600000');
  await send();
  await received('one\ntwo\none\n');
  await until('it waits', async () => /line 1 of 2/.test(await panel.innerText()));
  await panel.getByRole('button', { name: 'Cancel' }).click();
  await state('cancelled');
  await panel.getByRole('spinbutton', { name: 'Pause' }).fill('1');
  await send();
  await received('one\ntwo\none\none\ntwo\n');
  await state('done');
});

test('a file stops where another session takes the control over, and where the connection is lost', {
  timeout: testBound,
}, async (t) => {
  const { daemon, device, browser, url, page, panel, choose, send, state, lineByLine, received } =
    await world(t, { settings: 'writers = "one"\n' });
  await lineByLine('answer');
  await choose('part.gcode', 'one\ntwo\nthree\n');
  await send();
  await received('one\n');
  const other = await Console.open(browser, url, '#/terminals/arm');
  await other.isOpen('arm');
  await other.desk('arm').getByRole('button', { name: 'Take over now' }).click();
  await until('the first page knows', () => page.desk('arm').locator('.lease[data-lease=other]').isVisible());
  device.write('ok\r\n');
  await state('stopped');
  assert.match(await page.trouble('arm'), /Not sent\. Another session has the right to write/);
  await received('one\n');
  await page.desk('arm').getByRole('button', { name: 'Take over now' }).click();
  await until('it may write again', () => page.desk('arm').locator('.lease[data-lease=yours]').isVisible());
  await send();
  await received('one\none\n');
  await daemon.stop();
  await state('stopped');
  assert.match(await panel.innerText(), /the rest was not sent/);
});
