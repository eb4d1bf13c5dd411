// A forwarder of RTP as a user would write it with the npm package node-datachannel (libdatachannel). `node
// node_datachannel_rtp.mjs HTTP_PORT RTP_PORT` answers `POST` with an offer of one section of video.
import dgram from 'node:dgram';
import http from 'node:http';
import { library as datachannel } from '../../tests/browser/lib/datachannel.js';

const [port, rtp] = process.argv.slice(2).map(Number);
const SSRC = 0x0bec0bec; // of bench/rtp_source.rs
const open = new Set();
const source = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
source.bind(rtp, '127.0.0.1');
// The payload type of the source is the one that viewers offer.
source.on('message', (packet) => {
  for (const track of open) track.sendMessageBinary(packet);
});

const peers = new Set(); // or they are collected
http
  .createServer(async (request, response) => {
    let offer = '';
    for await (const piece of request) offer += piece;
    const peer = new datachannel.PeerConnection('server', { iceServers: [], bindAddress: '127.0.0.1' });
    const video = new datachannel.Video(/^a=mid:(\S+)/m.exec(offer)[1], 'SendOnly');
    video.addH264Codec(96);
    video.addSSRC(SSRC, 'camera', 'camera', 'video');
    const gathered = new Promise((done) =>
      peer.onGatheringStateChange((state) => state === 'complete' && done()),
    );
    const track = peer.addTrack(video);
    track.onOpen(() => open.add(track));
    track.onClosed(() => open.delete(track));
    peers.add({ peer, track });
    peer.setRemoteDescription(offer, 'offer');
    await gathered;
    const answer = peer.localDescription().sdp;
    response
      .writeHead(201, { 'Content-Type': 'application/sdp', 'Content-Length': Buffer.byteLength(answer) })
      .end(answer);
  })
  .listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}/`));
