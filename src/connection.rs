//! What the event loop needs to know of a protocol that runs over one byte stream.
//!
//! The loop reads bytes and hands them down, asks for bytes and writes them, and keeps the nearest
//! deadline. It never learns which protocol it is serving. What a protocol has to say to its owner
//! (requests, messages) goes through methods of the concrete type, not through this trait.

use std::fmt;
use std::time::Instant;

/// A protocol state machine attached to exactly one byte stream.
pub trait Connection {
    /// Takes bytes that were read from the stream, in order. Any chopping means the same.
    fn handle_input(&mut self, now: Instant, input: &[u8]);

    /// The peer closed its side, or the source failed: no more input will come.
    ///
    /// A peer may have closed only its sending side, so what is still owed to it can be in
    /// [`output`](Self::output) afterwards. An owner that knows the source to be dead may drop the
    /// connection instead.
    fn handle_closed(&mut self, now: Instant);

    /// The bytes to write next. Empty: nothing to do.
    fn output(&self) -> &[u8];

    /// Forgets the first `n` bytes of [`output`](Self::output), which have been written.
    fn consume(&mut self, n: usize);

    /// Whether the source may be read now. This is back-pressure.
    fn wants_input(&self) -> bool {
        true
    }

    /// Output drained and nothing more to come: the source may be closed.
    fn is_finished(&self) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, at the latest.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has passed; calling it too early or too often does no harm.
    fn handle_timeout(&mut self, _now: Instant) {}
}

/// A stream has too much output waiting; nothing was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer does not read fast enough")
    }
}

impl std::error::Error for Full {}
