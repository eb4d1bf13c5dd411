// One visit of libdatachannel (npm: node-datachannel) with its own API: `node interop_libdatachannel.mjs
// WISH`. What it does is what interop_w3c.js does.
import { createHash } from 'node:crypto';
import { describing, library } from './datachannel.js';

const { url, media, trickle, sizes } = JSON.parse(process.argv[2]);
const told = { step: 'offer', moved: [] };
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function visit() {
  const peer = new library.PeerConnection('visit', { iceServers: [] });
  const kept = [peer];
  const { described, candidates, gathered } = describing(peer);
  if (media) {
    const audio = new library.Audio('audio', 'SendRecv');
    audio.addOpusCodec(111);
    const video = new library.Video('video', 'RecvOnly');
    video.addVP8Codec(96);
    kept.push(audio, video, peer.addTrack(audio), peer.addTrack(video));
  }
  const channels = [peer.createDataChannel('echo'), peer.createDataChannel('echo')];
  kept.push(...channels);
  const opened = channels.map(
    (channel) =>
      new Promise((done) => {
        channel.onOpen(done);
      }),
  );
  const closed = channels.map(
    (channel) =>
      new Promise((done) => {
        channel.onClosed(done);
      }),
  );
  if (media) peer.setLocalDescription();
  told.offer = await described;
  if (!trickle) {
    await gathered;
    told.offer = peer.localDescription().sdp;
  }
  told.step = 'answer';
  const response = await fetch(`${url}/sessions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: told.offer,
  });
  told.answer = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${told.answer}`);
  const location = url + response.headers.get('Location');
  peer.setRemoteDescription(told.answer, 'answer');
  if (trickle) {
    told.step = 'candidates';
    await gathered;
    const lines = [/a=ice-ufrag:.*/, /a=ice-pwd:.*/].map((line) => told.offer.match(line)[0]);
    lines.push(
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      'a=mid:0',
      ...candidates.map((candidate) => candidate.replace(/^(a=)?/, 'a=')),
      'a=end-of-candidates',
      '',
    );
    const patched = await fetch(location, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' },
      body: lines.join('\r\n'),
    });
    if (patched.status !== 204) throw new Error(`${patched.status} ${await patched.text()}`);
  }
  told.step = 'open';
  await Promise.all(opened);
  for (const size of sizes) {
    told.step = `${size} bytes`;
    const bytes = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + size) & 255));
    const back = new Promise((done) => {
      channels[0].onMessage((message) => done(Buffer.from(message)));
    });
    channels[0].sendMessageBinary(bytes);
    if (digest(await back) !== digest(bytes)) throw new Error('other bytes came back');
    told.moved.push(size);
  }
  told.step = 'closed from here';
  channels[0].close();
  await closed[0];
  told.step = 'closed by the gateway';
  await fetch(location, { method: 'DELETE' });
  await closed[1];
  told.step = 'done';
  return kept;
}

let late;
const patience = new Promise((_, fail) => {
  late = setTimeout(() => fail(new Error('a minute has passed')), 60000);
});
// Its objects must not be collected while its threads run.
globalThis.kept = await Promise.race([visit(), patience]).catch((error) => {
  told.error = String(error);
});
clearTimeout(late);
process.stdout.write(JSON.stringify(told), () => process.exit(0));
