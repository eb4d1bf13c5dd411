//! The events of the front, on which its owner must act, and the counters of the front.

use std::collections::BTreeMap;

use crate::endpoint::Failure;
use crate::http::RequestHead;
use crate::ids::{ConnectionId, RequestId, SocketId, SocketUse, SourceId};
use crate::websocket::WsMessage;

/// The purpose of a deadline of this component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// The deadline of a connection.
    Connection(ConnectionId),
    /// The next comment that keeps event streams open.
    KeepAlive,
    /// The next response to a failed token check that was held back.
    Delayed,
    /// The next check of the TLS certificate's files.
    Tls,
    /// The next try to open the listener of `thingway setup`.
    Lan,
    /// The next try to open a listener of the configuration.
    Listener(SourceId),
    /// The next expiry of a token.
    Expiry,
    /// The next try to store the tokens.
    Store,
}

/// An event for the owner of this component.
#[derive(Debug)]
pub(crate) enum FrontEvent {
    /// The head of a request has arrived. The owner answers the request, or accepts its body.
    Head(RequestId, Box<RequestHead>),
    /// The body of a request has arrived.
    Body(RequestId, Vec<u8>),
    /// The client of a request sends no more. Whether the client still reads is not known.
    HalfClosed(RequestId),
    /// The connection of a request was closed before the request was answered.
    Gone(RequestId),
    /// A token has ended. The owner ends everything that uses the token.
    TokenEnded { id: String, why: TokenEnd },
    /// A client reads the event stream from now on. The owner first sends it the current state.
    ReaderOpened(ConnectionId),
    /// A WebSocket of a dialect was opened.
    SocketOpened(SocketId, SocketUse),
    /// A WebSocket of a dialect has received a message.
    SocketMessage(SocketId, WsMessage),
    /// A WebSocket of a dialect has sent bytes; this many still wait.
    SocketDrained(SocketId, usize),
    /// A WebSocket of a dialect was closed.
    SocketClosed(SocketId),
    /// Something has failed without which the daemon cannot run.
    Failed(Failure),
}

/// Why a token has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenEnd {
    Revoked,
    Expired,
}

/// Counters of this component.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrontStats {
    /// Responses by status class (2 for 2xx …).
    pub(crate) requests: BTreeMap<u16, u64>,
    /// Connections that were refused because there were too many.
    pub(crate) connections_refused: u64,
    /// Connections without a proven right that were closed for newer ones.
    pub(crate) connections_displaced: u64,
    /// Tries with tokens, tickets and codes that do not exist.
    pub(crate) tries_failed: u64,
    /// Events that a slow reader missed.
    pub(crate) events_lost: u64,
}
