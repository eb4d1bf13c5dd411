//! How much has come of a message that is not whole yet, as far as it can be told from outside.
//!
//! SCTP keeps the pieces of a message until the last has come, and ends the association when they fill its receive buffer
//! ([`limits::RECEIVED_MESSAGE`]); str0m passes on that it ended and not why. This is for the reason.

use crate::limits;

/// The pieces of a long message fill their datagrams. Acknowledgements, checks and short messages do not.
const FULL: usize = 1_000;

/// Bytes on the wire that no message has accounted for.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    bytes: usize,
}

impl Reassembly {
    /// A datagram of the peer.
    pub(super) fn handle_datagram(&mut self, datagram: &[u8]) {
        if datagram.len() >= FULL {
            self.bytes += datagram.len();
        }
    }

    /// A message that had so many bytes. Rather a little too much is taken off than too little.
    pub(super) fn handle_message(&mut self, bytes: usize) {
        if bytes >= FULL / 2 {
            self.bytes = self.bytes.saturating_sub(bytes + bytes / 4 + FULL);
        }
    }

    /// Whether what has come of a message may have filled the buffer.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > limits::RECEIVED_MESSAGE as usize
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
        for _ in 0..950 {
            reassembly.handle_datagram(&[0; 1_200]);
            // Something short beside it.
            reassembly.handle_datagram(&[0; 100]);
            reassembly.handle_message(10);
        }
        assert!(reassembly.is_full());
    }
}
