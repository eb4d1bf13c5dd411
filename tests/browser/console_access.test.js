// Tokens: the console as somebody beyond loopback meets it, with the real gateway's own certificate and
// refusals.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import test from 'node:test';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { skip } from './lib/skip.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });
const address = Object.values(networkInterfaces())
  .flat()
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

test('signs in, makes tokens, shares and revokes them', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(
    t,
    `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}[[endpoint]]\nname = "echo"\nkind = "echo"\n`,
    { listen: false },
  );
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const answer = await fetch(`${daemon.url}/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"name":"boss","admin":true}',
  });
  const { token } = await answer.json();
  const browser = await chromium(t);

  const boss = await Console.open(browser, url);
  const form = boss.page.locator('.sign-in form');
  await form.waitFor();
  for (const colorScheme of ['light', 'dark'])
    for (const width of [1280, 390]) {
      await boss.page.emulateMedia({ colorScheme });
      await boss.page.setViewportSize({ width, height: 800 });
      await boss.page.screenshot({ path: `${output}console-sign-in-${width}-${colorScheme}.png` });
      assert.deepEqual(await faults(boss.page), []);
    }
  await boss.page.setViewportSize({ width: 1280, height: 800 });
  await form.getByLabel('Token').fill('tw_000000000000_wrong');
  await form.getByRole('button', { name: 'Sign in' }).click();
  await until('it is refused in plain words', async () =>
    /The gateway does not know this token.*copied whole/s.test(await form.innerText()),
  );
  await form.getByLabel('Token').fill(token);
  await form.getByRole('button', { name: 'Sign in' }).click();
  await boss.connected();
  await boss.page.reload();
  await boss.connected();

  await boss.view('tokens');
  const maker = boss.page.locator('.new-token');
  await maker.getByLabel('Name').fill('guest');
  await maker.getByLabel('Endpoints (* for all)').fill('demo');
  await maker.getByLabel('write').uncheck();
  await maker.getByRole('button', { name: 'Make link to share' }).click();
  const link = await until('the link', async () => (await maker.innerText()).match(/http\S+#share=\S+/)?.[0]);

  const guest = await Console.open(browser, url, new URL(link).hash);
  await guest.connected();
  assert.equal(await guest.page.evaluate(() => location.hash), '', 'the code is not left in the address bar');
  await guest.openEndpoint('demo');
  assert.equal(await guest.row('echo').count(), 0, 'what it may not read is not there');
  assert.match(await guest.desk('demo').innerText(), /your token does not allow it/);
  assert.equal(await guest.page.locator('nav a[href="#/tokens"]').count(), 0);
  // another browser: tabs of this one lend each other their token
  const again = await Console.open(await chromium(t), url, new URL(link).hash);
  await until('a link holds once', async () => /This link was used already/.test(await again.notices()));

  await boss.view('sessions');
  const rows = boss.page.locator('.rows > li');
  await until('who is there', async () =>
    /guest/.test(await rows.filter({ hasNotText: 'this page' }).innerText()),
  );
  assert.match(await rows.filter({ hasText: 'this page' }).innerText(), /boss/);
  await boss.view('tokens');
  await boss.page.getByRole('button', { name: 'Revoke guest' }).click();
  await boss.page.locator('[data-token=guest]').getByRole('button', { name: 'Revoke', exact: true }).click();
  await until('the guest is told', async () =>
    /Your token was revoked/.test(await guest.page.locator('.sign-in').innerText()),
  );
  await until(
    'and is off the list',
    async () => (await boss.page.locator('[data-token=guest]').count()) === 0,
  );

  await maker.getByLabel('Name').fill('lab');
  await maker.getByRole('button', { name: 'Make token' }).click();
  const made = await until('the token', async () => (await maker.innerText()).match(/tw_\S+/)?.[0]);
  const lab = await Console.open(browser, url, `#token=${made}`);
  await lab.connected();
  assert.equal(await lab.page.evaluate(() => location.hash), '');
  assert.equal(
    await lab.page.evaluate(() => localStorage.getItem('thingway.token')),
    null,
    'nothing is remembered unasked',
  );
  await lab.page.locator('.menu summary').click();
  await lab.page.getByRole('button', { name: 'Sign out' }).click();
  await until('the form is there', () => lab.page.locator('.sign-in').isVisible());
  assert.equal(await lab.page.evaluate(() => sessionStorage.getItem('thingway.token')), null);
  assert.deepEqual(
    [boss, guest, again, lab].flatMap(({ errors }) => errors),
    [],
  );
});

