// Devices, pages and the gateway itself come and go; the first page follows.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { browsers, chromium } from './lib/browsers.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { FirstPage } from './lib/first_page.js';
import { testBound, until } from './lib/until.js';

test('a serial device that comes later, goes, and comes back', { timeout: testBound }, async (t) => {
  const path = join(temporaryDirectory(), 'tty');
  const daemon = await Daemon.start(t, serialEndpoint('line', path));
  const page = await FirstPage.open(await chromium(t), daemon.url);
  await page.openEndpoint('line');
  await until('the list says absent', async () => (await page.endpoint('line')).startsWith('absent'));
  assert.match(await page.state('line'), /device absent/);
  const channel = async () =>
    (await daemon.sessions())[0]?.channels.find(({ label }) => label === 'line')?.id;
  const before = await channel();
  assert.notEqual(before, undefined, 'the channel is open though the device is absent');

  await page.send('line', 'too early');
  await until('the page says so', async () => /did not reach the device/.test(await page.trouble('line')));

  for (const round of ['first', 'second']) {
    const device = await SerialDevice.plugIn(t, path);
    await until(`${round}: the list says open`, async () => (await page.endpoint('line')) === 'open');
    await until(`${round}: so does the console`, async () => (await page.state('line')) === 'open');
    await page.send('line', `${round} time`);
    await until(`${round}: the device hears`, () => device.received.length >= `${round} time\n`.length);
    assert.equal(String(device.received), `${round} time\n`, 'and nothing that was typed while it was away');
    device.write(`${round} answer\n`);
    await page.shows('line', `${round} answer`);
    await device.unplug();
    await until(`${round}: the list says absent again`, async () =>
      /^absent/.test(await page.endpoint('line')),
    );
  }
  assert.equal(await channel(), before, 'it was the same channel all the time');
});

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: a page that is left or closed takes its session with it`, {
    timeout: testBound,
  }, async (t) => {
    const daemon = await Daemon.start(t);
    const browser = await launch(t);
    const left = await FirstPage.open(browser, daemon.url);
    await left.openEndpoint('demo');
    assert.equal((await daemon.sessions()).length, 1);
    await left.page.goto('about:blank');
    const noSession = async () => (await daemon.sessions()).length === 0;
    await until('the session of the page that was left is gone', noSession);

    const closed = await FirstPage.open(browser, daemon.url);
    await closed.openEndpoint('demo');
    assert.equal((await daemon.sessions()).length, 1);
    await closed.page.close({ runBeforeUnload: true });
    await until('the session of the page that was closed is gone', noSession);
    assert.deepEqual(daemon.ends, ['closed by the peer', 'closed by the peer'], 'the pages have told it');
  });
}

for (const [name, launch] of Object.entries(browsers)) {
  for (const end of ['stop', 'kill']) {
    test(`${name}: a gateway that is restarted (${end})`, { timeout: testBound }, async (t) => {
      const daemon = await Daemon.start(t);
      const page = await FirstPage.open(await launch(t), daemon.url);
      await page.openEndpoint('demo');
      await page.send('demo', 'help');
      await page.shows('demo', 'led on');

      await daemon[end]();
      await until('the page says so', async () => /does not answer/.test(await page.notices()));
      assert.equal(await page.sessionState(), 'gone');
      await daemon.start();
      const connected = async () => (await daemon.sessions()).some(({ state }) => state === 'connected');
      await until('the page has a new session', connected);
      await page.isOpen('demo');
      assert.equal(await page.notices(), '');
      await page.send('demo', 'temp');
      const afterSecondGreeting = async () => (await page.output('demo')).split('Type help.')[2];
      await until('the device answers again', async () => /\d+\.\d/.test(await afterSecondGreeting()));
    });
  }
}

test('an offer that is refused: the page says why, and connects when it may', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t, `[limits]\nsessions = 1\n${demoEndpoint}`);
  const browser = await chromium(t);
  const first = await FirstPage.open(browser, daemon.url);
  await first.openEndpoint('demo');
  const second = await FirstPage.open(browser, daemon.url);
  await until('demo is listed', () => second.endpoint('demo'));
  await second.page.click('.endpoint[data-name="demo"] .open');
  await until('the second page says so', async () =>
    /refused the session: .*session/.test(await second.notices()),
  );
  assert.equal((await daemon.sessions()).length, 1);

  await first.page.goto('about:blank');
  await second.isOpen('demo');
  await until('the notice has gone', async () => (await second.notices()) === '');
});

test('an endpoint that is there no more: the page says so', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t);
  const page = await FirstPage.open(await chromium(t), daemon.url);
  await page.openEndpoint('demo');
  await daemon.stop();
  daemon.configure(demoEndpoint.replace('"demo"', '"other"'));
  await daemon.start();
  const isNewList = async () => (await page.endpoint('other')) && !(await page.endpoint('demo'));
  await until('the list is the new one', isNewList);
  await until('the console says why', async () => /unknown-endpoint/.test(await page.trouble('demo')));
  await page.openEndpoint('other');
  await page.shows('other', 'Type help.');
});
