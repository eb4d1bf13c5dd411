//! What the operating system polls for the gateway, and what the gateway asks of the loop.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::web::HttpSource;
use crate::connection::Connection;
use crate::endpoint::Failure;
use crate::ids::{EndpointId, SourceId};
use crate::websocket::WebSocketConnection;

/// One thing that is polled.
pub(super) enum Source {
    /// Takes HTTP connections.
    Listener {
        /// Where, once it is known.
        local: Option<SocketAddr>,
    },
    /// An HTTP connection.
    Http(Box<HttpSource>),
    /// A connection that was upgraded to WebSocket.
    WebSocket(Box<WebSocketConnection>),
    /// An endpoint's stream or socket.
    Device(EndpointId),
    /// A socket that carries all sessions of one address family.
    Ice,
}

impl Source {
    /// The protocol over this source, if it is a stream of ours.
    pub(super) fn connection(&self) -> Option<&dyn Connection> {
        match self {
            Self::Http(http) => Some(&http.connection),
            Self::WebSocket(connection) => Some(&**connection),
            Self::Listener { .. } | Self::Device(_) | Self::Ice => None,
        }
    }

    /// The same, to feed it.
    pub(super) fn connection_mut(&mut self) -> Option<&mut dyn Connection> {
        match self {
            Self::Http(http) => Some(&mut http.connection),
            Self::WebSocket(connection) => Some(&mut **connection),
            Self::Listener { .. } | Self::Device(_) | Self::Ice => None,
        }
    }
}

/// What the loop is to do. Each `Open…` and `Listen` is answered by `handle_opened`,
/// `handle_listening` or `handle_failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Listen for TCP connections.
    Listen {
        /// Its id.
        source: SourceId,
        /// Where; port 0 is any.
        addr: SocketAddr,
    },
    /// Open a UDP socket for sessions, bound to all addresses of a family, with packet info.
    OpenIce {
        /// Its id.
        source: SourceId,
        /// The unspecified address with the port; port 0 is any.
        addr: SocketAddr,
    },
    /// Open a UDP socket connected to a device.
    OpenUdp {
        /// Its id.
        source: SourceId,
        /// The device.
        remote: SocketAddr,
    },
    /// Open a tty in raw mode.
    OpenTty {
        /// Its id.
        source: SourceId,
        /// The device file.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
    },
    /// Close a source; the id is gone already.
    Close {
        /// Its id.
        source: SourceId,
    },
    /// Tell how many bytes a tty's driver holds unsent, with `handle_unsent`.
    CountUnsent {
        /// Its id.
        source: SourceId,
    },
    /// List this machine's addresses now and answer with `handle_addresses`.
    ListAddresses,
}

/// How the process is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// Everything is closed.
    Done,
    /// Something without which it cannot run is missing.
    Failed(Failure),
}
