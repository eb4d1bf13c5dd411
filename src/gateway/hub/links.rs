//! The connections of our own peers: each is a session with one channel, which is bound to an
//! endpoint or to a content port.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngCore;
use serde_json::Value;

use super::link_rights::grant_of;
use super::polls::PollKey;
use super::{Behind, Place};
use crate::access::scope::Scope;
use crate::api::skyway::ids::{Id, Kind};
use crate::api::skyway::{Event, EventQueue};
use crate::datagram;
use crate::gateway::Gateway;
use crate::gateway::offers::not_told;
use crate::gateway::source::Command;
use crate::gateway::timers::TimerKey;
use crate::ice::gatherer::{Vantage as Peer, host_addresses};
use crate::ids::{EndpointId, LinkId, PeerId, RouteId, SessionId};
use crate::limits;
use crate::payload::Serialization;
use crate::session::channels::ChannelWish;
use crate::session::{Session, sdp};
use crate::signaling::message::{
    Answer, Body, Candidate, Carries, Failed, Offer, Signal, Why, Written,
};
use crate::util::redact::Redacted;

/// How long a peer that is called may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a link is remembered after its end, for whoever asks for its events.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Where what comes over a link goes, and what goes over it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// Nothing goes over it.
    Nothing,
    /// A content port.
    Port(EndpointId),
    /// An endpoint of the configuration, both ways.
    Endpoint(EndpointId),
}

/// What is begun when our addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beginning {
    /// We call.
    Offer(ChannelWish),
    /// We were called, with this description.
    Answer(String),
}

/// One connection of one of our peers with another peer.
#[derive(Debug)]
pub(super) struct Link {
    /// In the REST API.
    pub(super) id: String,
    pub(super) peer: PeerId,
    /// The other peer's name.
    pub(super) remote: String,
    /// What the two call it.
    connection: String,
    beginning: Option<Beginning>,
    /// What came before there was a session.
    candidates: Vec<String>,
    pub(super) session: Option<SessionId>,
    pub(super) route: Option<RouteId>,
    pub(super) feed: Feed,
    pub(super) redirect: Option<SocketAddr>,
    /// The endpoints that it may be bound to.
    pub(super) scopes: Vec<Scope>,
    /// The network of the client that called, if that is beyond this machine.
    network: Option<IpAddr>,
    /// How messages are said to be written, and whether we write them so.
    pub(super) serialization: Serialization,
    pub(super) transcodes: bool,
    pub(super) label: String,
    pub(super) metadata: Option<Value>,
    pub(super) reliable: bool,
    pub(super) open: bool,
    pub(super) events: EventQueue,
    /// When it was over, if it is.
    pub(super) ended: Option<Instant>,
}

impl Link {
    /// The network of the client that called, if that is beyond this machine.
    pub(super) fn network(&self) -> Option<IpAddr> {
        self.network
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}

/// What a REST program wants to call with.
pub(super) struct Wanted {
    pub(super) target: String,
    pub(super) wish: ChannelWish,
    pub(super) serialization: Serialization,
    pub(super) metadata: Option<Value>,
    pub(super) transcodes: bool,
    pub(super) feed: Feed,
    pub(super) redirect: Option<SocketAddr>,
    pub(super) scopes: Vec<Scope>,
}

impl Gateway {
    /// The links of one of our peers that have not ended.
    pub(super) fn links_of(&self, peer: PeerId) -> Vec<LinkId> {
        let links = self.rendezvous.links.iter();
        let ours = links.filter(|(_, link)| link.peer == peer && !link.has_ended());
        ours.map(|(id, _)| id).collect()
    }

    pub(super) fn find_link(&self, peer: PeerId, remote: &str, connection: &str) -> Option<LinkId> {
        let mut links = self.rendezvous.links.iter();
        let found = links.find(|(_, link)| {
            !link.has_ended()
                && link.peer == peer
                && link.remote == remote
                && link.connection == connection
        });
        found.map(|(id, _)| id)
    }

