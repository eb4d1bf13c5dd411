//! Packets of a browser that do not come. It is asked for them again (RFC 4585 §6.2.1), some times in a fraction of a
//! second; what is still missing then is lost, and only a keyframe helps.

use std::time::{Duration, Instant};

/// How long a packet is asked for: five times, at least 33 ms apart, and a path's round trip.
const ASKED_FOR: Duration = Duration::from_millis(300);
/// The most packets that are remembered. More of them at once are lost anyway.
const REMEMBERED: usize = 64;

/// The packets of one stream that are missing.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    newest: Option<u64>,
    missing: Vec<(u64, Instant)>,
}

impl Gaps {
    /// Forgets everything, because another stream begins.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes a packet. Returns true once for each loss that is final.
    pub(super) fn note(&mut self, now: Instant, sequence: u64) -> bool {
        let newest = self.newest.unwrap_or(sequence);
        if sequence <= newest {
            self.missing.retain(|(missing, _)| *missing != sequence);
        }
        let mut is_lost = false;
        for missing in newest + 1..sequence {
            if self.missing.len() == REMEMBERED {
                is_lost = true;
                break;
            }
            self.missing.push((missing, now));
        }
        self.newest = Some(newest.max(sequence));
        let is_over =
            |(_, since): &(u64, Instant)| now.saturating_duration_since(*since) > ASKED_FOR;
        if is_lost || self.missing.iter().any(is_over) {
            self.missing.clear();
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_not_lost_and_what_does_not_come_is() {
        let (start, mut gaps) = (Instant::now(), Gaps::default());
        let at = |millis| start + Duration::from_millis(millis);
        for (millis, sequence, is_lost) in [
            (0, 100, false),
            (10, 101, false),
            (20, 104, false),
            (30, 103, false),
            (300, 102, false),
            (700, 105, false),
            (710, 107, false),
            (900, 108, false),
            (1_020, 109, true),
            (1_030, 110, false),
            (2_000, 111, false),
        ] {
            assert_eq!(gaps.note(at(millis), sequence), is_lost, "{sequence}");
        }
        assert!(
            gaps.note(at(2_010), 1_000_000),
            "more than can be asked for"
        );
        assert!(!gaps.note(at(3_000), 1_000_001));
        gaps.clear();
        assert!(!gaps.note(at(3_010), 5), "another stream");
    }
}
