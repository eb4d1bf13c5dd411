//! Channels that are closed a moment after the decision, because some libraries are not ready for the next
//! channel sooner.
//!
//! libdatachannel 0.24 tells its program that a channel is closed, and gives the stream's number to the next
//! channel, before it has reset the stream itself. The reset then closes the new channel. libdatachannel
//! resets a stream at once unless data that it sent is not acknowledged, and an acknowledgement takes up to
//! 200 ms here (RFC 9260 §6.2; sctp-proto cannot be told to hurry). So all earlier data is acknowledged
//! first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use str0m::channel::ChannelId;

/// How long a channel waits: a little more than a delayed acknowledgement.
const WAIT: Duration = Duration::from_millis(220);

/// The channels that wait to be closed.
#[derive(Debug, Default)]
pub(super) struct LateCloses {
    /// The channels with the times at which they are closed. A time is `None` until [`Self::begin`] has set
    /// it.
    waiting: VecDeque<(Option<Instant>, ChannelId)>,
}

impl LateCloses {
    /// Adds a channel to be closed.
    pub(super) fn push(&mut self, id: ChannelId) {
        self.waiting.push_back((None, id));
    }

    /// Returns how many channels wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Starts the wait of the channels added since the last call.
    pub(super) fn begin(&mut self, now: Instant) {
        let new = self.waiting.iter_mut().rev();
        for (at, _) in new.take_while(|(at, _)| at.is_none()) {
            *at = Some(now + WAIT);
        }
    }

    /// Removes and returns the next channel that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ChannelId> {
        let (at, _) = self.waiting.front()?;
        if at.is_none_or(|at| at > now) {
            return None;
        }
        self.waiting.pop_front().map(|(_, id)| id)
    }

    /// Returns when [`Self::pop`] will return a channel.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().and_then(|(at, _)| *at)
    }
}

impl IntoIterator for LateCloses {
    type Item = ChannelId;
    type IntoIter = std::vec::IntoIter<ChannelId>;

    /// Returns all channels that wait, due or not.
    fn into_iter(self) -> Self::IntoIter {
        let ids: Vec<_> = self.waiting.into_iter().map(|(_, id)| id).collect();
        ids.into_iter()
    }
}
