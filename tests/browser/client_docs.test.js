// The page of docs/client.md, as it stands there, and the streams that it gives to a worker.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { demoEndpoint } from './lib/daemon.js';
import { startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

const guide = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8');
const [, example] = guide.match(/```html\n([^]*?)```/);

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the page of docs/client.md works`, { timeout: testBound }, async (t) => {
    let daemon;
    assert.ok(example.includes('http://127.0.0.1:8000'));
    const site = await startLibrarySite(t, { '/': () => example.replace('http://127.0.0.1:8000', daemon.url) });
    daemon = await startDaemonFor(t, site, demoEndpoint);
    const page = await (await launch(t)).newPage();
    let printed = '';
    page.on('console', (message) => { printed += message.text(); });
    await page.goto(site.origin);
    await until('the answer to help', () => printed.includes('led on|off'));
  });
}
