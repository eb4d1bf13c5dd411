//! Every bound in one place: what can grow, how far, and why that far.

use std::time::Duration;

/// The largest message taken from or given to a peer, in bytes, as descriptions announce it (RFC 8841 §6). Browsers keep to it.
pub const MAX_MESSAGE: usize = 65_536;

/// The largest message that SCTP puts together, in bytes: its whole receive buffer. Some libraries (aiortc) ignore what is
/// announced. A message between the two limits costs its sender that one channel, with a reason; a longer one fills the
/// buffer, and SCTP ends the association.
pub const RECEIVED_MESSAGE: u32 = 1024 * 1024;

/// A message cut from a byte stream. With SCTP and DTLS around it, it stays one datagram.
pub const STREAM_MESSAGE: usize = 1_100;

/// What a session may have in flight at most, in bytes. The send side scans what is in flight at every
/// packet, so that this is for long round trips.
pub const SEND_LIMIT: usize = 256 * 1024;

/// What it has in flight before it has waited once.
pub const SEND_WINDOW: usize = 64 * 1024;

/// And over a path whose round trip holds less.
pub const SEND_WINDOW_MIN: usize = 40 * 1024;

/// The rate for which a window is enough, in bytes a second. (64 KiB last 50 ms at 1.3 MB/s.)
pub const SEND_RATE: usize = 10_000_000;

/// Messages that a session sends in one turn. Tiny ones are few bytes and much work, and others
/// want their turn; the next one comes with the peer's acknowledgement.
pub const BURST: usize = 1_024;

/// How many address pairs are learned per session. A browser has a handful; a spoofer who saw a
/// ufrag must not grow the table.
pub const PAIRS_PER_SESSION: usize = 32;

/// Bytes of a byte endpoint that a route may lag behind.
pub const RING: usize = 256 * 1024;

/// Bytes queued for a tty: about 11 s at 115,200 baud. A message of the largest size fits twice.
pub const STREAM_OUTPUT: usize = 128 * 1024;

/// Bytes queued for devices on all routes together. Each route has its own window; this is what a
/// small board can spare if many peers fill theirs. Half of it is for whoever comes first, half is
/// divided among the sessions, so that nobody's hoard closes another's channel.
pub const QUEUED_TOTAL: usize = 32 * 1024 * 1024;

/// Messages waiting on the control channel for a peer that does not read.
pub const CONTROL_QUEUE: usize = 256;

/// Channels whose end a session remembers, for `GET /sessions/{id}`.
pub const CLOSED_CHANNELS: usize = 16;

/// The longest label that can be an endpoint's name, in bytes.
pub const LABEL: usize = 64;

/// The longest message that a page of PeerJS or SkyWay-JS may cut in parts, in bytes; as long as the
/// window of a route.
pub const PAYLOAD: usize = 256 * 1024;

/// Parts of such messages that a channel keeps until the others come. Twice a message, because
/// PeerJS opens channels without order.
pub const PAYLOAD_PARTS: usize = 512 * 1024;

/// And all channels together: what a small board can spare.
pub const PAYLOAD_TOTAL: usize = 16 * 1024 * 1024;

/// How many messages these may belong to.
pub const PAYLOAD_UNFINISHED: usize = 8;

/// The longest body or frame of Socket.IO, in bytes. A WebSocket takes no longer message, and an
/// offer has a sixth of it.
pub const SOCKET_IO_PAYLOAD: usize = 64 * 1024;

/// Bytes that wait for a client of Socket.IO. Offers of several peers fit; what it missed for longer
/// is stale.
pub const SOCKET_IO_QUEUE: usize = 256 * 1024;

/// Packets that wait for it, or come in one body: each costs more memory than its bytes.
pub const SOCKET_IO_PACKETS: usize = 1_024;

/// What was said to peers that are not there, until they come or are given up, in signals; an offer
/// may have [`SDP`] bytes.
pub const WAITING_SIGNALS: usize = 128;
/// And of one peer: an offer with its candidates.
pub const WAITING_SIGNALS_OF_ONE: usize = 32;

/// The longest name that a peer may have, in bytes.
pub const PEER_ID: usize = 128;

/// The longest `key`, `domain` or `token` over the REST API of SkyWay's gateway, in characters. Keys
/// have 36, domains up to 253.
pub const FACADE_NAME: usize = 256;

/// The longest `authToken` of a credential of SkyWay's peer authentication, in characters. A hash has
/// 44.
pub const AUTH_TOKEN: usize = 128;

/// The longest `metadata` there, in bytes: it travels in an offer.
pub const FACADE_METADATA: usize = 16 * 1024;

