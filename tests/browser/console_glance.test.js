// What a terminal that the address names shows before the console itself is there.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/** The page has begun to measure the round trip: what it opens by itself was asked for before. */
const hasSettled = (page) =>
  until('a round trip is shown', async () => (await page.page.locator('.round-trip').count()) === 1);

test('what the device says is seen before the console has come, and nothing of it is lost or shown twice', {
  timeout: testBound,
}, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('arm', path));
  const browser = await chromium(t);
  const page = new Console(await browser.newPage());
  page.page.on('pageerror', (error) => page.errors.push(String(error)));
  let arrive;
  const asked = new Promise((done) => {
    arrive = done;
  });
  let letGo;
  const held = new Promise((done) => {
    letGo = done;
  });
  await page.page.route(/\/main-/, async (route) => {
    arrive();
    await held;
    await route.continue();
  });
  await page.page.goto(`${await consoleOf(t, daemon)}/#/terminals/arm`, { waitUntil: 'commit' });
  await asked;
  await until('the port is open', async () => (await daemon.get('/endpoints/arm')).routes > 0);
  const lines = [];
  const say = (from, to) => {
    for (let n = from; n < to; n++) {
      lines.push(`line ${n}`);
      device.write(`\x1b[32mline ${n}\x1b[0m\r\n`);
    }
  };
  const glance = page.page.locator('pre.early');
  say(0, 5);
  await until(
    'five lines are seen',
    async () => (await glance.count()) === 1 && (await glance.innerText()) === `${lines.join('\n')}\n`,
  );
  assert.equal(await page.page.locator('nav').count(), 0, 'the console is not there yet');
  say(5, 10);
  await until('all are seen', async () => (await glance.innerText()).includes('line 9'));
  letGo();
  for (let n = 10; n < 40; n += 2) {
    say(n, n + 2);
    await sleep(20);
  }
  await page.isOpen('arm');
  await page.shows('arm', 'line 39');
  assert.deepEqual(
    (await page.screen('arm')).match(/line \d+/g),
    lines.slice(-(await page.screen('arm')).match(/line \d+/g).length),
  );
  const saved = page.page.waitForEvent('download');
  await page.tool('arm', 'Save').click();
  const chunks = [];
  for await (const chunk of await (await saved).createReadStream()) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), lines.map((line) => `\x1b[32m${line}\x1b[0m\r\n`).join(''));
  assert.equal(await page.page.locator('.desk').count(), 1, 'nothing is left of what was there before');
  await page.send('arm', 'and back');
  await until('it is a port like any other', () => device.received.includes('and back'));
  assert.deepEqual(page.errors, []);
});

test('a connection that is slower than the console', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t, demoEndpoint);
  const browser = await chromium(t);
  const url = await consoleOf(t, daemon);
  for (const [hash, late] of [
    ['', true],
    ['#/terminals/demo', true],
    ['', false],
    ['#/terminals/demo', false],
  ]) {
    const page = new Console(await browser.newPage());
    page.page.on('pageerror', (error) => page.errors.push(String(error)));
    let letConnect;
    const here = new Promise((done) => {
      letConnect = done;
    });
    await page.page.route('**/sessions', async (route) => {
      await here;
      await route.continue();
    });
    // There is a connection before the console knows who it is for, and a device that the address names has
    // spoken; or just then.
    const isHeard = ({ label, to_peer: told }) => label === 'demo' && told.bytes > 0;
    const hasBegun = async () =>
      (await daemon.sessions()).some(
        ({ state, channels }) => state === 'connected' && (!hash || channels.some(isHeard)),
      );
    await page.page.route('**/access', async (route) => {
      if (late) await until('the connection is there', hasBegun);
      await route.continue();
    });
    await page.page.goto(`${url}/${hash}`);
    await page.page.locator('nav').waitFor();
    letConnect();
    await page.isOpen('demo');
    await page.shows('demo', 'demo device');
    assert.equal(await page.page.locator('#app').count(), 1, 'there is the console and nothing beside it');
    assert.equal(await page.page.locator('.desk').count(), 1);
    assert.equal((await page.screen('demo')).match(/demo device/g).length, 1);
    assert.deepEqual(page.errors, []);
    await page.page.close();
    await until('its session has ended', async () => (await daemon.sessions()).length === 0);
  }
});

test('a terminal that cannot be opened does not hold the console up', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t, '');
  const browser = await chromium(t);
  const page = await Console.open(browser, await consoleOf(t, daemon), '#/terminals/nothing');
  await until('the console says so', async () =>
    /There is no such endpoint/.test(await page.desk('nothing').innerText()),
  );
  assert.equal(await page.page.locator('.desk').count(), 1);
  assert.deepEqual(page.errors, []);
});

test('one device alone is what a person has come for; of several they choose', {
  timeout: testBound,
}, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('arm', path));
  const browser = await chromium(t);
  const url = await consoleOf(t, daemon);
  const page = await Console.open(browser, url);
  await page.isOpen('arm');
  device.write('hello\r\n');
  await page.shows('arm', 'hello');
  const named = (hash) =>
    until(
      `the address ends in ${hash}`,
      async () => (await page.page.evaluate(() => location.hash)) === hash,
    );
  await named('#/terminals/arm');
  await page.desk('arm').getByRole('button', { name: 'Close arm' }).click();
  await named('#/terminals');
  await page.page.reload();
  await page.connected();
  await page.row('arm').waitFor();
  await hasSettled(page);
  assert.equal(await page.page.locator('.desk').count(), 0, 'a person who has closed it does not want it');
  assert.deepEqual(page.errors, []);

  await device.unplug();
  const gone = await Console.open(browser, url);
  await until('it is not there', async () => /not connected/.test(await gone.row('arm').innerText()));
  await hasSettled(gone);
  assert.equal(await gone.page.locator('.desk').count(), 0, 'there is nothing to be seen');

  const two = await Daemon.start(t, `${demoEndpoint}[[endpoint]]\nname = "other"\nkind = "echo"\n`);
  const choice = await Console.open(browser, await consoleOf(t, two));
  await choice.connected();
  await choice.row('other').waitFor();
  await hasSettled(choice);
  assert.equal(await choice.page.locator('.desk').count(), 0);
});
