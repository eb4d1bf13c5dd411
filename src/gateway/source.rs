//! What the operating system polls for the gateway, and what the gateway asks of the loop.

use std::net::SocketAddr;

use super::hub::Purpose;
use super::web::HttpSource;
use crate::connection::Connection;
use crate::ids::EndpointId;
pub use crate::sources::{Command, Exit};
use crate::websocket::WebSocketConnection;

/// One thing that is polled.
pub(super) enum Source {
    /// Takes HTTP connections.
    Listener {
        /// Where it is wanted.
        addr: SocketAddr,
        /// Where it is, once that is known.
        local: Option<SocketAddr>,
        /// TLS is spoken there.
        secure: bool,
        /// Its address is not there yet.
        is_late: bool,
    },
    /// Takes HTTP connections of the command line.
    ControlSocket,
    /// An HTTP connection.
    Http(Box<HttpSource>),
    /// A connection that was upgraded to WebSocket.
    WebSocket(Box<Socket>),
    /// An endpoint's stream or socket.
    Device(EndpointId),
    /// Takes connections for an endpoint.
    DeviceListener(EndpointId),
    /// An endpoint's capture file.
    Capture(EndpointId),
    /// A socket that carries all sessions of one address family.
    Ice,
}

/// A WebSocket, and what for.
pub(super) struct Socket {
    pub(super) connection: WebSocketConnection,
    pub(super) purpose: Purpose,
}

impl Source {
    /// The protocol over this source, if it is a stream of ours.
    pub(super) fn connection(&self) -> Option<&dyn Connection> {
        match self {
            Self::Http(http) => Some(&http.connection),
            Self::WebSocket(socket) => Some(&socket.connection),
            Self::Listener { .. }
            | Self::ControlSocket
            | Self::Device(_)
            | Self::DeviceListener(_)
            | Self::Capture(_)
            | Self::Ice => None,
        }
    }

    /// The same, to feed it.
    pub(super) fn connection_mut(&mut self) -> Option<&mut dyn Connection> {
        match self {
            Self::Http(http) => Some(&mut http.connection),
            Self::WebSocket(socket) => Some(&mut socket.connection),
            Self::Listener { .. }
            | Self::ControlSocket
            | Self::Device(_)
            | Self::DeviceListener(_)
            | Self::Capture(_)
            | Self::Ice => None,
        }
    }
}
