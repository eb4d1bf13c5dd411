// Builds the forwarder with pion from the sources that the distribution has, without a module proxy.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { built } from './server.mjs';

/** The program's path, or null where Debian's golang-go or golang-github-pion-webrtc.v3-dev is missing. */
export function buildPion() {
  const program = built('pion_rtp');
  try {
    execFileSync('go', ['build', '-o', program, '.'], {
      cwd: fileURLToPath(new URL('../servers/pion_rtp/', import.meta.url)),
      env: { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    return program;
  } catch (error) {
    console.error(`pion is left out: ${error.stderr ?? error.message}`);
    return null;
  }
}
