//! A frame between two delimiters, as SLIP and COBS have them.

use super::Faults;
use super::buffer::Buffer;

/// The frame that is being received: its message so far, and what it took on the wire.
#[derive(Debug)]
pub(super) struct Frame {
    message: Buffer,
    /// Bytes of the wire that are in no count of faults yet.
    wire: usize,
    /// Malformed or too long: nothing is kept of it, and it lasts up to its delimiter.
    dropped: bool,
}

impl Frame {
    pub(super) fn new(max: usize) -> Self {
        Self {
            message: Buffer::new(max),
            wire: 0,
            dropped: false,
        }
    }

    /// One more byte of the wire belongs to this frame.
    pub(super) fn extend(&mut self) {
        self.wire += 1;
    }

    /// One more byte of the message.
    pub(super) fn push(&mut self, byte: u8, faults: &mut Faults) {
        if self.message.room() == 0 {
            self.spoil(faults);
        } else if !self.dropped {
            self.message.push(&[byte]);
        }
    }

    /// There is no message in this frame.
    pub(super) fn spoil(&mut self, faults: &mut Faults) {
        if !self.dropped {
            self.dropped = true;
            self.message.clear();
            faults.frames += 1;
        }
    }

    /// The delimiter has come, and with it the end of the frame.
    pub(super) fn end(&mut self, faults: &mut Faults, message: &mut impl FnMut(&[u8])) {
        self.settle(faults);
        if !self.dropped {
            self.message.finish(&[], message);
        }
        self.wire = 0;
        self.dropped = false;
    }

    /// No delimiter will come.
    pub(super) fn reset(&mut self, faults: &mut Faults) {
        if !self.is_empty() {
            self.spoil(faults);
            self.settle(faults);
        }
        self.dropped = false;
    }

    /// Counts what has come of a dropped frame. To be called before the input's end, so that the
    /// faults do not depend on how the input is cut.
    pub(super) fn settle(&mut self, faults: &mut Faults) {
        if self.dropped {
            faults.bytes += self.wire as u64;
            self.wire = 0;
        }
    }

    /// Whether nothing has come since the last delimiter.
    pub(super) fn is_empty(&self) -> bool {
        self.wire == 0 && !self.dropped
    }

    /// Bytes of the wire that are neither passed on nor counted.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn buffered(&self) -> usize {
        self.wire
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.message.capacity()
    }
}
