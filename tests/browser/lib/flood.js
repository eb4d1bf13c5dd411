// A device that talks faster than anybody reads.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { until } from './until.js';

/** Two pseudo terminals, back to back: one for the gateway, one for the device. */
export async function line(t, near, far) {
  const pair = spawn('socat', ['-b65536', `pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`], {
    stdio: 'ignore',
  });
  t.after(() => pair.kill());
  await until('both ends are there', () => existsSync(near) && existsSync(far));
}

/**
 * Lines as a board prints them, with colours, at a rate in bytes per second; by a program of its own, as a
 * device is.
 */
export function flood(t, path, rate) {
  const program = `
    const line = Buffer.from('\\x1b[32m[  12.345678]\\x1b[0m usb 1-1.3: new full-speed USB device number 7 using \\x1b[1mdwc_otg\\x1b[0m\\r\\n');
    const block = Buffer.concat(Array(100).fill(line));
    const fs = require('fs'), fd = fs.openSync(${JSON.stringify(path)}, fs.constants.O_WRONLY | fs.constants.O_NOCTTY);
    const begun = performance.now(); let sent = 0;
    setInterval(() => { while (sent < (performance.now() - begun) / 1000 * ${rate}) sent += fs.writeSync(fd, block); }, 5);`;
  const child = spawn(process.execPath, ['-e', program], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  return child;
}
