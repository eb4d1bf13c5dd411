//! The one place that reads the clocks.

use std::time::{Instant, SystemTime};

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub(super) fn clock() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub(super) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// Returns the time of day, for the dates in certificates.
pub(super) fn seconds_since_1970() -> u64 {
    let since = time_of_day().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
