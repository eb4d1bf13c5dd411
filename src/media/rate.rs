//! How many bits a second pass.

use std::time::{Duration, Instant};

/// The shortest time over which is measured. It holds at least one keyframe of most sources.
const WINDOW: Duration = Duration::from_secs(1);

/// Measures a bit rate over the last complete window.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Rate {
    since: Option<Instant>,
    bits: u64,
    last: Option<u64>,
}

impl Rate {
    /// Adds bytes that have passed now.
    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed >= WINDOW {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
            self.last = Some(self.bits.saturating_mul(1_000) / millis);
            (self.since, self.bits) = (Some(now), 0);
        }
        self.bits += 8 * bytes as u64;
    }

    /// Returns the bit rate in bit/s, once it is known. Without packets it does not change.
    pub(super) fn get(&self) -> Option<u64> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_window() {
        let (start, mut rate) = (Instant::now(), Rate::default());
        for n in 0..100 {
            rate.add(start + Duration::from_millis(10) * n, 1_250);
        }
        assert_eq!(rate.get(), None, "a second is not over");
        rate.add(start + Duration::from_secs(1), 1_250);
        assert_eq!(rate.get(), Some(1_000_000));
        rate.add(start + Duration::from_secs(5), 0);
        assert_eq!(rate.get(), Some(2_500));
    }
}
