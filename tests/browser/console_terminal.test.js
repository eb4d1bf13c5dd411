// What a terminal sends to its device: only what a person does there. A message takes a free lease and arms a
// dead-man switch.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/**
 * A terminal that is open, in the mode that sends keys, and does not have the focus. `settings` are those of
 * its endpoint.
 */
let marks = 0;

async function terminal(t, settings) {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, `${serialEndpoint('arm', path)}${settings}`);
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.openEndpoint('arm');
  await page.tool('arm', 'Keys').click();
  await page.page.keyboard.press('F6');
  const isFocused = () => page.page.evaluate(() => document.activeElement.closest('.xterm') !== null);
  await until('the terminal has lost the focus', async () => !(await isFocused()));
  const { mouse, keyboard } = page.page;
  /** The pointer goes there; where the screen is changes with the bars above it. */
  const move = async (column, row) => {
    const { x, y } = await page.desk('arm').locator('.xterm-screen').boundingBox();
    await mouse.move(x + 4 + column * 12, y + 4 + row * 16);
  };
  return {
    device,
    daemon,
    page,
    keyboard,
    endpoint: () => daemon.get('/endpoints/arm'),
    focus: () => page.desk('arm').locator('.xterm-helper-textarea').focus(),
    move,
    press: async (column, row) => {
      await move(column, row);
      await mouse.down();
      await mouse.up();
    },
    wheel: async (column, row) => {
      await move(column, row);
      await mouse.wheel(0, 400);
    },
    /** The device says something, which the terminal has taken when this is over. */
    says: async (text) => {
      const mark = `<${++marks}>`;
      device.write(`${text}${mark}`);
      await page.shows('arm', mark);
    },
    /** The device has received that and no more, all of it since it was asked last. */
    hears: async (text) => {
      await until(`the device receives ${JSON.stringify(text)}`, () => device.received.length >= text.length);
      assert.equal(device.received.toString('latin1'), text);
      device.received = Buffer.alloc(0);
    },
  };
}

const queries = '\x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b[?6n\x1b[?25$p\x1bP$qm\x1b\\\x1b]11;?\x1b\\';
const everyMove = '\x1b[?1003h';
const asDecimals = '\x1b[?1006h'; // mouse reports as CSI < …
const focusReports = '\x1b[?1004h';
const ESC = '\x1b';

for (const encoding of ['', asDecimals]) {
  test(`a pointer that passes over a terminal without the focus writes nothing, ${encoding ? 'SGR' : 'X10'} reports`, {
    timeout: testBound,
  }, async (t) => {
    const { device, endpoint, page, keyboard, ...person } = await terminal(
      t,
      'writers = "one"\ndeadman = { timeout_ms = 500, send = "HALT\\n" }\n',
    );
    await person.says(everyMove + encoding);
    for (let n = 2; n < 12; n++) await person.move(n, n);
    await person.wheel(5, 5);
    // What goes the same way afterwards arrives, and nothing is before it.
    await page.tool('arm', 'Lines').click();
    await page.send('arm', 'mark');
    await page.hide(true); // which ends the heartbeats of this page
    await until('the machine is stopped after that line', () => device.received.includes('HALT\n'));
    await person.hears('mark\nHALT\n');
    assert.equal((await endpoint()).deadman.fired, 1);
  });
}

test('focus, motion and queries of a device neither take the lease nor arm the dead-man switch', {
  timeout: testBound,
}, async (t) => {
  const { endpoint, page, keyboard, ...person } = await terminal(
    t,
    'writers = "one"\ndeadman = { timeout_ms = 600000, send = "HALT\\n" }\n',
  );
  await person.says(focusReports + everyMove + asDecimals);
  await person.focus();
  await person.says(queries);
  await person.move(3, 3);
  await person.move(6, 6);
  await keyboard.press('F6');
  await person.focus();
  const before = await endpoint();
  assert.equal(before.lease, null, 'nobody has the lease');
  assert.equal(before.deadman.armed, false);
  await keyboard.type('x');
  await person.hears('x');
  await until('a key arms it', async () => (await endpoint()).deadman.armed);
  // Each further message would be a sign of life of a person who has perhaps gone.
  await person.says(queries);
  await person.move(9, 9);
  await keyboard.type('y');
  await person.hears('y');
});

test('a press, a drag and the wheel are a person’s, once the terminal has the focus', {
  timeout: testBound,
}, async (t) => {
  const { page, ...person } = await terminal(
    t,
    'writers = "one"\ndeadman = { timeout_ms = 600000, send = "HALT\\n" }\n',
  );
  await person.says(everyMove + asDecimals);
  await person.press(3, 2);
  await until('the device hears both', () => person.device.received.includes('m'));
  assert.match(String(person.device.received), /^\x1b\[<0;\d+;\d+M\x1b\[<0;\d+;\d+m$/);
  person.device.received = Buffer.alloc(0);
  await until('the lease is shown', () => page.desk('arm').locator('.lease[data-lease=yours]').isVisible());
  await person.wheel(3, 2);
  await until('the wheel', () => person.device.received.length > 0);
  assert.match(String(person.device.received), /^(\x1b\[<65;\d+;\d+M)+$/);
});

test('a mouse report far to the right is one byte each', { timeout: testBound }, async (t) => {
  const { page, device, ...person } = await terminal(t, '');
  await page.page.setViewportSize({ width: 2400, height: 800 });
  await person.says('\x1b[?1000h');
  const box = await page.desk('arm').locator('.xterm-screen').boundingBox();
  await page.page.mouse.click(box.x + box.width - 10, box.y + 4);
  await until('both reports', () => device.received.length >= 12);
  assert.equal(device.received.length, 12, device.received.toString('hex'));
  assert.ok(device.received[4] > 127, `it is far enough: ${device.received.toString('hex')}`);
});

for (const writers of ['all', 'one']) {
  test(`a device gets its answers from the page that writes to it, writers = "${writers}"`, {
    timeout: testBound,
  }, async (t) => {
    const { daemon, device, endpoint, page, keyboard, ...person } = await terminal(
      t,
      `writers = "${writers}"\n`,
    );
    await person.focus();
    await person.says(`${ESC}[5n`);
    await keyboard.type('a');
    await person.hears('a');
    await until('the page knows that no dead-man switch is there', async () => {
      await person.says(`${ESC}[5n`);
      return device.received.length > 0;
    });
    device.received = Buffer.alloc(0);
    await person.says(`${ESC}[2J${ESC}[3;4H${ESC}[6n`);
    await person.hears(`${ESC}[3;4R`);
    // The same output drawn again asks nothing.
    await page.tool('arm', 'Hex').click();
    await page.shows('arm', /1b 5b/);
    await page.tool('arm', 'Text').click();
    await person.focus();
    await person.says('');
    await keyboard.type('b');
    await person.hears('b');
    await person.says(`${ESC}[5n`);
    await person.hears(`${ESC}[0n`);

    if (writers === 'all') return;
    await page.desk('arm').getByRole('button', { name: 'Release' }).click();
    await until('nobody has the lease', async () => (await endpoint()).lease === null);
    await until('the page knows', () => page.desk('arm').locator('.lease[data-lease=free]').isVisible());
    await person.focus();
    await person.says(queries);
    await keyboard.type('c');
    await person.hears('c');
  });
}
