// What is pasted into a terminal: lines one by one where lines are sent, and as terminals do it where keys
// are.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

async function world(t) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('arm', path));
  const browser = await chromium(t);
  const page = await Console.open(browser, await consoleOf(t, daemon));
  await page.openEndpoint('arm');
  const { keyboard } = page.page;
  await page.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const paste = async (text, key = 'Control+V') => {
    await page.page.evaluate((text) => navigator.clipboard.writeText(text), text);
    await keyboard.press(key);
  };
  const received = (text) =>
    until(`the device has ${JSON.stringify(text)}`, () => String(device.received) === text).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(String(device.received))}`);
    });
  return {
    device,
    page,
    keyboard,
    paste,
    received,
    desk: page.desk('arm'),
    line: page.desk('arm').locator('input.line'),
  };
}

test('several lines are shown with their number, and sent one by one with the ending of the terminal', {
  timeout: testBound,
}, async (t) => {
  const { page, keyboard, paste, received, desk, line } = await world(t);
  await desk.getByLabel('Line ending').selectOption('crlf');
  await line.click();
  await keyboard.type('G0 ');
  await paste('X1\nY2\r\nZ3\n');
  const notice = desk.locator('.pasted');
  await until('they are counted', async () => /3 lines were pasted/.test(await notice.innerText()));
  assert.match(await notice.innerText(), /G0 X1\s+Y2\s+Z3/);
  await received('');
  await keyboard.press('Enter');
  await received('G0 X1\r\nY2\r\nZ3\r\n');
  await until('the line is there again', async () => (await line.count()) === 1);

  // Thought better of.
  await line.click();
  await paste('rm\n-rf\n');
  await until('they are counted', async () => /2 lines were pasted/.test(await notice.innerText()));
  await keyboard.press('Escape');
  await until('they are gone', async () => (await notice.count()) === 0);
  // One line with its end is a line that waits to be sent.
  await line.click();
  await paste('status\n');
  assert.equal(await line.inputValue(), 'status');
  await keyboard.press('Enter');
  await received('G0 X1\r\nY2\r\nZ3\r\nstatus\r\n');
  assert.deepEqual(page.errors, []);
});

test('a thousand lines arrive whole and in order, at the pace of the device', {
  timeout: testBound,
}, async (t) => {
  const { page, keyboard, paste, received, desk, line } = await world(t);
  const lines = Array.from({ length: 1000 }, (_, n) => `G1 X${n} ${'.'.repeat(100)}`);
  await line.click();
  await paste(lines.join('\n'));
  await until('they are counted', async () =>
    /1,000 lines were pasted/.test(await desk.locator('.pasted').innerText()),
  );
  await keyboard.press('Enter');
  await received(lines.map((text) => `${text}\n`).join(''));
  await until('all are sent', async () => (await line.count()) === 1);
  assert.deepEqual(page.errors, []);
});

test('a key typed on the screen, and what is pasted there, goes to the line', {
  timeout: testBound,
}, async (t) => {
  const { page, keyboard, paste, received, desk, line } = await world(t);
  await page.page.reload();
  await page.isOpen('arm');
  await until('the line has the focus', () =>
    page.page.evaluate(() => document.activeElement.matches('input.line')),
  );
  const screen = desk.locator('.xterm-helper-textarea');
  await screen.focus();
  await keyboard.type('help');
  assert.equal(await line.inputValue(), 'help');
  await screen.focus();
  await paste(' me');
  await until('it is there', async () => (await line.inputValue()) === 'help me');
  await keyboard.press('Enter');
  await received('help me\n');
  assert.deepEqual(page.errors, []);
});

test('where keys are sent, text is pasted as it is, and in brackets where the device asks for them', {
  timeout: testBound,
}, async (t) => {
  const { device, page, paste, received, desk } = await world(t);
  await page.tool('arm', 'Keys').click();
  await desk.locator('.xterm-helper-textarea').focus();
  await paste('one\ntwo', 'Control+Shift+V');
  await received('one\rtwo');
  device.write('\x1b[?2004hready');
  await page.shows('arm', 'ready');
  await paste('three\nfour', 'Control+Shift+V');
  await received('one\rtwo\x1b[200~three\rfour\x1b[201~');
  assert.deepEqual(page.errors, []);
});
