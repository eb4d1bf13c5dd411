// Buttons with texts of a person's own, beside the terminal for which they were made.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

test('added, sent with the line ending, kept for their endpoint, changed and removed', {
  timeout: testBound,
}, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `${demoEndpoint}${serialEndpoint('arm', path)}`);
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.openEndpoint('arm');
  const buttons = page.desk('arm').locator('.macros button');
  const editor = page.desk('arm').locator('.macro-editor');
  const received = (bytes) =>
    until(
      `the device has ${JSON.stringify(bytes)}`,
      () => device.received.toString('latin1') === bytes,
    ).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(device.received.toString('latin1'))}`);
    });
  assert.equal(await buttons.count(), 0);

  await page.tool('arm', 'Buttons').click();
  await editor.getByRole('button', { name: 'Add a button' }).click();
  await editor.getByLabel('Label').fill('Home');
  await editor.getByLabel('Sends').fill('G28 X');
  await editor.getByRole('button', { name: 'Add a button' }).click();
  await editor.getByLabel('Sends').nth(1).fill('\\x03\\xe9');
  assert.deepEqual(
    await buttons.allInnerTexts(),
    ['Home', '\\x03\\xe9'],
    'the text is the label of one without',
  );
  await buttons.first().click();
  await received('G28 X\n');
  await page.shows('arm', 'G28 X');
  await page.desk('arm').getByLabel('Line ending').selectOption('crlf');
  await buttons.first().click();
  await received('G28 X\nG28 X\r\n');
  await page.desk('arm').getByLabel('Line ending').selectOption('none');
  await buttons.nth(1).click();
  await received('G28 X\nG28 X\r\n\x03\xe9');

  await page.openEndpoint('demo');
  assert.equal(await page.desk('demo').locator('.macros').count(), 0, 'another endpoint has none');
  await page.page.reload();
  await page.isOpen('demo');
  await page.page.getByRole('tab', { name: 'arm' }).click();
  await until(
    'they are there again',
    async () => (await buttons.allInnerTexts()).join() === 'Home,\\x03\\xe9',
  );
  await page.tool('arm', 'Buttons').click();
  await editor.getByLabel('Label').first().fill('Home X');
  await editor.getByRole('button', { name: /Remove the button .*x03/ }).click();
  assert.deepEqual(await buttons.allInnerTexts(), ['Home X']);
  await editor.getByRole('button', { name: 'Remove the button Home X' }).click();
  assert.equal(await buttons.count(), 0);
  assert.deepEqual(page.errors, []);
});
