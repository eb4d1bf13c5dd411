// The same conversation with npm `peer`, the server that PeerJS was written for, and with us: what a client
// is told is the same, but for the differences that are listed here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemon } from './lib/daemon.js';
import { Client, startPeerServer } from './lib/peer_server.js';
import { testBound, until } from './lib/until.js';

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
const offer = (dst, connectionId) => ({
  type: 'OFFER',
  dst,
  payload: {
    sdp: { type: 'offer', sdp },
    type: 'data',
    connectionId,
    label: connectionId,
    reliable: false,
    serialization: 'binary',
    metadata: { any: ['thing', null, 1.5, 'half \ud83d'] },
    own: 'word',
  },
});
const answer = (dst, connectionId) => ({
  type: 'ANSWER',
  dst,
  payload: { sdp: { type: 'answer', sdp }, type: 'data', connectionId },
});
const candidate = (dst, connectionId) => ({
  type: 'CANDIDATE',
  dst,
  payload: {
    candidate: {
      candidate: 'candidate:1 1 udp 2122260223 127.0.0.1 5000 typ host',
      sdpMid: '0',
      sdpMLineIndex: 0,
      usernameFragment: 'abcd',
    },
    type: 'data',
    connectionId,
  },
});
const media = (dst, connectionId) => ({
  type: 'OFFER',
  dst,
  payload: { sdp: { type: 'offer', sdp }, type: 'media', connectionId },
});

async function get(url, path) {
  const response = await fetch(url + path, { headers: { Origin: url } });
  const body = await response.text();
  const [type] = (response.headers.get('Content-Type') ?? '').split(';');
  return { status: response.status, type, body };
}

/**
 * Everything that clients are told, each for itself. `goesOn`: a frame that is no JSON does not end what is
 * read of a client.
 */
async function converse(t, url, { goesOn }) {
  const heard = {};
  const join = async (name, query) => {
    const client = await Client.open(t, url, query);
    heard[name] = client.heard;
    return client;
  };

  const id = await get(url, '/peerjs/id?ts=1700000000000.5&version=1.5.5');
  assert.match(id.body, /^[A-Za-z0-9]+([ _-][A-Za-z0-9]+)*$/, 'the library takes it as an id');
  heard.id = { ...id, body: 'an id' };
  heard.nobody = await get(url, '/peerjs/peers');

  for (const [name, query] of Object.entries({
    'no id': { key: 'peerjs', token: 't' },
    'no token': { key: 'peerjs', id: 'x' },
    'no key': { id: 'x', token: 't' },
    'an empty id': { key: 'peerjs', id: '', token: 't' },
    'another key': { key: 'other', id: 'x', token: 't' },
  }))
    await (await join(name, query)).hears(2);

  const alice = await join('alice', { key: 'peerjs', id: 'alice', token: 'a' });
  await alice.hears(1);
  await (await join('another alice', { key: 'peerjs', id: 'alice', token: 'b' })).hears(2);
  const bob = await join('bob', { key: 'peerjs', id: 'bob', token: 'b' });
  await bob.hears(1);
  heard.both = await get(url, '/peerjs/peers');

  alice.say({ type: 'HEARTBEAT' });
  alice.say(offer('bob', 'dc_1'));
  alice.say(candidate('bob', 'dc_1'));
  await bob.hears(3);
  bob.say(answer('alice', 'dc_1'));
  bob.say({ ...candidate('alice', 'dc_1'), src: 'somebody else' });
  await alice.hears(3);
  alice.say(media('bob', 'mc_1'));
  alice.say({ type: 'LEAVE', dst: 'bob' });
  alice.say({ type: 'EXPIRE', dst: 'bob' });
  await bob.hears(6);

  // What is dropped.
  alice.say({ type: 'SOMETHING', dst: 'bob', payload: {} });
  alice.say({ type: 'OPEN', dst: 'bob' });
  alice.say({ type: 'OFFER', payload: {} });
  alice.say({ type: 'LEAVE', dst: 'nobody' });
  alice.say(offer('bob', 'dc_2')); // it is still there
  await bob.hears(7);

  // Who is not there yet is told later, in order; who never comes is given up, once for each sender.
  alice.say(offer('carol', 'dc_3'));
  alice.say(candidate('carol', 'dc_3'));
  bob.say(offer('carol', 'dc_4'));
  // What they say to each other behind it has arrived, so all of it has.
  alice.say(offer('bob', 'dc_alice'));
  bob.say(offer('alice', 'dc_bob'));
  await Promise.all([alice.hears(4), bob.hears(8)]);
  const carol = await join('carol', { key: 'peerjs', id: 'carol', token: 'c' });
  await carol.hears(4);
  const before = performance.now();
  alice.say(offer('nobody', 'dc_5'));
  alice.say(candidate('nobody', 'dc_5'));
  alice.say(offer('nobody', 'dc_6'));
  bob.say(offer('nobody', 'dc_7'));
  await Promise.all([alice.hears(5), bob.hears(9)]);
  assert.ok(performance.now() - before > 4500, 'somebody who comes late is waited for');

  // The same token again: that socket is the client now, and is told nothing of it.
  const again = await join('alice again', { key: 'peerjs', id: 'alice', token: 'a' });
  again.say(offer('bob', 'dc_again'));
  await bob.hears(10);
  bob.say(offer('alice', 'dc_8'));
  await again.hears(1);
  again.say(answer('bob', 'dc_8'));
  await bob.hears(11);

  // Who leaves frees the id, and the others are told nothing.
  carol.say({ type: 'LEAVE' });
  const ids = async () => JSON.parse((await get(url, '/peerjs/peers')).body);
  await until('carol has left', async () => !(await ids()).includes('carol'));
  await bob.leave();
  await until('bob has gone', async () => !(await ids()).includes('bob'));
  heard.left = await get(url, '/peerjs/peers');
  const newBob = await join('a new bob', { key: 'peerjs', id: 'bob', token: 'x' });
  await newBob.hears(1);

  const dave = await join('dave', { key: 'peerjs', id: 'dave', token: 'd' });
  dave.say('no JSON {');
  dave.say('"a string"');
  dave.say(offer('dave', 'dc_9'));
  if (goesOn) await dave.hears(2);
  newBob.say(offer('dave', 'dc_10'));
  await dave.hears(goesOn ? 3 : 2);
  return heard;
}

