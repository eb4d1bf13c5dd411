// Who may use the hub: pages of which origins, with which keys, and with what credentials.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { HubPage, key, startHub, startHubSite } from './lib/hub.js';
import { testBound, until } from './lib/until.js';

const other = '11111111-0000-4000-8000-000000000000';
const secret = 'a long secret';
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

/** As somebody's server makes one; `left`: how many seconds it is still good for. */
function credential(id, { left = 1000, ttl = 1000, words = secret } = {}) {
  const timestamp = inSeconds(left - ttl);
  return {
    timestamp,
    ttl,
    authToken: createHmac('sha256', words).update(`${timestamp}:${ttl}:${id}`).digest('base64'),
  };
}

async function world(t, config, { allowed = true } = {}) {
  const site = await startHubSite(t);
  const { daemon } = await startHub(t, allowed ? site : null, config(site));
  const browser = await chromium(t);
  return { daemon, site, open: (library) => HubPage.open(browser, site, library) };
}

const clients = async (daemon, of = key) => {
  const response = await fetch(`${daemon.url}/api/apikeys/${of}/clients/`);
  return response.ok ? response.json() : response.status;
};

test('pages of other origins are refused, and do not fill the log', { timeout: testBound }, async (t) => {
  const { daemon, site, open } = await world(t, () => '', { allowed: false });
  const pages = { skyway: await open('skyway'), peerjs: await open('peerjs') };
  const failed = [];
  pages.skyway.tab.on('requestfailed', (request) => failed.push(request.url()));
  // there may never be an answer
  for (const page of Object.values(pages)) void page.join('page-1', daemon.url).catch(() => {});
  await pages.peerjs.hears('page-1', 'error');
  await until('the page has tried more than once', () => failed.length > 1);
  assert.ok(
    failed.every((url) => url.startsWith(`${daemon.url}/socket.io/`)),
    failed.join(),
  );
  for (const path of [
    `/socket.io/?EIO=3&transport=polling&apiKey=${key}`,
    '/peerjs/id',
    '/peerjs?key=peerjs&id=a&token=b',
    `/api/apikeys/${key}/clients/`,
    '/peers/any/status?token=any',
  ]) {
    const response = await fetch(daemon.url + path, { headers: { Origin: site.origin } });
    assert.equal(response.status, 403, path);
    assert.equal(response.headers.get('Access-Control-Allow-Origin'), null);
  }
  assert.deepEqual(await clients(daemon), ['robot-1']);
  // Seven and more were refused; five a minute are told.
  const lines = daemon.log.split('\n').filter((line) => line.includes(`refused: pages of ${site.origin}`));
  assert.ok(lines.length >= 5, daemon.log);
  const seconds = lines.map((line) => parseFloat(line)); // since the start of the daemon
  for (let n = 5; n < lines.length; n++)
    assert.ok(seconds[n] - seconds[n - 5] > 59, `five a minute, and not ${lines[n]}`);
  // No hidden request of a form does more.
  await pages.skyway.tab.evaluate(async (url) => {
    const body = JSON.stringify({ key: 'any', domain: 'any', peer_id: 'blind' });
    await fetch(`${url}/peers`, { method: 'POST', mode: 'no-cors', body }).catch(() => {});
  }, daemon.url);
  assert.deepEqual(await clients(daemon), ['robot-1']);
});

test('a key of the configuration: others are refused, and it has ids and origins of its own', {
  timeout: testBound,
}, async (t) => {
  const { daemon, open } = await world(
    t,
    (site) => `
[[skyway.key]]
key = "${key}"
origins = ["${site.origin}"]
peers = ["page-*"]
[[skyway.key]]
key = "${other}"
origins = ["https://elsewhere.example"]
[[peerjs.key]]
key = "mine"
origins = ["${site.origin}"]
peers = ["page-*"]
`,
    { allowed: false },
  );
  const page = await open('skyway');
  assert.deepEqual(await page.join('page-1', daemon.url), { id: 'page-1' });
  await page.connect('page-1', 'robot-1');
  assert.equal((await page.join('panel', daemon.url)).error, 'invalid-id');
  assert.equal(
    (await page.join('page-2', daemon.url, { key: '22222222-0000-4000-8000-000000000000' })).error,
    'invalid-key',
  );
  assert.equal((await page.join('page-3', daemon.url, { key: other })).error, 'invalid-key');
  assert.equal(await clients(daemon, 'unknown'), 401);

  const second = await open('peerjs');
  assert.deepEqual(await second.join('page-4', daemon.url, { key: 'mine' }), { id: 'page-4' });
  await second.connect('page-4', 'robot-1');
  const { error, message } = await second.join('page-5', daemon.url);
  assert.deepEqual([error, message], ['server-error', 'Invalid key provided']);
  assert.equal((await second.join('panel', daemon.url, { key: 'mine' })).error, 'server-error');
  assert.deepEqual((await clients(daemon)).sort(), ['page-1', 'page-4', 'robot-1']);
});

