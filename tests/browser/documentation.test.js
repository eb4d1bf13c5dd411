// The examples in README.md and docs/control.md, run as they stand there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { startSite } from './lib/site.js';
import { testBound, until } from './lib/until.js';

const page = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');
const [, example] = page.match(/```html\n([^]*?)```/);

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the example of docs/control.md works`, { timeout: testBound }, async (t) => {
    let daemon;
    const site = await startSite(t, () => example.replace('http://127.0.0.1:8000', daemon.url));
    daemon = await Daemon.start(t, `[http]\nallowed_origins = ["${site.origin}"]\n${demoEndpoint}`);
    assert.ok(example.includes('http://127.0.0.1:8000'));

    const tab = await (await launch(t)).newPage();
    let printed = '';
    tab.on('console', (message) => { printed += message.text(); });
    await tab.goto(site.origin);
    await until('the greeting', () => printed.includes('Type help.'));
    await until('the answer to help', () => printed.includes('led on|off'));
  });
}

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const [, lines] = readme.match(/```js\n([^]*?)```/);

test('chromium: the ten lines of the README work', { timeout: testBound }, async (t) => {
  let daemon;
  const script = () => `<script type="module">${lines.replace('http://127.0.0.1:8000', daemon.url)}</script>`;
  const site = await startSite(t, script);
  const path = `${temporaryDirectory()}/arm`;
  const arm = await SerialDevice.plugIn(t, path);
  const allowed = `[http]\nallowed_origins = ["${site.origin}"]\n`;
  daemon = await Daemon.start(t, allowed + serialEndpoint('arm', path));
  const tab = await (await browsers.chromium(t)).newPage();
  let printed = '';
  tab.on('console', (message) => { printed += message.text(); });
  await tab.goto(site.origin);
  await until('the line on the device', () => arm.received.toString() === 'G28\n');
  arm.write('ok\n');
  await until('the answer on the page', () => printed.includes('ok'));
});
