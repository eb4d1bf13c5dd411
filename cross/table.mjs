// Writes the boards' section of cross/sizes.md from the lines that cross/check printed: `node cross/table.mjs FILE`.
import { readFileSync } from 'node:fs';

import { store, table } from '../bench/lib/report.mjs';

const rows = readFileSync(process.argv[2], 'utf8')
  .trim()
  .split('\n')
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^\d{4,}/, (number) => Number(number).toLocaleString('en'))),
  );
const head = [
  'target',
  'profile',
  'bytes',
  'newest glibc symbol',
  'emulated core',
  'RSS, idle',
  'of it anonymous',
];
store(
  'boards',
  [`Written on ${new Date().toISOString().slice(0, 10)}.`, '', ...table(head, rows)],
  'cross/sizes.md',
);
