// The wires of a serial line from the console. A pseudo terminal has none: what is asked of the kernel is
// read by strace, and the page is told of wires as an adapter has them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { alterTexts, Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

/** In the page: each answer of the gateway about the line says that it has wires. */
const wired = (text) =>
  text.replace(
    '"modem":"unsupported"',
    '"modem":{"dtr":true,"rts":false,"cts":true,"dsr":false,"dcd":false,"ri":false}',
  );

test('DTR, RTS, reset and break reach the line, in this order', { timeout: testBound }, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const trace = `${temporaryDirectory()}/trace`;
  await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('arm', path), { trace });
  const browser = await chromium(t);
  const page = new Console(await browser.newPage());
  await alterTexts(page.page, wired);
  await page.page.goto(`${await consoleOf(t, daemon)}/`);
  await page.openEndpoint('arm');
  await page.tool('arm', 'Line').click();
  const line = page.desk('arm').locator('.line-control');
  await until('the wires are shown', async () => /CTS on[\s\S]*DSR off/.test(await line.innerText()));
  assert.equal(await line.getByLabel('DTR').isChecked(), true);

  const asked = () =>
    [
      ...readFileSync(trace, 'utf8').matchAll(
        /ioctl\(\d+, ((?:TIOCMBI[SC]|TIOCSBRK|TIOCCBRK|TCSBRK\w*)\b[^)]*)\)/g,
      ),
    ].map(([, call]) => call);
  const before = asked().length;
  const next = async (what, press, ...calls) => {
    const at = asked().length;
    await press();
    await until(`${what}: ${calls}`, () => asked().length >= at + calls.length).catch((error) => {
      throw new Error(`${error.message}\n${asked().slice(before).join('\n')}`);
    });
    assert.deepEqual(asked().slice(at), calls, what);
    await until('the page is told', async () => !/The gateway is at it/.test(await line.innerText()));
  };
  const said = () =>
    until('a pseudo terminal refuses, in plain words', async () =>
      /driver cannot do this/.test(await line.innerText()),
    );
  await next('DTR off', () => line.getByLabel('DTR').click(), 'TIOCMBIC, [TIOCM_DTR]');
  await said();
  await next('RTS on', () => line.getByRole('checkbox', { name: 'RTS' }).click(), 'TIOCMBIS, [TIOCM_RTS]');
  await said();
  await next(
    'reset begins with DTR off',
    () => line.getByRole('button', { name: 'Reset' }).click(),
    'TIOCMBIC, [TIOCM_DTR]',
  );
  await said();
  await line.getByLabel('Break').fill('40');
  await next(
    'a break',
    () => line.getByRole('button', { name: 'Send break' }).click(),
    'TIOCSBRK',
    'TIOCCBRK',
  );
  assert.deepEqual(page.errors, []);
});