test('remembers a token on this device when asked to, until the person signs out', {
  timeout: testBound,
}, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t, `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}`, {
    listen: false,
  });
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const answer = await fetch(`${daemon.url}/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"name":"phone","admin":true}',
  });
  const { token } = await answer.json();
  const browser = await chromium(t);
  const signIn = async (page, remember) => {
    const form = page.page.locator('.sign-in form');
    await form.getByLabel('Token').fill(token);
    if (remember) await form.getByLabel('Remember on this device').check();
    await form.getByRole('button', { name: 'Sign in' }).click();
    await page.connected();
  };

  const forgotten = async ({ page }) =>
    (await page.evaluate(() => localStorage.getItem('thingway.token'))) === null;
  const one = await Console.open(browser, url);
  await signIn(one, false);
  // another tab of the same browser gets in, and nothing is remembered for that
  const two = await Console.open(browser, url);
  await two.connected();
  assert.equal(await two.page.locator('.sign-in').count(), 0);
  assert.ok(await forgotten(two));
  await one.page.close();
  await two.page.close();
  const three = await Console.open(browser, url);
  await three.page.locator('.sign-in form').waitFor();
  await signIn(three, true);
  await three.page.close();
  const four = await Console.open(browser, url);
  await four.connected();
  const five = await Console.open(browser, url);
  await five.connected();
  await four.page.locator('.menu summary').click();
  await four.page.getByRole('button', { name: 'Sign out' }).click();
  for (const page of [four, five]) await page.page.locator('.sign-in form').waitFor(); // in all tabs
  assert.ok(await forgotten(four));
  const six = await Console.open(browser, url);
  await six.page.locator('.sign-in form').waitFor();
  assert.deepEqual(
    [one, two, three, four, five, six].flatMap(({ errors }) => errors),
    [],
  );
});

test('who comes by a link can have the device remembered', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t, `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}`, {
    listen: false,
  });
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const make = async (path, body) =>
    (
      await fetch(`${daemon.url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json();
  const { token } = await make('/tokens', { name: 'phone', admin: true });
  const { share } = await make('/shares', { name: 'guest', scopes: [{ endpoints: ['*'], verbs: ['read'] }] });
  for (const hash of [`#token=${token}`, `#share=${share}`]) {
    const browser = await chromium(t);
    const one = await Console.open(browser, url, hash);
    await one.connected();
    const notice = one.page.locator('.notices [data-topic=remember]');
    await until('it says how long that lasts', async () =>
      /until you close its tab/.test(await notice.innerText()),
    );
    assert.deepEqual(await faults(one.page), []);
    await notice.getByRole('button', { name: 'Remember on this device' }).click();
    await until('the notice is gone', async () => (await notice.count()) === 0);
    await one.page.close();
    const two = await Console.open(browser, url);
    await two.connected();
    assert.equal(await two.page.locator('.notices [data-topic=remember]').count(), 0);
    assert.deepEqual(
      [one, two].flatMap(({ errors }) => errors),
      [],
    );
  }
});

test('a token that has expired leads to the form, with the reason', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t, `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}`, {
    listen: false,
  });
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const make = async (expires_in_s) =>
    (
      await (
        await fetch(`${daemon.url}/tokens`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ name: `t${expires_in_s}`, admin: true, expires_in_s }),
        })
      ).json()
    ).token;
  const browser = await chromium(t);
  // While the page is connected.
  const page = await Console.open(browser, url, `#token=${await make(4)}`);
  await page.connected();
  const form = page.page.locator('.sign-in form');
  await form.waitFor();
  await until('the reason', async () =>
    /Your token has expired. Ask for a new one/.test(await form.innerText()),
  );
  assert.equal(
    await page.page.locator('.notices li:not([data-topic=remember])').count(),
    0,
    await page.notices(),
  );
  // While the page was away: it asks once, and then a person.
  let asked = 0;
  page.page.on('request', (request) => {
    if (/\/(sessions|access)$/.test(request.url())) asked++;
  });
  await page.page.reload();
  await form.waitFor();
  await until('the reason', async () => /token/.test(await form.innerText()));
  const before = asked;
  await page.page.waitForTimeout(3000); // a page that asks for ever does so within seconds
  assert.equal(asked, before);
  assert.deepEqual(page.errors, []);
});

