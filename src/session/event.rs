//! The events of a session, and the types of its state and its path.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::channels::ChannelKey;
pub use crate::channel::Written;
use crate::transceiver::{MediaEvent, TransceiverKey};

/// The connection state, in the terms of W3C's `RTCPeerConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// The offer or answer was made, and nothing has arrived from the peer yet.
    New,
    /// ICE and DTLS are connecting.
    Connecting,
    /// Messages can be sent.
    Connected,
    /// The path is lost, and may recover.
    Disconnected,
    /// The session has given up.
    Failed,
    /// One side has closed the session.
    Closed,
}

impl ConnectionState {
    /// Returns the name in the API.
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

/// An event for the owner of a session.
#[derive(Debug)]
pub enum SessionEvent {
    /// A message was dropped because it belongs to no known channel.
    Unbound {
        /// The size of the message.
        bytes: usize,
    },
    /// The connection state has changed.
    State(ConnectionState),
    /// A channel opened. The owner must bind or close it.
    ChannelOpen(ChannelKey),
    /// A channel closed, on either side. The owner must remove it. Messages that arrived together with the
    /// close come before this event, so they still find the channel.
    ChannelClosed(ChannelKey),
    /// A message of the peer.
    Message {
        /// The channel that the message arrived on.
        channel: ChannelKey,
        /// Whether the message arrived in a binary frame.
        binary: bool,
        /// The payload, as str0m allocated it.
        data: Vec<u8>,
    },
    /// The peer says something about a section with a track.
    Media(TransceiverKey, MediaEvent),
    /// Datagrams between these two addresses seem to belong to this session.
    PairLearned {
        /// Our address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
        /// Whether the peer has proved from its address that it knows our password. Sending to an address
        /// proves nothing, because a peer may name any address as a candidate.
        proved: bool,
    },
    /// Datagrams between these two addresses no longer belong to this session.
    PairForgotten {
        /// Our address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// The session ended. The owner must drop it.
    Ended(EndReason),
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// The peer closed the session.
    PeerClosed,
    /// The gateway closed the session, for this reason.
    Closed(&'static str),
    /// The session did not connect within the limit.
    ConnectTimeout,
    /// The session stayed disconnected for longer than the limit.
    DisconnectedTimeout,
    /// The peer gave up the DTLS handshake, because it has no certificate with the only kind of key that the
    /// DTLS library supports (ECDSA, which RFC 8827 §6.5 requires of every peer).
    NoCertificate,
    /// The peer sent a message longer than SCTP can put together here
    /// ([`limits::RECEIVED_MESSAGE`](crate::limits)). The part that had arrived is lost.
    MessageTooLong,
    /// A protocol error, with str0m's text.
    Protocol(String),
    /// A bug in our code or in str0m. The rest of the daemon is unharmed.
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

/// The result of handling a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The session accepted the datagram.
    Taken,
    /// The datagram is not the session's, whatever its ufrag says.
    NotOurs,
    /// The datagram is neither STUN nor DTLS nor anything else known.
    Malformed,
}

/// The address pair in use, with its measured round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// The round trip of the last STUN check, once there was one.
    pub round_trip: Option<Duration>,
}
