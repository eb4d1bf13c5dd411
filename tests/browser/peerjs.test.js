// PeerJS as npm has it, in a page of another origin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, deviceHears, isBound, pattern, startWorld, talksToALine, text, toBytes } from './lib/hub.js';
import { testBound, until } from './lib/until.js';

const world = (t, options) => startWorld(t, 'peerjs', options);

for (const reliable of [true, false]) {
  test(`a serial line is called with every serialization, ${reliable ? 'in' : 'without'} order`, {
    timeout: testBound,
  }, async (t) => {
    const { daemon, device, open } = await world(t);
    const page = await open();
    assert.deepEqual(await page.join('page-1', daemon.url), { id: 'page-1' });
    for (const serialization of ['raw', 'json', 'binary']) {
      const at = await page.connect('page-1', 'robot-1', { serialization, reliable });
      const [
        {
          channels: [channel],
        },
      ] = await daemon.sessions();
      assert.equal(channel.ordered, reliable);
      await talksToALine(page, device, at, serialization, '\ud83d\ude42');
      // The second way is a message of the library's own, where there are such messages.
      await (serialization === 'raw' ? page.run('close', at) : page.run('close', at, { flush: true }));
      await until('the session ends with its channel', async () => (await daemon.sessions()).length === 0);
      await page.hasClosed(at);
      assert.deepEqual((await page.run('state', at)).events, ['open', 'close']);
    }
    assert.deepEqual(page.errors, []);
  });
}

test('a device says much, and our side closes', { timeout: testBound }, async (t) => {
  const { daemon, device, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const long = pattern(100000);
  const at = await page.connect('page-1', 'robot-1', { reliable: true });
  await isBound(daemon);
  device.write(long);
  assert.ok((await page.receivesBytes(at, long.length)).equals(long), 'every byte in its place');
  const [{ id }] = await daemon.sessions();
  assert.equal((await fetch(`${daemon.url}/sessions/${id}`, { method: 'DELETE' })).status, 200);
  await page.hasClosed(at);
  await page.connect('page-1', 'robot-1', { serialization: 'raw' });
  assert.deepEqual(page.errors, []);
});

test('ids: taken ones, ours to choose, who is there, and who is not', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const taken = await page.join('again', daemon.url, { id: 'page-1' });
  assert.deepEqual(taken, { error: 'unavailable-id', message: 'ID "page-1" is taken' });
  assert.equal((await page.join('robot', daemon.url, { id: 'robot-1' })).error, 'unavailable-id');
  const { id } = await page.join('any', daemon.url, { id: null }); // from /peerjs/id
  assert.match(id, /^[A-Za-z0-9]+([ _-][A-Za-z0-9]+)*$/);
  assert.deepEqual(await page.run('list', 'any'), ['page-1', 'robot-1', id].sort());

  const before = performance.now();
  await page.run('connect', 'page-1', 'nobody', {});
  const [, kind, detail] = await page.hears('page-1', 'error');
  assert.deepEqual([kind, detail], ['peer-unavailable', 'Could not connect to peer nobody']);
  assert.ok(performance.now() - before > 4500, 'somebody who comes late is waited for');

  // Somebody who comes late is called all the same.
  const at = await page.run('connect', 'page-1', 'late', {});
  await page.join('late', daemon.url);
  await page.isOpen(at);
});

test('a page that disconnects frees its id, keeps its connections, and comes back under it', {
  timeout: testBound,
}, async (t) => {
  const { daemon, device, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  const at = await page.connect('page-1', 'robot-1', { serialization: 'raw' });
  const other = await open();
  await other.join('page-2', daemon.url);
  await page.run('call', 'page-1', 'disconnect');
  await page.hears('page-1', 'disconnected');
  await until('its id is free', async () => !(await other.run('list', 'page-2')).includes('page-1'));
  await page.run('send', at, text('still here'));
  await deviceHears(device, 'still here');
  const { length } = await page.run('events', 'page-1');
  await page.run('call', 'page-1', 'reconnect');
  assert.deepEqual(await page.hears('page-1', 'open', length), ['open', 'page-1']);
  await page.connect('page-1', 'robot-1', { serialization: 'raw' });

  // With another's id it is over.
  await page.run('call', 'page-1', 'disconnect');
  await until('its id is free', async () => !(await other.run('list', 'page-2')).includes('page-1'));
  assert.deepEqual(await other.join('page-1', daemon.url), { id: 'page-1' });
  await page.run('call', 'page-1', 'reconnect');
  assert.equal((await page.hears('page-1', 'error'))[1], 'unavailable-id');
});

test('the daemon was restarted: the page hears of it and comes back', { timeout: testBound }, async (t) => {
  const { daemon, device, open } = await world(t);
  const page = await open();
  await page.join('page-1', daemon.url);
  await daemon.stop();
  await page.hears('page-1', 'disconnected');
  await daemon.start();
  const { length } = await page.run('events', 'page-1');
  await page.run('call', 'page-1', 'reconnect');
  await page.hears('page-1', 'open', length);
  const at = await page.connect('page-1', 'robot-1', { serialization: 'raw' });
  await page.run('send', at, text('again'));
  await deviceHears(device, 'again');
});

test('two pages with each other', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open(), await open()];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  const long = pattern(100000);
  for (const [times, serialization] of ['binary', 'json', 'raw'].entries()) {
    const at = await one.connect('one', 'two', {
      serialization,
      metadata: { why: 'a test' },
      label: `talk ${times}`,
    });
    const called = await two.isCalled('two', times + 1);
    const { remote, metadata, label } = await two.run('state', called);
    assert.deepEqual(
      { remote, metadata, label },
      { remote: 'one', metadata: { why: 'a test' }, label: `talk ${times}` },
    );
    await two.run('send', called, text('\u20ac 5'));
    assert.deepEqual(await one.receives(at, 1), [{ text: '\u20ac 5' }]);
    if (serialization === 'binary') {
      await one.run('send', at, bytes(long));
      const [whole] = await two.receives(called, 1);
      assert.ok(toBytes(whole).equals(long));
    }
    await two.run('close', called);
    await one.hasClosed(at);
  }
  assert.deepEqual(await daemon.sessions(), [], 'the gateway has no part in it');
  assert.deepEqual([one.errors, two.errors], [[], []]);
});

