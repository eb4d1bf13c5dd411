// What valgrind's callgrind counts of the program `instructions` (benches/): the same at each run of one
// build.
import { execFileSync, spawnSync } from 'node:child_process';

/** The names of all paths. */
export const paths = (program) => execFileSync(program, { encoding: 'utf8' }).trim().split('\n');

/** Of one path, without what only the first ones cost. */
export function instructions(program, name) {
  // A connect is a thousand times as much as the others.
  const [few, many] = name === 'connect' ? [3, 13] : [100, 300];
  const [less, more] = [few, many].map((times) => {
    const words = [
      '--tool=callgrind',
      '--callgrind-out-file=/dev/null',
      '--toggle-collect=thingway_benches::measured*',
      program,
      name,
      String(times),
    ];
    const { stderr } = spawnSync('valgrind', words, { encoding: 'utf8' });
    const found = stderr.match(/Collected : (\d+)/);
    if (!found) throw new Error(`${name}: callgrind said nothing\n${stderr}`);
    return Number(found[1]);
  });
  return (more - less) / (many - few);
}
