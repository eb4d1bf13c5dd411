// The page of docs/client.md, as it stands there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { demoEndpoint } from './lib/daemon.js';
import { startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

const guide = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8');
const [, example] = guide.match(/```html\n([\s\S]*?)```/);

const board = 'https://board.local:8443';

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the page of docs/client.md works`, { timeout: testBound }, async (t) => {
    assert.deepEqual(
      [example.split(board).length, example.split("'tw_…'").length],
      [3, 2],
      'what is replaced here',
    );
    let page;
    const site = await startLibrarySite(t, { '/': () => page });
    const daemon = await startDaemonFor(t, site, demoEndpoint);
    const scopes = [{ endpoints: ['demo'], verbs: ['read', 'write'] }];
    const response = await fetch(`${daemon.url}/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: 'page', scopes }),
    });
    const { token } = await response.json();
    page = example
      .replace(`${board}/client/`, `${daemon.url}/client/`)
      .replace(board, daemon.url)
      .replace('tw_…', token);
    const tab = await (await launch(t)).newPage();
    let printed = '';
    tab.on('console', (message) => {
      printed += message.text();
    });
    await tab.goto(site.origin);
    await until('the answer to help', () => printed.includes('led on|off'));
  });
}
