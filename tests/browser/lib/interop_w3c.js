// One visit of a WebRTC stack with W3C's API to the gateway. It runs in pages and in Node, so it needs
// nothing of this file but its arguments: `stack` has what a page has, `wish` what kind of visit it is.

/**
 * Opens two channels to the endpoint `echo`, moves a message of each size there and back, closes one channel
 * from here and lets the gateway close the other. Resolves to what was offered and what came back, or to the
 * step at which it failed.
 */
export async function visit(wish, stack = globalThis) {
  const { url, media, trickle, sizes } = wish;
  const told = { step: 'offer', moved: [] };
  const step = (name) => {
    told.step = name;
  };
  let late;
  const patience = new Promise((_, fail) => {
    late = setTimeout(() => fail(new Error('a minute has passed')), 60000);
  });
  const digest = async (bytes) =>
    Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))).join(' ');
  let pc;
  const whole = async () => {
    pc = new stack.RTCPeerConnection({});
    if (media) {
      pc.addTransceiver('audio', { direction: 'sendrecv' });
      pc.addTransceiver('video', { direction: 'recvonly' });
    }
    const channels = [pc.createDataChannel('echo'), pc.createDataChannel('echo')];
    const opened = channels.map(
      (channel) =>
        new Promise((done) => {
          channel.onopen = done;
        }),
    );
    const closed = channels.map(
      (channel) =>
        new Promise((done) => {
          channel.onclose = done;
        }),
    );
    for (const channel of channels) channel.binaryType = 'arraybuffer';
    const candidates = [];
    const gathered = new Promise((done) => {
      pc.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate) candidates.push(candidate.candidate);
        else done();
      };
      pc.onicegatheringstatechange = () => {
        if (pc.iceGatheringState === 'complete') done();
      };
    });
    const offer = await pc.createOffer();
    await pc.setLocalDescription(offer);
    if (!trickle) await gathered;
    told.offer = trickle ? offer.sdp : pc.localDescription.sdp;
    step('answer');
    const response = await stack.fetch(`${url}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: told.offer,
    });
    told.answer = await response.text();
    if (response.status !== 201) throw new Error(`${response.status} ${told.answer}`);
    const location = url + response.headers.get('Location');
    await pc.setRemoteDescription({ type: 'answer', sdp: told.answer });
    if (trickle) {
      step('candidates');
      await gathered;
      const lines = [/a=ice-ufrag:.*/, /a=ice-pwd:.*/].map((line) => told.offer.match(line)[0]);
      lines.push(
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
        'a=mid:0',
        ...candidates.map((candidate) => `a=${candidate}`),
        'a=end-of-candidates',
        '',
      );
      const patched = await stack.fetch(location, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' },
        body: lines.join('\r\n'),
      });
      if (patched.status !== 204) throw new Error(`${patched.status} ${await patched.text()}`);
    }
    step('open');
    await Promise.all(opened);
    for (const size of sizes) {
      step(`${size} bytes`);
      const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) + size) & 255);
      const back = new Promise((done) => {
        channels[0].onmessage = ({ data }) => done(new Uint8Array(data));
      });
      // werift wants one of Node's own buffers.
      channels[0].send(stack.Buffer ? stack.Buffer.from(bytes) : bytes);
      if ((await digest(await back)) !== (await digest(bytes))) throw new Error('other bytes came back');
      told.moved.push(size);
    }
    step('closed from here');
    channels[0].close();
    await closed[0];
    step('closed by the gateway');
    const deleted = stack.fetch(location, { method: 'DELETE' });
    // werift sometimes tells it of the connection alone.
    const ended = new Promise((done) => {
      pc.onconnectionstatechange = () => {
        if (['closed', 'disconnected', 'failed'].includes(pc.connectionState)) done();
      };
    });
    await deleted;
    await Promise.race([closed[1], ended]);
    step('done');
  };
  try {
    await Promise.race([whole(), patience]);
  } catch (error) {
    told.error = String(error);
  }
  clearTimeout(late);
  pc?.close();
  return told;
}
