// Writes the boards' section of cross/sizes.md from the lines of JSON that cross/check printed: `node
// cross/table.mjs FILE`.
import { readFileSync } from 'node:fs';

import { store, table } from '../bench/lib/report.mjs';

const HEAD = [
  'target',
  'profile',
  'bytes',
  'newest glibc symbol',
  'emulated core',
  'RSS, idle',
  'of it anonymous',
];
const number = (value) => value.toLocaleString('en');

const boards = readFileSync(process.argv[2], 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
const rows = boards.map(({ target, profile, bytes, glibc, core, rss, anonymous }) => [
  target,
  profile,
  number(bytes),
  glibc,
  core,
  `${number(rss)} kB`,
  `${number(anonymous)} kB`,
]);
store(
  'boards',
  [`Written on ${new Date().toISOString().slice(0, 10)}.`, '', ...table(HEAD, rows)],
  'cross/sizes.md',
);