    /// What a peer says to one of ours.
    pub(super) fn handle_signal(&mut self, now: Instant, to: PeerId, from: &str, signal: Signal) {
        match signal.body {
            Body::Offer(offer) => self.handle_offer(now, to, from, offer),
            Body::Answer(answer) => self.handle_answer(now, to, from, &answer),
            Body::Candidate(candidate) => self.handle_candidate(to, from, candidate),
            Body::Close { connection } => {
                if let Some(link) = self.find_link(to, from, &connection) {
                    self.close_link(now, link, "the other peer closed it");
                }
            }
            Body::Leave => {
                for link in self.links_of(to) {
                    let is_its = |it: &Link| it.remote == from;
                    if self.rendezvous.links.get(link).is_some_and(is_its) {
                        self.close_link(now, link, "the other peer has left");
                    }
                }
            }
            Body::Failed(failed) => {
                for link in self.links_of(to) {
                    let is_it = |it: &Link| {
                        it.remote == from
                            && (failed.connection.is_empty() || failed.connection == it.connection)
                    };
                    if self.rendezvous.links.get(link).is_some_and(is_it) {
                        self.give_up_link(now, link, &failed.detail);
                    }
                }
            }
        }
    }

    /// Somebody calls one of our peers.
    pub(super) fn handle_offer(&mut self, now: Instant, to: PeerId, from: &str, offer: Offer) {
        // An offer for a connection that is there replaces it (PeerJS).
        if let Some(known) = self.find_link(to, from, &offer.connection) {
            self.close_link(now, known, "the other peer called again");
        }
        let transcodes = match self.rendezvous.behind.get(&to) {
            Some(Behind::Configured(peer)) => peer.transcodes,
            Some(Behind::Rest(_) | Behind::PeerJs(_) | Behind::SkyWay(_)) | None => false,
        };
        let serialization = match offer.serialization {
            Some(Written::Known(known)) => known,
            Some(Written::Other(_)) | None => Serialization::Raw,
        };
        let label = offer.label.unwrap_or_else(|| offer.connection.clone());
        let link = self.new_link(
            now,
            Link {
                id: String::new(),
                peer: to,
                remote: from.to_owned(),
                connection: offer.connection,
                beginning: Some(Beginning::Answer(offer.sdp)),
                candidates: Vec::new(),
                session: None,
                route: None,
                feed: Feed::Nothing,
                redirect: None,
                scopes: self.scopes_of(to),
                network: self.claimant_of(self.rendezvous.hub.find(from)).network,
                serialization,
                transcodes,
                label,
                metadata: offer.metadata,
                reliable: offer.reliable,
                open: false,
                events: EventQueue::new(),
                ended: None,
            },
        );
        let Some(link) = link else { return };
        let id = self.rendezvous.links.get(link).map(|link| link.id.clone());
        if let Some(data_connection_id) = id {
            self.tell_rest_peer(to, Event::Connection { data_connection_id });
        }
        self.begin_when_addresses_are_known(link);
    }

    /// One of our peers calls. The id of the link; `None`: there are too many.
    pub(super) fn call(&mut self, now: Instant, peer: PeerId, wanted: Wanted) -> Option<String> {
        let connection = format!("dc_{:016x}", self.random.next_u64());
        let mut wish = wanted.wish;
        if wish.label.is_empty() {
            wish.label.clone_from(&connection);
        }
        let reliable = wish.reliability == crate::session::channels::Reliability::Reliable;
        let link = self.new_link(
            now,
            Link {
                id: String::new(),
                peer,
                remote: wanted.target,
                connection,
                label: wish.label.clone(),
                reliable: reliable && wish.ordered,
                beginning: Some(Beginning::Offer(wish)),
                candidates: Vec::new(),
                session: None,
                route: None,
                feed: wanted.feed,
                redirect: wanted.redirect,
                scopes: wanted.scopes,
                network: self.claimant_of(Some(peer)).network,
                serialization: wanted.serialization,
                transcodes: wanted.transcodes,
                metadata: wanted.metadata,
                open: false,
                events: EventQueue::new(),
                ended: None,
            },
        )?;
        let known = self.rendezvous.links.get(link)?;
        let (id, is_there) = (known.id.clone(), self.rendezvous.hub.find(&known.remote));
        if is_there.is_some() {
            self.begin_when_addresses_are_known(link);
        } else {
            let at = Some(now + PATIENCE);
            self.timers.set(TimerKey::Link(link), at);
        }
        Some(id)
    }

