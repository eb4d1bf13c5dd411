//! All sessions: the owner of each, the session of each datagram, and the news of each.
//!
//! str0m panics when it meets an unexpected state. Every call into str0m goes through [`Sessions::with`] or a
//! [`turn::Writer`], which catch that, so a panic ends its session and nothing else.

mod begin;
mod channels;
mod demux;
mod ending;
mod guarded;
mod lines;
mod news;
mod reoffer;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::control::Reply;
use super::crypto::Identity;
use super::event::{ConnectionState, Handled};
use super::sdp::{self, SdpError};
use super::{Session, by_stun_ufrag};
use crate::access::UnixTime;
use crate::access::places::Claimant;
use crate::access::scope::{Grant, Scope};
use crate::channel::ChannelKey;
use crate::endpoint::Count;
use crate::ids::{LinkId, SessionId, SessionKind};
use crate::limits::{self, Limits};
use crate::sources::Context;
use crate::transceiver::{MediaEvent, TransceiverKey};
use crate::util::rate_limit::RateLimits;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
pub(crate) use begin::{Begin, BeginError, Begun, Candidates, Description};
pub(crate) use channels::{ClosedChannel, Ending};
use demux::Demux;
pub(crate) use ending::{Bye, Ended};
pub(crate) use reoffer::ReofferError;

/// The maker of a session, which is also told of the session's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionOwner {
    /// A request of our own API.
    Api,
    /// A connection between peers of the hub.
    Link(LinkId),
}

impl SessionOwner {
    /// Returns whether the places of the hub's sessions are meant for the owner's sessions.
    pub(crate) fn is_of_hub(self) -> bool {
        match self {
            Self::Api => false,
            Self::Link(_) => true,
        }
    }
}

/// News of a session for the owner of all sessions.
#[derive(Debug)]
pub(crate) enum SessionNews {
    /// The connection state has changed.
    State(ConnectionState),
    /// A channel opened. The owner must bind or refuse it.
    ChannelOpen(ChannelKey),
    /// A channel was closed, by either side. The owner must remove it.
    ChannelClosed(ChannelKey),
    /// A message of the peer.
    Message {
        channel: ChannelKey,
        binary: bool,
        data: Vec<u8>,
    },
    /// A message of this many bytes was dropped, because its channel no longer exists.
    Unbound(usize),
    /// The peer says something about a section with a track.
    Media(TransceiverKey, MediaEvent),
}

/// The purpose of a deadline of this component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    /// str0m's deadline, or a time-out of the session itself.
    Session(SessionId),
    /// The next close of an association whose peer was told why.
    Farewell,
    /// The next exchange of datagrams between sessions of this process.
    Internal,
}

/// A session with everything that is known about it.
struct SessionEntry {
    session: Session,
    /// The rights with which the session acts, and its token.
    grant: Grant,
    /// The claimant in whose share the session counts.
    claimant: Claimant,
    owner: SessionOwner,
    /// The address that the session's offer came from.
    remote: Option<IpAddr>,
    /// When the session's offer arrived.
    created: UnixTime,
    /// Whether the session is already on the list of touched sessions.
    touched: bool,
    /// The channels that ended last.
    closed: VecDeque<ClosedChannel>,
    /// How many more lines about the session's channels may be logged at the level `info`; further lines are
    /// for debugging only.
    log_lines: u32,
    /// Whether the peer is another session of this process. If so, the session counts as connected from the
    /// start.
    is_within: bool,
    /// Whether all log lines of the session are for debugging only, because its claimant has made too many
    /// sessions.
    is_quiet: bool,
    /// Why the session is displaced by a newer one.
    displaced: Option<&'static str>,
}

/// Why no session accepted a datagram on the ICE socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stray {
    /// No session knows the pair of addresses, and the datagram names no session.
    Stranger,
    /// The datagram names a session whose password it does not have (RFC 8489 §9.1.3).
    Unauthenticated,
    /// The datagram is neither STUN nor DTLS nor anything else known.
    Malformed,
}

impl Stray {
    /// Returns the name in the metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed => "malformed",
        }
    }
}

/// Counters of this component.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionStats {
    /// Datagrams that the ICE sockets received.
    pub(crate) datagrams_received: Count,
    /// Received datagrams that no session accepted, by reason.
    pub(crate) strays: std::collections::BTreeMap<Stray, u64>,
    pub(crate) created: u64,
    pub(crate) refused: u64,
    /// Sessions that were displaced by a newer session of the same claimant.
    pub(crate) displaced: u64,
    /// Sessions that ended in a panic, which is a bug.
    pub(crate) panicked: u64,
}

