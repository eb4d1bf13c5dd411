//! TLS (RFC 8446) around one byte stream: bytes from the network go in and plain bytes come out, and the
//! other way round. The protocol inside does not matter here.

pub mod authority;

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection};

use authority::PublicAuthority;

/// The time from the first byte to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The time that a peer may leave its output unread.
const STALLED: Duration = Duration::from_secs(30);
/// Plain bytes are accepted while fewer bytes than this wait, so that back-pressure reaches the owner.
const MAX_WAITING: usize = 16 * 1024;

/// The first byte of a TLS record with a handshake in it (RFC 8446 §5.1). No HTTP request begins with this
/// byte.
pub const FIRST_BYTE: u8 = 0x16;

/// The certificate and everything else that connections share.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The configuration for rustls, made when the certificate is read. `Arc` because rustls asks for one.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it: pairs of digits with colons.
    pub fingerprint: String,
    /// The authority of this machine, if it has signed the certificate.
    pub authority: Option<Arc<PublicAuthority>>,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({})", self.fingerprint)
    }
}

/// The server side of one TLS connection.
pub struct Tls {
    connection: ServerConnection,
    /// Records on their way to the peer.
    output: Vec<u8>,
    sent: usize,
    deadline: Option<Instant>,
    handshaking: bool,
    closing: bool,
}

/// The fault by which the peer broke the protocol; the rest of the output tells the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault(String);

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Tls {
    /// Returns a connection whose first byte has arrived.
    pub fn new(now: Instant, identity: &TlsIdentity) -> Result<Self, TlsFault> {
        let connection = ServerConnection::new(Arc::clone(&identity.config));
        let mut connection = connection.map_err(|error| TlsFault(error.to_string()))?;
        connection.set_buffer_limit(Some(2 * MAX_WAITING));
        Ok(Self {
            connection,
            output: Vec::new(),
            sent: 0,
            deadline: Some(now + HANDSHAKE),
            handshaking: true,
            closing: false,
        })
    }

    /// Takes records and appends their contents to `plain`.
    pub fn handle_input(
        &mut self,
        now: Instant,
        mut input: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<(), TlsFault> {
        while !input.is_empty() {
            let taken = self.connection.read_tls(&mut input);
            let result = taken
                .map_err(|error| TlsFault(error.to_string()))
                .and_then(|taken| {
                    let processed = self.connection.process_new_packets();
                    let state = processed.map_err(|error| TlsFault(error.to_string()))?;
                    Ok((taken, state.plaintext_bytes_to_read()))
                });
            // The result may leave output waiting: an alert, or the next flight of the handshake.
            let (taken, waiting) = match result {
                Ok(state) => state,
                Err(fault) => {
                    self.closing = true;
                    self.collect(now);
                    return Err(fault);
                }
            };
            if waiting > 0 {
                let from = plain.len();
                plain.resize(from + waiting, 0);
                let place = plain.get_mut(from..).unwrap_or_default();
                let read = self.connection.reader().read(place).unwrap_or(0);
                plain.truncate(from + read);
            }
            if taken == 0 {
                // The peer has announced that it will send no more.
                break;
            }
        }
        if self.handshaking && !self.connection.is_handshaking() {
            self.handshaking = false;
            self.deadline = None;
        }
        self.collect(now);
        Ok(())
    }

    /// Takes plain bytes to be sent, as many as fit now, and returns how many.
    pub fn push(&mut self, now: Instant, plain: &[u8]) -> usize {
        let waiting = self.output.len() - self.sent;
        if self.handshaking || self.closing || waiting >= MAX_WAITING {
            return 0;
        }
        let fits = plain.get(..MAX_WAITING - waiting).unwrap_or(plain);
        let taken = self.connection.writer().write(fits).unwrap_or(0);
        self.collect(now);
        taken
    }

    /// Closes the connection: nothing more will be sent.
    pub fn close(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.closing, true) {
            self.connection.send_close_notify();
            self.collect(now);
        }
    }

    /// Returns the bytes to write next; empty if there is nothing to write.
    pub fn output(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// Removes the first `n` bytes of the output, which have been written.
    pub fn consume(&mut self, now: Instant, n: usize) {
        self.sent += n;
        if self.sent >= self.output.len() {
            self.output.clear();
            self.sent = 0;
        } else if self.sent >= MAX_WAITING {
            // Written bytes must not be kept for as long as more output arrives.
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        if !self.handshaking {
            self.deadline = (!self.output.is_empty()).then(|| now + STALLED);
        }
    }

    /// Returns whether the connection is closed and everything is written.
    pub fn is_finished(&self) -> bool {
        self.closing && self.output.is_empty()
    }

    /// Returns when the time of the peer ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn collect(&mut self, now: Instant) {
        while self.connection.wants_write() {
            // Writing into memory cannot fail.
            if self.connection.write_tls(&mut self.output).is_err() {
                break;
            }
        }
        if !self.handshaking && self.deadline.is_none() && !self.output.is_empty() {
            self.deadline = Some(now + STALLED);
        }
    }
}

#[cfg(test)]
mod tests;
