// Numbers in what a device prints: which are found, which are drawn, and the table of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleModule } from './lib/console_module.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

test('numbers in a line, by their names', async () => {
  const { numbersOf } = await consoleModule('plots/numbers.ts');
  /** `name=value`, in brackets what is drawn only if a person chooses it. */
  const found = (line) =>
    numbersOf(line)
      .map(({ name, value, isPlain }) => (isPlain ? `${name}=${value}` : `(${name}=${value})`))
      .join(' ');
  for (const [line, expected] of [
    ['21.5 40', '#1=21.5 #2=40'],
    ['21.5,40;-3', '#1=21.5 #2=40 #3=-3'],
    ['temp:21.5 hum=40%', 'temp=21.5 hum=40'],
    ['temperature: 21.5, humidity: 40', 'temperature=21.5 humidity=40'],
    ['temp 21.5 C', 'temp=21.5'],
    ['temp 21.5 C hum 40 %', 'temp=21.5 hum=40'],
    ['line 0001 temp:22', '(line=1) temp=22'],
    ['noise 5 is no value', '(noise=5)'],
    ['The motor runs at 1200 rpm now', '(at=1200)'],
    ['\x1b[32mtemp\x1b[0m: 1e3', 'temp=1000'],
    ['X:1.00 Y:-2.5 Z:+.5 E:0', 'X=1 Y=-2.5 Z=0.5 E=0'],
    ['ok T:20.1 /0.0 B:19', 'T=20.1 B=19'],
    ['t 1 t 2', 't=1 t 2=2'],
    ['temp_1 5', 'temp_1=5'],
    ['[   12.345678] usb 1-1.3: new full-speed device', ''],
    ['U-Boot 2026.07-rc1 v1.2.3 0x1f 10:22:33 a1b2', ''],
    ['温度 21.5', '温度=21.5'],
    ['[1, 2, 3]', '#1=1 #2=2 #3=3'],
    ['{"temp":21.5,"hum": 40}', 'temp=21.5 hum=40'],
    ['21.5C 40%', '#1=21.5 #2=40'],
    ['', ''],
  ])
    assert.equal(found(line), expected, line);
});

test('fields are chosen, the choice is kept, and what is drawn is saved as a table', {
  timeout: testBound,
}, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('sensor', path));
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon), '#/terminals/sensor');
  await page.isOpen('sensor');
  for (let n = 0; n < 5; n++) device.write(`line 000${n} temp:${20 + n}\r\nfan ${n * 100} turns now\r\n`);
  await page.shows('sensor', 'line 0004 temp:24');
  await page.view('plots');
  const values = page.page.locator('.values');
  const legend = () => values.locator('.legend').innerText();
  await until('the value with a sign is drawn', async () => /^temp\s+24$/.test((await legend()).trim()));
  const fields = values.getByRole('group', { name: 'Fields of sensor' });
  assert.deepEqual(
    await fields
      .getByRole('checkbox')
      .evaluateAll((boxes) =>
        boxes.map((box) => `${box.parentElement.innerText}${box.checked ? ' drawn' : ''}`),
      ),
    ['line', 'temp drawn', 'fan'],
  );
  await fields.getByLabel('fan').check();
  await until('both', async () => /temp\s+24\s+fan\s+400/.test(await legend()));

  const [file] = await Promise.all([
    page.page.waitForEvent('download'),
    fields.getByRole('button', { name: 'Save CSV' }).click(),
  ]);
  assert.match(file.suggestedFilename(), /^sensor-[\d-]+\.csv$/);
  const rows = readFileSync(await file.path(), 'utf8').split('\r\n');
  assert.equal(rows[0], 'time,temp,fan');
  assert.deepEqual(
    rows.slice(1).map((row) => row.replace(/^[\d-]+T[\d:.]+Z,/, '')),
    ['20,', ',0', '21,', ',100', '22,', ',200', '23,', ',300', '24,', ',400', ''],
  );

  await fields.getByLabel('temp').uncheck();
  await until('one', async () => /^fan\s+400$/.test((await legend()).trim()));
  await page.page.goto('about:blank');
  await page.page.goBack();
  await page.page.reload();
  await page.view('terminals');
  await page.openEndpoint('sensor');
  for (let n = 0; n < 3; n++) device.write(`line 000${n} temp:${20 + n}\r\nfan ${n} turns now\r\n`);
  await page.view('plots');
  await until('the choice is kept', async () => /^fan\s+2$/.test((await legend()).trim()));
  assert.deepEqual(page.errors, []);
});
