// Programs in Python with a WebRTC stack of their own, and what they need.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Hopeless } from './until.js';

const run = promisify(execFile);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

export const aiortcVersion = '1.16.0';
let aiortc;
/** A Python with aiortc, made once. */
export function pythonWithAiortc() {
  aiortc ??= (async () => {
    const venv = here('../../../target/aiortc');
    const mark = `${venv}/.installed`;
    if (!existsSync(mark) || readFileSync(mark, 'utf8') !== aiortcVersion) {
      await run('python3', ['-m', 'venv', '--clear', venv]);
      await run(`${venv}/bin/pip`, [
        'install',
        '--quiet',
        '--disable-pip-version-check',
        `aiortc==${aiortcVersion}`,
      ]);
      writeFileSync(mark, aiortcVersion);
    }
    return `${venv}/bin/python`;
  })();
  return aiortc;
}

/**
 * GStreamer's version, and a certificate with the only kind of key that the gateway takes: webrtcbin's own has an RSA key.
 */
export async function gstreamer() {
  const folder = mkdtempSync(`${tmpdir()}/webrtcbin-`);
  try {
    const [key, certificate] = ['key', 'certificate'].map((name) => `${folder}/${name}`);
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      '-days',
      '30',
      '-subj',
      '/CN=webrtcbin',
    ]);
    const { stdout } = await run('gst-inspect-1.0', ['--version']);
    return {
      pem: readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'),
      version: stdout.match(/GStreamer (\S+)/)[1],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * A program that watches an endpoint and says of each picture what color it has in the middle: see
 * media_webrtcbin.py and media_aiortc.py. It ends with the test.
 */
export class Viewer {
  static start(t, python, script, wish) {
    const viewer = new Viewer();
    Object.assign(viewer, { colors: [], answer: null, log: '', hasClosed: false });
    viewer.process = spawn(python, [here(script), JSON.stringify(wish)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    viewer.process.stderr.setEncoding('utf8').on('data', (text) => {
      viewer.log += text;
    });
    viewer.process.once('close', () => {
      viewer.hasClosed = true; // after its last words
    });
    createInterface({ input: viewer.process.stdout }).on('line', (line) => {
      const said = JSON.parse(line);
      if (said.color) viewer.colors.push(said.color);
      else viewer.answer = said;
    });
    t.after(() => viewer.stop());
    return viewer;
  }

  /** For conditions: it throws if nothing more can come. */
  check() {
    if (this.hasClosed) throw new Hopeless(`the viewer has ended: ${this.log}`);
    if (this.answer && this.answer.status !== 201)
      throw new Hopeless(`the gateway refuses: ${this.answer.status} ${this.answer.answer}`);
  }

  async stop() {
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}
