// The real binary, as a child process with a configuration and a state directory of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bound, Hopeless, until } from './until.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** The environment without what the program would take for its configuration. */
export const plainEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THINGWAY')));

export const binary = resolve(
  root,
  process.env.THINGWAY ?? process.env.THINGWAY_BIN ?? 'target/debug/thingway',
);

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

/** What the daemon's log has when a part of it has met a fault of its own, or all of it. */
const panics = /ended by a bug|met a bug|panicked/;

export class Daemon {
  /**
   * `config` is TOML. `trace`: a file for the daemon's ioctls, as strace writes them. The port is the
   * system's choice and stays the same over a restart; `program` is another way to call the daemon, and
   * `ask(url)` another way to the text that it answers with. With `listen: false` the configuration says
   * where, see `secureUrl`.
   *
   * The daemon ends with the test, which fails if it has not lived and ended well: see `stop`.
   */
  static async start(
    t,
    config = demoEndpoint,
    { trace, listen = true, program = binary, environment = {}, ask } = {},
  ) {
    const daemon = new Daemon(temporaryDirectory(), config);
    daemon.#trace = trace;
    daemon.#listen = listen;
    daemon.#program = program;
    daemon.#environment = environment;
    if (ask) daemon.#ask = ask;
    // Node runs no further hooks once one has failed, and would leave the browser of the test running: so the
    // failure comes last.
    t.after(() =>
      daemon.stop().catch((error) =>
        t.after(() => {
          throw error;
        }),
      ),
    );
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
  #ask = async (url) => (await fetch(url, { signal: AbortSignal.timeout(bound) })).text();
  #output = ''; // of the process of now

  constructor(directory, config) {
    this.#directory = directory;
    this.configure(config);
  }

  get configFile() {
    return join(this.#directory, 'thingway.toml');
  }

  /** For the next start. */
  configure(config) {
    writeFileSync(join(this.#directory, 'thingway.toml'), config);
  }

  async start() {
    const listen = this.url ? new URL(this.url).host : '127.0.0.1:0';
    // The first would win over XDG_STATE_HOME, and the second is no key of a configuration.
    const { STATE_DIRECTORY, ...environment } = plainEnvironment();
    // -D: the tracer is a grandchild, so that signals and the exit code are the daemon's.
    const tracer = this.#trace ? ['strace', '-D', '-f', '-ttt', '-e', 'trace=ioctl', '-o', this.#trace] : [];
    const [command, ...words] = [
      ...tracer,
      this.#program,
      '--config',
      join(this.#directory, 'thingway.toml'),
      ...(this.#listen ? ['--listen', listen] : []),
    ];
    const child = spawn(command, words, {
      env: {
        ...environment,
        XDG_STATE_HOME: join(this.#directory, 'state'),
        XDG_RUNTIME_DIR: this.#directory,
        ...this.#environment,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#output = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#output += text;
      this.log += text;
    });
    let failure = null;
    child.on('error', (error) => {
      failure = error;
    });
    this.#child = child;
    try {
      this.url = await until('the daemon listens', () => {
        if (failure || !isRunning(child))
          throw new Hopeless(`the daemon did not start: ${failure ?? ending(child)}; its log:\n${this.log}`);
        return this.#output.match(/listening on (http:\/\/\S+?)\/?\s/)?.[1];
      });
    } catch (error) {
      if (!failure && isRunning(child)) await this.kill(); // it hangs
      this.#child = null;
      throw error;
    }
  }

  /** Where it listens over TLS. */
  secureUrl() {
    return until(
      'the daemon listens over TLS',
      () => this.#output.match(/listening on (https:\/\/\S+?)\/?\s/)?.[1],
    );
  }

  /** Reads its configuration again. */
  reload() {
    this.#child.kill('SIGHUP');
  }

  /** Keeps it from running for so long, as other programs of a busy board would. */
  async pause(milliseconds) {
    this.#child.kill('SIGSTOP');
    await new Promise((done) => setTimeout(done, milliseconds));
    this.#child.kill('SIGCONT');
  }

  /**
   * Ends it as a service manager would, with SIGTERM, and throws if there was a fault: it has ended before, a
   * session was lost to a bug, the log has a panic, the exit code is not 0, or it had to be killed because it
   * did not end. For one that was stopped or killed already there is nothing to do.
   */
  async stop({ patience = bound } = {}) {
    const child = this.#child;
    if (!child) return;
    const faults = [];
    if (isRunning(child)) {
      const closed = once(child, 'close'); // after the exit, when its log is complete
      const lost = await this.#lostSessions().catch(
        (error) => `unknown, since /metrics cannot be read (${error.cause ?? error})`,
      );
      if (lost !== '0') faults.push(`sessions that were lost to a bug: ${lost}`);
      child.kill('SIGTERM');
      let isHanging = false;
      const impatience = setTimeout(() => {
        isHanging = true;
        faults.push(`it did not end within ${patience} ms of SIGTERM and was killed`);
        child.kill('SIGKILL');
      }, patience);
      await closed;
      clearTimeout(impatience);
      if (child.exitCode !== 0 && !isHanging) faults.push(`SIGTERM ends it with ${ending(child)}`);
    } else {
      faults.push(`it has ended by itself, with ${ending(child)}`);
    }
    this.#child = null;
    this.#check(faults);
  }

  /**
   * Kills it, as a loss of power would. For tests that are about that: an end that is not wanted is a fault,
   * see `stop`.
   */
  async kill() {
    const child = this.#child;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    this.#child = null;
    this.#check([]);
  }

  async #lostSessions() {
    const metrics = await this.#ask(`${this.url}/metrics`);
    return (
      metrics.match(/^thingway_sessions_panicked_total (\d+)$/m)?.[1]
      ?? `unknown, since /metrics does not say: ${metrics}`
    );
  }

  #check(faults) {
    const panic = this.log.split('\n').find((line) => panics.test(line));
    if (panic) faults.push(`its log has a panic: ${panic}`);
    if (faults.length) throw new Error(`the daemon: ${faults.join('; ')}. Its log:\n${this.log}`);
  }

  async get(path) {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(bound) });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** What of its memory is in RAM (VmRSS). */
  residentKilobytes() {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(status.match(/^VmRSS:\s+(\d+) kB/m)[1]);
  }

  /**
   * Why sessions have ended, in their order, as the log tells it: a page that leaves ends its own, and does
   * not leave that to a time-out.
   */
  get ends() {
    return [...this.log.matchAll(/session \S+ of .*: ended: (.*)$/gm)].map(([, why]) => why);
  }

  async sessions() {
    return (await this.get('/sessions')).sessions;
  }
}

const isRunning = (child) => child.exitCode === null && child.signalCode === null;
const ending = ({ exitCode, signalCode }) => signalCode ?? `exit code ${exitCode}`;
