// A peer that is no browser: libdatachannel, with all its candidates gathered and with none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Daemon } from './lib/daemon.js';
import { describing, library } from './lib/datachannel.js';
import { testBound, until } from './lib/until.js';

// The library crashes when one of its objects is collected while its threads still call it, so all are kept
// and closed together at the end.
const kept = [];

for (const trickle of [false, true]) {
  const name = `libdatachannel, ${trickle ? 'candidates by PATCH' : 'all candidates in the offer'}`;
  test(name, { timeout: testBound }, async (t) => {
    const daemon = await Daemon.start(t);
    const peer = new library.PeerConnection('node', { iceServers: [] });
    const { described, candidates, gathered } = describing(peer);
    const states = [];
    peer.onStateChange((state) => states.push(state));
    const heard = [];
    const control = peer.createDataChannel('thingway');
    control.onMessage((text) => heard.push(JSON.parse(text)));
    const demo = peer.createDataChannel('demo');
    kept.push(control, demo, peer);
    let output = '';
    demo.onMessage((message) => {
      output += message;
    });

    let offer = await described;
    if (!trickle) {
      await gathered;
      offer = peer.localDescription().sdp;
    }
    const response = await fetch(`${daemon.url}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: offer,
    });
    const answer = await response.text();
    assert.equal(response.status, 201, answer);
    const location = response.headers.get('Location');
    peer.setRemoteDescription(answer, 'answer');
    if (trickle) {
      await gathered;
      const line = (name) => offer.match(`a=${name}:.*`)[0];
      const lines = [
        line('ice-ufrag'),
        line('ice-pwd'),
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
        'a=mid:0',
        ...candidates.map((candidate) => candidate.replace(/^(a=)?/, 'a=')),
        'a=end-of-candidates',
        '',
      ];
      const patched = await fetch(daemon.url + location, {
        method: 'PATCH',
        body: lines.join('\r\n'),
        headers: {
          'Content-Type': 'application/trickle-ice-sdpfrag',
          'If-Match': response.headers.get('ETag'),
        },
      });
      assert.equal(patched.status, 204, await patched.text());
    }

    await until('hello', () => heard[0]?.type === 'hello');
    await until('the greeting', () => output.includes('Type help.'));
    demo.sendMessageBinary(Buffer.from('led on\n'));
    await until('the answer', () => /led is on/.test(output));
    assert.equal((await daemon.get(location)).state, 'connected');
    const deleted = await fetch(daemon.url + location, { method: 'DELETE' });
    assert.equal(deleted.status, 200);
    await until('the peer is told', () => !demo.isOpen());
    await until('the control channel says so', () => heard.some(({ type }) => type === 'bye'));
    // It was told by the end of DTLS, which the library calls `disconnected` before `closed`. Had it found
    // out by itself, ICE would have failed.
    assert.ok(!states.includes('failed'), `${states}`);
  });
}

test('libdatachannel: a channel may be opened as soon as the gateway has closed one', {
  timeout: testBound,
}, async (t) => {
  const daemon = await Daemon.start(t);
  const peer = new library.PeerConnection('node', { iceServers: [] });
  const gathered = new Promise((done) => {
    peer.onGatheringStateChange((state) => {
      if (state === 'complete') done();
    });
  });
  const control = peer.createDataChannel('thingway');
  kept.push(control, peer);
  const heard = [];
  control.onMessage((text) => heard.push(JSON.parse(text)));
  await gathered;
  const response = await fetch(`${daemon.url}/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: peer.localDescription().sdp,
  });
  peer.setRemoteDescription(await response.text(), 'answer');
  await until('hello', () => heard[0]?.type === 'hello');
  // The library gives a stream's number to the next channel before it has reset the stream, for which it
  // waits until everything is acknowledged. (One that is opened in the event itself is always lost; a round
  // trip later it must work.)
  for (let round = 1; round <= 6; round++) {
    const refused = peer.createDataChannel('nobody');
    kept.push(refused);
    let [isClosed, output] = [false, ''];
    refused.onClosed(() => {
      isClosed = true;
    });
    // A board that is busy handles the deadlines of the acknowledgement and of the closing in one step.
    await daemon.get('/endpoints');
    await daemon.pause(300);
    await until(`round ${round}: it is refused`, () => isClosed);
    await daemon.get('/endpoints');
    const demo = peer.createDataChannel('demo');
    kept.push(demo);
    demo.onMessage((text) => {
      output = text;
    });
    demo.onClosed(() => {
      output = 'closed, too';
    });
    await until(`round ${round}: another opens`, () => output !== '');
    assert.notEqual(output, 'closed, too', `round ${round}`);
    // Every second packet is acknowledged at once, so that in every second round the refused channel's is
    // not.
    demo.sendMessageBinary(Buffer.from('x'));
  }
  const deleted = await fetch(daemon.url + response.headers.get('Location'), { method: 'DELETE' });
  assert.equal(deleted.status, 200);
});

test('the library lets the process end', () => {
  for (const object of kept) object.close();
  library.cleanup();
});
