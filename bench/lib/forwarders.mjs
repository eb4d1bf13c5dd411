// What forwards RTP to viewers, each with one source, and one run of one of them: source and viewers are programs of
// their own on the core that the forwarder does not have.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as janus from './janus.mjs';
import { buildPion } from './pion.mjs';
import { built, Server } from './server.mjs';

const [HTTP, RTP] = [7431, 7432];
export const source = { host: '127.0.0.1', port: RTP };
const url = `http://127.0.0.1:${HTTP}/camera`;
const OTHER_CORE = ['taskset', '-c', '1'];

/** What docs/media.md says of a thousand viewers, and nothing else. */
export const config = `[http]
listen = ["127.0.0.1:${HTTP}"]
[limits]
sessions = 1000
viewers = 1000
[[endpoint]]
name = "camera"
kind = "rtp"
[endpoint.video]
listen = "127.0.0.1:${RTP}"
codec = "H264"
`;

let pion;
export const forwarders = {
  // Viewers come before the camera here.
  thingway: () =>
    Server.start(
      'thingway',
      `http://127.0.0.1:${HTTP}/whep/camera?wait=true`,
      (path) => [process.env.BENCH_BINARY ?? built('thingway'), '--config', path],
      { config },
    ),
  'bare str0m': () =>
    Server.start('bare str0m', url, () => [built('examples/bare_rtp'), `${HTTP}`, `${RTP}`]),
  Janus: () => janus.start(HTTP, RTP),
  libdatachannel: () =>
    Server.start('libdatachannel', url, () => [
      process.execPath,
      fileURLToPath(new URL('../servers/node_datachannel_rtp.mjs', import.meta.url)),
      `${HTTP}`,
      `${RTP}`,
    ]),
  pion: () => {
    pion ??= buildPion();
    if (!pion) throw new Error('pion is not here');
    return Server.start('pion', url, () => [pion, `${HTTP}`, `${RTP}`]);
  },
};

/** What the kernel has dropped at the sockets of a process, because they were full. `port`: at this one alone. */
function drops(pid, port) {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const sockets = ['udp', 'udp6'].flatMap((file) =>
    readFileSync(`/proc/${pid}/net/${file}`, 'utf8').trim().split('\n').slice(1),
  );
  return sockets
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, local, , , , , , , , inode]) => inodes.has(inode) && (port === undefined || hex(local) === port),
    )
    .reduce((sum, words) => sum + Number(words[12]), 0);
}
const hex = (address) => Number.parseInt(address.split(':')[1], 16);

class Viewers {
  static async connect(server, count, decrypting = 0) {
    const viewers = new Viewers();
    const words = [built('examples/rtp_viewers'), server.url, count, decrypting, server.bind ?? '127.0.0.1'];
    const [command, ...rest] = [...OTHER_CORE, ...words.map(String)];
    viewers.child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    viewers.lines = createInterface({ input: viewers.child.stdout })[Symbol.asyncIterator]();
    try {
      viewers.connected = (await viewers.line()).connected_ms;
    } catch (error) {
      viewers.child.kill();
      throw new Error(`${server.name}, ${count} viewers: ${error.message}`);
    }
    return viewers;
  }

  async line() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the viewers have ended');
    return JSON.parse(value);
  }

  count() {
    this.child.stdin.write('\n');
    return this.line();
  }

  /** The counts when nothing comes any more. */
  async settled() {
    let counts = await this.count();
    for (let last = -1; counts.packets !== last; counts = await this.count()) {
      last = counts.packets;
      await sleep(300);
    }
    return counts;
  }

  async stop() {
    const ended = once(this.child, 'exit');
    this.child.stdin.end();
    await ended;
  }
}

async function send({ rate, burst, size, seconds }) {
  const words = [`${source.host}:${source.port}`, rate, burst, size, rate * seconds];
  const [command, ...rest] = [...OTHER_CORE, built('examples/rtp_source'), ...words.map(String)];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [[text]] = await Promise.all([once(child.stdout.setEncoding('utf8'), 'data'), once(child, 'exit')]);
  return JSON.parse(text);
}

/**
 * One source and its viewers, with a new server. `cpu`: microseconds for each packet that a viewer got. `lost`: packets
 * that the forwarder had and did not send; `untaken`: those for which a socket had no room, before it or behind it.
 * `grown`: kB for each viewer, above the memory with all of them connected and silent.
 */
export async function run(name, { viewers: count, rate, burst, size = 1200, seconds, decrypting }) {
  const server = await forwarders[name]();
  let viewers;
  try {
    viewers = await Viewers.connect(server, count, decrypting);
    await sleep(1000);
    const idle = server.resident();
    const before = { own: drops(server.pid, RTP), theirs: drops(viewers.child.pid), cpu: server.cpu() };
    const sent = await send({ rate, burst, size, seconds });
    const resident = server.resident();
    const got = await viewers.settled();
    const cpu = (server.cpu() - before.cpu) / got.packets;
    const ahead = (drops(server.pid, RTP) - before.own) * count;
    const behind = drops(viewers.child.pid) - before.theirs;
    const lost = sent.sent * count - got.packets - ahead - behind;
    return {
      cpu,
      lost,
      untaken: ahead + behind,
      grown: (resident - idle) / count,
      connected: viewers.connected,
      sent,
      got,
    };
  } finally {
    await viewers?.stop();
    await server.stop();
  }
}
