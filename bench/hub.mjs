// What the REST API of SkyWay's gateway and the hub cost: datagrams between two peers of one gateway against
// two endpoints of kind udp, parked polls, silent WebSockets of PeerJS, and what ten thousand peers leave
// behind. `taskset -c 1 node bench/hub.mjs [PARTS] [--store]`, comma between parts; CYCLES=10000 says how
// many peers come and go.
import { setTimeout as sleep } from 'node:timers/promises';
import { RestPeer, agent, call, connect, hold, send } from './lib/gateway.mjs';
import { circumstances, store, table, version } from './lib/report.mjs';
import { Counter, fromUdp, toUdp } from './lib/rows.mjs';
import { Server, built, device, servers } from './lib/server.mjs';
import { median } from './lib/statistics.mjs';

const parts = (process.argv[2]?.startsWith('--') ? undefined : process.argv[2])?.split(',') ?? [
  'datagrams',
  'polls',
  'sockets',
  'cycles',
];
const binary = process.env.BENCH_BINARY ?? built('thingway');
const header = circumstances({ thingway: version(binary) });
const [ROUNDS, MANY, CYCLES, SIZE] = [5, 1000, Number(process.env.CYCLES ?? 10000), 200];
const micro = (value) => `${value.toFixed(1)} µs`;
const kib = (value) => `${value.toFixed(1)} KiB`;
const lines = [];
const said = (words, value, aim = '', met = true) =>
  lines.push([words, value, aim && !met ? `**${aim}**` : aim]);

const LIMITS = '[limits]\nsessions = 1000\npeers = 10000\nconnections = 10000\n';
const start = (limits = LIMITS) =>
  Server.start('thingway', 'http://127.0.0.1:7404', (config) => [binary, '--config', config], {
    config: `[http]\nlisten = ["127.0.0.1:7404"]\n${limits}`,
  });

/**
 * 200 B from a program to a program, through a connection between two peers. Microseconds for each that
 * arrived.
 */
async function throughHub(server, rate, seconds = 2) {
  const counter = new Counter();
  const [a, b] = [await RestPeer.create(server, 'a'), await RestPeer.create(server, 'b')];
  try {
    const { feed } = await connect(a, b, { redirect: device.remote });
    await send(feed, 1000, 1000, SIZE);
    await sleep(300);
    const before = await counter.total();
    const cpu = server.cpu();
    const sent = await send(feed, rate, rate * seconds, SIZE);
    let total = await counter.total();
    for (let last = -1; total !== last; ) {
      last = total;
      await sleep(300);
      total = await counter.total();
    }
    return { lost: 1 - (total - before) / sent, cpu: (server.cpu() - cpu) / (total - before) };
  } finally {
    await a.remove();
    await b.remove();
    await counter.stop();
  }
}

async function datagrams() {
  const measured = { hub: [], from: [], to: [] };
  const RATE = 10000;
  for (let round = 0; round < ROUNDS; round++) {
    const hub = await start();
    try {
      measured.hub.push(await throughHub(hub, RATE));
    } finally {
      await hub.stop();
    }
    const native = await servers.thingway(true);
    try {
      measured.from.push(await fromUdp(native, RATE));
      measured.to.push(await toUdp(native, 60000));
    } finally {
      await native.stop();
    }
  }
  console.error(JSON.stringify(measured));
  const of = (name) => median(measured[name].map(({ cpu }) => cpu));
  const aim = 2 * of('from');
  said(
    `${RATE.toLocaleString('en')}/s of ${SIZE} B from UDP to UDP: processor time`,
    micro(of('hub')),
    `≤ ${micro(1.1 * aim)}`,
    of('hub') <= 1.1 * aim,
  );
  said(
    'the same: lost, at most',
    `${(100 * Math.max(...measured.hub.map(({ lost }) => lost))).toFixed(2)} %`,
    '0 %',
    measured.hub.every(({ lost }) => lost === 0),
  );
  said('an endpoint, from UDP to a client at that rate', micro(of('from')));
  said('an endpoint, from a client to UDP as fast as it goes', micro(of('to')));
  // How far it goes: the highest rate of which nothing is lost, twice.
  const server = await start();
  let most = 0;
  try {
    for (const rate of [15000, 20000, 25000, 30000, 40000, 50000, 60000]) {
      const runs = [await throughHub(server, rate), await throughHub(server, rate)];
      console.error(
        `${rate}/s`,
        runs.map(({ lost, cpu }) => `${(lost * 100).toFixed(2)} % lost, ${cpu.toFixed(1)} µs`).join('; '),
      );
      if (runs.some(({ lost }) => lost > 0)) break;
      most = rate;
    }
  } finally {
    await server.stop();
  }
  said('the highest rate of which nothing is lost', `${most.toLocaleString('en')}/s`);
}

