//! What the owner of the front is to act on, and what is counted here.

use std::collections::BTreeMap;

use crate::endpoint::Failure;
use crate::http::RequestHead;
use crate::ids::{ConnectionId, RequestId, SocketId, SocketUse, SourceId};
use crate::websocket::WsMessage;

/// What a deadline of this component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// A connection.
    Connection(ConnectionId),
    /// The comment that keeps event streams open.
    KeepAlive,
    /// Responses to failed token checks.
    Delayed,
    /// A look at the files of the TLS certificate.
    Tls,
    /// Another try at the listener of `thingway setup`.
    Lan,
    /// Another try at a listener of the configuration.
    Listener(SourceId),
    /// The end of a token's time.
    Expiry,
    /// Another try to store the tokens.
    Store,
}

/// What the owner of this component is to act on.
#[derive(Debug)]
pub(crate) enum FrontEvent {
    /// The head of a request has come. The owner answers it, or has its body come.
    Head(RequestId, Box<RequestHead>),
    /// The body of a request has come.
    Body(RequestId, Vec<u8>),
    /// The client of a request sends no more. Whether it still reads is not known.
    HalfClosed(RequestId),
    /// The connection of a request was closed before the request was answered.
    Gone(RequestId),
    /// A token has ended, and with it everything that was done with it.
    TokenEnded { id: String, why: TokenEnd },
    /// A client reads the event stream from now on, and is to be told first how things are.
    ReaderOpened(ConnectionId),
    /// A WebSocket of a dialect was opened.
    SocketOpened(SocketId, SocketUse),
    /// A WebSocket of a dialect has brought a message.
    SocketMessage(SocketId, WsMessage),
    /// A WebSocket of a dialect has taken bytes. So many still wait.
    SocketDrained(SocketId, usize),
    /// A WebSocket of a dialect was closed.
    SocketClosed(SocketId),
    /// The daemon cannot run without something that has failed.
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
    /// Connections that had shown no right and made room for newer ones.
    pub(crate) connections_displaced: u64,
    /// Tokens, tickets and codes that do not exist.
    pub(crate) tries_failed: u64,
    /// Events that a slow reader missed.
    pub(crate) events_lost: u64,
}
