//! A bounded and reused buffer for one message.

use crate::util::utf8;

/// The bytes of an unfinished message, at most `max`.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    max: usize,
}

/// The first allocation; starting with less would take many small steps.
const FIRST_CAPACITY: usize = 64;

impl Buffer {
    /// Returns an empty buffer. Memory is allocated as bytes arrive.
    pub(super) fn new(max: usize) -> Self {
        let bytes = Vec::new();
        Self { bytes, max }
    }

    /// Appends a piece no longer than [`Self::room`].
    pub(super) fn push(&mut self, piece: &[u8]) {
        debug_assert!(piece.len() <= self.room());
        let len = self.bytes.len() + piece.len();
        if len > self.bytes.capacity() {
            // Grow by hand, because a vector that grows by itself may take twice the memory that is ever
            // needed.
            let doubled = (self.bytes.capacity() * 2).max(FIRST_CAPACITY);
            let capacity = doubled.min(self.max).max(len);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Passes on the message that ends with this piece, which is no longer than [`Self::room`]; a message
    /// that arrived in one piece is not copied.
    pub(super) fn finish(&mut self, piece: &[u8], message: &mut impl FnMut(&[u8])) {
        if self.bytes.is_empty() {
            message(piece);
        } else {
            self.push(piece);
            message(&self.bytes);
            self.bytes.clear();
        }
    }

    /// Passes on a text like [`Self::finish`], but keeps an incomplete last character (UTF-8) for the next
    /// message, unless there is nothing before it.
    pub(super) fn finish_whole(&mut self, piece: &[u8], message: &mut impl FnMut(&[u8])) {
        self.push(piece);
        let whole = match utf8::whole(&self.bytes) {
            0 => self.bytes.len(),
            whole => whole,
        };
        message(self.bytes.get(..whole).unwrap_or_default());
        self.bytes.drain(..whole);
    }

    /// Discards the bytes and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many more bytes the message may have.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.bytes.len())
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_memory_as_bytes_come_and_never_more_than_its_bound() {
        let mut buffer = Buffer::new(1000);
        assert_eq!(buffer.capacity(), 0);
        let mut capacities = Vec::new();
        for _ in 0..1000 {
            buffer.push(b"x");
            capacities.push(buffer.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities, [64, 128, 256, 512, 1000]);
        assert_eq!(buffer.room(), 0);
        buffer.clear();
        buffer.push(&[1; 1000]);
        assert_eq!(buffer.capacity(), 1000, "the memory is used again");
    }

    #[test]
    fn a_message_in_one_piece_takes_no_memory() {
        let mut buffer = Buffer::new(10);
        let mut messages = Vec::new();
        buffer.finish(b"whole", &mut |bytes| messages.push(bytes.to_vec()));
        assert_eq!(buffer.capacity(), 0);
        buffer.push(b"pi");
        buffer.finish(b"eces", &mut |bytes| messages.push(bytes.to_vec()));
        assert_eq!(messages, [b"whole".to_vec(), b"pieces".to_vec()]);
        assert_eq!(buffer.len(), 0);
    }

    #[test]
    fn half_a_character_stays_for_the_next_message_unless_it_is_alone() {
        let mut buffer = Buffer::new(10);
        let mut messages = Vec::new();
        buffer.push(b"a");
        buffer.finish_whole(b"b\xe2\x82", &mut |bytes| messages.push(bytes.to_vec()));
        assert_eq!(buffer.len(), 2);
        buffer.finish_whole(b"", &mut |bytes| messages.push(bytes.to_vec()));
        assert_eq!(messages, [b"ab".to_vec(), b"\xe2\x82".to_vec()]);
        assert_eq!(buffer.len(), 0);
    }
}
