// What was not sent does not look like it, what is over is not said any more, and an address that names
// nothing is mended.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { alterTexts, Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

async function world(t, settings = '') {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `${demoEndpoint}${serialEndpoint('arm', path)}${settings}`);
  return { path, device, daemon, url: await consoleOf(t, daemon), browser: await chromium(t) };
}
const hash = (page) => page.page.evaluate(() => location.hash);
const trouble = (page, pattern) =>
  until(`the trouble is ${pattern}`, async () => pattern.test(await page.trouble('arm')));

test('a line that is refused stays in the field, and the screen does not show it', {
  timeout: testBound,
}, async (t) => {
  const { path, device, url, browser } = await world(t, 'writers = "one"\n');
  const [one, two] = [await Console.open(browser, url), await Console.open(browser, url)];
  await one.openEndpoint('arm');
  await two.openEndpoint('arm');
  await one.send('arm', 'mine');
  await until('one has the lease', () => two.desk('arm').locator('.lease[data-lease=other]').isVisible());
  await two.send('arm', 'refused');
  await trouble(two, /^Not sent\. Another session has the right to write\./);
  assert.equal(await two.desk('arm').locator('input.line').inputValue(), 'refused');
  await one.desk('arm').getByRole('button', { name: 'Release' }).click();
  await trouble(two, /^$/); // what was said is over
  await two.desk('arm').locator('input.line').press('Enter');
  await until('the device hears it', () => String(device.received) === 'mine\nrefused\n');
  await two.shows('arm', 'refused');
  assert.equal(
    (await two.screen('arm')).match(/refused/g).length,
    1,
    'it was shown when it was sent, and not before',
  );

  await device.unplug();
  await until('the page knows', async () => /not connected/.test(await two.row('arm').innerText()));
  await two.send('arm', 'nobody hears this');
  await trouble(two, /^Not sent\. The device is not connected\./);
  assert.equal(await two.desk('arm').locator('input.line').inputValue(), 'nobody hears this');
  assert.ok(!(await two.screen('arm')).includes('nobody'));
  await SerialDevice.plugIn(t, path);
  await trouble(two, /^$/);
  assert.deepEqual([...one.errors, ...two.errors], []);
});

test('an endpoint that all may write to from now on refuses nobody', { timeout: testBound }, async (t) => {
  const { path, device, daemon, url, browser } = await world(t, 'writers = "one"\n');
  const [one, two] = [await Console.open(browser, url), await Console.open(browser, url)];
  await one.openEndpoint('arm');
  await two.openEndpoint('arm');
  await one.send('arm', 'mine');
  await until('one has the lease', () => two.desk('arm').locator('.lease[data-lease=other]').isVisible());
  daemon.configure(`${demoEndpoint}${serialEndpoint('arm', path)}`);
  daemon.reload();
  await until('there is no lease', async () => (await two.desk('arm').locator('.lease').count()) === 0);
  await two.isOpen('arm');
  await two.send('arm', 'ours');
  await until('the device hears it', () => String(device.received) === 'mine\nours\n');
});

test('a line that another page overtook comes back', { timeout: testBound }, async (t) => {
  const { device, url, browser } = await world(t, 'writers = "one"\n');
  const [one, two] = [await Console.open(browser, url), new Console(await browser.newPage())];
  // This page hears nothing about leases.
  await alterTexts(two.page, (said) => (said.includes('"type":"lease"') ? null : said));
  await two.page.goto(url);
  await one.openEndpoint('arm');
  await two.openEndpoint('arm');
  await one.send('arm', 'mine');
  await until('the device hears it', () => device.received.includes('mine'));
  await two.send('arm', 'too late');
  await two.shows('arm', 'not sent: too late');
  assert.equal(await two.desk('arm').locator('input.line').inputValue(), 'too late');
  assert.match(await two.trouble('arm'), /Messages that did not reach the device: 1 \(9 B\)/);
  assert.equal(String(device.received), 'mine\n');
});

