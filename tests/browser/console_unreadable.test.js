// Bytes that are no text: each is seen, sequences of the device keep working, and a wrong baud rate looks
// wrong.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleModule } from './lib/console_module.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/** What a terminal is given for these pieces, with marks in place of the colours. */
const { Visible } = await consoleModule('terminal/visible.ts');
function shown(...pieces) {
  const visible = new Visible();
  const parts = pieces.map((piece) =>
    Buffer.from(visible.show(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)),
  );
  return Buffer.concat([...parts, visible.flush()])
    .toString('utf8')
    .replaceAll('\x1b[90m', '<')
    .replaceAll('\x1b[39m', '>')
    .replaceAll('><', '');
}
const utf8 = (text) => Buffer.from(text).toString('latin1');

test('what is no UTF-8 is written out, and what is passes unchanged', () => {
  for (const [bytes, expected] of [
    ['caf\xe9 ok', 'caf<\\xE9> ok'],
    ['\xe9', '<\\xE9>'],
    ['\x80\xff\xfe', '<\\x80\\xFF\\xFE>'],
    [utf8('über 日本 😀'), 'über 日本 😀'],
    ['\xc0\x80 \xe0\x80\x80', '<\\xC0\\x80> <\\xE0\\x80\\x80>'], // overlong
    // a surrogate, beyond Unicode
    ['\xed\xa0\x80 \xf4\x90\x80\x80', '<\\xED\\xA0\\x80> <\\xF4\\x90\\x80\\x80>'],
    ['\xe6\x97x', '<\\xE6\\x97>x'],
    ['\xe6\xe6\x97\xa5', '<\\xE6>日'],
    ['a\x00b\x01\x7f\x18', 'a<\\x00>b<\\x01\\x7F\\x18>'],
    ['\x07\x08\t\n\v\f\r\x0e\x0f', '\x07\x08\t\n\v\f\r\x0e\x0f'],
    ['\xc2\x90gone? \xc2\x9b1m', '<\\xC2\\x90>gone? <\\xC2\\x9B>1m'], // C1 would hide what follows
    ['\xc2\xa0', '\u00a0'],
  ])
    assert.equal(shown(bytes), expected);
});

test('escape sequences pass, and the colour of the device goes on behind a byte that is shown', () => {
  for (const [bytes, expected] of [
    ['\x1b[1;31mred\xe9red', '\x1b[1;31mred<\\xE9\x1b[31mred'],
    [
      '\x1b[38;5;200m\xe9\x1b[38;2;1;2;3m\xe9',
      '\x1b[38;5;200m<\\xE9\x1b[38;5;200m\x1b[38;2;1;2;3m<\\xE9\x1b[38;2;1;2;3m',
    ],
    ['\x1b[48;5;31m\xe9', '\x1b[48;5;31m<\\xE9>'],
    ['\x1b[31m\x1b[0m\xe9', '\x1b[31m\x1b[0m<\\xE9>'],
    ['\x1b[31m\x1b[>4;2m\xe9', '\x1b[31m\x1b[>4;2m<\\xE9\x1b[31m'],
    ['\x1b[31m\x1b7\x1b[32m\x1b8\xe9', '\x1b[31m\x1b7\x1b[32m\x1b8<\\xE9\x1b[31m'],
    [`\x1b]0;${utf8('日')}\x07title`, '\x1b]0;日\x07title'],
    ['\x1b]0;x\x1b\\after\xe9', '\x1b]0;x\x1b\\after<\\xE9>'],
    ['\x1bPnoise\xe9text', '\x1bPnoise\x18<\\xE9>text'], // noise cannot swallow the rest
    [`\x1b[3${utf8('é')}x`, '\x1b[3\x18<\\xC3\\xA9>x'],
  ])
    assert.equal(shown(bytes), expected, JSON.stringify(bytes));
});

