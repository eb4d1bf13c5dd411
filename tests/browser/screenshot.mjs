// Makes docs/screenshot.png: node tests/browser/screenshot.mjs docs/screenshot.png
import { chromium } from './lib/browsers.js';
import { Daemon, demoEndpoint, serialEndpoint } from './lib/daemon.js';
import { Console } from './lib/console.js';

const [output] = process.argv.slice(2);
if (!output) {
  console.error('usage: node screenshot.mjs OUT.png');
  process.exit(2);
}

// The hooks of a test context, so that the same code starts and ends everything here.
const hooks = [];
const t = { after: (hook) => hooks.unshift(hook) };
try {
  const daemon = await Daemon.start(t, `${demoEndpoint}
${serialEndpoint('robot-arm', '/dev/serial/by-id/usb-robot-arm')}
[[endpoint]]
name = "autopilot"
kind = "udp"
remote = "127.0.0.1:14550"
`);
  const page = await Console.open(await chromium(t, { viewport: { width: 1100, height: 720 } }), daemon.url);
  await page.openEndpoint('demo');
  await page.shows('demo', 'Type help.');
  for (const [line, answer] of [['help', /temp/], ['led on', /led/], ['temp on', /(\d\.\d[^]*\n[^]*){3}/]]) {
    await page.send('demo', line);
    await page.shows('demo', answer);
    await new Promise((done) => setTimeout(done, 300));
  }
  await page.shows('demo', /(\d\.\d[^]*\n[^]*){3}/, 10000);
  await page.page.screenshot({ path: output });
} finally {
  for (const hook of hooks) await hook();
}
