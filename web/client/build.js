// Declarations by tsc, which also checks everything; JavaScript by esbuild, one file per entry.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
rmSync(here('dist'), { recursive: true, force: true });
execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '--project', here('tsconfig.json')], { stdio: 'inherit' });

const entry = (name, external = []) => build({
  entryPoints: [here(`src/${name}.ts`)], outfile: here(`dist/${name}.js`),
  bundle: true, format: 'esm', target: 'es2022', external, sourcemap: true, legalComments: 'none', logLevel: 'warning',
});
// The others are built on the public surface of the first, and find it beside themselves.
await entry('index', ['./measure.js']);
await entry('measure', ['./index.js']);
if (existsSync(here('src/serial/index.ts'))) await entry('serial/index', ['../index.js']);

for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(here(`../../${licence}`), here(licence));
