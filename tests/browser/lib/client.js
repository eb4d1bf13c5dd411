// Runs in the browser: a small client for a gateway on another origin, which keeps what it hears for the
// tests.

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Polls, so that a test fails with a sentence instead of hanging. */
export async function until(what, condition, milliseconds = 60000) {
  for (const deadline = Date.now() + milliseconds; Date.now() < deadline; await wait(5)) {
    const value = condition();
    if (value) return value;
  }
  throw new Error(`not within ${milliseconds} ms: ${what}`);
}

export class Session {
  heard = []; // every control message
  credit = new Map();

  /** The control channel comes first; `channels` are [label, RTCDataChannelInit] pairs. */
  static async connect(gateway, channels = []) {
    const session = new Session();
    session.peer = new RTCPeerConnection();
    session.control = session.peer.createDataChannel('thingway');
    session.control.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      session.heard.push(message);
      if (message.type === 'opened') session.credit.set(message.channel, 0);
      if (message.type === 'credit') session.credit.set(message.channel, message.limit);
    };
    session.channels = channels.map(([label, init]) => session.channel(label, init));
    await session.peer.setLocalDescription();
    const response = await fetch(`${gateway}/sessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: session.peer.localDescription.sdp,
    });
    if (response.status !== 201) throw new Error(`refused: ${response.status} ${await response.text()}`);
    session.location = response.headers.get('Location');
    session.etag = response.headers.get('ETag');
    await session.peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    await until('the gateway says hello', () => session.heard[0]);
    return session;
  }

  channel(label, init) {
    const channel = this.peer.createDataChannel(label, init);
    channel.binaryType = 'arraybuffer';
    channel.received = [];
    channel.sent = 0;
    channel.onmessage = ({ data }) => channel.received.push(data);
    channel.onclose = () => {
      channel.closed = true;
    };
    return channel;
  }

  /** Waits for the credit first, as every client with a control channel has to. */
  async send(channel, bytes) {
    await until('the channel is open', () => channel.readyState === 'open');
    const granted = () => this.credit.get(channel.id) ?? 0;
    await until(`credit for ${bytes.length} bytes`, () => channel.sent + bytes.length <= granted());
    channel.sent += bytes.length;
    channel.send(bytes);
  }

  /**
   * Sends bytes and waits until as many came back; says how many messages that took and whether they are the
   * same.
   */
  async echo(channel, size) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);
    channel.received.length = 0;
    await this.send(channel, bytes);
    const length = () => channel.received.reduce((sum, message) => sum + message.byteLength, 0);
    await until(`${size} bytes come back, ${length()} did`, () => length() >= size).catch((error) => {
      throw new Error(`${error.message}; got ${length()}`);
    });
    const back = new Uint8Array(await new Blob(channel.received).arrayBuffer());
    const same = back.length === size && back.every((byte, i) => byte === bytes[i]);
    return { messages: channel.received.length, same };
  }
}

/**
 * Listens to an EventSource or WebSocket until it fails or `isEnough` says so of its events, which are [name,
 * data] pairs: whether it opened, whether it failed, and those events.
 */
export async function listen(source, names, isEnough) {
  const result = { opened: false, failed: false, events: [] };
  source.onopen = () => {
    result.opened = true;
  };
  source.onerror = () => {
    result.failed = true;
  };
  for (const name of names)
    source.addEventListener(name, ({ data }) => result.events.push([name, JSON.parse(data)]));
  await until(`${source.url} fails or tells enough`, () => result.failed || isEnough(result.events)).catch(
    (error) => {
      throw new Error(`${error.message}: ${JSON.stringify(result)}`);
    },
  );
  source.close();
  return result;
}
