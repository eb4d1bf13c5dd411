#!/usr/bin/env node
// The figures that were measured and are written down keep what docs/budgets.md promises: each line of its first table that has a limit, and
// each program of cross/sizes.md. `make boards`, `make vm` and `make bench` write them.
import { readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const rows = (document, section) => {
  const text = readFileSync(new URL(document, root), 'utf8');
  const part = section ? (text.split(`<!-- ${section} -->`)[1]?.split('<!-- end')[0] ?? '') : text;
  return part
    .split('\n')
    .filter((line) => /^\|.*\|$/.test(line))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
};
/** The first number in a text, without the commas of thousands. */
const number = (text) => Number(/-?[\d,]+(\.\d+)?/.exec(text)?.[0].replaceAll(',', ''));

const faults = [];
const boards = rows('cross/sizes.md', 'boards');
if (boards.length < 4) faults.push('cross/sizes.md: not all boards are there: make boards');
for (const [target, , bytes, , , rss] of boards) {
  const most = target.startsWith('aarch64') || target.startsWith('x86') ? 8192 : 6144;
  const largest = target.startsWith('x86')
    ? 10_000_000
    : target.startsWith('aarch64')
      ? 9_000_000
      : 7_000_000;
  if (!(number(bytes) <= largest))
    faults.push(`cross/sizes.md: ${target}: ${bytes} bytes; ${largest} is the limit`);
  if (!(number(rss) <= most))
    faults.push(`cross/sizes.md: ${target}: ${rss} in RAM; ${most} kB is the limit`);
}
const budgets = rows('docs/budgets.md', 'budgets');
if (budgets.length < 5) faults.push('docs/budgets.md has lost its table');
for (const [what, figure, limit] of budgets) {
  if (!(number(figure) <= number(limit)))
    faults.push(`docs/budgets.md: ${what}: ${figure}; ${limit} is the limit`);
}
for (const fault of faults) console.error(fault);
process.exit(faults.length ? 1 : 0);
