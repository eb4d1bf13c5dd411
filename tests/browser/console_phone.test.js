// The console on a phone: what scrolls off shows it, the terminal comes first, nothing raises the keyboard,
// and it can be installed.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const echoes = ['left-wheel', 'right-wheel', 'gripper', 'lidar']
  .map((name) => `[[endpoint]]\nname = "${name}"\nkind = "echo"\n`)
  .join('');

async function world(t, options = phone) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `${demoEndpoint}${serialEndpoint('arm', path)}${echoes}`);
  const browser = await chromium(t, options);
  const url = await consoleOf(t, daemon);
  return { device, daemon, browser, url };
}
const tap = (page, name) => page.row(name).locator('button').tap();

test('a row that scrolls off fades at the edge where there is more', { timeout: testBound }, async (t) => {
  const { browser, url } = await world(t);
  const page = await Console.open(browser, url);
  await page.connected();
  for (const name of ['arm', 'demo', 'left-wheel', 'right-wheel', 'gripper']) {
    await tap(page, name);
    await page.isOpen(name);
  }
  const rows = {
    nav: page.page.locator('nav'),
    tabs: page.page.getByRole('tablist'),
    tools: page.desk('gripper').locator('.tools'),
  };
  for (const [name, row] of Object.entries(rows)) {
    const more = (wanted) =>
      until(
        `${name}: there is more at the ${wanted}`,
        async () => (await row.getAttribute('data-more')) === wanted,
      );
    const mask = () => row.evaluate((element) => getComputedStyle(element).maskImage);
    await row.evaluate((element) => {
      element.scrollLeft = 0;
    });
    await more('end');
    assert.match(await mask(), /linear-gradient\(to right, rgb\(0, 0, 0\).*rgba\(0, 0, 0, 0\)\)$/, name);
    await row.evaluate((element) => {
      element.scrollLeft = 20;
    });
    await more('start end');
    await row.evaluate((element) => {
      element.scrollLeft = 10_000;
    });
    await more('start');
    assert.match(await mask(), /linear-gradient\(to right, rgba\(0, 0, 0, 0\).*rgb\(0, 0, 0\)\)$/, name);
  }
  await page.page.setViewportSize({ width: 1600, height: 900 });
  for (const [name, row] of Object.entries(rows)) {
    await until(`${name}: all of it is in sight`, async () => (await row.getAttribute('data-more')) === '');
    assert.equal(await row.evaluate((element) => getComputedStyle(element).maskImage), 'none');
  }
});

test('the terminal comes before the list when one is open', { timeout: testBound }, async (t) => {
  const { browser, url } = await world(t);
  const page = await Console.open(browser, url);
  await page.connected();
  const order = () =>
    page.page.evaluate(() =>
      [...document.querySelectorAll('.terminals > section')].map(({ className }) => className),
    );
  await page.row('arm').waitFor();
  assert.deepEqual(await order(), ['endpoints', 'work']);
  await tap(page, 'arm');
  await page.isOpen('arm');
  assert.deepEqual(await order(), ['work', 'endpoints'], 'for who sees it, and for who hears it');
  const top = async (selector) => (await page.page.locator(selector).boundingBox()).y;
  assert.ok((await top('.desk .screen')) < (await top('.endpoints')));
  await page.desk('arm').getByRole('button', { name: 'Close arm' }).tap();
  await until('the list is first again', async () => (await order())[0] === 'endpoints');
  await page.page.setViewportSize({ width: 1280, height: 844 });
  await tap(page, 'arm');
  await page.isOpen('arm');
  assert.deepEqual(
    await order(),
    ['endpoints', 'work'],
    'beside each other they are in the order of reading',
  );
  assert.deepEqual(page.errors, []);
});

test('nothing raises the keyboard by itself', { timeout: testBound }, async (t) => {
  const { device, browser, url } = await world(t);
  const page = await Console.open(browser, url);
  await page.connected();
  /** Each element that takes text and had the focus, ever. */
  await page.page.evaluate(() => {
    window.raised = [];
    document.addEventListener('focusin', ({ target }) => {
      if (target.matches('input:not([type=checkbox]), textarea')) window.raised.push(target.className);
    });
  });
  const raised = () => page.page.evaluate(() => window.raised);
  await tap(page, 'arm');
  await page.isOpen('arm');
  device.write('hello\r\n');
  await page.shows('arm', 'hello');
  await tap(page, 'demo');
  await page.isOpen('demo');
  await page.page.getByRole('tab', { name: 'arm' }).tap();
  for (const name of ['Line', 'Send file', 'Buttons', 'More', 'Keys', 'Lines', 'Hex', 'Text']) {
    await page.tool('arm', name).tap();
    await page.page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
  }
  for (const view of ['plots', 'drive', 'connection', 'sessions', 'terminals']) await page.view(view);
  assert.deepEqual(await raised(), []);
  // A person does.
  await page.desk('arm').locator('input.line').tap();
  assert.deepEqual(await raised(), ['mono line']);
  await page.page.keyboard.type('typed');
  await page.page.keyboard.press('Enter');
  await until('the device hears it', () => device.received.includes('typed\n'));
  assert.deepEqual(page.errors, []);
});

test('the page can be installed, and says how', { timeout: testBound }, async (t) => {
  const { browser, url } = await world(t);
  const page = await Console.open(browser, url);
  await page.connected();
  const tools = await page.page.context().newCDPSession(page.page);
  const { url: address, errors, manifest } = await tools.send('Page.getAppManifest');
  assert.match(address, /\/assets\/app-[0-9A-F]{8}\.webmanifest$/);
  assert.deepEqual(errors, []);
  assert.equal(new URL(manifest.startUrl, address).href, `${url}/`);
  assert.equal(new URL(manifest.scope, address).href, `${url}/`);
  const { installabilityErrors } = await tools.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors, []);
  await page.page.locator('.menu summary').tap();
  assert.match(
    await page.page.locator('.menu').innerText(),
    /Install as an app|menu installs this page as an app/,
  );
  // Chromium's event, which a browser without a window never sends.
  await page.page.evaluate(() => {
    const event = new Event('beforeinstallprompt', { cancelable: true });
    event.prompt = () => {
      window.asked = true;
      return Promise.resolve();
    };
    dispatchEvent(event);
  });
  await page.page.getByRole('button', { name: 'Install as an app' }).tap();
  assert.equal(await page.page.evaluate(() => window.asked), true);

  const plain = new Console(await browser.newPage());
  await plain.page.addInitScript(() => Object.defineProperty(window, 'isSecureContext', { value: false }));
  await plain.page.goto(url);
  await plain.connected();
  await plain.page.locator('.menu summary').tap();
  assert.match(
    await plain.page.locator('.menu').innerText(),
    /over https:\/\/ with a certificate that this device trusts/,
  );
  assert.deepEqual(page.errors, []);
});

test('without a network the page says what it needs', { timeout: testBound }, async (t) => {
  const { daemon, browser, url } = await world(t);
  const page = await Console.open(browser, url);
  await page.connected();
  await page.page.context().setOffline(true);
  await daemon.stop();
  const needs = () => page.page.locator('.notices [data-topic=offline]');
  await needs().waitFor();
  assert.match(
    await needs().innerText(),
    new RegExp(`no network\\. thingway needs the gateway at ${new URL(url).host}`),
  );
  await page.page.context().setOffline(false);
  await until('that is over', async () => (await needs().count()) === 0);
  await daemon.start();
  await page.connected();
});
