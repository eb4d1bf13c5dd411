//! A DataChannel, as both the session and the device side know it.

use crate::util::slab::Id;

/// The type that distinguishes [`ChannelKey`] from other ids.
#[derive(Debug)]
pub enum ChannelKind {}
/// A channel within its session.
pub type ChannelKey = Id<ChannelKind>;

/// The result of sending a message to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The message was accepted for sending.
    Accepted,
    /// Too much is in flight. The owner keeps the message until the session is writable again.
    Blocked,
    /// The message is larger than the peer accepts, so it can never be sent.
    TooLarge,
    /// The message has no bytes, which str0m cannot send.
    Empty,
    /// The channel was closed.
    Gone,
}

/// The peer's side of a session during one of its turns.
pub(crate) trait PeerWriter {
    /// Returns whether [`Self::write`] may succeed.
    fn is_writable(&self) -> bool;

    /// Sends a message on a channel, whole or not at all.
    fn write(&mut self, channel: ChannelKey, binary: bool, bytes: &[u8]) -> Written;
}
