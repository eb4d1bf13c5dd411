// Two figures of the built console, against the real daemon in a real Chromium: the tasks above 50 ms of the
// page while a terminal gets nothing (what is left is the machine's own), 2 MB/s and more; and the time from
// a cold load to an open terminal, beside that of a page which only opens a DataChannel. `--tasks` measures
// the first alone, `--load` the second. Wanted: `npm run build` here, `npm install` in tests/browser, the
// daemon's path in THINGWAY. `--store` writes docs/bench.md.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { circumstances, store, table, version } from '../../../bench/lib/report.mjs';
import { median } from '../../../bench/lib/statistics.mjs';
import { chromium } from '../../../tests/browser/lib/browsers.js';
import { Console } from '../../../tests/browser/lib/console.js';
import { consoleOf } from '../../../tests/browser/lib/console_site.js';
import {
  Daemon,
  demoEndpoint,
  serialEndpoint,
  temporaryDirectory,
} from '../../../tests/browser/lib/daemon.js';
import { flood, line } from '../../../tests/browser/lib/flood.js';
import { Trace } from '../../../tests/browser/lib/trace.js';

const header = circumstances({ Chromium: version('chromium') });
const rows = [];
let loading = '';
const afters = [];
const t = { after: (end) => afters.push(end) };
const bare = readFileSync(new URL('bare.html', import.meta.url), 'utf8');

async function longTasks() {
  const tty = `${temporaryDirectory()}/tty`;
  const far = `${tty}-far`;
  await line(t, tty, far);
  // a debug build on a busy machine sends less than 4 MB/s
  const daemon = await Daemon.start(t, `${serialEndpoint('board', tty)}lag = "skip"\n`);
  const url = await consoleOf(t, daemon);
  const browser = await chromium(t, { viewport: { width: 1280, height: 800 } });
  for (const [name, rate, hex] of [
    ['nothing', 0, false],
    ['2 MB/s, text', 2e6, false],
    ['4 MB/s, text', 4e6, false],
    ['200 kB/s, hex', 2e5, true],
    ['2 MB/s, hex', 2e6, true],
  ]) {
    const page = await Console.open(browser, url);
    await page.openEndpoint('board');
    await page.tool('board', hex ? 'Hex' : 'Text').click();
    await sleep(500);
    await page.page.evaluate(() => {
      window.tasks = [];
      window.frames = 0;
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) window.tasks.push(duration);
      }).observe({ type: 'longtask' });
      const frame = () => {
        window.frames++;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    const trace = await Trace.start(page.page);
    const count = async () => Number((await daemon.get('/endpoints/board')).from_device.bytes);
    const before = await count();
    const device = rate ? flood(t, far, rate) : null;
    await sleep(10000);
    const bytes = (await count()) - before;
    const { tasks, frames } = await page.page.evaluate(() => ({
      tasks: window.tasks,
      frames: window.frames,
    }));
    const state = await page.desk('board').getAttribute('data-state');
    device?.kill('SIGKILL');
    const used = await trace.stop();
    console.log(
      `${name}: ${(bytes / 10e6).toFixed(2)} MB/s; tasks above 50 ms: ${tasks.length} by the clock${longest(tasks)},`
        + ` ${used.filter((ms) => ms > 50).length} by the processor's time${longest(used)}; ${(frames / 10).toFixed(0)} frames/s; the terminal is ${state}`,
    );
    rows.push([
      name,
      `${(bytes / 10e6).toFixed(2)} MB/s`,
      `${tasks.length}${longest(tasks)}`,
      `${used.filter((ms) => ms > 50).length}${longest(used)}`,
      `${(frames / 10).toFixed(0)}/s`,
    ]);
    await page.page.close();
  }
}

const longest = (tasks) => (tasks.length ? ` (the longest ${Math.max(...tasks).toFixed(0)} ms)` : '');

/**
 * In the page: notes when the terminal's first line is there. `press`: the address does not name the
 * terminal, its button is pressed as soon as that is there.
 */
function watch(press) {
  const look = () => {
    if (document.querySelector('.desk .screen')?.textContent.includes('demo device')) {
      window.opened ??= performance.now();
      observer.disconnect();
    } else if (press && !window.pressed) {
      const button = document.querySelector('.endpoint[data-name=demo] button:not(:disabled)');
      window.pressed = Boolean(button);
      button?.click();
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
}

async function coldLoad() {
  const single = await Daemon.start(t, demoEndpoint);
  const several = await Daemon.start(t, `${demoEndpoint}[[endpoint]]\nname = "other"\nkind = "echo"\n`);
  const timed = async (daemon, path, press = false) => {
    const browser = await chromium(t); // with a profile and a cache that are new
    const page = await browser.newPage();
    // Only here and only once: while anything is routed, every request takes the way over this process.
    if (path === '/bare')
      await page.route(
        daemon.url + path,
        (route) => route.fulfill({ contentType: 'text/html', body: bare }),
        { times: 1 },
      );
    await page.addInitScript(watch, press); // does nothing on the other page, and costs it as much
    await page.goto(daemon.url + path, { waitUntil: 'commit' });
    await sleep(2000); // what the page is asked meanwhile would cost it tens of milliseconds
    const time = await page.evaluate(() => window.opened);
    if (!time) throw new Error(`${path}: nothing came within 2 s`);
    await page.context().close();
    return time;
  };
  const [least, named, only, pressed] = [[], [], [], []];
  for (let n = 0; n < 11; n++) {
    least.push(await timed(single, '/bare'));
    named.push(await timed(several, '/#/terminals/demo'));
    only.push(await timed(single, '/'));
    pressed.push(await timed(several, '/', true));
  }
  const by = (times) =>
    `${median(times).toFixed(0)} ms, ${(median(times) / median(least)).toFixed(2)} times that`;
  loading =
    `A page that does nothing but open a bare DataChannel has the first bytes of a device ${median(least).toFixed(0)} ms after a cold load. The console has`
    + ` them on its terminal after ${by(named)}, if the address names the terminal (\`#/terminals/demo\`); after ${by(only)}, if it names nothing and the gateway has`
    + ` that device alone; and after ${by(pressed)}, if there are several and a script presses the button in their list as soon as it is there (medians of ${least.length}, browsers and caches new each time).`;
  console.log(loading);
}

/** What it has started is gone before the next one begins. */
async function alone(part) {
  try {
    await part();
  } finally {
    for (const end of afters.splice(0).reverse()) await end();
  }
}

if (!process.argv.includes('--load')) await alone(longTasks);
if (!process.argv.includes('--tasks')) await alone(coldLoad);
if (process.argv.includes('--store')) {
  store('console', [
    header,
    '',
    ...table(
      ['a terminal gets', 'arrived', 'tasks above 50 ms by the clock', "by the processor's time", 'frames'],
      rows,
    ),
    '',
    loading,
  ]);
}
