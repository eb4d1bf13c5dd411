// With the keyboard alone, for a screen reader, on a phone, in the dark: axe-core on each view, and pictures
// to look at.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import test from 'node:test';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });

async function bench(t) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(
    t,
    `${demoEndpoint}${serialEndpoint('arm', path)}writers = "one"\ndeadman = { timeout_ms = 4000, send = "halt\\n" }\n`
      + '[[endpoint]]\nname = "echo"\nkind = "echo"\n[[endpoint]]\nname = "lidar"\nkind = "serial"\npath = "/dev/serial/by-id/usb-lidar"\n',
  );
  return { device, daemon, url: await consoleOf(t, daemon) };
}

for (const colorScheme of ['light', 'dark'])
  for (const width of [1280, 390]) {
    test(`each view at ${width} px, ${colorScheme}`, { timeout: testBound }, async (t) => {
      const { device, url } = await bench(t);
      const browser = await chromium(t, {
        colorScheme,
        viewport: { width, height: width === 390 ? 844 : 800 },
        hasTouch: width === 390,
        bypassCSP: false,
      });
      const page = await Console.open(browser, url);
      const look = async (name) => {
        // Nothing moves any more, and what was asked for is drawn.
        await page.page.evaluate(async () => {
          await Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {})));
          for (let n = 0; n < 2; n++) await new Promise((done) => requestAnimationFrame(done));
        });
        await page.page.screenshot({
          path: `${output}console-${name}-${width}-${colorScheme}.png`,
          fullPage: width === 390,
        });
        assert.deepEqual(await faults(page.page), [], name);
        assert.equal(
          await page.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
          true,
          `${name}: nothing sticks out at the side`,
        );
      };
      await page.connected();
      await look('list');
      await page.page.getByRole('button', { name: 'Add…' }).click();
      const form = page.page.locator('section.add');
      await until('it is said that the page may not', async () =>
        /may not change the configuration/.test(await form.innerText()),
      );
      await form.getByLabel('Device file').fill('/dev/ttyUSB7');
      await form.getByLabel('Name').fill('seven');
      await form.getByText('More').click();
      await form.getByLabel('Dead-man switch').check();
      await look('add');
      await page.page.getByRole('button', { name: 'Cancel' }).click();
      await page.openEndpoint('demo');
      await page.send('demo', 'help');
      await page.openEndpoint('arm');
      device.write(
        '\x1b[1;32mU-Boot 2026.07\x1b[0m (Nov 01 2026)\r\n\r\nDRAM:  1 GiB\r\n\x1b[33mWarning: no environment, using defaults\x1b[0m\r\n\x1b[31mERROR: no boot device\x1b[0m\r\n=> ',
      );
      await page.shows('arm', 'no boot device');
      await look('terminal');
      await page.tool('arm', 'Line').click();
      await until(
        'the line is known',
        async () => (await page.desk('arm').getByLabel('Baud').inputValue()) === '115200',
      );
      await look('line');
      await page.tool('arm', 'Buttons').click();
      const editor = page.desk('arm').locator('.macro-editor');
      for (const [label, text] of [
        ['Home', 'G28'],
        ['Status', 'M114'],
        ['Cancel', '\\x03'],
        ['Heat the bed', 'M140 S60'],
      ]) {
        await editor.getByRole('button', { name: 'Add a button' }).click();
        await editor.getByLabel('Label').last().fill(label);
        await editor.getByLabel('Sends').last().fill(text);
      }
      await look('macros');
      await page.tool('arm', 'Send file').click();
      const panel = page.desk('arm').locator('.file-panel');
      await panel.getByLabel('Send it').selectOption('lines');
      await panel.getByLabel('File', { exact: true }).setInputFiles({
        name: 'part.gcode',
        mimeType: 'text/plain',
        buffer: Buffer.from('G21\nG0 X1\n'.repeat(50)),
      });
      await panel.getByRole('button', { name: 'Send the file' }).click();
      await until('it is armed', async () =>
        /The dead-man switch is armed/.test(await page.desk('arm').innerText()),
      );
      await panel.getByRole('button', { name: 'Go on without it' }).waitFor();
      await look('file');
      await panel.getByRole('button', { name: 'Cancel' }).click();
      await until('it is cancelled', async () => /Cancelled/.test(await panel.innerText()));
      await page.tool('arm', 'Send file').click();
      await page.tool('arm', 'Buttons').click();
      await page.desk('arm').getByRole('button', { name: 'The device is at rest: disarm' }).click();
      device.write(
        Buffer.from(
          Array.from({ length: 3000 }, (_, n) => [0xe0, 0x00, 0x86, 0xfe, 0x98, 0x66][(n + (n >> 5)) % 6]),
        ),
      );
      await page.desk('arm').getByText('Most of what arrives is not text.').waitFor();
      await look('noise');
      device.write('\r\n\x1b[33mtext again\x1b[0m\r\n'.repeat(200));
      await until(
        'it is text again',
        async () => (await page.desk('arm').locator('.noise').innerText()) === '',
      );
      await page.tool('arm', 'Hex').click();
      await page.tool('arm', 'Search').click();
      await page.page.keyboard.type('0a');
      await look('hex');
      await page.tool('arm', 'Text').click();
      await page.tool('arm', 'More').click();
      await page.send('arm', 'boot');
      await page.hide(true);
      await until('the stop', async () => (await page.desk('arm').locator('.stop-bar').count()) === 1);
      await page.hide(false);
      await look('stopped');
      await page.desk('arm').getByRole('button', { name: 'I have looked' }).click();
      await page.page.getByRole('button', { name: 'Side by side' }).click();
      await look('split');
      for (let n = 0; n < 30; n++) {
        device.write(
          `temp:${(21 + Math.sin(n / 4)).toFixed(2)} hum:${40 + (n % 7)}\nfan at ${n} turns now\n`,
        );
        await page.page.waitForTimeout(60); // so that there is a curve to be seen
      }
      await page.view('plots');
      await until('the values are shown', async () =>
        /temp\s+2\d[\s\S]*hum\s+4\d/.test(await page.page.locator('main').innerText()),
      );
      await page.page.getByRole('group', { name: 'Fields of arm' }).getByLabel('at').check();
      await look('plots');
      await page.view('drive');
      await page.page.locator('.drive').getByLabel('Machine').selectOption('arm');
      await page.page.getByRole('button', { name: 'Add a key' }).click();
      await page.page.getByRole('button', { name: 'Drive arm' }).click();
      await page.page.keyboard.down('ArrowUp');
      await until('armed', async () => /armed/.test(await page.page.locator('.deadman').innerText()));
      await look('drive');
      await page.page.keyboard.press('Escape');
      await page.view('connection');
      await page.page.getByRole('button', { name: 'Measure' }).click();
      await until('measured', async () =>
        /Round trip, median/.test(await page.page.locator('.measure').innerText()),
      );
      await look('connection');
      await page.view('sessions');
      await page.page.waitForSelector('.rows > li');
      await look('sessions');
      await page.view('tokens');
      await page.page.locator('.new-token').getByLabel('Name').fill('tablet');
      await page.page.getByRole('button', { name: 'Make token' }).click();
      await until('made', async () => /tw_/.test(await page.page.locator('.new-token').innerText()));
      await page.page.waitForSelector('[data-token=tablet]');
      await look('tokens');
      await page.page.locator('.menu summary').click();
      await look('menu');
      assert.deepEqual(page.errors, []);
    });
  }

