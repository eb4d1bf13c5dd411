// The first page and the demo endpoint: what somebody sees who has just installed the gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { FirstPage } from './lib/first_page.js';
import { testBound, until } from './lib/until.js';

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the demo endpoint answers on the first page`, { timeout: testBound }, async (t) => {
    const daemon = await Daemon.start(t);
    const page = await FirstPage.open(await launch(t), daemon.url);
    assert.equal(await page.sessionState(), 'idle');

    await page.openEndpoint('demo');
    await page.shows('demo', 'Type help.');
    await page.send('demo', 'help');
    await page.shows('demo', /led on[\s\S]*temp/);
    await page.send('demo', 'led on');
    await page.shows('demo', /led[\s\S]*on/i);
    await page.send('demo', 'temp on');
    await page.shows('demo', /(\d+\.\d[\s\S]*\n[\s\S]*){2}/);
    await page.send('demo', 'temp off');
    assert.match(await page.log('demo'), /help/, 'what was typed is shown too');

    const roundTrip = /^Connected · round trip [\d.]+ ms$/;
    await until('the round trip is shown', async () => roundTrip.test(await page.text('#session')));
    assert.equal(await page.notices(), '');

    await page.page.click('.console[data-name="demo"] .close');
    const noSession = async () => (await daemon.sessions()).length === 0;
    await until('the session is closed with its last console', noSession);
    assert.deepEqual(daemon.ends, ['closed by the peer']);
    assert.equal(await page.sessionState(), 'idle');
    assert.deepEqual(page.errors, []);
  });
}
