// Types are checked, then everything is bundled into dist/: index.html, the hash of the script in it, and
// assets/ whose names carry a hash of what is in them, so that they may be cached for ever. `--watch` builds
// again at each change, without the check.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esbuild from 'esbuild';

process.chdir(dirname(fileURLToPath(import.meta.url)));
const watching = process.argv.includes('--watch');
// bytes of all of it, gzipped: what a phone at the edge of the network loads in a second or two
const LIMIT = 250_000;

/**
 * What is loaded later, see src/state/late.ts: each an entry point, so that its address is known and can be
 * asked for in another form.
 */
const parts = {
  screen: 'src/terminal/screen.ts',
  later: 'src/views/later.tsx',
  // The client library is in the page itself, and asks for this part when the page wants pictures.
  media: '../client/dist/media.js',
};

const common = {
  bundle: true,
  format: 'esm',
  target: ['chrome111', 'firefox111', 'safari16.4'],
  minify: true,
  legalComments: 'eof',
  logLevel: 'warning',
};

/** What a file imports, and what that imports in turn. */
function imports({ outputs }, path, seen = new Set()) {
  for (const { path: other, kind } of outputs[path].imports) {
    if (seen.has(other) || kind !== 'import-statement') continue;
    seen.add(other);
    imports({ outputs }, other, seen);
  }
  return seen;
}

/**
 * A part that did not come is asked for again under another URL (`src/state/late.ts`), but what it imports is
 * asked for under the URL that stands in it. So that must be here already, with the main part: a browser that
 * remembers a failure would never ask for it again, and a second copy of it would have a state of its own.
 */
function checkImports(metafile, part, main) {
  const here = new Set([main, ...imports(metafile, main)]);
  const missing = [...imports(metafile, part)].filter((path) => !here.has(path));
  if (missing.length)
    throw new Error(`${part} imports ${missing}, which the main part does not: let src/main.tsx import it`);
}

/** The page is written last, from what esbuild says that it has made. What begins it stands in it. */
const page = {
  name: 'page',
  setup(build) {
    build.onEnd(async ({ errors, metafile }) => {
      if (errors.length) return;
      const made = Object.entries(metafile.outputs);
      const entry = (source) => made.find(([, { entryPoint }]) => entryPoint === source)[0];
      const address = (path) => path.replace('dist/', '');
      const main = entry('src/main.tsx');
      const later = Object.fromEntries(Object.entries(parts).map(([name, source]) => [name, entry(source)]));
      for (const part of Object.values(later)) checkImports(metafile, part, main);
      const begin = await beginning(
        address(main),
        Object.fromEntries(Object.entries(later).map(([name, path]) => [name, address(path)])),
      );
      // What that will import is asked for at once, not when it has arrived and been read.
      const needed = [main, ...imports(metafile, main)];
      const files = installation();
      const html = readFileSync('index.html', 'utf8')
        .replace('%SCRIPT%', () => begin)
        .replace('%MANIFEST%', files.manifest)
        .replace('%ICON%', files.icon)
        .replace('%STYLE%', address(entry('src/style/main.css')))
        .replace(
          '%PRELOAD%',
          needed.map((path) => `<link rel="modulepreload" href="${address(path)}">\n`).join(''),
        );
      writeFileSync('dist/index.html', html);
      // What the policy of the page allows beside the gateway's own files.
      writeFileSync('dist/inline.txt', `sha256-${createHash('sha256').update(begin).digest('base64')}`);
      const sizes = [...made.map(([path]) => path), ...files.paths].map((path) => [
        basename(path),
        gzipSync(readFileSync(path), { level: 9 }).length,
      ]);
      sizes.unshift(['index.html', gzipSync(html, { level: 9 }).length]);
      const total = sizes.reduce((sum, [, size]) => sum + size, 0);
      for (const [name, size] of sizes) console.log(`${String(size).padStart(8)}  ${name}`);
      console.log(`${String(total).padStart(8)}  bytes in all, gzipped; ${LIMIT} is the limit`);
      if (total > LIMIT && !watching) process.exitCode = 1;
    });
  },
};

