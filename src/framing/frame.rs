//! A frame between two delimiters, for SLIP and COBS.

use super::Faults;
use super::buffer::Buffer;

/// The frame that is being received: its message so far, and its length on the wire.
#[derive(Debug)]
pub(super) struct Frame {
    message: Buffer,
    /// Bytes of the wire that no count of faults contains yet.
    wire: usize,
    /// Whether the frame is malformed or too long; its bytes are then discarded up to its delimiter.
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

    /// Counts one more byte of the wire for this frame.
    pub(super) fn extend(&mut self) {
        self.wire += 1;
    }

    /// Appends one more byte to the message.
    pub(super) fn push(&mut self, byte: u8, faults: &mut Faults) {
        if self.message.room() == 0 {
            self.spoil(faults);
        } else if !self.dropped {
            self.message.push(&[byte]);
        }
    }

    /// Marks this frame as one without a message.
    pub(super) fn spoil(&mut self, faults: &mut Faults) {
        if !self.dropped {
            self.dropped = true;
            self.message.clear();
            faults.frames += 1;
        }
    }

    /// Ends the frame because its delimiter arrived.
    pub(super) fn end(&mut self, faults: &mut Faults, message: &mut impl FnMut(&[u8])) {
        self.settle(faults);
        if !self.dropped {
            self.message.finish(&[], message);
        }
        self.wire = 0;
        self.dropped = false;
    }

    /// Ends the frame because no delimiter will arrive.
    pub(super) fn reset(&mut self, faults: &mut Faults) {
        if !self.is_empty() {
            self.spoil(faults);
            self.settle(faults);
        }
        self.dropped = false;
    }

    /// Counts the bytes received of a dropped frame. The caller calls this at the end of each input, so that
    /// the faults do not depend on how the input is cut.
    pub(super) fn settle(&mut self, faults: &mut Faults) {
        if self.dropped {
            faults.bytes += self.wire as u64;
            self.wire = 0;
        }
    }

    /// Returns whether no byte has arrived since the last delimiter.
    pub(super) fn is_empty(&self) -> bool {
        self.wire == 0 && !self.dropped
    }

    /// Returns the number of bytes of the wire that are neither passed on nor counted.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn buffered(&self) -> usize {
        self.wire
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.message.capacity()
    }
}
