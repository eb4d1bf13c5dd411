//! What a session gives its owner, and why it ends.

use std::fmt;

use serde_json::value::RawValue;

use super::packet::PacketError;
use super::polling::PayloadError;

/// Something for the dialect.
#[derive(Debug)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(
        dead_code,
        reason = "a packet is read whole, whatever the dialects make of it"
    )
)]
pub enum Event {
    /// The client may talk, and be talked to.
    Connected,
    /// It said something.
    Received {
        /// What.
        name: String,
        /// And how, as it was written.
        arguments: Vec<Box<RawValue>>,
        /// What to [`Session::acknowledge`](super::Session::acknowledge) it with, if the client wants that.
        ack: Option<u64>,
    },
    /// It left, or never was [`Event::Connected`]. Nothing follows.
    Closed {
        /// Why.
        reason: Reason,
    },
}

/// Something for the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(String),
    /// It is to be closed.
    Close,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The client said so.
    Client,
    /// [`Session::disconnect`](super::Session::disconnect).
    Server,
    /// The WebSocket was closed, or a GET that waited.
    Transport,
    /// The client gave no sign of life.
    Silent,
    /// It opened a connection and never wanted to talk.
    NeverConnected,
    /// It said something before it wanted to talk.
    TooEarly,
    /// A body or frame is longer than it was told.
    TooLong,
    /// A body is not UTF-8.
    NotUtf8,
    /// A body is malformed.
    Payload(PayloadError),
    /// A packet is malformed.
    Packet(PacketError),
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The client is not connected, or no more.
    NotConnected,
    /// It would be longer than all that may wait.
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