test('where the stream is cut makes no difference', () => {
  const whole = Buffer.from(
    `\x1b[31m${utf8('日本 é 😀')}\xe9\x00\xe6\x97 \x1b[38;5;9m\xff\x1b]0;${utf8('日')}\x07\x1bP\xe9 ${utf8('ü')}\xf0\x9f\x98`,
    'latin1',
  );
  const expected = shown(whole);
  assert.match(expected, /\\xE9\\x00\\xE6\\x97/);
  // A colour that is set again for each piece is the same picture.
  const picture = (text) => text.replaceAll(/\x1b\[(?:39|31|38;5;9)m</g, '').replaceAll('><', '');
  for (let one = 0; one <= whole.length; one++) {
    for (let two = one; two <= whole.length; two++) {
      const cut = shown(whole.subarray(0, one), whole.subarray(one, two), whole.subarray(two));
      assert.equal(picture(cut), picture(expected), `cut at ${one} and ${two}`);
    }
  }
});

test('ASCII and whole characters are passed on as they are, without a copy', () => {
  const visible = new Visible();
  const bytes = Buffer.from('\x1b[32m[ 12.3]\x1b[0m usb 日本\r\n'.repeat(100));
  const given = visible.show(bytes);
  assert.equal(given.buffer, bytes.buffer);
  assert.equal(given.length, bytes.length);
});

/** A serial line on a pseudo terminal, and its console. */
async function world(t, hash = '') {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `${demoEndpoint}${serialEndpoint('arm', path)}`);
  const url = await consoleOf(t, daemon);
  const browser = await chromium(t);
  return { device, daemon, url, browser, hash };
}

test('a terminal shows each byte, muted, also the last one of an answer', {
  timeout: testBound,
}, async (t) => {
  const { device, url, browser } = await world(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  device.write(
    Buffer.from(`\x1b[31mcaf\xe9 red\x1b[0m ${utf8('日本')}\x00|\xc2\x9b2J|\r\ntail \xe9`, 'latin1'),
  );
  await page.shows('arm', /caf\\xE9 red 日本\\x00\|\\xC2\\x9B2J\|\ntail \\xE9$/m);
  const colourOf = (text) =>
    page.page.evaluate((wanted) => {
      const span = [...document.querySelectorAll('.desk[data-name=arm] .xterm-rows span')].find(
        ({ textContent }) => textContent.includes(wanted),
      );
      return getComputedStyle(span).color;
    }, text);
  assert.notEqual(await colourOf('\\xE9'), await colourOf('caf'), 'it is muted');
  assert.equal(await colourOf(' red'), await colourOf('caf'), 'and the colour of the device goes on');
  await page.tool('arm', 'Timestamps').click();
  await page.shows('arm', /^\d\d:\d\d:\d\d\.\d{3} tail \\xE9$/m);
  assert.deepEqual(page.errors, []);
});

test('the early text shows them, too', { timeout: testBound }, async (t) => {
  const { device, daemon, url, browser } = await world(t);
  const page = new Console(await browser.newPage());
  await page.page.route(/\/main-/, () => {}); // the console does not come
  await page.page.goto(`${url}/#/terminals/arm`, { waitUntil: 'commit' });
  await until('the port is open', async () => (await daemon.get('/endpoints/arm')).routes > 0);
  const text = page.page.locator('pre.early');
  device.write(Buffer.from(`\x1b[32mok\x1b[0m \xe9\x00 ${utf8('日')}`, 'latin1'));
  await until(
    'it is seen',
    async () => (await text.count()) === 1 && (await text.innerText()) === 'ok \\xE9\\x00 日',
  );
  assert.equal(await text.locator('.unreadable').innerText(), '\\xE9\\x00');
  // The first two bytes of three are not shown as broken ones.
  device.write(Buffer.from('\xe6\x97', 'latin1'));
  await until('they are there', async () => (await daemon.get('/endpoints/arm')).from_device.bytes >= 20);
  device.write(Buffer.from('\xa5!', 'latin1'));
  await until('it is whole', async () => (await text.innerText()).endsWith('日日!'));
});

test('a wrong baud rate is named, with the rates to try, until text comes', {
  timeout: testBound,
}, async (t) => {
  const { device, url, browser } = await world(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  const hint = page.desk('arm').getByText('Most of what arrives is not text.');
  device.write('a short answer\r\n');
  await page.shows('arm', 'a short answer');
  assert.equal(await hint.count(), 0);
  // As a board at 115200 looks to a line at 9600.
  device.write(
    Buffer.from(Array.from({ length: 300 }, (_, n) => [0xe0, 0x00, 0x86, 0xfe, 0x98, 0x66][n % 6])),
  );
  await hint.waitFor();
  assert.match(
    await page.desk('arm').locator('.noise').innerText(),
    /speed of the line may be wrong.*115200/s,
  );
  await page.desk('arm').getByRole('button', { name: 'Set the speed…' }).click();
  await until(
    'the settings are open',
    async () =>
      (await page.desk('arm').locator('.line-control').getByLabel('Baud').inputValue()) === '115200',
  );
  for (let n = 0; n < 100; n++) device.write(`line ${n}: this is text again, as it should be\r\n`);
  await until('it is text again', async () => (await hint.count()) === 0);
  assert.deepEqual(page.errors, []);
});
