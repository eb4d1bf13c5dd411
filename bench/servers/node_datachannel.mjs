// What a user would pick instead: the npm package node-datachannel (libdatachannel). `node
// node_datachannel.mjs HTTP_PORT [UDP_BIND UDP_REMOTE]` answers `POST /sessions`; channels do what their
// label says, as those of the other servers.
import dgram from 'node:dgram';
import http from 'node:http';
import { library as datachannel } from '../../tests/browser/lib/datachannel.js';

const LIMIT = 1 << 20; // bytes that wait in a channel before its source pauses
const [port, bind, remote] = process.argv.slice(2);
const open = new Set();
let device;
if (bind) {
  const [host, number] = bind.split(':');
  device = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  device.bind(Number(number), host, () => device.connect(Number(remote.split(':')[1]), remote.split(':')[0]));
  device.on('message', (message) => {
    for (const channel of open) if (channel.isOpen()) channel.sendMessageBinary(message);
  });
  device.on('error', () => {});
}

const labels = {
  echo: (channel) =>
    channel.onMessage((data) =>
      typeof data === 'string' ? channel.sendMessage(data) : channel.sendMessageBinary(data),
    ),
  sink(channel) {
    let counted = 0;
    channel.onMessage((data) => {
      if (data !== 'end') counted += data.length;
      else {
        channel.sendMessage(`done:${counted}`);
        counted = 0;
      }
    });
  },
  source(channel) {
    channel.setBufferedAmountLowThreshold(LIMIT / 2);
    let message = Buffer.alloc(0);
    let owed = 0;
    const send = () => {
      while (owed > 0 && channel.bufferedAmount() < LIMIT) {
        channel.sendMessageBinary(message);
        owed--;
      }
    };
    channel.onBufferedAmountLow(send);
    channel.onMessage((text) => {
      const [, size, count] = text.split(' ').map(Number);
      message = Buffer.alloc(size, 1);
      owed = count;
      send();
    });
  },
  udp(channel) {
    open.add(channel);
    channel.onClosed(() => open.delete(channel));
    channel.onMessage((data) => device.send(data));
  },
};

const peers = new Set(); // or they are collected
http
  .createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(404).end(); // a browser asks for an icon
    let offer = '';
    for await (const piece of request) offer += piece;
    const peer = new datachannel.PeerConnection('server', { iceServers: [], bindAddress: '127.0.0.1' });
    peers.add(peer);
    peer.onStateChange((state) => {
      if (['closed', 'failed', 'disconnected'].includes(state)) {
        peers.delete(peer);
        peer.close();
      }
    });
    peer.onDataChannel((channel) => labels[channel.getLabel()]?.(channel));
    const gathered = new Promise((done) =>
      peer.onGatheringStateChange((state) => state === 'complete' && done()),
    );
    peer.setRemoteDescription(offer, 'offer');
    await gathered;
    response
      .writeHead(201, { 'Content-Type': 'application/sdp', Connection: 'close' })
      .end(peer.localDescription().sdp);
  })
  .listen(Number(port), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}/`));
