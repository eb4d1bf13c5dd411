//! Few log lines for many faults of the same kind: a stranger must not fill the disk.

use std::time::{Duration, Instant};

/// Lets `burst` things pass per interval and counts the rest.
#[derive(Debug)]
pub struct RateLimit {
    burst: u32,
    interval: Duration,
    /// When the current interval began, and what has passed and been held back in it.
    current: Option<(Instant, u32, u32)>,
}

impl RateLimit {
    /// At most `burst` per `interval`.
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            current: None,
        }
    }

    /// Whether one more may pass: `Some` with how many were held back before it.
    pub fn pass(&mut self, now: Instant) -> Option<u32> {
        match &mut self.current {
            Some((since, passed, held)) if now < *since + self.interval => {
                if *passed < self.burst {
                    *passed += 1;
                    return Some(0);
                }
                *held += 1;
                None
            }
            current => {
                let held = current.map_or(0, |(_, _, held)| held);
                *current = Some((now, 1, 0));
                Some(held)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_counted() {
        let mut limit = RateLimit::new(2, Duration::from_secs(10));
        let now = Instant::now();
        let passed: Vec<_> = (0..5).map(|_| limit.pass(now)).collect();
        assert_eq!(passed, [Some(0), Some(0), None, None, None]);
        assert_eq!(limit.pass(now + Duration::from_secs(10)), Some(3));
        assert_eq!(limit.pass(now + Duration::from_secs(11)), Some(0));
    }
}
