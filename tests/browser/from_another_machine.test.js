// All of it, as somebody does it: set up on the board, the printed address in a browser on another machine,
// typing, the network lost and back; and what strangers get on the same network.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { chromiumOn, openThere, setUp, startOnBoard, twoMachines } from './lib/networks.js';
import { skip } from './lib/skip.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });

const PAGE = `<!doctype html><script type="module">
  const tried = {};
  for (const path of ['/endpoints', '/access', '/healthz']) {
    try { tried[path] = (await fetch('GATEWAY' + path)).status; } catch { tried[path] = 'unreadable'; }
  }
  tried.events = await new Promise((done) => {
    const source = new EventSource('GATEWAY/events');
    source.onopen = () => done('open');
    source.onerror = () => done('refused');
  });
  document.title = JSON.stringify(tried);
</script>`;

test("from another machine: a phone that has added the board's authority gets no warning, and drives", {
  timeout: testBound,
}, async (t) => {
  const machines = twoMachines(t);
  if (!machines) return skip(t, 'this user may not make networks');
  const { board, phone } = machines;
  const { thingway } = await startOnBoard(t, board, demoEndpoint);
  const { printed, origin, token } = setUp(thingway, '--ca');
  const [, fingerprint] = printed.match(/^ {2}((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$/m) ?? assert.fail(printed);
  const executablePath = chromiumOn(phone);

  // Before: the warning. A person goes on once, compares, and downloads.
  const stranger = await chromium(t, { executablePath });
  const warned = await openThere(await stranger.newPage(), `${origin}/ca`).catch((error) => error.message);
  assert.match(warned, /ERR_CERT_AUTHORITY_INVALID/);
  const first = await chromium(t, { executablePath, ignoreHTTPSErrors: true });
  const page = await first.newPage();
  await openThere(page, `${origin}/ca`);
  assert.ok((await page.locator('body').innerText()).includes(fingerprint));
  for (const colorScheme of ['light', 'dark'])
    for (const width of [1280, 390]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      await page.screenshot({ path: `${output}ca-${width}-${colorScheme}.png`, fullPage: true });
      assert.deepEqual(await faults(page), []);
      assert.equal(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        true,
        'nothing sticks out at the side',
      );
    }
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('a[href="/ca/thingway.crt"]').first().click(),
  ]);
  const certificate = join(temporaryDirectory(), 'thingway.crt');
  await download.saveAs(certificate);

  // After: Chromium's own store of this person has it, and nothing is overlooked.
  const home = temporaryDirectory();
  const store = join(home, '.pki/nssdb');
  mkdirSync(store, { recursive: true });
  execFileSync('certutil', ['-d', `sql:${store}`, '-N', '--empty-password']);
  execFileSync('certutil', ['-d', `sql:${store}`, '-A', '-n', 'thingway', '-t', 'C,,', '-i', certificate]);
  const browser = await chromium(t, {
    executablePath,
    env: { ...process.env, HOME: home },
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  const trusted = await Console.open(browser, origin, `#token=${token}`);
  await trusted.openEndpoint('demo');
  await trusted.shows('demo', 'Type help.');

  // And drives the demo device by touch.
  await trusted.view('drive');
  await trusted.page.getByRole('button', { name: 'Drive demo' }).tap();
  await until('it drives', async () =>
    /Driving demo/.test(await trusted.page.locator('.drive p.state').innerText()),
  );
  const rim = await trusted.page.locator('.pad .rim').boundingBox();
  const finger = await trusted.page.context().newCDPSession(trusted.page);
  const touch = (type, ...points) =>
    finger.send('Input.dispatchTouchEvent', {
      type,
      touchPoints: points.map(([x, y]) => ({ x: rim.x + rim.width * x, y: rim.y + rim.height * y })),
    });
  await touch('touchStart', [0.5, 0.5]);
  await touch('touchMove', [0.5, 0.1]);
  await until('the stick is up', async () =>
    /y 0\.[7-9]\d|y 1/.test(await trusted.page.locator('.pad output').innerText()),
  );
  await until('the machine says that it runs', async () =>
    /motors run/.test(await trusted.page.locator('.answers').innerText()),
  );
  await trusted.page.screenshot({ path: `${output}phone-drives.png` });
  await touch('touchEnd');
  await trusted.page.getByRole('button', { name: 'Stop', exact: true }).tap();
  await until('the machine is at rest', async () =>
    /motors are at rest/.test(await trusted.page.locator('.answers').innerText()),
  );
  assert.deepEqual(trusted.errors, []);
});

test('from another machine: the printed address, typing, the network lost and back', {
  timeout: testBound,
}, async (t) => {
  const machines = twoMachines(t);
  if (!machines) return skip(t, 'this user may not make networks');
  const { board, phone } = machines;
  const tty = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, tty, { echo: true });
  const { daemon, ask, thingway } = await startOnBoard(t, board, serialEndpoint('arm', tty));
  if (!/assets\/main-/.test(await ask(`${daemon.url}/`)))
    return skip(t, 'this daemon was built without the console');
  const { origin, token } = setUp(thingway);
  const sessions = () => JSON.parse(thingway('sessions', '--json')).sessions;
  const there = chromiumOn(phone);
  const browser = await chromium(t, { executablePath: there, ignoreHTTPSErrors: true });
  const page = await Console.open(browser, origin, `#token=${token}`);
  await page.openEndpoint('arm');
  assert.doesNotMatch(page.page.url(), /token/, 'the address bar keeps nothing');
  await page.send('arm', 'hello from the phone');
  await until('it arrives', () => device.received.includes('hello from the phone\n'));
  await page.shows('arm', 'hello from the phone');
  const [session] = sessions();
  assert.deepEqual([session.token, session.remote], ['owner', phone.address]);

  phone.cable('down');
  await until('the page notices', async () => (await page.link()) !== 'connected');
  phone.cable('up');
  await page.connected();
  await until('typing goes on', async () => {
    await page.send('arm', 'again').catch(() => {});
    return device.received.includes('again\n');
  });
  assert.deepEqual(page.errors, []);

  // A wrong token, and none, in another browser: tabs of this one lend each other their token.
  const strangers = await chromium(t, { executablePath: there, ignoreHTTPSErrors: true });
  for (const [fragment, words] of [
    ['', /token/i],
    ['#token=tw_000000000000_wrong', /token/i],
  ]) {
    const other = await strangers.newPage();
    await other.goto('about:blank');
    await other.addInitScript(() => sessionStorage.clear());
    await openThere(other, `https://192.0.2.1:8443/${fragment}`);
    await until('it asks for a token', async () => words.test(await other.locator('body').innerText()));
    assert.equal(await other.locator('.endpoint').count(), 0);
    await other.close();
  }

  // Somebody's page, opened on the same phone.
  const foreign = await browser.newPage();
  await foreign.route('https://evil.example/', (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: PAGE.replaceAll('GATEWAY', 'https://192.0.2.1:8443'),
    }),
  );
  await foreign.goto('https://evil.example/');
  const tried = await until('it has tried', async () => JSON.parse((await foreign.title()) || 'null'));
  assert.deepEqual(tried, {
    '/endpoints': 'unreadable',
    '/access': 'unreadable',
    '/healthz': 'unreadable',
    events: 'refused',
  });

  // Taken back, the page is out at once, and says so.
  thingway('token', 'revoke', 'owner');
  await until('it is told', async () =>
    /revoked|taken back|no longer/i.test(await page.page.locator('body').innerText()),
  );
  await until('its session is gone', () => sessions().length === 0);
});
