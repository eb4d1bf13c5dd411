//! The life of sessions: what reaches them, what they say, and how they end.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::json;

use super::stats::{Direction, Stray};
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::access::UnixTime;
use crate::access::places::Claimant;
use crate::access::scope::Grant;
use crate::datagram::Meta;
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, LinkId, RouteId, SessionId};
use crate::limits;
use crate::session::event::{ConnectionState, EndReason, Handled, SessionEvent};
use crate::session::{Session, by_stun_ufrag};

/// A session with what the gateway knows about it.
pub(super) struct Entry {
    pub(super) session: Session,
    /// Who made it, and what it may do.
    pub(super) grant: Grant,
    /// Whose places it counts for.
    pub(super) claimant: Claimant,
    /// The connection between peers that it is for.
    pub(super) link: Option<LinkId>,
    /// Where its offer came from, and when, in seconds since 1970.
    pub(super) remote: Option<IpAddr>,
    pub(super) created: UnixTime,
    /// Its channels that are bound to endpoints, and whose turn it is to send.
    pub(super) routes: Vec<RouteId>,
    pub(super) turn: usize,
    /// The routes of its closed channels whose last messages still wait, oldest first.
    pub(super) lingering: VecDeque<RouteId>,
    /// Endpoints whose leases it is still to hear of, and when it last did.
    pub(super) lease_news: BTreeSet<EndpointId>,
    pub(super) lease_told: Option<Instant>,
    /// Already in the list of touched sessions.
    pub(super) touched: bool,
    /// The channels that ended last, for the API.
    pub(super) closed: VecDeque<ClosedChannel>,
    /// Lines that its channels may still put into the log; then they are for debugging only.
    pub(super) log_lines: u32,
    /// Its peer is another session of this process, so it counts as connected from the start.
    pub(super) is_within: bool,
    /// Its whole life is for debugging only: its claimant has made too many sessions.
    pub(super) is_quiet: bool,
}

impl Entry {
    /// The level for a line about its own life.
    fn life_level(&self) -> log::Level {
        if self.is_quiet {
            log::Level::Debug
        } else {
            log::Level::Info
        }
    }

    /// The level for one more line about a channel: a peer must not fill the disk by opening
    /// channels in a loop.
    pub(super) fn log_level(&mut self) -> log::Level {
        if self.log_lines == 0 {
            return log::Level::Debug;
        }
        self.log_lines -= 1;
        log::Level::Info
    }
}

/// Why a channel ended.
pub(super) struct ClosedChannel {
    pub(super) stream: u16,
    pub(super) label: String,
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

/// How long what was told last has until the association is closed.
const FAREWELL: Duration = Duration::from_millis(50);

impl Gateway {
    /// Runs `f` on a session. A panic in it costs this session and nothing else: str0m stops
    /// that way when it meets what it does not expect.
    pub(super) fn with_session<R>(
        &mut self,
        id: SessionId,
        f: impl FnOnce(&mut Entry, &mut Routing) -> R,
    ) -> Option<R> {
        let entry = self.sessions.get_mut(id)?;
        let routing = &mut self.routing;
        match catch_unwind(AssertUnwindSafe(|| f(entry, routing))) {
            Ok(result) => Some(result),
            Err(_) => {
                self.stats.sessions_panicked += 1;
                self.end_session(id, &EndReason::Panicked);
                None
            }
        }
    }

    /// Whether the log tells of the life of one more session or peer of a claimant: `Some` with how many before it are not told.
    pub(super) fn note_life(&mut self, now: Instant, claimant: &Claimant) -> Option<u32> {
        let names: Vec<String> = claimant.names().collect();
        let passed = names.iter().map(|name| self.lives.pass(now, name));
        // All of them are asked, so that each is counted.
        let passed: Vec<Option<u32>> = passed.collect();
        passed
            .into_iter()
            .try_fold(0, |most, untold| Some(most.max(untold?)))
    }

    /// Puts a session on the list of those to be looked at in this turn.
    pub(super) fn touch_session(&mut self, id: SessionId) {
        if let Some(entry) = self.sessions.get_mut(id)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched_sessions.push_back(id);
        }
    }

