// A serial line: 64 B to a device that echoes and back, and a line's full rate both ways, through thingway's
// DataChannel and through ser2net's TCP. The device is a pseudo-terminal behind which socat runs `cat`; both
// servers take what they take by default.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer } from './lib/peer.mjs';
import { circumstances, store, table, version } from './lib/report.mjs';
import { built, CORE, cpuOf, Server } from './lib/server.mjs';
import { median, quantile } from './lib/statistics.mjs';

const [ROUNDS, MESSAGES, SIZE] = [5, 400, 64];
const [BAUDS, SECONDS] = [[921600, 3000000], 3];
const directory = mkdtempSync(join(tmpdir(), 'thingway-bench-'));
const ended = [];

async function device(name) {
  const path = join(directory, name);
  const socat = spawn('taskset', ['-c', '1', 'socat', `PTY,link=${path},raw,echo=0`, 'EXEC:cat'], {
    stdio: 'ignore',
  });
  ended.push(() => socat.kill('SIGKILL'));
  for (const end = Date.now() + 5000; !existsSync(path); ) {
    if (Date.now() > end) throw new Error('socat makes no pseudo-terminal');
    await sleep(20);
  }
  return path;
}

/** `send` takes a message, `listen` a function that gets what comes back. Microseconds each. */
async function roundTrips(server, send, listen) {
  const message = Buffer.alloc(SIZE, 0x55);
  const times = [];
  let [got, heard] = [0, () => {}];
  listen((data) => {
    if ((got += data.length) >= SIZE) heard();
  });
  let cpu = 0;
  for (let n = -50; n < MESSAGES; n++) {
    if (n === 0) cpu = server.cpu();
    got = 0;
    const back = new Promise((done) => {
      heard = done;
    });
    const began = performance.now();
    send(message);
    await back;
    if (n >= 0) times.push((performance.now() - began) * 1000);
  }
  return { p50: median(times), p99: quantile(times, 0.99), cpu: (server.cpu() - cpu) / MESSAGES };
}

/**
 * Bytes at a line's full rate to a device that echoes them, for `SECONDS`: how many came back, and ms of
 * processor for each MB.
 */
async function sustained(server, rate, send, listen) {
  let [sent, came] = [0, 0];
  listen((data) => {
    came += data.length;
  });
  const [cpu, began] = [server.cpu(), performance.now()];
  for (let due = 0; due < rate * SECONDS; await sleep(5)) {
    due = Math.min(rate * SECONDS, Math.floor((rate * (performance.now() - began)) / 1000));
    for (; sent < due; sent += Math.min(1000, due - sent))
      send(Buffer.alloc(Math.min(1000, due - sent), sent));
  }
  for (let rest = 0; came < sent && rest < 40; rest++) await sleep(50);
  return { arrived: (100 * came) / sent, cpu: ((server.cpu() - cpu) / sent) * 1000 };
}

/** All that is measured of one of the two. */
async function measure(server, send, listen) {
  const result = await roundTrips(server, send, listen);
  for (const baud of BAUDS) result[baud] = await sustained(server, baud / 10, send, listen);
  return result;
}

const candidates = {
  async thingway(path) {
    const server = await Server.start(
      'thingway',
      'http://127.0.0.1:7401',
      (config) => [built('thingway'), '--config', config],
      {
        config: `[http]\nlisten = ["127.0.0.1:7401"]\n[[endpoint]]\nname = "tty"\nkind = "serial"\npath = "${path}"\nbaud = 115200\n`,
      },
    );
    const peer = await Peer.connect(server.url, 'tty');
    await sleep(300);
    const result = await measure(
      server,
      (data) => peer.channel.sendMessageBinary(data),
      (take) => peer.channel.onMessage(take),
    );
    peer.close();
    await server.stop();
    return result;
  },
  async ser2net(path) {
    const config = join(directory, 'ser2net.yaml');
    writeFileSync(
      config,
      `connection: &arm\n  accepter: tcp,127.0.0.1,7420\n  connector: serialdev,${path},115200n81,local\n`,
    );
    const child = spawn('taskset', ['-c', CORE, 'ser2net', '-n', '-u', '-c', config], {
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    ended.push(() => child.kill('SIGKILL'));
    await sleep(500);
    const socket = net.connect(7420, '127.0.0.1').setNoDelay();
    await once(socket, 'connect');
    await sleep(300);
    const result = await measure(
      { cpu: () => cpuOf(child.pid) },
      (data) => socket.write(data),
      (take) => {
        socket.removeAllListeners('data').on('data', take);
      },
    );
    socket.destroy();
    child.kill('SIGKILL');
    await once(child, 'exit');
    return result;
  },
};

const header = circumstances({ thingway: version(built('thingway')) });
const results = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
try {
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(candidates))
      results[name].push(await run(await device(`${name}-${round}`)));
  }
} finally {
  for (const end of ended) end();
  rmSync(directory, { recursive: true, force: true });
}
const of = (name, key) => median(results[name].map((result) => result[key]));
const micro = (value) => `${value.toFixed(0)} µs`;
const rows = [
  ['there and back: median', 'p50'],
  ['the same: 99 of 100', 'p99'],
  ['the same: processor time', 'cpu'],
].map(([words, key]) => [
  words,
  micro(of('thingway', key)),
  micro(of('ser2net', key)),
  (of('thingway', key) / of('ser2net', key)).toFixed(2),
]);
const per = (name, baud, key) => median(results[name].map((result) => result[baud][key]));
for (const baud of BAUDS) {
  const share = (name) => `${per(name, baud, 'arrived').toFixed(1)} %`;
  const cost = (name) => `${per(name, baud, 'cpu').toFixed(0)} ms`;
  rows.push([
    `${baud.toLocaleString('en')} baud both ways: came back`,
    share('thingway'),
    share('ser2net'),
    '–',
  ]);
  rows.push([
    'the same: processor time per MB',
    cost('thingway'),
    cost('ser2net'),
    (per('thingway', baud, 'cpu') / per('ser2net', baud, 'cpu')).toFixed(2),
  ]);
}
const lines = [
  header,
  '',
  `Medians of ${ROUNDS} rounds of ${MESSAGES} messages.`,
  '',
  ...table(['', 'thingway', 'ser2net', 'ratio'], rows),
];
console.log(lines.join('\n'));
store('serial', lines);
process.exit(0);
