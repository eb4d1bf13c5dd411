//! How a link begins: one of our peers calls or is called, our addresses are listed, and a session is made.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngCore;

use super::{Beginning, Feed, Link, LinkEvent, Links};
use crate::access::scope::Scope;
use crate::ids::{LinkId, PeerId, SessionId};
use crate::limits;
use crate::payload::{Dialect, Serialization};
use crate::session::channels::Reliability;
use crate::signaling::call::{LinkNews, Wish};
use crate::signaling::message::{Answer, Body, Candidate, Carries, Offer, Written};

/// How long a peer that is called may take to join.
const PATIENCE: Duration = Duration::from_secs(5);

/// On which terms a peer takes up an offer.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What feeds the connection.
    pub(crate) feed: Feed,
    /// The endpoints that the connection may be bound to.
    pub(crate) scopes: Vec<Scope>,
    /// Whether messages are written as the offer says.
    pub(crate) transcodes: bool,
    /// The network of the client that calls, if that is beyond this machine.
    pub(crate) network: Option<IpAddr>,
}

/// A session that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// Our peer.
    pub(crate) peer: PeerId,
    /// The name of the other peer.
    pub(crate) remote: String,
    /// Who makes the offer.
    pub(crate) how: Beginning,
    /// The endpoints that the session may use.
    pub(crate) scopes: Vec<Scope>,
}

impl Links {
    /// Makes a link that one of our peers asks for. `network`: of the client that calls, if that is beyond this machine;
    /// `has_joined`: the other peer. `None`: there are too many links.
    pub(crate) fn call(
        &mut self,
        now: Instant,
        wish: Wish,
        network: Option<IpAddr>,
        has_joined: bool,
    ) -> Option<LinkId> {
        let connection = format!("dc_{:016x}", self.random.next_u64());
        let mut channel = wish.channel;
        if channel.label.is_empty() {
            channel.label.clone_from(&connection);
        }
        let is_reliable = channel.reliability == Reliability::Reliable && channel.ordered;
        let link = self.add(Link {
            peer: wish.peer,
            remote: wish.target,
            connection,
            label: channel.label.clone(),
            reliable: is_reliable,
            beginning: Some(Beginning::Offer(channel)),
            calls: true,
            candidates: Vec::new(),
            knows_peer: false,
            session: None,
            route: None,
            feed: wish.feed,
            redirect: wish.redirect,
            scopes: wish.scopes,
            network,
            serialization: wish.serialization,
            transcodes: wish.transcodes,
            metadata: wish.metadata,
            open: false,
        })?;
        if has_joined {
            self.events.push_back(LinkEvent::Gather(link));
        } else {
            self.timers.set(link, Some(now + PATIENCE));
        }
        Some(link)
    }

    /// Takes up an offer that another peer makes to one of ours.
    pub(crate) fn handle_offer(
        &mut self,
        to: PeerId,
        from: &str,
        offer: Offer,
        terms: Terms,
    ) -> Option<LinkId> {
        // An offer for a connection that exists replaces it (PeerJS). The old link makes room before the new one is counted.
        if let Some(known) = self.find(to, from, &offer.connection) {
            self.close(known, "the other peer called again");
        }
        let serialization = match offer.serialization {
            Some(Written::Known(known)) => known,
            Some(Written::Other(_)) | None => Serialization::Raw,
        };
        let label = offer.label.unwrap_or_else(|| offer.connection.clone());
        let link = self.add(Link {
            peer: to,
            remote: from.to_owned(),
            connection: offer.connection,
            label,
            reliable: offer.reliable,
            beginning: Some(Beginning::Answer(offer.sdp)),
            calls: false,
            candidates: Vec::new(),
            knows_peer: false,
            session: None,
            route: None,
            feed: terms.feed,
            redirect: None,
            scopes: terms.scopes,
            network: terms.network,
            serialization,
            transcodes: terms.transcodes,
            metadata: offer.metadata,
            open: false,
        })?;
        // The peer hears of the call before anything can come of it.
        self.tell(link, LinkNews::Called(to));
        self.events.push_back(LinkEvent::Gather(link));
        Some(link)
    }

