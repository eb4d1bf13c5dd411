//! The hub's place in the gateway: who is behind each peer, and how they are told what others say.
//!
//! `links` are the connections of our own peers, `content` their UDP ports, `facade` the API of
//! SkyWay's gateway, `pages` and `sockets` the pages of SkyWay-JS and PeerJS, `door` who may come in.

mod bridge;
mod content;
mod door;
mod facade;
mod foreign;
mod link_channel;
mod links;
mod page_events;
mod pages;
mod polls;
mod rest_peers;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::Gateway;
use super::timers::TimerKey;
use crate::api::skyway::{ContentPorts, PortOwners};
use crate::config::{HubConfig, PeerConfig};
use crate::ice::gatherer::Peer;
use crate::ids::{EndpointId, LinkId, LinkKind, PageId, PageKind, PeerId, SourceId};
use crate::payload::Dialect;
use crate::signaling::door::{PageOrigin, Standing};
use crate::signaling::hub::{Hub, NotJoined, Speaks};
use crate::signaling::message::Body;
use crate::signaling::skyway::Rooms;
use crate::signaling::{peerjs, skyway};
use crate::util::slab::Slab;

pub(in crate::gateway) use content::ContentPort;
pub(in crate::gateway) use foreign::{Foreign, ForeignRequest};
use links::Link;
use pages::Page;
use polls::Polls;
use rest_peers::RestPeer;
pub(in crate::gateway) use sockets::Purpose;

/// Who is behind a peer of the hub.
#[derive(Debug)]
enum Behind {
    /// One of the configuration.
    Configured(PeerConfig),
    /// One that was made over the REST API; its token.
    Rest(String),
    /// A page of PeerJS.
    PeerJs(PeerJsPage),
    /// A page of SkyWay-JS.
    SkyWay(PageId),
}

/// A page of PeerJS, while its WebSocket is there.
#[derive(Debug)]
struct PeerJsPage {
    source: SourceId,
    token: String,
    guest: Guest,
}

/// With what a page was let in, so that a new configuration can be held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Guest {
    key: String,
    standing: Standing,
    origin: PageOrigin,
}

/// What nobody was told.
#[derive(Debug, Default)]
struct Dropped {
    events: u64,
    signals: u64,
}

/// All that the gateway knows about peers.
#[derive(Debug)]
pub(super) struct Rendezvous {
    hub: Hub,
    config: HubConfig,
    behind: HashMap<PeerId, Behind>,
    links: Slab<LinkKind, Link>,
    /// Links by their ids in the REST API.
    link_ids: HashMap<String, LinkId>,
    /// Links that wait for the list of our addresses.
    beginning: Vec<LinkId>,
    /// Peers of the REST API by their tokens, those included that were deleted a moment ago.
    rest_peers: HashMap<String, RestPeer>,
    ports: ContentPorts,
    owners: PortOwners<content::PortClient>,
    /// Content ports by their ids.
    data: HashMap<String, EndpointId>,
    /// The sockets that only send, by address family; made when they are needed.
    senders: [Option<EndpointId>; 2],
    /// Answers that wait for a port to be opened.
    opening: Vec<content::Opening>,
    pages: Slab<PageKind, Page>,
    /// Pages of Socket.IO by their session ids.
    sids: HashMap<String, PageId>,
    rooms: Rooms,
    polls: Polls,
    /// Links whose sessions have gone in this turn; whether they failed.
    ended: Vec<(LinkId, bool)>,
    /// Pages whose request for packets was given up in this turn.
    lost_polls: Vec<PageId>,
    /// WebSockets that have gone in this turn.
    closed: VecDeque<Purpose>,
    /// Of those that have gone.
    dropped: Dropped,
    /// How many connections within the gateway there were.
    internal: u32,
    /// This machine's addresses with their networks, for `skyway.redirect`.
    networks: Vec<(IpAddr, u8)>,
}

impl Rendezvous {
    pub(super) fn new(config: &HubConfig, most: usize) -> Self {
        let content = &config.content;
        Self {
            hub: Hub::new(most),
            ports: ContentPorts::new(content.first_port, content.ports),
            owners: PortOwners::default(),
            config: config.clone(),
            behind: HashMap::new(),
            links: Slab::new(),
            link_ids: HashMap::new(),
            beginning: Vec::new(),
            rest_peers: HashMap::new(),
            data: HashMap::new(),
            senders: [None; 2],
            opening: Vec::new(),
            pages: Slab::new(),
            sids: HashMap::new(),
            rooms: Rooms::new(),
            polls: Polls::default(),
            ended: Vec::new(),
            lost_polls: Vec::new(),
            closed: VecDeque::new(),
            dropped: Dropped::default(),
            internal: 0,
            networks: Vec::new(),
        }
    }

