// What was aborted while a device took nothing never reaches it: the gateway discards what it holds of that
// (`discard` in a `line` message).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serialEndpoint } from './lib/daemon.js';
import { library } from './lib/datachannel.js';
import { SerialDevice } from './lib/devices.js';
import { pty } from './lib/library.js';
import { programs } from './lib/programs.js';
import { testBound, until } from './lib/until.js';

/**
 * Two ways to write more than the gateway takes and to end that. Each gives the channel that it writes on,
 * and a function that ends it.
 */
const ways = {
  'the abort of a writable': async ({ session }) => {
    const port = await session.open('slow');
    const writer = port.writable.getWriter();
    const writing = writer.write(new Uint8Array(2_000_000).fill(65)).catch(() => {});
    return { port, end: () => Promise.all([writer.abort(), writing]) };
  },
  'the close of a serial port': async ({ session, createSerial }) => {
    const serialPort = await createSerial(session).requestPort();
    await serialPort.open({ baudRate: 115200 });
    const writer = serialPort.writable.getWriter();
    const writing = writer.write(new Uint8Array(2_000_000).fill(65)).catch(() => {});
    writer.releaseLock();
    return { port: [...session.ports][0], end: () => Promise.all([serialPort.close(), writing]) };
  },
};

for (const [name, start] of Object.entries(programs)) {
  for (const [way, writeAndEnd] of Object.entries(ways)) {
    test(`${name}: ${way} keeps from the device what has not left the gateway`, {
      timeout: testBound,
    }, async (t) => {
      const path = pty('slow');
      const slow = await SerialDevice.plugIn(t, path);
      const { run, begin, daemon } = await start(t, serialEndpoint('slow', path));
      const held = async () => (await daemon.get('/endpoints/slow')).queued_bytes;
      slow.pause();
      await begin(writeAndEnd);
      const sent = await run(async ({ session, keep, still }) => {
        await still(keep.begun.port);
        for (let n = 0; n < 3; n++) await session.ping();
        return keep.begun.port.bytesSent;
      });
      const left = sent - (await held()); // the kernel has these
      assert.ok(
        left < 100_000 && sent - left > 300_000,
        `${sent} bytes were sent, and ${left} have left the gateway`,
      );
      await run(({ keep, soon }) => soon(keep.begun.end()).then(() => {}));
      await until('the gateway holds nothing of it', async () => (await held()) === 0);
      // The credit is back, and what is written now arrives.
      await run(async ({ session, keep, soon }) => {
        const { port } = keep.begun;
        const next = port.state === 'open' ? port : await session.open('slow');
        await soon(next.writable.getWriter().write('the next'));
      });
      slow.resume();
      await until('what was written afterwards is there', () => slow.received.includes('the next'));
      const aborted = slow.received.filter((byte) => byte === 65).length;
      assert.ok(aborted <= left, `${aborted} of the bytes arrived; ${left} had left the gateway`);
    });
  }

  test(`${name}: setSignals that is told to overtakes one that waits`, { timeout: testBound }, async (t) => {
    const path = pty('board');
    const board = await SerialDevice.plugIn(t, path);
    const { run } = await start(t, serialEndpoint('board', path));
    board.pause();
    await run(async ({ session, createSerial, keep, still, soon }) => {
      const port = await createSerial(session, { missingSignals: 'ignore' }).requestPort();
      await port.open({ baudRate: 115200 });
      const writing = port.writable.getWriter().write(new Uint8Array(1_000_000));
      await still([...session.ports][0]);
      const waiting = port.setSignals({ dataTerminalReady: false });
      await soon(port.setSignals({ dataTerminalReady: true }, { overtake: true }));
      keep.rest = Promise.all([writing, waiting]).then(() => {});
    });
    board.resume();
    await run(({ keep }) => keep.rest);
  });
}

test('the library lets the process end', () => library.cleanup());
