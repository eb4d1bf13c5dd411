// The server that PeerJS was written for (npm `peer`), and clients that say to it or to us what a script
// says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { until } from './until.js';

const program = fileURLToPath(new URL('../node_modules/peer/dist/bin/peerjs.js', import.meta.url));

/** Its URL. */
export async function startPeerServer(t) {
  const child = spawn(process.execPath, [program, '--host', '127.0.0.1', '--allow_discovery'], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const port = await until('PeerServer listens', () => output.match(/port: (\d+)/)?.[1]);
  return `http://127.0.0.1:${port}`;
}

/** One WebSocket; `heard` is what it was told, and at last `closed`. */
export class Client {
  heard = [];
  #socket;

  constructor(t, url, query) {
    this.#socket = new WebSocket(
      `${url.replace('http', 'ws')}/peerjs?${new URLSearchParams({ version: '1.5.5', ...query })}`,
    );
    this.#socket.on('message', (data, isBinary) =>
      this.heard.push(isBinary ? 'binary' : JSON.parse(String(data))),
    );
    this.#socket.on('close', () => this.heard.push('closed'));
    this.#socket.on('error', (error) => this.heard.push(String(error)));
    t.after(() => this.#socket.terminate());
  }

  static async open(t, url, query) {
    const client = new Client(t, url, query);
    await once(client.#socket, 'open');
    return client;
  }

  say(frame) {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  async leave() {
    this.#socket.close();
    await this.hears(this.heard.length + 1);
  }

  /** So much in all. */
  hears(count) {
    return until(
      `a client hears ${count} things, and not ${JSON.stringify(this.heard)}`,
      () => this.heard.length >= count,
    );
  }
}