    /// What the configuration says about peers.
    pub(super) fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Whether nothing has happened that [`Gateway::settle_hub`] would act on.
    pub(super) fn is_quiet(&self) -> bool {
        self.hub.is_quiet()
            && self.ended.is_empty()
            && self.lost_polls.is_empty()
            && self.closed.is_empty()
            && self.polls.is_quiet()
    }

    pub(super) fn set_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.networks = networks;
    }

    /// The socket for what a content port cannot send itself.
    pub(super) fn sender_to(&self, to: IpAddr) -> Option<EndpointId> {
        self.senders
            .get(usize::from(to.is_ipv6()))
            .copied()
            .flatten()
    }

    /// The session of a link has gone.
    pub(super) fn note_end(&mut self, link: LinkId, failed: bool) {
        self.ended.push((link, failed));
    }

    /// A WebSocket has gone.
    pub(super) fn note_closed(&mut self, purpose: Purpose) {
        self.closed.push_back(purpose);
    }

    /// What a peer speaks, if it is a page.
    fn dialect_of(&self, name: &str) -> Option<Dialect> {
        match self.hub.speaks(self.hub.find(name)?)? {
            Speaks::Page(dialect) => Some(dialect),
            Speaks::Gateway => None,
        }
    }

    /// Where a peer is, as far as candidates are concerned.
    fn place_of(&self, name: &str) -> Option<Place> {
        let id = self.hub.find(name)?;
        Some(match self.behind.get(&id)? {
            Behind::Configured(_) | Behind::Rest(_) => Place::Within,
            Behind::PeerJs(page) => Place::Page(door::vantage(page.guest.standing)),
            Behind::SkyWay(page) => Place::Page(self.pages.get(*page)?.reach),
        })
    }
}

/// Where the other side of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In this very process.
    Within,
    /// Somewhere that ICE finds.
    Page(Peer),
}

impl Gateway {
    /// Whether there may be one more link. Of those that are over and only remembered, the oldest
    /// makes room.
    fn has_room_for_link(&mut self) -> bool {
        let links = &self.rendezvous.links;
        if links.len() < 2 * self.limits.sessions {
            return true;
        }
        let over = links
            .iter()
            .filter_map(|(id, link)| Some((link.ended?, id)));
        let Some((_, oldest)) = over.min_by_key(|(ended, _)| *ended) else {
            return false;
        };
        self.forget_link(oldest);
        true
    }

    /// Lets the peers of the configuration join, and those go that are no longer in it.
    pub(in crate::gateway) fn use_hub_config(&mut self, now: Instant, config: &HubConfig) {
        self.rendezvous.hub.set_most(self.limits.peers);
        let known: Vec<(PeerId, PeerConfig)> = (self.rendezvous.behind.iter())
            .filter_map(|(id, behind)| match behind {
                Behind::Configured(peer) => Some((*id, peer.clone())),
                Behind::Rest(_) | Behind::PeerJs(_) | Behind::SkyWay(_) => None,
            })
            .collect();
        for (id, peer) in &known {
            if !config.peers.contains(peer) {
                self.remove_own_peer(now, *id);
            }
        }
        for peer in &config.peers {
            if known.iter().any(|(_, other)| other == peer) {
                continue;
            }
            match self.join(&peer.id, Speaks::Gateway, Behind::Configured(peer.clone())) {
                Ok(_) => {}
                Err(NotJoined::Taken) => {
                    log::error!("peer {}: somebody has this id: it is not there", peer.id);
                }
                Err(NotJoined::Full) => {
                    log::error!("peer {}: limits.peers is reached: it is not there", peer.id);
                }
            }
        }
        // The ports are those of the start.
        let content = self.rendezvous.config.content.clone();
        self.rendezvous.config = HubConfig {
            content,
            ..config.clone()
        };
    }

    /// Lets a peer into the hub.
    fn join(&mut self, name: &str, speaks: Speaks, behind: Behind) -> Result<PeerId, NotJoined> {
        let joined = self.rendezvous.hub.join(name, speaks);
        let Ok(id) = joined else {
            self.stats.peers_refused += 1;
            return joined;
        };
        self.rendezvous.behind.insert(id, behind);
        log::info!("peer {name} of {speaks} is there");
        let event = json!({"id": name, "kind": kind(speaks), "state": "joined"});
        self.events.push("peer", &event);
        self.begin_links_to(name);
        Ok(id)
    }

