// SkyWay-JS as npm has it, in a page of another origin: what worked with SkyWay's cloud works with the hub.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, deviceHears, isBound, pattern, startWorld, talksToALine, text, toBytes } from './lib/hub.js';
import { testBound, until } from './lib/until.js';

const safari =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 Safari/605.1.15';

const world = (t, options) => startWorld(t, 'skyway', options);

test('a serial line is called with every serialization', { timeout: testBound }, async (t) => {
  const { daemon, device, open } = await world(t);
  const page = await open();
  assert.deepEqual(await page.join('page-1', daemon.url), { id: 'page-1' });
  for (const serialization of ['none', 'json', 'binary']) {
    const at = await page.connect('page-1', 'robot-1', { serialization, metadata: { from: 'a test' } });
    // The library has no characters of four bytes.
    await talksToALine(page, device, at, serialization, '\u20ac');
    await page.run('close', at);
    await until('the session ends with its channel', async () => (await daemon.sessions()).length === 0);
    await page.hasClosed(at);
    assert.deepEqual((await page.run('state', at)).events, ['open', 'close']);
  }
  assert.deepEqual(page.errors, []);
});

test('a device says much to a page that has its messages in BinaryPack', {
  timeout: testBound,
}, async (t) => {
  const { daemon, device, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const at = await page.connect('page-1', 'robot-1');
  await isBound(daemon);
  const long = pattern(100000);
  device.write(long);
  assert.ok((await page.receivesBytes(at, long.length)).equals(long), 'every byte in its place');
  assert.deepEqual(page.errors, []);
});

test('our side closes: the page is told', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const at = await page.connect('page-1', 'robot-1', { serialization: 'none' });
  await isBound(daemon);
  const [{ id }] = await daemon.sessions();
  const deleted = await fetch(`${daemon.url}/sessions/${id}`, { method: 'DELETE' });
  assert.equal(deleted.status, 200);
  await page.hasClosed(at);
  // The peer itself is still there, and calls again.
  await page.connect('page-1', 'robot-1', { serialization: 'none' });
  assert.deepEqual(page.errors, []);
});

test('what close(true) says to the hub is enough to close a connection', {
  timeout: testBound,
}, async (t) => {
  const { daemon, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const at = await page.connect('page-1', 'robot-1', { serialization: 'none' });
  await page.run('forceClose', 'page-1', at); // and no more, as if the way between the two were gone
  await page.hasClosed(at);
  await until('the session ends', async () => (await daemon.sessions()).length === 0);
});

test('ids: taken ones, ours to choose, who is there, and who is not', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const taken = await page.join('again', daemon.url, { id: 'page-1' });
  assert.deepEqual(taken, { error: 'unavailable-id', message: 'PeerId "page-1" is already in use' });
  assert.equal((await page.join('robot', daemon.url, { id: 'robot-1' })).error, 'unavailable-id');
  const { id } = await page.join('any', daemon.url, { id: null });
  assert.match(id, /^[A-Za-z0-9]+([ _-][A-Za-z0-9]+)*$/);
  assert.deepEqual(await page.run('list', 'any'), ['page-1', 'robot-1', id].sort());

  const before = performance.now();
  await page.run('connect', 'page-1', 'nobody', {});
  const [, kind, detail] = await page.hears('page-1', 'error');
  assert.deepEqual([kind, detail], ['peer-unavailable', 'there is no peer nobody']);
  assert.ok(performance.now() - before > 4500, 'somebody who comes late is waited for');

  await page.run('call', 'any', 'destroy');
  await until('its id is free', async () => !(await page.run('list', 'page-1')).includes(id));
  assert.deepEqual(await page.join('other', daemon.url, { id }), { id });
});

test('two pages with each other', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open(), await open()];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  // Half of a character, as it is left by a text that was cut: JSON.stringify writes it, JSON.parse reads it.
  const half = { why: 'half \ud83d' };
  const at = await one.connect('one', 'two', { metadata: half, label: 'talk' });
  const called = await two.isCalled('two');
  const { remote, metadata, label } = await two.run('state', called);
  assert.deepEqual({ remote, metadata, label }, { remote: 'one', metadata: half, label: 'talk' });
  const long = pattern(100000);
  await one.run('send', at, bytes(long));
  const [whole] = await two.receives(called, 1);
  assert.ok(toBytes(whole).equals(long));
  await two.run('send', called, { json: { a: 1, b: ['\u20ac'] } });
  assert.deepEqual(await one.receives(at, 1), [{ json: { a: 1, b: ['\u20ac'] } }]);
  await two.run('close', called);
  await one.hasClosed(at);
  assert.deepEqual(await daemon.sessions(), [], 'the gateway has no part in it');
  assert.deepEqual([one.errors, two.errors], [[], []]);
});

test('a room: who comes, what they say, and who goes', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open(), await open()];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  const hears = (page, name, wanted) =>
    until(`${name} hears ${wanted}`, async () => {
      const events = await page.run('roomEvents', name);
      if (events.some((event) => JSON.stringify(event) === JSON.stringify(wanted))) return true;
      throw new Error(JSON.stringify(events));
    });
  await one.run('joinRoom', 'one', 'hall');
  await hears(one, 'one', ['open', null]);
  await two.run('joinRoom', 'two', 'hall');
  await hears(two, 'two', ['open', null]);
  await hears(one, 'one', ['peerJoin', 'two']);
  await one.run('sendToRoom', 'one', text('hello all'));
  await hears(two, 'two', ['data', 'one', { text: 'hello all' }]);
  await two.run('sendToRoom', 'two', { json: { x: 1 } });
  await hears(one, 'one', ['data', 'two', { json: { x: 1 } }]);
  assert.ok(
    !JSON.stringify(await one.run('roomEvents', 'one')).includes('hello all'),
    'nobody hears himself',
  );
  await two.run('leaveRoom', 'two');
  await hears(one, 'one', ['peerLeave', 'two']);
  assert.deepEqual([one.errors, two.errors], [[], []]);
});

for (const polls of [false, true]) {
  test(`${polls ? 'polling alone' : 'with a WebSocket'}: calls work, and again after the daemon was restarted`, {
    timeout: testBound,
  }, async (t) => {
    const { daemon, device, open } = await world(t, { browser: polls ? { userAgent: safari } : {} });
    const page = await open();
    await page.join('page-1', daemon.url);
    const { id } = await page.join('any', daemon.url, { id: null });
    await page.connect('page-1', 'robot-1', { serialization: 'none' });
    if (polls) assert.deepEqual(page.sockets, []);
    else await until('both peers have a WebSocket', () => page.sockets.length === 2);

    const { length } = await page.run('events', 'page-1');
    await daemon.stop();
    await daemon.start();
    await until('both are there again', async () => {
      const there = await (await fetch(`${daemon.url}/api/apikeys/any/clients/`)).json();
      return there.includes('page-1') && there.includes(id);
    });
    await until('the page knows it', () => page.run('isOpen', 'page-1'));
    const at = await page.connect('page-1', 'robot-1', { serialization: 'none' });
    await page.run('send', at, text('again'));
    await deviceHears(device, 'again');
    const since = (await page.run('events', 'page-1'))
      .slice(length)
      .filter(([event]) => event === 'error' || event === 'close');
    assert.deepEqual(since, []);
  });
}
