//! The check that the other side is alive: in revision 4 the server pings, in revision 3 the client.

use std::time::{Duration, Instant};

use super::{Revision, Settings};

/// The clock of one session.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// The server pings.
    Asking {
        interval: Duration,
        timeout: Duration,
        /// The time of the next ping.
        next: Instant,
        /// The deadline for any packet after a ping; `None` if no ping is unanswered.
        expires: Option<Instant>,
    },
    /// The client pings.
    Listening {
        /// How long the client may be silent.
        patience: Duration,
        expires: Instant,
    },
}

/// The action after a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    pub(super) fn new(now: Instant, revision: Revision, settings: &Settings) -> Self {
        let (interval, timeout) = (settings.ping_interval, settings.ping_timeout);
        match revision {
            Revision::Three => Self::Listening {
                patience: interval + timeout,
                expires: now + interval + timeout,
            },
            Revision::Four => Self::Asking {
                interval,
                timeout,
                next: now + interval,
                expires: None,
            },
        }
    }

    /// Notes a packet, because any packet shows that the client is alive. The time of the next ping does not
    /// change, because a client expects it a fixed time after the last one, whatever the client has sent
    /// meanwhile.
    pub(super) fn heard(&mut self, now: Instant) {
        match self {
            Self::Asking { expires, .. } => *expires = None,
            Self::Listening { patience, expires } => *expires = now + *patience,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        match self {
            Self::Asking { next, expires, .. } => expires.unwrap_or(*next),
            Self::Listening { expires, .. } => *expires,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Beat {
        if now < self.poll_timeout() {
            return Beat::Nothing;
        }
        match self {
            Self::Listening { .. }
            | Self::Asking {
                expires: Some(_), ..
            } => Beat::Dead,
            Self::Asking {
                interval,
                timeout,
                next,
                expires,
            } => {
                *next = now + *interval;
                *expires = Some(now + *timeout);
                Beat::Ping
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn revision_four_pings_and_wants_an_answer() {
        let start = Instant::now();
        let settings = Settings::new();
        let mut heartbeat = Heartbeat::new(start, Revision::Four, &settings);
        assert_eq!(heartbeat.poll_timeout(), start + 25 * SECOND);
        assert_eq!(heartbeat.handle_timeout(start + 24 * SECOND), Beat::Nothing);
        assert_eq!(heartbeat.handle_timeout(start + 25 * SECOND), Beat::Ping);
        heartbeat.heard(start + 40 * SECOND);
        assert_eq!(heartbeat.poll_timeout(), start + 50 * SECOND);
        assert_eq!(heartbeat.handle_timeout(start + 50 * SECOND), Beat::Ping);
        assert_eq!(heartbeat.handle_timeout(start + 69 * SECOND), Beat::Nothing);
        assert_eq!(heartbeat.handle_timeout(start + 70 * SECOND), Beat::Dead);
    }

    #[test]
    fn revision_three_listens() {
        let start = Instant::now();
        let settings = Settings::new();
        let mut heartbeat = Heartbeat::new(start, Revision::Three, &settings);
        assert_eq!(heartbeat.handle_timeout(start + 44 * SECOND), Beat::Nothing);
        heartbeat.heard(start + 44 * SECOND);
        assert_eq!(heartbeat.handle_timeout(start + 88 * SECOND), Beat::Nothing);
        assert_eq!(heartbeat.handle_timeout(start + 89 * SECOND), Beat::Dead);
    }
}
