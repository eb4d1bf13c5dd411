//! The byte streams that the loop reads and writes.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::sockopt;

use super::tty::Tty;

/// A connection or a tty; none ever blocks.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tty(Tty),
}

/// The result of a read or write.
pub(super) enum Progress {
    /// The number of bytes that were read or written.
    Bytes(usize),
    /// Nothing is possible now; an event reports readiness.
    WouldBlock,
    /// The other side sends no more (a read of 0).
    Ended,
    /// The stream is broken.
    Failed(io::Error),
}

/// The time after which a program that vanished silently (power, cable) is given up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

impl Stream {
    /// Begins to connect; [`Self::connected`] returns the result once the stream is writable.
    pub(super) fn connect_tcp(remote: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tcp(watched(TcpStream::connect(remote)?)?))
    }

    /// Returns the stream of a program's connection to this daemon.
    pub(super) fn accepted_tcp(stream: TcpStream) -> io::Result<Self> {
        Ok(Self::Tcp(watched(stream)?))
    }

    /// Connects to a Unix socket, which succeeds or fails at once.
    pub(super) fn connect_unix(path: &Path) -> io::Result<Self> {
        Ok(Self::Unix(UnixStream::connect(path)?))
    }

    /// Returns whether a connection that was begun is established now. `None`: not yet.
    pub(super) fn connected(&self) -> Option<io::Result<()>> {
        let Self::Tcp(tcp) = self else {
            return Some(Ok(()));
        };
        match tcp.take_error() {
            Ok(Some(error)) | Err(error) => return Some(Err(error)),
            Ok(None) => {}
        }
        match tcp.peer_addr() {
            Ok(_) => Some(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            Err(error) => Some(Err(error)),
        }
    }

    pub(super) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => registry.register(tcp, token, interests),
            Self::Unix(unix) => registry.register(unix, token, interests),
            Self::Tty(tty) => registry.register(tty, token, interests),
        }
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> Progress {
        let result = match self {
            Self::Tcp(tcp) => tcp.read(buf),
            Self::Unix(unix) => unix.read(buf),
            Self::Tty(tty) => tty.read(buf),
        };
        match result {
            Ok(0) => Progress::Ended,
            other => Self::progress(other),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Progress {
        Self::progress(match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            Self::Unix(unix) => unix.write(bytes),
            Self::Tty(tty) => tty.write(bytes),
        })
    }

    fn progress(result: io::Result<usize>) -> Progress {
        match result {
            Ok(n) => Progress::Bytes(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::WouldBlock,
            // Nothing was transferred; the caller tries again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Progress::Bytes(0),
            Err(error) => Progress::Failed(error),
        }
    }
}

/// Sets keep-alive on a device's connection, because a device has no user who would press reload when it
/// hangs.
fn watched(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let millis = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, millis)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
    Ok(stream)
}
