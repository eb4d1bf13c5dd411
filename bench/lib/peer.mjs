// The one client of all servers: libdatachannel, by the npm package node-datachannel.
import { library as datachannel } from '../../tests/browser/lib/datachannel.js';

export class Peer {
  /**
   * Once more where the client stumbles over itself: now and then it has no transport yet for the candidates
   * of the answer.
   */
  static async connect(url, label, init = {}) {
    try {
      return await Peer.#connect(url, label, init);
    } catch (error) {
      if (!/without ICE transport/.test(error.message)) throw error;
      return Peer.#connect(url, label, init);
    }
  }

  static async #connect(url, label, init) {
    const peer = new Peer();
    const connection = (peer.connection = new datachannel.PeerConnection('client', {
      iceServers: [],
      bindAddress: '127.0.0.1',
    }));
    const gathered = new Promise((done) =>
      connection.onGatheringStateChange((state) => state === 'complete' && done()),
    );
    const channel = (peer.channel = connection.createDataChannel(label, init));
    await gathered;
    peer.began = performance.now();
    const response = await fetch(`${url}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', Connection: 'close' },
      body: connection.localDescription().sdp,
    });
    if (response.status !== 201) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    const answer = await response.text();
    const open = new Promise((done, fail) => {
      channel.onOpen(done);
      channel.onClosed(() => fail(new Error('closed')));
      setTimeout(() => fail(new Error(`${url}: not open after 10 s`)), 10000).unref();
    });
    connection.setRemoteDescription(answer, 'answer');
    await open;
    peer.opened = performance.now();
    return peer;
  }

  close() {
    this.connection.close();
  }

  /** Sends all of them as fast as the channel takes them, `most` bytes waiting. */
  async send(message, count, most = 1 << 18) {
    const { channel } = this;
    channel.setBufferedAmountLowThreshold(most >> 1);
    for (let sent = 0; sent < count; ) {
      while (sent < count && channel.bufferedAmount() < most) {
        channel.sendMessageBinary(message);
        sent++;
      }
      if (sent < count)
        await new Promise((done) => {
          channel.onBufferedAmountLow(done);
          if (channel.bufferedAmount() <= most >> 1) done();
        });
    }
  }
}