    fn add(&mut self, link: Link) -> Option<LinkId> {
        if self.has_room(link.network) {
            return Some(self.links.insert(link));
        }
        self.refused += 1;
        let body = link.failure("there are too many connections");
        let (from, to) = (link.peer, link.remote);
        self.events.push_back(LinkEvent::Say { from, to, body });
        None
    }

    /// A peer of this name has joined: links that wait for it begin.
    pub(crate) fn handle_joined(&mut self, name: &str) {
        let links = self.links.iter();
        let waiting = links.filter(|(_, link)| {
            matches!(link.beginning, Some(Beginning::Offer(_))) && link.remote == name
        });
        let waiting: Vec<LinkId> = waiting.map(|(id, _)| id).collect();
        for link in waiting {
            self.timers.set(link, None);
            self.events.push_back(LinkEvent::Gather(link));
        }
    }

    /// Our addresses are known: returns the session that is to be made for a link, once.
    pub(crate) fn start(&mut self, id: LinkId) -> Option<Start> {
        let link = self.links.get_mut(id)?;
        Some(Start {
            how: link.beginning.take()?,
            peer: link.peer,
            remote: link.remote.clone(),
            scopes: link.scopes.clone(),
        })
    }

    /// The session of a link was made, or cannot be made. `dialect`: what the other peer writes like, if it is a page.
    pub(crate) fn handle_begun(
        &mut self,
        id: LinkId,
        result: Result<(SessionId, String), String>,
        dialect: Option<Dialect>,
    ) {
        let (session, sdp) = match result {
            Ok(begun) => begun,
            Err(detail) => return self.fail(id, &detail),
        };
        let Some(link) = self.links.get_mut(id) else {
            // The link ended while its session was made.
            let why = "its connection has ended";
            let event = LinkEvent::CloseSession { session, why };
            return self.events.push_back(event);
        };
        link.session = Some(session);
        link.knows_peer = !link.calls;
        let (connection, carries) = (link.connection.clone(), Carries::Data);
        if !link.calls {
            let answer = Answer {
                connection,
                carries,
                sdp,
            };
            self.say(id, Body::Answer(answer));
            // Candidates that came before belong to the session after its answer is on its way.
            return self.add_candidates(id);
        }
        // The API has SkyWay's words; a page of PeerJS understands them in its own way.
        if let Some(dialect) = dialect {
            link.serialization = link.serialization.of(dialect);
        }
        let offer = Offer {
            connection,
            carries,
            sdp,
            label: Some(link.label.clone()),
            serialization: Some(Written::Known(link.serialization)),
            metadata: link.metadata.clone(),
            reliable: link.reliable,
        };
        self.say(id, Body::Offer(offer));
    }

    pub(super) fn handle_answer(&mut self, to: PeerId, from: &str, answer: &Answer) {
        let Some(id) = self.find(to, from, &answer.connection) else {
            return;
        };
        if let Some(session) = self.links.get(id).and_then(|link| link.session) {
            let (link, sdp) = (id, answer.sdp.clone());
            let event = LinkEvent::AcceptAnswer { link, session, sdp };
            self.events.push_back(event);
        }
    }

    /// The session of a link has taken its answer, or refused it.
    pub(crate) fn handle_answered(&mut self, id: LinkId, result: Result<(), String>) {
        match result {
            Ok(()) => {
                if let Some(link) = self.links.get_mut(id) {
                    link.knows_peer = true;
                }
                self.add_candidates(id);
            }
            Err(error) => self.fail(id, &format!("the answer: {error}")),
        }
    }

    pub(super) fn handle_candidate(&mut self, to: PeerId, from: &str, candidate: Candidate) {
        // An empty candidate says that there are no more; nothing waits for that.
        if candidate.candidate.is_empty() {
            return;
        }
        if let Some(id) = self.find(to, from, &candidate.connection)
            && let Some(link) = self.links.get_mut(id)
        {
            if link.candidates.len() < limits::REMOTE_CANDIDATES {
                link.candidates.push(candidate.candidate);
            }
            self.add_candidates(id);
        }
    }

    /// Gives a session the candidates that have come for it, if it knows the description of its peer.
    fn add_candidates(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if let (Some(session), true) = (link.session, link.knows_peer)
            && !link.candidates.is_empty()
        {
            let candidates = std::mem::take(&mut link.candidates);
            let event = LinkEvent::AddCandidates {
                session,
                candidates,
            };
            self.events.push_back(event);
        }
    }
}
