//! One connection: the stream's TLS, its protocol, and the request that it is at.

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

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The control socket: its file mode has let the client in.
    ControlSocket,
    /// This machine.
    Loopback,
    /// Any other machine; `tls`: nobody on the way can read it.
    Network { tls: bool },
    /// Plain HTTP where TLS is spoken.
    Redirect,
}

/// What is spoken over a connection.
pub(super) enum Protocol {
    Http(Box<HttpConnection>),
    WebSocket(Box<WebSocketConnection>),
}

/// What a WebSocket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The event stream.
    Events,
    /// A dialect.
    Dialect(SocketUse),
}

/// A request for one of our own resources, whose right was checked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) resource: Resource,
    pub(crate) action: Action,
    pub(crate) grant: Grant,
    pub(crate) if_match: Option<String>,
}

/// A request that is not answered yet.
#[derive(Default)]
pub(super) struct OpenRequest {
    /// The page that asks, for the headers of CORS. `None`: not checked yet.
    pub(super) caller: Option<Caller>,
    /// What was asked, while the body is still to come.
    pub(super) asked: Option<Box<Asked>>,
    /// The id of the token that the request came with.
    pub(super) token: Option<String>,
}

/// One connection.
pub(super) struct Connection {
    pub(super) source: SourceId,
    /// What is between the stream and its protocol, for streams of a listener that speaks TLS.
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
    /// What it becomes a WebSocket for, as soon as its 101 is written; afterwards what it is for.
    pub(super) purpose: Option<Purpose>,
    /// With which right the event stream is read.
    pub(super) grant: Grant,
}

impl Connection {
    /// Returns what is spoken over the connection.
    pub(super) fn protocol(&self) -> &dyn connection::Connection {
        match &self.protocol {
            Protocol::Http(http) => http.as_ref(),
            Protocol::WebSocket(socket) => socket.as_ref(),
        }
    }

    /// Returns what is spoken over the connection, to feed it.
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
        self.is_socket() && matches!(self.purpose, Some(Purpose::Dialect(_)))
    }

    /// Puts what the protocol has to say into TLS records. Returns whether the connection is finished.
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
