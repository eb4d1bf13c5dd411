// A board that talks at 2 MB/s, or as fast as the machine lets it: the page answers all the while.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { flood, line } from './lib/flood.js';
import { Trace } from './lib/trace.js';
import { bound, testBound, until } from './lib/until.js';

/**
 * A fixed piece of work for the page. Its processor time says how fast this machine is: 30 ms where the
 * longest task takes 10.
 */
const work = () => {
  let [sum, text] = [0, ''];
  for (let n = 0; n < 600_000; n++) {
    text = (text + n).slice(-40);
    sum += text.charCodeAt(n % text.length);
  }
  return sum;
};

for (const look of ['Text', 'Hex']) {
  test(`no long task while a device talks as fast as it can, ${look}`, { timeout: testBound }, async (t) => {
    const tty = `${temporaryDirectory()}/tty`;
    await line(t, tty, `${tty}-far`);
    // A daemon that is not optimised may fall behind for a moment; that is not what this is about.
    const daemon = await Daemon.start(t, `${serialEndpoint('board', tty)}lag = "skip"\n`);
    const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
    await page.openEndpoint('board');
    await page.tool('board', look).click();
    // What this machine needs for a known piece of work, as the trace counts it: the longest task of a page
    // that is at rest otherwise.
    const controls = [];
    for (let n = 0; n < 3; n++) {
      const trace = await Trace.start(page.page);
      await page.page.evaluate(work);
      controls.push(Math.max(...(await trace.stop())));
    }
    const control = controls.sort((one, other) => one - other)[1];

    const received = async () => (await daemon.get('/endpoints/board')).from_device.bytes;
    const trace = await Trace.start(page.page);
    const begun = performance.now();
    flood(t, `${tty}-far`, 2e6);
    await until('5 MB', async () => (await received()) > 5e6, 5 * bound);
    // A click in the middle of it.
    await page.tool('board', 'Search').click();
    await until('the page answers', () => page.desk('board').locator('.search').isVisible());
    await until('10 MB', async () => (await received()) > 1e7, 5 * bound);
    const speed = (await received()) / (performance.now() - begun) / 1000;
    const tasks = await trace.stop();
    const longest = Math.max(...tasks);
    t.diagnostic(
      `${speed.toFixed(1)} MB/s; the longest task took ${longest.toFixed(1)} ms of the processor, a known piece of work ${control.toFixed(1)} ms`,
    );
    assert.ok(
      tasks.length > 100 && longest < control,
      `${longest} ms, and ${control} ms for the known piece of work`,
    );
    await page.shows('board', look === 'Hex' ? /^[0-9a-f]{8} {2}/m : 'full-speed USB device');
    assert.equal(await page.desk('board').getAttribute('data-state'), 'open');
    assert.deepEqual(page.errors, []);
  });
}

test('a page too slow for a device leaves out what it cannot draw, says so, and shows the end', {
  timeout: testBound,
}, async (t) => {
  const tty = `${temporaryDirectory()}/tty`;
  await line(t, tty, `${tty}-far`);
  const daemon = await Daemon.start(t, `${serialEndpoint('board', tty)}lag = "skip"\n`);
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.openEndpoint('board');
  await page.tool('board', 'Hex').click();
  const tools = await page.page.context().newCDPSession(page.page);
  const device = flood(t, `${tty}-far`, 1.5e6);
  // As slow as it takes: how much a page can draw is the machine's, and how much comes is, too.
  let rate = 2;
  await until(
    'the page leaves something out',
    async () => {
      if (rate < 256) rate *= 2;
      await tools.send('Emulation.setCPUThrottlingRate', { rate });
      await sleep(2000);
      return (
        (await page
          .desk('board')
          .getByText(/MB not shown/)
          .count()) > 0
      );
    },
    5 * bound,
  );
  // As much as would have filled whatever waits in a page for its reader.
  const from = async () => (await daemon.get('/endpoints/board')).from_device.bytes;
  await until('more than 20 MB', async () => (await from()) > 2e7, 5 * bound);
  device.kill('SIGKILL');
  await tools.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  // The offset in the last row counts what was left out, too: all that came here is accounted for.
  await until('the last row is at the end', async () => {
    const row = (await page.screen('board')).match(/^[0-9a-f]{8}(?= {2})/gm)?.at(-1) ?? '';
    const received = parseFloat(
      (await page.desk('board').locator('.count').innerText()).match(/[\d.]+(?= MB)/)[0],
    );
    if (Math.abs(parseInt(row, 16) / 1e6 - received) <= 0.06) return true;
    throw new Error(`the last row is at ${parseInt(row, 16)} of ${received} MB`);
  });
  assert.equal(await page.desk('board').getAttribute('data-state'), 'open');
  assert.deepEqual(page.errors, []);
});

test('a page that nobody looks at keeps up, and shows the latest when somebody does', {
  timeout: testBound,
}, async (t) => {
  const tty = `${temporaryDirectory()}/tty`;
  const board = await SerialDevice.plugIn(t, tty);
  const daemon = await Daemon.start(t, `${serialEndpoint('board', tty)}lag = "skip"\n`);
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.openEndpoint('board');
  await page.hide(true);
  for (let n = 0; n < 40; n++) {
    board.write(`line ${n} ${'x'.repeat(40000)}\r\n`);
    await sleep(30); // in several messages
  }
  board.write('the last line\r\n');
  await until('all of it is here', async () =>
    /1\.6 MB/.test(await page.desk('board').locator('.count').innerText()),
  );
  assert.ok(!(await page.screen('board')).includes('the last line'), 'nothing is drawn for nobody');
  await page.hide(false);
  await page.shows('board', 'the last line');
  board.write('and one more\r\n');
  await page.shows('board', /the last line\nand one more/);
  assert.deepEqual(page.errors, []);
});
