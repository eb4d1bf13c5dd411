// The inner paths: instructions by callgrind, which are the same at each run of one build, and times by
// criterion. Wanted: valgrind. `--store` writes docs/bench.md and a line of docs/budgets.md.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { instructions, paths } from './lib/instructions.mjs';
import { append, circumstances, store, table, version } from './lib/report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${root}target`;
const cargo = (...words) => {
  const { status } = spawnSync('cargo', words, {
    cwd: `${root}benches`,
    stdio: 'inherit',
    env: { ...process.env, CARGO_TARGET_DIR: target },
  });
  if (status !== 0) process.exit(status ?? 1);
};
cargo('build', '--locked', '--profile', 'bench', '--bin', 'instructions');
cargo('bench', '--locked', '--bench', 'inner');

const program = `${target}/release/instructions`;
const names = paths(program);

/** Nanoseconds, the median that criterion has found. */
function time(name) {
  const path = `${target}/criterion/${name.replace(/[?"/\\*<>:|^]/g, '_')}/new/estimates.json`;
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).median.point_estimate : NaN;
}

const rows = names.map((name) => {
  const [counted, took] = [instructions(program, name), time(name)];
  console.log(`${name}: ${Math.round(counted)} instructions, ${(took / 1000).toFixed(2)} µs`);
  return { name, counted, took };
});
const of = (name) => rows.find((row) => row.name === name);
const [one, thousand] = ['demux, 1 session', 'demux, 1,000 sessions'].map(of);
const ratio =
  `A datagram among 1,000 sessions costs ${(thousand.counted / one.counted).toFixed(2)} times the instructions`
  + ` and ${(thousand.took / one.took).toFixed(2)} times the time of one with a single session; wanted is no more than 1.5 times.`;
console.log(ratio);
if (process.argv.includes('--store')) {
  const cells = rows.map(({ name, counted, took }) => [
    name,
    Math.round(counted).toLocaleString('en'),
    `${(took / 1000).toFixed(2)} µs`,
  ]);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  const history = ['tty to message, 200 B', 'message to tty, 200 B', 'connect'].map((name) =>
    Math.round(of(name).counted).toLocaleString('en'),
  );
  append(
    'instructions over time',
    `| ${[new Date().toISOString().slice(0, 10), commit, ...history].join(' | ')} |`,
    'docs/budgets.md',
  );
  store('inner paths', [
    circumstances({ valgrind: version('valgrind') }),
    '',
    ...table(['path', 'instructions', 'time'], cells),
    '',
    ratio,
  ]);
}
