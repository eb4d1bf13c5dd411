// Everything is checked and declared by tsc. Each entry becomes one file of JavaScript by esbuild and one of
// declarations by Rollup, in three forms: modules and CommonJS for npm, and in dist/served/ what a gateway
// serves below /client/, minified. What is for pictures is a file of its own beside the first entry, which loads
// it when a page wants pictures; CommonJS has no such file, and has it in the entry.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version, license } = JSON.parse(readFileSync(here('package.json'), 'utf8'));
/**
 * Where the second entry finds the first, in its sources. It is built on the public surface of that and has
 * no copy of it.
 */
const FIRST = '../index.js';

/** The JavaScript of an entry, which finds the first entry at `first`. */
const script = (name, out, first, options) =>
  build({
    entryPoints: [here(`src/${name}.ts`)],
    outfile: here(`dist/${out}`),
    bundle: true,
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [
      {
        name: 'files',
        setup: ({ onResolve }) => {
          onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: first, external: true }));
          if (options.format === 'esm')
            onResolve({ filter: /^\.\/media\/index\.js$/ }, () => ({ path: './media.js', external: true }));
        },
      },
    ],
    ...options,
  });

/** The declarations of an entry, without what is internal. */
async function declarations(name) {
  const bundle = await rollup({
    input: here(`dist/declarations/${name}.d.ts`),
    plugins: [dts()],
    external: (id) => id === FIRST,
  });
  const {
    output: [{ code }],
  } = await bundle.generate({
    paths: (id) => (id.endsWith('/index.d.ts') || id.endsWith('/index.js') ? FIRST : id),
  });
  await bundle.close();
  // Ports and sessions can be disposed of, and not every user's `lib` knows what that is.
  return `/// <reference lib="esnext.disposable" />\n${code}`;
}

function write(out, text) {
  mkdirSync(dirname(here(`dist/${out}`)), { recursive: true });
  writeFileSync(here(`dist/${out}`), text);
}

rmSync(here('dist'), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [here('node_modules/typescript/bin/tsc'), '--project', here('tsconfig.json')],
  { stdio: 'inherit' },
);
const module = (name, out) => script(name, out, FIRST, { format: 'esm', sourcemap: true });
const served = (name, out) =>
  script(name, `served/${out}.js`, './thingway.js', {
    format: 'esm',
    minify: true,
    banner: { js: `/*! thingway ${version} | ${license} */` },
  });
await module('media/index', 'media.js');
await served('media/index', 'media');
for (const [name, short] of [
  ['index', 'thingway'],
  ['serial/index', 'serial'],
]) {
  await module(name, `${name}.js`);
  await script(name, `${name}.cjs`, '../index.cjs', { format: 'cjs', sourcemap: true });
  await served(name, short);
  const declared = await declarations(name);
  write(`${name}.d.ts`, declared);
  write(`${name}.d.cts`, declared.replaceAll(`'${FIRST}'`, "'../index.cjs'"));
  write(`served/${short}.d.ts`, declared.replaceAll(`'${FIRST}'`, "'./thingway.js'"));
}
rmSync(here('dist/declarations'), { recursive: true });

for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(here(`../../${licence}`), here(licence));
