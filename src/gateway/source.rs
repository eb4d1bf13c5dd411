//! What the operating system polls for the gateway, and what the gateway asks of the loop.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::hub::Purpose;
use super::web::HttpSource;
use crate::config::{Capture, TlsFiles, UdpConfig};
use crate::connection::Connection;
use crate::endpoint::line::LineStep;
use crate::endpoint::{Failure, Target};
use crate::ids::{EndpointId, SourceId};
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
    /// Listen for HTTP at a Unix socket.
    ListenControl {
        /// Its id.
        source: SourceId,
        /// Where.
        path: PathBuf,
    },
    /// Tell with `handle_devices_changed` when adapters come.
    WatchDevices,
    /// Open a UDP socket for sessions, bound to all addresses of a family, with packet info.
    OpenIce {
        /// Its id.
        source: SourceId,
        /// The unspecified address with the port; port 0 is any.
        addr: SocketAddr,
    },
    /// Open a UDP socket for a device.
    OpenUdp {
        /// Its id.
        source: SourceId,
        /// Its addresses.
        udp: UdpConfig,
    },
    /// Open a device's stream, or the listener that its program connects to.
    Open {
        /// Its id.
        source: SourceId,
        /// What it is.
        target: Target,
    },
    /// Open a capture file for appending.
    OpenCapture {
        /// Its id.
        source: SourceId,
        /// Where, and how long it may become.
        capture: Capture,
    },
    /// Do something at a tty and answer with `handle_line`.
    Line {
        /// Its id.
        source: SourceId,
        /// What is done.
        step: LineStep,
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
    /// Find the serial ports of this machine and answer with `handle_ports`.
    ListPorts,
    /// Read an endpoint's file in `conf.d` and answer with `handle_endpoint_read`.
    ReadEndpoint {
        /// Its name, which is the file's too.
        name: String,
    },
    /// Write (or, without a text, remove) an endpoint's file in `conf.d` and answer with
    /// `handle_endpoint_written`.
    WriteEndpoint {
        /// Its name, which is the file's too.
        name: String,
        /// TOML.
        text: Option<String>,
        /// Whether a file that is there is ours to write over.
        replace: bool,
    },
    /// Read or make the certificate for TLS and answer with `handle_tls`.
    LoadTls {
        /// `None`: one of our own.
        files: Option<TlsFiles>,
    },
    /// Make a certificate authority for these and this machine's addresses, unless there is one for all of them, and answer as
    /// to `LoadTls`.
    MakeAuthority {
        /// Names of this machine, and addresses that others give it.
        hosts: Vec<String>,
    },
    /// Answer as to `LoadTls`, but only if the certificate's files have changed or it is to be renewed.
    RenewTls {
        /// `None`: one of our own.
        files: Option<TlsFiles>,
    },
    /// Keep what is known of tokens and answer with `handle_access_stored`.
    StoreAccess {
        /// JSON without secrets.
        text: String,
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
