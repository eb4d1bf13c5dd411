// A server under test: started on a core of its own, with what the kernel says it has used.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { plainEnvironment } from '../../tests/browser/lib/daemon.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const CORE = '0'; // the client has the other one
/** BENCH_PROFILE=quick takes what is built sooner, while one works on a benchmark. */
export const built = (name) => join(root, 'target', process.env.BENCH_PROFILE ?? 'release', name);
export const device = { bind: '127.0.0.1:7411', remote: '127.0.0.1:7412' };

/** One file of each thread of a process; a thread may end while they are read. */
function tasks(pid, file) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${task}/${file}`, 'utf8')];
    } catch {
      return [];
    }
  });
}

/** Processor time of all threads of a process, in microseconds. */
export const cpuOf = (pid) =>
  tasks(pid, 'schedstat').reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1000;

export class Server {
  #child;
  #directory = mkdtempSync(join(tmpdir(), 'thingway-bench-'));

  constructor(name, url) {
    this.name = name;
    this.url = url;
  }

  static async start(name, url, command, { config, environment = {}, ready = /listening on/ } = {}) {
    const server = new Server(name, url);
    const words = command(config === undefined ? null : server.#write(config));
    server.#child = spawn('taskset', ['-c', CORE, ...words], {
      env: {
        ...plainEnvironment(),
        XDG_STATE_HOME: server.#directory,
        XDG_RUNTIME_DIR: server.#directory,
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [server.#child.stdout, server.#child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    for (const end = Date.now() + 10000; !ready.test(output); ) {
      if (server.#child.exitCode !== null || Date.now() > end) {
        await server.stop();
        throw new Error(`${name} does not start:\n${output}`);
      }
      await sleep(20);
    }
    return server;
  }

  #write(config) {
    const path = join(this.#directory, 'thingway.toml');
    writeFileSync(path, config);
    return path;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Processor time of all its threads, in microseconds. */
  cpu() {
    return cpuOf(this.pid);
  }

  /** How often its threads have gone to sleep: each time something woke them. */
  wakeups() {
    return tasks(this.pid, 'status').reduce(
      (sum, text) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)[1]),
      0,
    );
  }

  /** VmRSS, in kB. */
  resident() {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
  }

  /** How many file descriptors it has open. */
  descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  async stop() {
    const child = this.#child;
    if (child.exitCode === null) {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await Promise.race([ended, sleep(3000)]);
      child.kill('SIGKILL');
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const probes = ['echo', 'sink', 'source']
  .map((kind) => `[[endpoint]]\nname = "${kind}"\nkind = "${kind}"\n`)
  .join('');
const udp = `[[endpoint]]\nname = "udp"\nkind = "udp"\nbind = "${device.bind}"\nremote = "${device.remote}"\n`;

/**
 * The three that do the same work. `withUdp`: only where it is measured, since it costs the floor a system
 * call per turn.
 */
export const servers = {
  thingway: (withUdp, more = '') =>
    Server.start(
      'thingway',
      'http://127.0.0.1:7401',
      (config) => [process.env.BENCH_BINARY ?? built('thingway'), '--config', config],
      {
        config: `[http]\nlisten = ["127.0.0.1:7401"]\n[limits]\nsessions = 1000\n${probes}${withUdp ? udp : ''}${more}`,
      },
    ),
  'bare str0m': (withUdp) =>
    Server.start('bare str0m', 'http://127.0.0.1:7402', () => [
      built('examples/bare_str0m'),
      '7402',
      ...(withUdp ? [device.bind, device.remote] : []),
    ]),
  'node-datachannel': (withUdp) =>
    Server.start('node-datachannel', 'http://127.0.0.1:7403', () => [
      process.execPath,
      join(root, 'bench/servers/node_datachannel.mjs'),
      '7403',
      ...(withUdp ? [device.bind, device.remote] : []),
    ]),
};
