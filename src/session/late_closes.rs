//! Channels that are closed a moment after it was decided, for a library that is not ready for the next one sooner.
//!
//! libdatachannel 0.24 tells its program that a channel is closed, and gives the stream's number to the next one, before it has
//! reset the stream itself; the reset then closes the new channel. It resets at once unless something that it sent is not
//! acknowledged, and an acknowledgement takes up to 200 ms here (RFC 9260 §6.2; sctp-proto cannot be told to hurry). So whatever
//! came before is acknowledged first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use str0m::channel::ChannelId;

/// A little more than a delayed acknowledgement.
const WAIT: Duration = Duration::from_millis(220);

/// The channels that wait to be closed.
#[derive(Debug, Default)]
pub(super) struct LateCloses {
    /// When each is closed; `None` until [`Self::begin`] has set it.
    waiting: VecDeque<(Option<Instant>, ChannelId)>,
}

impl LateCloses {
    /// One more is to be closed.
    pub(super) fn push(&mut self, id: ChannelId) {
        self.waiting.push_back((None, id));
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// It is now; the wait of those that have just come begins.
    pub(super) fn begin(&mut self, now: Instant) {
        let new = self.waiting.iter_mut().rev();
        for (at, _) in new.take_while(|(at, _)| at.is_none()) {
            *at = Some(now + WAIT);
        }
    }

    /// The next one whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ChannelId> {
        let (at, _) = self.waiting.front()?;
        if at.is_none_or(|at| at > now) {
            return None;
        }
        self.waiting.pop_front().map(|(_, id)| id)
    }

    /// When [`Self::pop`] is worth asking.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().and_then(|(at, _)| *at)
    }
}

impl IntoIterator for LateCloses {
    type Item = ChannelId;
    type IntoIter = std::vec::IntoIter<ChannelId>;

    /// All that wait, due or not.
    fn into_iter(self) -> Self::IntoIter {
        let ids: Vec<_> = self.waiting.into_iter().map(|(_, id)| id).collect();
        ids.into_iter()
    }
}
