//! One ordered set of deadlines for everything that has one.

use std::collections::BTreeSet;
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::ids::{EndpointId, LinkId, PageId, PeerId, RouteId, SessionId, SourceId};

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKey {
    /// str0m's, or a time-out of ours.
    Session(SessionId),
    /// A retry, or a device that ticks.
    Endpoint(EndpointId),
    /// News of leases that were held back.
    Lease(SessionId),
    /// The end of the time in which a session may keep a lease from another.
    Asked(EndpointId),
    /// The end of a writer's silence.
    Deadman(EndpointId),
    /// Another try at a capture file.
    Capture(EndpointId),
    /// The end of a connection whose channel has gone.
    Dispose(EndpointId),
    /// A script at its line.
    Line(EndpointId),
    /// An HTTP or WebSocket connection's.
    Source(SourceId),
    /// The end of a closed channel's messages.
    Linger(RouteId),
    /// Reports of dropped messages that were held back.
    Reports,
    /// The comment that keeps event streams open.
    KeepAlive,
    /// A look at which ports there are, after device files have come or gone.
    Ports,
    /// Answers to who guesses tokens.
    Delayed,
    /// A look at the files of the TLS certificate.
    Tls,
    /// Another try at the network's listener.
    Lan,
    /// Another try at a listener of the configuration.
    Listener(SourceId),
    /// The end of a token's time.
    Expiry,
    /// What is known of tokens could not be stored.
    Store,
    /// An association is to be closed whose peer was told why.
    Farewell,
    /// Signals to peers that are not there.
    Hub,
    /// A content port that no peer uses is to be closed.
    ContentPorts,
    /// A peer that has to say something now and then.
    Peer(PeerId),
    /// A peer of the REST API, by its token.
    RestPeer(u64),
    /// A link that waits for its peer, or is to be forgotten.
    Link(LinkId),
    /// A client of Socket.IO.
    Page(PageId),
    /// A request that waits for an event.
    Poll(SourceId),
    /// Datagrams between sessions of this process.
    Internal,
    /// The end of the draining.
    Drain,
}

/// At most one deadline per key. With a few hundred of them an ordered set is quick enough.
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Instant, TimerKey)>,
    /// Several times for each message. The keys are ours: nobody can make them collide.
    deadlines: FxHashMap<TimerKey, Instant>,
}

impl Timers {
    /// Sets, moves or (with `None`) removes a key's deadline.
    pub(super) fn set(&mut self, key: TimerKey, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.deadlines.insert(key, at),
            None => self.deadlines.remove(&key),
        };
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.order.remove(&(at, key));
        }
        if let Some(at) = deadline {
            self.order.insert((at, key));
        }
    }

    /// Whether a key has a deadline.
    pub(super) fn is_set(&self, key: TimerKey) -> bool {
        self.deadlines.contains_key(&key)
    }

    /// The next deadline of all.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out one key whose deadline has passed.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<TimerKey> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.order.pop_first();
        self.deadlines.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_key_has_one_deadline_and_they_come_in_order() {
        let now = Instant::now();
        let at = |ms| Some(now + Duration::from_millis(ms));
        let mut timers = Timers::default();
        timers.set(TimerKey::Drain, at(30));
        timers.set(TimerKey::KeepAlive, at(20));
        timers.set(TimerKey::Drain, at(10));
        timers.set(TimerKey::Reports, at(5));
        timers.set(TimerKey::Reports, None);
        assert_eq!(timers.next(), at(10));
        assert_eq!(timers.pop_expired(now), None);
        let later = now + Duration::from_millis(25);
        assert_eq!(timers.pop_expired(later), Some(TimerKey::Drain));
        assert_eq!(timers.pop_expired(later), Some(TimerKey::KeepAlive));
        assert_eq!(timers.pop_expired(later), None);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_set(TimerKey::Drain));
    }
}
