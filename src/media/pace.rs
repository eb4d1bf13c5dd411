//! How fast a viewer gets pictures that it cannot take in full.
//!
//! Its browser says by REMB how many bits a second it believes to get through (draft-alvestrand-rmcat-remb). A
//! browser reports more than it receives while the path is free, and less when packets begin to queue. So a report
//! below what was sent says that the path is too narrow, unless the reports grow: after a source has begun to send
//! more they follow it slowly. The pace stays below what is reported, because what queues in front of a narrow link
//! delays commands as well.

use std::time::{Duration, Instant};

/// How many reports in a row must say that the path is too narrow.
const SIGNS: u8 = 2;
/// How many reports may be too low because they follow a source that has begun to send more.
const EXCUSES: u8 = 20;
/// The loss that is no longer that of a good path.
const BAD_LOSS: f32 = 0.1;
/// The share of the reported rate that is used, in percent: the rest is for commands, headers, and errors.
const SHARE: u64 = 60;
/// The slowest pace, in bit/s. Below it a picture takes minutes.
const LEAST: u64 = 20_000;
/// How long after a change reports are still about the time before it.
const LAG: Duration = Duration::from_secs(3);
/// When a faster pace is tried, and the longest time between two tries. A failed try doubles the time.
const FIRST_TRY: Duration = Duration::from_secs(5);
const LONGEST_TRY: Duration = Duration::from_secs(120);

/// What a report has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// The viewer cannot take everything, from now on.
    Slow,
    /// The viewer can take everything again.
    Fast,
}

/// The limit of a viewer that is too slow.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// In bit/s.
    rate: u64,
    /// How many bits may go out now, and when that was calculated. A packet may be sent while this is positive.
    bits: i64,
    at: Instant,
    changed: Instant,
    next_try: Instant,
}

/// Whether a viewer gets everything, or how fast it gets what it can take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    signs: u8,
    /// How many reports were below what was sent, and grew.
    excuses: u8,
    /// The last report, in bit/s.
    reported: Option<u64>,
    limit: Option<Limit>,
    try_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            signs: 0,
            excuses: 0,
            reported: None,
            limit: None,
            try_after: FIRST_TRY,
        }
    }
}

