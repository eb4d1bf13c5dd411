// Programs for Web Serial as their authors publish them, with thingway/serial in the place of
// navigator.serial.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chromium } from './lib/browsers.js';
import { serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { openConnected, pty, startDaemonFor, startLibrarySite } from './lib/library.js';
import { testBound, until } from './lib/until.js';

/** A page whose navigator.serial is the gateway's. `hears` plays the device. */
async function pageWithSerial(t, { hears, trace } = {}) {
  const site = await startLibrarySite(t);
  const path = pty('board');
  const board = await SerialDevice.plugIn(t, path, { hears });
  const daemon = await startDaemonFor(t, site, serialEndpoint('board', path), { trace });
  const page = await openConnected(await chromium(t), site, daemon.url);
  await page.evaluate(async () => {
    const { createSerial } = await import('/thingway/serial/index.js');
    window.serial = createSerial(session, { missingSignals: 'ignore' });
    Object.defineProperty(navigator, 'serial', { value: serial });
  });
  return { page, board, daemon };
}

test('chromium: simple-web-serial talks with a board in lines of JSON', { timeout: testBound }, async (t) => {
  let asked = '';
  const { page, board } = await pageWithSerial(t, {
    hears(bytes, device) {
      asked += bytes;
      const lines = asked.split('\n');
      asked = lines.pop();
      for (const [what, value] of lines.map((line) => JSON.parse(line)))
        device.write(`${JSON.stringify([`${what}ed`, value])}\r\n`);
    },
  });
  const result = await page.evaluate(async () => {
    const { setupSerialConnection } = await import('/modules/simple-web-serial/dist/index.esm.mjs');
    const connection = setupSerialConnection({ baudRate: 57600 });
    const heard = new Promise((done) => connection.on('blinked', done));
    await connection.startConnection();
    const { baud } = await session.line('board');
    await connection.send('blink', { times: 3, text: 'grüezi' });
    const { times, text: word } = await heard;
    return {
      baud,
      ready: connection.ready(),
      times,
      word,
      again: (await refusal(connection.startConnection())).message,
    };
  });
  assert.deepEqual(result, {
    baud: 57600,
    ready: true,
    times: 3,
    word: 'grüezi',
    again: 'Serial connection has already been established.',
  });
  // Unplugged: the program reads to the end, and its port is not ready any more.
  await board.unplug();
  await until('the streams have ended', () =>
    page.evaluate(async () => {
      const [port] = await serial.getPorts();
      return port.readable === null && port.writable === null && !port.connected;
    }),
  );
});

test('chromium: the Web Serial binding of SerialPort opens, writes, reads, sets signals and closes', {
  timeout: testBound,
}, async (t) => {
  const trace = `${temporaryDirectory()}/trace`;
  const { page, board } = await pageWithSerial(t, {
    trace,
    hears: (bytes, device) => device.write(`<${bytes}>`),
  });
  const result = await page.evaluate(async () => {
    window.Buffer = class Buffer extends Uint8Array {
      static isBuffer(of) {
        return of instanceof Buffer;
      }
    }; // what a bundler would bring along
    const script = Object.assign(document.createElement('script'), {
      src: '/modules/serialport-binding-webserialapi/dist/wsa-sp-bind.js',
    });
    await new Promise((done, fail) => {
      script.onload = done;
      script.onerror = () => fail(new Error('the script was not loaded'));
      document.head.append(script);
    });
    const Binding = WSABinding.default;
    const listed = (await Binding.list()).length;
    const binding = new Binding({});
    const results = [];
    for (const baudRate of [38400, 19200]) {
      // opened again after it was closed
      await binding.open('wsa://default', {
        baudRate,
        dataBits: 8,
        stopBits: 1,
        parity: 'none',
        rtscts: false,
      });
      const { baud } = await session.line('board');
      await binding.write(Buffer.from(new TextEncoder().encode(`at ${baudRate}`)));
      let heard = '';
      while (!heard.endsWith('>')) {
        const buffer = new Buffer(64);
        const { bytesRead } = await binding.read(buffer, 0, 64);
        heard += text(buffer.subarray(0, bytesRead));
      }
      await binding.set({ dtr: true, rts: true, brk: false });
      await binding.close();
      await until('it is closed', () => !binding.isOpen && session.ports.size === 0);
      results.push([baud, heard]);
    }
    return { listed, results };
  });
  assert.deepEqual(result, {
    listed: 1,
    results: [
      [38400, '<at 38400>'],
      [19200, '<at 19200>'],
    ],
  });
  assert.equal(board.received.toString(), 'at 38400at 19200');
  assert.equal(readFileSync(trace, 'utf8').match(/TIOCMBIS, \[TIOCM_DTR\|TIOCM_RTS\]/g)?.length, 2);
});