    fn new_link(&mut self, now: Instant, mut link: Link) -> Option<LinkId> {
        if !self.has_room_for_link(link.network) {
            self.stats.sessions_refused += 1;
            let detail = "there are too many connections";
            self.answer_with(
                now,
                &link,
                Body::Failed(failed(&link, Why::Refused, detail)),
            );
            return None;
        }
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        link.id = Id::new(Kind::DataConnection, random).as_str().to_owned();
        let name = link.id.clone();
        let id = self.rendezvous.links.insert(link);
        self.rendezvous.link_ids.insert(name, id);
        Some(id)
    }

    /// Somebody is there whom links may wait for.
    pub(super) fn begin_links_to(&mut self, name: &str) {
        let links = self.rendezvous.links.iter();
        let waiting = links.filter(|(_, link)| {
            let calls = matches!(link.beginning, Some(Beginning::Offer(_)));
            calls && !link.has_ended() && link.remote == name
        });
        let waiting: Vec<LinkId> = waiting.map(|(id, _)| id).collect();
        for link in waiting {
            self.timers.set(TimerKey::Link(link), None);
            self.begin_when_addresses_are_known(link);
        }
    }

    fn begin_when_addresses_are_known(&mut self, link: LinkId) {
        self.rendezvous.beginning.push(link);
        self.commands.push_back(Command::ListAddresses);
    }

    /// The addresses are known.
    pub(in crate::gateway) fn begin_links(&mut self, now: Instant, addresses: &[IpAddr]) {
        for link in std::mem::take(&mut self.rendezvous.beginning) {
            if let Err(detail) = self.begin_link(now, link, addresses) {
                self.fail_link(now, link, &detail);
            }
        }
    }

