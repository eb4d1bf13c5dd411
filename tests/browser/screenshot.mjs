// Makes the pictures of README.md: node tests/browser/screenshot.mjs docs. A rover on a real pseudo terminal
// drives, answers and reports.
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { until } from './lib/until.js';

const [folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node screenshot.mjs FOLDER');
  process.exit(2);
}

// The hooks of a test context, so that the same code starts and ends everything here.
const hooks = [];
const t = { after: (hook) => hooks.unshift(hook) };

/** The rover: its motors follow what it is told, its battery falls, its motor driver warms up. */
async function rover(path) {
  let [left, right, heat] = [0, 0, 31];
  const device = await SerialDevice.plugIn(t, path, {
    hears: (bytes) => {
      for (const [, x, y] of String(bytes).matchAll(/V (-?[\d.]+) (-?[\d.]+)/g))
        [left, right] = [Number(y) + Number(x), Number(y) - Number(x)];
      if (/stop/.test(String(bytes))) [left, right] = [0, 0];
    },
  });
  let n = 0;
  const timer = setInterval(() => {
    n++;
    heat += (Math.abs(left) + Math.abs(right)) * 0.02 + (31 - heat) * 0.01;
    const wave = (period, by) => Math.sin(n / period) * by;
    device.write(
      `left ${(left * 120 + wave(3, 2)).toFixed(1)} right ${(right * 120 + wave(4, 2)).toFixed(1)} rpm  heat ${(heat + wave(5, 0.3)).toFixed(1)} C  battery ${(12.4 - n / 900).toFixed(2)} V\r\n`,
    );
  }, 100);
  t.after(() => clearInterval(timer));
  return device;
}

try {
  const path = `${temporaryDirectory()}/rover`;
  const device = await rover(path);
  const daemon = await Daemon.start(
    t,
    `${serialEndpoint('rover', path)}writers = "one"
deadman = { timeout_ms = 500, send = "stop\\n" }
${serialEndpoint('arm', '/dev/serial/by-id/usb-arm')}
[[endpoint]]
name = "autopilot"
kind = "udp"
remote = "127.0.0.1:14550"

${demoEndpoint}`,
  );
  const rest = (ms) => new Promise((done) => setTimeout(done, ms));

  const wide = await Console.open(await chromium(t, { viewport: { width: 1180, height: 720 } }), daemon.url);
  await wide.openEndpoint('rover');
  device.write('\x1b[1;32mrover\x1b[0m 2.4 ready. Type \x1b[1mhelp\x1b[0m.\r\n');
  await wide.shows('rover', 'ready');
  await rest(2000);
  await wide.page.screenshot({ path: `${folder}/screenshot.png` });
  await wide.view('drive');
  await wide.page.getByRole('button', { name: 'Drive rover' }).click();
  await until('it drives', async () =>
    /Driving rover/.test(await wide.page.locator('.drive p.state').innerText()),
  );
  await wide.page.keyboard.down('ArrowUp');
  await rest(3000);
  await wide.page.screenshot({ path: `${folder}/screenshot-drive.png` });

  const phone = await Console.open(
    await chromium(t, {
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      hasTouch: true,
      isMobile: true,
      colorScheme: 'dark',
    }),
    daemon.url,
  );
  await phone.openEndpoint('rover');
  await phone.view('plots');
  await rest(9000);
  await wide.page.keyboard.up('ArrowUp');
  await rest(1500);
  await wide.page.keyboard.down('ArrowLeft');
  await rest(2000);
  await phone.page.getByText('rover: values').evaluate((title) => title.scrollIntoView());
  await phone.page.screenshot({ path: `${folder}/screenshot-plots.png` });
} finally {
  for (const hook of hooks) await hook();
}
