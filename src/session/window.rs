//! The limit of a session's bytes in flight: enough for the path, and no more. The SCTP library looks at all
//! bytes in flight for every packet, so more than the path holds costs processor time without any gain.

use std::time::{Duration, Instant};

use crate::limits;

/// The bytes in flight, and their limit.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    /// An upper estimate of the bytes in flight. Acknowledged bytes are subtracted only when needed.
    estimate: usize,
    /// Since when a writer waits for half of the window to be acknowledged.
    waiting: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            size: limits::SEND_WINDOW,
            estimate: 0,
            waiting: None,
        }
    }

    /// Returns whether a message may be sent. `in_flight` is called only in case of doubt. A message longer
    /// than the window is sent when half of the window is free, like every other message that had to wait.
    pub(super) fn has_room(&mut self, len: usize, in_flight: impl FnOnce() -> usize) -> bool {
        if self.estimate + len > self.size {
            self.estimate = in_flight();
        }
        self.estimate + len <= self.size || self.is_low(self.estimate)
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.estimate += len;
    }

    /// Returns whether a writer that had to wait may go on. The length of the wait is about one round trip.
    pub(super) fn may_go_on(&mut self, now: Instant, in_flight: usize) -> bool {
        let since = *self.waiting.get_or_insert(now);
        if !self.is_low(in_flight) {
            return false;
        }
        self.waiting = None;
        self.follow(now.saturating_duration_since(since));
        true
    }

    fn is_low(&self, in_flight: usize) -> bool {
        in_flight <= self.size / 2
    }

    /// Sets the window to the amount that a round trip holds at [`limits::SEND_RATE`].
    fn follow(&mut self, round_trip: Duration) {
        let micros = usize::try_from(round_trip.as_micros()).unwrap_or(usize::MAX);
        let holds = micros.saturating_mul(limits::SEND_RATE / 1_000_000);
        self.size = holds.clamp(limits::SEND_WINDOW_MIN, limits::SEND_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_round_trip() {
        let mut window = Window::new();
        let now = Instant::now();
        let sizes = [0, 1, 5, 50, 1_000].map(|millis| {
            assert!(!window.may_go_on(now, window.size));
            assert!(window.may_go_on(now + Duration::from_millis(millis), window.size / 2));
            window.size
        });
        assert!(sizes.is_sorted());
        assert_eq!(
            (sizes[0], sizes[4]),
            (limits::SEND_WINDOW_MIN, limits::SEND_LIMIT)
        );
    }

    #[test]
    fn it_asks_only_when_in_doubt_and_lets_a_long_message_through() {
        let mut window = Window::new();
        let size = window.size;
        let never = || panic!("there is room");
        while window.estimate + 1_000 <= size {
            assert!(window.has_room(1_000, never));
            window.sent(1_000);
        }
        assert!(!window.has_room(1_000, || size - 500), "it is full");
        assert!(window.has_room(1_000, || 3_000), "much was acknowledged");
        window.sent(1_000);
        assert_eq!(window.estimate, 4_000);
        assert!(window.has_room(2 * size, || size / 2), "half of it is free");
        assert!(!window.has_room(2 * size, || size / 2 + 1));
    }
}
