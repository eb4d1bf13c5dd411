//! Every limit in one place: each growing quantity, its bound, and the reason for the bound.

use std::time::Duration;

/// The largest message from or to a peer, in bytes, as announced in descriptions (RFC 8841 §6). Browsers obey
/// it.
pub const MAX_MESSAGE: usize = 65_536;

/// The largest message that SCTP puts together, in bytes, which is its whole receive buffer. Some libraries
/// (aiortc) ignore the announced size. A message between the two limits costs its sender only that channel,
/// and the sender learns the reason. A longer message fills the buffer, and SCTP ends the association.
pub const RECEIVED_MESSAGE: u32 = 1024 * 1024;

/// The largest message cut from a byte stream, in bytes. With the headers of SCTP and DTLS the message still
/// fits one datagram.
pub const STREAM_MESSAGE: usize = 1_100;

/// The longest payload of an RTP packet that is forwarded, in bytes. str0m's buffers have 2,000 bytes for a
/// packet with its header, and it panics at more.
pub const RTP_PAYLOAD: usize = 1_900;

/// The most bytes that a session may have in flight. The sender scans the bytes in flight at every packet, so
/// this size is only for long round trips.
pub const SEND_LIMIT: usize = 256 * 1024;

/// The window of a session until its first wait, in bytes.
pub const SEND_WINDOW: usize = 64 * 1024;

/// The smallest window of a session, in bytes, for a path whose round trip holds less.
pub const SEND_WINDOW_MIN: usize = 40 * 1024;

/// The rate for which a window is sufficient, in bytes a second. (64 KiB last 50 ms at 1.3 MB/s.)
pub const SEND_RATE: usize = 10_000_000;

/// The most messages that a session sends in one turn. Tiny messages are few bytes but much work, and other
/// sessions need their turn. The session's next turn comes with the peer's acknowledgement.
pub const BURST: usize = 1_024;

/// The most address pairs learned per session. A browser has a handful, and an attacker who saw a ufrag must
/// not fill the table.
pub const PAIRS_PER_SESSION: usize = 32;

/// How many bytes of a byte endpoint a route may lag behind.
pub const RING: usize = 256 * 1024;

/// The most bytes queued for a tty: about 11 s at 115,200 baud. A message of the largest size fits twice.
pub const STREAM_OUTPUT: usize = 128 * 1024;

/// The most bytes queued for devices on all routes together. Each route has its own window; this is the
/// memory that a small board can spare if many peers fill their windows. Half of it goes to any session, in
/// the order of arrival. The other half is divided among the sessions, so that a large queue of one session
/// does not close another session's channel.
pub const QUEUED_TOTAL: usize = 32 * 1024 * 1024;

/// The most messages that wait on the control channel for a peer that does not read.
pub const CONTROL_QUEUE: usize = 256;

/// The most lost packets that one RTCP datagram may name. A datagram of 64 KiB could name 280,000, each of which
/// costs a search, and str0m keeps no more than 1,000 packets of a video to send again.
pub const NACKS: usize = 1_024;

/// How many closed channels a session remembers, for `GET /sessions/{id}`.
pub const CLOSED_CHANNELS: usize = 16;

/// The longest label that can be an endpoint's name, in bytes.
pub const LABEL: usize = 64;

/// The longest message that a page of PeerJS or SkyWay-JS may split into parts, in bytes. This is the window
/// of a route.
pub const PAYLOAD: usize = 256 * 1024;

/// The most bytes of such parts that a channel keeps until the other parts arrive. This is twice the longest
/// message, because PeerJS opens unordered channels.
pub const PAYLOAD_PARTS: usize = 512 * 1024;

/// The most bytes of such parts on all channels together: the memory that a small board can spare.
pub const PAYLOAD_TOTAL: usize = 16 * 1024 * 1024;

/// The most messages to which the kept parts may belong.
pub const PAYLOAD_UNFINISHED: usize = 8;

/// The longest body or frame of Socket.IO, in bytes. A WebSocket accepts no longer message, and an offer has
/// a sixth of this.
pub const SOCKET_IO_PAYLOAD: usize = 64 * 1024;

/// The most bytes that wait for a client of Socket.IO. Offers of several peers fit, and data missed for
/// longer is stale.
pub const SOCKET_IO_QUEUE: usize = 256 * 1024;

/// The most packets that wait for a client of Socket.IO, or that arrive in one body. Each packet costs more
/// memory than its bytes.
pub const SOCKET_IO_PACKETS: usize = 1_024;

/// The most signals kept for absent peers until the peers join or are given up. One offer may have [`SDP`]
/// bytes.
pub const WAITING_SIGNALS: usize = 128;
/// The most signals kept from one peer: an offer with its candidates.
pub const WAITING_SIGNALS_OF_ONE: usize = 32;

/// The longest name that a peer may have, in bytes.
pub const PEER_ID: usize = 128;

/// The longest `key`, `domain` or `token` in the REST API of SkyWay's gateway, in characters. Keys have 36,
/// domains up to 253.
pub const FACADE_NAME: usize = 256;

/// The longest `authToken` of a credential of SkyWay's peer authentication, in characters. A hash has
/// 44.
pub const AUTH_TOKEN: usize = 128;

/// The longest `metadata` in that API, in bytes. The metadata is part of an offer.
pub const FACADE_METADATA: usize = 16 * 1024;

