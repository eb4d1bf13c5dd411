// Two machines on a network that leads nowhere else: network namespaces with a cable between them.
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binary, Daemon, temporaryDirectory } from './daemon.js';
import { bound } from './until.js';

const ip = (...words) => execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] });

/** One end of the cable. */
class Machine {
  constructor(name, address) {
    Object.assign(this, { name, address });
  }

  /**
   * A program that runs there: the path of a script, for those who want one program and not its arguments.
   */
  program(path) {
    const script = join(temporaryDirectory(), 'there');
    writeFileSync(script, `#!/bin/sh\nexec ip netns exec ${this.name} ${path} "$@"\n`);
    chmodSync(script, 0o755);
    return script;
  }

  run(...words) {
    return execFileSync('ip', ['netns', 'exec', this.name, ...words], { encoding: 'utf8' });
  }

  /** Pulls its cable, or puts it back. */
  cable(state) {
    ip('-n', this.name, 'link', 'set', 'cable', state);
  }
}

/**
 * An IPv6 address that the kernel has given by itself counts after a second or two, when no duplicate was
 * found (RFC 4862 §5.4). A browser takes it for another network then, and gives up whatever it is loading.
 */
function settle(machines) {
  const isTentative = ({ name }) => String(ip('-n', name, '-6', 'addr', 'show', 'tentative')).trim() !== '';
  for (const end = Date.now() + bound; machines.some(isTentative) && Date.now() < end; )
    execFileSync('sleep', ['0.1']);
}

/** The board and the phone, or `null` if this user may not make networks. */
export function twoMachines(t) {
  const unique = process.pid % 100000;
  const [board, phone] = [
    new Machine(`tw-board-${unique}`, '192.0.2.1'),
    new Machine(`tw-phone-${unique}`, '192.0.2.2'),
  ];
  try {
    for (const { name } of [board, phone]) {
      ip('netns', 'add', name);
      // After all that runs in it: Node calls hooks in the order in which they were added.
      t.after(() => t.after(() => ip('netns', 'del', name)));
    }
    ip(
      'link',
      'add',
      'cable',
      'netns',
      board.name,
      'type',
      'veth',
      'peer',
      'name',
      'cable',
      'netns',
      phone.name,
    );
    for (const { name, address } of [board, phone]) {
      ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'cable');
      ip('-n', name, 'link', 'set', 'lo', 'up');
      ip('-n', name, 'link', 'set', 'cable', 'up');
    }
    settle([board, phone]);
  } catch (error) {
    if (/not permitted|denied|ENOENT/.test(`${error} ${error.stderr}`)) return null;
    throw error;
  }
  return { board, phone };
}

/**
 * The daemon on the board: `thingway(...words)` runs its program there and returns what that prints, and `ask(address)`
 * what the daemon answers.
 */
export async function startOnBoard(t, board, config) {
  const run = temporaryDirectory();
  const ask = async (address) => board.run('curl', '--silent', '--fail', address);
  const program = board.program(binary);
  const daemon = await Daemon.start(t, config, { program, environment: { RUNTIME_DIRECTORY: run }, ask });
  const thingway = (...words) => board.run('env', `RUNTIME_DIRECTORY=${run}`, binary, ...words);
  return { daemon, ask, thingway };
}

/** Sets it up, and gives what a person is to open: the address, and the token that stands behind it. */
export function setUp(thingway, ...options) {
  const printed = thingway('setup', ...options);
  const found = printed.match(/(https:\/\/192\.0\.2\.1:8443)\/#token=(\S+)/);
  if (!found) throw new Error(`no address is printed:\n${printed}`);
  return { printed, origin: found[1], token: found[2] };
}

/** Chromium, as it runs on that machine. */
export const chromiumOn = (machine) => machine.program(process.env.CHROMIUM_BIN ?? '/usr/bin/chromium');

/**
 * Opens a page there. A browser that has just started may take an address that it finds late for another network, and
 * gives up what it is loading. It loads that again by itself, which nobody can wait for, so this does.
 */
export async function openThere(page, address) {
  for (let tries = 1; ; tries++) {
    try {
      return await page.goto(address);
    } catch (error) {
      if (tries === 5 || !/ERR_NETWORK_CHANGED/.test(error.message)) throw error;
    }
  }
}