/// Label and protocol of a channel that we open, in bytes together. str0m panics on what is too
/// long for one packet.
pub const LABEL_AND_PROTOCOL: usize = 1_100;

/// Events that wait for a program to ask for them, on one peer or connection. Many never ask.
pub const FACADE_EVENTS: usize = 256;

/// How long a program that asks for an event is kept waiting. Some give up at 30 s sharp.
pub const FACADE_POLL: Duration = Duration::from_secs(28);

/// How long what has ended goes on saying so, to those who ask for events.
pub const FACADE_TOMBSTONE: Duration = Duration::from_secs(5);

/// Candidates taken from one offer or fragment.
pub const REMOTE_CANDIDATES: usize = 64;

/// How many of a peer's UDP candidates are checked, those of its description and trickled ones together. Each costs up to seven
/// checks from each of our addresses, to whomever it names; a browser on a machine with many networks has about ten.
pub const CHECKED_CANDIDATES: usize = 16;

/// How many of four HTTP connections may come from beyond this machine, and how many from one address
/// there: whoever holds connections open keeps out neither who sits at the machine nor the rest of the
/// network. A browser opens six.
pub const NETWORK_QUARTERS: usize = 3;
/// See [`NETWORK_QUARTERS`].
pub const CONNECTIONS_PER_ADDRESS: usize = 32;
/// Connections over the control socket, beside all others, so that root gets in whatever those are.
pub const CONTROL_CONNECTIONS: usize = 16;

/// Content ports of one peer, and those that one client has opened and no peer uses yet.
pub const CONTENT_PORTS: usize = 64;
/// How long a content port that no peer uses stays open.
pub const CONTENT_PORT_UNUSED: Duration = Duration::from_secs(300);

/// File descriptors that content ports and connections leave free: for devices that come back, the control socket, and files.
pub const SPARE_DESCRIPTORS: usize = 64;
/// File descriptors of the loop itself: standard streams, epoll, signals, watched files, the service manager's socket.
pub const OWN_DESCRIPTORS: usize = 16;

/// Sessions and peers of one token, key or address whose life the log tells, in each [`LOG_INTERVAL`].
pub const LOGGED_LIVES: u32 = 20;
/// Tokens, keys and networks whose lines are counted for that.
pub const LOGGED_NAMES: usize = 256;
/// See [`LOGGED_LIVES`].
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Bytes between sessions of this process that have not been taken in one turn; beyond it datagrams are
/// dropped, as UDP may.
pub const INTERNAL: usize = 1024 * 1024;

/// The largest offer or fragment, in bytes; Chromium's with every codec has about 10 KiB.
pub const SDP: usize = 64 * 1024;

/// A peer's id or a connection's, in bytes. Those of the REST API have 39.
pub const SIGNAL_ID: usize = 128;

/// A label, a serialization's name, a key or a token, a mid or a ufrag (RFC 8839 §5.4), in bytes.
pub const SIGNAL_NAME: usize = 256;

/// One candidate, in bytes; most have about 100.
pub const SIGNAL_CANDIDATE: usize = 1_024;

/// What an application adds to an offer, in bytes of JSON.
pub const METADATA: usize = 16 * 1024;

/// SkyWay's rooms at a time. Who is in them connects to all others, so that even one of them is more
/// than a board is asked to mediate.
pub const ROOMS: usize = 32;

/// How many of them one peer may be in, so that nobody takes them all.
pub const ROOMS_PER_PEER: usize = 4;

/// Peers in one room.
pub const ROOM_MEMBERS: usize = 32;

/// The name of a room, in bytes.
pub const ROOM_NAME: usize = 128;

/// What a peer says to its room at a time, in bytes of JSON. Every other member has it in its queue.
pub const ROOM_DATA: usize = 16 * 1024;

/// What a room remembers of what was said, in bytes; escaped once more it is a quarter of a client's
/// queue.
pub const ROOM_LOG: usize = 32 * 1024;

/// How long SIGTERM may take.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The bounds that a config may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at a time.
    pub sessions: usize,
    /// Peers of the hub at a time.
    pub peers: usize,
    /// HTTP and WebSocket connections at a time.
    pub connections: usize,
    /// Channels of one session at a time, the control channel included.
    pub channels_per_session: usize,
    /// Bytes waiting for the device per route; also the credit window.
    pub route_queue: usize,
    /// From the offer to connected.
    pub connect_timeout: Duration,
    /// From `disconnected` to given up.
    pub disconnected_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 64,
            peers: 256,
            connections: 256,
            channels_per_session: 64,
            route_queue: 256 * 1024,
            connect_timeout: Duration::from_secs(30),
            disconnected_timeout: Duration::from_secs(30),
        }
    }
}