const signed = () => `[[skyway.key]]\nkey = "${key}"\nsecret = "${secret}"\n`;

test('a key with a secret wants a credential', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t, signed);
  const page = await open('skyway');
  for (const [what, given] of Object.entries({
    none: undefined,
    'of another secret': credential('page-1', { words: 'another' }),
    'of another id': credential('page-2'),
    'that has ended': credential('page-1', { left: -5 }),
    'of tomorrow': credential('page-1', { left: 87400 }),
    'that is too short': credential('page-1', { left: 500, ttl: 599 }),
  })) {
    const { error } = await page.join(`one ${what}`, daemon.url, { id: 'page-1', credential: given });
    assert.equal(error, 'authentication', `a credential ${what}`);
  }
  assert.deepEqual(await clients(daemon), ['robot-1']);
  assert.deepEqual(await page.join('page-1', daemon.url, { credential: credential('page-1') }), {
    id: 'page-1',
  });
  await page.connect('page-1', 'robot-1');
  await page.connect('page-1', 'robot-1'); // what is told about a credential would have come before
  assert.deepEqual(
    (await page.run('events', 'page-1')).map(([event]) => event),
    ['open'],
    'it is good for long',
  );
});

test('a credential near its end: the page is told, renews it, and stays; or it has to go', {
  timeout: testBound,
}, async (t) => {
  const { daemon, open } = await world(t, signed);
  const page = await open('skyway');
  // A page is told 300 s before the end: here at once.
  await page.join('page-1', daemon.url, { credential: credential('page-1', { left: 250 }) });
  await page.join('page-2', daemon.url, { credential: credential('page-2', { left: 30 }) });
  const [, left] = await page.hears('page-1', 'expiresin');
  assert.ok(left > 0 && left <= 250, String(left));
  await page.run('call', 'page-1', 'updateCredential', credential('page-1', { left: 2000, ttl: 2000 }));
  await page.run('call', 'page-2', 'updateCredential', credential('page-1', { left: 2000, ttl: 2000 }));
  assert.equal((await page.hears('page-2', 'error'))[1], 'authentication', 'that was for another one');
  await until('page-2 has to go', async () => (await clients(daemon)).join() === 'page-1,robot-1');
  await until('and knows it', async () => !(await page.run('isOpen', 'page-2')));
  assert.ok(await page.run('isOpen', 'page-1'));
  await page.connect('page-1', 'robot-1');
  assert.equal((await page.run('events', 'page-1')).filter(([event]) => event === 'expiresin').length, 1);
});

test('a page that comes back with its token before it was missed gets its id', {
  timeout: testBound,
}, async (t) => {
  const { daemon } = await startHub(t, null);
  const { default: io } = await import('socket.io-client');
  const open = (token) => {
    const socket = io(daemon.url, {
      forceNew: true,
      reconnection: false,
      query: `apiKey=${key}&peerId=page-1&token=${token}`,
    });
    t.after(() => socket.close());
    return new Promise((done) => {
      for (const name of ['OPEN', 'ERROR']) socket.on(name, (word) => done({ socket, name, word }));
    });
  };
  const before = await open('mine');
  const gone = new Promise((done) => {
    before.socket.on('disconnect', done);
  });
  assert.equal((await open('another')).word.type, 'unavailable-id');
  const { socket, name } = await open('mine');
  assert.equal(name, 'OPEN');
  await gone;
  const offered = new Promise((done) => {
    socket.on('FORCE_CLOSE', done);
  });
  socket.emit('SEND_FORCE_CLOSE', { dst: 'page-1', connectionId: 'dc_1' });
  assert.equal((await offered).connectionId, 'dc_1', 'it can be reached');
  assert.deepEqual(await clients(daemon), ['page-1', 'robot-1']);
});
