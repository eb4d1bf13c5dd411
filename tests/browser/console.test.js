// The console in Chromium against the real daemon and real pseudo terminals: endpoints and their terminals.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

async function bench(t, { settings = '', config = '', device: how = {} } = {}) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path, how);
  const daemon = await Daemon.start(t, `${config}${demoEndpoint}${serialEndpoint('arm', path)}${settings}`);
  const url = await consoleOf(t, daemon);
  const browser = await chromium(t);
  return { path, device, daemon, url, browser };
}
const received = (device, text) =>
  until(`the device gets ${JSON.stringify(text)}`, () => device.received.includes(text)).catch((error) => {
    throw new Error(`${error.message}; it got ${JSON.stringify(String(device.received))}`);
  });

test('lists the endpoints as they come and go', { timeout: testBound }, async (t) => {
  const { path, device, url, browser } = await bench(t);
  const page = await Console.open(browser, url);
  await page.connected();
  assert.match(await page.row('arm').innerText(), /arm serial\s+ready/);
  assert.match(await page.row('demo').innerText(), /demo demo\s+ready/);
  await device.unplug();
  await until('arm is not there', async () => /not connected/.test(await page.row('arm').innerText()));
  await SerialDevice.plugIn(t, path);
  await until('arm is ready again', async () => /ready/.test(await page.row('arm').innerText()));
  assert.deepEqual(page.errors, []);
});

