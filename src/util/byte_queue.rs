//! A bounded first-in first-out queue of bytes that hands out contiguous slices.

/// A queue between a producer and a writer. Nothing is ever split or dropped: bytes that do not fit are
/// refused whole.
#[derive(Debug)]
pub(crate) struct ByteQueue {
    bytes: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl ByteQueue {
    /// Returns an empty queue for at most `capacity` bytes. Memory is allocated as it is needed.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            capacity,
        }
    }

    /// Returns how many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Returns whether no byte waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends all of `bytes`, or returns false and appends nothing. An empty queue takes anything, so that a
    /// message larger than the queue does not wait forever.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        if !self.is_empty() && self.len() + bytes.len() > self.capacity {
            return false;
        }
        // Moving the rest to the front costs a copy, so it is done only when half is used up.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Returns the waiting bytes, in order.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Removes the first `n` bytes, which have been written.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    /// Removes everything; returns how many bytes that were.
    pub(crate) fn clear(&mut self) -> usize {
        let len = self.len();
        self.bytes.clear();
        self.start = 0;
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[test]
    fn refuses_whole_and_takes_anything_when_empty() {
        let mut queue = ByteQueue::new(4);
        assert!(queue.push(b"too long"));
        assert!(!queue.push(b"x"));
        queue.consume(8);
        assert!(queue.push(b"abc"));
        assert!(!queue.push(b"de"));
        assert!(queue.push(b"d"));
        assert_eq!(queue.as_slice(), b"abcd");
    }

    proptest! {
        #[test]
        fn behaves_like_a_deque(steps in proptest::collection::vec((0usize..40, 0usize..50), 0..60)) {
            let mut queue = ByteQueue::new(64);
            let mut model: VecDeque<u8> = VecDeque::new();
            let mut next = 0u8;
            for (push, consume) in steps {
                let bytes: Vec<u8> = (0..push).map(|_| { next = next.wrapping_add(1); next }).collect();
                if queue.push(&bytes) {
                    model.extend(&bytes);
                } else {
                    prop_assert!(model.len() + push > 64);
                }
                let n = consume.min(model.len());
                queue.consume(n);
                model.drain(..n);
                prop_assert_eq!(queue.as_slice(), model.make_contiguous() as &[u8]);
            }
        }
    }
}
