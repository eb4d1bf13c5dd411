//! An estimate, made from outside SCTP, of how much of an incomplete message has arrived.
//!
//! SCTP keeps the pieces of a message until the last piece arrives, and ends the association when the pieces
//! fill its receive buffer ([`limits::RECEIVED_MESSAGE`]). str0m reports that the association ended, but not
//! why. The estimate tells that reason.

use crate::limits;

/// The size from which a datagram counts as a piece. The pieces of a long message fill their datagrams;
/// acknowledgements, checks and short messages do not.
const FULL: usize = 1_000;
/// The overhead of a short message when several messages share a datagram.
const HEADER: usize = 40;

/// Bytes on the wire that belong to no message so far.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    bytes: usize,
    /// Whether the datagram being handled is a piece of a message, and so not the peer's close.
    is_piece: bool,
}

impl Reassembly {
    /// Counts a datagram of the peer that is being handled.
    pub(super) fn handle_datagram(&mut self, datagram: &[u8]) {
        self.is_piece = datagram.len() >= FULL;
        if self.is_piece {
            self.bytes += datagram.len();
        }
    }

    /// Notes that another input than a datagram is being handled.
    pub(super) fn handle_other(&mut self) {
        self.is_piece = false;
    }

    /// Subtracts a complete message of this many bytes. The estimate subtracts a little too much rather than
    /// too little.
    pub(super) fn handle_message(&mut self, bytes: usize) {
        let around = if bytes < FULL / 2 { HEADER } else { FULL };
        let all = bytes + bytes / 4 + around;
        self.bytes = self.bytes.saturating_sub(all);
    }

    /// Returns whether an incomplete message, up to the datagram being handled, may have filled the buffer.
    pub(super) fn is_full(&self) -> bool {
        self.is_piece && self.bytes > limits::RECEIVED_MESSAGE as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fill_it_and_nothing_else_does() {
        let mut reassembly = Reassembly::default();
        for _ in 0..100_000 {
            reassembly.handle_datagram(&[0; 120]);
            // 60,000 bytes in datagrams of 1,200 bytes, each carrying 1,110 bytes of the message.
            for _ in 0..54 {
                reassembly.handle_datagram(&[0; 1_200]);
            }
            reassembly.handle_message(54 * 1_110);
        }
        assert!(!reassembly.is_full());
        // Short messages do not fill the buffer either when nine share a datagram.
        for _ in 0..100_000 {
            reassembly.handle_datagram(&[0; 1_200]);
            (0..9).for_each(|_| reassembly.handle_message(100));
        }
        assert!(!reassembly.is_full());
        for _ in 0..950 {
            reassembly.handle_datagram(&[0; 1_200]);
            // A short message beside the long one.
            reassembly.handle_datagram(&[0; 100]);
            reassembly.handle_message(10);
        }
        reassembly.handle_datagram(&[0; 1_200]);
        assert!(reassembly.is_full());
        reassembly.handle_datagram(&[0; 60]);
        assert!(
            !reassembly.is_full(),
            "whatever ends now, it is not for that"
        );
    }
}
