// What npm users get: its size, its types, and that it stays out of bundles that do not use it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

/** Bytes of a bundle of this source, minified and gzipped, without the files that are loaded when they are asked for. */
async function size(source: string) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: `${root}dist` }, bundle: true, write: false, minify: true, format: 'esm', target: 'es2022',
    external: ['./measure.js'], legalComments: 'none',
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

test('the entry has at most 10.5 kB', async () => {
  const bytes = await size('export * from "./index.js"');
  console.log(`index: ${bytes} bytes gzipped`);
  expect(bytes).toBeLessThanOrEqual(10_500);
});
test('the serial shim adds at most 4 kB', async () => {
  const [all, index] = [await size('export * from "./serial/index.js"'), await size('export * from "./index.js"')];
  console.log(`serial: ${all - index} bytes gzipped beside it`);
  expect(all - index).toBeLessThanOrEqual(4_000);
});
test('what is imported and not used leaves nothing behind', async () => {
  expect(await size('import "./index.js"; import "./serial/index.js"; console.log(1)')).toBeLessThan(60);
  expect(await size('export { ThingwayError } from "./index.js"')).toBeLessThan(4_000);
});
test('every entry has its file and its types, and nothing is depended on', () => {
  for (const entry of Object.values<any>(manifest.exports).filter((entry) => typeof entry === 'object')) {
    for (const file of Object.values<string>(entry)) expect(existsSync(root + file), file).toBe(true);
  }
  expect([manifest.dependencies, manifest.sideEffects, manifest.license]).toEqual([undefined, false, 'MIT OR Apache-2.0']);
});
test('the declarations hold for a strict user, and keep what is internal to themselves', () => {
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '--project', `${root}test/user/tsconfig.json`], { stdio: 'pipe' });
  expect(readFileSync(`${root}dist/port.d.ts`, 'utf8') + readFileSync(`${root}dist/session.d.ts`, 'utf8')).not.toMatch(/\b_(attach|start|bind|detach)\b/);
});