    /// A peer has gone; its links are somebody else's affair.
    fn leave(&mut self, id: PeerId) {
        let hub = &mut self.rendezvous.hub;
        if let (Some(name), Some(speaks)) = (hub.name(id), hub.speaks(id)) {
            log::info!("peer {name} of {speaks} has gone");
            let event = json!({"id": name, "kind": kind(speaks), "state": "left"});
            self.events.push("peer", &event);
        }
        hub.leave(id);
        self.rendezvous.behind.remove(&id);
        self.timers.set(TimerKey::Peer(id), None);
    }

    /// One of our own peers goes with all its connections.
    fn remove_own_peer(&mut self, now: Instant, id: PeerId) {
        for link in self.links_of(id) {
            self.close_link(now, link, "its peer was removed");
        }
        self.leave(id);
    }

    /// Links whose sessions have gone are over.
    fn settle_ended(&mut self, now: Instant) {
        for (link, failed) in std::mem::take(&mut self.rendezvous.ended) {
            self.link_ended(now, link, failed);
        }
    }

    /// Tells everybody what others have said, until nobody has anything to say.
    pub(in crate::gateway) fn settle_hub(&mut self, now: Instant) {
        self.settle_ended(now);
        self.settle_lost_polls(now);
        while let Some(purpose) = self.rendezvous.closed.pop_front() {
            self.handle_socket_gone(now, purpose);
        }
        while let Some(delivery) = self.rendezvous.hub.poll_delivery() {
            let (to, from, signal) = (delivery.to, delivery.from, delivery.signal);
            log::debug!(
                "peer {from} to {}: {}",
                self.rendezvous.hub.name(to).unwrap_or_default(),
                signal.body.as_str()
            );
            if let (true, Body::Offer(offer)) = (delivery.bridged, &signal.body) {
                self.bridge(now, to, &from, offer.clone());
                continue;
            }
            match self.rendezvous.behind.get(&to) {
                Some(Behind::Configured(_) | Behind::Rest(_)) => {
                    self.handle_signal(now, to, &from, signal);
                }
                Some(_) if self.bridged(to, &from, &signal.body).is_some() => {
                    self.handle_signal(now, to, &from, signal);
                }
                Some(Behind::PeerJs(page)) => {
                    let source = page.source;
                    let name = self.rendezvous.hub.name(to).unwrap_or_default();
                    if let Some(text) = peerjs::write(&from, name, &signal) {
                        self.send_to_socket(now, source, &text);
                    }
                }
                Some(Behind::SkyWay(page)) => {
                    let page = *page;
                    if let Some((name, argument)) = skyway::write(&from, &signal) {
                        self.emit_to_page(now, page, name, &argument);
                    }
                }
                None => {}
            }
        }
        let deadline = self.rendezvous.hub.settle();
        self.timers.set(TimerKey::Hub, deadline);
        self.answer_polls(now);
    }

    pub(in crate::gateway) fn handle_hub_timeout(&mut self, now: Instant) {
        self.rendezvous.hub.handle_timeout(now);
    }

    /// Signals that had no room while their receiver was not there, or did not read.
    pub(in crate::gateway) fn signals_dropped(&self) -> u64 {
        let it = &self.rendezvous;
        let pages = it.pages.iter().map(|(_, page)| page.dropped());
        it.hub.dropped() + it.dropped.signals + pages.sum::<u64>()
    }

    /// Events of peers and connections that made room, because nobody asked for them.
    pub(in crate::gateway) fn peer_events_dropped(&self) -> u64 {
        let it = &self.rendezvous;
        let links = it.links.iter().map(|(_, link)| link.events.dropped());
        let peers = it.rest_peers.values().map(|peer| peer.events.dropped());
        it.dropped.events + links.sum::<u64>() + peers.sum::<u64>()
    }

    /// How many peers, links, content ports and parked polls there are, for the metrics and for
    /// tests of leaks.
    pub(in crate::gateway) fn hub_counts(&self) -> [usize; 4] {
        let it = &self.rendezvous;
        [it.hub.len(), it.links.len(), it.data.len(), it.polls.len()]
    }
}

/// A peer's kind in events.
fn kind(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::Gateway => "gateway",
        Speaks::Page(Dialect::PeerJs) => "peerjs",
        Speaks::Page(Dialect::SkyWay) => "skyway",
    }
}
