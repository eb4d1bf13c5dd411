//! The connections of the gateway's own peers: each is a session with one channel, which is bound to an
//! endpoint, to a content port or to a bridge.
//!
//! [`Links`] takes signals of other peers, orders of dialects and results of sessions, and answers with
//! [`LinkEvent`]s. It knows no dialect, and it knows peers of the hub by name only: its owner looks names up
//! and passes the result with each call.

mod begin;
mod bridge;
mod channel;
mod end;
mod link;
mod records;
mod rights;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub(crate) use begin::{Start, Terms};
pub(crate) use bridge::Halves;
pub(crate) use channel::{ChannelPlan, ChannelRefusal};
pub(crate) use rights::{grant, terms_of};

use super::call::{Feed, LinkNews, LinkStatus};
use super::message::{Body, Signal};
use crate::access::scope::Scope;
use crate::ids::{BridgeId, EndpointId, LinkId, LinkKind, PeerId, RouteId, SessionId};
use crate::payload::Serialization;
use crate::session::channels::ChannelWish;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use link::Link;

/// The way in which a session begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// The gateway makes the offer, with this channel.
    Offer(ChannelWish),
    /// The gateway answers this offer.
    Answer(String),
}

/// The target of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// An endpoint of the configuration.
    Endpoint(EndpointId),
    /// A content port.
    Port(EndpointId),
    /// A bridge between two pages, which is made when its first route is bound.
    Bridge(BridgeId),
    /// The socket that only sends.
    Sender,
}

/// An output of the links.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LinkEvent {
    /// Sends a signal to a peer in another peer's name.
    Say {
        from: PeerId,
        to: String,
        body: Body,
    },
    /// Lists this machine's addresses for a session.
    Gather(LinkId),
    /// Gives a session its answer.
    AcceptAnswer {
        link: LinkId,
        session: SessionId,
        sdp: String,
    },
    /// Gives a session candidates of its peer.
    AddCandidates {
        session: SessionId,
        candidates: Vec<String>,
    },
    /// Closes a session.
    CloseSession {
        session: SessionId,
        why: &'static str,
    },
    /// Sets the endpoints that a session may use.
    SetScopes {
        session: SessionId,
        scopes: Vec<Scope>,
    },
    /// Binds a route to another target.
    Rebind { route: RouteId, target: Target },
    /// Sets the address for the messages of a route.
    Redirect {
        route: RouteId,
        to: Option<SocketAddr>,
    },
    /// Sets the serialization of the messages of a route.
    Transcode {
        route: RouteId,
        serialization: Option<Serialization>,
    },
    /// Removes a bridge whose halves have ended.
    CloseBridge(BridgeId),
    /// Tells the dialect of a peer news about a connection.
    News {
        peer: PeerId,
        link: LinkId,
        news: LinkNews,
    },
    /// A connection with this peer failed, for the log.
    Failed { remote: String, detail: String },
}

/// All links that have not ended.
#[derive(Debug)]
pub(crate) struct Links {
    links: Slab<LinkKind, Link>,
    /// How many links are allowed.
    most: usize,
    random: StdRng,
    /// Calls of peers that have not joined.
    timers: Timers<LinkId>,
    events: VecDeque<LinkEvent>,
    refused: u64,
    /// The number of the next bridge.
    bridges: u32,
}

impl Links {
    /// Returns an empty set of links. `most`: how many links are allowed.
    pub(crate) fn new(most: usize, seed: [u8; 32]) -> Self {
        Self {
            links: Slab::new(),
            most,
            random: StdRng::from_seed(seed),
            timers: Timers::default(),
            events: VecDeque::new(),
            refused: 0,
            bridges: 0,
        }
    }

    /// Sets how many links are allowed.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    // ---- signals of peers ----

    /// Acts on a signal to one of the gateway's own peers. Offers arrive by [`Self::handle_offer`].
    pub(crate) fn handle_signal(&mut self, to: PeerId, from: &str, signal: Signal) {
        match signal.body {
            Body::Offer(_) => {}
            Body::Answer(answer) => self.handle_answer(to, from, &answer),
            Body::Candidate(candidate) => self.handle_candidate(to, from, candidate),
            Body::Close { connection } => {
                if let Some(link) = self.find(to, from, &connection) {
                    self.close(link, "the other peer closed it");
                }
            }
            Body::Leave => {
                for link in self.between(to, from, "") {
                    self.close(link, "the other peer has left");
                }
            }
            Body::Failed(failed) => {
                for link in self.between(to, from, &failed.connection) {
                    self.give_up(link, &failed.detail);
                }
            }
        }
    }

    /// Returns the link that a signal to a peer is about, if the peer is one of the gateway's own.
    pub(crate) fn meant_by(&self, to: PeerId, from: &str, body: &Body) -> Option<LinkId> {
        let connection = match body {
            Body::Answer(answer) => &answer.connection,
            Body::Candidate(candidate) => &candidate.connection,
            Body::Close { connection } => connection,
            Body::Failed(failed) => &failed.connection,
            // A new offer is handled separately; a peer that leaves ends all of its links.
            Body::Offer(_) | Body::Leave => return None,
        };
        self.find(to, from, connection)
    }

    // ---- time and outputs ----

    /// Gives up on peers that were called and did not join.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(link) = self.timers.pop_expired(now) {
            if let Some(remote) = self.links.get(link).map(|link| link.remote.clone()) {
                self.fail(link, &format!("there is no peer {remote}"));
            }
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes out the next event.
    pub(crate) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    // ---- queries ----

    /// Returns the links of a peer.
    pub(crate) fn of_peer(&self, peer: PeerId) -> Vec<LinkId> {
        let links = self.links.iter();
        let own = links.filter(|(_, link)| link.peer == peer);
        own.map(|(id, _)| id).collect()
    }

    /// Returns the status of a link, and its session.
    pub(crate) fn status(&self, link: LinkId) -> Option<(LinkStatus, Option<SessionId>)> {
        let link = self.links.get(link)?;
        Some((link.status(), link.session))
    }

    /// Returns the links whose messages go to an address, with their peers.
    pub(crate) fn redirected(&self) -> impl Iterator<Item = (LinkId, PeerId, SocketAddr)> {
        let links = self.links.iter();
        links.filter_map(|(id, link)| Some((id, link.peer, link.redirect?)))
    }

    /// Returns how many links there are.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Returns how many links were refused for lack of room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns whether there is no event to take out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.is_empty()
    }
}
