// Programs that use the API of SkyWay's gateway, and pages of both libraries: who calls whom, in what words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { HubPage, bytes, pattern, startHub, startHubSite, text, toBytes } from './lib/hub.js';
import { RestPeer } from './lib/rest.js';
import { testBound, until } from './lib/until.js';

async function world(t, library) {
  const site = await startHubSite(t);
  const { daemon } = await startHub(t, site);
  const browser = await chromium(t);
  const page = await HubPage.open(browser, site, library);
  await page.join('page-1', daemon.url);
  return { daemon, page, program: await RestPeer.create(t, daemon.url, 'program') };
}

const plain = { skyway: 'none', peerjs: 'raw' };

for (const library of ['skyway', 'peerjs']) {
  test(`a page of ${library} calls a program, in plain messages`, { timeout: testBound }, async (t) => {
    const { page, program } = await world(t, library);
    const options = {
      serialization: plain[library],
      metadata: { from: 'half \ud83d' },
      label: 'talk',
      ...(library === 'peerjs' && { reliable: true }),
    };
    const at = await page.connect('page-1', 'program', options);
    const its = await program.answer();
    const {
      remote_id: remote,
      label,
      metadata,
      open,
      reliable,
      serialization,
      type,
    } = await program.status(its.connection);
    assert.deepEqual(
      { remote, label, metadata, open, reliable, serialization, type },
      {
        remote: 'page-1',
        label: 'talk',
        metadata: '{"from":"half \ufffd"}',
        open: true,
        reliable: true,
        serialization: 'NONE',
        type: 'DATA',
      },
    );
    await page.run('send', at, text('hello \u20ac'));
    await page.run('send', at, bytes(pattern(1000)));
    await program.hears('hello \u20ac', pattern(1000));
    program.send(its, 'back');
    program.send(its, pattern(1200));
    assert.deepEqual(await page.receives(at, 2), [bytes('back'), bytes(pattern(1200))]);

    await page.run('close', at);
    assert.deepEqual(await program.event(its.connection), { event: 'CLOSE' });
    assert.deepEqual(page.errors, []);
  });

  test(`a program calls a page of ${library}: in plain messages, in JSON, in BinaryPack`, {
    timeout: testBound,
  }, async (t) => {
    const { page, program } = await world(t, library);
    const calls = [
      ['NONE', false],
      ['JSON', true],
      ['BINARY', true],
    ];
    for (const [times, [serialization, transcode]] of calls.entries()) {
      const its = await program.call(
        'page-1',
        { serialization, metadata: 'a test', label: 'talk' },
        { transcode },
      );
      assert.deepEqual(await program.event(its.connection), { event: 'OPEN' });
      const at = await page.isCalled('page-1', times + 1);
      const state = await page.run('state', at);
      assert.deepEqual([state.remote, state.metadata, state.label], ['program', 'a test', 'talk']);
      assert.equal(
        state.serialization,
        serialization === 'NONE' ? plain[library] : serialization.toLowerCase(),
      );
      program.send(its, 'to the page');
      const [first] = await page.receives(at, 1);
      assert.equal(String(toBytes(first)), 'to the page');
      assert.equal('text' in first, serialization === 'JSON', 'text where there is nothing but text');
      await page.run('send', at, text('to the program'));
      await program.hears('to the program');
      if (transcode) {
        await page.run('send', at, { json: { a: [1, '\u20ac'] } });
        await program.hears('{"a":[1,"\u20ac"]}');
      }
      if (serialization === 'BINARY') {
        await page.run('send', at, bytes(pattern(40000))); // cut in parts, and one datagram all the same
        await program.hears(pattern(40000));
        program.send(its, pattern(40000));
        assert.ok(toBytes((await page.receives(at, 2))[1]).equals(pattern(40000)));
      }
      await program.close(its.connection);
      await page.hasClosed(at);
      assert.deepEqual(await program.event(its.connection), { event: 'CLOSE' });
    }
    assert.deepEqual(page.errors, []);
  });

  test(`a page of ${library} calls a program in BinaryPack, which is read where the program wants it`, {
    timeout: testBound,
  }, async (t) => {
    const { page, program } = await world(t, library);
    const at = await page.connect('page-1', 'program', { serialization: 'binary', reliable: true });
    const its = await program.answer({ transcode: true });
    await page.run('send', at, text('hello'));
    await program.hears('hello');
    program.send(its, 'back');
    assert.deepEqual(await page.receives(at, 1), [bytes('back')]);

    // Without it the program sees what the page has written.
    const raw = await page.connect('page-1', 'program', { serialization: 'binary', reliable: true });
    await program.answer();
    await page.run('send', raw, text('hello'));
    await until('a datagram', () => program.received.length);
    const [packed] = program.received;
    assert.ok(packed.length > 5 && packed.includes('hello'), packed.toString('hex'));
    assert.deepEqual(page.errors, []);
  });

  test(`a program calls a page of ${library} that comes late, that closes, and that is gone`, {
    timeout: testBound,
  }, async (t) => {
    const { daemon, page, program } = await world(t, library);
    const waiting = await program.call('late', { serialization: 'NONE' });
    await page.join('late', daemon.url);
    assert.deepEqual(await program.event(waiting.connection), { event: 'OPEN' });
    const at = await page.isCalled('late');
    await page.run('close', at);
    assert.deepEqual(await program.event(waiting.connection), { event: 'CLOSE' });

    const second = await program.call('late', { serialization: 'NONE' });
    assert.deepEqual(await program.event(second.connection), { event: 'OPEN' });
    const other = await page.isCalled('late', 2);
    await program.ask('DELETE', `/peers/program?token=${program.token}`, undefined, 204);
    await page.hasClosed(other);
    assert.deepEqual(await program.event(second.connection), { event: 'CLOSE' });
    assert.equal((await program.event()).event, 'CLOSE');
    assert.deepEqual(page.errors, []);
  });
}

test('somebody who never comes is given up', { timeout: testBound }, async (t) => {
  const { daemon } = await startHub(t, null);
  const program = await RestPeer.create(t, daemon.url, 'program');
  const { connection } = await program.call('nobody');
  assert.deepEqual(await program.event(connection), {
    event: 'ERROR',
    error_message: 'there is no peer nobody',
  });
  assert.deepEqual(await program.event(connection), { event: 'CLOSE' });
});