/**
 * What a browser asks for when a person installs the page: a manifest (W3C Web Application Manifest) and
 * icons.
 */
function installation() {
  const paths = [];
  const asset = (name, kind, content) => {
    const path = `assets/${name}-${createHash('sha256').update(content).digest('hex').slice(0, 8).toUpperCase()}.${kind}`;
    writeFileSync(`dist/${path}`, content);
    paths.push(`dist/${path}`);
    return path;
  };
  const [small, large] = [192, 512].map((size) =>
    asset(`icon-${size}`, 'png', readFileSync(`icons/icon-${size}.png`)),
  );
  const image = (path, size, purpose) => ({
    src: basename(path),
    sizes: `${size}x${size}`,
    type: 'image/png',
    purpose,
  });
  const manifest = asset(
    'app',
    'webmanifest',
    JSON.stringify({
      name: 'thingway',
      short_name: 'thingway',
      id: '/',
      start_url: '../',
      scope: '../',
      display: 'standalone',
      background_color: '#f3f6f5',
      theme_color: '#f3f6f5',
      // The icons have their ground to the edges, and their sign in the middle: so a system may cut them as
      // it likes.
      icons: [image(small, 192, 'any'), image(large, 512, 'any'), image(large, 512, 'maskable')],
    }),
  );
  return { manifest, icon: small, paths };
}

/**
 * The text of begin.ts and all that it imports: no module, so that it runs before anything else of the page
 * is asked for.
 */
async function beginning(main, later) {
  const { outputFiles } = await esbuild.build({
    ...common,
    entryPoints: ['src/begin.ts'],
    format: 'iife',
    write: false,
    external: ['./assets/*'],
    define: { MAIN: JSON.stringify(`./${main}`), PARTS: JSON.stringify(later) },
    plugins: [
      {
        name: 'media',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^\.\/media\.js$/ }, () => ({ path: `./${later.media}`, external: true })),
      },
    ],
  });
  return outputFiles[0].text.trim();
}

/**
 * xterm.js as the policy of the page wants it, see src/terminal/adopted_style.ts. A version that writes
 * styles elsewhere fails here.
 */
const strict = {
  name: 'strict',
  setup(build) {
    build.onLoad({ filter: /@xterm\/xterm\/lib\/xterm\.mjs$/ }, ({ path }) => {
      let text = readFileSync(path, 'utf8');
      const replace = (pattern, by, times) => {
        const found = text.match(pattern)?.length ?? 0;
        if (found !== times) throw new Error(`xterm.js has ${found} times ${pattern}, not ${times}`);
        text = text.replace(pattern, by);
      };
      replace(/[\w.]+\.createElement\("style"\)/g, 'adoptedStyle()', 3);
      replace(
        /(\w+)\.setAttribute\("style",(`\$\{\1\.getAttribute\("style"\)\|\|""\}\$\{\w+\};`)\)/g,
        '$1.style.cssText=$2',
        1,
      );
      if (/createElement\(.style.\)|setAttribute\(.style./.test(text))
        throw new Error('xterm.js writes more styles than this knows');
      return {
        contents: `import { adoptedStyle } from ${JSON.stringify(resolve('src/terminal/adopted_style.ts'))};\n${text}`,
        resolveDir: dirname(path),
      };
    });
  },
};

/** The client library is built first if it has not been, or has changed since. */
function buildClient() {
  const run = (program, ...words) => {
    const { status } = spawnSync(program, words, { cwd: '../client', stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  };
  const made = statSync('../client/dist/index.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync('../client/src', { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  if (sources.every((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs < made)) return;
  run('../install', '.');
  run('npm', 'run', 'build');
}

if (!watching) {
  buildClient();
  const { status } = spawnSync('npx', ['--no-install', 'tsc', '--noEmit'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/assets', { recursive: true });
const options = {
  ...common,
  entryPoints: { main: 'src/main.tsx', ...parts, style: 'src/style/main.css' },
  outdir: 'dist/assets',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  splitting: true,
  metafile: true,
  plugins: [page, strict],
};
if (watching) await (await esbuild.context(options)).watch();
else await esbuild.build(options);
