// What is measured of each server. Each row gives numbers; docs/bench.md says what they mean.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Peer } from './peer.mjs';
import { built, device } from './server.mjs';
import { median, quantile } from './statistics.mjs';

/** One message there and back at a time, after a warm-up. Microseconds. */
export async function echo(server, size, count = 4000) {
  const peer = await Peer.connect(server.url, 'echo');
  const message = Buffer.alloc(size, 7);
  const times = [];
  let cpu = 0;
  await new Promise((done) => {
    let began;
    const next = () => {
      began = performance.now();
      peer.channel.sendMessageBinary(message);
    };
    let left = count + 500;
    peer.channel.onMessage(() => {
      if (left <= count) times.push((performance.now() - began) * 1000);
      left--;
      if (left === count) cpu = server.cpu();
      if (left === 0) done();
      else next();
    });
    next();
  });
  cpu = (server.cpu() - cpu) / count;
  peer.close();
  return { p50: median(times), p99: quantile(times, 0.99), cpu };
}

/** Messages of 16 KiB to the client. MB/s, and microseconds of the server for each MB. */
export async function down(server, megabytes = 64) {
  const peer = await Peer.connect(server.url, 'source');
  const size = 16384;
  const count = Math.round((megabytes * 1e6) / size);
  const run = (messages) =>
    new Promise((done) => {
      let left = messages * size;
      peer.channel.onMessage((data) => {
        if ((left -= data.length) <= 0) done();
      });
      peer.channel.sendMessage(`send ${size} ${messages}`);
    });
  const result = await rated(server, run, count, size);
  peer.close();
  return result;
}

/** And from it. */
export async function up(server, megabytes = 64) {
  const peer = await Peer.connect(server.url, 'sink');
  const message = Buffer.alloc(16384, 7);
  const run = async (messages) => {
    const done = new Promise((resolve) => peer.channel.onMessage(resolve));
    await peer.send(message, messages);
    peer.channel.sendMessage('end');
    const answer = await done;
    if (answer !== `done:${messages * message.length}`)
      throw new Error(`${server.name} lost bytes: ${answer}`);
  };
  const result = await rated(server, run, Math.round((megabytes * 1e6) / message.length), message.length);
  peer.close();
  return result;
}

/**
 * What `run(count)` achieves with messages of `size`, after a warm-up. MB/s, and microseconds of the server
 * for each MB.
 */
async function rated(server, run, count, size) {
  await run(200);
  const [cpu, began] = [server.cpu(), performance.now()];
  await run(count);
  const took = performance.now() - began;
  const used = server.cpu() - cpu;
  return { rate: (count * size) / took / 1000, cpu: used / ((count * size) / 1e6) };
}

export class Counter {
  constructor() {
    this.child = spawn('taskset', ['-c', '1', built('examples/udp_peer'), 'count', device.remote], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout.setEncoding('utf8');
  }

  async total() {
    this.child.stdin.write('\n');
    return Number((await once(this.child.stdout, 'data'))[0]);
  }

  /** Its port is free afterwards. */
  async stop() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Messages of 200 B from the client to a program, as fast as they go. */
export async function toUdp(server, count = 100000) {
  const counter = new Counter();
  await sleep(200);
  const peer = await Peer.connect(server.url, 'udp');
  const message = Buffer.alloc(200, 7);
  const arrived = async (wanted) => {
    let total = await counter.total();
    for (let last = -1; total < wanted && total !== last; ) {
      last = total;
      await sleep(300);
      total = await counter.total();
    }
    return total;
  };
  try {
    await peer.send(message, 2000);
    const before = await arrived(2000);
    const [cpu, began] = [server.cpu(), performance.now()];
    await peer.send(message, count);
    const sent = performance.now() - began;
    const total = (await arrived(before + count)) - before;
    return { rate: (count / sent) * 1000, cpu: (server.cpu() - cpu) / total, lost: 1 - total / count };
  } finally {
    peer.close();
    await counter.stop();
  }
}

/**
 * Messages of 200 B from a program to the client at a rate, for some seconds. `arrived` is a part of those
 * that were sent.
 */
export async function fromUdp(server, rate, seconds = 2) {
  // Nothing of it is sent again: what a program sends by UDP is late when it has to be.
  const peer = await Peer.connect(server.url, 'udp');
  let got = 0;
  peer.channel.onMessage(() => {
    got++;
  });
  peer.channel.sendMessageBinary(Buffer.from('here I am'));
  await sleep(300);
  const count = Math.round(rate * seconds);
  const cpu = server.cpu();
  const sender = spawn(
    'taskset',
    [
      '-c',
      '1',
      built('examples/udp_peer'),
      'send',
      device.remote,
      device.bind,
      String(rate),
      String(count),
      '200',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const began = performance.now();
  const [[text]] = await Promise.all([once(sender.stdout.setEncoding('utf8'), 'data'), once(sender, 'exit')]);
  const took = (performance.now() - began) / 1000;
  for (let last = -1; last !== got; ) {
    last = got;
    await sleep(300);
  }
  peer.close();
  await sleep(300);
  return {
    rate: Number(text) / took,
    arrived: got / Number(text),
    perSecond: got / took,
    cpu: (server.cpu() - cpu) / got,
  };
}

/** From the offer to the open channel, one after the other. Milliseconds. */
export async function connects(server, count = 40) {
  const times = [];
  let cpu = 0;
  for (let n = 0; n < count + 5; n++) {
    if (n === 5) cpu = server.cpu();
    const peer = await Peer.connect(server.url, 'echo');
    if (n >= 5) times.push(peer.opened - peer.began);
    peer.close();
    await sleep(20);
  }
  return { time: median(times), cpu: (server.cpu() - cpu) / count / 1000 };
}

/** With nobody, and with many who say nothing. kB; percent of a core; wake-ups a second. */
export async function idle(server, sessions = 100, seconds = 10) {
  const rest = async () => {
    const [cpu, wakeups] = [server.cpu(), server.wakeups()];
    await sleep(seconds * 1000);
    return { cpu: (server.cpu() - cpu) / seconds / 10000, wakeups: (server.wakeups() - wakeups) / seconds };
  };
  const alone = { resident: server.resident(), ...(await rest()) };
  const peers = [await Peer.connect(server.url, 'echo')];
  await sleep(1000);
  const one = server.resident();
  while (peers.length < sessions) peers.push(await Peer.connect(server.url, 'echo'));
  await sleep(5000);
  const many = { resident: server.resident(), ...(await rest()) };
  const still = peers.filter(({ channel }) => channel.isOpen()).length;
  if (still !== sessions) throw new Error(`${server.name}: ${still} of ${sessions} sessions are left`);
  for (const peer of peers) peer.close();
  return { alone, one, many, each: (many.resident - alone.resident) / sessions };
}
