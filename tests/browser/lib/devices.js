// Devices to talk to: a serial line that is really a pseudo-terminal, and a UDP program.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { until } from './until.js';

/**
 * The far end of a serial line: `path` is what the gateway opens, `write` and `received` are the device's
 * side.
 */
export class SerialDevice {
  /**
   * `echo` sends every byte back, as a loop-back plug does. `bytesPerSecond`: it takes no more than that.
   * `hears` is a program.
   */
  static async plugIn(t, path, { echo = false, bytesPerSecond = Infinity, hears } = {}) {
    const device = new SerialDevice();
    device.#child = spawn('socat', [`pty,raw,echo=0,link=${path}`, '-'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    device.#child.stdin.on('error', () => {}); // unplugged while we write: what the tests do on purpose
    if (bytesPerSecond === Infinity) {
      device.#child.stdout.on('data', (bytes) => {
        device.received = Buffer.concat([device.received, bytes]);
        if (echo) device.write(bytes);
        hears?.(bytes, device);
      });
    } else {
      device.#pace(t, bytesPerSecond);
    }
    t.after(() => device.unplug());
    await until(`${path} appears`, () => existsSync(path));
    return device;
  }

  received = Buffer.alloc(0);
  #child;

  /** Reads as much as a line would carry; what came is counted and hashed, not kept. */
  #pace(t, bytesPerSecond) {
    let last = Date.now();
    let due = 0;
    const timer = setInterval(() => {
      const now = Date.now();
      // an idle line saves nothing up
      due = Math.min(due + ((now - last) / 1000) * bytesPerSecond, bytesPerSecond / 10);
      last = now;
      const { stdout } = this.#child;
      const bytes = stdout.read(Math.min(Math.floor(due), stdout.readableLength));
      if (!bytes) return;
      due -= bytes.length;
      this.taken += bytes.length;
      this.hash.update(bytes);
    }, 10);
    t.after(() => clearInterval(timer));
  }

  taken = 0;
  hash = createHash('sha256');

  write(bytes) {
    this.#child.stdin.write(bytes);
  }

  /** A device that is there and takes nothing. */
  pause() {
    this.#child.kill('SIGSTOP');
  }
  resume() {
    this.#child.kill('SIGCONT');
  }

  async unplug() {
    if (this.#child.exitCode !== null || this.#child.signalCode) return;
    const ended = once(this.#child, 'exit');
    this.resume(); // or it could not end
    this.#child.kill('SIGTERM'); // socat takes its link away on SIGTERM
    await ended;
  }
}

/** A program that answers every datagram with `answer(datagram)`. Returns its address. */
export async function udpDevice(t, answer = (datagram) => datagram) {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (datagram, from) => socket.send(answer(datagram), from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setRecvBufferSize(1 << 20);
  t.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}