    pub(super) fn handle_ice_datagram(&mut self, now: Instant, meta: &Meta, datagram: &[u8]) {
        self.stats
            .datagrams_received
            .add(Count::one(datagram.len()));
        let by_pair = self.demux.by_pair(meta.local, meta.remote);
        // A request names its session, whoever had the pair before: a peer that was killed comes
        // back from the same port. Everything else has only its pair.
        let by_name = by_stun_ufrag(datagram, |ufrag| Some(self.demux.by_ufrag(ufrag)));
        let Some(id) = by_name.unwrap_or(by_pair) else {
            self.stats.stray(Stray::Stranger);
            return;
        };
        let known = by_pair == Some(id);
        let handled = self.with_session(id, |entry, routing| {
            let Routing { transmits, .. } = routing;
            let (local, remote) = (meta.local, meta.remote);
            entry
                .session
                .handle_datagram(now, local, remote, known, datagram, transmits)
        });
        match handled {
            Some(Handled::Taken) => {
                self.touch_session(id);
                self.handle_session_events(now, id);
            }
            Some(Handled::NotOurs) => self.stats.stray(Stray::Unauthenticated),
            Some(Handled::Malformed) => self.stats.stray(Stray::Malformed),
            None => {}
        }
    }

    pub(super) fn handle_session_timeout(&mut self, now: Instant, id: SessionId) {
        self.with_session(id, |entry, routing| {
            entry.session.handle_timeout(now, &mut routing.transmits);
        });
        self.touch_session(id);
        self.handle_session_events(now, id);
    }

    /// Ends a session politely.
    pub(super) fn close_session(&mut self, now: Instant, id: SessionId, why: &'static str) {
        self.with_session(id, |entry, routing| {
            entry.session.close(now, why, &mut routing.transmits);
        });
        self.handle_session_events(now, id);
    }

    /// Acts on everything a session has to say.
    pub(super) fn handle_session_events(&mut self, now: Instant, id: SessionId) {
        while let Some(event) = self
            .sessions
            .get_mut(id)
            .and_then(|e| e.session.poll_event())
        {
            match event {
                SessionEvent::State(state) => self.handle_state(id, state),
                SessionEvent::PairLearned {
                    local,
                    remote,
                    proved,
                } => self.handle_pair(id, local, remote, proved),
                SessionEvent::Unbound { bytes } => self.count_unbound(bytes),
                SessionEvent::PairForgotten { local, remote } => {
                    self.demux.remove_pair(local, remote, id);
                }
                SessionEvent::ChannelOpen(channel) => self.handle_channel_open(now, id, channel),
                SessionEvent::ChannelClosed(channel) => {
                    self.handle_channel_closed(now, id, channel);
                }
                SessionEvent::Message {
                    channel,
                    binary,
                    data,
                } => {
                    self.handle_message(now, id, channel, binary, data);
                }
                SessionEvent::Ended(reason) => self.end_session(id, &reason),
            }
        }
    }

    /// A vacant pair is taken by whoever sends to it; one that is taken moves only to who proved
    /// our password from there.
    fn handle_pair(&mut self, id: SessionId, local: SocketAddr, remote: SocketAddr, proved: bool) {
        let loser = match self.demux.by_pair(local, remote) {
            Some(owner) if owner == id => return,
            Some(_) if !proved => Some(id),
            owner => {
                self.demux.insert_pair(local, remote, id);
                owner
            }
        };
        if let Some(entry) = loser.and_then(|loser| self.sessions.get_mut(loser)) {
            entry.session.forget_pair(local, remote);
        }
    }

    fn handle_state(&mut self, id: SessionId, state: ConnectionState) {
        let Some(entry) = self.sessions.get(id) else {
            return;
        };
        let level = entry.life_level();
        log::log!(
            level,
            "session {}: {}",
            entry.session.name(),
            state.as_str()
        );
        // The last word comes with its reason, from `end_session`.
        if !matches!(state, ConnectionState::Closed | ConnectionState::Failed) {
            let event = json!({"id": entry.session.name(), "state": state.as_str()});
            self.events.push("session", &event);
        }
    }

    /// Forgets a session and everything that hangs on it.
    pub(super) fn end_session(&mut self, id: SessionId, reason: &EndReason) {
        if let Some(entry) = self.forget_session(id, reason, None) {
            let name = entry.session.name().to_owned();
            // Dropping it runs str0m's code too, which after a panic may be in any state.
            if catch_unwind(AssertUnwindSafe(|| drop(entry))).is_err() {
                log::error!("session {name}: a bug at its end, please report it");
            }
        }
    }

