#!/usr/bin/env node
// Compares the figures that are written down with their limits: each line of the first table of
// docs/budgets.md, and each program of cross/sizes.md. `make boards`, `make vm` and `make bench` write them.
import { rows } from '../bench/lib/report.mjs';
import { limits } from '../cross/limits.mjs';

/** The first number in a text, without the commas of thousands. */
const number = (text) => Number(/-?[\d,]+(\.\d+)?/.exec(text)?.[0].replaceAll(',', ''));

const faults = [];
const boards = rows('cross/sizes.md', 'boards');
if (boards.length < 4) faults.push('cross/sizes.md: not all boards are there: make boards');
for (const [target, , bytes, , , rss] of boards) {
  const most = limits(target);
  if (!(number(bytes) <= most.bytes))
    faults.push(`cross/sizes.md: ${target}: ${bytes} bytes; ${most.bytes} is the limit`);
  if (!(number(rss) <= most.rss))
    faults.push(`cross/sizes.md: ${target}: ${rss} in RAM; ${most.rss} kB is the limit`);
}
const budgets = rows('docs/budgets.md', 'budgets');
if (budgets.length < 5) faults.push('docs/budgets.md has lost its table');
for (const [what, figure, limit] of budgets) {
  if (!(number(figure) <= number(limit)))
    faults.push(`docs/budgets.md: ${what}: ${figure}; ${limit} is the limit`);
}
for (const fault of faults) console.error(fault);
process.exit(faults.length ? 1 : 0);
