// The client library (web/client) in real browsers against the real daemon: sessions, ports, streams, credit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browsers } from './lib/browsers.js';
import { demoEndpoint, serialEndpoint } from './lib/daemon.js';
import { SerialDevice, udpDevice } from './lib/devices.js';
import { openConnected, pty, startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

const probes = ['echo', 'sink', 'source']
  .map((kind) => `[[endpoint]]\nname = "${kind}"\nkind = "${kind}"\n`)
  .join('');

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the library`, { timeout: testBound }, async (t) => {
    const site = await startLibrarySite(t);
    const armPath = pty('arm');
    const slowPath = pty('slow');
    const arm = await SerialDevice.plugIn(t, armPath, { echo: true });
    const slow = await SerialDevice.plugIn(t, slowPath, { bytesPerSecond: 400_000 });
    const udp = await udpDevice(t);
    const daemon = await startDaemonFor(
      t,
      site,
      [
        demoEndpoint,
        probes,
        serialEndpoint('arm', armPath),
        serialEndpoint('slow', slowPath),
        `[[endpoint]]\nname = "udp"\nkind = "udp"\nremote = "${udp}"\n`,
      ].join(''),
    );
    const page = await openConnected(await launch(t), site, daemon.url);

    await t.test('a session says who and where it is, and what there is', async () => {
      const seen = await page.evaluate(async () => ({
        id: session.id,
        url: session.url.href,
        state: session.state,
        server: session.server,
        peer: session.peerConnection.connectionState,
        known: [...session.known.values()],
        listed: await session.endpoints(),
        instance: session instanceof thingway.Session,
      }));
      assert.deepEqual(
        [seen.state, seen.url, seen.peer, seen.instance],
        ['connected', `${daemon.url}/`, 'connected', true],
      );
      assert.match(seen.server, /thingway/);
      assert.equal((await daemon.sessions())[0].id, seen.id);
      assert.deepEqual(seen.known.map(({ name: of }) => of).sort(), [
        'arm',
        'demo',
        'echo',
        'sink',
        'slow',
        'source',
        'udp',
      ]);
      assert.deepEqual(seen.listed, seen.known);
      assert.deepEqual(
        seen.known.find(({ name: of }) => of === 'arm'),
        { name: 'arm', kind: 'serial', state: 'open', detail: '' },
      );
    });

    await t.test(
      'the offer goes at once, candidates follow, hello is first, the end is told even by a page that goes',
      async () => {
        const seen = await page.evaluate(async (url) => {
          const requests = [];
          const said = [];
          class Peer extends RTCPeerConnection {
            createDataChannel(...of) {
              const channel = super.createDataChannel(...of);
              const send = channel.send.bind(channel);
              channel.send = (data) => {
                said.push(`${channel.label}: ${data}`);
                send(data);
              };
              return channel;
            }
          }
          const other = await thingway.connect(url, {
            RTCPeerConnection: Peer,
            fetch: (to, init) => {
              requests.push({
                method: init.method,
                path: to.pathname,
                body: init.body ?? '',
                keepalive: init.keepalive,
                type: init.headers.get('Content-Type'),
              });
              return fetch(to, init);
            },
          });
          await until('all candidates are told', () =>
            requests.some(({ body }) => body.includes('a=end-of-candidates')),
          );
          const port = await other.open('demo');
          port.send('help\n');
          const { id } = other;
          await other.close();
          return { requests, said, id };
        }, daemon.url);
        const [post, ...more] = seen.requests;
        assert.deepEqual([post.method, post.path, post.type], ['POST', '/sessions', 'application/sdp']);
        assert.doesNotMatch(post.body, /a=candidate/);
        const end = more.pop();
        assert.deepEqual([end.method, end.path, end.keepalive], ['DELETE', `/sessions/${seen.id}`, true]);
        assert.ok(
          more.length > 0
            && more.every(
              ({ method, path, type }) =>
                method === 'PATCH' && path === end.path && type === 'application/trickle-ice-sdpfrag',
            ),
        );
        assert.match(
          more.map(({ body }) => body).join(''),
          /a=ice-ufrag:.*a=ice-pwd:.*m=application.*a=mid:.*a=candidate:.*a=end-of-candidates/s,
        );
        assert.deepEqual(seen.said, ['thingway: {"v":1,"type":"hello"}', 'demo: help\n']);
      },
    );

    await t.test('ports that are asked for with the connection', async () => {
      const seen = await page.evaluate(async (url) => {
        const made = RTCPeerConnection.prototype.createDataChannel;
        const before = []; // what is made before anything is known of the other side
        RTCPeerConnection.prototype.createDataChannel = function (label, ...of) {
          if (!this.remoteDescription) before.push(label);
          return made.call(this, label, ...of);
        };
        const other = await thingway.connect(url, { open: ['demo', 'nothing'] });
        RTCPeerConnection.prototype.createDataChannel = made;
        const [demo, nothing] = [...other.ports];
        const first = await demo.readable.getReader().read();
        const { reason } = await nothing.closed;
        demo.send('help\n');
        const result = {
          text: new TextDecoder().decode(first.value),
          state: demo.state,
          reason,
          left: other.ports.size,
          before,
        };
        await other.close();
        return result;
      }, daemon.url);
      assert.match(seen.text, /thingway demo device/);
      assert.deepEqual(seen.before, ['thingway', 'demo', 'nothing']);
      assert.deepEqual([seen.state, seen.reason, seen.left], ['open', 'unknown-endpoint', 1]);
    });

    await t.test('a serial line and back, as streams', async () => {
      const back = await page.evaluate(async () => {
        const port = await session.open('arm');
        const writer = port.writable.getWriter();
        await writer.write('G28 ');
        await writer.write(new TextEncoder().encode('X Y\n'));
        writer.releaseLock();
        const reader = port.readable.getReader();
        let heard = '';
        while (!heard.endsWith('\n')) heard += text((await reader.read()).value);
        reader.releaseLock();
        await port.close();
        const end = await port.readable.getReader().read();
        return {
          heard,
          sent: port.bytesSent,
          received: port.bytesReceived,
          state: port.state,
          closed: await port.closed,
          end: end.done,
        };
      });
      assert.deepEqual(back, {
        heard: 'G28 X Y\n',
        sent: 8,
        received: 8,
        state: 'closed',
        closed: { reason: 'closed', detail: 'closed by this page' },
        end: true,
      });
    });

    await t.test('what comes before anybody reads is kept, for a listener as for a reader', async () => {
      const [first, second] = await page.evaluate(async () => {
        const port = await session.open('demo');
        await until('the greeting', () => port.bytesReceived > 0);
        let heard = '';
        port.addEventListener('message', ({ data }) => {
          heard += text(data);
        });
        await until('it is passed on', () => heard.includes('Type help.'));
        await port.close();
        const other = await session.open('demo');
        await until('the greeting', () => other.bytesReceived > 0);
        const { value } = await other.readable.getReader().read();
        await other.close();
        return [heard, text(value)];
      });
      assert.match(first, /Type help\./);
      assert.ok(second.length > 0);
    });

    await t.test('a write waits for the device', async () => {
      slow.pause();
      const standing = await page.evaluate(async () => {
        const port = (window.slow = await session.open('slow'));
        const bytes = Uint8Array.from({ length: 2_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
        window.done = false;
        window.written = (async () => {
          const writer = port.writable.getWriter();
          await writer.write(bytes.subarray(0, 50_000)); // whole
          await writer.write(bytes.subarray(50_000)); // in pieces
          writer.releaseLock();
          window.done = true;
        })();
        window.digest = [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
          .map((b) => b.toString(16).padStart(2, '0'))
          .join('');
        let [before, still] = [-1, 0]; // for how long nothing more went out
        await until('it stands still', () => {
          still = port.bytesSent === before ? still + 1 : 0;
          before = port.bytesSent;
          return still > 100;
        });
        return { sent: port.bytesSent, done };
      });
      // What gateway, kernel and socat hold, about 600 KiB, goes at once; the rest when the device takes it.
      assert.ok(standing.sent > 0 && standing.sent < 1_500_000 && !standing.done, JSON.stringify(standing));
      slow.resume();
      await page.evaluate(() => window.written);
      await until('all is there', () => slow.taken >= 2_000_000);
      assert.equal(slow.taken, 2_000_000);
      assert.equal(slow.hash.copy().digest('hex'), await page.evaluate(() => window.digest));
      const [session] = await daemon.sessions();
      assert.deepEqual(session.channels.find(({ label }) => label === 'slow').drops, []);
    });

    await t.test('send() keeps to credit, and says so', async () => {
      slow.pause();
      const result = await page.evaluate(async () => {
        const port = window.slow;
        const piece = new Uint8Array(16384);
        let sent = 0;
        let still = 0; // for how long nothing could be sent
        await until('it stands still', async () => {
          while (port.send(piece)) [sent, still] = [sent + piece.length, 0];
          return ++still > 100;
        });
        let ready = false;
        const wait = port.sendReady(piece.length).then(() => {
          ready = true;
        });
        // A grant that was on its way comes before the answer to a ping: both are told by the control
        // channel.
        for (let n = 0; n < 3; n++) await session.ping();
        window.readiness = wait;
        return {
          sent,
          left: port.credit,
          ready,
          state: port.state,
          dropped: events.filter(({ type }) => type === 'dropped'),
        };
      });
      assert.ok(result.sent > 100_000 && result.left < 16384, JSON.stringify(result));
      assert.deepEqual([result.ready, result.state, result.dropped], [false, 'open', []]);
      slow.resume();
      await page.evaluate(() => window.readiness);
      await page.evaluate(() => window.slow.close());
    });

    await t.test('a datagram is never cut, and too large is said before it is sent', async () => {
      const result = await page.evaluate(async () => {
        const port = await session.open('udp', { ordered: false, maxRetransmits: 0 });
        const heard = [];
        port.addEventListener('message', ({ data }) => heard.push(data.length));
        port.send(new Uint8Array(9000));
        await until('it is back', () => heard.length);
        let thrown;
        try {
          port.send(new Uint8Array(70_000));
        } catch (error) {
          thrown = error.code;
        }
        const written = await refusal(port.writable.getWriter().write(new Uint8Array(70_000)));
        await port.writable.getWriter().write(new Uint8Array(5)); // a new stream after the error
        await until('it goes on', () => heard.length === 2);
        const { ordered, maxRetransmits } = port.channel;
        await port.close();
        return {
          heard,
          thrown,
          written: written.code,
          name: written.name,
          hint: written.hint,
          ordered,
          maxRetransmits,
        };
      });
      assert.deepEqual(result.heard, [9000, 5]);
      assert.deepEqual(
        [result.thrown, result.written, result.name],
        ['too-large', 'too-large', 'ThingwayError'],
      );
      assert.deepEqual([result.ordered, result.maxRetransmits], [false, 0]);
      assert.match(result.hint, /writable/);
    });

    await t.test('text and bytes keep their type over an echo', async () => {
      const kinds = await page.evaluate(async () => {
        const port = await session.open('echo');
        const heard = [];
        port.addEventListener('message', ({ data }) =>
          heard.push(typeof data === 'string' ? data : [...data]),
        );
        port.send('grüezi');
        port.send(new Uint8Array([1, 2, 3]).subarray(1));
        await until('both', () => heard.length === 2);
        const { bytesSent } = port;
        await port.close();
        return { heard, bytesSent };
      });
      assert.deepEqual(kinds, { heard: ['grüezi', [2, 3]], bytesSent: 9 });
    });

    await t.test('what is refused says why', async () => {
      const result = await page.evaluate(async () => {
        const unknown = await refusal(session.open('nothing'));
        const step = await refusal(session.line('arm', [{ dtr: true }]));
        const script = await refusal(session.line('arm', [{ nonsense: 1 }]));
        const long = await refusal(
          session.line(
            'arm',
            Array.from({ length: 64 }, () => ({ flush: 'x'.repeat(100) })),
          ),
        );
        const lease = await refusal(session.lease.take('arm'));
        return { unknown, step, script, long, lease, ports: session.ports.size };
      });
      assert.equal(result.unknown.code, 'unknown-endpoint');
      assert.match(result.unknown.hint, /endpoints/);
      assert.deepEqual([result.step.code, result.step.step], ['unsupported', 0]);
      assert.equal(result.script.code, 'bad-script');
      assert.equal(result.long.code, 'too-large');
      assert.ok(['no-lease', 'no-channel'].includes(result.lease.code), result.lease.code);
      assert.equal(result.ports, 0);
    });

    await t.test('a line is looked at, set, and set behind the bytes that were sent', async () => {
      const result = await page.evaluate(async () => {
        const looked = await session.line('arm');
        const port = await session.open('arm');
        await port.writable.getWriter().write('x'.repeat(1000));
        const set = await session.line('arm', [{ baud: 57600 }, { format: '7E1' }], { after: 'sent', port });
        await session.line('arm', [{ baud: 115200 }, { format: '8N1' }]);
        await port.close();
        return { looked, set };
      });
      assert.equal(result.looked.baud, 115200);
      assert.equal(result.looked.modem, 'unsupported');
      assert.equal(result.set.baud, 57600);
      await until('all of it, at the other end of the pty', () =>
        arm.received.toString().endsWith('x'.repeat(1000)),
      );
    });

    await t.test('it measures, and tells which path it uses', async () => {
      const result = await page.evaluate(async () => {
        const options = { seconds: 0.3, pings: 10 };
        const { report, ...stats } = await session.stats();
        return {
          plain: await session.measure({ pings: 5 }),
          echo: await session.measure({ endpoint: 'echo', ...options }),
          sink: await session.measure({ endpoint: 'sink', ...options }),
          source: await session.measure({ endpoint: 'source', ...options }),
          other: await refusal(session.measure({ endpoint: 'demo' })),
          stats,
          report: report instanceof RTCStatsReport,
          ping: await session.ping(),
        };
      });
      assert.equal(result.plain.rtt.n, 5);
      assert.equal(result.plain.throughput, undefined);
      // Firefox counts whole milliseconds
      assert.ok(Number.isFinite(result.ping) && result.ping >= 0, `${result.ping}`);
      assert.ok(
        result.echo.throughput.up > 0 && result.echo.throughput.down > 0,
        JSON.stringify(result.echo),
      );
      assert.ok(result.sink.throughput.up > 0, JSON.stringify(result.sink));
      assert.ok(result.source.throughput.down > 0, JSON.stringify(result.source));
      assert.equal(result.other.code, 'bad-request');
      t.diagnostic(JSON.stringify({ ...result, stats: undefined }));
      const { candidatePair, fingerprint, bytesSent, bytesReceived } = result.stats;
      assert.equal(candidatePair.relayed, false);
      assert.equal(candidatePair.protocol, 'udp');
      assert.ok(candidatePair.remote.port > 0);
      assert.match(fingerprint, /^sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
      assert.ok(bytesSent > 1000 && bytesReceived > 1000, JSON.stringify(result.stats));
    });

    await t.test(
      'a device that vanishes is told of, with what it takes along; its port stays open',
      async () => {
        await page.evaluate(async () => {
          events.length = 0;
          window.port = await session.open('slow');
          port.addEventListener('dropped', ({ detail: { port: of, ...rest } }) => {
            window.drop = { same: of === port, ...rest };
          });
        });
        slow.pause();
        // As much as everything on the way holds, and some more, which waits here.
        await page.evaluate(async () => {
          const piece = new Uint8Array(16384);
          let still = 0;
          await until('it stands still', () => {
            while (port.send(piece)) still = 0;
            return ++still > 100;
          });
        });
        await slow.unplug();
        const told = await until('it is told', () =>
          page.evaluate(
            () =>
              events.some(
                ({ type, name: of, state }) => type === 'endpoint' && of === 'slow' && state === 'absent',
              ) && events.find(({ type }) => type === 'lost'),
          ),
        );
        assert.deepEqual(
          { ...told, bytes: told.bytes > 1000 },
          { type: 'lost', endpoint: 'slow', reason: 'unwritten', bytes: true },
        );
        const result = await page.evaluate(async () => {
          const sent = port.send('nobody');
          const drop = await until('it is dropped', () => window.drop?.reason === 'absent' && window.drop);
          const { state } = port;
          const absent = (await refusal(session.line('slow', [{ baud: 9600 }]))).code;
          await port.close();
          return { sent, drop, state, known: session.known.get('slow').state, absent };
        });
        assert.deepEqual(
          { ...result, drop: { ...result.drop, messages: 0, bytes: 0 } },
          {
            sent: true,
            state: 'open',
            known: 'absent',
            absent: 'absent',
            drop: {
              same: true,
              endpoint: 'slow',
              direction: 'from_peer',
              reason: 'absent',
              messages: 0,
              bytes: 0,
            },
          },
        );
      },
    );

    await t.test('what nobody reads ends the port, and nothing else', async () => {
      const result = await page.evaluate(async () => {
        const port = await session.open('source', { readLimit: 100_000 });
        const { readable } = port; // from now on it is kept for this reader
        port.send('send 10000 1000');
        const { reason, error } = await port.closed;
        return {
          reason,
          code: error.code,
          read: (await refusal(readable.getReader().read())).code,
          session: session.state,
        };
      });
      assert.deepEqual(result, { reason: 'lagged', code: 'lagged', read: 'lagged', session: 'connected' });
    });

    await t.test(
      'an endpoint that is configured anew is opened again, and one that is removed is closed',
      async () => {
        const config = (more) =>
          `[http]\nallowed_origins = ["${site.origin}"]\n${demoEndpoint}${probes}${more}`;
        await page.evaluate(async () => {
          window.arm = await session.open('arm');
          window.states = [];
          arm.addEventListener('state', ({ detail }) => states.push(detail.state));
        });
        daemon.configure(config(serialEndpoint('arm', armPath).replace('115200', '9600')));
        daemon.reload();
        await until('it is open again', () => page.evaluate(() => states.join() === 'reopening,open'));
        assert.equal(await page.evaluate(async () => (await session.line('arm')).baud), 9600);
        assert.equal(await page.evaluate(() => session.known.has('slow')), false);
        daemon.configure(config(''));
        daemon.reload();
        assert.equal(await page.evaluate(async () => (await arm.closed).reason), 'removed');
        await until('it is told', () =>
          page.evaluate(() =>
            events.some(
              ({ type, name: of, state }) => type === 'endpoint' && of === 'arm' && state === 'removed',
            ),
          ),
        );
        assert.equal(await page.evaluate(() => session.state), 'connected');
      },
    );

    await t.test('closing ends it here and there', async () => {
      const result = await page.evaluate(async () => {
        const port = await session.open('demo');
        const reader = port.readable.getReader();
        await session.close();
        while (!(await reader.read()).done);
        return {
          state: session.state,
          port: await port.closed,
          closed: await session.closed,
          open: await refusal(session.open('demo')),
        };
      });
      assert.equal(result.state, 'closed');
      assert.equal(result.port.reason, 'session-closed');
      assert.equal(result.closed.reason, 'closed');
      assert.equal(result.open.code, 'session-closed');
      assert.deepEqual(await daemon.sessions(), [], 'at once, by DELETE');
    });
  });
}
