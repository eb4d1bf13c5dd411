//! The clocks of those that send, as their sender reports tell them (RFC 3550 §6.4.1): when something was captured
//! that several tracks of one sender have to play in step.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::source::is_near;
use crate::ids::{EndpointId, SessionId};

/// Whose clock it is. All tracks of one sender share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ClockOf {
    /// The program that sends to an endpoint.
    Program(EndpointId),
    /// The browser of a session.
    Peer(SessionId),
}

/// The clocks that are known.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// A time of each clock, and when that was here.
    known: HashMap<ClockOf, (u64, Instant)>,
}

impl Clocks {
    /// Returns when a time of a clock was here. `ntp`: seconds in the upper half, fractions in the lower.
    pub(super) fn find(&mut self, of: ClockOf, ntp: u64, now: Instant) -> Instant {
        let clock = self.known.entry(of).or_insert((ntp, now));
        let at = at(*clock, ntp).filter(|at| is_near(*at, now) && *at <= now);
        // A clock that has been set begins anew, and a report that came faster is the better reference.
        at.unwrap_or_else(|| {
            *clock = (ntp, now);
            now
        })
    }

    /// Forgets a clock.
    pub(super) fn remove(&mut self, of: ClockOf) {
        self.known.remove(&of);
    }
}

/// Returns when a time of a clock was here. `known` is another time of that clock, and when that was here.
fn at(known: (u64, Instant), ntp: u64) -> Option<Instant> {
    let micros = |difference: u64| {
        let micros = (u128::from(difference) * 1_000_000) >> 32;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    };
    match ntp.checked_sub(known.0) {
        Some(later) => known.1.checked_add(micros(later)),
        None => known.1.checked_sub(micros(known.0 - ntp)),
    }
}
