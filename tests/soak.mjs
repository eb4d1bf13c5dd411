// The real daemon for a long time: `node tests/soak.mjs cycles COUNT`, `memory SECONDS` or `pictures SECONDS`, after
// `cargo build --release` (for pictures with `--examples`). It fails if the daemon keeps memory, descriptors or anything else of sessions that have ended.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer } from '../bench/lib/peer.mjs';
import { Server, built } from '../bench/lib/server.mjs';
import { median } from '../bench/lib/statistics.mjs';

const [what, amount] = [process.argv[2], Number(process.argv[3])];
const url = 'http://127.0.0.1:8391';
const config =
  '[http]\nlisten = ["127.0.0.1:8391"]\n[[endpoint]]\nname = "echo"\nkind = "echo"\n'
  + '[limits]\nsessions = 200\nviewers = 200\n[[endpoint]]\nname = "camera"\nkind = "rtp"\n[endpoint.video]\nlisten = "127.0.0.1:8392"\ncodec = "H264"\n';
// A few pages of the heap come and go; a kilobyte kept of each session would be ten times as much.
const SLACK = 1024; // kB

const server = await Server.start('thingway', url, (path) => [built('thingway'), '--config', path], {
  config,
});
const metric = async (name) =>
  Number(
    (await (await fetch(`${url}/metrics`, { headers: { Connection: 'close' } })).text()).match(
      new RegExp(`^thingway_${name.replace(/[{}]/g, '\\$&')} (\\d+)`, 'm'),
    )?.[1],
  );
const faults = [];
const check = (holds, sentence) => {
  if (!holds) faults.push(sentence);
};

/** One message there and back. */
const echo = (peer, text) =>
  new Promise((done, fail) => {
    const late = setTimeout(() => fail(new Error('no echo within a minute')), 60000);
    peer.channel.onMessage((message) => {
      clearTimeout(late);
      done(message);
    });
    peer.channel.sendMessage(text);
  });

async function cycles(count) {
  const warm = Math.ceil(count / 10);
  let before;
  for (let n = 0; n < count; n++) {
    if (n === warm) before = { memory: server.resident(), descriptors: server.descriptors() };
    const peer = await Peer.connect(url, 'echo');
    const text = `cycle ${n}`;
    check(String(await echo(peer, text)) === text, `cycle ${n}: another answer`);
    peer.close();
    if (n % 500 === 499)
      console.log(`${n + 1} cycles: ${server.resident()} kB, ${server.descriptors()} descriptors`);
  }
  for (let tries = 0; (await metric('sessions')) > 0 && tries < 600; tries++) await sleep(100);
  check((await metric('sessions')) === 0, `${await metric('sessions')} sessions are left`);
  check(
    server.resident() <= before.memory + SLACK,
    `memory grew from ${before.memory} to ${server.resident()} kB`,
  );
  for (let tries = 0; server.descriptors() > before.descriptors && tries < 600; tries++) await sleep(100);
  check(
    server.descriptors() <= before.descriptors,
    `descriptors grew from ${before.descriptors} to ${server.descriptors()}`,
  );
  check((await metric('sessions_created_total')) >= count, 'not all sessions were made');
}

async function memory(seconds) {
  const peers = await Promise.all(Array.from({ length: 8 }, () => Peer.connect(url, 'echo')));
  const end = Date.now() + seconds * 1000;
  let messages = 0;
  const busy = peers.map(async (peer, n) => {
    for (; Date.now() < end; messages++) await echo(peer, `${n} ${'x'.repeat(messages % 4000)}`);
  });
  const samples = [];
  while (Date.now() < end) {
    samples.push(server.resident());
    await sleep(Math.max(100, seconds * 10));
  }
  await Promise.all(busy);
  const tenth = Math.ceil(samples.length / 10);
  // The first tenth is for caches to fill.
  const [early, late] = [median(samples.slice(tenth, 2 * tenth)), median(samples.slice(-tenth))];
  console.log(`${messages} messages in ${seconds} s: ${early} kB early, ${late} kB late`);
  check(late <= early + SLACK, `memory grew from ${early} to ${late} kB`);
}

/** Viewers of the camera, connected. */
async function viewers(count) {
  const words = [`${url}/whep/camera?wait=true`, count];
  const program = spawn(built('examples/rtp_viewers'), words.map(String), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(program.stdout, 'data');
  const left = async () => {
    program.stdin.end();
    program.stdout.resume();
    await once(program, 'exit');
  };
  return left;
}

/** 4 Mbit/s to eight viewers who stay and four who come and go. */
async function pictures(seconds) {
  const words = ['127.0.0.1:8392', 400, 10, 1200, 400 * seconds];
  const camera = spawn(built('examples/rtp_source'), words.map(String), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(camera, 'exit');
  const leave = await viewers(8);
  const sessions = async () => (await (await fetch(`${url}/sessions`)).json()).sessions.map(({ id }) => id);
  const staying = new Set(await sessions());
  const end = Date.now() + (seconds - 5) * 1000;
  const samples = [];
  let visits = 0;
  while (Date.now() < end) {
    const left = await viewers(4);
    await sleep(2000);
    samples.push(server.resident());
    await left();
    // As a page does that is closed.
    for (const id of await sessions())
      if (!staying.has(id)) await fetch(`${url}/sessions/${id}`, { method: 'DELETE' });
    if (visits++ % 50 === 49) console.log(`${visits} visits: ${server.resident()} kB`);
  }
  await leave();
  await ended;
  const tenth = Math.ceil(samples.length / 10);
  const [early, late] = [median(samples.slice(tenth, 2 * tenth)), median(samples.slice(-tenth))];
  const sent = await metric('media_sent_total{endpoint="camera",kind="video"}');
  console.log(`${sent} packets, ${visits} visits in ${seconds} s: ${early} kB early, ${late} kB late`);
  check(sent > 400 * (seconds - 10) * 8, `only ${sent} packets went out`);
  check(late <= early + SLACK, `memory grew from ${early} to ${late} kB`);
}

const parts = { cycles, memory, pictures };
if (!(amount > 0) || !parts[what]) {
  console.error('node tests/soak.mjs cycles COUNT | memory SECONDS | pictures SECONDS');
  process.exit(2);
}
await parts[what](amount);
check((await metric('sessions_panicked_total')) === 0, 'a session met a bug');
await server.stop();
for (const fault of faults) console.error(fault);
console.log(`${faults.length ? 0 : 1} passed, ${faults.length ? 1 : 0} failed`);
process.exit(faults.length ? 1 : 0);
