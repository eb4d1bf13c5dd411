// Programs of SkyWay's gateway, as many as the benchmark wants: the REST API, and the two ends of UDP.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { built } from './server.mjs';

export const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

/** One call. Anything but success is an error. */
export function call(server, method, path, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((done, fail) => {
    const request = http.request(
      server.url + path,
      { method, agent, headers: { 'Content-Length': Buffer.byteLength(text) } },
      (response) => {
        let answer = '';
        response
          .setEncoding('utf8')
          .on('data', (piece) => {
            answer += piece;
          })
          .on('end', () => {
            if (response.statusCode >= 300)
              fail(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
            else done(answer && JSON.parse(answer));
          });
      },
    );
    request.on('error', fail).end(text);
  });
}

export class RestPeer {
  static async create(server, name) {
    const peer = Object.assign(new RestPeer(), { server, name });
    peer.token = (
      await call(server, 'POST', '/peers', { key: 'any', domain: 'localhost', peer_id: name })
    ).params.token;
    await peer.event('OPEN');
    return peer;
  }

  get path() {
    return `/peers/${this.name}/events?token=${this.token}`;
  }

  async event(wanted) {
    const event = await call(this.server, 'GET', this.path);
    if (event.event !== wanted) throw new Error(`${this.name}: ${JSON.stringify(event)}`);
    return event;
  }

  remove() {
    return call(this.server, 'DELETE', `/peers/${this.name}?token=${this.token}`);
  }
}

/** A connection from one peer to another, open at both ends, fed by a port and redirected to another one. */
export async function connect(from, to, { redirect } = {}) {
  const { server } = from;
  const data = await call(server, 'POST', '/data', {});
  const options = {
    peer_id: from.name,
    token: from.token,
    target_id: to.name,
    params: { data_id: data.data_id },
    options: { serialization: 'NONE' },
  };
  const {
    params: { data_connection_id: ours },
  } = await call(server, 'POST', '/data/connections', options);
  const {
    data_params: { data_connection_id: theirs },
  } = await to.event('CONNECTION');
  if (redirect) {
    const [ip_v4, port] = redirect.split(':');
    await call(server, 'PUT', `/data/connections/${theirs}`, {
      redirect_params: { ip_v4, port: Number(port) },
    });
  }
  for (const id of [ours, theirs]) {
    const event = await call(server, 'GET', `/data/connections/${id}/events`);
    if (event.event !== 'OPEN') throw new Error(JSON.stringify(event));
  }
  return { ours, theirs, feed: `127.0.0.1:${data.port}` };
}

/** Datagrams from a program at a rate; how many were sent. */
export async function send(to, rate, count, size) {
  const words = [
    '-c',
    '1',
    built('examples/udp_peer'),
    'send',
    '127.0.0.1:0',
    to,
    String(rate),
    String(count),
    String(size),
  ];
  const sender = spawn('taskset', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [[text]] = await Promise.all([once(sender.stdout.setEncoding('utf8'), 'data'), once(sender, 'exit')]);
  return Number(text);
}

/** A TCP connection with one request that is not answered soon, or a WebSocket that says nothing. */
export function hold(server, head, until) {
  const { hostname, port } = new URL(server.url);
  return new Promise((done, fail) => {
    const socket = net.connect(Number(port), hostname, () => {
      socket.write(`${head}\r\nHost: ${hostname}:${port}\r\n\r\n`);
      if (!until) done(socket);
    });
    let got = '';
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1');
      if (until?.test(got)) done(socket);
      else if (!until) socket.answered = true;
    });
    socket.on('error', fail).on('close', () => {
      socket.ended = true;
      fail(new Error(`closed: ${got}`));
    });
  });
}