impl Pace {
    /// Returns the bit rate to which the viewer is limited.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit.rate)
    }

    /// Takes the browser's estimate. `offered` is the bit rate of the stream, `sent` what the viewer got of it.
    pub(super) fn handle_estimate(
        &mut self,
        now: Instant,
        estimate: u64,
        offered: Option<u64>,
        sent: Option<u64>,
    ) -> Verdict {
        let before = self.reported.replace(estimate);
        let grows = before.is_some_and(|before| estimate > before.saturating_mul(102) / 100);
        let (Some(offered), Some(sent)) = (offered, sent) else {
            return Verdict::Same;
        };
        if estimate < sent.min(offered).saturating_mul(90) / 100 {
            self.excuses = self.excuses.saturating_add(u8::from(grows));
            if grows && self.excuses <= EXCUSES {
                return Verdict::Same;
            }
            return self.handle_sign(now, estimate.saturating_mul(SHARE) / 100);
        }
        (self.signs, self.excuses) = (0, 0);
        let Some(limit) = &mut self.limit else {
            return Verdict::Same;
        };
        if now < limit.next_try {
            return Verdict::Same;
        }
        (limit.rate, limit.changed) = (limit.rate.saturating_mul(125) / 100, now);
        limit.next_try = now + self.try_after;
        // A little more than the stream has, because its keyframes are larger than its average.
        if limit.rate > offered.saturating_mul(120) / 100 {
            self.limit = None;
            return Verdict::Fast;
        }
        Verdict::Same
    }

    /// Takes the browser's report of the packets that it has lost, from 0 to 1.
    pub(super) fn handle_loss(&mut self, now: Instant, loss: f32, sent: Option<u64>) -> Verdict {
        match sent {
            Some(sent) if loss > BAD_LOSS => {
                self.handle_sign(now, sent.saturating_mul(SHARE) / 100)
            }
            Some(_) | None => Verdict::Same,
        }
    }

    fn handle_sign(&mut self, now: Instant, rate: u64) -> Verdict {
        let rate = rate.max(LEAST);
        if let Some(limit) = &mut self.limit {
            if now.saturating_duration_since(limit.changed) < LAG {
                return Verdict::Same;
            }
            if rate < limit.rate {
                (limit.rate, limit.changed) = (rate, now);
                self.try_after = (self.try_after * 2).min(LONGEST_TRY);
            }
            limit.next_try = now + self.try_after;
            return Verdict::Same;
        }
        self.signs += 1;
        if self.signs < SIGNS {
            return Verdict::Same;
        }
        self.signs = 0;
        self.limit = Some(Limit {
            rate,
            bits: 0,
            at: now,
            changed: now,
            next_try: now + self.try_after,
        });
        Verdict::Slow
    }

    /// Returns when the next packet may go out. `None`: now.
    pub(super) fn next_at(&mut self, now: Instant) -> Option<Instant> {
        let limit = self.limit.as_mut()?;
        let micros = now.saturating_duration_since(limit.at).as_micros();
        let earned = u128::from(limit.rate) * micros / 1_000_000;
        // Nothing is saved up for a burst.
        limit.bits = (limit.bits + i64::try_from(earned).unwrap_or(i64::MAX / 2)).min(0);
        limit.at = now;
        if limit.bits == 0 {
            return None;
        }
        let missing = u128::from(limit.bits.unsigned_abs());
        let micros = missing * 1_000_000 / u128::from(limit.rate.max(1)) + 1;
        Some(now + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    /// Counts a packet that went out.
    pub(super) fn spend(&mut self, bytes: usize) {
        if let Some(limit) = &mut self.limit {
            limit.bits -= 8 * i64::try_from(bytes).unwrap_or(i64::MAX / 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Option<u64> = Some(1_000_000);

    fn slow(start: Instant) -> Pace {
        let mut pace = Pace::default();
        let first = pace.handle_estimate(start, 150_000, STREAM, STREAM);
        assert_eq!(
            (first, pace.limit()),
            (Verdict::Same, None),
            "one sign is chance"
        );
        let second = pace.handle_estimate(start, 150_000, STREAM, STREAM);
        assert_eq!((second, pace.limit()), (Verdict::Slow, Some(90_000)));
        pace
    }

    #[test]
    fn a_viewer_that_reports_more_than_it_gets_is_not_slow() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for estimate in [950_000, 2_000_000, 1_000_000, 901_000] {
            let verdict = pace.handle_estimate(start, estimate, STREAM, STREAM);
            assert_eq!((verdict, pace.limit()), (Verdict::Same, None));
        }
        // Between two signs the path was good.
        for estimate in [800_000, 1_000_000, 800_000, 1_000_000] {
            pace.handle_estimate(start, estimate, STREAM, STREAM);
        }
        assert_eq!(pace.limit(), None);
        // The source has begun to send more, and the reports follow.
        let (more, mut estimate) = (Some(4_000_000), 1_500_000);
        while estimate < 3_600_000 {
            pace.handle_estimate(start, estimate, more, more);
            assert_eq!(pace.limit(), None, "{estimate}");
            estimate = estimate * 108 / 100;
        }
        // Nothing is known yet.
        for _ in 0..9 {
            pace.handle_estimate(start, 100_000, None, None);
        }
        assert_eq!(pace.limit(), None);
    }

    #[test]
    fn reports_that_only_grow_are_believed_for_a_while() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let mut estimate = 10_000;
        for _ in 0..30 {
            pace.handle_estimate(start, estimate, STREAM, STREAM);
            estimate = estimate * 1_025 / 1_000 + 1;
        }
        assert!(pace.limit().is_some(), "it would hold everybody down");
    }

    #[test]
    fn what_goes_out_keeps_the_pace() {
        let start = Instant::now();
        let mut pace = slow(start);
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(10) {
            match pace.next_at(now) {
                Some(at) => now = at,
                None => {
                    pace.spend(1_200);
                    sent += 1_200 * 8;
                }
            }
        }
        assert!((890_000..=920_000).contains(&sent), "{sent} bits in 10 s");
    }

    #[test]
    fn a_try_that_fails_is_repeated_later() {
        let start = Instant::now();
        let mut pace = slow(start);
        let mut now = start;
        let mut failures = Vec::new();
        while failures.len() < 4 {
            now += Duration::from_secs(1);
            let sent = pace.limit();
            // The path takes 100,000 bit/s.
            let is_full = sent > Some(100_000);
            let estimate = if is_full { 85_000 } else { 140_000 };
            pace.handle_estimate(now, estimate, STREAM, sent);
            if is_full && pace.limit() < sent {
                failures.push((now - start).as_secs());
            }
        }
        let waits: Vec<u64> = failures.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits[1] > waits[0] && waits[2] > waits[1], "{waits:?}");
    }

    #[test]
    fn a_path_that_gets_better_takes_everything_again() {
        let start = Instant::now();
        let mut pace = slow(start);
        let mut now = start;
        let mut verdict = Verdict::Same;
        for _ in 0..1_000 {
            now += Duration::from_secs(1);
            let sent = pace.limit();
            verdict = pace.handle_estimate(now, sent.unwrap_or(0) * 3 / 2, STREAM, sent);
            if verdict != Verdict::Same {
                break;
            }
        }
        assert_eq!((verdict, pace.limit()), (Verdict::Fast, None));
        assert!(now - start < Duration::from_secs(90), "{:?}", now - start);
    }

    #[test]
    fn loss_is_a_sign_as_well() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.handle_loss(start, 0.05, STREAM), Verdict::Same);
        assert_eq!(pace.handle_loss(start, 0.3, STREAM), Verdict::Same);
        assert_eq!(pace.handle_loss(start, 0.3, STREAM), Verdict::Slow);
        assert_eq!(pace.limit(), Some(600_000));
    }
}
