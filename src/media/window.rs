//! Which of the last numbers have been seen.

/// How many numbers behind the newest one are remembered.
const SIZE: u64 = 128;

/// Remembers the last numbers of a stream. Two packets of one stream with the same number would be sealed with the
/// same key and nonce (RFC 7714 §8.2), which must never happen.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Window {
    newest: Option<u64>,
    /// Bit 0 is the newest number.
    seen: u128,
}

impl Window {
    /// Notes a number. Returns false if it was seen before, or is too old to know.
    pub(super) fn note(&mut self, number: u64) -> bool {
        let Some(newest) = self.newest.filter(|newest| number <= *newest) else {
            let ahead = self.newest.map_or(SIZE, |newest| number - newest);
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = Some(number);
            return true;
        };
        let age = newest - number;
        if age >= SIZE {
            return false;
        }
        let bit = 1_u128 << age;
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once_and_in_any_order() {
        let mut window = Window::default();
        for (number, is_new) in [
            (1_000, true),
            (1_000, false),
            (1_002, true),
            (1_001, true),
            (1_001, false),
            (1_130, true),
            (1_003, true),
            (1_002, false),
            (900, false),
            (5_000, true),
            (4_999, true),
            (1_131, false),
        ] {
            assert_eq!(window.note(number), is_new, "{number}");
        }
    }
}
