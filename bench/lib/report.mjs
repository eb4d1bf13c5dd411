// docs/bench.md: each benchmark owns a section of it, between two comments, and writes that anew.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';

const path = new URL('../../docs/bench.md', import.meta.url);

/** What the figures of a section were measured with, as one line. */
export function circumstances(versions) {
  const load = loadavg()[0].toFixed(1);
  const of = { 'Linux': release(), 'Node.js': process.versions.node, ...versions };
  const list = Object.entries(of).map(([name, version]) => `${name} ${version}`).join(', ');
  return `Measured on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores of ${cpus()[0].model.trim()}, load ${load} before; ${list}.`;
}

/** The first line that looks like a version of what a program says of itself. */
export function version(program, ...words) {
  const text = execFileSync(program, words.length ? words : ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? '?';
}

export function store(section, lines) {
  const [from, to] = [`<!-- ${section} -->\n`, `<!-- end of ${section} -->`];
  const text = readFileSync(path, 'utf8');
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`docs/bench.md has no section ${section}`);
  writeFileSync(path, `${text.slice(0, start + from.length)}${lines.join('\n')}\n${text.slice(end)}`);
}

/** A table of Markdown. */
export const table = (head, rows) => [`| ${head.join(' | ')} |`, `|${head.map(() => '---|').join('')}`, ...rows.map((row) => `| ${row.join(' | ')} |`)];
