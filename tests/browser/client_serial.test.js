// thingway/serial: programs that were written for navigator.serial, with the lines of a gateway.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { browsers, chromium } from './lib/browsers.js';
import { serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { EspRom } from './lib/esp_rom.js';
import { openConnected, pty, startDaemonFor, startLibrarySite } from './lib/library.js';
import { until } from './lib/until.js';

test('chromium: esptool-js, unmodified, finds an ESP32, starts its loader and writes flash', { timeout: 120000 }, async (t) => {
  const site = await startLibrarySite(t);
  const path = pty('esp');
  const rom = new EspRom();
  const board = await SerialDevice.plugIn(t, path, { hears: rom.hears });
  board.write('rst:0x1 (POWERON_RESET)\r\nwaiting for download\r\n'.repeat(20)); // scrollback, which no real port has
  const trace = `${temporaryDirectory()}/trace`;
  const daemon = await startDaemonFor(t, site, serialEndpoint('esp', path), { trace });
  await until('the past is there', async () => (await daemon.get('/endpoints/esp')).from_device.bytes > 900);
  const page = await openConnected(await chromium(t), site, daemon.url);
  const image = Array.from({ length: 100_000 }, (_, i) => (i * 2654435761 >>> 13) & 255);
  const result = await page.evaluate(async (bytes) => {
    const { createSerial } = await import('/thingway/serial/index.js');
    const { ESPLoader, Transport } = await import('/modules/esptool-js/bundle.js');
    const serial = createSerial(session, { missingSignals: 'ignore' });
    const port = await serial.requestPort();
    const transport = new Transport(port, false);
    let printed = '';
    const terminal = { clean() {}, write(text) { printed += text; }, writeLine(line) { printed += `${line}\n`; } };
    const loader = new ESPLoader({ transport, baudrate: 460800, romBaudrate: 115200, terminal });
    const chip = await loader.main();
    const began = performance.now();
    await loader.writeFlash({ fileArray: [{ data: Uint8Array.from(bytes), address: 0x10000 }], flashMode: 'keep', flashFreq: 'keep', flashSize: 'keep', eraseAll: false, compress: true });
    const ms = performance.now() - began;
    const md5 = await loader.flashMd5sum(0x10000, bytes.length);
    const { baud } = await session.line('esp');
    await loader.after('hard_reset');
    await transport.disconnect();
    return { chip, printed, ms, md5, baud, ports: session.ports.size, readable: port.readable, endpoint: port.endpoint };
  }, image).catch((error) => { throw new Error(`${error}\n${rom.faults}\n${rom.seen}\n${daemon.log}`); });
  assert.match(result.chip, /^ESP32-/);
  assert.match(result.printed, /Crystal is 40MHz/);
  assert.match(result.printed, /Stub running/i);
  assert.deepEqual(rom.faults, []);
  assert.deepEqual([...rom.flash.get(0x10000)], image);
  assert.match(result.md5, /^[0-9a-f]{32}$/);
  assert.equal(result.baud, 460800);
  assert.deepEqual([result.ports, result.readable, result.endpoint], [0, null, 'esp']);
  t.diagnostic(`100,000 bytes in ${Math.round(result.ms)} ms`);

  // The reset, as the daemon does it: it is tried at the pty, whose driver has no modem lines.
  const modem = readFileSync(trace, 'utf8').split('\n').filter((line) => /TIOCM(BIS|BIC|SET|GET)/.test(line))
    .map((line) => line.replace(/^.*?ioctl\(\d+, /, '').replace(/\s+/g, ' '));
  t.diagnostic(modem.join(' | '));
});
