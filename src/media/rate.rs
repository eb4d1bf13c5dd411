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
            self.last = Some(over(self.bits, passed));
            (self.since, self.bits) = (Some(now), 0);
        }
        self.bits += 8 * bytes as u64;
    }

    /// Returns the bit rate of the last window in bit/s.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Returns the bit rate in bit/s, once it is known: that of the last window, or of the present one once that is long
    /// enough.
    pub(super) fn get(&self, now: Instant) -> Option<u64> {
        let since = self.since?;
        let passed = now.saturating_duration_since(since);
        match passed >= WINDOW {
            true => Some(over(self.bits, passed)),
            false => self.last,
        }
    }
}

fn over(bits: u64, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bits.saturating_mul(1_000) / millis
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
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(rate.get(at(999)), None, "a second is not over");
        assert_eq!(rate.get(at(1_000)), Some(1_000_000));
        rate.add(at(1_000), 1_250);
        assert_eq!(rate.get(at(1_500)), Some(1_000_000), "of the last window");
        assert_eq!(rate.get(at(3_000)), Some(5_000), "silence counts");
    }
}
