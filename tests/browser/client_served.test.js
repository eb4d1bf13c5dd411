// The client library as the gateway serves it: to a page of another origin, with types beside it, and asked
// for once.
import assert from 'node:assert/strict';
import test from 'node:test';
import { browsers } from './lib/browsers.js';
import { Daemon, demoEndpoint } from './lib/daemon.js';
import { startSite } from './lib/site.js';
import { testBound, until } from './lib/until.js';

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: a page of another origin imports it from the gateway`, { timeout: testBound }, async (t) => {
    let daemon;
    const site = await startSite(
      t,
      () => `<script type="module">
      import { connect } from '${daemon.url}/client/thingway.js';
      import { createSerial } from '${daemon.url}/client/serial.js';
      const session = await connect('${daemon.url}');
      const serial = createSerial(session, { filter: ({ kind }) => kind === 'demo' });
      const ports = await serial.getPorts();
      const port = await session.open('demo');
      port.addEventListener('message', ({ data }) => console.log(ports.length, data));
    </script>`,
    );
    daemon = await Daemon.start(t, `[http]\nallowed_origins = ["${site.origin}"]\n${demoEndpoint}`);
    const tab = await (await launch(t)).newPage();
    let printed = '';
    tab.on('console', (message) => {
      printed += `${message.text()}\n`;
    });
    await tab.goto(site.origin);
    await until('the device speaks', () => /^1 .*demo device/m.test(printed)).catch((error) => {
      throw new Error(`${error.message}: ${printed}`);
    });
  });
}

test('files, types, tags, and nothing for foreign origins', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t, demoEndpoint);
  for (const [file, type] of [
    ['thingway.js', /^text\/javascript/],
    ['serial.js', /^text\/javascript/],
    ['media.js', /^text\/javascript/],
    ['thingway.d.ts', /^application\/typescript/],
    ['serial.d.ts', /^application\/typescript/],
  ]) {
    const response = await fetch(`${daemon.url}/client/${file}`);
    assert.equal(response.status, 200, file);
    assert.match(response.headers.get('content-type'), type);
    const etag = response.headers.get('etag');
    assert.ok((await response.text()).includes('export'), file);
    const again = await fetch(`${daemon.url}/client/${file}`, { headers: { 'If-None-Match': etag } });
    assert.equal(again.status, 304, file);
  }
  assert.equal((await fetch(`${daemon.url}/client/other.js`)).status, 404);
  assert.equal(
    (await fetch(`${daemon.url}/client/thingway.js`, { headers: { Origin: 'http://evil.example' } })).status,
    403,
  );
});
