// Tokens: the console as somebody beyond loopback meets it, with the real gateway's own certificate and refusals.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import test from 'node:test';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { skip } from './lib/skip.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });
const address = Object.values(networkInterfaces()).flat().find(({ internal, family }) => !internal && family === 'IPv4')?.address;

test('signs in, makes tokens, shares and revokes them', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t, `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}[[endpoint]]\nname = "echo"\nkind = "echo"\n`, { listen: false });
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const answer = await fetch(`${daemon.url}/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"boss","admin":true}' });
  const { token } = await answer.json();
  const browser = await chromium(t);

  const boss = await Console.open(browser, url);
  const form = boss.page.locator('.sign-in form');
  await form.waitFor();
  for (const colorScheme of ['light', 'dark']) for (const width of [1280, 390]) {
    await boss.page.emulateMedia({ colorScheme });
    await boss.page.setViewportSize({ width, height: 800 });
    await boss.page.screenshot({ path: `${output}console-sign-in-${width}-${colorScheme}.png` });
    assert.deepEqual(await faults(boss.page), []);
  }
  await boss.page.setViewportSize({ width: 1280, height: 800 });
  await form.getByLabel('Token').fill('tw_000000000000_wrong');
  await form.getByRole('button', { name: 'Sign in' }).click();
  await until('it is refused in plain words', async () => /The gateway does not know this token.*copied whole/s.test(await form.innerText()));
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
  const again = await Console.open(browser, url, new URL(link).hash);
  await until('a link holds once', async () => /This link was used already/.test(await again.notices()));

  await boss.view('sessions');
  const rows = boss.page.locator('.rows > li');
  await until('who is there', async () => /guest/.test(await rows.filter({ hasNotText: 'this page' }).innerText()));
  assert.match(await rows.filter({ hasText: 'this page' }).innerText(), /boss/);
  await boss.view('tokens');
  await boss.page.getByRole('button', { name: 'Revoke guest' }).click();
  await boss.page.locator('[data-token=guest]').getByRole('button', { name: 'Revoke', exact: true }).click();
  await until('the guest is told', async () => /Your token was revoked/.test(await guest.page.locator('.sign-in').innerText()));
  await until('and is off the list', async () => await boss.page.locator('[data-token=guest]').count() === 0);

  await maker.getByLabel('Name').fill('lab');
  await maker.getByRole('button', { name: 'Make token' }).click();
  const made = await until('the token', async () => (await maker.innerText()).match(/tw_\S+/)?.[0]);
  const lab = await Console.open(browser, url, `#token=${made}`);
  await lab.connected();
  assert.equal(await lab.page.evaluate(() => location.hash), '');
  assert.equal(await lab.page.evaluate(() => localStorage.getItem('thingway.token')), null, 'nothing is remembered unasked');
  await lab.page.locator('.menu summary').click();
  await lab.page.getByRole('button', { name: 'Sign out' }).click();
  await until('the form is there', () => lab.page.locator('.sign-in').isVisible());
  assert.equal(await lab.page.evaluate(() => sessionStorage.getItem('thingway.token')), null);
  assert.deepEqual([boss, guest, again, lab].flatMap(({ errors }) => errors), []);
});

test('remembers a token on this device when asked to, until the person signs out', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t, `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\n${demoEndpoint}`, { listen: false });
  const url = await consoleOf(t, { url: await daemon.secureUrl() });
  const answer = await fetch(`${daemon.url}/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"phone","admin":true}' });
  const { token } = await answer.json();
  const browser = await chromium(t);
  const signIn = async (page, remember) => {
    const form = page.page.locator('.sign-in form');
    await form.getByLabel('Token').fill(token);
    if (remember) await form.getByLabel('Remember on this device').check();
    await form.getByRole('button', { name: 'Sign in' }).click();
    await page.connected();
  };

  const one = await Console.open(browser, url);
  await signIn(one, false);
  const two = await Console.open(browser, url);
  await two.page.locator('.sign-in form').waitFor(); // another tab has to ask
  await signIn(two, true);
  const three = await Console.open(browser, url);
  await three.connected();
  assert.equal(await three.page.locator('.sign-in').count(), 0);
  await three.page.locator('.menu summary').click();
  await three.page.getByRole('button', { name: 'Sign out' }).click();
  await three.page.locator('.sign-in form').waitFor();
  assert.equal(await three.page.evaluate(() => localStorage.getItem('thingway.token')), null);
  const four = await Console.open(browser, url);
  await four.page.locator('.sign-in form').waitFor();
  assert.deepEqual([one, two, three, four].flatMap(({ errors }) => errors), []);
});

test('over plain HTTP it says what that means', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const daemon = await Daemon.start(t);
  const url = await consoleOf(t, daemon, () => null, address);
  const page = await Console.open(await chromium(t), url);
  await page.openEndpoint('demo');
  assert.match(await page.notices(), /This page came over plain HTTP.*Open it over https/s);
  await page.view('drive');
  assert.match(await page.page.locator('.drive').innerText(), /Gamepads need a page that came over https/);
  await page.view('connection');
  assert.equal(await page.page.getByRole('button', { name: 'Copy' }).count(), 0, 'there is no clipboard');
  await page.page.getByRole('button', { name: 'Dismiss' }).click();
  assert.equal(await page.notices(), '');
  assert.deepEqual(page.errors, []);
});
