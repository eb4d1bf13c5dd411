//! One connection: the stream's TLS, its protocol, and its current request.

use std::net::SocketAddr;
use std::time::Instant;

use super::guard::Guard;
use crate::access::scope::Grant;
use crate::api::origin::Caller;
use crate::api::{Action, Resource};
use crate::connection;
use crate::http::HttpConnection;
use crate::ids::{SocketUse, SourceId};
use crate::websocket::WebSocketConnection;

/// The origin of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The control socket, whose file mode has admitted the client.
    ControlSocket,
    /// This machine.
    Loopback,
    /// Any other machine. With `tls` no third party can read the connection.
    Network { tls: bool },
    /// Plain HTTP at a listener that requires TLS.
    Redirect,
}

/// The protocol of a connection.
pub(super) enum Protocol {
    Http(Box<HttpConnection>),
    WebSocket(Box<WebSocketConnection>),
}

/// The purpose of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketPurpose {
    /// The event stream.
    Events,
    /// The signaling of a dialect.
    Dialect(SocketUse),
}

/// A request for one of our own resources that has passed its check.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) resource: Resource,
    pub(crate) action: Action,
    pub(crate) grant: Grant,
    pub(crate) if_match: Option<String>,
    /// The text after the first question mark, not decoded.
    pub(crate) query: Option<String>,
}

/// A request that is not answered yet.
#[derive(Default)]
pub(super) struct OpenRequest {
    /// The page that sent the request, for the CORS headers. `None`: not checked yet.
    pub(super) caller: Option<Caller>,
    /// The checked request, until its body has arrived.
    pub(super) asked: Option<Box<Asked>>,
    /// The id of the token that the request came with.
    pub(super) token: Option<String>,
}

/// One connection.
pub(super) struct Connection {
    pub(super) source: SourceId,
    /// The layer between the stream and its protocol, for streams of a TLS listener.
    pub(super) guard: Option<Guard>,
    pub(super) protocol: Protocol,
    /// Our address.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) reach: Reach,
    /// The number of the newest request.
    pub(super) number: u32,
    /// The request that is not answered yet.
    pub(super) request: Option<OpenRequest>,
    /// The purpose of the connection's WebSocket. It is set before the 101 is written, and stays set
    /// afterwards.
    pub(super) purpose: Option<SocketPurpose>,
    /// The rights with which the client reads the event stream.
    pub(super) grant: Grant,
}

impl Connection {
    /// Returns the connection's protocol.
    pub(super) fn protocol(&self) -> &dyn connection::Connection {
        match &self.protocol {
            Protocol::Http(http) => http.as_ref(),
            Protocol::WebSocket(socket) => socket.as_ref(),
        }
    }

    /// Returns the connection's protocol for input and output.
    pub(super) fn protocol_mut(&mut self) -> &mut dyn connection::Connection {
        match &mut self.protocol {
            Protocol::Http(http) => http.as_mut(),
            Protocol::WebSocket(socket) => socket.as_mut(),
        }
    }

    /// Returns the HTTP connection, unless it was upgraded.
    pub(super) fn http_mut(&mut self) -> Option<&mut HttpConnection> {
        match &mut self.protocol {
            Protocol::Http(http) => Some(http),
            Protocol::WebSocket(_) => None,
        }
    }

    /// Returns the WebSocket of an upgraded connection.
    pub(super) fn socket_mut(&mut self) -> Option<&mut WebSocketConnection> {
        match &mut self.protocol {
            Protocol::Http(_) => None,
            Protocol::WebSocket(socket) => Some(socket),
        }
    }

    /// Returns whether the connection was upgraded.
    pub(super) fn is_socket(&self) -> bool {
        matches!(self.protocol, Protocol::WebSocket(_))
    }

    /// Returns whether the connection is the WebSocket of a dialect.
    pub(super) fn is_dialect_socket(&self) -> bool {
        self.is_socket() && matches!(self.purpose, Some(SocketPurpose::Dialect(_)))
    }

    /// Encrypts the protocol's output. Returns whether the connection is finished.
    pub(super) fn wrap_output(&mut self, now: Instant) -> bool {
        let mut guard = self.guard.take();
        let protocol = self.protocol_mut();
        let is_finished = match &mut guard {
            Some(Guard::Tls(tls)) => {
                loop {
                    let taken = tls.push(now, protocol.output());
                    if taken == 0 {
                        break;
                    }
                    protocol.consume(taken);
                }
                if protocol.is_finished() {
                    tls.close(now);
                }
                tls.is_finished()
            }
            Some(Guard::Waiting) | None => protocol.is_finished(),
        };
        self.guard = guard;
        is_finished
    }
}
