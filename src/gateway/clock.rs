//! The time of day, which comes with inputs.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::access;

/// The time of day that was passed in last.
pub(super) struct Clock {
    /// When the daemon started.
    pub(super) started: Instant,
    /// The time since 1970.
    pub(super) time: Duration,
    read_at: Instant,
}

impl Clock {
    /// Returns a clock that has not been read yet.
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            time: Duration::ZERO,
            read_at: started,
        }
    }

    /// Takes a new time of day. If the clock of this machine has been set for the first time since the start, returns
    /// by how much.
    pub(super) fn read(&mut self, now: Instant, time: SystemTime) -> Option<Duration> {
        let (before, read_at) = (self.time, self.read_at);
        self.time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.read_at = now;
        let was_set = before.is_zero() || access::is_clock_set(before.as_secs());
        if was_set || !access::is_clock_set(self.time.as_secs()) {
            return None;
        }
        let expected = before + now.saturating_duration_since(read_at);
        Some(self.time.saturating_sub(expected))
    }
}
