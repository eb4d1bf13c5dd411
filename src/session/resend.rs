//! How much a peer gets again. It asks for lost packets by NACK (RFC 4585 §6.2.1), a few bytes for many packets, and as
//! often as it likes; str0m sends them all. So they are counted where they leave.

/// What a packet earns and what one that is sent again costs: for two packets one may be sent again.
const EARNED: u32 = 1;
const COST: u32 = 2;
/// The most that can be saved up: half a second of 1,000 packets a second.
const MOST: u32 = 500 * COST;
/// What a viewer has at its beginning.
const FIRST: u32 = 32 * COST;

/// The packets that may be sent again.
#[derive(Debug)]
pub(super) struct Resends {
    /// The payload types under which packets are sent again (RFC 4588), a bit for each.
    types: u128,
    saved: u32,
}

impl Default for Resends {
    fn default() -> Self {
        Self {
            types: 0,
            saved: FIRST,
        }
    }
}

impl Resends {
    /// Adds a payload type under which packets are sent again.
    pub(super) fn add_type(&mut self, payload_type: u8) {
        self.types |= 1_u128.checked_shl(payload_type.into()).unwrap_or(0);
    }

    /// Counts a packet that is sent for the first time.
    pub(super) fn note_first(&mut self) {
        self.saved = (self.saved + EARNED).min(MOST);
    }

    /// Returns whether a datagram may leave.
    pub(super) fn pass(&mut self, datagram: &[u8]) -> bool {
        // RFC 7983: the first byte of RTP is from 128 to 191. The second one has the payload type.
        let [128..=191, second, ..] = datagram else {
            return true;
        };
        if self.types & (1 << (second & 0x7f)) == 0 {
            return true;
        }
        match self.saved.checked_sub(COST) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_two_packets_one_may_be_sent_again() {
        let mut resends = Resends::default();
        resends.add_type(97);
        let (first, again, other) = ([0x80, 96, 0], [0x90, 0x80 | 97, 0], [23, 97, 0]);
        let passed = (0..10_000).filter(|_| resends.pass(&again)).count();
        assert_eq!(passed, 32, "what a viewer has at its beginning");
        for _ in 0..100 {
            assert!(
                resends.pass(&first) && resends.pass(&other),
                "others always pass"
            );
            resends.note_first();
        }
        let passed = (0..10_000).filter(|_| resends.pass(&again)).count();
        assert_eq!(passed, 50);
        for _ in 0..1_000_000 {
            resends.note_first();
        }
        let passed = (0..10_000).filter(|_| resends.pass(&again)).count();
        assert_eq!(passed, 500, "not all that could be saved in a day");
    }
}
