//! What is counted: nothing that arrives may vanish without a number going up.

use std::collections::BTreeMap;

pub(super) use crate::drops::{Direction, Drops};
use crate::endpoint::Count;

/// Why a datagram on the ICE socket was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stray {
    /// No session knows the pair, and it names none.
    Stranger,
    /// It names a session whose password it does not have (RFC 8489 §9.1.3).
    Unauthenticated,
    /// Neither STUN nor DTLS nor anything else known.
    Malformed,
}

impl Stray {
    /// The name in the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed => "malformed",
        }
    }
}

/// Counters of the whole daemon since its start.
#[derive(Debug, Clone, Default)]
pub(super) struct Stats {
    /// Datagrams that came on the ICE sockets.
    pub(super) datagrams_received: Count,
    /// Those of them that nobody took.
    pub(super) strays: BTreeMap<Stray, u64>,
    /// Datagrams that the operating system would not send.
    pub(super) send_failed: Count,
    /// Offers answered.
    pub(super) sessions_created: u64,
    /// Offers refused.
    pub(super) sessions_refused: u64,
    /// Sessions that made room for a newer one of the same claimant.
    pub(super) sessions_displaced: u64,
    /// Sessions lost to a panic: bugs.
    pub(super) sessions_panicked: u64,
    /// Requests by status class (2 for 2xx …).
    pub(super) requests: BTreeMap<u16, u64>,
    /// Connections turned away because there were too many.
    pub(super) connections_refused: u64,
    /// Connections that had shown no right and made room for newer ones.
    pub(super) connections_displaced: u64,
    /// Tokens, tickets and codes that nobody has.
    pub(super) tries_failed: u64,
    /// Drops of channels that have ended; those of open ones are with them.
    pub(super) drops: Drops,
    /// Messages of channels that have ended, from and to their peers.
    pub(super) ended: [Count; 2],
    /// Peers that could not join the hub.
    pub(super) peers_refused: u64,
    /// Signals that made no sense, or that a page did not read.
    pub(super) signals_refused: u64,
    /// Events that a slow reader missed.
    pub(super) events_lost: u64,
}

impl Stats {
    /// Counts a datagram that nobody took.
    pub(super) fn stray(&mut self, kind: Stray) {
        *self.strays.entry(kind).or_default() += 1;
    }
}
