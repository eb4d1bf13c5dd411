//! Messages that wait for their route, in one buffer, so that an answer needs no allocation of its own.

use std::collections::VecDeque;

/// A queue of messages. The queue grows to the size that once waited together. When it is empty, it frees
/// memory beyond [`KEPT`].
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The bytes of all messages, one after the other. Bytes before `head` have been sent.
    bytes: Vec<u8>,
    head: usize,
    /// The type and the length of each message: whether it is binary, and its number of bytes.
    entries: VecDeque<(bool, usize)>,
}

/// How many bytes of memory an empty queue keeps.
const KEPT: usize = 64 * 1024;

impl Answers {
    pub(super) fn push(&mut self, binary: bool, bytes: &[u8]) {
        // Reuse the space of sent messages before allocating more memory, but not for every message, because
        // the remaining bytes have to move.
        let moving = self.bytes.len() + bytes.len() > self.bytes.capacity();
        if moving && self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.entries.push_back((binary, bytes.len()));
    }

    pub(super) fn front(&self) -> Option<(bool, &[u8])> {
        let (binary, len) = *self.entries.front()?;
        Some((binary, self.bytes.get(self.head..self.head + len)?))
    }

    pub(super) fn pop(&mut self) -> bool {
        let Some((_, len)) = self.entries.pop_front() else {
            return false;
        };
        self.head += len;
        if self.entries.is_empty() {
            self.bytes.clear();
            self.head = 0;
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
        true
    }

    /// Returns how many bytes wait.
    pub(super) fn queued(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Returns how many messages wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_whole_and_in_bounded_memory() {
        let mut answers = Answers::default();
        let mut expected = VecDeque::new();
        for n in 0..10_000_usize {
            let message = vec![n as u8; n * 7 % 300];
            answers.push(n % 2 == 0, &message);
            expected.push_back((n % 2 == 0, message));
            while answers.len() > 20 {
                let (binary, bytes): (bool, Vec<u8>) = expected.pop_front().expect("as many");
                assert_eq!(answers.front(), Some((binary, bytes.as_slice())));
                assert!(answers.pop());
            }
            let waiting: usize = expected.iter().map(|(_, bytes)| bytes.len()).sum();
            assert_eq!(answers.queued(), waiting);
        }
        assert!(answers.bytes.capacity() < 16 * 1024, "it is used again");
        while answers.pop() {}
        assert_eq!((answers.queued(), answers.front()), (0, None));
    }

    #[test]
    fn much_is_given_back() {
        let mut answers = Answers::default();
        answers.push(true, &[0; 2 * KEPT]);
        answers.push(true, &[]);
        assert!(answers.pop());
        assert_eq!(answers.front(), Some((true, &[][..])));
        assert!(answers.pop());
        assert_eq!(answers.bytes.capacity(), 0);
    }
}
