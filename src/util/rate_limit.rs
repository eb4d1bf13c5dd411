//! Limits on log lines for repeated faults, so that a stranger cannot fill the disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A limit that lets `burst` events pass per interval and counts the rest.
#[derive(Debug)]
pub(crate) struct RateLimit {
    burst: u32,
    interval: Duration,
    /// The beginning of the current interval, and the numbers of events that passed and were held back in it.
    current: Option<(Instant, u32, u32)>,
}

impl RateLimit {
    /// Returns a limit of `burst` events per `interval`.
    pub(crate) fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            current: None,
        }
    }

    /// Returns `Some` if one more event may pass, with how many were held back before it.
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

/// A [`RateLimit`] for each of many keys; only the most recent keys are remembered.
#[derive(Debug)]
pub(crate) struct RateLimits<K> {
    burst: u32,
    interval: Duration,
    most: usize,
    /// The limits with the time of the last use of each.
    limits: BTreeMap<K, (Instant, RateLimit)>,
}

impl<K: Ord + Clone> RateLimits<K> {
    /// Returns limits of `burst` events per `interval` and key; `most` keys are remembered.
    pub(crate) fn new(burst: u32, interval: Duration, most: usize) -> Self {
        Self {
            burst,
            interval,
            most,
            limits: BTreeMap::new(),
        }
    }

    /// Returns `Some` if one more event of this key may pass, with how many were held back before it.
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
