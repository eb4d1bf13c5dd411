// The real binary, as a child process with a configuration and a state directory of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
export const binary = resolve(root, process.env.THINGWAY ?? process.env.THINGWAY_BIN ?? 'target/debug/thingway');

/** A directory that goes away when this process ends: later than everything that a test has running in it. */
export function temporaryDirectory() {
  const path = mkdtempSync(join(tmpdir(), 'thingway-test-'));
  directories.push(path);
  return path;
}
const directories = [];
process.on('exit', () => {
  for (const path of directories) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
});

export const demoEndpoint = '[[endpoint]]\nname = "demo"\nkind = "demo"\n';
export const serialEndpoint = (name, path) =>
  `[[endpoint]]\nname = "${name}"\nkind = "serial"\npath = "${path}"\nbaud = 115200\n`;

export class Daemon {
  /**
   * `config` is TOML. `trace`: a file for the daemon's ioctls, as strace writes them. The port is the system's choice and
   * stays the same over `restart`; `program` is another way to call the daemon. With `listen: false` the configuration says where, and `secureUrl` is what it has over TLS.
   */
  static async start(t, config = demoEndpoint, { trace, listen = true, program = binary, environment = {} } = {}) {
    const daemon = new Daemon(temporaryDirectory(), config);
    daemon.#trace = trace;
    daemon.#listen = listen;
    daemon.#program = program;
    daemon.#environment = environment;
    t.after(() => daemon.stop());
    await daemon.start();
    return daemon;
  }

  url = null;
  log = '';
  #child = null;
  #directory;
  #trace;
  #listen = true;
  #program = binary;
  #environment = {};
  secureUrl = null;

  constructor(directory, config) {
    this.#directory = directory;
    this.configure(config);
  }

  /** For the next start. */
  configure(config) { writeFileSync(join(this.#directory, 'thingway.toml'), config); }

  async start() {
    const listen = this.url ? new URL(this.url).host : '127.0.0.1:0';
    // The first would win over XDG_STATE_HOME, and the second is no key of a configuration.
    const { STATE_DIRECTORY, THINGWAY, THINGWAY_BIN, ...environment } = process.env;
    // -D: the tracer is a grandchild, so that signals and the exit code are the daemon's.
    const tracer = this.#trace ? ['strace', '-D', '-f', '-ttt', '-e', 'trace=ioctl', '-o', this.#trace] : [];
    const [command, ...words] = [...tracer, this.#program, '--config', join(this.#directory, 'thingway.toml'), ...(this.#listen ? ['--listen', listen] : [])];
    const child = spawn(command, words, {
      env: { ...environment, XDG_STATE_HOME: join(this.#directory, 'state'), ...this.#environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text) => { output += text; this.log += text; });
    child.on('error', (error) => { this.log += `${error}\n`; });
    this.#child = child;
    this.url = await until(`the daemon listens; its log:\n${this.log}`, () => {
      if (child.exitCode !== null || child.signalCode) throw new Error(`it ended:\n${this.log}`);
      return output.match(/listening on (http:\/\/\S+?)\/?\s/)?.[1];
    });
    this.secureUrl = output.match(/listening on (https:\/\/\S+?)\/?\s/)?.[1] ?? null;
  }

  /** Reads its configuration again. */
  reload() { this.#child.kill('SIGHUP'); }

  /** Ends it as a service manager would: SIGTERM, and SIGKILL only for one that does not listen. */
  async stop(signal = 'SIGTERM') {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const impatience = setTimeout(() => child.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(impatience);
  }

  async get(path) {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** What of its memory is in RAM (VmRSS). */
  residentKilobytes() {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(status.match(/^VmRSS:\s+(\d+) kB/m)[1]);
  }

  async sessions() { return (await this.get('/sessions')).sessions; }
}