/**
 * One page calls another, which sees by whom and what for. `ways`: who sends to whom, on which of the two
 * ends.
 */
async function call(caller, from, callee, to, serialization) {
  const at = await caller.connect(from, to, { serialization, metadata: { n: 1 }, label: 'talk' });
  const called = await callee.isCalled(to);
  const { remote, metadata, label } = await callee.run('state', called);
  assert.deepEqual({ remote, metadata, label }, { remote: from, metadata: { n: 1 }, label: 'talk' });
  const ways = [
    [caller, at, callee, called],
    [callee, called, caller, at],
  ];
  return { at, called, ways };
}

test('a page of PeerJS and one of SkyWay-JS: plain messages, either way', {
  timeout: testBound,
}, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open('peerjs'), await open('skyway')];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  const calls = [
    [one, 'one', two, 'two', 'raw'],
    [two, 'two', one, 'one', 'none'],
  ];
  for (const [caller, from, callee, to, serialization] of calls) {
    const { at, called, ways } = await call(caller, from, callee, to, serialization);
    for (const [sender, sends, receiver, receives] of ways) {
      await sender.run('send', sends, text('hello \u20ac'));
      await sender.run('send', sends, bytes(pattern(300)));
      const [first, second] = await receiver.receives(receives, 2);
      assert.deepEqual([first, second], [{ text: 'hello \u20ac' }, bytes(pattern(300))]);
    }
    await callee.run('close', called);
    await caller.hasClosed(at);
  }
  assert.deepEqual([one.errors, two.errors], [[], []]);
});

test('a page of PeerJS and one of SkyWay-JS: JSON, for which the gateway stands between them', {
  timeout: testBound,
}, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open('peerjs'), await open('skyway')];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  const said = [{ json: { left: [1, 2.5, null], text: '\u20ac' } }, text('only text'), { json: 7 }];
  const calls = [
    [one, 'one', two, 'two'],
    [two, 'two', one, 'one'],
  ];
  for (const [[caller, from, callee, to], callerCloses] of calls.map((call, times) => [call, times === 0])) {
    const { at, called, ways } = await call(caller, from, callee, to, 'json');
    for (const [sender, sends, receiver, receives] of ways) {
      for (const message of said) await sender.run('send', sends, message);
      assert.deepEqual(await receiver.receives(receives, said.length), said);
    }
    assert.equal((await daemon.sessions()).length, 2, 'one with each');
    if (callerCloses) {
      await caller.run('close', at);
      await callee.hasClosed(called);
    } else {
      await callee.run('close', called);
      await caller.hasClosed(at);
    }
    await until('nothing is left of it', async () => (await daemon.sessions()).length === 0);
  }
  assert.deepEqual([one.errors, two.errors], [[], []]);
});

test('what the other library could not read is refused with a reason', { timeout: testBound }, async (t) => {
  const { daemon, open } = await world(t);
  const [one, two] = [await open('peerjs'), await open('skyway')];
  await one.join('one', daemon.url);
  await two.join('two', daemon.url);
  for (const serialization of ['binary']) {
    const { length } = await one.run('events', 'one');
    await one.run('connect', 'one', 'two', { serialization });
    assert.equal(
      (await one.hears('one', 'error', length))[1],
      'peer-unavailable',
      'the only word that this library has',
    );
    const before = (await two.run('events', 'two')).length;
    await two.run('connect', 'two', 'one', { serialization });
    const [, kind, detail] = await two.hears('two', 'error', before);
    assert.equal(kind, 'incompatible');
    assert.equal(
      detail,
      `SkyWay-JS and PeerJS pack ${serialization} messages differently: use json, or raw (PeerJS), which is none (SkyWay)`,
    );
  }
  assert.deepEqual([await one.run('incoming', 'one'), await two.run('incoming', 'two')], [[], []]);
});
