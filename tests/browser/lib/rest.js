// A program that uses the API of SkyWay's gateway: a peer of its own, polls for events, and UDP.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { bound, until } from './until.js';

export class RestPeer {
  received = [];

  /** With a socket that datagrams can be redirected to. */
  static async create(t, url, id) {
    const peer = new RestPeer();
    Object.assign(peer, { url, id, socket: dgram.createSocket('udp4') });
    peer.socket.on('message', (datagram) => peer.received.push(datagram));
    peer.socket.bind(0, '127.0.0.1');
    await once(peer.socket, 'listening');
    t.after(() => peer.socket.close());
    const { params } = await peer.ask(
      'POST',
      '/peers',
      { key: 'any', domain: 'localhost', peer_id: id },
      201,
    );
    peer.token = params.token;
    assert.equal((await peer.event()).event, 'OPEN');
    return peer;
  }

  async ask(method, path, body, status = 200) {
    const response = await fetch(this.url + path, {
      method,
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(bound),
    });
    const text = await response.text();
    assert.equal(response.status, status, `${method} ${path}: ${text}`);
    return text ? JSON.parse(text) : null;
  }

  /** The next event of the peer, or of a connection. */
  event(connection) {
    return this.ask(
      'GET',
      connection
        ? `/data/connections/${connection}/events`
        : `/peers/${encodeURIComponent(this.id)}/events?token=${this.token}`,
    );
  }

  status(connection) {
    return this.ask('GET', `/data/connections/${connection}/status`);
  }

  get redirect() {
    return { ip_v4: '127.0.0.1', port: this.socket.address().port };
  }

  /** A port whose datagrams go over a connection. */
  openPort() {
    return this.ask('POST', '/data', {}, 201);
  }

  /** Calls somebody; gives the connection, which is open, and its port. */
  async call(target, options = {}, params = {}) {
    const port = await this.openPort();
    const body = {
      peer_id: this.id,
      token: this.token,
      target_id: target,
      params: { data_id: port.data_id, ...params },
      options,
      redirect_params: this.redirect,
    };
    const created = await this.ask('POST', '/data/connections', body, 202);
    const connection = created.params.data_connection_id;
    return { connection, port };
  }

  /** Somebody has called: answers with a port, and wants to hear what comes. */
  async answer(feed = {}) {
    const {
      event,
      data_params: { data_connection_id: connection },
    } = await this.event();
    assert.equal(event, 'CONNECTION');
    const port = await this.openPort();
    await this.ask('PUT', `/data/connections/${connection}`, {
      feed_params: { data_id: port.data_id, ...feed },
      redirect_params: this.redirect,
    });
    assert.equal((await this.event(connection)).event, 'OPEN');
    return { connection, port };
  }

  send({ port }, bytes) {
    this.socket.send(bytes, port.port, port.ip_v4);
  }

  close(connection) {
    return this.ask('DELETE', `/data/connections/${connection}`, undefined, 204);
  }

  /** The next datagrams, no more than these. */
  async hears(...expected) {
    await until(
      `${expected.length} datagrams, not ${this.received.length}`,
      () => this.received.length >= expected.length,
    );
    assert.deepEqual(this.received.map(String), expected.map(String));
    assert.ok(this.received.every((datagram, n) => datagram.equals(Buffer.from(expected[n]))));
    this.received.length = 0;
  }
}
