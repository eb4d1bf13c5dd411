// The examples in README.md and docs/control.md, run as they stand there.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { browsers } from './lib/browsers.js';
import {
  binary,
  Daemon,
  demoEndpoint,
  plainEnvironment,
  serialEndpoint,
  temporaryDirectory,
} from './lib/daemon.js';
import { SerialDevice } from './lib/devices.js';
import { startSite } from './lib/site.js';
import { testBound, until } from './lib/until.js';

const page = readFileSync(new URL('../../docs/control.md', import.meta.url), 'utf8');
const [, example] = page.match(/```html\n([\s\S]*?)```/);

for (const [name, launch] of Object.entries(browsers)) {
  test(`${name}: the example of docs/control.md works`, { timeout: testBound }, async (t) => {
    let daemon;
    const site = await startSite(t, () => example.replace('http://127.0.0.1:8000', daemon.url));
    daemon = await Daemon.start(t, `[http]\nallowed_origins = ["${site.origin}"]\n${demoEndpoint}`);
    assert.ok(example.includes('http://127.0.0.1:8000'));

    const tab = await (await launch(t)).newPage();
    let printed = '';
    tab.on('console', (message) => {
      printed += message.text();
    });
    await tab.goto(site.origin);
    await until('the greeting', () => printed.includes('Type help.'));
    await until('the answer to help', () => printed.includes('led on|off'));
  });
}

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const [, lines] = readme.match(/```js\n([\s\S]*?)```/);

test('chromium: the ten lines of the README work', { timeout: testBound }, async (t) => {
  let daemon;
  const script = () => `<script type="module">${lines.replace('http://127.0.0.1:8000', daemon.url)}</script>`;
  const site = await startSite(t, script);
  const path = `${temporaryDirectory()}/arm`;
  const arm = await SerialDevice.plugIn(t, path);
  const allowed = `[http]\nallowed_origins = ["${site.origin}"]\n`;
  daemon = await Daemon.start(t, allowed + serialEndpoint('arm', path));
  const tab = await (await browsers.chromium(t)).newPage();
  let printed = '';
  tab.on('console', (message) => {
    printed += message.text();
  });
  await tab.goto(site.origin);
  await until('the line on the device', () => arm.received.toString() === 'G28\n');
  arm.write('ok\n');
  await until('the answer on the page', () => printed.includes('ok'));
});

const blocks = (text, language) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, block]) => block);
const config = readFileSync(new URL('../../docs/config.md', import.meta.url), 'utf8');

test('the configurations of README.md and docs/config.md are good, and the commands of the README run', {
  timeout: testBound,
}, async (t) => {
  const folder = temporaryDirectory();
  const path = `${folder}/arm`;
  await SerialDevice.plugIn(t, path);
  const run = (command) =>
    promisify(execFile)('bash', ['-c', command], {
      cwd: folder,
      timeout: testBound,
      env: { ...plainEnvironment(), PATH: `${folder}/bin:${process.env.PATH}`, XDG_RUNTIME_DIR: folder },
    });
  mkdirSync(`${folder}/bin`);
  symlinkSync(binary, `${folder}/bin/thingway`);
  const board = blocks(readme, 'toml')
    .find((block) => block.includes('# board.toml'))
    .replace(/path = ".*"/, `path = "${path}"`);
  writeFileSync(`${folder}/board.toml`, board);
  writeFileSync(`${folder}/whole.toml`, blocks(config, 'toml')[0].replace(/path = ".*"/, `path = "${path}"`));
  assert.match((await run('thingway check --config whole.toml')).stdout, /good/);

  const daemon = await Daemon.start(t, board, { environment: { XDG_RUNTIME_DIR: folder } });
  const lines = blocks(readme, 'sh')
    .join('')
    .replace(/\\\n/g, '')
    .split('\n')
    .filter((line) => /^(curl|thingway) /.test(line));
  const runnable = lines
    .filter((line) => !/^thingway --config|thingway setup/.test(line))
    .map((line) => line.replaceAll('http://127.0.0.1:8000', daemon.url));
  assert.ok(runnable.length >= 7, runnable.join('\n'));
  for (const line of runnable) {
    const isEndless = line.startsWith('curl -N'); // the stream of events
    // which a pseudo terminal has not: that is a refusal, with a reason
    const hasDtr = line.includes('"dtr"');
    const { stdout } = await run(
      isEndless
        ? `${line.replace('curl', 'curl --silent --max-time 1')}\n[ $? = 28 ]`
        : line.replace(/^curl/, hasDtr ? 'curl --silent' : 'curl --silent --fail'),
    );
    assert.ok(stdout.length > 0 || isEndless, line);
    if (hasDtr) assert.match(stdout, /does not support this/);
  }
});
