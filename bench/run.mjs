// The benchmark: thingway, bare str0m and node-datachannel do the same work for one client, in turns, and
// docs/bench.md gets the table. Wanted: `make bench`, which builds everything; two cores, the servers have
// the first and the client the second.
import { loadavg } from 'node:os';
import { version, circumstances, store, table } from './lib/report.mjs';
import * as rows from './lib/rows.mjs';
import { built, servers } from './lib/server.mjs';
import { median } from './lib/statistics.mjs';

const ROUNDS = Number(process.argv[2] ?? 5);
const names = Object.keys(servers);
const [ours, floor, other] = names;
const header = circumstances({
  thingway: version(built('thingway')),
  str0m: '0.25.0',
  'node-datachannel': '0.33.4',
});

const micro = (value) => `${value.toFixed(1)} µs`;
const milli = (value) => `${value.toFixed(2)} ms`;
const rate = (value) => `${value.toFixed(0)} MB/s`;
const perSecond = (value) => `${Math.round(value / 100) * 100}/s`;
const percent = (value) => `${(value * 100).toFixed(1)} %`;

/**
 * What is measured in one go, and the lines of the table that come of it: words, value, unit, aims against
 * the floor and the other.
 */
const plan = [
  {
    udp: false,
    run: (server) => rows.echo(server, 64),
    lines: [
      ['64 B there and back: processor time', 'cpu', micro, 1.05, 0.48],
      ['the same: median', 'p50', micro, 1.05, 1],
      ['the same: 99 of 100', 'p99', micro, 1.05, 1],
    ],
  },
  {
    udp: false,
    run: (server) => rows.echo(server, 1024),
    lines: [
      ['1 KiB there and back: processor time', 'cpu', micro, 1.05, 0.48],
      ['the same: median', 'p50', micro, 1.05, 1],
      ['the same: 99 of 100', 'p99', micro, 1.05, 1],
    ],
  },
  {
    udp: false,
    run: (server) => rows.down(server),
    lines: [
      ['16 KiB messages to the client', 'rate', rate, null, -1],
      ['the same: processor time per MB', 'cpu', (value) => milli(value / 1000), null, 0.8],
    ],
  },
  {
    udp: false,
    run: (server) => rows.up(server),
    lines: [
      ['16 KiB messages from the client', 'rate', rate, null, null],
      ['the same: processor time per MB', 'cpu', (value) => milli(value / 1000), 1.05, 0.75],
    ],
  },
  {
    udp: true,
    run: (server) => rows.toUdp(server, 60000),
    lines: [
      ['200 B from the client to UDP', 'rate', perSecond, null, null],
      ['the same: lost', 'lost', percent, null, null],
      ['the same: processor time per message', 'cpu', micro, 1, 0.45],
    ],
  },
  {
    udp: true,
    run: (server) => rows.fromUdp(server, 20000),
    lines: [
      ['20,000/s of 200 B from UDP to the client: arrived', 'arrived', percent, null, null],
      ['the same: processor time per message', 'cpu', micro, 1, 0.45],
    ],
  },
  {
    udp: true,
    run: (server) => rows.fromUdp(server, 40000),
    lines: [
      ['40,000/s: arrived', 'arrived', percent, null, null],
      ['the same: processor time per message', 'cpu', micro, 1, 0.45],
    ],
  },
  {
    udp: true,
    run: (server) => rows.fromUdp(server, 80000),
    lines: [['80,000/s, more than any of them can: arrived', 'perSecond', perSecond, null, null]],
  },
  {
    udp: false,
    run: (server) => rows.connects(server, 30),
    lines: [
      ['from the offer to the open channel', 'time', milli, 1, null],
      ['the same: processor time', 'cpu', milli, null, 0.4],
    ],
  },
];
const results = plan.map(() => Object.fromEntries(names.map((name) => [name, []])));

async function turn(name, udp) {
  const server = await servers[name](udp);
  try {
    for (const [at, { udp: wanted, run }] of plan.entries()) {
      if (wanted === udp) results[at][name].push(await run(server));
    }
  } finally {
    await server.stop();
  }
}

const idle = {};
for (let round = 0; round < ROUNDS; round++) {
  for (const udp of [false, true]) for (const name of names) await turn(name, udp);
  console.error(`round ${round + 1} of ${ROUNDS}, load ${loadavg()[0].toFixed(1)}`);
}
for (const name of names) {
  const server = await servers[name](false);
  idle[name] = await rows.idle(server);
  await server.stop();
}

/** `aim`: at most this ratio; -1 means at least 1. */
const ratio = (value, to, aim) => {
  const is = value / to;
  const text = Number.isFinite(is) ? is.toFixed(2) : '–';
  if (aim === null) return text;
  const met = aim === -1 ? is >= 1 : is <= aim;
  return `${met ? text : `**${text}**`} (${aim === -1 ? '≥ 1' : `≤ ${aim}`})`;
};
const line = (words, values, unit, against, beside) => [
  words,
  ...names.map((name) => unit(values[name])),
  ratio(values[ours], values[floor], against),
  ratio(values[ours], values[other], beside),
];
const lines = plan.flatMap(({ lines: made }, at) =>
  made.map(([words, key, unit, against, beside]) =>
    line(
      words,
      Object.fromEntries(names.map((name) => [name, median(results[at][name].map((result) => result[key]))])),
      unit,
      against,
      beside,
    ),
  ),
);
const still = (words, pick, unit, against = null, beside = null) =>
  line(words, Object.fromEntries(names.map((name) => [name, pick(idle[name])])), unit, against, beside);
lines.push(
  still(
    'resident, nobody connected',
    ({ alone }) => alone.resident / 1000,
    (value) => `${value.toFixed(1)} MB`,
  ),
  still(
    'with one session',
    ({ one }) => one / 1000,
    (value) => `${value.toFixed(1)} MB`,
  ),
  still(
    'more for each of 100 idle sessions',
    ({ each }) => each / 1000,
    (value) => `${value.toFixed(3)} MB`,
  ),
  still(
    'wake-ups with nobody',
    ({ alone }) => alone.wakeups,
    (value) => `${value.toFixed(1)}/s`,
  ),
  still(
    'processor with 100 idle sessions',
    ({ many }) => many.cpu,
    (value) => `${value.toFixed(2)} %`,
  ),
  still(
    'wake-ups with them',
    ({ many }) => many.wakeups,
    (value) => `${value.toFixed(0)}/s`,
  ),
);
const made = [
  header,
  '',
  `Medians of ${ROUNDS} rounds, in each of which all three had their turn. A ratio in bold misses its aim, which stands behind it.`,
  '',
  ...table(['', ...names, `to ${floor}`, `to ${other}`], lines),
];
console.log(made.join('\n'));
store('native client', made);
process.exit(0);
