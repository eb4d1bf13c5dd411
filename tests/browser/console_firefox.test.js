// The same page in Firefox: it opens, a terminal works, and nothing breaks the policy.
import assert from 'node:assert/strict';
import test from 'node:test';
import { firefox } from './lib/browsers.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

test('a terminal in Firefox', { timeout: testBound }, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('arm', path));
  const url = await consoleOf(t, daemon);
  const browser = await firefox(t);
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) errors.push(message.text());
  });
  await page.evaluateOnNewDocument(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
      (window.violations ??= []).push(`${effectiveDirective} ${blockedURI}`);
    });
  });
  await page.goto(url);
  await page.waitForSelector('.endpoint[data-name="arm"] button:not(:disabled)');
  await page.click('.endpoint[data-name="arm"] button');
  await page.waitForSelector('.desk[data-state="open"]');
  // an echo before there is a screen may follow what the device says
  await page.waitForSelector('.desk .xterm-rows');
  await page.focus('.desk input.line');
  await page.keyboard.type('from Firefox');
  await page.keyboard.press('Enter');
  await until('the device has it', () => device.received.includes('from Firefox\n'));
  device.write('\x1b[38;2;200;10;10mtrue colour\x1b[0m\r\n');
  const rows = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent.trimEnd()).join('\n'),
    );
  await until('it is shown', async () => /from Firefox\ntrue colour/.test(await rows()));
  // In the mode that sends keys.
  device.received = Buffer.alloc(0);
  await (
    await page.evaluateHandle(() =>
      [...document.querySelectorAll('.desk .tools button')].find(({ textContent }) => textContent === 'Keys'),
    )
  ).click();
  await page.keyboard.type('ls');
  await page.keyboard.press('Enter');
  await until('the keys arrive', () => device.received.toString() === 'ls\r');
  const colour = await page.evaluate(
    () =>
      getComputedStyle(
        [...document.querySelectorAll('.xterm-rows span')].find((span) =>
          span.textContent.includes('true colour'),
        ),
      ).color,
  );
  assert.match(colour, /rgb\((19|20)\d, \d+, \d+\)/);
  assert.equal(
    await page.evaluate(() => getComputedStyle(document.querySelector('.xterm-rows')).fontSize),
    '13px',
    'the terminal’s own sheet is there',
  );
  assert.deepEqual(await page.evaluate(() => window.violations ?? []), []);
  assert.deepEqual(errors, []);
});