    fn begin_link(&mut self, now: Instant, id: LinkId, addresses: &[IpAddr]) -> Result<(), String> {
        let name = self.random_name();
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return Ok(());
        };
        let Some(beginning) = link.beginning.take() else {
            return Ok(());
        };
        let grant = grant_of(link);
        let (remote, peer) = (link.remote.clone(), link.peer);
        // The calling side claims the place.
        let claimant = match beginning {
            Beginning::Offer(_) => self.claimant_of(Some(peer)),
            Beginning::Answer(_) => self.claimant_of(self.rendezvous.hub.find(&remote)),
        };
        let dialect = self.rendezvous.dialect_of(&remote);
        let place = self.rendezvous.place_of(&remote);
        let is_within = place == Some(Place::Within);
        let local = match place {
            // Two sessions of one process cannot tell their datagrams apart by addresses that both have.
            Some(Place::Within) => {
                self.rendezvous.internal = self.rendezvous.internal.wrapping_add(1);
                vec![datagram::internal_address(self.rendezvous.internal)]
            }
            Some(Place::Page(peer)) => host_addresses(addresses, self.ports, peer),
            None => host_addresses(addresses, self.ports, Peer::Remote),
        };
        let displaced = self
            .check_session_limit(&grant, &claimant, true)
            .map_err(|problem| problem.detail().to_owned())?;
        let (identity, limits) = (&self.identity, &self.limits);
        let is_offer = matches!(beginning, Beginning::Offer(_));
        let made = crate::gateway::offers::guarded(|| match beginning {
            Beginning::Offer(wish) => Session::offer(now, name, wish, &local, identity, limits),
            Beginning::Answer(text) => sdp::check_offer(text.as_bytes())
                .and_then(|checked| Session::accept(now, name, &checked, &local, identity, limits)),
        });
        let Some(made) = made else {
            self.stats.sessions_panicked += 1;
            return Err("the description is not understood".to_owned());
        };
        let (session, sdp) = made.map_err(|error| error.to_string())?;
        self.displace(now, displaced);
        let session = self
            .insert_session(now, session, grant, claimant, None, Some(id))
            .ok_or("please try again")?;
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return Ok(());
        };
        link.session = Some(session);
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.is_within = is_within;
        }
        let (connection, carries) = (link.connection.clone(), Carries::Data);
        let body = if is_offer {
            // The API has SkyWay's words; a page of PeerJS understands them in its own way.
            if let Some(dialect) = dialect {
                link.serialization = link.serialization.of(dialect);
            }
            Body::Offer(Offer {
                connection,
                carries,
                sdp,
                label: Some(link.label.clone()),
                serialization: Some(Written::Known(link.serialization)),
                metadata: link.metadata.clone(),
                reliable: link.reliable,
            })
        } else {
            Body::Answer(Answer {
                connection,
                carries,
                sdp,
            })
        };
        self.say(now, id, body);
        if !is_offer {
            self.add_candidates(id);
        }
        Ok(())
    }

    /// Says something to the other peer of a link.
    fn say(&mut self, now: Instant, id: LinkId, body: Body) {
        if let Some(link) = self.rendezvous.links.get(id) {
            let (peer, remote) = (link.peer, link.remote.clone());
            let verbatim = None;
            let signal = Signal { body, verbatim };
            self.rendezvous.hub.send(now, peer, &remote, signal);
        }
    }

    /// The same for a link that is not there (any more).
    fn answer_with(&mut self, now: Instant, link: &Link, body: Body) {
        let verbatim = None;
        let signal = Signal { body, verbatim };
        self.rendezvous
            .hub
            .send(now, link.peer, &link.remote, signal);
    }

    fn handle_answer(&mut self, now: Instant, to: PeerId, from: &str, answer: &Answer) {
        let Some(id) = self.find_link(to, from, &answer.connection) else {
            return;
        };
        let session = self.rendezvous.links.get(id).and_then(|link| link.session);
        let Some(session) = session else { return };
        let accepted = self.with_session(session, |entry, _| {
            sdp::check_answer(&answer.sdp).and_then(|checked| entry.session.accept_answer(&checked))
        });
        match accepted {
            Some(Ok(())) => self.add_candidates(id),
            Some(Err(error)) => self.fail_link(now, id, &format!("the answer: {error}")),
            None => {}
        }
        self.touch_session(session);
    }

    fn handle_candidate(&mut self, to: PeerId, from: &str, candidate: Candidate) {
        // An empty one says that there are no more; nobody waits for that.
        if candidate.candidate.is_empty() {
            return;
        }
        if let Some(id) = self.find_link(to, from, &candidate.connection)
            && let Some(link) = self.rendezvous.links.get_mut(id)
        {
            if link.candidates.len() < limits::REMOTE_CANDIDATES {
                link.candidates.push(candidate.candidate);
            }
            self.add_candidates(id);
        }
    }

    /// Gives a session what has come for it, if it knows its peer's description.
    fn add_candidates(&mut self, id: LinkId) {
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        let Some(session) = link.session else { return };
        let awaits = self.sessions.get(session);
        if awaits.is_none_or(|entry| entry.session.awaits_answer()) {
            return;
        }
        let candidates = std::mem::take(&mut link.candidates);
        self.with_session(session, |entry, _| {
            for candidate in &candidates {
                if let Err(error) = entry.session.add_remote_candidate(1, candidate) {
                    log::debug!("a candidate of a peer is not understood: {}", error.detail);
                }
            }
        });
        self.touch_session(session);
    }

    // ---- its end ----

    /// A channel has gone: a session of one of our peers has nothing to live for but what is still
    /// to be delivered.
    pub(in crate::gateway) fn close_emptied_session(&mut self, now: Instant, id: SessionId) {
        let entry = self.sessions.get(id);
        if entry.is_some_and(|entry| entry.routes.is_empty() && entry.lingering.is_empty()) {
            self.close_session(now, id, "its channel was closed");
        }
    }

    /// Ends a link politely, from our side.
    pub(super) fn close_link(&mut self, now: Instant, id: LinkId, why: &'static str) {
        let Some(link) = self.rendezvous.links.get(id) else {
            return;
        };
        if link.has_ended() {
            return;
        }
        let (session, connection) = (link.session, link.connection.clone());
        self.say(now, id, Body::Close { connection });
        match session {
            Some(session) => {
                self.close_session(now, session, why);
                self.settle_ended(now);
            }
            None => self.link_ended(now, id, false),
        }
    }

    /// A link came to nothing, and the other peer does not know.
    pub(in crate::gateway) fn fail_link(&mut self, now: Instant, id: LinkId, detail: &str) {
        if let Some(link) = self
            .rendezvous
            .links
            .get(id)
            .filter(|link| !link.has_ended())
        {
            let failed = failed(link, Why::Refused, detail);
            self.say(now, id, Body::Failed(failed));
            self.give_up_link(now, id, detail);
        }
    }

    /// A link came to nothing.
    fn give_up_link(&mut self, now: Instant, id: LinkId, detail: &str) {
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        if link.has_ended() {
            return;
        }
        let remote = link.remote.clone();
        let caller = self.claimant_of(self.rendezvous.hub.find(&remote));
        if let Some(untold) = self.note_life(now, &caller) {
            let (remote, detail) = (Redacted(&remote), Redacted(detail));
            let before = not_told(untold);
            log::info!("a connection with peer {remote} failed: {detail}{before}");
        }
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        link.events.push(Event::Error(detail.to_owned()));
        match link.session {
            Some(session) => {
                self.close_session(now, session, "it failed");
                self.settle_ended(now);
            }
            None => self.link_ended(now, id, false),
        }
    }

    /// A link's session has gone, or it never had one. `failed`: it never connected, or was lost.
    pub(super) fn link_ended(&mut self, now: Instant, id: LinkId, failed: bool) {
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        if link.has_ended() {
            return;
        }
        // Who called and was never heard is told more than that it is over.
        if failed && !link.open {
            let detail = "it did not connect: no way to the other peer was found";
            link.events.push(Event::Error(detail.to_owned()));
        }
        let feed = link.feed;
        link.session = None;
        link.ended = Some(now);
        link.open = false;
        link.route = None;
        link.beginning = None;
        link.candidates = Vec::new();
        link.events.push(Event::Close);
        let peer = link.peer;
        self.rendezvous.polls.touch(PollKey::Link(id));
        self.rendezvous.beginning.retain(|other| *other != id);
        match self.rendezvous.behind.get(&peer) {
            // Whoever made it may still ask.
            Some(Behind::Rest(_)) | None => {
                let at = Some(now + REMEMBERED);
                self.timers.set(TimerKey::Link(id), at);
            }
            Some(Behind::Configured(_) | Behind::PeerJs(_) | Behind::SkyWay(_)) => {
                self.forget_link(id);
            }
        }
        self.end_bridge(now, feed);
    }

    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.timers.set(TimerKey::Link(id), None);
        if let Some(link) = self.rendezvous.links.remove(id) {
            self.rendezvous.dropped.events += link.events.dropped();
            self.rendezvous.link_ids.remove(&link.id);
        }
    }

    pub(in crate::gateway) fn handle_link_timeout(&mut self, now: Instant, id: LinkId) {
        let Some(link) = self.rendezvous.links.get(id) else {
            return;
        };
        if link.has_ended() {
            self.forget_link(id);
        } else {
            let detail = format!("there is no peer {}", link.remote);
            self.fail_link(now, id, &detail);
        }
    }
}

fn failed(link: &Link, why: Why, detail: &str) -> Failed {
    Failed {
        connection: link.connection.clone(),
        why,
        detail: detail.to_owned(),
    }
}
