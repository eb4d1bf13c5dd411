//! Messages that wait for their route, in one buffer: an answer costs no allocation of its own.

use std::collections::VecDeque;

/// A queue of messages. It grows to what once waited together, and gives back what is more than
/// [`KEPT`] when it is empty.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// All of them, one behind the other; what lies before `head` has gone.
    bytes: Vec<u8>,
    head: usize,
    /// Whether each is binary, and how long it is.
    entries: VecDeque<(bool, usize)>,
}

/// Bytes that an idle queue holds on to.
const KEPT: usize = 64 * 1024;

impl Answers {
    pub(super) fn push(&mut self, binary: bool, bytes: &[u8]) {
        // What has gone makes room, before memory does; not for every message, since what is left has to move.
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

    /// Bytes that wait.
    pub(super) fn queued(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Messages that wait.
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
