//! The byte streams that an endpoint can ask to be opened.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::line::LineSettings;

/// A byte stream that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A tty, in raw mode.
    Tty {
        /// The path, whose symbolic links are followed anew at each try.
        path: PathBuf,
        /// The settings of the line.
        line: Box<LineSettings>,
    },
    /// A program that listens for TCP.
    Tcp(SocketAddr),
    /// A program that listens at a Unix socket.
    Unix(PathBuf),
    /// A program that connects to this address of the gateway.
    TcpListener(SocketAddr),
    /// A program that connects to this Unix socket of the gateway.
    UnixListener(PathBuf),
}

impl Target {
    /// Returns whether opening the target is not enough, because a program must connect.
    pub fn is_listener(&self) -> bool {
        matches!(self, Self::TcpListener(_) | Self::UnixListener(_))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tty { path, .. } | Self::Unix(path) | Self::UnixListener(path) => {
                write!(f, "{}", path.display())
            }
            Self::Tcp(addr) | Self::TcpListener(addr) => write!(f, "{addr}"),
        }
    }
}
