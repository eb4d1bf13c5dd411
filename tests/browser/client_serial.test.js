// thingway/serial: programs that were written for navigator.serial, with the lines of a gateway.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers, chromium } from './lib/browsers.js';
import { serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { EspRom } from './lib/esp_rom.js';
import { openConnected, pty, startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

test('chromium: esptool-js, unmodified, finds an ESP32, starts its loader and writes flash', {
  timeout: testBound,
}, async (t) => {
  const site = await startLibrarySite(t);
  const path = pty('esp');
  const rom = new EspRom();
  const board = await SerialDevice.plugIn(t, path, { hears: rom.hears });
  // scrollback, which no real port has
  board.write('rst:0x1 (POWERON_RESET)\r\nwaiting for download\r\n'.repeat(20));
  const trace = `${temporaryDirectory()}/trace`;
  const daemon = await startDaemonFor(t, site, serialEndpoint('esp', path), { trace });
  await until('the past is there', async () => (await daemon.get('/endpoints/esp')).from_device.bytes > 900);
  const page = await openConnected(await chromium(t), site, daemon.url);
  const image = Array.from({ length: 100_000 }, (_, i) => ((i * 2654435761) >>> 13) & 255);
  const result = await page
    .evaluate(async (bytes) => {
      const { createSerial } = await import('/thingway/serial/index.js');
      const { ESPLoader, Transport } = await import('/modules/esptool-js/bundle.js');
      const serial = createSerial(session, { missingSignals: 'ignore' });
      const port = await serial.requestPort();
      const transport = new Transport(port, false);
      let printed = '';
      const terminal = {
        clean() {},
        write(text) {
          printed += text;
        },
        writeLine(line) {
          printed += `${line}\n`;
        },
      };
      const loader = new ESPLoader({ transport, baudrate: 460800, romBaudrate: 115200, terminal });
      const chip = await loader.main();
      const began = performance.now();
      await loader.writeFlash({
        fileArray: [{ data: Uint8Array.from(bytes), address: 0x10000 }],
        flashMode: 'keep',
        flashFreq: 'keep',
        flashSize: 'keep',
        eraseAll: false,
        compress: true,
      });
      const ms = performance.now() - began;
      const md5 = await loader.flashMd5sum(0x10000, bytes.length);
      const { baud } = await session.line('esp');
      await loader.after('hard_reset');
      await transport.disconnect();
      return {
        chip,
        printed,
        ms,
        md5,
        baud,
        ports: session.ports.size,
        readable: port.readable,
        endpoint: port.endpoint,
      };
    }, image)
    .catch((error) => {
      throw new Error(`${error}\n${rom.faults}\n${rom.seen}\n${daemon.log}`);
    });
  assert.match(result.chip, /^ESP32-/);
  assert.match(result.printed, /Crystal is 40MHz/);
  assert.match(result.printed, /Stub running/i);
  assert.deepEqual(rom.faults, []);
  assert.deepEqual([...rom.flash.get(0x10000)], image);
  assert.match(result.md5, /^[0-9a-f]{32}$/);
  assert.equal(result.baud, 460800);
  assert.deepEqual([result.ports, result.readable, result.endpoint], [0, null, 'esp']);
  t.diagnostic(`100,000 bytes in ${Math.round(result.ms)} ms`);

  // The classic reset changes one line up and one down at once, which begins with a look (TIOCMGET) and ends
  // there at a pty; its last step takes both down.
  assert.deepEqual(
    modemCalls(trace)
      .filter((call) => !call.startsWith('TIOCMGET'))
      .slice(0, 1),
    ['TIOCMBIC, [TIOCM_DTR|TIOCM_RTS]'],
  );
  assert.ok(modemCalls(trace).filter((call) => call.startsWith('TIOCMGET')).length >= 2);
});

/** What the daemon has tried at modem lines; a pty's driver has none, and says so. */
const modemCalls = (trace) =>
  readFileSync(trace, 'utf8')
    .split('\n')
    .map((line) => /ioctl\(\d+, (TIOCM\w+, (\[.*\]|\w+))\)/.exec(line)?.[1])
    .filter(Boolean);

test('chromium: the dance of DTR and RTS of esptool-js, read from the daemon, in order with what is written', {
  timeout: testBound,
}, async (t) => {
  const site = await startLibrarySite(t);
  const path = pty('esp');
  const board = await SerialDevice.plugIn(t, path);
  const trace = `${temporaryDirectory()}/trace`;
  const daemon = await startDaemonFor(t, site, serialEndpoint('esp', path), { trace });
  const page = await openConnected(await chromium(t), site, daemon.url);
  await page.evaluate(async () => {
    const { createSerial } = await import('/thingway/serial/index.js');
    const { Transport, UsbJtagSerialReset } = await import('/modules/esptool-js/bundle.js');
    const [port] = await createSerial(session, { missingSignals: 'ignore' }).getPorts();
    const transport = new Transport(port);
    await transport.connect(115200);
    await new UsbJtagSerialReset(transport).reset();
    await transport.disconnect();
  });
  const rts = (on) => `${on ? 'TIOCMBIS' : 'TIOCMBIC'}, [TIOCM_RTS]`;
  const dtr = (on) => `${on ? 'TIOCMBIS' : 'TIOCMBIC'}, [TIOCM_DTR]`;
  // Each change of RTS is followed by DTR as it is: what the tool does for adapters that would not send it
  // otherwise.
  const dance = [
    rts(0),
    dtr(0),
    dtr(0),
    dtr(1),
    rts(0),
    dtr(1),
    rts(1),
    dtr(1),
    dtr(0),
    rts(1),
    dtr(0),
    rts(0),
    dtr(0),
    dtr(0),
  ];
  const calls = await until('the dance is over', () => {
    const seen = modemCalls(trace).filter((call) => !call.startsWith('TIOCMGET'));
    return seen.length >= dance.length && seen;
  });
  assert.deepEqual(calls, dance);
  assert.equal(board.received.length, 0);

  // Behind what was written: while the board takes nothing, the line does not change.
  board.pause();
  await page.evaluate(async () => {
    const { createSerial } = await import('/thingway/serial/index.js');
    const port = (window.port = await createSerial(session, { missingSignals: 'ignore' }).requestPort());
    await port.open({ baudRate: 115200 });
    const writer = port.writable.getWriter();
    await writer.write(new Uint8Array(100_000));
    writer.releaseLock();
    window.set = false;
    window.setting = port.setSignals({ dataTerminalReady: true }).then(() => {
      window.set = true;
    });
    for (let n = 0; n < 3; n++) await session.ping(); // the gateway has heard of it
  });
  assert.equal(await page.evaluate(() => set), false);
  assert.equal(modemCalls(trace).filter((call) => !call.startsWith('TIOCMGET')).length, dance.length);
  board.resume();
  await page.evaluate(() => setting);
  assert.equal(
    modemCalls(trace)
      .filter((call) => !call.startsWith('TIOCMGET'))
      .at(-1),
    dtr(1),
  );
  await until('every byte has arrived', () => board.received.length === 100_000);

  // A session that ends is a device that is lost.
  await page.evaluate(() => {
    window.told = [];
    port.ondisconnect = () => told.push('disconnect');
    window.reading = port.readable
      .getReader()
      .read()
      .catch(({ name }) => name);
    return session.close();
  });
  assert.deepEqual(await page.evaluate(async () => [await reading, told, port.connected]), [
    'NetworkError',
    ['disconnect'],
    false,
  ]);
});

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: ports behave as the Web Serial API says`, { timeout: testBound }, async (t) => {
    const site = await startLibrarySite(t);
    const path = pty('arm');
    let arm = await SerialDevice.plugIn(t, path, { echo: true });
    arm.write('from the past\n');
    const trace = `${temporaryDirectory()}/trace`;
    const daemon = await startDaemonFor(
      t,
      site,
      `${serialEndpoint('arm', path)}${serialEndpoint('other', `${path}-none`)}`,
      { trace },
    );
    const page = await openConnected(await launch(t), site, daemon.url);
    const result = await page.evaluate(async () => {
      const { createSerial, SerialPort } = await import('/thingway/serial/index.js');
      const fault = async (promise) => {
        try {
          await promise;
        } catch (error) {
          return error.name;
        }
        return 'none';
      };
      window.serial = createSerial(session);
      const ports = await serial.getPorts();
      const port = (window.port = ports.find(({ endpoint }) => endpoint === 'arm'));
      const seen = {
        count: ports.length,
        same: (await serial.getPorts()).includes(port),
        type: port instanceof SerialPort,
        info: port.getInfo(),
        connected: ports.map((p) => p.connected),
      };
      seen.none = await fault(createSerial(session, { choose: () => null }).requestPort());
      seen.before = [
        port.readable,
        port.writable,
        await fault(port.setSignals({ dataTerminalReady: true })),
        await fault(port.getSignals()),
        await fault(port.close()),
      ];
      seen.options = [];
      for (const bad of [
        {},
        { baudRate: 0 },
        { baudRate: 9600, dataBits: 9 },
        { baudRate: 9600, stopBits: 3 },
        { baudRate: 9600, parity: 'mark' },
        { baudRate: 9600, bufferSize: 0 },
        { baudRate: 9600, flowControl: 'x' },
      ])
        seen.options.push(await fault(port.open(bad)));
      await port.open({ baudRate: 19200, dataBits: 7, parity: 'even', stopBits: 2 });
      const { baud, format } = await session.line('arm');
      seen.line = [baud, format];
      seen.twice = await fault(port.open({ baudRate: 9600 }));
      seen.signals = [
        await fault(port.setSignals({ dataTerminalReady: true })),
        await fault(port.setSignals({})),
        await fault(port.getSignals()),
      ];

      const reader = port.readable.getReader({ mode: 'byob' });
      const writer = port.writable.getWriter();
      await writer.write(new TextEncoder().encode('hello'));
      let heard = '';
      while (heard.length < 5) heard += text((await reader.read(new Uint8Array(2))).value);
      seen.heard = heard;
      seen.locked = await fault(port.close());
      seen.chunk = await fault(writer.write('text'));
      writer.releaseLock();
      const second = port.writable.getWriter();
      await second.write(new Uint8Array([33]));
      await second.close();
      seen.closed = port.writable !== null;
      await reader.cancel();
      reader.releaseLock();
      const again = port.readable.getReader();
      await port.writable.getWriter().write(new TextEncoder().encode('again'));
      heard = '';
      while (!heard.includes('again')) heard += text((await again.read()).value);
      again.releaseLock();

      // The break is as long as the page wanted, and no longer than the two calls took by the page's own
      // clock.
      seen.breaks = await fault(
        (async () => {
          const began = performance.now();
          await port.setSignals({ break: true });
          const set = performance.now();
          await sleep(120);
          seen.atLeast = performance.now() - set;
          await port.setSignals({ break: false });
          seen.atMost = performance.now() - began;
        })(),
      );
      return seen;
    });
    const { atLeast, atMost, ...others } = result;
    assert.deepEqual(
      { ...others, breaks: undefined },
      {
        count: 2,
        same: true,
        type: true,
        info: {},
        connected: [true, false],
        none: 'NotFoundError',
        before: [null, null, 'InvalidStateError', 'InvalidStateError', 'InvalidStateError'],
        options: Array(7).fill('TypeError'),
        line: [19200, '8N2'],
        twice: 'InvalidStateError',
        signals: ['NetworkError', 'TypeError', 'NetworkError'],
        heard: 'hello',
        locked: 'TypeError',
        chunk: 'TypeError',
        closed: true,
        breaks: undefined,
      },
    );
    // The driver of a pty keeps to 8N, whatever it is told: what it was told is in the trace.
    assert.match(readFileSync(trace, 'utf8'), /c_cflag=[^}]*CS7\|CSTOPB\|[^}]*PARENB/);
    const breaks = readFileSync(trace, 'utf8').match(/^.*TIOC[SC]BRK.*$/gm);
    const [began, ended] = breaks.map((line) => Number(/\d+\.\d+/.exec(line)[0]) * 1000);
    assert.match(breaks.join(), /TIOCSBRK.*TIOCCBRK/);
    const rounding = 5; // ms, of the clocks of two browsers
    assert.ok(
      ended - began >= atLeast - rounding && ended - began <= atMost + rounding,
      `a break of ${ended - began} ms, and not between ${atLeast} and ${atMost}`,
    );
    assert.equal(result.breaks, 'none');

    // Unplugged and plugged in again.
    await page.evaluate(() => {
      window.told = [];
      port.onconnect = port.ondisconnect = ({ type }) => told.push(`port ${type}`);
      serial.onconnect = serial.ondisconnect = ({ type, target }) =>
        told.push(`serial ${type} ${target.endpoint}`);
      const { readable } = port;
      window.lost = readable
        .getReader()
        .read()
        .then(
          () => 'read',
          (error) => error.name,
        );
    });
    await arm.unplug();
    assert.equal(await page.evaluate(() => lost), 'NetworkError');
    assert.deepEqual(
      await page.evaluate(async () => {
        const state = [told, port.connected, port.readable, port.writable];
        await port.close();
        return [...state, await port.open({ baudRate: 9600 }).catch(({ name: of }) => of)];
      }),
      [['port disconnect', 'serial disconnect arm'], false, null, null, 'NetworkError'],
    );
    arm = await SerialDevice.plugIn(t, path, { echo: true });
    await until('it is told', () => page.evaluate(() => told.length === 4));
    const back = await page.evaluate(async () => {
      await port.open({ baudRate: 9600 });
      await port.writable.getWriter().write(new Uint8Array([65]));
      const { value } = await port.readable.getReader().read();
      await port.forget();
      return {
        told,
        value: [...value],
        connected: port.connected,
        other: (await serial.getPorts()).includes(port),
        open: await port.open({ baudRate: 9600 }).catch(({ name: of }) => of),
      };
    });
    assert.deepEqual(back, {
      told: ['port disconnect', 'serial disconnect arm', 'port connect', 'serial connect arm'],
      value: [65],
      connected: false,
      other: false,
      open: 'InvalidStateError',
    });
  });
}

test('chromium: with several ports the person is asked; a session may be made by the shim itself', {
  timeout: testBound,
}, async (t) => {
  const site = await startLibrarySite(t);
  const [one, two] = [pty('one'), pty('two')];
  await SerialDevice.plugIn(t, one);
  await SerialDevice.plugIn(t, two);
  const daemon = await startDaemonFor(t, site, serialEndpoint('one', one) + serialEndpoint('two', two));
  const page = await (await chromium(t)).newPage();
  await page.goto(site.origin);
  await page.evaluate(async (url) => {
    const { createSerial } = await import('/thingway/serial/index.js');
    window.serial = createSerial({ url });
    window.chosen = serial.requestPort().then(({ endpoint }) => endpoint);
  }, daemon.url);
  await page.getByRole('button', { name: 'two' }).click();
  assert.equal(await page.evaluate(() => chosen), 'two');
  await page.evaluate(() => {
    window.chosen = serial.requestPort().catch(({ name }) => name);
  });
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await page.evaluate(() => chosen), 'NotFoundError');
  assert.equal(await page.evaluate(() => document.querySelector('dialog')), null);
});
