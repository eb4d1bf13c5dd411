// The inner paths: instructions by callgrind, which are the same at each run of one build, and times by criterion. Wanted:
// valgrind. `--store` writes docs/bench.md.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { circumstances, store, table, version } from './lib/report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${root}target`;
const cargo = (...words) => {
  const { status } = spawnSync('cargo', words, { cwd: `${root}benches`, stdio: 'inherit', env: { ...process.env, CARGO_TARGET_DIR: target } });
  if (status !== 0) process.exit(status ?? 1);
};
cargo('build', '--locked', '--profile', 'bench', '--bin', 'instructions');
cargo('bench', '--locked', '--bench', 'inner');

const program = `${target}/release/instructions`;
const names = execFileSync(program, { encoding: 'utf8' }).trim().split('\n');
const [few, many] = [100, 300];

/** Of one, without what only the first ones cost. */
function instructions(name) {
  const [less, more] = [few, many].map((times) => {
    const words = ['--tool=callgrind', '--callgrind-out-file=/dev/null', '--toggle-collect=thingway_benches::measured*', program, name, String(times)];
    const { stderr } = spawnSync('valgrind', words, { encoding: 'utf8' });
    const found = stderr.match(/Collected : (\d+)/);
    if (!found) throw new Error(`${name}: callgrind said nothing\n${stderr}`);
    return Number(found[1]);
  });
  return (more - less) / (many - few);
}

/** Nanoseconds, the median that criterion has found. */
function time(name) {
  const path = `${target}/criterion/${name.replace(/[?"/\\*<>:|^]/g, '_')}/new/estimates.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).median.point_estimate : NaN;
}

const rows = names.map((name) => {
  const [counted, took] = [instructions(name), time(name)];
  console.log(`${name}: ${Math.round(counted)} instructions, ${(took / 1000).toFixed(2)} µs`);
  return { name, counted, took };
});
const of = (name) => rows.find((row) => row.name === name);
const [one, thousand] = ['demux, 1 session', 'demux, 1,000 sessions'].map(of);
const ratio = `A datagram among 1,000 sessions costs ${(thousand.counted / one.counted).toFixed(2)} times the instructions`
  + ` and ${(thousand.took / one.took).toFixed(2)} times the time of one with a single session; wanted is no more than 1.5 times.`;
console.log(ratio);
if (process.argv.includes('--store')) {
  const cells = rows.map(({ name, counted, took }) => [name, Math.round(counted).toLocaleString('en'), `${(took / 1000).toFixed(2)} µs`]);
  store('inner paths', [circumstances({ valgrind: version('valgrind') }), '', ...table(['path', 'instructions', 'time'], cells), '', ratio]);
}
