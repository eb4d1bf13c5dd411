// What a daemon costs that has started and does nothing: `node cross/idle.mjs PROGRAM [WORDS…]` prints it as
// JSON. Where an emulator runs the daemon, the emulator's own memory is left out.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { median } from '../bench/lib/statistics.mjs';
import { plainEnvironment, temporaryDirectory } from '../tests/browser/lib/daemon.js';

/** Where an emulator puts what it emulates, if one is told so. Its own memory is elsewhere. */
const BASE = 0x100000000000n;
const END = BASE + (1n << 42n);

/**
 * Returns kB of RAM (`rss`, and of it `anonymous`) and the milliseconds of processor time until the daemon
 * listens (`start`): medians of five starts.
 */
export async function idle(program, words = []) {
  const folder = temporaryDirectory();
  mkdirSync(join(folder, 'run'), { mode: 0o700 });
  writeFileSync(join(folder, 'thingway.toml'), '[[endpoint]]\nname = "demo"\nkind = "demo"\n');
  // The first start makes the identity, which no later one does.
  await start(folder, program, words);
  const runs = [];
  for (let n = 0; n < 5; n += 1) runs.push(await start(folder, program, words));
  const middle = (name) => median(runs.map((run) => run[name]));
  return { start: Math.round(middle('start')), rss: middle('rss'), anonymous: middle('anonymous') };
}

/** Milliseconds that it has been on a processor. */
const spent = (pid) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

async function start(folder, program, words) {
  const child = spawn(
    program,
    [...words, '--config', join(folder, 'thingway.toml'), '--listen', '127.0.0.1:0'],
    {
      env: {
        ...plainEnvironment(),
        XDG_STATE_HOME: folder,
        XDG_RUNTIME_DIR: join(folder, 'run'),
        QEMU_GUEST_BASE: `0x${BASE.toString(16)}`,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      if (text.includes('listening on http')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  const cost = spent(child.pid);
  // Until nothing is done any more.
  for (let before = -1, now = cost; now - before > 1; [before, now] = [now, spent(child.pid)])
    await sleep(500);
  const memory = resident(readFileSync(`/proc/${child.pid}/smaps`, 'utf8'));
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => {
    child.on('exit', resolve);
  });
  child.kill();
  await ended;
  return { start: cost, ...memory };
}

function resident(smaps) {
  const mappings = [];
  for (const line of smaps.split('\n')) {
    const range = /^([0-9a-f]+)-[0-9a-f]+ /.exec(line);
    if (range) mappings.push({ at: BigInt(`0x${range[1]}`), Rss: 0, Anonymous: 0 });
    const [, name, kB] = /^(Rss|Anonymous):\s+(\d+) kB/.exec(line) ?? [];
    if (name) mappings.at(-1)[name] = Number(kB);
  }
  const emulated = mappings.filter(({ at }) => at >= BASE && at < END);
  const ours = emulated.some(({ Rss }) => Rss > 1000) ? emulated : mappings;
  const sum = (name) => ours.reduce((all, mapping) => all + mapping[name], 0);
  return { rss: sum('Rss'), anonymous: sum('Anonymous') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [program, ...words] = process.argv.slice(2);
  console.log(JSON.stringify(await idle(program, words)));
}
