//! Events of a session for its owner, and the reasons for its end.

use std::fmt;

use serde_json::value::RawValue;

use super::packet::PacketError;
use super::polling::PayloadError;

/// An event for the dialect.
#[derive(Debug)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        reason = "a packet is read whole, whatever the dialects make of it"
    )
)]
pub enum Event {
    /// The client may send and receive events.
    Connected,
    /// The client has sent an event.
    Received {
        /// The name of the event.
        name: String,
        /// The arguments, as they were written.
        arguments: Vec<Box<RawValue>>,
        /// The id for `Session::acknowledge`, if the client wants an answer.
        ack: Option<u64>,
    },
    /// The session has ended, or never was [`Event::Connected`]. No event follows.
    Closed {
        /// The reason.
        reason: Reason,
    },
}

/// An output for the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// The WebSocket must be closed.
    Close,
}

/// The reason for the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The client ended the session.
    Client,
    /// The server ended the session: [`Session::disconnect`](super::Session::disconnect).
    Server,
    /// The WebSocket, or a waiting GET, was closed.
    Transport,
    /// The client did not answer in time.
    Silent,
    /// The client opened a connection and never asked to be connected.
    NeverConnected,
    /// The client sent an event before it asked to be connected.
    TooEarly,
    /// A body or frame is longer than the announced limit.
    TooLong,
    /// A body that is not UTF-8.
    NotUtf8,
    /// A malformed body.
    Payload(PayloadError),
    /// A malformed packet.
    Packet(PacketError),
}

/// The reason why an event was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The client is not connected, or no longer.
    NotConnected,
    /// The packet would be longer than all that may wait.
    TooLong,
    /// An argument cannot be written as JSON.
    NotJson,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("the client left"),
            Self::Server => f.write_str("it was told to go"),
            Self::Transport => f.write_str("its connection was closed"),
            Self::Silent => f.write_str("it gave no sign of life"),
            Self::NeverConnected => f.write_str("it opened a session and never connected"),
            Self::TooEarly => f.write_str("it sent an event before it was connected"),
            Self::TooLong => f.write_str("it sent more at a time than it may"),
            Self::NotUtf8 => f.write_str("it sent what is not UTF-8"),
            Self::Payload(error) => write!(f, "malformed payload: {error}"),
            Self::Packet(error) => write!(f, "malformed packet: {error}"),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "the client is not connected",
            Self::TooLong => "it is longer than all that may wait for a client",
            Self::NotJson => "an argument cannot be written as JSON",
        })
    }
}

impl std::error::Error for NotSent {}