test('types lines and keys, and shows what the device says', { timeout: testBound }, async (t) => {
  const { device, url, browser } = await bench(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  await page.send('arm', 'status');
  await received(device, 'status\n');
  device.write('\x1b[31mred\x1b[0m \x1b[38;2;1;200;250mtrue colour\x1b[0m über 日本\r\n');
  await page.shows('arm', 'red true colour über 日本');

  await page.send('arm', 'second');
  const input = page.desk('arm').locator('input.line');
  await input.fill('draft');
  for (const line of ['second', 'status', 'status']) {
    await input.press('ArrowUp');
    assert.equal(await input.inputValue(), line);
  }
  await input.press('ArrowDown');
  await input.press('ArrowDown');
  assert.equal(await input.inputValue(), 'draft');
  await page.desk('arm').getByLabel('Line ending').selectOption('crlf');
  await input.press('Enter');
  await received(device, 'draft\r\n');

  await page.tool('arm', 'Keys').click();
  await page.page.keyboard.type('q!');
  await page.page.keyboard.press('Enter');
  await page.page.keyboard.press('Control+c');
  await page.page.keyboard.press('Tab');
  await received(device, 'q!\r\x03\t');
  await page.page.keyboard.press('F6');
  assert.equal(
    await page.page.evaluate(() => document.activeElement.closest('.tools') !== null),
    true,
    'F6 leaves the terminal',
  );
  assert.deepEqual(page.errors, []);
});

test('hex, times, search and save', { timeout: testBound }, async (t) => {
  const { device, url, browser } = await bench(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  device.write('first line\r\n\x00\x01\xff needle one\r\nneedle two\r\n');
  await page.shows('arm', 'needle two');

  await page.tool('arm', 'Hex').click();
  await page.shows(
    'arm',
    /00000000 {2}66 69 72 73 74 20 6c 69 {2}6e 65 0d 0a 00 01 c3 bf {2}first line······/,
  );
  device.write('Z');
  await page.shows('arm', /0a 5a +.*·Z$/m);
  await page.tool('arm', 'Text').click();
  await page.shows('arm', 'first line');
  await page.tool('arm', 'Timestamps').click();
  await page.shows('arm', /^\d\d:\d\d:\d\d\.\d{3} first line$/m);
  await page.tool('arm', 'Timestamps').click();

  const kind = await page.tool('arm', 'Search').evaluate(async (button) => {
    button.click();
    await new Promise((later) => queueMicrotask(() => queueMicrotask(later)));
    return document.activeElement.type;
  });
  assert.equal(kind, 'search', 'the field has the focus before another key can be pressed');
  await page.page.keyboard.type('needle');
  const found = page.desk('arm').locator('.found');
  await until('both are found', async () => / of 2$/.test(await found.innerText()));
  const before = await found.innerText();
  await page.page.keyboard.press('Enter');
  await until(
    'the other one',
    async () => / of 2$/.test(await found.innerText()) && (await found.innerText()) !== before,
  );
  await page.page.keyboard.type('s');
  await until('nothing is found', async () => (await found.innerText()) === 'not found');
  await page.page.keyboard.press('Escape');

  const [download] = await Promise.all([
    page.page.waitForEvent('download'),
    page.tool('arm', 'Save').click(),
  ]);
  assert.match(download.suggestedFilename(), /^arm-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d\.log$/);
  assert.equal(
    readFileSync(await download.path(), 'utf8'),
    'first line\r\n\x00\x01\xff needle one\r\nneedle two\r\nZ',
  );
  assert.deepEqual(page.errors, []);
});

test('a line that is set, and one that cannot be', { timeout: testBound }, async (t) => {
  const { daemon, url, browser } = await bench(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  await page.tool('arm', 'Line').click();
  const line = page.desk('arm').locator('.line-control');
  await until('the line is known', async () => (await line.getByLabel('Baud').inputValue()) === '115200');
  assert.equal(await line.getByLabel('DTR').isDisabled(), true, 'a pseudo terminal has no wires');
  await line.getByLabel('Baud').fill('57600');
  await line.getByLabel('Format').selectOption('7E1');
  await line.getByRole('button', { name: 'Apply' }).click();
  await until('the line is so', async () => {
    const { line: now } = await daemon.get('/endpoints/arm');
    return now.baud === 57600;
  });
  await until('the page says so', async () => /Done/.test(await line.innerText()));
  await line.getByRole('button', { name: 'Flush' }).click();
  await until('flushed', async () => /Done/.test(await line.innerText()));
  await line.getByLabel('Baud').fill('99999999');
  await line.getByRole('button', { name: 'Apply' }).click();
  await until('a refusal in plain words', async () =>
    /The line cannot do this.*Check what you have typed/s.test(await line.innerText()),
  );
  assert.deepEqual(page.errors, []);
});

test('the lease between two pages', { timeout: testBound }, async (t) => {
  const { device, url, browser } = await bench(t, { settings: 'writers = "one"\n' });
  const one = await Console.open(browser, url);
  const two = await Console.open(browser, url);
  await one.openEndpoint('arm');
  await two.openEndpoint('arm');
  const lease = (page) => page.desk('arm').locator('.lease').innerText();
  await until('free', async () => /The first one that writes/.test(await lease(one)));
  await one.send('arm', 'mine');
  await received(device, 'mine\n');
  await until('one has it', async () => /You may write/.test(await lease(one)));
  await until('two sees who', async () =>
    /Another session may write: .+ You can only watch/.test(await lease(two)),
  );
  await two.send('arm', 'not allowed');
  await until('two is told', async () =>
    /Another session has the right to write.*Take over/s.test(await two.trouble('arm')),
  );
  await two.desk('arm').getByRole('button', { name: 'Take over now' }).click();
  await until('two has it', async () => /You may write/.test(await lease(two)));
  await until('one has lost it', async () => /Another session/.test(await lease(one)));
  await two.send('arm', 'now mine');
  await received(device, 'now mine\n');
  assert.ok(!device.received.includes('not allowed'));
  await two.desk('arm').getByRole('button', { name: 'Release' }).click();
  await one.desk('arm').getByRole('button', { name: 'Take', exact: true }).click();
  await until('one has it again', async () => /You may write/.test(await lease(one)));

  // Asked for, kept; asked for again, handed over.
  const press = (page, name) => page.desk('arm').locator('.lease').getByRole('button', { name }).click();
  await press(two, 'Ask for it');
  await until('one is asked', async () => /Another session wants to write/.test(await lease(one)));
  await until('two waits', async () => /You have asked/.test(await lease(two)));
  assert.deepEqual(await faults(one.page), []);
  await press(one, 'Keep it');
  await until('two is told', async () =>
    /Another session has the right to write/.test(await two.trouble('arm')),
  );
  await press(two, 'Ask for it');
  await press(one, 'Hand over');
  await until('two has it', async () => /You may write/.test(await lease(two)));
  assert.deepEqual([...one.errors, ...two.errors], []);
});

test('comes back by itself when the daemon restarts while somebody types', {
  timeout: testBound,
}, async (t) => {
  const { daemon, device, url, browser } = await bench(t, { device: { echo: true } });
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  await page.send('arm', 'before');
  await page.shows('arm', 'before');
  const input = page.desk('arm').locator('input.line');
  await input.pressSequentially('half a li');
  await page.hasLoaded('later');
  await daemon.stop();
  await until('the page knows', async () => (await page.link()) === 'reconnecting');
  await until('and says so', async () => /The connection to the gateway was lost/.test(await page.notices()));
  await page.view('plots'); // its code came while there was a gateway
  await page.view('terminals');
  await input.press('End');
  await input.pressSequentially('ne');
  await daemon.start();
  await page.isOpen('arm');
  await until('the notice goes', async () => !/lost/.test(await page.notices()));
  assert.equal(await input.inputValue(), 'half a line', 'what was being written is still there');
  await input.press('Enter');
  await received(device, 'half a line\n');
  await page.shows('arm', /before[\s\S]*The connection is back/);
  assert.deepEqual(page.errors, []);
});

test('a page whose beginning was lost on the way loads itself again', { timeout: testBound }, async (t) => {
  const { url, browser } = await bench(t);
  for (const part of ['first', 'main']) {
    const page = await browser.newPage();
    await page.route(new RegExp(`/${part}-`), (route) => route.abort(), { times: 1 });
    await page.goto(url);
    await page.locator('.endpoint[data-name="arm"] button').waitFor();
  }
});

// Chromium 148 remembers a failed import for the life of the page, so here the address that failed stays
// broken.
test('a part of the page that did not come is asked for under another URL when the gateway is back', {
  timeout: testBound,
}, async (t) => {
  const { daemon, url, browser } = await bench(t);
  const page = new Console(await browser.newPage());
  page.page.on('pageerror', (error) => page.errors.push(String(error)));
  const asked = [];
  page.page.on('request', (request) => asked.push(request.url().slice(url.length + 1)));
  await page.page.route(/[/](later|screen)-[^?]*$/, (route) => route.abort());
  await page.page.goto(url);
  await page.connected();
  await page.row('arm').locator('button').click();
  await until('the page says so', async () => /Reload/.test(await page.notices()));
  await until('the views were asked for, too', () => asked.some((path) => /later-/.test(path)));
  await daemon.stop();
  await until('the page knows', async () => (await page.link()) === 'reconnecting');
  await daemon.start();
  await page.isOpen('arm');
  await page.view('connection');
  await until('nothing is said any more', async () => (await page.notices()) === '');
  // The part has no copy of its own of what the page consists of: it shows the state of this page.
  const [{ id }] = await daemon.sessions();
  await until('the session of this page', async () =>
    (await page.page.locator('main .card').first().innerText()).includes(id),
  );
  await page.page.locator('.menu summary').click();
  await page.page.getByLabel('Language').selectOption('ja');
  await until('its language', async () =>
    /[\u3040-\u30ff]/.test(await page.page.locator('main .card').first().innerText()),
  );
  const again = asked.filter((path) => path.includes('?'));
  assert.equal(again.length, 2, asked.join('\n'));
  for (const part of ['screen', 'later'])
    assert.equal(
      again.filter((path) => new RegExp(`^assets/${part}-[^?]+\\?again=\\d+$`).test(path)).length,
      1,
      again.join(),
    );
  const scripts = asked.filter((path) => /\.js$/.test(path)).filter((path) => !/(later|screen)-/.test(path));
  assert.deepEqual(scripts, [...new Set(scripts)], 'all else was asked for once');
  assert.deepEqual(page.errors, []);
});

test('a style sheet that did not come is asked for under another URL', { timeout: testBound }, async (t) => {
  const { url, browser } = await bench(t);
  const page = new Console(await browser.newPage());
  const asked = [];
  page.page.on('request', (request) => asked.push(request.url()));
  await page.page.route(/\.css$|\.css\?again=1$/, (route) => route.abort());
  await page.page.goto(url);
  const isStyled = () =>
    page.page.evaluate(() =>
      [...document.styleSheets].some(({ href, cssRules }) => href !== null && cssRules.length > 0),
    );
  await until('it is there', isStyled);
  assert.deepEqual(
    asked.filter((address) => address.includes('.css')).map((address) => new URL(address).search),
    ['', '?again=1', '?again=2'],
  );
  await page.connected();
});

test('an address that names terminals opens them, and a page that is loaded again opens what was open', {
  timeout: testBound,
}, async (t) => {
  const { device, url, browser } = await bench(t);
  const hash = (page) => page.page.evaluate(() => location.hash);
  const page = await Console.open(browser, url, '#/terminals/arm');
  await page.isOpen('arm');
  device.write('hello\r\n');
  await page.shows('arm', 'hello');
  await page.openEndpoint('demo');
  await until('the address follows', async () => (await hash(page)) === '#/terminals/demo/arm');
  await page.page.reload();
  await page.isOpen('demo');
  await until(
    'arm is open behind it',
    async () => (await page.desk('arm').getAttribute('data-state')) === 'open',
  );
  assert.equal(await page.desk('arm').isVisible(), false);
  await page.view('plots');
  assert.equal(await hash(page), '#/plots');
  await page.view('terminals');
  await until('the address names them again', async () => (await hash(page)) === '#/terminals/demo/arm');
  for (const name of ['arm', 'demo'])
    await page
      .desk(name)
      .getByRole('button', { name: `Close ${name}`, includeHidden: true })
      .dispatchEvent('click');
  await until('nothing is open', async () => (await hash(page)) === '#/terminals');
  await page.page.evaluate(() => {
    location.hash = '#/terminals/nothing';
  });
  await until('there is no such endpoint, and the page says so', async () =>
    /There is no such endpoint/.test(await page.desk('nothing').innerText()),
  );
  assert.deepEqual(page.errors, []);
});

test('tabs and side by side', { timeout: testBound }, async (t) => {
  const { url, browser } = await bench(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  await page.openEndpoint('demo');
  assert.equal(await page.desk('arm').isVisible(), false);
  await page.page.getByRole('tab', { name: 'demo' }).focus();
  await page.page.keyboard.press('ArrowLeft');
  await until('arm is in front', () => page.desk('arm').isVisible());
  await page.page.getByRole('button', { name: 'Side by side' }).click();
  await until(
    'both',
    async () => (await page.desk('arm').isVisible()) && (await page.desk('demo').isVisible()),
  );
  await page.send('demo', 'help');
  await page.desk('demo').getByRole('button', { name: 'Close demo' }).click();
  await until('closed', async () => (await page.desk('demo').count()) === 0);
  assert.deepEqual(page.errors, []);
});
