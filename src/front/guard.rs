//! The layer between a stream and its protocol, for streams of a TLS listener.

use std::time::Instant;

use crate::tls::Tls;

/// The state of a stream that began at a TLS listener.
pub(super) enum Guard {
    /// The first byte has not arrived. It will tell whether the client speaks TLS.
    Waiting,
    /// The client speaks TLS.
    Tls(Box<Tls>),
}

impl Guard {
    /// Returns the TLS records to be written.
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Self::Waiting => &[],
            Self::Tls(tls) => tls.output(),
        }
    }

    /// Removes the first `n` bytes of [`Self::output`], which were written.
    pub(super) fn consume(&mut self, now: Instant, n: usize) {
        if let Self::Tls(tls) = self {
            tls.consume(now, n);
        }
    }

    /// Returns the deadline of the stream's TLS, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting => None,
            Self::Tls(tls) => tls.deadline(),
        }
    }
}
