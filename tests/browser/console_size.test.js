// What the daemon is to embed: small, from nowhere else, one script inline, names that change with what is in
// them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { dist } from './lib/console_site.js';

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const html = readFileSync(join(dist, 'index.html'), 'utf8');

test('all of it is at most 250 kB, gzipped', (t) => {
  const total = files.reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0);
  t.diagnostic(`${total} bytes in ${files.length} files`);
  assert.ok(total <= 250_000, `${total} bytes`);
});

test('one page, and assets with a hash in their names', () => {
  const names = files.map((path) => path.slice(dist.length));
  assert.ok(names.includes('index.html'));
  for (const name of names)
    assert.match(name, /^(index\.html|inline\.txt|assets\/[\w-]+-[0-9A-Z]{8}\.(js|css|png|webmanifest))$/);
  for (const [, name] of html.matchAll(/(?:src|href)="(assets\/[^"]+)"/g))
    assert.ok(names.includes(name), name);
});

test('one script inline, which the policy knows by its hash, and nothing from elsewhere', () => {
  const scripts = [...html.matchAll(/<script\b([^>]*)>(.*?)<\/script>/gs)];
  assert.deepEqual(
    scripts.map(([, attributes]) => attributes),
    [''],
  );
  const [[, , script]] = scripts;
  assert.equal(
    `sha256-${createHash('sha256').update(script).digest('base64')}`,
    readFileSync(join(dist, 'inline.txt'), 'utf8'),
  );
  assert.ok(!/\beval\(|new Function\(|createElement\(["']style/.test(script));
  const markup = html.replace(script, '');
  assert.ok(!/<style|style=|\son\w+=/.test(markup), markup);
  for (const [, address] of markup.matchAll(/(?:src|href)="([^"]+)"/g))
    assert.match(address, /^(assets\/|data:image\/svg)/);
  for (const path of files.filter((name) => name.endsWith('.css')))
    assert.ok(!/url\((?!["']?data:)|@import/.test(readFileSync(path, 'utf8')), path);
  for (const path of files.filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(path, 'utf8');
    assert.ok(
      !/\beval\(|new Function\(|createElement\(["']style/.test(text),
      `${path} needs more than the policy allows`,
    );
    assert.ok(!/(fetch|import|WebSocket|EventSource)\(["']https?:/.test(text), path);
  }
});
