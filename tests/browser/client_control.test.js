// The client library: leases and the dead man, losses and coming back, in real browsers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { demoEndpoint, serialEndpoint } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { openConnected, pty, startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

const timeout = 4000; // ms: no machine is so busy that a page which lives says nothing for so long

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: leases and the dead man`, { timeout: testBound }, async (t) => {
    const site = await startLibrarySite(t);
    const path = pty('arm');
    const arm = await SerialDevice.plugIn(t, path);
    const daemon = await startDaemonFor(
      t,
      site,
      `${serialEndpoint('arm', path)}writers = "one"\ndeadman = { timeout_ms = ${timeout}, send = "stop\\n" }\n${demoEndpoint}`,
    );
    const browser = await launch(t);
    const first = await openConnected(browser, site, daemon.url);
    const second = await openConnected(browser, site, daemon.url);
    for (const page of [first, second])
      await page.evaluate(async () => {
        window.arm = await session.open('arm');
      });
    const id = (page) => page.evaluate(() => session.id);

    await t.test('take, refuse, force, give, release', async () => {
      const taken = await first.evaluate(() => session.lease.take('arm'));
      assert.deepEqual(taken, {
        endpoint: 'arm',
        holder: await id(first),
        yours: true,
        askedBy: null,
        waitMs: null,
      });
      assert.deepEqual(
        await first.evaluate(() => session.lease.take('arm')),
        taken,
        'again: it is ours already',
      );
      assert.equal((await second.evaluate(() => refusal(session.lease.take('arm')))).code, 'lease-held');
      assert.equal((await second.evaluate(() => session.leaseOf('arm'))).yours, false);
      assert.equal((await second.evaluate(() => session.lease.take('arm', { force: true }))).yours, true);
      await until('the first is told', () =>
        first.evaluate(
          () =>
            session.leaseOf('arm').yours === false
            && events.some(({ type, yours }) => type === 'lease' && !yours),
        ),
      );
      await second.evaluate((to) => session.lease.give('arm', to), await id(first));
      await until('it is given', () => first.evaluate(() => session.leaseOf('arm').yours));
      assert.equal(
        (await first.evaluate(() => refusal(session.lease.give('arm', 'nobody')))).code,
        'unknown-session',
      );
      // Asked for: kept once, then handed over.
      const asks = () =>
        second.evaluate(() => {
          window.asked = refusal(session.lease.take('arm', { ask: true })).catch(() => 'granted');
        });
      const wanted = (by) =>
        until('the holder is asked', () =>
          first.evaluate(
            (by) => session.leaseOf('arm').askedBy === by && session.leaseOf('arm').waitMs > 0,
            by,
          ),
        );
      await asks();
      await wanted(await id(second));
      await first.evaluate(() => session.lease.keep('arm'));
      assert.equal((await second.evaluate(() => asked)).code, 'lease-held');
      await asks();
      await wanted(await id(second));
      await first.evaluate(() => session.lease.release('arm'));
      await until('it is granted', () =>
        second.evaluate(() => session.leaseOf('arm').yours && session.leaseOf('arm').askedBy === null),
      );
      await second.evaluate((to) => session.lease.give('arm', to), await id(first));
      await until('it is back', () => first.evaluate(() => session.leaseOf('arm').yours));
      await first.evaluate(() => session.lease.release('arm'));
      await until('it is free', () => second.evaluate(() => session.leaseOf('arm').holder === null));
      assert.equal(await first.evaluate(() => session.leaseOf('demo') === undefined), true);
      assert.equal((await first.evaluate(() => refusal(session.lease.take('demo')))).code, 'no-lease');
    });

    await t.test('what another writes is dropped and told', async () => {
      await first.evaluate(async () => {
        await session.lease.take('arm');
      });
      await second.evaluate(async () => {
        window.dropped = [];
        arm.addEventListener('dropped', ({ detail: { port, ...rest } }) => dropped.push(rest));
        arm.send('no\n');
      });
      await until('it is told', () => second.evaluate(() => dropped.length > 0));
      const [told] = await second.evaluate(() => dropped);
      assert.deepEqual(told, {
        endpoint: 'arm',
        direction: 'from_peer',
        reason: 'no-lease',
        messages: 1,
        bytes: 3,
      });
      await second.evaluate(() => arm.close());
      assert.equal(await second.evaluate(() => session.leaseOf('arm')), undefined);
    });

    await t.test(
      'heartbeats keep the machine going; silence stops it; a heartbeat with `fired` lifts the stop',
      async () => {
        await first.bringToFront(); // a hidden page's timers are held back, and its machine is stopped
        const lasted = await first.evaluate(async (longer) => {
          arm.send('go\n');
          const began = performance.now();
          window.awake = new AbortController();
          session.heartbeats('arm', 250, { signal: awake.signal });
          await sleep(longer);
          await session.ping(); // the gateway has heard all before
          return performance.now() - began;
        }, 2 * timeout);
        assert.equal(arm.received.toString(), 'go\n', `${lasted} ms, more than the time-out, and no stop`);
        await first.evaluate(() => awake.abort());
        await until('it is stopped', () => arm.received.toString() === 'go\nstop\n');
        const stop = await until('it is told', () =>
          first.evaluate(() => events.find(({ type }) => type === 'deadman')),
        );
        assert.deepEqual(
          { ...stop, session: stop.session === (await id(first)) },
          { type: 'deadman', endpoint: 'arm', session: true, fired: 1 },
        );
        await first.evaluate(async () => {
          arm.send('late\n');
          await session.ping();
        });
        await first.evaluate((fired) => {
          session.heartbeat({ endpoint: 'arm', fired });
        }, stop.fired);
        await first.evaluate(async () => {
          await session.ping();
          arm.send('again\n');
        });
        await until('it goes on', () => arm.received.toString() === 'go\nstop\nagain\n').catch((error) => {
          throw new Error(`${error.message}: \`late\` was to be dropped; it got ${arm.received}`);
        });
        await first.evaluate(() => {
          session.heartbeat({ endpoint: 'arm', stop: true });
        });
        await until(
          'it is at rest, where nothing stops it',
          async () => (await daemon.get('/endpoints/arm')).deadman.armed === false,
        );
        assert.equal((await daemon.get('/endpoints/arm')).deadman.fired, 1);
      },
    );
  });

  test(`${name}: the daemon is killed in mid-stream and started again`, { timeout: testBound }, async (t) => {
    const site = await startLibrarySite(t);
    const path = pty('slow');
    const device = await SerialDevice.plugIn(t, path, { bytesPerSecond: 200_000 });
    const daemon = await startDaemonFor(t, site, demoEndpoint + serialEndpoint('slow', path));
    const page = await openConnected(await launch(t), site, daemon.url);
    await page.evaluate(async () => {
      const slow = (window.slow = await session.open('slow'));
      const demo = (window.demo = await session.open('demo'));
      window.first = { id: session.id, channel: slow.channel };
      window.heard = '';
      window.reading = (async () => {
        for await (const bytes of {
          [Symbol.asyncIterator]: () => ({
            next: (
              (r) => () =>
                r.read()
            )(demo.readable.getReader()),
          }),
        })
          heard += text(bytes);
      })();
      window.gaps = [];
      slow.addEventListener('gap', ({ detail: { port, ...rest } }) => gaps.push(rest));
      window.writing = refusal(slow.writable.getWriter().write(new Uint8Array(4_000_000)));
      window.states = [];
      slow.addEventListener('state', ({ detail }) => states.push(detail.state));
    });
    await until('some has arrived', () => device.taken > 100_000);
    await daemon.kill();
    const killed = Date.now();
    const failed = await page.evaluate(() => writing);
    const noticed = Date.now() - killed;
    assert.equal(failed.code, 'connection-lost');
    assert.ok(failed.bytesUnsent > 2_000_000 && failed.bytesUnsent < 4_000_000, JSON.stringify(failed));
    assert.ok(failed.bytesMayBeLost > 0 && failed.bytesMayBeLost <= 262_144, JSON.stringify(failed));
    const meanwhile = await page.evaluate(async () => ({
      session: session.state,
      port: slow.state,
      sent: slow.send('x'),
      credit: slow.credit,
      write: (await refusal(slow.writable.getWriter().write('stale'))).code,
      ping: (await refusal(session.ping())).code,
    }));
    assert.deepEqual(meanwhile, {
      session: 'reconnecting',
      port: 'reopening',
      sent: false,
      credit: 0,
      write: 'connection-lost',
      ping: 'connection-lost',
    });
    await until('an attempt fails', () =>
      page.evaluate(() => events.filter(({ type }) => type === 'reconnecting').length >= 2),
    );
    await daemon.start();
    const started = Date.now();
    await until('it is back', () =>
      page.evaluate(() => session.state === 'connected' && slow.state === 'open' && demo.state === 'open'),
    );
    t.diagnostic(`noticed after ${noticed} ms; back ${Date.now() - started} ms after the start`);
    const back = await page.evaluate(async () => {
      const greeting = heard;
      demo.send('help\n');
      await until('the same reader goes on', () => /led on/.test(heard.slice(greeting.length)));
      await until('the gap is told', () => gaps.length);
      return {
        other: first.id !== session.id && first.channel !== slow.channel,
        gaps,
        states,
        reconnected: events.find(({ type }) => type === 'reconnected'),
        attempts: events.filter(({ type }) => type === 'reconnecting'),
      };
    });
    assert.equal(back.other, true);
    assert.deepEqual(back.states, ['reopening', 'open']);
    assert.deepEqual(back.gaps, [{ unsent: failed.bytesUnsent, mayBeLost: failed.bytesMayBeLost }]);
    assert.deepEqual(
      back.reconnected.gap.find(({ port }) => port === 'slow'),
      { port: 'slow', ...back.gaps[0] },
    );
    assert.equal(back.attempts[0].code, 'connection-lost');
    assert.equal(back.attempts[1].code, 'unreachable');
    await page.evaluate(() => slow.writable.getWriter().write('fresh'));
    const written = async () => (await daemon.get('/endpoints/slow')).to_device.bytes;
    await until('the fresh bytes are written', async () => (await written()) >= 5);
    assert.equal(await written(), 5, 'and nothing of what was being written when the daemon was killed');
  });

  test(`${name}: an orderly shutdown is noticed at once; giving up; no reconnect at all`, {
    timeout: testBound,
  }, async (t) => {
    const site = await startLibrarySite(t);
    const daemon = await startDaemonFor(t, site, demoEndpoint);
    const browser = await launch(t);
    const given = await openConnected(browser, site, daemon.url, {
      reconnect: { minDelay: 100, maxDelay: 200, giveUpAfter: 1000 },
    });
    const never = await openConnected(browser, site, daemon.url, { reconnect: false });
    for (const page of [given, never])
      await page.evaluate(async () => {
        window.demo = await session.open('demo');
      });
    await daemon.stop();
    const ended = await never.evaluate(async () => ({
      closed: (await session.closed).reason,
      port: (await demo.closed).reason,
      read: (
        await refusal(
          (async () => {
            for (const r = demo.readable.getReader(); !(await r.read()).done; );
          })(),
        )
      ).code,
    }));
    assert.equal(ended.closed, 'connection-lost');
    assert.equal(ended.read, ended.port);
    const gone = await given.evaluate(async () => ({
      closed: (await session.closed).reason,
      state: session.state,
      attempts: events.filter(({ type }) => type === 'reconnecting').length,
    }));
    assert.deepEqual([gone.closed, gone.state], ['unreachable', 'closed']);
    assert.ok(gone.attempts > 0, JSON.stringify(gone));
  });

  test(`${name}: what goes wrong at the start says what to do`, { timeout: testBound }, async (t) => {
    const site = await startLibrarySite(t, { '/sessions': 'no gateway' });
    const daemon = await startDaemonFor(t, site, demoEndpoint);
    const page = await openConnected(await launch(t), site, daemon.url);
    const codes = await page.evaluate(
      async ([url, here]) => {
        const made = new AbortController();
        const slowly = async (input, init) => {
          const response = await fetch(input, init);
          if (init.method === 'POST')
            await new Promise((_done, fail) => {
              init.signal.addEventListener('abort', () => fail(init.signal.reason));
              made.abort();
            });
          return response;
        };
        const code = async (...of) => (await refusal(thingway.connect(...of))).code;
        const worker = new Worker(
          URL.createObjectURL(
            new Blob(
              [
                `
        import(${JSON.stringify(`${here}/thingway/index.js`)}).then(({ connect }) => connect(${JSON.stringify(url)}))
          .then(() => postMessage('connected'), (error) => postMessage(error.code ?? String(error)));`,
              ],
              { type: 'text/javascript' },
            ),
          ),
          { type: 'module' },
        );
        const inWorker = await new Promise((done) => {
          worker.onmessage = ({ data }) => done(data);
          worker.onerror = ({ message }) => done(message);
        });
        return {
          nobody: await code('http://127.0.0.1:9'),
          other: await code(here),
          scheme: await code('ftp://board'),
          nonsense: await code('http://'),
          aborted: await code(url, { signal: AbortSignal.abort() }),
          late: await code(url, { signal: AbortSignal.timeout(1) }),
          // Given up after the gateway has made the session and before this side has its address.
          between: await code(url, { signal: made.signal, fetch: slowly }),
          inWorker,
          worker: typeof RTCPeerConnection,
          // Relays only, and there is none: no path can be found.
          pathless: await code(url, { iceTransportPolicy: 'relay', timeout: 1500 }),
        };
      },
      [daemon.url, site.origin],
    );
    assert.deepEqual(codes, {
      nobody: 'unreachable',
      other: 'not-a-gateway',
      scheme: 'bad-url',
      nonsense: 'bad-url',
      aborted: 'aborted',
      late: 'aborted',
      between: 'aborted',
      inWorker: 'no-webrtc',
      worker: 'function',
      pathless: codes.pathless,
    });
    assert.ok(['timeout', 'ice-failed'].includes(codes.pathless), codes.pathless);
    await until(
      'only one session is left at the gateway',
      async () => (await daemon.sessions()).length === 1,
    );

    // Streams of a port work in a worker, which cannot connect by itself.
    const heard = await page.evaluate(async () => {
      const port = await session.open('demo');
      const worker = new Worker(
        URL.createObjectURL(
          new Blob(
            [
              `
        onmessage = async ({ data: { readable, writable } }) => {
          const writer = writable.getWriter();
          await writer.write(new TextEncoder().encode('help\\n'));
          let heard = '';
          for (const reader = readable.getReader(); !heard.includes('led on');) heard += new TextDecoder().decode((await reader.read()).value);
          postMessage(heard);
        };`,
            ],
            { type: 'text/javascript' },
          ),
        ),
      );
      const { readable, writable } = port;
      worker.postMessage({ readable, writable }, [readable, writable]);
      return new Promise((done) => {
        worker.onmessage = ({ data }) => done(data);
      });
    });
    assert.match(heard, /led on/);

    const before = daemon.ends.length;
    await page.goto('about:blank');
    await until(
      'a page that is left has ended its session',
      async () => (await daemon.sessions()).length === 0,
    );
    assert.deepEqual(daemon.ends.slice(before), ['closed by the peer'], 'and has told it');
  });
}
