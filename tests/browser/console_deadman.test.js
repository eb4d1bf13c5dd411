// A terminal of a device with a dead-man switch: a banner before the first message, and heartbeats while it
// is visible.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/** In the page: counts the heartbeats that it sends for an endpoint. */
function countHeartbeats() {
  const { send } = RTCDataChannel.prototype;
  window.heartbeats = 0;
  RTCDataChannel.prototype.send = function (data) {
    if (typeof data === 'string' && data.includes('"heartbeat"') && !data.includes('"stop"'))
      window.heartbeats++;
    return send.call(this, data);
  };
}

/** ms of the switch: many of the page's heartbeats, so that a busy machine is not a silent page. */
const TIMEOUT = 3000;

async function terminal(t, settings = '') {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(
    t,
    `${demoEndpoint}${serialEndpoint('arm', path)}${settings}deadman = { timeout_ms = ${TIMEOUT}, send = "HALT\\n" }\n`,
  );
  const browser = await chromium(t);
  const url = await consoleOf(t, daemon);
  const page = new Console(await browser.newPage());
  page.page.on('pageerror', (error) => page.errors.push(String(error)));
  await page.page.addInitScript(countHeartbeats);
  await page.page.goto(url);
  await page.openEndpoint('arm');
  const heartbeats = () => page.page.evaluate(() => window.heartbeats);
  const deadman = async () => (await daemon.get('/endpoints/arm')).deadman;
  const banner = page.desk('arm').locator('.deadman-bar');
  return { device, daemon, browser, url, page, heartbeats, deadman, banner };
}
const stopped = (device) => until('the machine is stopped', () => device.received.includes('HALT\n'));

test('the banner comes before the first message, and nothing arms the switch before that', {
  timeout: testBound,
}, async (t) => {
  const { page, heartbeats, deadman, banner, device } = await terminal(t);
  await banner.waitFor();
  assert.match(
    await banner.innerText(),
    /dead-man switch, which your first message arms.*stops the device after 3 s without a heartbeat/s,
  );
  // As long as the heartbeats of an armed switch would have taken.
  await page.page.evaluate(() => new Promise((done) => setTimeout(done, 1500)));
  assert.equal(await heartbeats(), 0);
  assert.deepEqual(await deadman(), { timeout_ms: TIMEOUT, armed: false, fired: 0 });

  await page.send('arm', 'go');
  await until('it says that it is armed', async () =>
    /The dead-man switch is armed/.test(await banner.innerText()),
  );
  await until('it is', async () => (await deadman()).armed);
  // Ten heartbeats take three times as long as the switch waits.
  const before = await heartbeats();
  await until('heartbeats for longer than the switch waits', async () => (await heartbeats()) >= before + 10);
  assert.equal((await deadman()).fired, 0);
  assert.equal(String(device.received), 'go\n');
  await banner.getByRole('button', { name: 'The device is at rest: disarm' }).click();
  await until('it is disarmed', async () => !(await deadman()).armed);
  assert.match(await banner.innerText(), /which your first message arms/);
  const after = await heartbeats();
  await page.page.evaluate(() => new Promise((done) => setTimeout(done, 1500)));
  assert.equal(await heartbeats(), after, 'and the page is silent again');
  assert.deepEqual(page.errors, []);
});

for (const [name, leave] of [
  ['is hidden', (page) => page.hide(true)],
  ['shows another view', (page) => page.page.click('nav a[href="#/plots"]')],
  ['has another terminal in front', (page) => page.openEndpoint('demo')],
]) {
  test(`a page that ${name} stops the machine, and a person has to say that they know`, {
    timeout: testBound,
  }, async (t) => {
    const { device, page, heartbeats, deadman } = await terminal(t);
    await page.send('arm', 'go');
    await until('it is armed', async () => (await deadman()).armed);
    const before = await heartbeats();
    await until('it is kept alive', async () => (await heartbeats()) >= before + 2);
    await leave(page);
    await stopped(device);
    assert.equal((await deadman()).fired, 1);
    await page.hide(false);
    await page.page.evaluate(() => {
      location.hash = '#/terminals/arm';
    });
    const alert = page.desk('arm').locator('.stop-bar');
    await until('the page says so', async () => /arm was stopped at/.test(await alert.innerText()));
    const input = page.desk('arm').locator('input.line');
    await page.send('arm', 'again');
    await until('it is refused here', async () =>
      /Not sent\. The machine was stopped/.test(await page.trouble('arm')),
    );
    assert.equal(await input.inputValue(), 'again', 'the line stays');
    const quiet = await heartbeats();
    await alert.getByRole('button', { name: 'I have looked: go on' }).click();
    await until('the trouble is over', async () => (await page.trouble('arm')) === '');
    await input.press('Enter');
    await until('the device hears it', () => String(device.received) === 'go\nHALT\nagain\n');
    await until('heartbeats go on', async () => (await heartbeats()) > quiet + 2);
    assert.equal((await deadman()).fired, 1);
    assert.deepEqual(page.errors, []);
  });
}

test('a page that only looks on sends none', { timeout: testBound }, async (t) => {
  const { browser, url, page, heartbeats, device } = await terminal(t, 'writers = "one"\n');
  const other = await Console.open(browser, url);
  await other.openEndpoint('arm');
  await other.send('arm', 'theirs');
  await until('the device hears it', () => device.received.includes('theirs'));
  await until('the first page looks on', () =>
    page.desk('arm').locator('.lease[data-lease=other]').isVisible(),
  );
  await other.page.evaluate(() => new Promise((done) => setTimeout(done, 1500)));
  assert.equal(await heartbeats(), 0);
  await other.hide(true);
  await stopped(device);
});