/// The most bytes of label and protocol together of a channel that we open. str0m panics if they are too long
/// for one packet.
pub const LABEL_AND_PROTOCOL: usize = 1_100;

/// The most events of one peer or connection that wait until a program asks for them. Many programs never
/// ask.
pub const FACADE_EVENTS: usize = 256;

/// How long a program's request for an event may wait. Some programs give up after exactly 30 s.
pub const FACADE_POLL: Duration = Duration::from_secs(28);

/// How long the end of a peer or connection is still reported to programs that ask for events.
pub const FACADE_TOMBSTONE: Duration = Duration::from_secs(5);

/// The most candidates taken from one offer or fragment.
pub const REMOTE_CANDIDATES: usize = 64;

/// The most UDP candidates of a peer that are checked, from its description and trickled ones together. Each
/// costs up to seven checks from each of our addresses, sent to any address that the peer names. A browser on
/// a machine with many networks has about ten.
pub const CHECKED_CANDIDATES: usize = 16;

/// How many quarters of all HTTP connections may come from other machines. Together with
/// [`CONNECTIONS_PER_ADDRESS`] this limits a client that holds connections open: it blocks neither clients on
/// this machine nor the rest of the network. A browser opens six connections.
pub const NETWORK_QUARTERS: usize = 3;
/// The most HTTP connections from one address on the network. See [`NETWORK_QUARTERS`].
pub const CONNECTIONS_PER_ADDRESS: usize = 32;
/// The connections over the control socket, in addition to all other connections, so that root can always
/// connect.
pub const CONTROL_CONNECTIONS: usize = 16;

/// The most content ports of one peer, and the most unused ports that one client has opened.
pub const CONTENT_PORTS: usize = 64;
/// How long a content port that no peer uses stays open.
pub const CONTENT_PORT_UNUSED: Duration = Duration::from_secs(300);

/// How many file descriptors content ports and connections must leave free: for devices that return, the
/// control socket, and files.
pub const SPARE_DESCRIPTORS: usize = 64;
/// How many file descriptors the loop itself uses: standard streams, epoll, signals, watched files, the
/// service manager's socket.
pub const OWN_DESCRIPTORS: usize = 16;

/// How many sessions and peers of one token, key or address have their life logged in each [`LOG_INTERVAL`].
pub const LOGGED_LIVES: u32 = 20;
/// How many tokens, keys and networks are counted for [`LOGGED_LIVES`].
pub const LOGGED_NAMES: usize = 256;
/// The interval of [`LOGGED_LIVES`].
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The most bytes between sessions of this process that wait in one turn. Beyond this size datagrams are
/// dropped, which UDP permits.
pub const INTERNAL: usize = 1024 * 1024;

/// The largest offer or fragment, in bytes. Chromium's offer with every codec has about 10 KiB.
pub const SDP: usize = 64 * 1024;

/// The longest id of a peer or a connection in a signal, in bytes. The ids of the REST API have 39.
pub const SIGNAL_ID: usize = 128;

/// The longest label, serialization name, key, token, mid or ufrag (RFC 8839 §5.4) in a signal, in bytes.
pub const SIGNAL_NAME: usize = 256;

/// The longest candidate in a signal, in bytes. Most have about 100.
pub const SIGNAL_CANDIDATE: usize = 1_024;

/// The largest addition of an application to an offer, in bytes of JSON.
pub const METADATA: usize = 16 * 1024;

/// The most SkyWay rooms at a time. Each member of a room connects to all others, so even one full room is
/// more than a board is expected to mediate.
pub const ROOMS: usize = 32;

/// The most rooms that one peer may be in, so that one peer cannot use all rooms.
pub const ROOMS_PER_PEER: usize = 4;

/// The most peers in one room.
pub const ROOM_MEMBERS: usize = 32;

/// The longest name of a room, in bytes.
pub const ROOM_NAME: usize = 128;

/// The largest message of a peer to its room, in bytes of JSON. The message is in the queue of every other
/// member.
pub const ROOM_DATA: usize = 16 * 1024;

/// The most bytes of past messages that a room remembers. Escaped once more this is a quarter of a client's
/// queue.
pub const ROOM_LOG: usize = 32 * 1024;

/// How long a shutdown after SIGTERM may take.
pub const DRAIN: Duration = Duration::from_secs(5);

/// The limits that a configuration may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most sessions at a time.
    pub sessions: usize,
    /// The most peers of the hub at a time.
    pub peers: usize,
    /// The most HTTP and WebSocket connections at a time.
    pub connections: usize,
    /// The most viewers of all endpoints together. A session that plays two endpoints is two viewers.
    pub viewers: usize,
    /// The most channels of one session at a time, including the control channel.
    pub channels_per_session: usize,
    /// The most bytes that wait for the device per route, which is also the credit window.
    pub route_queue: usize,
    /// The time limit from the offer to the state `connected`.
    pub connect_timeout: Duration,
    /// The time limit in the state `disconnected`, after which a session is given up.
    pub disconnected_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 64,
            peers: 256,
            connections: 256,
            viewers: 32,
            channels_per_session: 64,
            route_queue: 256 * 1024,
            connect_timeout: Duration::from_secs(30),
            disconnected_timeout: Duration::from_secs(30),
        }
    }
}
