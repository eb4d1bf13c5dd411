// Weighs a cross-built program and compares it with its limits: `node cross/weigh.mjs TARGET PROFILE GLIBC
// CORE`, the last part of cross/check. Prints a line of JSON, of which cross/table.mjs makes a row.
import { statSync } from 'node:fs';
import { idle } from './idle.mjs';
import { ANONYMOUS, limits } from './limits.mjs';

const [target, profile, glibc, core] = process.argv.slice(2);
const folder = `target/cross/${target}/${profile}`;
const { size: bytes } = statSync(`${folder}/thingway`);
const { rss, anonymous } = await idle(`${folder}/emulated`);

const most = limits(target);
const faults = [];
// A light profile makes a large program. Its own memory has to be as small all the same.
if (profile === 'release' && bytes > most.bytes) faults.push(`has ${bytes} bytes, more than ${most.bytes}`);
if (profile === 'release' && rss > most.rss)
  faults.push(`has ${rss} kB in RAM when idle, more than ${most.rss}`);
if (anonymous > ANONYMOUS)
  faults.push(`has ${anonymous} kB of its own in RAM when idle, more than ${ANONYMOUS}`);
for (const fault of faults) console.error(`cross/check: ${target}: ${fault}`);
if (faults.length) process.exit(1);
console.log(JSON.stringify({ target, profile, bytes, glibc, core, rss, anonymous }));
