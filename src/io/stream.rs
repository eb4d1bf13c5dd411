//! The byte streams that the loop reads and writes.

use std::io::{self, Read, Write};

use mio::net::TcpStream;

use super::tty::Tty;

/// A TCP connection or a tty; neither ever blocks.
pub(super) enum Stream {
    Tcp(TcpStream),
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

impl Stream {
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Progress {
        let result = match self {
            Self::Tcp(tcp) => tcp.read(buf),
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
