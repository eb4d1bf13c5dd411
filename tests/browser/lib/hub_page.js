// Runs in a page, or in Node with a page's globals: peers of SkyWay-JS or PeerJS, whichever library is there,
// and what they hear. What goes to the test and back is {text}, {bytes} in base64, or {json}.

const peers = {};
const connections = [];

const toBase64 = (buffer) => {
  let text = '';
  const bytes = new Uint8Array(buffer);
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};
const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const pack = async (data) => {
  if (typeof data === 'string') return { text: data };
  if (typeof Blob !== 'undefined' && data instanceof Blob)
    return { bytes: toBase64(await data.arrayBuffer()) };
  if (data instanceof ArrayBuffer) return { bytes: toBase64(data) };
  if (ArrayBuffer.isView(data))
    return { bytes: toBase64(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) };
  return { json: data };
};
const unpack = ({ text, bytes, json }) => text ?? (bytes === undefined ? json : fromBase64(bytes).buffer);

/** Keeps what happens to a connection; its place in the list is its name from now on. */
function keep(connection) {
  const kept = { connection, received: [], events: [] };
  connection.on('data', async (data) => {
    const place = kept.received.push(undefined) - 1; // a Blob is read later, and keeps its place
    kept.received[place] = await pack(data);
  });
  for (const name of ['open', 'close']) connection.on(name, () => kept.events.push(name));
  connection.on('error', (error) => kept.events.push(`error: ${error.message}`));
  return connections.push(kept) - 1;
}

globalThis.hub = {
  /** A peer, called `name` here; gives its id, or the error that came first. */
  join(name, id, options) {
    const peer = id === null ? new globalThis.Peer(options) : new globalThis.Peer(id, options);
    const events = [];
    const incoming = [];
    peers[name] = { peer, events, incoming };
    peer.on('connection', (connection) => incoming.push(keep(connection)));
    for (const event of ['close', 'disconnected', 'expiresin', 'open'])
      peer.on(event, (value) => events.push([event, value]));
    peer.on('error', (error) => events.push(['error', error.type, error.message]));
    return new Promise((done) => {
      peer.on('open', (given) => done({ id: given }));
      peer.on('error', (error) => done({ error: error.type, message: error.message }));
    });
  },
  connect: (name, target, options) => keep(peers[name].peer.connect(target, options)),
  send: (at, value) => {
    connections[at].connection.send(unpack(value));
  },
  close: (at, ...words) => {
    connections[at].connection.close(...words);
  },
  /** The message of SkyWay-JS' `close(true)` alone. */
  forceClose: (name, at) => {
    const { id: connectionId, remoteId: dst } = connections[at].connection;
    peers[name].peer.socket.send('SEND_FORCE_CLOSE', { dst, connectionId });
  },
  received: (at) => connections[at].received.filter(Boolean),
  state: (at) => {
    const { connection, events } = connections[at];
    const { open, label, metadata, serialization, reliable } = connection;
    return {
      open,
      label,
      metadata,
      serialization,
      reliable,
      remote: connection.remoteId ?? connection.peer,
      events,
    };
  },
  events: (name) => peers[name].events,
  incoming: (name) => peers[name].incoming,
  isOpen: (name) => peers[name].peer.open,
  list: (name) =>
    new Promise((done) => {
      peers[name].peer.listAllPeers(done);
    }),
  call: (name, method, ...words) => {
    peers[name].peer[method](...words);
  },
  /** A mesh room for data alone. */
  joinRoom(name, roomName) {
    const room = peers[name].peer.joinRoom(roomName, { mode: 'mesh' });
    peers[name].room = { room, events: [] };
    const { events } = peers[name].room;
    for (const event of ['open', 'peerJoin', 'peerLeave']) room.on(event, (id) => events.push([event, id]));
    room.on('data', async ({ src, data }) => events.push(['data', src, await pack(data)]));
  },
  roomEvents: (name) => peers[name].room.events,
  sendToRoom: (name, value) => {
    peers[name].room.room.send(unpack(value));
  },
  leaveRoom: (name) => {
    peers[name].room.room.close();
  },
};
