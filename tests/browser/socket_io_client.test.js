// The client under SkyWay-JS by itself: socket.io-client 2.5.0, in each way that it can connect.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import io from 'socket.io-client';
import { Daemon } from './lib/daemon.js';
import { key } from './lib/hub.js';
import { bound, testBound, until } from './lib/until.js';

const ways = {
  polling: ['polling'],
  websocket: ['websocket'],
  'polling, then websocket': ['polling', 'websocket'],
};
const names = [
  'OPEN',
  'ERROR',
  'OFFER',
  'ANSWER',
  'CANDIDATE',
  'FORCE_CLOSE',
  'ROOM_USER_JOIN',
  'ROOM_DATA',
  'disconnect',
  'reconnect',
  'pong',
  'connect_error',
  'error',
];

/** A client as SkyWay-JS makes it; `heard` is a list of events with their arguments. */
class Client {
  heard = [];

  constructor(t, url, transports, query) {
    const fields = { apiKey: key, token: 'abc', platform: 'javascript', sdk_version: '4.4.5', ...query };
    this.socket = io(url, {
      forceNew: true,
      transports,
      query: String(new URLSearchParams(fields)),
      reconnectionDelay: 100,
      reconnectionDelayMax: 300,
    });
    for (const name of names) this.socket.on(name, (...words) => this.heard.push([name, ...words]));
    t.after(() => this.socket.close());
  }

  static async open(t, url, transports, query) {
    const client = new Client(t, url, transports, query);
    await client.hears('OPEN');
    return client;
  }

  /** The arguments of the event of that name that came as the `count`th. */
  hears(name, count = 1) {
    const milliseconds = name === 'pong' ? 3 * bound : bound; // it comes every 25 s
    return until(
      `${name}, ${count} times`,
      () => {
        const found = this.heard.filter(([its]) => its === name)[count - 1];
        if (found) return found.slice(1);
        throw new Error(JSON.stringify(this.heard).slice(0, 500));
      },
      milliseconds,
    );
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }
}

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
const call = (dst) => ({
  offer: { type: 'offer', sdp },
  dst,
  connectionId: 'dc_1',
  connectionType: 'data',
  serialization: 'binary',
  label: 'dc_1',
  dcInit: {},
  metadata: { any: ['\u20ac', null] },
});
const clients = async (daemon) => (await fetch(`${daemon.url}/api/apikeys/${key}/clients/`)).json();

