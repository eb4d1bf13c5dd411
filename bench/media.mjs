// What it costs to forward RTP to viewers, against bare str0m, Janus, libdatachannel and pion, which take turns row by
// row. `taskset -c 1 node bench/media.mjs [PARTS] [--quick] [--only=NAMES] [--store]`, comma between parts and between
// names. Parts are `forward`, `latency`, `picture`, `thousand`, and single rows like `10x2000x10`: viewers, packets a
// second, and how many of them at a time. `BENCH_ROUNDS` is another number of rounds than three.
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { forwarders, run } from './lib/forwarders.mjs';
import { version as libdatachannel } from '../tests/browser/lib/datachannel.js';
import { firstPictures } from './lib/picture.mjs';
import { circumstances, store, table, version } from './lib/report.mjs';
import { built } from './lib/server.mjs';
import { median } from './lib/statistics.mjs';

const options = process.argv.slice(2);
const has = (option) => options.includes(option);
const quick = has('--quick');
const given = options.find((option) => !option.startsWith('--'))?.split(',');
const only = options
  .find((option) => option.startsWith('--only='))
  ?.slice(7)
  .split(',');
const [ROUNDS, SECONDS, PICTURES] = quick ? [1, 3, 4] : [Number(process.env.BENCH_ROUNDS ?? 3), 8, 20];
const [ours, floor, janus, node, pion] = Object.keys(forwarders);
const wants = (name) => !only || only.includes(name);
const parts = given ?? ['forward', 'latency', 'picture', 'thousand'];

/** Viewers, packets a second, packets at a time. 400 packets of 1,200 B are 4 Mbit/s. */
const plan = [
  ...[1, 10, 50].flatMap((viewers) =>
    [400, 2000].flatMap((rate) => [10, 1].map((burst) => ({ viewers, rate, burst }))),
  ),
  ...[1, 10].map((viewers) => ({ viewers, rate: 10000, burst: 10 })),
];
const key = ({ viewers, rate, burst }) => `${viewers}x${rate}x${burst}`;
/** What a row is wanted to be, at most, as a part of another's. */
const janusAims = { '10x2000x10': 0.4, '50x400x10': 0.3 };
const floorAim = 1.15;

/** The version of a package of the distribution, if it is there. */
function packaged(name) {
  try {
    return version('dpkg-query', '-W', name);
  } catch {
    return 'missing';
  }
}
const header = circumstances({
  thingway: version(process.env.BENCH_BINARY ?? built('thingway')),
  Janus: packaged('janus'),
  'node-datachannel': libdatachannel,
  pion: packaged('golang-github-pion-webrtc.v3-dev'),
  'net.core.rmem_max': readFileSync('/proc/sys/net/core/rmem_max', 'utf8').trim(),
});
const measured = {};
const note = (row, name, result) => {
  console.error(row, name, JSON.stringify(result), `load ${loadavg()[0].toFixed(1)}`);
  const of = (measured[row] ??= {});
  (of[name] ??= []).push(result);
};
/** A forwarder that fails at a row has none; ours must not. */
async function attempt(row, name, what) {
  try {
    note(row, name, await run(name, { seconds: SECONDS, ...what }));
  } catch (error) {
    if (name === ours) throw error;
    console.error(row, name, error.message);
  }
}
const per = (row, name, pick) => {
  const results = measured[row]?.[name];
  return results ? median(results.map(pick)) : Number.NaN;
};
const total = (row, name, pick) => measured[row][name].reduce((sum, result) => sum + pick(result), 0);

const aims = [];
/** `met`: whether the aim is. */
const aim = (words, value, wanted, met) => {
  aims.push([words, value, met ? wanted : `**${wanted}**`, met ? 'met' : '**not met**']);
};

const rows = plan.filter((row) => parts.includes('forward') || parts.includes(key(row)));
for (let round = 0; round < ROUNDS; round++) {
  for (const row of rows) {
    for (const name of [ours, floor, janus, node, pion].filter(wants)) {
      // These two are asked only how they are with few.
      if (row.viewers > 10 && [node, pion].includes(name)) continue;
      await attempt(key(row), name, row);
    }
  }
  if (parts.includes('latency')) {
    const row = { viewers: 10, rate: 2000, decrypting: 10 };
    for (const name of [ours, floor, janus, node, pion].filter(wants)) {
      await attempt('latency', name, { ...row, burst: 10 });
      await attempt('singly', name, { ...row, burst: 1 });
    }
  }
  if (parts.includes('thousand')) {
    const few = { rate: 100, burst: 10, size: 500 };
    await attempt('fifty', ours, { viewers: 50, ...few });
    await attempt('thousand', ours, { viewers: 1000, ...few });
  }
  console.error(`round ${round + 1} of ${ROUNDS}`);
}

