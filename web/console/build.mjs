// Types are checked, then everything is bundled into dist/: index.html, and assets/ whose names carry a hash of what is
// in them, so that they may be cached for ever. `--watch` builds again at each change, without the check.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const watching = process.argv.includes('--watch');
const LIMIT = 250_000; // bytes of all of it, gzipped: what a phone at the edge of the network loads in a second or two

/** The page is written last, from what esbuild says that it has made. */
const page = {
  name: 'page',
  setup(build) {
    build.onEnd(({ errors, metafile }) => {
      if (errors.length) return;
      const made = Object.entries(metafile.outputs);
      const entry = (suffix) => made.find(([path, { entryPoint }]) => entryPoint && path.endsWith(suffix))[0];
      const script = entry('.js');
      // What the first view needs is asked for at once, not when the script before it has arrived and run.
      const first = made.filter(([, { inputs }]) => Object.keys(inputs).some((path) => path.includes('src/terminal/screen')));
      const needed = new Set([...metafile.outputs[script].imports, ...first.flatMap(([path, { imports }]) => [{ path }, ...imports])]
        .filter(({ kind }) => kind !== 'dynamic-import').map(({ path }) => path));
      needed.delete(script);
      const address = (path) => path.replace('dist/', '');
      const html = readFileSync('index.html', 'utf8')
        .replace('%SCRIPT%', address(script))
        .replace('%STYLE%', address(entry('.css')))
        .replace('%PRELOAD%', [...needed].map((path) => `<link rel="modulepreload" href="${address(path)}">\n`).join(''));
      writeFileSync('dist/index.html', html);
      const sizes = made.map(([path]) => [basename(path), gzipSync(readFileSync(path), { level: 9 }).length]);
      const total = sizes.reduce((sum, [, size]) => sum + size, gzipSync(html).length);
      for (const [name, size] of sizes) console.log(`${String(size).padStart(8)}  ${name}`);
      console.log(`${String(total).padStart(8)}  bytes in all, gzipped; ${LIMIT} is the limit`);
      if (total > LIMIT && !watching) process.exitCode = 1;
    });
  },
};

if (!existsSync('../client/package.json')) throw new Error('web/client is not there: the console is built on it');
if (!watching) {
  const { status } = spawnSync('npx', ['--no-install', 'tsc', '--noEmit'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/assets', { recursive: true });
const options = {
  entryPoints: { console: 'src/main.tsx', style: 'src/style/main.css' },
  outdir: 'dist/assets',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['chrome111', 'firefox111', 'safari16.4'],
  minify: true,
  legalComments: 'eof',
  metafile: true,
  logLevel: 'warning',
  plugins: [page],
};
if (watching) await (await esbuild.context(options)).watch();
else await esbuild.build(options);
