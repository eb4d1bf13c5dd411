//! Dropped messages by direction and reason. No message that arrives may vanish without being counted.

use std::collections::BTreeMap;

use crate::endpoint::{Count, DropReason};

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// From the browser to the device.
    FromPeer,
    /// From the device to the browser.
    ToPeer,
}

impl Direction {
    /// Returns the name in the API and on the control channel.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::FromPeer => "from_peer",
            Self::ToPeer => "to_peer",
        }
    }
}

/// Dropped messages by direction and reason.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drops(BTreeMap<(Direction, DropReason), Count>);

impl Drops {
    /// Counts what was dropped.
    pub(crate) fn add(&mut self, direction: Direction, reason: DropReason, count: Count) {
        if count != Count::default() {
            self.0.entry((direction, reason)).or_default().add(count);
        }
    }

    /// Adds all counts of another set.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for ((direction, reason), count) in other.iter() {
            self.add(direction, reason, count);
        }
    }

    /// Returns each direction and reason with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ((Direction, DropReason), Count)> {
        self.0.iter().map(|(key, count)| (*key, *count))
    }

    /// Returns the sum of all counts, which changes whenever one of them does.
    pub(crate) fn total(&self) -> Count {
        let mut total = Count::default();
        for (_, count) in self.iter() {
            total.add(count);
        }
        total
    }
}
