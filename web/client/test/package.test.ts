// What users get: the archive that npm makes, with its size, its types and both kinds of modules, and the
// files that a gateway serves.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
/** A project of somebody who has installed the archive. */
const project = mkdtempSync(`${tmpdir()}/thingway-package-`);
let packed: string[] = [];

beforeAll(() => {
  const [archive] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  packed = archive.files.map(({ path }: { path: string }) => path);
  mkdirSync(`${project}/node_modules/thingway`, { recursive: true });
  execFileSync('tar', [
    '-xzf',
    `${project}/${archive.filename}`,
    '-C',
    `${project}/node_modules/thingway`,
    '--strip-components=1',
  ]);
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Bytes of a bundle of this source, minified and gzipped, and of what it loads later. */
async function sizes(source: string) {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: project },
    bundle: true,
    splitting: true,
    outdir: project,
    write: false,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'error',
  });
  const isEntry = ({ path }: { path: string }) => path.endsWith('/stdin.js');
  const sum = (files: typeof outputFiles) =>
    files.reduce((bytes, { contents }) => bytes + gzipSync(contents, { level: 9 }).length, 0);
  return {
    entry: sum(outputFiles.filter(isEntry)),
    later: sum(outputFiles.filter((file) => !isEntry(file))),
  };
}
const size = async (source: string) => (await sizes(source)).entry;

test('the entry has at most 11.4 kB, and loads at most 2.5 kB later for pictures', async () => {
  const { entry, later } = await sizes('export * from "thingway"');
  console.log(`thingway: ${entry} bytes gzipped, and ${later} for pictures`);
  expect(entry).toBeLessThanOrEqual(11_400);
  expect(later).toBeLessThanOrEqual(2_500);
  expect(later).toBeGreaterThan(1_000);
});
test('the serial shim adds at most 4 kB', async () => {
  const [all, index] = [
    await size('export * from "thingway"; export * from "thingway/serial"'),
    await size('export * from "thingway"'),
  ];
  console.log(`thingway/serial: ${all - index} bytes gzipped beside it`);
  expect(all - index).toBeLessThanOrEqual(4_000);
});
test('what is imported and not used leaves nothing behind', async () => {
  expect(await size('import "thingway"; import "thingway/serial"; console.log(1)')).toBeLessThan(60);
  expect(await size('export { ThingwayError } from "thingway"')).toBeLessThan(4_000);
});
test('the archive has what its entries name, no sources, and depends on nothing', () => {
  const named = (value: unknown): string[] =>
    typeof value === 'string' ? [value] : Object.values(value as object).flatMap(named);
  for (const file of [manifest.main, manifest.module, manifest.types, ...named(manifest.exports)])
    expect(packed).toContain(file.replace('./', ''));
  expect(
    packed.filter(
      (file) =>
        !/^(dist\/((serial\/)?index\.(c?js(\.map)?|d\.c?ts)|media\.js(\.map)?)|LICENSE-(MIT|APACHE)|README\.md|package\.json)$/.test(
          file,
        ),
    ),
  ).toEqual([]);
  expect([manifest.dependencies, manifest.sideEffects, manifest.license]).toEqual([
    undefined,
    false,
    'MIT OR Apache-2.0',
  ]);
});

