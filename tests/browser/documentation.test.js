// The example in docs/control.md, run as it stands there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { startSite } from './lib/site.js';
import { until } from './lib/until.js';

const page = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');
const [, example] = page.match(/```html\n([^]*?)```/);

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the example of docs/control.md works`, { timeout: 60000 }, async (t) => {
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
