//! The event loop's view of a protocol that runs over one byte stream.
//!
//! The loop reads bytes and passes them in, asks for bytes and writes them, and keeps the nearest deadline.
//! The loop never learns which protocol it serves. The events of a protocol (requests, messages) reach its
//! owner through methods of the concrete type, not through this trait.

use std::fmt;
use std::time::Instant;

/// A protocol state machine attached to exactly one byte stream.
pub trait Connection {
    /// Handles bytes that were read from the stream, in order. The result does not depend on how the bytes
    /// are split.
    fn handle_input(&mut self, now: Instant, input: &[u8]);

    /// Handles the end of the input: the peer closed its side, or the source failed.
    ///
    /// A peer may have closed only its sending side, so its remaining data can be in [`output`](Self::output)
    /// afterwards. An owner that knows the source to be dead may drop the connection instead.
    fn handle_closed(&mut self, now: Instant);

    /// Returns the bytes to write next, or no bytes if there is nothing to write.
    fn output(&self) -> &[u8];

    /// Removes the first `n` bytes of [`output`](Self::output), which have been written.
    fn consume(&mut self, n: usize);

    /// Returns whether the source may be read now. This is back-pressure.
    fn wants_input(&self) -> bool {
        true
    }

    /// Returns whether the output is drained and nothing more will follow, so that the source may be closed.
    fn is_finished(&self) -> bool;

    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called at the latest.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Handles time that has passed. Calls that are too early or too frequent do no harm.
    fn handle_timeout(&mut self, _now: Instant) {}
}

/// The error that too much output waits on a stream, so that nothing was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer does not read fast enough")
    }
}

impl std::error::Error for Full {}