test('over plain HTTP it says what that means', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t);
  const url = await consoleOf(t, daemon, () => null, address);
  const page = await Console.open(await chromium(t), url);
  await page.openEndpoint('demo');
  assert.match(await page.notices(), /This page was loaded over plain HTTP.*Open it over https/s);
  await page.view('drive');
  assert.match(
    await page.page.locator('.drive').innerText(),
    /Gamepads need a page that was loaded over https/,
  );
  await page.view('connection');
  assert.equal(await page.page.getByRole('button', { name: 'Copy' }).count(), 0, 'there is no clipboard');
  await page.page.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await page.notices(), '');
  assert.deepEqual(page.errors, []);
});

/** What a phone's camera reads. */
async function readCode(page, selector) {
  const shot = await page.locator(selector).screenshot();
  const { data, width, height } = PNG.sync.read(shot);
  return jsQR.default(new Uint8ClampedArray(data), width, height)?.data;
}

test('links made on the gateway itself lead to it from elsewhere', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(
    t,
    `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\nhosts = ["board.example"]\n${demoEndpoint}`,
    { listen: false },
  );
  const secure = new URL(await daemon.secureUrl());
  const browser = await chromium(t);
  const page = await Console.open(browser, await consoleOf(t, daemon));
  await page.connected();
  await page.view('tokens');
  const maker = page.page.locator('.new-token');
  await maker.getByLabel('Name').fill('guest');
  await maker.getByRole('button', { name: 'Make link to share' }).click();
  const link = await until(
    'the link',
    async () => (await maker.locator('.links pre').innerText()).match(/https\S+#share=\S+/)?.[0],
  );
  assert.equal(new URL(link).host, secure.host);
  assert.doesNotMatch(await maker.innerText(), /localhost|127\.0\.0\.1/);
  const offered = await maker.getByLabel('Address').locator('option').allInnerTexts();
  assert.ok(offered.includes(`https://board.example:${secure.port}`), offered.join());
  const { fingerprints } = await (await fetch(`${daemon.url}/access`)).json();
  assert.ok((await maker.innerText()).includes(fingerprints.tls), 'what the warning has to show');
  for (const colorScheme of ['light', 'dark'])
    for (const width of [1280, 390]) {
      await page.page.emulateMedia({ colorScheme });
      await page.page.setViewportSize({ width, height: 800 });
      await page.page.locator('svg.qr').scrollIntoViewIfNeeded();
      await page.page.screenshot({ path: `${output}console-link-${width}-${colorScheme}.png` });
      assert.equal(await readCode(page.page, 'svg.qr'), link);
      assert.deepEqual(await faults(page.page), []);
    }
  await maker.getByLabel('Address').selectOption(`https://board.example:${secure.port}`);
  await until('the code follows', async () => /board\.example/.test(await readCode(page.page, 'svg.qr')));

  // A link that nobody has used can be taken back.
  await page.page.getByRole('button', { name: 'Revoke guest' }).click();
  await page.page.locator('[data-share=guest]').getByRole('button', { name: 'Revoke', exact: true }).click();
  await until(
    'it is off the list',
    async () => (await page.page.locator('[data-share=guest]').count()) === 0,
  );
  const redeemed = await fetch(`${daemon.url}/shares/redeem`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ share: link.split('=')[1] }),
  });
  assert.equal(redeemed.status, 404);
  assert.deepEqual(page.errors, []);
});

test('a gateway that is closed to the network says what opens it, and makes no link that leads nowhere', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t, demoEndpoint);
  const browser = await chromium(t);
  const page = await Console.open(browser, await consoleOf(t, daemon));
  await page.connected();
  await page.view('tokens');
  const maker = page.page.locator('.new-token');
  await until('it is said before', async () =>
    /listens on its own machine only.*thingway setup/s.test(await maker.innerText()),
  );
  await maker.getByLabel('Name').fill('guest');
  await maker.getByRole('button', { name: 'Make token' }).click();
  await until('the token', async () => /tw_/.test(await maker.innerText()));
  const text = await maker.innerText();
  assert.doesNotMatch(text, /https?:\/\//);
  assert.match(text, /thingway setup/);
  assert.deepEqual(page.errors, []);
});