async function polls() {
  const server = await start();
  try {
    const bare = server.resident();
    const peers = [];
    while (peers.length < MANY) peers.push(await RestPeer.create(server, `peer-${peers.length}`));
    await sleep(500);
    const before = server.resident();
    const held = await Promise.all(peers.map((peer) => hold(server, `GET ${peer.path} HTTP/1.1`)));
    await sleep(1500);
    const [cpu, wakeups, resident] = [server.cpu(), server.wakeups(), server.resident()];
    await sleep(20000);
    const used = (server.cpu() - cpu) / 1000;
    const woken = server.wakeups() - wakeups;
    const early = held.filter(({ answered, ended }) => answered || ended).length;
    if (early) throw new Error(`${early} polls did not wait`);
    said('a peer that was made over the API: memory', kib((before - bare) / MANY));
    said(
      `each of ${MANY.toLocaleString('en')} parked polls: memory`,
      kib((resident - before) / MANY),
      '≤ 12 KiB',
      resident - before <= 12 * MANY,
    );
    said(
      'with all of them, for 20 s: processor time',
      `${used.toFixed(1)} ms, ${woken} wake-ups`,
      '0',
      used < 1,
    );
    for (const socket of held) socket.destroy();
  } finally {
    await server.stop();
  }
}

async function sockets() {
  const server = await start();
  try {
    const held = [];
    const join = (n) =>
      hold(
        server,
        `GET /peerjs?key=peerjs&id=page-${n}&token=t${n}&version=1.5.5 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==`,
        /"OPEN"/,
      );
    await sleep(500);
    const before = server.resident();
    while (held.length < MANY) held.push(await join(held.length));
    await sleep(1500);
    const each = (server.resident() - before) / MANY;
    const [cpu, wakeups] = [server.cpu(), server.wakeups()];
    await sleep(10000);
    const used = (server.cpu() - cpu) / 1000;
    if (held.some(({ ended }) => ended)) throw new Error('a socket was closed');
    said(
      `each of ${MANY.toLocaleString('en')} silent pages of PeerJS: memory`,
      kib(each),
      '≤ 20 KiB',
      each <= 20,
    );
    said(
      'with all of them, for 10 s: processor time',
      `${used.toFixed(1)} ms, ${server.wakeups() - wakeups} wake-ups`,
    );
    for (const socket of held) socket.destroy();
  } finally {
    await server.stop();
  }
}

async function cycle(server, n) {
  const [a, b] = [await RestPeer.create(server, `a-${n}`), await RestPeer.create(server, `b-${n}`)];
  const { ours } = await connect(a, b);
  await call(server, 'DELETE', `/data/connections/${ours}`);
  await Promise.all([a.remove(), b.remove()]);
}

/** With the limits that are usual. */
async function cycles() {
  const server = await start('');
  const run = async (from, to) => {
    let next = from;
    const lane = async () => {
      while (next < to) await cycle(server, next++);
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  };
  // Ended peers are remembered for 30 s.
  const settled = async () => {
    agent.destroy();
    await sleep(35000);
    return { resident: server.resident(), open: server.descriptors() };
  };
  try {
    const fresh = { resident: server.resident(), open: server.descriptors() };
    await run(0, CYCLES / 10);
    const warm = await settled();
    const began = performance.now();
    await run(CYCLES / 10, CYCLES / 10 + CYCLES);
    const took = (performance.now() - began) / 1000;
    const peak = server.resident();
    const after = await settled();
    const mega = (value) => `${(value / 1024).toFixed(1)} MiB`;
    console.error(`${CYCLES} cycles in ${took.toFixed(0)} s`);
    said(
      `resident: fresh, after ${CYCLES / 10} peers, ports and connections, after ${CYCLES} more`,
      [fresh, warm, after].map(({ resident }) => mega(resident)).join(', '),
      'no growth',
      after.resident <= warm.resident + 256,
    );
    said('the same while they come and go', mega(peak));
    said(
      'open descriptors: fresh, then, at the end',
      [fresh, warm, after].map(({ open }) => open).join(', '),
      'no growth',
      after.open <= warm.open,
    );
  } finally {
    await server.stop();
  }
}

const all = { datagrams, polls, sockets, cycles };
for (const part of parts) await all[part]();
const made = [header, '', 'An aim in bold is missed.', '', ...table(['', '', 'aim'], lines)];
console.log(made.join('\n'));
if (process.argv.includes('--store')) store('hub', made);
process.exit(0);
