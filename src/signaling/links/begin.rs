//! The beginning of a link: one of the gateway's own peers calls or is called, this machine's addresses are
//! listed, and a session is made.

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
use crate::signaling::message::{Answer, Body, Candidate, Carries, Encoding, Offer};

/// How long a peer that is called may take to join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The terms on which a peer accepts an offer.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The source of the connection's messages.
    pub(crate) feed: Feed,
    /// The endpoints that the connection may be bound to.
    pub(crate) scopes: Vec<Scope>,
    /// Whether messages are converted as the offer says.
    pub(crate) transcodes: bool,
    /// The network of the client that calls, if that is beyond this machine.
    pub(crate) network: Option<IpAddr>,
}

/// The parameters of a session that must be made.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    /// The gateway's own peer.
    pub(crate) peer: PeerId,
    /// The name of the other peer.
    pub(crate) remote: String,
    /// The side that makes the offer.
    pub(crate) how: Beginning,
    /// The endpoints that the session may use.
    pub(crate) scopes: Vec<Scope>,
}

impl Links {
    /// Makes a link for one of the gateway's own peers. `network`: of the client that calls, if that is
    /// beyond this machine; `has_joined`: whether the other peer has joined. `None`: there are too many
    /// links.
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
            self.timers.set(link, Some(now + JOIN_TIMEOUT));
        }
        Some(link)
    }

    /// Accepts an offer of another peer to one of the gateway's own peers.
    pub(crate) fn handle_offer(
        &mut self,
        to: PeerId,
        from: &str,
        offer: Offer,
        terms: Terms,
    ) -> Option<LinkId> {
        // An offer for an existing connection replaces it (PeerJS). Close the old link before the new one is
        // counted.
        if let Some(known) = self.find(to, from, &offer.connection) {
            self.close(known, "the other peer called again");
        }
        let serialization = match offer.serialization {
            Some(Encoding::Known(known)) => known,
            Some(Encoding::Other(_)) | None => Serialization::Raw,
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
        // The peer must learn of the call before any other news about the link.
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

    /// Begins links that wait for a peer of this name, which has joined.
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

    /// Returns the session to make for a link, once, when this machine's addresses are known.
    pub(crate) fn start(&mut self, id: LinkId) -> Option<Start> {
        let link = self.links.get_mut(id)?;
        Some(Start {
            how: link.beginning.take()?,
            peer: link.peer,
            remote: link.remote.clone(),
            scopes: link.scopes.clone(),
        })
    }

    /// Acts on the session of a link that was made, or could not be made. `dialect`: the dialect of the other
    /// peer, if it is a page.
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
            // Early candidates must reach the session after its answer was sent.
            return self.add_candidates(id);
        }
        // The API uses SkyWay's names; a page of PeerJS interprets them in its own way, so convert the name.
        if let Some(dialect) = dialect {
            link.serialization = link.serialization.of(dialect);
        }
        let offer = Offer {
            connection,
            carries,
            sdp,
            label: Some(link.label.clone()),
            serialization: Some(Encoding::Known(link.serialization)),
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

    /// Acts on a session that has accepted its answer, or refused it.
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
        // An empty candidate marks the end of candidates, for which no code waits.
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

    /// Gives a session the candidates that have arrived for it, if it knows the description of its peer.
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