test('nothing is called ready while the gateway is away', { timeout: testBound }, async (t) => {
  const { daemon, url, browser } = await world(t);
  const page = await Console.open(browser, url);
  await page.openEndpoint('arm');
  const dots = () =>
    page.page.evaluate(() =>
      [...document.querySelectorAll('.endpoint > .dot, .desk .dot')].map(
        (dot) => getComputedStyle(dot).backgroundColor,
      ),
    );
  const transparent = 'rgba(0, 0, 0, 0)';
  assert.ok(
    (await dots()).every((colour) => colour !== transparent),
    `${await dots()}`,
  );
  await daemon.stop();
  await until('the page knows', async () => (await page.link()) === 'reconnecting');
  assert.match(await page.row('arm').innerText(), /unknown while the gateway is away/);
  assert.ok(!/ready/.test(await page.page.locator('.endpoints').innerText()));
  assert.ok(
    (await dots()).every((colour) => colour === transparent),
    `${await dots()}`,
  );
  await daemon.start();
  await until('it is ready again', async () => /ready/.test(await page.row('arm').innerText()));
  assert.ok((await dots()).every((colour) => colour !== transparent));
});

test('an address that names no view, or an endpoint that does not exist, is mended', {
  timeout: testBound,
}, async (t) => {
  const { daemon, path, url, browser } = await world(t);
  const page = await Console.open(browser, url, '#/foo');
  await page.row('arm').waitFor();
  await until('the address is mended', async () => (await hash(page)) === '#/terminals');
  await page.page.evaluate(() => {
    location.hash = '#/bar/arm';
  });
  await until('once more', async () => (await hash(page)) === '#/terminals');
  assert.equal(await page.page.locator('nav a[aria-current]').innerText(), 'Terminals');

  await page.page.evaluate(() => {
    location.hash = '#/terminals/nothing';
  });
  const desk = page.desk('nothing');
  await until('it is said in plain words', async () =>
    /no such endpoint.*There is no such endpoint, or you may not see it.*Look at the list/s.test(
      await desk.innerText(),
    ),
  );
  assert.equal(await desk.getByRole('button', { name: 'Open again' }).count(), 0);
  await until('the address does not name it', async () => (await hash(page)) === '#/terminals');
  await page.openEndpoint('arm');
  await until('it names what there is', async () => (await hash(page)) === '#/terminals/arm');
  // An endpoint of that name comes.
  daemon.configure(`${serialEndpoint('arm', path)}[[endpoint]]\nname = "nothing"\nkind = "echo"\n`);
  daemon.reload();
  await until('it is opened', async () => (await desk.getAttribute('data-state')) === 'open');
  await until('and named', async () => (await hash(page)) === '#/terminals/arm/nothing');
  assert.deepEqual(page.errors, []);
});

test('a page that is closed or left is not in the list of sessions any more', {
  timeout: testBound,
}, async (t) => {
  const { daemon, url, browser } = await world(t);
  const watcher = await Console.open(browser, url);
  await watcher.connected();
  await watcher.view('sessions');
  const rows = watcher.page.locator('.rows > li');
  for (const [name, leave] of [
    ['closed', (page) => page.close({ runBeforeUnload: true })],
    ['left', (page) => page.goto('about:blank')],
    [
      'loaded again',
      async (page) => {
        await page.reload();
        await page.close({ runBeforeUnload: true });
      },
    ],
  ]) {
    const page = await Console.open(browser, url);
    await page.openEndpoint('arm');
    await until('both are there', async () => (await rows.count()) === 2);
    const seen = [];
    await leave(page.page);
    await until(`the one that was ${name} has gone`, async () => {
      seen.push(...(await daemon.sessions()).map(({ state }) => state));
      return (await rows.count()) === 1;
    });
    assert.ok(!seen.includes('disconnected'), `${name}: ${seen}`);
  }
});