    /// Ends a session that has just been told why. Its association is closed a moment later: some libraries (libdatachannel) throw away
    /// what they have not delivered when DTLS ends.
    pub(super) fn end_after_farewell(&mut self, now: Instant, id: SessionId, why: &'static str) {
        if self.farewells.len() >= self.limits.sessions {
            return self.close_session(now, id, why);
        }
        let reason = EndReason::Closed(why);
        if let Some(entry) = self.forget_session(id, &reason, Some(ConnectionState::Closed)) {
            let at = now + FAREWELL;
            self.farewells.push_back((at, why, entry.session));
            if !self.timers.is_set(TimerKey::Farewell) {
                self.timers.set(TimerKey::Farewell, Some(at));
            }
        }
    }

    /// Closes the associations whose farewell has had its time.
    pub(super) fn close_after_farewell(&mut self, now: Instant) {
        let is_due =
            |farewell: Option<&(Instant, _, _)>| farewell.is_some_and(|(at, ..)| *at <= now);
        while is_due(self.farewells.front())
            && let Some((_, why, mut session)) = self.farewells.pop_front()
        {
            let transmits = &mut self.routing.transmits;
            let closed = catch_unwind(AssertUnwindSafe(|| {
                session.close(now, why, transmits);
                drop(session);
            }));
            if closed.is_err() {
                self.stats.sessions_panicked += 1;
                log::error!("a session met a bug at its end, please report it");
            }
        }
        let next = self.farewells.front().map(|(at, ..)| *at);
        self.timers.set(TimerKey::Farewell, next);
    }

    /// Takes a session out of everything that knows it. `state`: what is told of it, if that is not its own.
    fn forget_session(
        &mut self,
        id: SessionId,
        reason: &EndReason,
        state: Option<ConnectionState>,
    ) -> Option<Entry> {
        let entry = self.sessions.remove(id)?;
        let name = entry.session.name().to_owned();
        for route in entry.routes.iter().chain(&entry.lingering) {
            self.remove_route(*route, DropReason::Closed);
        }
        self.forget_jobs_of(id);
        self.forget_writer(id);
        for (local, remote) in entry.session.pairs() {
            self.demux.remove_pair(local, remote, id);
        }
        self.demux.remove_ufrag(entry.session.local_ufrag());
        self.timers.set(TimerKey::Session(id), None);
        self.timers.set(TimerKey::Lease(id), None);
        self.names.remove(&name);
        let state = match (reason, entry.session.state()) {
            (
                EndReason::Panicked
                | EndReason::NoCertificate
                | EndReason::MessageTooLong
                | EndReason::Protocol(_),
                _,
            ) => ConnectionState::Failed,
            (_, own) => state.unwrap_or(own),
        };
        if let Some(link) = entry.link {
            self.rendezvous
                .note_end(link, state == ConnectionState::Failed);
        }
        if *reason == EndReason::MessageTooLong {
            let lost = Count {
                messages: 1,
                bytes: limits::RECEIVED_MESSAGE.into(),
            };
            let (direction, why) = (Direction::FromPeer, DropReason::TooLarge);
            self.stats.drops.add(direction, why, lost);
        }
        let who = entry.grant.who().to_owned();
        match reason {
            EndReason::Panicked => log::error!("session {name}: ended by a bug, please report it"),
            EndReason::NoCertificate | EndReason::MessageTooLong | EndReason::Protocol(_)
                if !entry.is_quiet =>
            {
                log::warn!("session {name} of {who}: ended: {reason}");
            }
            EndReason::NoCertificate
            | EndReason::MessageTooLong
            | EndReason::Protocol(_)
            | EndReason::PeerClosed
            | EndReason::Closed(_)
            | EndReason::ConnectTimeout
            | EndReason::DisconnectedTimeout => {
                log::log!(
                    entry.life_level(),
                    "session {name} of {who}: ended: {reason}"
                );
            }
        }
        let event = json!({"id": name, "state": state.as_str(), "reason": reason.to_string()});
        self.events.push("session", &event);
        Some(entry)
    }
}
