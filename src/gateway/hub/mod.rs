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
mod link_rights;
mod links;
mod page_events;
mod pages;
mod polls;
mod rest_peers;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::Gateway;
use super::offers::not_told;
use super::timers::TimerKey;
use crate::access::places::Claimant;
use crate::access::scope::Verb;
use crate::api::skyway::{ContentPorts, PortOwners};
use crate::config::{HubConfig, PeerConfig};
use crate::ice::gatherer::Vantage as Peer;
use crate::ids::{EndpointId, LinkId, LinkKind, PageId, PageKind, PeerId, SourceId};
use crate::payload::Dialect;
use crate::signaling::door::{self as rules, PageOrigin, Standing};
use crate::signaling::hub::{Hub, NotJoined, Speaks};
use crate::signaling::message::Body;
use crate::signaling::skyway::Rooms;
use crate::signaling::{peerjs, skyway};
use crate::util::slab::Slab;

pub(in crate::gateway) use content::ContentPort;
pub(in crate::gateway) use foreign::{Foreign, ForeignRequest};
use links::{Feed, Link};
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

/// The claimant of what a client does that was let in with this key. Programs and pages on this machine share no bound.
fn claimant(key: &str, standing: Standing) -> Claimant {
    let Some(remote) = standing.remote() else {
        return Claimant::default();
    };
    Claimant {
        key: Some(key.to_owned()),
        ..Claimant::default()
    }
    .at(Some(remote))
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
    /// Peers whose leaving the log does not tell, as it has not told of their joining.
    quiet: BTreeSet<PeerId>,
    /// The networks of peers from beyond this machine.
    guests: BTreeMap<PeerId, IpAddr>,
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
            quiet: BTreeSet::new(),
            guests: BTreeMap::new(),
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

    /// This machine's addresses, as they were when they were last listed.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.iter().map(|(address, _)| *address)
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
    fn has_room_for_link(&mut self, network: Option<IpAddr>) -> bool {
        let links = &self.rendezvous.links;
        // One network may have a quarter of those that are not open.
        let waiting = links.iter().filter(|(_, link)| {
            network.is_some() && link.network() == network && !link.open && !link.has_ended()
        });
        if waiting.count() >= (2 * self.limits.sessions).div_ceil(4) {
            return false;
        }
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
            let behind = Behind::Configured(peer.clone());
            let claimant = Claimant::default();
            self.send_guest_away(now, &peer.id);
            match self.join(now, &peer.id, Speaks::Gateway, behind, &claimant) {
                Ok(_) => {}
                Err(NotJoined::Taken) => {
                    log::error!("peer {}: not registered: the id is already in use", peer.id);
                }
                Err(NotJoined::Full) => {
                    log::error!("peer {}: not registered: limits.peers is reached", peer.id);
                }
            }
        }
        // The ports are those of the start.
        let content = self.rendezvous.config.content.clone();
        self.rendezvous.config = HubConfig {
            content,
            ..config.clone()
        };
        self.end_what_lost_its_right(now);
    }

    /// Ends the guest that has the id of a peer of the configuration.
    fn send_guest_away(&mut self, now: Instant, name: &str) {
        let Some(id) = self.rendezvous.hub.find(name) else {
            return;
        };
        match self.rendezvous.behind.get(&id) {
            Some(Behind::Rest(token)) => {
                let token = token.clone();
                self.delete_rest_peer(now, &token);
            }
            Some(Behind::PeerJs(page)) => {
                let source = page.source;
                self.leave(id);
                self.close_socket(now, source, sockets::NOT_ALLOWED, "the id is the gateway's");
            }
            Some(Behind::SkyWay(page)) => {
                let page = *page;
                if let Some(it) = self.rendezvous.pages.get_mut(page) {
                    it.session.disconnect(now);
                }
                self.settle_page(now, page);
            }
            Some(Behind::Configured(_)) | None => {}
        }
    }

    /// Ends peers whose key the configuration has taken away, and connections that use an endpoint which it no longer allows.
    fn end_what_lost_its_right(&mut self, now: Instant) {
        let config = &self.rendezvous.config;
        let holds = |keys, standing: Standing, key: &str, origin: &PageOrigin| {
            (config.expose || standing == Standing::Local)
                && rules::still_holds(keys, standing, key, origin)
        };
        let (skyway, peerjs) = (&config.skyway_keys, &config.peerjs_keys);
        let programs = self.rendezvous.rest_peers.iter();
        let programs: Vec<String> = programs
            .filter(|(_, it)| !holds(skyway, it.standing, &it.key, &it.origin))
            .map(|(token, _)| token.clone())
            .collect();
        let behind = self.rendezvous.behind.values();
        let sockets: Vec<SourceId> = behind
            .filter_map(|behind| match behind {
                Behind::PeerJs(page) => {
                    let Guest {
                        key,
                        standing,
                        origin,
                    } = &page.guest;
                    (!holds(peerjs, *standing, key, origin)).then_some(page.source)
                }
                Behind::Configured(_) | Behind::Rest(_) | Behind::SkyWay(_) => None,
            })
            .collect();
        let pages = self.rendezvous.pages.iter();
        let pages: Vec<PageId> = pages
            .filter(|(_, page)| {
                page.peer.is_some() && !holds(skyway, page.standing, page.key(), &page.origin)
            })
            .map(|(id, _)| id)
            .collect();
        let count = programs.len() + sockets.len() + pages.len();
        if count > 0 {
            log::info!("{count} peers end, because their keys do not hold any more");
        }
        for token in programs {
            self.delete_rest_peer(now, &token);
        }
        for socket in sockets {
            self.close_socket(
                now,
                socket,
                sockets::NOT_ALLOWED,
                "the key does not hold any more",
            );
        }
        for page in pages {
            if let Some(it) = self.rendezvous.pages.get_mut(page) {
                it.session.disconnect(now);
            }
            self.settle_page(now, page);
        }
        let links = self.rendezvous.links.iter();
        let fed = links.filter_map(|(id, link)| match link.feed {
            Feed::Endpoint(endpoint) if !link.has_ended() => Some((id, link.peer, endpoint)),
            Feed::Endpoint(_) | Feed::Port(_) | Feed::Nothing => None,
        });
        let forbidden: Vec<LinkId> = fed
            .filter(|(_, peer, endpoint)| {
                let device = self.routing.endpoints.get(*endpoint);
                let named = device.filter(|device| !device.is_nameless());
                named.is_some_and(|device| {
                    let scopes = self.rest_scopes(Standing::Local, *peer);
                    let name = &device.config.name;
                    !scopes.iter().any(|scope| scope.allows(name, Verb::Read))
                })
            })
            .map(|(id, _, _)| id)
            .collect();
        for link in forbidden {
            self.close_link(now, link, "its key does not open this endpoint any more");
        }
        self.drop_redirects(|gateway, link, to| {
            let standing = gateway.standing_of(link.peer);
            let (config, links) = (&gateway.rendezvous.config, &gateway.rendezvous.networks);
            !config.may_redirect(standing == Standing::Local, to.ip(), links)
        });
    }

    /// Whether one more peer of a claimant may join: those of one network beyond this machine are a quarter at most, so that
    /// no client takes all places with ids that cost nothing.
    fn has_room_for_peer(&self, claimant: &Claimant) -> bool {
        let Some(network) = claimant.network else {
            return true;
        };
        let guests = self.rendezvous.guests.values();
        let same = guests.filter(|guest| **guest == network);
        // And all of them together leave some for this machine.
        same.count() < self.limits.peers.div_ceil(4)
            && self.rendezvous.guests.len() < (self.limits.peers * 3).div_ceil(4)
    }

    /// Lets a peer into the hub.
    fn join(
        &mut self,
        now: Instant,
        name: &str,
        speaks: Speaks,
        behind: Behind,
        claimant: &Claimant,
    ) -> Result<PeerId, NotJoined> {
        if !self.has_room_for_peer(claimant) {
            self.stats.peers_refused += 1;
            return Err(NotJoined::Full);
        }
        let joined = self.rendezvous.hub.join(name, speaks);
        let Ok(id) = joined else {
            self.stats.peers_refused += 1;
            return joined;
        };
        self.rendezvous.behind.insert(id, behind);
        match self.note_life(now, claimant) {
            Some(untold) => {
                let before = not_told(untold);
                log::info!("peer {name} of {speaks}: joined{before}");
            }
            None => {
                self.rendezvous.quiet.insert(id);
            }
        }
        if let Some(network) = claimant.network {
            self.rendezvous.guests.insert(id, network);
        }
        let event = json!({"id": name, "kind": kind(speaks), "state": "joined"});
        self.events.push("peer", &event);
        self.begin_links_to(name);
        Ok(id)
    }

    /// A peer has gone; its links are somebody else's affair.
    fn leave(&mut self, id: PeerId) {
        self.rendezvous.guests.remove(&id);
        let is_quiet = self.rendezvous.quiet.remove(&id);
        let hub = &mut self.rendezvous.hub;
        if let (Some(name), Some(speaks)) = (hub.name(id), hub.speaks(id)) {
            if !is_quiet {
                log::info!("peer {name} of {speaks}: left");
            }
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
