// The commands and configurations of docs/media.md, as they stand there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { plainEnvironment, temporaryDirectory } from './daemon.js';

const page = readFileSync(new URL('../../../docs/media.md', import.meta.url), 'utf8');

/** A camera that sees red, in the words of GStreamer. */
export const redTestSource = 'videotestsrc is-live=true pattern=solid-color foreground-color=0xffc81e1e';

/**
 * The same in the words of FFmpeg. A browser takes H.264 that does not name its color space for BT.709, and VP8
 * is always BT.601.
 */
export const redFilter = (size, matrix = 'bt709') =>
  `-re -f lavfi -i color=c=0xc81e1e:size=${size}:rate=30,format=gbrp,scale=out_color_matrix=${matrix},format=yuv420p`;

/**
 * A script in place of the camera program of a Raspberry Pi, with the options that count: it writes H.264 at
 * the pace of a camera, with keyframes and parameter sets as it is told. Without `--inline` it gives no
 * parameter sets.
 */
export const fakeRpicam = `
width=; height=; intra=250; sets=global_header
while [ $# -gt 0 ]; do
    case $1 in
        --width) width=$2 ;;
        --height) height=$2 ;;
        --intra) intra=$2 ;;
        --inline) sets=-global_header ;;
    esac
    shift
done
size="$width"x"$height"
exec ffmpeg -loglevel error ${redFilter('$size')} -c:v libx264 -tune zerolatency \\
    -preset ultrafast -profile:v baseline -g "$intra" -keyint_min "$intra" -flags "$sets" -f h264 -`;

/** The one block of a language that has all these words. */
export function recipe(language, ...words) {
  const blocks = [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(([, it]) => it);
  const found = blocks.filter((block) => words.every((word) => block.includes(word)));
  assert.equal(found.length, 1, `blocks of docs/media.md with ${words.join(', ')}`);
  return found[0];
}

/** The text with other words in place of some. Each of those has to be there. */
export function replaced(text, words) {
  for (const [word, other] of Object.entries(words)) {
    assert.ok(text.includes(word), `${word} in ${text}`);
    text = text.replaceAll(word, other);
  }
  return text;
}

/**
 * Runs a command of the document in a directory of its own until the test ends, or until `stop`. `programs`
 * are scripts that it finds by their names. One that ends early has its reason in `log`.
 */
export class Shell {
  static start(t, command, { programs = {}, environment = {} } = {}) {
    const shell = new Shell();
    shell.directory = temporaryDirectory();
    shell.log = '';
    const bin = `${shell.directory}/bin`;
    mkdirSync(bin);
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(`${bin}/${name}`, `#!/bin/sh\n${script}\n`);
      chmodSync(`${bin}/${name}`, 0o755);
    }
    shell.process = spawn('bash', ['-e', '-o', 'pipefail', '-c', command], {
      cwd: shell.directory,
      env: { ...plainEnvironment(), ...environment, PATH: `${bin}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, which ends as a whole
    });
    for (const stream of [shell.process.stdout, shell.process.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        shell.log += text;
      });
    t.after(() => shell.stop());
    return shell;
  }

  get hasEnded() {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Ends all of it. `signal`: SIGINT lets a recorder finish its file. */
  async stop(signal = 'SIGKILL') {
    if (this.hasEnded) return;
    const ended = once(this.process, 'exit');
    process.kill(-this.process.pid, signal);
    await ended;
  }
}
