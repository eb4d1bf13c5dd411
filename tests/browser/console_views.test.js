// Plots, the connection, measuring and the list of sessions.
import assert from 'node:assert/strict';
import test from 'node:test';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import { Daemon, demoEndpoint, serialEndpoint, temporaryDirectory } from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

const probes = ['echo', 'sink', 'source']
  .map((kind) => `[[endpoint]]\nname = "${kind}"\nkind = "${kind}"\n`)
  .join('');

test('plots the throughput, the round trip and the numbers that a device prints', {
  timeout: testBound,
}, async (t) => {
  const path = `${temporaryDirectory()}/tty`;
  const device = await SerialDevice.plugIn(t, path);
  const daemon = await Daemon.start(t, serialEndpoint('sensor', path));
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.openEndpoint('sensor');
  let n = 0;
  const timer = setInterval(
    () => device.write(`temp:${20 + (n % 5)} hum=4${n % 10}.5\nnoise ${n++} is no value\n`),
    50,
  );
  t.after(() => clearInterval(timer));
  await page.view('plots');
  const charts = page.page.locator('.chart');
  await until('three charts', async () => (await charts.count()) === 3);
  const legend = async (title) => charts.filter({ hasText: title }).locator('.legend').innerText();
  await until('values', async () =>
    /temp\s+2[0-4][\s\S]*hum\s+4\d\.50?/.test(await legend('sensor: values')),
  );
  assert.ok(!/noise/.test(await legend('sensor: values')));
  await until('a throughput', async () =>
    /received\s+[1-9][\d.,]* k?B\/s/.test(await legend('sensor: throughput')),
  );
  await until('a round trip', async () => /\d ms/.test(await legend('Round trip')));
  const drawn = () =>
    page.page.evaluate(() =>
      [...document.querySelectorAll('.chart canvas')].map((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let coloured = 0;
        for (let i = 0; i < data.length; i += 4)
          if (data[i + 3] > 200 && Math.abs(data[i] - data[i + 1]) > 40) coloured++;
        return coloured;
      }),
    );
  await until('each chart has a curve', async () => (await drawn()).every((pixels) => pixels > 50));
  assert.deepEqual(page.errors, []);
});

test('shows the connection, and measures it', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t, probes);
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.connected();
  await page.view('connection');
  const facts = page.page.locator('main .card').first();
  await until('the way', async () => /direct \(UDP\)/.test(await facts.innerText()));
  const fingerprint = daemon.log.match(/fingerprint (sha-256 [0-9A-F:]+)/)[1];
  assert.ok((await facts.innerText()).includes(fingerprint), 'it is the fingerprint that the daemon names');
  const [{ id }] = await daemon.sessions();
  assert.ok((await facts.innerText()).includes(id));
  const measure = page.page.locator('.measure');
  for (const [probe, ways] of [
    ['echo', ['down', 'up']],
    ['source', ['down']],
    ['sink', ['up']],
  ]) {
    await measure.getByLabel('Throughput with').selectOption(probe);
    await measure.getByRole('button', { name: 'Measure' }).click();
    const shown = (label) => new RegExp(`${label}\\n\\s*[\\d.]+ `);
    await until(`${probe}: round trip`, async () =>
      shown('Round trip, median').test(await measure.innerText()),
    ).catch(async (error) => {
      throw new Error(`${error.message}\n${await measure.innerText()}`);
    });
    const text = await measure.innerText();
    assert.equal(/To this page\s+[\d.]+ [kM]?B\/s/.test(text), ways.includes('down'), text);
    assert.equal(/To the gateway\s+[\d.]+ [kM]?B\/s/.test(text), ways.includes('up'), text);
    t.diagnostic(`${probe}: ${text.replace(/\s+/g, ' ').replace(/^.*median/, 'median')}`);
  }
  assert.deepEqual(page.errors, []);
});

test('lists the sessions and disconnects one', { timeout: testBound }, async (t) => {
  const daemon = await Daemon.start(t, demoEndpoint);
  const url = await consoleOf(t, daemon);
  const browser = await chromium(t);
  const [one, two] = [await Console.open(browser, url), await Console.open(browser, url)];
  await one.connected();
  await two.openEndpoint('demo');
  await one.view('sessions');
  const rows = one.page.locator('.rows > li');
  await until('both', async () => (await rows.count()) === 2);
  const other = rows.filter({ hasNotText: 'this page' });
  assert.match(await other.innerText(), /without a token.*Open endpoints\s+demo/s);
  await other.getByRole('button', { name: /Disconnect/ }).click();
  await until('it is gone', async () => (await rows.count()) === 1);
  await until('and was told', async () =>
    /An administrator has disconnected this page/.test(await two.notices()),
  );
  await two.page.getByRole('button', { name: 'Try again' }).click();
  await two.isOpen('demo');
  assert.deepEqual([...one.errors, ...two.errors], []);
});
