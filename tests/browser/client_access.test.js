// The client library and tokens: from another address of this machine over TLS, which is as far away as a
// test can be.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { Daemon } from './lib/daemon.js';
import { openConnected, startLibrarySite } from './lib/library.js';
import { skip } from './lib/skip.js';
import { testBound } from './lib/until.js';

const address = Object.values(networkInterfaces())
  .flat()
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

test('chromium: tokens', { timeout: testBound }, async (t) => {
  if (!address) return skip(t, 'this machine has no address beside loopback');
  const site = await startLibrarySite(t);
  const endpoints = ['demo', 'echo', 'sink']
    .map((kind) => `[[endpoint]]\nname = "${kind}"\nkind = "${kind}"\n`)
    .join('');
  const daemon = await Daemon.start(
    t,
    `[http]\nlisten = ["127.0.0.1:0", "${address}:0"]\nallowed_origins = ["${site.origin}"]\n${endpoints}`,
    { listen: false },
  );
  const [near, far] = [daemon.url, await daemon.secureUrl()];
  const admin = async (method, path, body) => {
    const response = await fetch(near + path, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    const text = await response.text();
    return text && JSON.parse(text);
  };
  const token = async (name, more) => (await admin('POST', '/tokens', { name, ...more })).token;
  const reader = await token('reader', { scopes: [{ endpoints: ['demo'], verbs: ['read'] }] });
  const next = await token('next', { scopes: [{ endpoints: ['*'], verbs: ['read', 'write'] }] });
  const browser = await chromium(t, { ignoreHTTPSErrors: true });
  const page = await openConnected(browser, site, far, { token: reader });

  assert.deepEqual(
    await page.evaluate(
      async (url) => [
        (await refusal(thingway.connect(url))).code,
        (await refusal(thingway.connect(url, { token: 'tw_000000000000_nobody' }))).code,
        (await refusal(thingway.connect(url, { token: 'tw_000000000000_nobody' }))).status,
      ],
      far,
    ),
    ['token-missing', 'token-unknown', 401],
  );

  const seen = await page.evaluate(async () => {
    const port = await session.open('demo');
    port.send('help\n');
    await until('it is dropped', () => events.find(({ type }) => type === 'dropped'));
    return {
      known: [...session.known.keys()],
      hidden: (await refusal(session.open('echo'))).code,
      dropped: events.find(({ type }) => type === 'dropped').reason,
    };
  });
  assert.deepEqual(seen, { known: ['demo'], hidden: 'unknown-endpoint', dropped: 'forbidden' });

  await admin('DELETE', '/tokens/reader');
  assert.deepEqual(
    await page.evaluate(async () => [
      (await session.closed).reason,
      session.state,
      events.filter(({ type }) => type === 'bye'),
    ]),
    ['token-revoked', 'closed', [{ type: 'bye', reason: 'token-revoked' }]],
  );

  // A token that is asked for anew: the session ends with the old one and goes on with the next. It came in
  // the address before.
  const short = await token('short', {
    scopes: [{ endpoints: ['*'], verbs: ['read', 'write'] }],
    expires_in_s: 15,
  });
  const renewed = await page.evaluate(
    async ([url, first, second]) => {
      const given = [];
      const renewing = await thingway.connect(url, {
        token: () => {
          given.push(given.length);
          return given.length === 1 ? first : second;
        },
      });
      const bye = new Promise((done) =>
        renewing.addEventListener('bye', ({ detail }) => done(detail.reason)),
      );
      const port = await renewing.open('echo');
      const back = new Promise((done) => renewing.addEventListener('reconnected', done));
      const reason = await bye;
      await back;
      await until('it is open again', () => port.state === 'open');
      const plain = await thingway.connect(`${url}/#token=${second}`);
      await plain.close();
      await renewing.close();
      return { reason, asked: given.length };
    },
    [far, short, next],
  );
  assert.deepEqual(renewed, { reason: 'token-expired', asked: 2 });

  // Somebody ends the session: coming back at once would be rude.
  const other = await openConnected(browser, site, far, { token: next });
  await admin('DELETE', `/sessions/${await other.evaluate(() => session.id)}`);
  assert.deepEqual(await other.evaluate(async () => [(await session.closed).reason, session.state]), [
    'disconnected',
    'closed',
  ]);
});