const ratio = (row, other, wanted) => {
  const is = per(row, ours, ({ cpu }) => cpu) / per(row, other, ({ cpu }) => cpu);
  if (!Number.isFinite(is)) return '–';
  const text = is.toFixed(2);
  if (wanted === undefined) return text;
  return `${is <= wanted ? text : `**${text}**`} (≤ ${wanted})`;
};
const cell = (row, name) => {
  if (!measured[row]?.[name]) return '–';
  const lost = total(row, name, (result) => result.lost);
  const untaken = total(row, name, ({ untaken: count }) => count);
  return [
    `${per(row, name, ({ cpu }) => cpu).toFixed(1)} µs`,
    ...(lost ? [`${lost} lost`] : []),
    ...(untaken ? [`${untaken} not taken`] : []),
  ].join(', ');
};
const names = [ours, floor, janus, node, pion].filter(wants);
const lines = rows.map((row) => {
  const { viewers, rate, burst } = row;
  const at = key(row);
  return [
    `${viewers} × ${rate.toLocaleString('en')}/s, ${burst === 1 ? 'singly' : `bursts of ${burst}`}`,
    ...names.map((name) => cell(at, name)),
    ratio(at, floor, floorAim),
    ratio(at, janus, janusAims[at]),
    ratio(at, node, viewers === 1 ? 1 : undefined),
  ];
});

const milli = (value) => `${value.toFixed(2)} ms`;
if (rows.length) {
  const lost = rows.reduce((sum, row) => sum + total(key(row), ours, (result) => result.lost), 0);
  aim('lost by thingway, in all rows above', `${lost}`, '0', lost === 0);
}
if (measured['50x400x10']) {
  const grown = names
    .filter((name) => measured['50x400x10'][name])
    .map((name) => [name, per('50x400x10', name, (result) => result.grown) / 1000]);
  const [, own] = grown[0];
  const others = grown.slice(1).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  aim(
    'memory for each of 50 viewers at 4 Mbit/s, above a silent session',
    `${own.toFixed(2)} MB (${others.join(', ')})`,
    '≤ 0.3 MB',
    own <= 0.3,
  );
}
for (const [row, how] of [
  ['latency', 'in bursts of 10'],
  ['singly', 'singly'],
]) {
  if (!measured[row]) continue;
  const of = (name, pick) => per(row, name, ({ got }) => got[pick] / 1000);
  const others = (pick) =>
    names
      .slice(1)
      .filter((name) => measured[row][name])
      .map((name) => `${name} ${of(name, pick).toFixed(2)}`)
      .join(', ');
  for (const [words, pick, most] of [
    [`from the source to 10 viewers at 20 Mbit/s, ${how}: median`, 'median_us', 0.3],
    ['the same: 99 of 100', 'p99_us', 2],
  ]) {
    const [own, theirs] = [of(ours, pick), of(janus, pick)];
    // Without Janus in the run nothing is said about it.
    const met = own <= most && !(own >= theirs);
    aim(words, `${milli(own)} (${others(pick)})`, `≤ ${most} ms, below Janus`, met);
  }
}
if (parts.includes('picture')) {
  const pictures = await firstPictures(PICTURES);
  console.error('picture', JSON.stringify(pictures));
  const of = (pick) => pictures.map(pick);
  const first = median(of(({ answered }) => answered));
  const most = Math.max(...of(({ answered }) => answered));
  aim(
    `the first picture in Chromium after the answer, of ${PICTURES} with 5 s between keyframes: median, longest`,
    `${first.toFixed(0)} ms, ${most.toFixed(0)} ms`,
    'median ≤ 300 ms',
    first <= 300,
  );
}
if (measured.thousand) {
  const connected = per('thousand', ours, (result) => result.connected) / 1000;
  const lost = total('thousand', ours, (result) => result.lost);
  const untaken = total('thousand', ours, (result) => result.untaken);
  const [many, few] = ['thousand', 'fifty'].map((row) => per(row, ours, ({ cpu }) => cpu));
  aim('1,000 viewers are connected after', `${connected.toFixed(1)} s`, '≤ 60 s', connected <= 60);
  aim(
    '100 packets of 500 B a second to each: lost',
    `${lost}${untaken ? `, ${untaken} not taken` : ''}`,
    '0',
    lost === 0,
  );
  aim(
    'the same: processor time for each packet, and with 50 viewers',
    `${many.toFixed(1)} µs, ${few.toFixed(1)} µs: ${(many / few).toFixed(2)}`,
    '≤ 1.2',
    many <= 1.2 * few,
  );
}

const runs = ROUNDS === 1 ? 'One round' : `Medians of ${ROUNDS} rounds`;
const made = [
  header,
  '',
  `${runs} of ${SECONDS} s, in each of which all had their turn at a row before the next row. Processor time of the forwarder for each packet that a viewer got. What misses its aim is in bold, and the aim stands behind it.`,
  '',
  ...(lines.length
    ? [...table(['viewers × packets', ...names, `to ${floor}`, `to ${janus}`, `to ${node}`], lines), '']
    : []),
  ...table(['', '', 'aim', ''], aims),
];
console.log(made.join('\n'));
if (has('--store')) store('media', made);
process.exit(0);
