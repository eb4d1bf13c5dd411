// thingway/serial keeps to the letter of the Web Serial API: arguments, events, and what happens to a page
// that reads too slowly.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { library } from './lib/datachannel.js';
import { SerialDevice } from './lib/devices.js';
import { pty } from './lib/library.js';
import { programs } from './lib/programs.js';
import { testBound, until } from './lib/until.js';

for (const [name, start] of Object.entries(programs)) {
  test(`${name}: arguments are converted as Web IDL says`, { timeout: testBound }, async (t) => {
    const path = pty('arm');
    await SerialDevice.plugIn(t, path);
    const trace = `${temporaryDirectory()}/trace`;
    const { run } = await start(t, serialEndpoint('arm', path), { trace });
    const seen = await run(async ({ session, createSerial, settled }) => {
      const serial = createSerial(session, { missingSignals: 'ignore' });
      const port = await serial.requestPort();
      const faults = async (calls) =>
        (await Promise.all(calls.map((call) => settled(call())))).map((error) => error?.name ?? 'none');
      const seen = {
        refused: await faults([
          () => port.open(),
          () => port.open(9600),
          () => port.open(null),
          () => port.open({ baudRate: 'fast' }),
          () => port.open({ baudRate: -1 }),
          () => port.open({ baudRate: 0.9 }),
          () => port.open({ baudRate: 2 ** 32 }),
          () => port.open({ baudRate: 1n }),
          () => port.open({ baudRate: NaN }),
          () => port.open({ baudRate: 9600, dataBits: 264 }),
          () => port.open({ baudRate: 9600, parity: 'EVEN' }),
          () => port.open({ baudRate: 9600, flowControl: null }),
          () => port.open({ baudRate: 9600, bufferSize: 0.5 }),
          () => port.setSignals(5),
          () => serial.requestPort(5),
          () => serial.requestPort({ filters: 5 }),
          () => serial.requestPort({ filters: [{}] }),
          () => serial.requestPort({ filters: [{ usbProductId: 1 }] }),
          () => serial.requestPort({ filters: [{ usbVendorId: 1, bluetoothServiceClassId: 1 }] }),
        ]),
      };
      seen.taken = await faults([
        () => serial.requestPort({ filters: [{ usbVendorId: 1 }, { bluetoothServiceClassId: 1 }] }),
        () => serial.requestPort(null),
      ]);
      await port.open({
        baudRate: '57600.9',
        dataBits: '8',
        stopBits: true,
        parity: { toString: () => 'none' },
        flowControl: undefined,
        bufferSize: [255],
      });
      seen.baud = (await session.line('arm')).baud;
      // The arguments come first, and only then the state of the port.
      seen.open = await faults([
        () => port.open({}),
        () => port.open({ baudRate: 9600 }),
        () => port.setSignals(),
        () => port.setSignals({ break: undefined }),
      ]);
      await port.setSignals({ dataTerminalReady: 1, requestToSend: null });
      await port.setSignals({ break: 1 });
      await port.setSignals({ break: '' });
      await port.close();
      seen.closed = await faults([
        () => port.setSignals({ break: 1 }),
        () => port.getSignals(),
        () => port.close(),
      ]);
      return seen;
    });
    assert.deepEqual(seen, {
      refused: Array(19).fill('TypeError'),
      taken: ['none', 'none'],
      baud: 57600,
      open: ['TypeError', 'InvalidStateError', 'TypeError', 'TypeError'],
      closed: Array(3).fill('InvalidStateError'),
    });
    const calls = readFileSync(trace, 'utf8');
    assert.match(calls, /TIOCMGET/, 'one line up and one down at once begins with a look at both');
    assert.match(calls, /TIOCSBRK[\s\S]*TIOCCBRK/);
  });

  test(`${name}: events come for ports that come or go, and for nothing else`, {
    timeout: testBound,
  }, async (t) => {
    const [armPath, otherPath] = [pty('arm'), pty('other')];
    const plug = {
      arm: () => SerialDevice.plugIn(t, armPath),
      other: () => SerialDevice.plugIn(t, otherPath),
    };
    const [arm, other] = [await plug.arm(), await plug.other()];
    const { run, daemon } = await start(
      t,
      `${demoEndpoint}${serialEndpoint('arm', armPath)}${serialEndpoint('other', otherPath)}`,
    );
    await run(async ({ session, createSerial, connectOptions, keep }) => {
      keep.told = [];
      keep.states = [];
      session.addEventListener('endpoint', ({ detail }) =>
        keep.states.push(`${detail.name} ${detail.state}`),
      );
      const filter = ({ name: of, kind }) => kind === 'serial' && of !== 'other';
      keep.serial = createSerial({ url: session.url, ...connectOptions }, { filter });
      const [port] = await keep.serial.getPorts();
      const note = (event) =>
        keep.told.push(
          [
            event.currentTarget === port ? 'port' : 'serial',
            event.type,
            event.target === port,
            event.bubbles,
          ].join(' '),
        );
      for (const target of [port, keep.serial]) target.onconnect = target.ondisconnect = note;
    });
    await other.unplug();
    await arm.unplug();
    await plug.other();
    await plug.arm();
    await until('all of it is told', () =>
      run(({ keep }) =>
        ['arm', 'other'].every(
          (of) => keep.states.includes(`${of} absent`) && keep.states.includes(`${of} open`),
        ),
      ),
    );
    const pair = (type) => [`port ${type} true true`, `serial ${type} true true`];
    await until('the port has come back', () => run(({ keep }) => keep.told.length >= 4));
    assert.deepEqual(await run(({ keep }) => keep.told), [...pair('disconnect'), ...pair('connect')]);

    // Another session of the same object: what it has is connected, and that is told.
    const mine = await run(({ session }) => session.id);
    const [its] = (await daemon.sessions()).filter(({ id }) => id !== mine);
    await fetch(`${daemon.url}/sessions/${its.id}`, { method: 'DELETE' });
    await until('the session has ended', () => run(({ keep }) => keep.told.length >= 6));
    const again = await run(async ({ keep }) =>
      (await keep.serial.getPorts()).map(({ endpoint, connected }) => `${endpoint} ${connected}`),
    );
    assert.deepEqual(again, ['arm true']);
    assert.deepEqual((await run(({ keep }) => keep.told)).slice(4), [
      ...pair('disconnect'),
      ...pair('connect'),
    ]);
    // That session would come back for ever, and keep Node from ending: what an administrator ends does not.
    for (const { id } of await daemon.sessions())
      if (id !== mine) await fetch(`${daemon.url}/sessions/${id}`, { method: 'DELETE' });
    await until('it has ended', () => run(({ keep }) => keep.told.length >= 7));
  });

  test(`${name}: what is not read in time ends one stream, and the port goes on`, {
    timeout: testBound,
  }, async (t) => {
    const path = pty('fast');
    const device = await SerialDevice.plugIn(t, path);
    const { run } = await start(t, serialEndpoint('fast', path));
    await run(async ({ session, createSerial, keep }) => {
      const serial = createSerial(session);
      const port = (keep.port = await serial.requestPort());
      await port.open({ baudRate: 115200 });
      keep.told = [];
      serial.onconnect = serial.ondisconnect = ({ type }) => keep.told.push(type);
      const channel = [...session.ports][0];
      keep.received = () => channel.bytesReceived;
      keep.first = port.readable;
      keep.reader = keep.first.getReader();
      keep.reader.closed.catch(({ name: of }) => {
        keep.failure = { name: of, after: channel.bytesReceived };
      });
    });
    // At the pace of the connection: what the gateway cannot pass on is another matter, see the next test.
    const piece = Buffer.alloc(60_000, 120);
    for (let sent = piece.length; ; sent += piece.length) {
      device.write(piece);
      await run(
        ({ until: wait, keep }, wanted) => wait('it is received', () => keep.received() >= wanted),
        sent,
      );
      if (sent > 18_000_000) break;
    }
    const failure = await run(({ keep }) => keep.failure);
    const limit = 16 * 1024 * 1024;
    assert.equal(failure?.name, 'BufferOverrunError');
    assert.ok(failure.after > limit && failure.after < limit + 100_000, `after ${failure.after} bytes`);
    device.write('the end');
    const after = await run(async ({ keep }) => {
      const read = (await keep.reader.read().catch((error) => error)).name;
      const isFresh = keep.port.readable !== keep.first;
      const reader = keep.port.readable.getReader();
      let [text, bytes] = ['', 0];
      while (!text.endsWith('the end')) {
        const { value } = await reader.read();
        bytes += value.length;
        text = (text + new TextDecoder().decode(value)).slice(-20);
      }
      reader.releaseLock();
      return { read, isFresh, bytes: bytes + keep.failure.after - keep.received(), told: keep.told };
    });
    const { bytes, ...others } = after;
    assert.deepEqual(others, { read: 'BufferOverrunError', isFresh: true, told: [] });
    assert.ok(bytes >= 0 && bytes < 100_000, 'the new stream begins where the other one failed');
    await run(({ keep }) => keep.port.close());
  });

  test(`${name}: a gateway that closes the channel of a slow page has not lost the device`, {
    timeout: testBound,
  }, async (t) => {
    const path = pty('fast');
    const device = await SerialDevice.plugIn(t, path);
    const { run, daemon } = await start(t, serialEndpoint('fast', path));
    await run(async ({ session, createSerial, keep }) => {
      const serial = createSerial(session);
      const port = (keep.port = await serial.requestPort());
      await port.open({ baudRate: 115200 });
      keep.told = [];
      serial.onconnect = serial.ondisconnect = ({ type }) => keep.told.push(type);
      session.addEventListener('closed', ({ detail }) => {
        keep.reason = detail.reason;
      });
      const reader = port.readable.getReader();
      (async () => {
        while (!(await reader.read()).done);
      })().catch(({ name: of }) => {
        keep.failure = of;
      });
    });
    // Much more at once than the gateway keeps for a slow page, and again while the page is fast enough. The
    // channel may be closed more than once, and with it goes what is on its way to the gateway, so the flood
    // has to be over before something is written.
    const flood = Buffer.alloc(30_000_000, 120);
    for (let floods = 1; !(await run(({ keep }) => keep.failure)); floods++) {
      device.write(flood);
      await until(
        'the flood is over',
        async () => (await daemon.get('/endpoints/fast')).from_device.bytes === floods * flood.length,
      );
    }
    assert.equal(await run(({ keep }) => keep.failure), 'BufferOverrunError');
    assert.deepEqual(await run(({ keep }) => [keep.reason, keep.told]), ['lagged', []]);
    const goesOn = await run(async ({ session, keep }) => {
      for (let n = 0; n < 3; n++) await session.ping();
      const writer = keep.port.writable.getWriter();
      await writer.write(new TextEncoder().encode('still here'));
      writer.releaseLock();
      return [keep.told.length, keep.port.connected];
    });
    assert.deepEqual(goesOn, [0, true]);
    await until('the device has it', () => device.received.toString() === 'still here');
    await run(({ keep }) => keep.port.forget());
  });
}

test('the library lets the process end', () => library.cleanup());