describe('in Node', () => {
  // From version 20.19 on Node can require modules, and would hide that the older ones cannot.
  const older = process.allowedNodeEnvironmentFlags.has('--experimental-require-module')
    ? ['--no-experimental-require-module']
    : [];
  const run = (program: string, ...flags: string[]) =>
    execFileSync(process.execPath, [...flags, '-e', program], { cwd: project, encoding: 'utf8' }).trim();
  const say =
    'console.log([typeof connect, typeof createSerial, new ThingwayError("aborted") instanceof Error].join())';

  test('import works', () => {
    expect(
      run(
        `import { connect, ThingwayError } from 'thingway'; import { createSerial } from 'thingway/serial'; ${say}`,
        '--input-type=module',
      ),
    ).toBe('function,function,true');
  });
  test('require works, without a second copy of the library', () => {
    expect(
      run(
        `const { connect, Session, ThingwayError } = require('thingway'); const { createSerial } = require('thingway/serial'); ${say}`,
        ...older,
      ),
    ).toBe('function,function,true');
    expect(
      run(
        `require('thingway'); require('thingway/serial'); console.log(Object.keys(require.cache).map((file) => file.split('thingway/dist/')[1]).join())`,
        ...older,
      ),
    ).toBe('index.cjs,serial/index.cjs');
  });
  test('a session of one copy is one for the other', () => {
    const program = `const { createSerial } = require('thingway/serial');
      import('thingway').then(async ({ Session }) => console.log((await createSerial(new Session('http://board', {})).getPorts()).length))`;
    expect(run(program, ...older)).toBe('0');
  });
});

describe('types', () => {
  /** Compiles files of the project as a strict user would, with nothing beyond what browsers have. */
  const compile = (files: string[], options: object) => {
    const config = {
      compilerOptions: {
        target: 'es2022',
        lib: ['es2022', 'dom'],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        types: [],
        ...options,
      },
      files,
    };
    writeFileSync(`${project}/tsconfig.json`, JSON.stringify(config));
    const { status, stdout } = tsc('--project', `${project}/tsconfig.json`);
    expect([status, stdout]).toEqual([0, '']);
  };
  const tsc = (...words: string[]) => {
    try {
      return {
        status: 0,
        stdout: execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, ...words], {
          encoding: 'utf8',
        }),
      };
    } catch (error) {
      return error as { status: number; stdout: string };
    }
  };

  test('hold for a strict user of modules, of CommonJS and of a bundler', () => {
    for (const name of ['user.mts', 'user.cts', 'user.ts'])
      cpSync(`${root}test/user/user.ts`, `${project}/${name}`);
    compile(['user.mts', 'user.cts'], { module: 'nodenext', moduleResolution: 'nodenext' });
    compile(['user.ts'], { module: 'esnext', moduleResolution: 'bundler' });
  });
  test('hold for the files that a gateway serves', () => {
    cpSync(`${root}dist/served`, `${project}/client`, { recursive: true });
    const program = readFileSync(`${root}test/user/user.ts`, 'utf8')
      .replace("'thingway'", "'./client/thingway.js'")
      .replace("'thingway/serial'", "'./client/serial.js'");
    writeFileSync(`${project}/served.mts`, program);
    compile(['served.mts'], { module: 'nodenext', moduleResolution: 'nodenext' });
  });
});

test('a gateway serves five files that need nothing else', async () => {
  expect(readdirSync(`${root}dist/served`).sort()).toEqual([
    'media.js',
    'serial.d.ts',
    'serial.js',
    'thingway.d.ts',
    'thingway.js',
  ]);
  const imports = (file: string) =>
    [
      ...readFileSync(`${root}dist/served/${file}`, 'utf8').matchAll(
        /\b(?:from|import) ?\(?["']([^"']+)["']/g,
      ),
    ].map(([, path]) => path);
  expect(['thingway.js', 'media.js', 'thingway.d.ts', 'serial.js', 'serial.d.ts'].map(imports)).toEqual([
    ['./media.js'],
    [],
    [],
    ['./thingway.js'],
    ['./thingway.js'],
  ]);
  for (const file of ['thingway.js', 'media.js', 'serial.js']) {
    const text = readFileSync(`${root}dist/served/${file}`, 'utf8');
    expect(text).toMatch(/^\/\*! thingway \d+\.\d+\.\d+ \| MIT OR Apache-2\.0 \*\/\n/);
    console.log(`served/${file}: ${text.length} bytes, ${gzipSync(text, { level: 9 }).length} gzipped`);
  }
});
