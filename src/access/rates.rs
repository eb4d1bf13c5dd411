//! The message rates of tokens: one token bucket for each token, one second deep.

use std::collections::HashMap;
use std::time::Instant;

/// The buckets, by the ids of their tokens.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Rates {
    /// Takes one message from a token's bucket. Returns false if the bucket is empty.
    pub(crate) fn take(&mut self, now: Instant, token: &str, per_second: u32) -> bool {
        let per_second = f64::from(per_second);
        if !self.buckets.contains_key(token) {
            let full = Bucket {
                per_second,
                left: per_second,
                at: now,
            };
            self.buckets.insert(token.to_owned(), full);
        }
        let Some(bucket) = self.buckets.get_mut(token) else {
            return true;
        };
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let most = bucket.per_second.max(1.0);
        bucket.left = (bucket.left + passed * bucket.per_second).min(most);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }

    /// Forgets the bucket of a token that was revoked.
    pub(crate) fn forget(&mut self, token: &str) {
        self.buckets.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_token_has_its_own_bucket_which_fills_again() {
        let now = Instant::now();
        let mut rates = Rates::default();
        let taken =
            |rates: &mut Rates, at, token| (0..10).filter(|_| rates.take(at, token, 4)).count();
        assert_eq!(taken(&mut rates, now, "a"), 4);
        assert_eq!(taken(&mut rates, now, "b"), 4);
        assert_eq!(taken(&mut rates, now + Duration::from_millis(500), "a"), 2);
        assert_eq!(
            taken(&mut rates, now + Duration::from_secs(60), "a"),
            4,
            "a second deep"
        );
        rates.forget("b");
        assert_eq!(taken(&mut rates, now, "b"), 4);
    }
}
