//! The messages that a device has sent, and how far each route has read them.

use std::collections::BTreeMap;

use super::message_ring::{MAX_ENTRIES, MessageRing};
use super::{Count, Message, Outgoing};
use crate::ids::RouteId;
use crate::limits;

/// One ring of messages with a cursor per route.
#[derive(Debug)]
pub struct MessageLog {
    ring: MessageRing,
    cursors: BTreeMap<RouteId, Cursor>,
    binary: bool,
    /// How much of the past a new route receives, in bytes of whole messages.
    scrollback: usize,
}

#[derive(Debug, Clone, Copy)]
struct Cursor {
    index: u64,
    /// The bytes of all messages before `index`.
    bytes: u64,
}

impl MessageLog {
    /// Returns a log without routes. `binary` is the frame type of its messages.
    pub fn new(binary: bool, scrollback: usize) -> Self {
        Self {
            ring: MessageRing::new(limits::RING),
            cursors: BTreeMap::new(),
            binary,
            scrollback,
        }
    }

    /// Adds a route, which begins with the scrollback.
    pub fn attach(&mut self, route: RouteId) {
        let (mut index, mut bytes) = (self.ring.end(), self.ring.bytes_before_end());
        let end = bytes;
        while let Some(message) = index
            .checked_sub(1)
            .and_then(|before| self.ring.get(before))
        {
            let with_it = bytes - message.len() as u64;
            if self.scrollback == 0 || end - with_it > self.scrollback as u64 {
                break;
            }
            (index, bytes) = (index - 1, with_it);
        }
        self.cursors.insert(route, Cursor { index, bytes });
    }

    /// Forgets a route's cursor.
    pub fn detach(&mut self, route: RouteId) {
        self.cursors.remove(&route);
    }

    /// Adds a message of the device, of at most [`limits::MAX_MESSAGE`] bytes.
    pub fn push(&mut self, message: &[u8]) {
        let fitted = self.ring.push(message);
        debug_assert!(fitted, "the ring is larger than any message");
    }

    /// Returns how many bytes may arrive before the slowest route loses a message. The worst case is assumed:
    /// each byte ends a message, and the message that has begun is as long as allowed. Without routes there
    /// is no limit.
    pub fn room(&self) -> usize {
        let Some(slowest) = self.cursors.values().min_by_key(|cursor| cursor.index) else {
            return usize::MAX;
        };
        let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let messages = small(self.ring.end() - slowest.index);
        let bytes = small(self.ring.bytes_before_end() - slowest.bytes) + messages;
        // The space before the end of the ring stays unused if a message does not fit there.
        let kept = bytes + 2 * limits::MAX_MESSAGE;
        // The end of a silence may add a message in addition to those that the bytes end.
        (limits::RING.saturating_sub(kept)).min(MAX_ENTRIES.saturating_sub(messages + 2))
    }

    /// Returns the next message for a route.
    pub fn message(&self, route: RouteId) -> Option<Outgoing<'_>> {
        let cursor = self.cursors.get(&route)?;
        let lost = self.ring.start().saturating_sub(cursor.index);
        if lost > 0 {
            let bytes = self.ring.bytes_before_start() - cursor.bytes;
            return Some(Outgoing::Lagged(Count {
                messages: lost,
                bytes,
            }));
        }
        let bytes = self.ring.get(cursor.index)?;
        Some(Outgoing::Message(Message {
            binary: self.binary,
            bytes,
        }))
    }

    /// Moves a route's cursor past the message that [`Self::message`] returned.
    pub fn consume_message(&mut self, route: RouteId) {
        let Some(cursor) = self.cursors.get_mut(&route) else {
            return;
        };
        if cursor.index < self.ring.start() {
            *cursor = Cursor {
                index: self.ring.start(),
                bytes: self.ring.bytes_before_start(),
            };
        } else if let Some(bytes) = self.ring.get(cursor.index) {
            cursor.index += 1;
            cursor.bytes += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    fn drain(log: &mut MessageLog, route: RouteId) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(Outgoing::Message(message)) = log.message(route) {
            all.push(message.bytes.to_vec());
            log.consume_message(route);
        }
        all
    }

    #[test]
    fn the_past_is_shown_in_whole_messages() {
        let mut log = MessageLog::new(true, 10);
        for message in [&b"one"[..], b"two", b"", b"three"] {
            log.push(message);
        }
        let [a, b, c] = [1, 2, 3].map(Id::from_bits);
        log.attach(a);
        assert_eq!(drain(&mut log, a), [&b"two"[..], b"", b"three"]);
        log.push(b"eleven bytes");
        log.attach(b);
        assert_eq!(drain(&mut log, b), [b""; 0], "a part of a message is none");
        assert_eq!(drain(&mut log, a), [b"eleven bytes"]);
        let mut none = MessageLog::new(true, 0);
        none.push(b"");
        none.attach(c);
        assert_eq!(none.message(c), None);
    }

    #[test]
    fn a_lagging_route_learns_its_loss() {
        let mut log = MessageLog::new(true, 0);
        let route = Id::from_bits(3);
        log.push(b"before");
        log.attach(route);
        assert_eq!(log.message(route), None);
        log.push(b"");
        assert_eq!(
            drain(&mut log, route),
            [b""],
            "an empty one is a message too"
        );
        let kept = limits::RING / 1000;
        for _ in 0..kept + 5 {
            log.push(&[1; 1000]);
        }
        let lost = Outgoing::Lagged(Count {
            messages: 5,
            bytes: 5000,
        });
        assert_eq!(log.message(route), Some(lost));
        log.consume_message(route);
        assert_eq!(drain(&mut log, route).len(), kept);
    }
}
