//! `[limits]`: the limits that an operator may change.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::{Document, Section};
use crate::limits::Limits;

/// Reads the section into the limits set so far.
pub(super) fn read<'a>(mut section: Section<'a>, document: &mut Document<'a>, limits: &mut Limits) {
    let mut number = |key: &str, range: RangeInclusive<i64>, place: &mut usize| {
        let given = section.integer(key, range, document);
        *place = given
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(*place);
    };
    number("sessions", 1..=1_000, &mut limits.sessions);
    number("peers", 1..=10_000, &mut limits.peers);
    number("connections", 16..=10_000, &mut limits.connections);
    number("viewers", 1..=10_000, &mut limits.viewers);
    let channels = &mut limits.channels_per_session;
    number("channels_per_session", 1..=1_000, channels);
    // Three quarters of the queue may be ungranted at a time, and the largest message must still fit.
    number("route_queue", 131_072..=16_777_216, &mut limits.route_queue);
    let mut seconds = |key: &str, place: &mut Duration| {
        let given = section.integer(key, 1..=3_600, document);
        let given = given.and_then(|n| u64::try_from(n).ok());
        *place = given.map_or(*place, Duration::from_secs);
    };
    seconds("connect_timeout_s", &mut limits.connect_timeout);
    seconds("disconnected_timeout_s", &mut limits.disconnected_timeout);
    section.finish(document);
}