/// All sessions.
pub(crate) struct Sessions {
    entries: Slab<SessionKind, SessionEntry>,
    /// Sessions by their names in the API.
    names: HashMap<String, SessionId>,
    demux: Demux,
    timers: Timers<TimerKey>,
    /// Sessions that had input or may be written to.
    touched: VecDeque<SessionId>,
    ended: VecDeque<Ended>,
    /// Sessions that have ended but whose associations are still open, each with the time and the reason of
    /// its close.
    farewells: VecDeque<(Instant, &'static str, Session)>,
    identity: Identity,
    limits: Limits,
    random: StdRng,
    /// Limits the log lines about sessions, for each claimant.
    lives: RateLimits<String>,
    started: Instant,
    /// How many sessions within this process have been made so far.
    internal: u32,
    is_draining: bool,
    /// Whether the timer for datagrams between sessions of this process is set.
    has_internal_mail: bool,
    stats: SessionStats,
}

impl Sessions {
    /// Returns a component without sessions. `identity` is the DTLS certificate of all sessions; `seed` is
    /// for names that cannot be guessed.
    pub(crate) fn new(now: Instant, identity: Identity, limits: Limits, seed: [u8; 32]) -> Self {
        Self {
            entries: Slab::new(),
            names: HashMap::new(),
            demux: Demux::default(),
            timers: Timers::default(),
            touched: VecDeque::with_capacity(16),
            ended: VecDeque::new(),
            farewells: VecDeque::new(),
            identity,
            limits,
            random: StdRng::from_seed(seed),
            lives: RateLimits::new(
                limits::LOGGED_LIVES,
                limits::LOG_INTERVAL,
                limits::LOGGED_NAMES,
            ),
            started: now,
            internal: 0,
            is_draining: false,
            has_internal_mail: false,
            stats: SessionStats::default(),
        }
    }

    /// Applies the limits of a new configuration. Existing sessions keep theirs.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    // ---- input ----

    /// Passes a datagram to its session, and returns that session.
    pub(crate) fn handle_datagram(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<SessionId> {
        let count = Count::one(datagram.len());
        self.stats.datagrams_received.add(count);
        let by_pair = self.demux.by_pair(local, remote);
        // A request names its session, even if another session had the pair before, because a restarted peer
        // may use the same port. Every other datagram is identified only by its pair.
        let by_name = by_stun_ufrag(datagram, |ufrag| Some(self.demux.by_ufrag(ufrag)));
        let Some(id) = by_name.unwrap_or(by_pair) else {
            self.count_stray(Stray::Stranger);
            return None;
        };
        let (known, now) = (by_pair == Some(id), cx.now);
        let handled = self.with(cx, id, |session, transmits| {
            session.handle_datagram(now, local, remote, known, datagram, transmits)
        });
        match handled? {
            Handled::Taken => {
                self.touch(id);
                return Some(id);
            }
            Handled::NotOurs => self.count_stray(Stray::Unauthenticated),
            Handled::Malformed => self.count_stray(Stray::Malformed),
        }
        None
    }

    fn count_stray(&mut self, kind: Stray) {
        *self.stats.strays.entry(kind).or_default() += 1;
    }

    /// Handles passed deadlines until one belongs to a session, and returns that session.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) -> Option<SessionId> {
        while let Some(key) = self.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Session(id) => {
                    let now = cx.now;
                    self.with(cx, id, |session, transmits| {
                        session.handle_timeout(now, transmits);
                    });
                    self.touch(id);
                    return Some(id);
                }
                TimerKey::Farewell => self.close_after_farewell(cx),
                TimerKey::Internal => {}
            }
        }
        None
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Sets whether sessions of this process still have datagrams for each other that this turn had no time
    /// for.
    pub(crate) fn set_internal_mail(&mut self, cx: &Context<'_>, waits: bool) {
        // Every turn says that there is none, so the timer is touched only when that changes.
        if waits || std::mem::take(&mut self.has_internal_mail) {
            self.has_internal_mail = waits;
            self.timers.set(TimerKey::Internal, waits.then_some(cx.now));
        }
    }

    /// Passes a session the answer to its offer.
    pub(crate) fn accept_answer(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        answer: &str,
    ) -> Option<Result<(), SdpError>> {
        let accepted = self.with(cx, id, |session, _| {
            sdp::check_answer(answer).and_then(|checked| session.accept_answer(&checked))
        });
        self.touch(id);
        accepted
    }

