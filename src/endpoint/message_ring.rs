//! A ring of whole messages with absolute numbers, for endpoints that receive datagrams.
//!
//! A message never lies across the end of the buffer, unlike in [`super::ring::Ring`], because a channel
//! needs the message in one piece.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy)]
struct RingEntry {
    at: usize,
    len: usize,
}

/// The newest messages that fit into a fixed number of bytes.
#[derive(Debug)]
pub struct MessageRing {
    capacity: usize,
    /// The buffer, which is empty until the first message, because many content ports never receive one.
    bytes: Box<[u8]>,
    entries: VecDeque<RingEntry>,
    /// The absolute number of the first entry.
    first: u64,
    /// The position of the next message, if the message fits before the end of the buffer.
    head: usize,
    /// The bytes of all messages evicted so far, so that a cursor can tell how much it lost.
    evicted_bytes: u64,
    total_bytes: u64,
}

/// The most messages, for floods of tiny (even empty) messages.
pub const MAX_ENTRIES: usize = 4096;

impl MessageRing {
    /// Returns an empty ring for `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            bytes: Box::default(),
            entries: VecDeque::new(),
            first: 0,
            head: 0,
            evicted_bytes: 0,
            total_bytes: 0,
        }
    }

    /// Returns the absolute number of the oldest kept message.
    pub fn start(&self) -> u64 {
        self.first
    }

    /// Returns the absolute number of the next message.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Returns the bytes of all messages before [`Self::start`].
    pub fn bytes_before_start(&self) -> u64 {
        self.evicted_bytes
    }

    /// Returns the bytes of all messages before [`Self::end`].
    pub fn bytes_before_end(&self) -> u64 {
        self.total_bytes
    }

    /// Appends a message in place of the oldest ones. Returns false if the message is larger than the whole
    /// ring.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let len = message.len();
        if len > self.capacity {
            return false;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; self.capacity].into_boxed_slice();
        }
        let occupied = occupied(len);
        let at = if self.head + occupied <= self.bytes.len() {
            self.head
        } else {
            0
        };
        if at == 0 && self.head != 0 {
            // The space between the head and the end stays unused, so evict its messages first, because they
            // are the oldest.
            self.evict(self.head, self.bytes.len());
        }
        self.evict(at, at + occupied);
        if self.entries.len() == MAX_ENTRIES {
            self.evict_first();
        }
        if let Some(room) = self.bytes.get_mut(at..at + len) {
            room.copy_from_slice(message);
        }
        self.entries.push_back(RingEntry { at, len });
        self.head = at + occupied;
        self.total_bytes += len as u64;
        true
    }

    /// Returns the message with the absolute number `index`, if it is still kept.
    pub fn get(&self, index: u64) -> Option<&[u8]> {
        let n = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get(n)?;
        self.bytes.get(entry.at..entry.at + entry.len)
    }

    /// Evicts messages, beginning with the oldest, until none lies in `from..to`.
    fn evict(&mut self, from: usize, to: usize) {
        while self
            .entries
            .front()
            .is_some_and(|e| e.at < to && e.at + occupied(e.len) > from)
        {
            self.evict_first();
        }
    }

    fn evict_first(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.first += 1;
            self.evicted_bytes += entry.len as u64;
        }
    }
}

/// Returns how many bytes a message occupies. An empty message occupies one too, so that places stay in order
/// of age.
fn occupied(len: usize) -> usize {
    len.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_there_is_intact_and_newest(
            lengths in proptest::collection::vec(0usize..70, 1..200),
        ) {
            let mut ring = MessageRing::new(64);
            let mut all: Vec<Vec<u8>> = Vec::new();
            for (i, len) in lengths.into_iter().enumerate() {
                let message = vec![(i % 256) as u8; len];
                let fitted = ring.push(&message);
                prop_assert_eq!(fitted, len <= 64);
                if fitted {
                    all.push(message);
                }
                prop_assert_eq!(ring.end(), all.len() as u64);
                for index in ring.start()..ring.end() {
                    prop_assert_eq!(ring.get(index).unwrap(), all[index as usize].as_slice());
                }
                let before: usize = all.iter().take(ring.start() as usize).map(Vec::len).sum();
                prop_assert_eq!(ring.bytes_before_start(), before as u64);
                prop_assert_eq!(ring.get(ring.end()), None);
            }
            if !all.is_empty() {
                prop_assert!(ring.start() < ring.end(), "the newest message is always kept");
            }
        }
    }

    #[test]
    fn one_without_messages_has_no_room_yet() {
        let mut ring = MessageRing::new(1 << 18);
        assert!(!ring.push(&[0; (1 << 18) + 1]));
        assert_eq!(ring.bytes.len(), 0);
        assert!(ring.push(&[]));
        assert_eq!(ring.get(0), Some(&[][..]));
        assert_eq!(ring.bytes.len(), 1 << 18);
    }
}
