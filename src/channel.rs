//! A DataChannel as the session and the device side both know it.

use crate::util::slab::Id;

/// Tells [`ChannelKey`] from other ids.
#[derive(Debug)]
pub enum ChannelKind {}
/// A channel within its session.
pub type ChannelKey = Id<ChannelKind>;

/// What became of a message to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The message is on its way.
    Accepted,
    /// Too much is in flight: the owner keeps the message until the session is writable again.
    Blocked,
    /// The message is larger than the peer takes, so it will never go.
    TooLarge,
    /// The message has no bytes: str0m cannot send that.
    Empty,
    /// The channel was closed.
    Gone,
}

/// The peer's side of a session during one of its turns.
pub(crate) trait PeerWriter {
    /// Returns whether [`Self::write`] is worth trying.
    fn is_writable(&self) -> bool;

    /// Sends a message on a channel, whole or not at all.
    fn write(&mut self, channel: ChannelKey, binary: bool, bytes: &[u8]) -> Written;
}