    /// Adds candidates that the peer has trickled, each with its line in the request.
    pub(crate) fn add_candidates<'a>(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        mut candidates: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), SdpError> {
        let added = self.with(cx, id, |session, _| {
            candidates.try_for_each(|(line, text)| session.add_remote_candidate(line, text))
        });
        self.touch(id);
        added.unwrap_or(Ok(()))
    }

    /// Gives a session candidates of a peer of the hub. A candidate that is not understood is only logged, because
    /// others may do.
    pub(crate) fn try_candidates(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        candidates: &[String],
    ) {
        for candidate in candidates {
            let one = std::iter::once((1, candidate.as_str()));
            if let Err(error) = self.add_candidates(cx, id, one) {
                let detail = error.detail;
                log::debug!("a candidate of a peer is not understood: {detail}");
            }
        }
    }

    /// Panics inside a session, for the self-test.
    pub(crate) fn panic_in(&mut self, cx: &mut Context<'_>, id: SessionId) {
        self.with(cx, id, |_, _| panic!("the self-test asked for it"));
    }

    // ---- output ----

    /// Removes and returns the next session that has ended.
    pub(crate) fn poll_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// Returns whether [`Self::poll_ended`] has a session.
    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Returns whether [`Self::poll_touched`] has a session.
    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Removes and returns the next session that had input or may be written to.
    pub(crate) fn poll_touched(&mut self) -> Option<SessionId> {
        self.touched.pop_front()
    }

    // ---- the control channel ----

    /// Queues a message on a session's control channel, if the session has one.
    #[inline(never)]
    pub(crate) fn tell(&mut self, id: SessionId, reply: &Reply<'_>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.session.tell(reply);
            self.touch(id);
        }
    }

    /// Answers a request of a peer. The answer is left out if too many replies wait because the peer asks
    /// faster than it reads.
    #[inline(never)]
    pub(crate) fn answer(&mut self, id: SessionId, reply: &Reply<'_>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.session.answer(reply);
            self.touch(id);
        }
    }

    // ---- what is known ----

    /// Returns a session.
    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.entries.get(id).map(|entry| &entry.session)
    }

    /// Returns the rights of a session.
    pub(crate) fn grant(&self, id: SessionId) -> Option<&Grant> {
        self.entries.get(id).map(|entry| &entry.grant)
    }

    /// Returns the maker of a session.
    pub(crate) fn owner(&self, id: SessionId) -> Option<SessionOwner> {
        self.entries.get(id).map(|entry| entry.owner)
    }

    /// Sets the endpoints that a session may use.
    pub(crate) fn set_scopes(&mut self, id: SessionId, scopes: Vec<Scope>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.grant.scopes = scopes;
        }
    }

    /// Returns the name of a session in the API.
    pub(crate) fn name(&self, id: SessionId) -> Option<&str> {
        self.get(id).map(Session::name)
    }

    /// Returns the session of this name.
    pub(crate) fn find(&self, name: &str) -> Option<SessionId> {
        self.names.get(name).copied()
    }

    /// Returns all sessions.
    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.entries.ids()
    }

    /// Returns the sessions that were made with this token.
    pub(crate) fn ids_of_token(&self, token: &str) -> Vec<SessionId> {
        let entries = self.entries.iter();
        let ours = entries.filter(|(_, entry)| entry.grant.is_of(token));
        ours.map(|(id, _)| id).collect()
    }

    /// Returns how many sessions exist.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no session exists.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns how many address pairs were learned.
    pub(crate) fn pairs(&self) -> usize {
        self.demux.len().0
    }

    /// Returns the fingerprint of the DTLS certificate.
    pub(crate) fn fingerprint(&self) -> &str {
        self.identity.fingerprint()
    }

    /// Returns the counters.
    pub(crate) fn stats(&self) -> &SessionStats {
        &self.stats
    }

    /// Returns the origin of a session: the address and time of its offer, and the channels that ended last.
    pub(crate) fn origin(&self, id: SessionId) -> Option<Origin<'_>> {
        let entry = self.entries.get(id)?;
        Some(Origin {
            remote: entry.remote,
            created: entry.created,
            closed: &entry.closed,
        })
    }

    /// Returns how many bytes of a session's messages have not been acknowledged.
    pub(crate) fn unacknowledged_bytes(&mut self, cx: &mut Context<'_>, id: SessionId) -> usize {
        let bytes = self.with(cx, id, |session, _| session.unacknowledged_bytes());
        bytes.unwrap_or(0)
    }

    // ---- the end of the daemon ----

    /// Makes no more sessions, and has the existing ones close their channels without delay.
    pub(crate) fn start_draining(&mut self, cx: &mut Context<'_>) {
        self.is_draining = true;
        for id in self.entries.ids() {
            self.with(cx, id, |session, _| session.hurry());
        }
    }

    /// Returns whether everything that was written has been acknowledged.
    pub(crate) fn is_flushed(&mut self, cx: &mut Context<'_>) -> bool {
        let ids = self.entries.ids();
        ids.into_iter().all(|id| {
            let flushed = self.with(cx, id, |session, _| session.is_flushed());
            flushed.unwrap_or(true)
        })
    }
}

/// The origin of a session, and the channels that ended last.
pub(crate) struct Origin<'a> {
    pub(crate) remote: Option<IpAddr>,
    pub(crate) created: UnixTime,
    pub(crate) closed: &'a VecDeque<ClosedChannel>,
}

/// Returns the part of a log line that says how many earlier lines were left out.
fn not_told(untold: u32) -> String {
    if untold == 0 {
        return String::new();
    }
    format!(" ({untold} before it are not in the log)")
}

/// How long a peer has to read the reason for the end of its session.
const FAREWELL: Duration = Duration::from_millis(50);
