// Endpoints are added, changed and removed in the page, where the gateway allows that; where not, the page
// says so first.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { faults } from './lib/axe.js';
import { chromium } from './lib/browsers.js';
import { Console } from './lib/console.js';
import { consoleOf } from './lib/console_site.js';
import {
  binary,
  Daemon,
  demoEndpoint,
  plainEnvironment,
  serialEndpoint,
  temporaryDirectory,
} from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { testBound, until } from './lib/until.js';

const output = new URL('output/', import.meta.url).pathname;
mkdirSync(output, { recursive: true });

async function open(t, daemon) {
  const page = await Console.open(await chromium(t), await consoleOf(t, daemon));
  await page.connected();
  return {
    page,
    form: page.page.locator('section.add'),
    add: () => page.page.getByRole('button', { name: 'Add…' }).click(),
  };
}

test('a gateway that allows no changes says so before the form is filled in, and the lines of the form can be used', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t, demoEndpoint);
  const { page, form, add } = await open(t, daemon);
  await add();
  await until('it is said', async () =>
    /may not change the configuration.*configure = true/s.test(await form.innerText()),
  );
  assert.equal(await form.getByRole('button', { name: 'Add endpoint' }).count(), 0);
  await form.getByLabel('Device file').fill('/dev/tty "x"');
  await form.getByLabel('Name').fill('second');
  await form.getByLabel('Parity').selectOption('even');
  await form.getByText('More').click();
  await form.getByLabel('Dead-man switch').check();
  await form.getByLabel('Bytes that stop it').fill('stop\\r\\n');
  const lines = await form.getByLabel('Lines for the configuration').last().innerText();
  assert.match(lines, /^\[\[endpoint\]\]\nname = "second"\nkind = "serial"\n/);
  // What is shown is what the program reads.
  const file = join(temporaryDirectory(), 'lines.toml');
  writeFileSync(file, lines);
  const { stdout } = await promisify(execFile)(binary, ['check', '--config', file], {
    env: plainEnvironment(),
  });
  assert.match(stdout, /good/);
  assert.match(lines, /path = "\/dev\/tty \\"x\\""/);
  assert.match(lines, /deadman = \{ timeout_ms = 500, send = "stop\\r\\n" \}/);
  assert.deepEqual(page.errors, []);
});

test('endpoints of every kind are added, changed and removed', { timeout: testBound }, async (t) => {
  const folder = temporaryDirectory();
  const [one, two] = [`${folder}/one`, `${folder}/two`];
  await SerialDevice.plugIn(t, one);
  await SerialDevice.plugIn(t, two);
  const daemon = await Daemon.start(
    t,
    `[api]\nconfigure = true\n${demoEndpoint}${serialEndpoint('arm', one)}`,
  );
  const { page, form, add } = await open(t, daemon);
  const config = async (name) => (await fetch(`${daemon.url}/endpoints/${name}/config`)).json();

  await add();
  await form.getByLabel('Name').fill('second');
  await form.getByLabel('Device file').fill(one);
  await form.getByRole('button', { name: 'Add endpoint' }).click();
  await until('the advice', async () =>
    /endpoint arm has this device already.*Open arm/is.test(await form.innerText()),
  );
  await form.getByLabel('Device file').fill(two);
  await form.getByRole('button', { name: 'Add endpoint' }).click();
  await page.isOpen('second');
  assert.deepEqual(await config('second'), { kind: 'serial', path: two, baud: 115200 });

  for (const [kind, fields, wanted] of [
    [
      'tcp',
      { Connection: 'channel', 'Address of the program': '127.0.0.1:9' },
      { kind: 'tcp', remote: '127.0.0.1:9', connection: 'channel' },
    ],
    [
      'unix',
      {
        Connection: 'listen',
        'Address to listen at': `${folder}/program.sock`,
        Framing: 'line',
        'Who may write': 'one',
      },
      { kind: 'unix', listen: `${folder}/program.sock`, framing: 'line', writers: 'one' },
    ],
    ['udp', { 'Address of the program': '127.0.0.1:9' }, { kind: 'udp', remote: '127.0.0.1:9' }],
    ['echo', {}, { kind: 'echo' }],
  ]) {
    await add();
    await form.getByLabel('Kind').selectOption(kind);
    await form.getByLabel('Name').fill(`my-${kind}`);
    await form.getByText('More').click();
    for (const [label, value] of Object.entries(fields)) {
      const field = form.getByLabel(label);
      if ((await field.evaluate(({ tagName }) => tagName)) === 'SELECT') await field.selectOption(value);
      else await field.fill(value);
    }
    await form.getByRole('button', { name: 'Add endpoint' }).click();
    await until(`${kind} is in the list`, async () => (await page.row(`my-${kind}`).count()) === 1);
    assert.deepEqual(await config(`my-${kind}`), wanted);
  }

  // A key that the form does not know stays. Somebody has written it by hand.
  const file = join(dirname(daemon.configFile), 'conf.d/second.toml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}low_latency = true\n`);
  daemon.reload();
  await until('it is read', async () => (await config('second')).low_latency === true);
  await page.page.getByRole('button', { name: 'Change second' }).click();
  await until('the form shows it', async () => (await form.getByLabel('Baud').inputValue()) === '115200');
  for (const colorScheme of ['light', 'dark'])
    for (const width of [1280, 390]) {
      await page.page.emulateMedia({ colorScheme });
      await page.page.setViewportSize({ width, height: 844 });
      await page.page.screenshot({ path: `${output}console-edit-${width}-${colorScheme}.png` });
      assert.deepEqual(await faults(page.page), []);
    }
  await page.page.setViewportSize({ width: 1280, height: 844 });
  await form.getByLabel('Baud').fill('9600');
  await form.getByRole('button', { name: 'Save' }).click();
  await until('it is written', async () => (await config('second')).baud === 9600);
  assert.equal((await config('second')).low_latency, true);

  await page.page.getByRole('button', { name: 'Change second' }).click();
  await form.getByRole('button', { name: 'Remove' }).click();
  await form.getByRole('group').getByRole('button', { name: 'Remove' }).click();
  await until('it is off the list', async () => (await page.row('second').count()) === 0);

  // One of the main file says where it is.
  await page.page.getByRole('button', { name: 'Change arm' }).click();
  await until('where it is', async () =>
    /cannot change this endpoint.*thingway\.toml, line \d+/s.test(await form.innerText()),
  );
  assert.deepEqual(page.errors, []);
});