for (const [way, transports] of Object.entries(ways)) {
  test(`${way}: it opens, tells, is told, and closes`, { timeout: testBound }, async (t) => {
    const daemon = await Daemon.start(t);
    const one = await Client.open(t, daemon.url, transports, { peerId: 'one' });
    const two = await Client.open(t, daemon.url, transports, { peerId: 'two' });
    assert.deepEqual(one.heard, [['OPEN', { peerId: 'one' }]]);
    const last = transports.at(-1);
    await until(`it is a ${last} at last`, () => one.transport === last && two.transport === last);

    one.socket.emit('SEND_OFFER', call('two'));
    const { dst, ...rest } = call('two');
    const [offered] = await two.hears('OFFER');
    assert.deepEqual({ ...offered, dst: undefined }, { ...rest, src: 'one', dst: undefined });
    two.socket.emit('SEND_ANSWER', {
      answer: { type: 'answer', sdp },
      dst: 'one',
      connectionId: 'dc_1',
      connectionType: 'data',
    });
    const [answered] = await one.hears('ANSWER');
    assert.deepEqual([answered.src, answered.answer.sdp, answered.connectionId], ['two', sdp, 'dc_1']);
    two.socket.emit('SEND_FORCE_CLOSE', { dst: 'one', connectionId: 'dc_1' });
    assert.equal((await one.hears('FORCE_CLOSE'))[0].src, 'two');

    // Long, and of characters that have different lengths in every way of counting; many at once, in order.
    for (const client of [one, two]) client.socket.emit('ROOM_JOIN', { roomName: 'hall', roomType: 'mesh' });
    await one.hears('ROOM_USER_JOIN', 2);
    const letters = 'a\u00fc\u20ac\ud83d\ude42';
    one.socket.emit('ROOM_SEND_DATA', { roomName: 'hall', data: letters.repeat(1600) });
    assert.equal((await two.hears('ROOM_DATA'))[0].data, letters.repeat(1600));
    one.socket.emit('ROOM_SEND_DATA', { roomName: 'hall', data: letters.repeat(1700) });
    assert.equal((await one.hears('ERROR'))[0].type, 'invalid-message', 'a room carries 16 KiB at a time');
    const offer = { type: 'offer', sdp: `${sdp}a=${letters.repeat(4000)}\r\n` };
    one.socket.emit('SEND_OFFER', { ...call('two'), offer });
    assert.deepEqual((await two.hears('OFFER', 2))[0].offer, offer);
    for (let n = 0; n < 50; n += 1)
      one.socket.emit('SEND_CANDIDATE', {
        candidate: {
          candidate: `candidate:${n} 1 udp 1 127.0.0.1 9 typ host`,
          sdpMid: '0',
          sdpMLineIndex: 0,
        },
        dst: 'two',
        connectionId: 'dc_1',
        connectionType: 'data',
      });
    await two.hears('CANDIDATE', 50);
    const order = two.heard
      .filter(([name]) => name === 'CANDIDATE')
      .map(([, { candidate }]) => Number(candidate.candidate.match(/:(\d+)/)[1]));
    assert.deepEqual(order, [...order.keys()]);

    one.socket.close();
    await until('its id is free', async () => (await clients(daemon)).join() === 'two');
    assert.deepEqual(
      two.heard.filter(([name]) => /disconnect|error/i.test(name)),
      [],
    );
  });

  test(`${way}: who may not stay is told why, and not to come again`, { timeout: testBound }, async (t) => {
    const daemon = await Daemon.start(t);
    await Client.open(t, daemon.url, transports, { peerId: 'one' });
    const other = new Client(t, daemon.url, transports, { peerId: 'one', token: 'another' });
    assert.deepEqual(await other.hears('ERROR'), [
      { type: 'unavailable-id', message: 'PeerId "one" is already in use' },
    ]);
    assert.deepEqual(await other.hears('disconnect'), ['io server disconnect']);
    // It has no timer that would bring it back, and no connection.
    assert.deepEqual(
      [other.socket.connected, other.socket.io.reconnecting, other.socket.io.readyState],
      [false, false, 'closed'],
    );
    assert.deepEqual(
      other.heard.map(([name]) => name),
      ['ERROR', 'disconnect'],
    );
    assert.deepEqual(await clients(daemon), ['one']);
  });

  test(`${way}: it comes back after a restart`, { timeout: testBound }, async (t) => {
    const daemon = await Daemon.start(t);
    const one = await Client.open(t, daemon.url, transports, { peerId: 'one' });
    await daemon.stop();
    assert.match(String(await one.hears('disconnect')), /^transport (close|error)$/);
    await daemon.start();
    await one.hears('reconnect');
    assert.deepEqual(await one.hears('OPEN', 2), [{ peerId: 'one' }]);
    one.socket.emit('SEND_OFFER', call('one'));
    assert.equal((await one.hears('OFFER'))[0].src, 'one');
  });
}

test('clients that have nothing to say stay longer than one interval of the heartbeat', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t);
  const all = await Promise.all(
    Object.values(ways).map((transports, n) =>
      Client.open(t, daemon.url, transports, { peerId: `client-${n}` }),
    ),
  );
  // The client pings every 25 s. The second answer comes long after the first heartbeat would have been
  // missed.
  for (const [n, client] of all.entries()) {
    await client.hears('pong', 2);
    assert.deepEqual(
      client.heard.map(([name]) => name),
      ['OPEN', 'pong', 'pong'],
    );
    client.socket.emit('SEND_OFFER', call(`client-${n}`));
    await client.hears('OFFER');
  }
});
