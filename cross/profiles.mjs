// Which release profile: builds some, and says what each weighs and what it costs. `node cross/profiles.mjs
// [--store] [NAME…]`, about ten minutes each on two cores; wanted: valgrind. `--store` writes the lines of
// those into cross/sizes.md.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { instructions } from '../bench/lib/instructions.mjs';
import { replace } from '../bench/lib/report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}target/profiles`;
// What a message goes through on its way, and what does the work of a connect.
const ROUTE = ['thingway', 'str0m', 'str0m-proto', 'sctp-proto', 'dimpl', 'is', 'mio', 'quinn-udp', 'bytes'];
const fast = (names, level) => names.map((name) => `profile.release.package.${name}.opt-level=${level}`);
const C = 'profile.release.package.aws-lc-sys.opt-level=3';
const CANDIDATES = {
  s: ['all for size', ['profile.release.opt-level="s"', C]],
  z: ['all for the smallest size', ['profile.release.opt-level="z"', C]],
  3: ['all for speed', ['profile.release.opt-level=3']],
  route: [
    'the way of a message for speed, all else for size',
    ['profile.release.opt-level="s"', C, ...fast(ROUTE, 3)],
  ],
};
const PATHS = [
  'tty to message, 200 B',
  'message to tty, 200 B',
  'demux, 16 sessions',
  'HTTP request',
  'connect',
];

/** Runs cargo for a candidate. */
function cargo(directory, words, settings) {
  const all = [
    'build',
    '--locked',
    ...words,
    '--target-dir',
    folder,
    ...settings.flatMap((setting) => ['--config', setting]),
  ];
  const { status } = spawnSync('cargo', all, { cwd: `${root}${directory}`, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const store = process.argv.includes('--store');
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
for (const [name, [what, settings]] of Object.entries(CANDIDATES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  cargo('', ['--release', '--bin', 'thingway'], settings);
  const { size } = statSync(`${folder}/release/thingway`);
  cargo('benches', ['--profile', 'bench', '--bin', 'instructions'], settings);
  const counted = PATHS.map((path) => instructions(`${folder}/release/instructions`, path));
  const row = `| ${[name, what, ...[size, ...counted.map(Math.round)].map((cell) => cell.toLocaleString('en'))].join(' | ')} |`;
  console.log(row);
  if (store) replace('profiles', row, 'cross/sizes.md');
}