test('with the keyboard alone', { timeout: testBound }, async (t) => {
  const { device, url } = await bench(t);
  const page = await Console.open(await chromium(t), url);
  await page.connected();
  const { keyboard } = page.page;
  const focused = () =>
    page.page.evaluate(() => {
      const element = document.activeElement;
      return {
        text: element.getAttribute('aria-label') || element.innerText || '',
        shown: element.matches(':focus-visible') && getComputedStyle(element).outlineStyle !== 'none',
      };
    });
  /** Tab until it has the focus; each stop on the way can be seen. */
  const tabTo = async (text, key = 'Tab') => {
    const passed = [];
    for (let n = 0; n < 60; n++) {
      await keyboard.press(key);
      const now = await focused();
      passed.push(now.text);
      if (now.text === text) {
        assert.equal(now.shown, true, `${text} shows that it has the focus`);
        return passed;
      }
    }
    throw new Error(`${text} is not to be reached: ${passed.join(' | ')}`);
  };
  assert.deepEqual(await tabTo('Skip to the content'), ['Skip to the content'], 'it comes first');
  assert.deepEqual(await tabTo('Drive'), ['Terminals', 'Plots', 'Drive']);
  await keyboard.press('Enter');
  await page.page.waitForSelector('.drive');
  await page.page.locator('.drive').getByLabel('Machine').focus();
  await keyboard.type('arm');
  await tabTo('Drive arm');
  await keyboard.press('Shift+Tab');
  await page.page.locator('nav a').first().focus();
  await keyboard.press('Enter');
  await tabTo('Open arm');
  await keyboard.press('Enter');
  await page.isOpen('arm');
  await until('the input has the focus', () =>
    page.page.evaluate(() => document.activeElement.matches('input.line')),
  );
  await keyboard.type('typed');
  await keyboard.press('Enter');
  await until('the device has it', () => device.received.includes('typed\n'));
  await page.page.locator('.logo').click();
  await tabTo('Keys');
  await keyboard.press('Enter');
  await keyboard.type('k\t');
  await until('Tab is the device’s', () => device.received.includes('k\t'));
  await keyboard.press('F6');
  await tabTo('Close arm', 'Shift+Tab');
  await keyboard.press('Enter');
  await until('it is closed', async () => (await page.desk('arm').count()) === 0);
  assert.deepEqual(page.errors, []);
});
