//! What is between a stream and its protocol, for streams of a listener that speaks TLS.

use std::time::Instant;

use crate::tls::Tls;

/// The state of such a stream.
pub(super) enum Guard {
    /// The first byte tells whether the client speaks TLS.
    Waiting,
    /// The client speaks TLS.
    Tls(Box<Tls>),
}

impl Guard {
    /// Returns the records that are to be written.
    pub(super) fn output(&self) -> &[u8] {
        match self {
            Self::Waiting => &[],
            Self::Tls(tls) => tls.output(),
        }
    }

    /// The first `n` bytes of [`Self::output`] were written.
    pub(super) fn consume(&mut self, now: Instant, n: usize) {
        if let Self::Tls(tls) = self {
            tls.consume(now, n);
        }
    }

    /// Returns until when the client may take its time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting => None,
            Self::Tls(tls) => tls.deadline(),
        }
    }
}
