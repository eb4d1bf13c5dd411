//! How much has come of a message that is not whole yet, as far as it can be told from outside.
//!
//! SCTP keeps the pieces of a message until the last has come, and ends the association when they fill its receive buffer
//! ([`limits::RECEIVED_MESSAGE`]); str0m passes on that it ended and not why. This is for the reason.

use crate::limits;

/// The pieces of a long message fill their datagrams. Acknowledgements, checks and short messages do not.
const FULL: usize = 1_000;
/// What a short message has around it where several share a datagram.
const HEADER: usize = 40;

/// Bytes on the wire that no message has accounted for.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    bytes: usize,
    /// What is being handled is a piece of a message: a close of the peer is none.
    is_piece: bool,
}

impl Reassembly {
    /// A datagram of the peer is being handled.
    pub(super) fn handle_datagram(&mut self, datagram: &[u8]) {
        self.is_piece = datagram.len() >= FULL;
        if self.is_piece {
            self.bytes += datagram.len();
        }
    }

    /// Something else is being handled.
    pub(super) fn handle_other(&mut self) {
        self.is_piece = false;
    }

    /// A message that had so many bytes. Rather a little too much is taken off than too little.
    pub(super) fn handle_message(&mut self, bytes: usize) {
        let around = if bytes < FULL / 2 { HEADER } else { FULL };
        let all = bytes + bytes / 4 + around;
        self.bytes = self.bytes.saturating_sub(all);
    }

    /// Whether what has come of a message, up to the datagram that is being handled, may have filled the buffer.
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
            // 60,000 bytes in datagrams of 1,200, of which the message is 1,110.
            for _ in 0..54 {
                reassembly.handle_datagram(&[0; 1_200]);
            }
            reassembly.handle_message(54 * 1_110);
        }
        assert!(!reassembly.is_full());
        // Nor short ones, of which nine share a datagram.
        for _ in 0..100_000 {
            reassembly.handle_datagram(&[0; 1_200]);
            (0..9).for_each(|_| reassembly.handle_message(100));
        }
        assert!(!reassembly.is_full());
        for _ in 0..950 {
            reassembly.handle_datagram(&[0; 1_200]);
            // Something short beside it.
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
