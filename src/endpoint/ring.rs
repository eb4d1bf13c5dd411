//! A ring of bytes with absolute offsets. Every route of a byte endpoint is a cursor into the ring.
//!
//! The device is always read, so the ring never refuses bytes: new bytes replace the oldest ones, and a route
//! that has not read those learns how many they were.

/// The last `capacity` bytes of a stream.
#[derive(Debug)]
pub struct Ring {
    /// A buffer of `capacity` bytes, followed by a copy of its first few bytes, so that a message across the
    /// end is still available in one piece.
    bytes: Box<[u8]>,
    capacity: usize,
    /// The absolute offset of the next byte, which is the number of bytes so far.
    end: u64,
}

impl Ring {
    /// Returns an empty ring for `capacity` bytes (at least 1). At least `piece` bytes can be read in one
    /// piece if that many wait.
    pub fn new(capacity: usize, piece: usize) -> Self {
        let capacity = capacity.max(1);
        let bytes = vec![0; capacity + piece.min(capacity)].into_boxed_slice();
        Self {
            bytes,
            capacity,
            end: 0,
        }
    }

    /// Returns the absolute offset of the oldest kept byte.
    pub fn start(&self) -> u64 {
        self.end.saturating_sub(self.capacity as u64)
    }

    /// Returns the absolute offset after the newest byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends bytes, in place of the oldest ones if necessary.
    pub fn push(&mut self, input: &[u8]) {
        // Only the tail of an input larger than the ring can stay.
        let skipped = input.len().saturating_sub(self.capacity);
        self.end += skipped as u64;
        let mut rest = input.get(skipped..).unwrap_or_default();
        while !rest.is_empty() {
            let at = self.position(self.end);
            let n = rest.len().min(self.capacity - at);
            let (now, later) = rest.split_at(n);
            if let Some(room) = self.bytes.get_mut(at..at + n) {
                room.copy_from_slice(now);
            }
            self.mirror(at, n);
            self.end += n as u64;
            rest = later;
        }
    }

    /// Returns at most `max` bytes from the absolute offset `from`. Returns no bytes at the end, and `None`
    /// if `from` was overwritten (or lies ahead).
    pub fn read(&self, from: u64, max: usize) -> Option<&[u8]> {
        if from < self.start() || from > self.end {
            return None;
        }
        let at = self.position(from);
        let waiting = usize::try_from(self.end - from).expect("no more than the ring holds");
        let n = waiting.min(max).min(self.bytes.len() - at);
        self.bytes.get(at..at + n)
    }

    /// Copies bytes that were just written near the front to the space behind the end.
    fn mirror(&mut self, at: usize, n: usize) {
        let end = (at + n).min(self.bytes.len() - self.capacity);
        if at < end {
            self.bytes.copy_within(at..end, self.capacity + at);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "smaller than the length of the ring"
    )]
    fn position(&self, offset: u64) -> usize {
        (offset % self.capacity as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cursor_sees_the_stream_or_learns_that_it_lagged(
            capacity in 1usize..80,
            piece in 0usize..90,
            steps in proptest::collection::vec((0usize..120, 0usize..120), 1..60),
        ) {
            let mut ring = Ring::new(capacity, piece);
            let mut stream: Vec<u8> = Vec::new();
            let mut cursor = 0u64;
            for (push, read) in steps {
                let from = stream.len();
                stream.extend((0..push).map(|i| ((from + i) % 251) as u8));
                ring.push(&stream[from..]);
                prop_assert_eq!(ring.end(), stream.len() as u64);
                match ring.read(cursor, read) {
                    Some(bytes) => {
                        prop_assert!(bytes.len() <= read);
                        let at = cursor as usize;
                        prop_assert_eq!(bytes, &stream[at..at + bytes.len()]);
                        let waiting = (ring.end() - cursor) as usize;
                        let promised = waiting.min(read).min(piece.min(capacity).max(1));
                        prop_assert!(bytes.len() >= promised);
                        cursor += bytes.len() as u64;
                    }
                    None => {
                        prop_assert!(stream.len() as u64 - cursor > capacity as u64);
                        cursor = ring.start();
                    }
                }
            }
        }
    }
}
