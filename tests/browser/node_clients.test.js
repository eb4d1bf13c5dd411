// The libraries without a browser, as programs on servers and boards use them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HubPage, bytes, deviceHears, pattern, startHub, text } from './lib/hub.js';
import { testBound } from './lib/until.js';

const program = fileURLToPath(new URL('lib/node_client.mjs', import.meta.url));

/** What a page can do, in a process of its own. */
function startClient(t, library) {
  const child = spawn(process.execPath, [program, library], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (words) => {
    complaints += words;
  });
  const waiting = []; // answers come in the order of the questions
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('>')) waiting.shift()?.(JSON.parse(line.slice(1)));
  });
  child.on('exit', (code) => {
    for (const done of waiting.splice(0)) done({ error: `it ended with ${code}:\n${complaints}` });
  });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  return new HubPage(library, async (...words) => {
    child.stdin.write(`${JSON.stringify(words)}\n`);
    const { value, error } = await new Promise((done) => {
      waiting.push(done);
    });
    if (error) throw new Error(error);
    return value;
  });
}

for (const [library, serializations] of Object.entries({
  skyway: ['none', 'json', 'binary'],
  peerjs: ['raw', 'json', 'binary'],
})) {
  test(`${library} in Node calls a serial line`, { timeout: testBound }, async (t) => {
    const { daemon, device } = await startHub(t, null);
    const client = startClient(t, library);
    assert.deepEqual(await client.join('node', daemon.url), { id: 'node' });
    for (const serialization of serializations) {
      const at = await client.connect('node', 'robot-1', { serialization, reliable: true });
      await client.run('send', at, text('Gr\u00fc\u00dfe'));
      await deviceHears(device, 'Gr\u00fc\u00dfe');
      device.write('ok \u20ac\n');
      assert.equal(String(await client.receivesBytes(at, 7)), 'ok \u20ac\n');
      if (serialization === serializations.at(-1)) {
        await client.run('send', at, bytes(pattern(30000)));
        await deviceHears(device, pattern(30000));
      }
      await client.run('close', at);
      await client.hasClosed(at);
    }
  });
}