/** What a client heard before it was hung up on. */
function closedAtLast(told) {
  assert.equal(told.at(-1), 'closed');
  return told.slice(0, -1);
}

/** Where we are not like PeerServer on purpose: who hears it, why, and what PeerServer would have said. */
const differences = [
  {
    who: ['alice'],
    why: 'of two sockets with one token the older one is closed: PeerServer forgets it, and it goes on as the same client',
    ours: closedAtLast,
  },
  {
    who: ['carol'],
    why: 'a client that leaves is hung up on: PeerServer leaves it a socket on which nobody can reach it',
    ours: closedAtLast,
  },
  {
    who: ['dave'],
    why: 'a frame that is no JSON is ignored: PeerServer reads nothing more of that client',
    ours: (told) => {
      assert.equal(told[1].payload.connectionId, 'dc_9');
      return told.toSpliced(1, 1);
    },
  },
  {
    who: ['alice', 'bob'],
    why: 'EXPIRE says what has expired, for people: the library reads no more of it than the names',
    ours: (told) =>
      told.map((frame) => {
        if (frame.type !== 'EXPIRE' || frame.src !== 'nobody') return frame;
        const { payload, ...rest } = frame;
        assert.equal(payload.msg, 'there is no peer nobody');
        return rest;
      }),
  },
];

test('clients are told the same by PeerServer and by us', { timeout: testBound }, async (t) => {
  const peerServer = await startPeerServer(t);
  const daemon = await Daemon.start(t, '[[peerjs.key]]\nkey = "peerjs"\n');
  const [theirs, ours] = await Promise.all([
    converse(t, peerServer, { goesOn: false }),
    converse(t, daemon.url, { goesOn: true }),
  ]);
  for (const { who, why, ours: likeTheirs } of differences) {
    for (const name of who) {
      assert.notDeepEqual(ours[name], theirs[name], `still a difference: ${why}`);
      ours[name] = likeTheirs(ours[name]);
    }
  }
  for (const name of Object.keys(theirs)) assert.deepEqual(ours[name], theirs[name], name);
  assert.deepEqual(Object.keys(ours), Object.keys(theirs));
});
