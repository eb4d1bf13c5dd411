//! Offers become sessions. Our addresses are listed anew for each, so that one that came after
//! boot is offered; the request is parked while the loop lists them.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rand::RngCore;
use serde_json::json;

use super::Gateway;
use super::sessions::Entry;
use super::source::{Command, Source};
use super::timers::TimerKey;
use crate::access::places::{Claimant, Fullness, Occupant, Places, Verdict};
use crate::access::scope::Grant;
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::http::Response;
use crate::ice::gatherer::{Vantage as Peer, host_addresses};
use crate::ids::{LinkId, SessionId, SourceId};
use crate::session::event::ConnectionState;
use crate::session::{Session, sdp};
use crate::signaling::whip::{self, Fragment};

/// An offer that waits for the list of our addresses.
pub(super) struct PendingOffer {
    /// The connection to answer.
    source: SourceId,
    caller: Caller,
    peer: Peer,
    grant: Grant,
    body: Vec<u8>,
}

impl PendingOffer {
    /// Whether it came over another connection.
    pub(super) fn is_not_of(&self, source: SourceId) -> bool {
        self.source != source
    }
}

impl Gateway {
    /// This machine's addresses with the bits of their networks; told before
    /// [`Self::handle_addresses`].
    pub fn handle_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.rendezvous.set_networks(networks);
        // An address may have become ours.
        self.drop_own_redirects();
    }

    /// The answer to [`Command::ListAddresses`].
    pub fn handle_addresses(&mut self, now: Instant, addresses: &[IpAddr]) {
        self.answer_offers(now, addresses);
    }

    /// Whether another session may be made; said before the offer is read. `Some`: the session that makes room for it.
    pub(super) fn check_session_limit(
        &mut self,
        grant: &Grant,
        claimant: &Claimant,
        is_of_hub: bool,
    ) -> Result<Option<SessionId>, Problem> {
        let places = Places::new(self.limits.sessions);
        let occupants = self.sessions.iter().map(|(id, entry)| Occupant {
            id,
            claimant: &entry.claimant,
            since: entry.session.created(),
            is_connected: entry.is_within
                || !matches!(
                    entry.session.state(),
                    ConnectionState::New | ConnectionState::Connecting
                ),
            is_of_hub: entry.link.is_some(),
        });
        let all = self.limits.sessions;
        let busy = if self.drain.is_some() {
            "the gateway is shutting down".to_owned()
        } else if let Some(busy) = self.token_is_busy(grant) {
            busy
        } else {
            match places.decide(claimant, is_of_hub, occupants) {
                Verdict::Free => return Ok(None),
                Verdict::InPlaceOf(oldest) => return Ok(Some(oldest)),
                Verdict::Full(Fullness::All) => {
                    format!("there are {all} sessions, which is the limit")
                }
                Verdict::Full(Fullness::Reserved) => {
                    let kept = places.reserved();
                    format!(
                        "of {all} sessions {kept} are kept for administrators, all others are in use"
                    )
                }
                Verdict::Full(Fullness::Hub) => {
                    let half = places.of_hub();
                    format!(
                        "the hub has {half} sessions, some of them kept for this machine, and they are in use"
                    )
                }
                Verdict::Full(Fullness::Network) => {
                    let share = places.of_hub_network();
                    format!("this address has {share} sessions over the hub, which is its share")
                }
            }
        };
        self.stats.sessions_refused += 1;
        Err(Problem::new(503, &busy).header("Retry-After", "5"))
    }

    /// Ends the session that makes room for a newer one of the same claimant.
    pub(super) fn displace(&mut self, now: Instant, oldest: Option<SessionId>) {
        if let Some(oldest) = oldest {
            let why = "it did not connect, and a newer one needs its place";
            self.stats.sessions_displaced += 1;
            // Both sides of a connection between peers are told.
            if let Some(link) = self.sessions.get(oldest).and_then(|entry| entry.link) {
                self.fail_link(now, link, why);
            } else {
                self.close_session(now, oldest, why);
            }
        }
    }

    /// Who claims a session that is asked for over HTTP.
    pub(super) fn claimant(&self, source: SourceId, grant: &Grant) -> Claimant {
        let remote = match self.sources.get(source) {
            Some(Source::Http(http)) => Some(http.remote.ip()),
            _ => None,
        };
        Claimant {
            token: grant.token.as_ref().map(|holder| holder.id.clone()),
            is_admin: grant.admin,
            ..Claimant::default()
        }
        .at(remote)
    }

    /// A token may have a bound of its own.
    fn token_is_busy(&self, grant: &Grant) -> Option<String> {
        let limit = grant.limits.sessions?;
        let sessions = self.sessions.iter();
        let ours = sessions.filter(|(_, entry)| entry.grant.token == grant.token);
        let is_busy = ours.count() >= usize::try_from(limit).unwrap_or(usize::MAX);
        is_busy.then(|| format!("this token has {limit} sessions, which is its limit"))
    }

    pub(super) fn park_offer(
        &mut self,
        source: SourceId,
        caller: Caller,
        peer: Peer,
        grant: Grant,
        body: Vec<u8>,
    ) {
        self.offers.push(PendingOffer {
            source,
            caller,
            peer,
            grant,
            body,
        });
        self.commands.push_back(Command::ListAddresses);
    }

    pub(super) fn answer_offers(&mut self, now: Instant, addresses: &[IpAddr]) {
        self.begin_links(now, addresses);
        for offer in std::mem::take(&mut self.offers) {
            let response = match self.create_session(now, &offer, addresses) {
                Ok(response) => response,
                Err(problem) => {
                    // A full house has counted already.
                    self.stats.sessions_refused += u64::from(problem.status() != 503);
                    problem.response()
                }
            };
            self.answer(now, offer.source, &offer.caller, response);
            // The next request may have waited behind this one.
            self.service(now, offer.source);
        }
    }

    fn create_session(
        &mut self,
        now: Instant,
        offer: &PendingOffer,
        addresses: &[IpAddr],
    ) -> Result<Response, Problem> {
        // Many heads may have been let in before the first body came.
        self.check_still(&offer.grant)?;
        let claimant = self.claimant(offer.source, &offer.grant);
        let displaced = self.check_session_limit(&offer.grant, &claimant, false)?;
        let checked = sdp::check_offer(&offer.body)?;
        let local = host_addresses(addresses, self.ports, offer.peer);
        let name = self.random_name();
        let (identity, limits) = (&self.identity, &self.limits);
        let accepted =
            guarded(|| Session::accept(now, name.clone(), &checked, &local, identity, limits));
        let Some(accepted) = accepted else {
            self.stats.sessions_panicked += 1;
            return Err(Problem::new(400, "the offer is not understood"));
        };
        let (session, answer) = accepted?;
        self.displace(now, displaced);
        let remote = match self.sources.get(offer.source) {
            Some(Source::Http(http)) => Some(http.remote.ip()),
            _ => None,
        };
        let etag = etag(&session);
        let grant = offer.grant.clone();
        if self
            .insert_session(now, session, grant, claimant, remote, None)
            .is_none()
        {
            return Err(Problem::new(503, "please try again").header("Retry-After", "0"));
        }
        Ok(Response::new(201)
            .header("Location", &format!("/sessions/{name}"))
            .header("ETag", &etag)
            .header("Accept-Patch", whip::FRAGMENT)
            .header("Cache-Control", "no-store")
            .body(whip::SDP, answer.into_bytes()))
    }

    /// A session that was made is from now on one of ours. `None`: its ufrag is taken.
    pub(super) fn insert_session(
        &mut self,
        now: Instant,
        session: Session,
        grant: Grant,
        claimant: Claimant,
        remote: Option<IpAddr>,
        link: Option<LinkId>,
    ) -> Option<SessionId> {
        let (name, ufrag) = (session.name().to_owned(), session.local_ufrag().to_owned());
        let did = if session.awaits_answer() {
            "made"
        } else {
            "answered"
        };
        let who = grant.who().to_owned();
        let told = self.note_life(now, &claimant);
        let id = self.sessions.insert(Entry {
            session,
            grant,
            claimant,
            link,
            remote,
            created: self.routing.time.as_secs(),
            routes: Vec::new(),
            turn: 0,
            lingering: VecDeque::new(),
            lease_news: BTreeSet::new(),
            lease_told: None,
            touched: false,
            closed: VecDeque::new(),
            log_lines: if told.is_some() { CHANNEL_LOG_LINES } else { 0 },
            is_within: false,
            is_quiet: told.is_none(),
        });
        if !self.demux.insert_ufrag(&ufrag, id) {
            self.sessions.remove(id);
            return None;
        }
        match told {
            Some(untold) => {
                let before = not_told(untold);
                log::info!("session {name} of {who}: {did} an offer{before}");
            }
            None => log::debug!("session {name} of {who}: {did} an offer"),
        }
        self.events
            .push("session", &json!({"id": name, "state": "new"}));
        self.names.insert(name, id);
        self.stats.sessions_created += 1;
        self.timers.set(TimerKey::Session(id), Some(now));
        self.schedule_expiry(now);
        self.touch_session(id);
        Some(id)
    }

    /// 128 random bits: nobody meets a session by trying.
    pub(super) fn random_name(&mut self) -> String {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        format!("{high:016x}{low:016x}")
    }

    /// Adds trickled candidates (RFC 8838).
    pub(super) fn patch_session(
        &mut self,
        id: SessionId,
        if_match: Option<&str>,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let fragment = Fragment::parse(body)?;
        let Some(entry) = self.sessions.get_mut(id) else {
            return Err(Problem::new(404, "the session has ended").at("path"));
        };
        // RFC 9725 §4.3.1: the entity tag names the ICE session that a fragment is for.
        if let Some(tag) = if_match
            && !whip::matches(tag, &etag(&entry.session))
        {
            let detail = "the fragment is for another ICE session than the current one";
            return Err(Problem::new(412, detail).at("If-Match"));
        }
        if fragment
            .ufrag
            .is_some_and(|ufrag| ufrag != entry.session.remote_ufrag())
        {
            // RFC 9725 §4.3: 422 where only trickle is supported.
            let detail = "an ICE restart is not supported yet; make a new session";
            return Err(Problem::new(422, detail).at("a=ice-ufrag"));
        }
        let added = self.with_session(id, |entry, _| {
            let mut candidates = fragment.candidates.iter();
            candidates.try_for_each(|(line, text)| entry.session.add_remote_candidate(*line, text))
        });
        self.touch_session(id);
        added.unwrap_or(Ok(()))?;
        Ok(Response::new(204))
    }
}

/// Runs what makes a session. str0m may panic on SDP that it does not expect; that is the end of
/// the description and no more.
pub(super) fn guarded<R>(make: impl FnOnce() -> R) -> Option<R> {
    let made = catch_unwind(AssertUnwindSafe(make));
    if made.is_err() {
        log::error!("a description met a bug, please report it");
    }
    made.ok()
}

/// Says how many before it are not in the log.
pub(super) fn not_told(untold: u32) -> String {
    if untold == 0 {
        return String::new();
    }
    format!(" ({untold} before it are not in the log)")
}

/// Lines in the log about the channels of one session.
const CHANNEL_LOG_LINES: u32 = 200;

/// One per ICE session.
fn etag(session: &Session) -> String {
    format!("\"{}\"", session.local_ufrag())
}
