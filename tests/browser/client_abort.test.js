// The client library while a device takes nothing: what ends an attempt to write, and what still gets through
// to the line.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { library } from './lib/datachannel.js';
import { SerialDevice } from './lib/devices.js';
import { pty } from './lib/library.js';
import { programs } from './lib/programs.js';
import { testBound, until } from './lib/until.js';

/** A program with a session to the endpoint `slow`, whose device takes nothing. */
async function startSlow(t, start) {
  const path = pty('slow');
  const slow = await SerialDevice.plugIn(t, path);
  const { run } = await start(t, serialEndpoint('slow', path));
  slow.pause();
  return { run, slow };
}

const modemCalls = (trace) => readFileSync(trace, 'utf8').match(/TIOCMBI[SC], \[\w+\]/g) ?? [];

for (const [name, start] of Object.entries(programs)) {
  test(`${name}: aborting, closing and forgetting end at once while the device takes nothing`, {
    timeout: testBound,
  }, async (t) => {
    const { run } = await startSlow(t, start);

    await t.test('the abort of a write', async () => {
      const result = await run(async ({ session, still, soon, settled }) => {
        const port = await session.open('slow');
        const stream = port.writable;
        const writer = stream.getWriter();
        const writes = [writer.write(new Uint8Array(2_000_000)), writer.write('behind it')].map(settled);
        await still(port);
        const ended = await soon(writer.abort('why'));
        const [first, second] = await soon(Promise.all(writes));
        const seen = {
          ended,
          code: first.code,
          cause: first.cause,
          all: first.bytesUnsent + port.bytesSent,
          mayBeLost: first.bytesMayBeLost > 0,
          second,
          isFresh: port.writable !== stream,
          state: port.state,
        };
        await port.close();
        return seen;
      });
      assert.deepEqual(result, {
        ended: undefined,
        code: 'aborted',
        cause: 'why',
        all: 2_000_000,
        mayBeLost: true,
        second: 'why',
        isFresh: true,
        state: 'open',
      });
    });

    await t.test('close() of a port that a stream is piped to', async () => {
      const result = await run(async ({ session, still, soon, settled }) => {
        const port = await session.open('slow');
        const piping = settled(new Blob([new Uint8Array(2_000_000)]).stream().pipeTo(port.writable));
        await still(port);
        await soon(port.close());
        return (await soon(piping)).code;
      });
      assert.equal(result, 'port-closed');
    });

    await t.test('close() of a serial port with a write in progress', async () => {
      const result = await run(async ({ session, createSerial, still, soon, settled }) => {
        const port = await createSerial(session).requestPort();
        await port.open({ baudRate: 115200 });
        const writer = port.writable.getWriter();
        const writing = settled(writer.write(new Uint8Array(2_000_000)));
        writer.releaseLock();
        await still([...session.ports][0]);
        await soon(port.close());
        return { write: (await soon(writing)).name, writable: port.writable, ports: session.ports.size };
      });
      assert.deepEqual(result, { write: 'NetworkError', writable: null, ports: 0 });
    });

    await t.test('forget() of a serial port whose streams are locked', async () => {
      const result = await run(async ({ session, createSerial, still, soon, settled }) => {
        const port = await createSerial(session).requestPort();
        await port.open({ baudRate: 115200 });
        const reading = settled(port.readable.getReader().read());
        const writing = settled(port.writable.getWriter().write(new Uint8Array(2_000_000)));
        await still([...session.ports][0]);
        await soon(port.forget());
        return {
          read: (await soon(reading)).name,
          write: (await soon(writing)).name,
          ports: session.ports.size,
          again: (await settled(port.close())).name,
        };
      });
      assert.deepEqual(result, {
        read: 'InvalidStateError',
        write: 'NetworkError',
        ports: 0,
        again: 'InvalidStateError',
      });
    });

    await t.test('abort() of a stream that is being closed', async () => {
      const result = await run(async ({ session, createSerial, soon, settled }) => {
        const port = await createSerial(session).requestPort();
        await port.open({ baudRate: 115200 });
        const writer = port.writable.getWriter();
        await writer.write(new Uint8Array(100_000));
        let isClosed = false;
        const closing = settled(writer.close()).then(() => {
          isClosed = true;
        });
        for (let n = 0; n < 3; n++) await session.ping();
        const waits = !isClosed && port.writable !== null;
        await soon(writer.abort());
        await soon(closing);
        writer.releaseLock();
        await soon(port.close());
        return { waits, ports: session.ports.size };
      });
      assert.deepEqual(result, { waits: true, ports: 0 });
    });
  });

  test(`${name}: what the gateway is asked while the device takes nothing, and what a normal end leaves alone`, {
    timeout: testBound,
  }, async (t) => {
    const { run, slow } = await startSlow(t, start);
    const { scripts, expected } = await run(
      async ({ session, connect, createSerial, connectOptions, soon }) => {
        const scripts = [];
        class Peer extends (connectOptions.RTCPeerConnection ?? RTCPeerConnection) {
          createDataChannel(label, init) {
            const channel = super.createDataChannel(label, init);
            const send = channel.send.bind(channel);
            channel.send = (data) => {
              if (label === 'thingway' && data.includes('"line"')) scripts.push(JSON.parse(data));
              send(data);
            };
            return channel;
          }
        }
        const other = await connect(session.url, { RTCPeerConnection: Peer });
        const port = await other.open('slow');
        const writer = port.writable.getWriter();
        await writer.write('to be thrown away');
        await soon(writer.abort());
        const expected = { channel: port.channel.id, discard: port.offset };
        const serial = await createSerial(other, { missingSignals: 'ignore' }).requestPort();
        await serial.open({ baudRate: 115200 });
        await soon(serial.setSignals({ requestToSend: true }, { overtake: true }));
        await other.close();
        return { expected, scripts: scripts.map(({ id, type, ...rest }) => rest) };
      },
    );
    const [discarding, , overtaking] = scripts;
    assert.deepEqual(discarding, { endpoint: 'slow', ...expected, do: [{ flush: 'output' }] });
    assert.equal(expected.discard, 17);
    const { channel, ...rest } = overtaking;
    assert.deepEqual(rest, { endpoint: 'slow', overtake: true, do: [{ rts: true }] });

    await run(async ({ session, soon }) => {
      const port = await session.open('slow');
      const writer = port.writable.getWriter();
      await writer.write(new Uint8Array(250_000).fill(65));
      await writer.close();
      await soon(port.close());
    });
    const written = () => slow.received.filter((byte) => byte === 65).length;
    assert.equal(written(), 0);
    slow.resume();
    await until('what was written before a normal end is there', () => written() === 250_000);
  });

  test(`${name}: setSignals overtakes a write that waits, when it is told to`, {
    timeout: testBound,
  }, async (t) => {
    const path = pty('board');
    const board = await SerialDevice.plugIn(t, path);
    const trace = `${temporaryDirectory()}/trace`;
    const { run } = await start(t, serialEndpoint('board', path), { trace });
    board.pause();
    await run(async ({ session, createSerial, still, soon, keep }) => {
      const port = (keep.port = await createSerial(session, { missingSignals: 'ignore' }).requestPort());
      await port.open({ baudRate: 115200 });
      keep.writing = port.writable.getWriter().write(new Uint8Array(1_000_000));
      await still([...session.ports][0]);
      await soon(port.setSignals({ dataTerminalReady: true }, { overtake: true }));
    });
    assert.deepEqual(modemCalls(trace), ['TIOCMBIS, [TIOCM_DTR]'], 'while the write waits');
    await run(async ({ session, keep }) => {
      keep.isSet = false;
      keep.setting = keep.port.setSignals({ dataTerminalReady: false }).then(() => {
        keep.isSet = true;
      });
      for (let n = 0; n < 3; n++) await session.ping();
    });
    assert.equal(await run(({ keep }) => keep.isSet), false, 'one that was not told to waits');
    board.resume();
    await run(({ keep }) => Promise.all([keep.writing, keep.setting]).then(() => {}));
    assert.deepEqual(modemCalls(trace), ['TIOCMBIS, [TIOCM_DTR]', 'TIOCMBIC, [TIOCM_DTR]']);
    await until('nothing of the write is lost', () => board.received.length === 1_000_000);
  });
}

test('the library lets the process end', () => library.cleanup());
