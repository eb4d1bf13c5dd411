//! The words in which a session and its owner speak.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::channels::ChannelKey;
pub use crate::channel::Written;

/// The words of W3C's `RTCPeerConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Answered; nothing has come yet.
    New,
    /// ICE and DTLS are at it.
    Connecting,
    /// Messages flow.
    Connected,
    /// The path is lost; it may come back.
    Disconnected,
    /// Given up.
    Failed,
    /// Ended by one side.
    Closed,
}

impl ConnectionState {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// What a session tells its owner.
#[derive(Debug)]
pub enum SessionEvent {
    /// A message that belongs to no channel we know was dropped.
    Unbound {
        /// Its size.
        bytes: usize,
    },
    /// The connection state has changed.
    State(ConnectionState),
    /// A channel is open; it is to be bound or closed.
    ChannelOpen(ChannelKey),
    /// A channel has closed, whoever did it; the owner removes it. Messages that came in the same
    /// breath are before this in the queue, and still find it.
    ChannelClosed(ChannelKey),
    /// A message of the peer.
    Message {
        /// The channel it came on.
        channel: ChannelKey,
        /// Its frame type.
        binary: bool,
        /// Its payload, as str0m allocated it.
        data: Vec<u8>,
    },
    /// Datagrams between these two addresses seem to be this session's.
    PairLearned {
        /// Ours.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
        /// Whether the peer has shown from there that it knows our password. What we send to
        /// shows nothing: anybody may name anybody's address as a candidate.
        proved: bool,
    },
    /// No longer.
    PairForgotten {
        /// Ours.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
    /// It is over; drop it.
    Ended(EndReason),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The peer closed it.
    PeerClosed,
    /// We closed it, for this reason.
    Closed(&'static str),
    /// It did not connect within the limit.
    ConnectTimeout,
    /// It stayed disconnected for longer than the limit.
    DisconnectedTimeout,
    /// The peer gave up the DTLS handshake, as it does when it has no certificate with the only kind of key that the DTLS
    /// library knows (ECDSA, which RFC 8827 §6.5 wants everybody to have).
    NoCertificate,
    /// The peer sent a message that is longer than all that SCTP can put together ([`limits::RECEIVED_MESSAGE`](crate::limits));
    /// what had come of it is lost.
    MessageTooLong,
    /// A protocol error, in str0m's words.
    Protocol(String),
    /// A bug of ours or of str0m's; the rest of the daemon is unharmed.
    Panicked,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Closed(why) => f.write_str(why),
            Self::ConnectTimeout => f.write_str("not connected in time"),
            Self::DisconnectedTimeout => f.write_str("disconnected for too long"),
            Self::NoCertificate => f.write_str(
                "the DTLS handshake failed: the peer needs a certificate with an ECDSA key, RSA is not supported",
            ),
            Self::MessageTooLong => write!(
                f,
                "the peer sent a message of more than {} bytes; the answer allows {}",
                crate::limits::RECEIVED_MESSAGE,
                crate::limits::MAX_MESSAGE
            ),
            Self::Protocol(what) => write!(f, "protocol error: {what}"),
            Self::Panicked => f.write_str("internal error"),
        }
    }
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The session took it.
    Taken,
    /// It is not the session's, whatever its ufrag says.
    NotOurs,
    /// Neither STUN nor DTLS nor anything else known.
    Malformed,
}

/// The measured round trip and the pair it was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Of the last STUN check, once there was one.
    pub round_trip: Option<Duration>,
}
