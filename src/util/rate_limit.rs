//! Few log lines for many faults of the same kind: a stranger must not fill the disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lets `burst` things pass per interval and counts the rest.
#[derive(Debug)]
pub(crate) struct RateLimit {
    burst: u32,
    interval: Duration,
    /// When the current interval began, and what has passed and been held back in it.
    current: Option<(Instant, u32, u32)>,
}

impl RateLimit {
    /// At most `burst` per `interval`.
    pub(crate) fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            current: None,
        }
    }

    /// Whether one more may pass: `Some` with how many were held back before it.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u32> {
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

/// A [`RateLimit`] for each of many keys, the most recent of which are remembered.
#[derive(Debug)]
pub(crate) struct RateLimits<K> {
    burst: u32,
    interval: Duration,
    most: usize,
    /// With when each was last asked for.
    limits: BTreeMap<K, (Instant, RateLimit)>,
}

impl<K: Ord + Clone> RateLimits<K> {
    /// At most `burst` per `interval` and key; `most` keys are remembered.
    pub(crate) fn new(burst: u32, interval: Duration, most: usize) -> Self {
        Self {
            burst,
            interval,
            most,
            limits: BTreeMap::new(),
        }
    }

    /// Whether one more of this key may pass: `Some` with how many were held back before it.
    pub(crate) fn pass(&mut self, now: Instant, key: &K) -> Option<u32> {
        if let Some((seen, limit)) = self.limits.get_mut(key) {
            *seen = now;
            return limit.pass(now);
        }
        if self.limits.len() >= self.most {
            let oldest = self.limits.iter().min_by_key(|(_, (seen, _))| *seen);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.limits.remove(&oldest);
            }
        }
        let mut limit = RateLimit::new(self.burst, self.interval);
        let passed = limit.pass(now);
        self.limits.insert(key.clone(), (now, limit));
        passed
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

    #[test]
    fn each_key_has_a_limit_of_its_own_and_few_are_remembered() {
        let mut limits = RateLimits::new(1, Duration::from_secs(10), 2);
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(limits.pass(now, &"a"), Some(0));
        assert_eq!(limits.pass(later(1), &"a"), None);
        assert_eq!(limits.pass(later(2), &"b"), Some(0));
        assert_eq!(limits.pass(later(3), &"c"), Some(0), "a is forgotten");
        assert_eq!(limits.pass(later(4), &"b"), None);
        assert_eq!(limits.limits.len(), 2);
    }
}
