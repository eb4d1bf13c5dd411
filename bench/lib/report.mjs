// Documents with figures: each benchmark owns a section of one, between two comments, and writes that anew.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';

const root = new URL('../../', import.meta.url);

/** What the figures of a section were measured with, as one line. */
export function circumstances(versions) {
  const load = loadavg()[0].toFixed(1);
  const of = { Linux: release(), 'Node.js': process.versions.node, ...versions };
  const list = Object.entries(of)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `Measured on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores of ${cpus()[0].model.trim()}, load ${load} before; ${list}.`;
}

/** The first line that looks like a version of what a program says of itself. */
export function version(program, ...words) {
  const text = execFileSync(program, words.length ? words : ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? '?';
}

export function store(section, lines, document = 'docs/bench.md') {
  const path = new URL(document, root);
  const [from, to] = [`<!-- ${section} -->\n`, `<!-- end of ${section} -->`];
  const text = readFileSync(path, 'utf8');
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`${document} has no section ${section}`);
  writeFileSync(path, `${text.slice(0, start + from.length)}${lines.join('\n')}\n${text.slice(end)}`);
}

/** Puts one more line at the end of a section. */
export function append(section, line, document) {
  const path = new URL(document, root);
  const text = readFileSync(path, 'utf8');
  const at = text.indexOf(`<!-- end of ${section} -->`);
  if (at < 0) throw new Error(`${document} has no section ${section}`);
  writeFileSync(path, `${text.slice(0, at)}${line}\n${text.slice(at)}`);
}

/** The same, in place of a line of the section with the same first cell. */
export function replace(section, line, document) {
  const path = new URL(document, root);
  const cell = line.split(' | ')[0];
  const [before, after] = readFileSync(path, 'utf8').split(`<!-- ${section} -->\n`);
  const kept = after.split('\n');
  const end = kept.indexOf(`<!-- end of ${section} -->`);
  const others = kept.slice(0, end).filter((old) => !old.startsWith(`${cell} | `));
  writeFileSync(path, `${before}<!-- ${section} -->\n${[...others, ...kept.slice(end)].join('\n')}`);
  append(section, line, document);
}

/** A table of Markdown. */
export const table = (head, rows) => [
  `| ${head.join(' | ')} |`,
  `|${head.map(() => '---|').join('')}`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
];

/** The rows of the table in a section, without its head: what `table` and `store` have written there. */
export function rows(document, section) {
  const text = readFileSync(new URL(document, root), 'utf8');
  const part = text.split(`<!-- ${section} -->`)[1]?.split(`<!-- end of ${section} -->`)[0] ?? '';
  const lines = part.split('\n').filter((line) => /^\|.*\|$/.test(line));
  return lines.slice(2).map((line) => {
    const cells = line.split('|').slice(1, -1);
    return cells.map((cell) => cell.trim());
  });
}
