//! A queue of bytes: written at the end, read as one slice, consumed at the front.

/// Bytes that wait, contiguous in memory.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

impl Queue {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Removes the first `n` bytes, or all if there are fewer.
    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.clear();
        } else if self.start >= COMPACT_AT && self.start >= self.bytes.len() / 2 {
            // Not at every call, because that would make draining a long queue in small steps quadratic.
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    pub(super) fn clear(&mut self) {
        self.start = 0;
        if self.bytes.capacity() > KEEP_CAPACITY {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
    }

    /// Takes all bytes, leaving the queue empty.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..self.start);
        self.start = 0;
        bytes
    }

    /// Returns the end of the queue, for writers that format.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The number of consumed bytes from which the rest is moved to the front.
const COMPACT_AT: usize = 4 * 1024;

/// The largest capacity of an empty queue, so that an idle keep-alive connection does not keep the memory of
/// its largest response.
const KEEP_CAPACITY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_out_in_order_whatever_the_steps() {
        let all: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for step in [1, 7, 1000, 4096, 70_000] {
            let mut queue = Queue::default();
            let mut seen = Vec::new();
            for piece in all.chunks(3000) {
                queue.push(piece);
                let n = step.min(queue.len());
                seen.extend_from_slice(&queue.as_slice()[..n]);
                queue.consume(n);
            }
            seen.extend_from_slice(&queue.take());
            assert!(queue.is_empty());
            assert_eq!(seen, all, "step {step}");
        }
    }

    #[test]
    fn consuming_too_much_empties() {
        let mut queue = Queue::default();
        queue.push(b"abc");
        queue.consume(usize::MAX);
        assert!(queue.is_empty());
        queue.push(b"d");
        assert_eq!(queue.as_slice(), b"d");
    }

    #[test]
    fn a_drained_queue_gives_its_memory_back() {
        let mut queue = Queue::default();
        queue.push(&[0; 1024 * 1024]);
        queue.consume(1024 * 1024);
        assert!(queue.bytes.capacity() <= KEEP_CAPACITY);
    }
}
