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

/// What a read or write came to.
pub(super) enum Progress {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now; readiness will be told.
    WouldBlock,
    /// The other side sends no more (a read of 0).
    Ended,
    /// It is broken.
    Failed(io::Error),
}

/// A program that is gone without a word (power, cable) is given up after this.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

impl Stream {
    /// Begins to connect; [`Self::connected`] tells how it went once it is writable.
    pub(super) fn connect_tcp(remote: SocketAddr) -> io::Result<Self> {
        Ok(Self::Tcp(watched(TcpStream::connect(remote)?)?))
    }

    /// A program's connection to us.
    pub(super) fn accepted_tcp(stream: TcpStream) -> io::Result<Self> {
        Ok(Self::Tcp(watched(stream)?))
    }

    /// Connects; a Unix socket does so at once or not at all.
    pub(super) fn connect_unix(path: &Path) -> io::Result<Self> {
        Ok(Self::Unix(UnixStream::connect(path)?))
    }

    /// Whether a connection that was begun is there now. `None`: not yet.
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
            // Nothing moved; the next try will tell.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Progress::Bytes(0),
            Err(error) => Progress::Failed(error),
        }
    }
}

/// A device's connection has nobody who would press reload when it hangs.
fn watched(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let millis = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, millis)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
    Ok(stream)
}
