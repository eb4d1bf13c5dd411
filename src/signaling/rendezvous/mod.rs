//! The hub of peers as one part of the gateway: requests, WebSockets and sessions in, events out.
//!
//! `table` has the dialects, `requests` gives them the input of clients, `sessions` gives the links news
//! about their sessions, `relay` passes on the outputs of dialects and links, and `configure` checks
//! everything against a new configuration. Only this folder names both dialects and links.

mod configure;
pub(crate) mod door;
pub(crate) mod event;
pub(crate) mod lobby;
mod relay;
mod requests;
pub(crate) mod roster;
mod sessions;
pub(crate) mod site;
mod table;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

pub(crate) use event::{BeginLink, Beginning, PeerPlace, RendezvousEvent, RendezvousStats, Target};

use super::dialect::Dialect;
pub(crate) use super::dialect::{Claim, DialectRequest};
use super::facade::Facade;
use super::links::Links;
use super::peerjs::PeerJs;
use super::skyway::SkyWay;
use crate::config::HubConfig;
use crate::http::RequestHead;
use crate::ids::{DialectId, EndpointId, RequestId, SocketId};
use crate::sources::Context;
use crate::util::timers::sooner;
use door::Door;
use lobby::Lobby;
use roster::Roster;
use rustc_hash::FxHashMap;
use site::Site;
use table::Dialects;

/// The part of the gateway that manages peers.
///
/// A call reads the time and the free descriptors from its context; work for the event loop leaves as an
/// event.
///
/// After every input the owner calls [`Self::poll_event`] until it returns `None`, and once per turn it calls
/// [`Self::settle`] unless the rendezvous [`is quiet`](Self::is_quiet).
pub(crate) struct Rendezvous {
    roster: Roster,
    door: Door,
    site: Site,
    config: HubConfig,
    dialects: Dialects,
    links: Links,
    /// How many links are allowed, those included that have ended and are remembered.
    most_links: usize,
    /// Requests whose body has not arrived yet.
    bodies: FxHashMap<RequestId, DialectRequest>,
    /// Requests that asked for the status of a link, with the dialects that asked.
    asked: FxHashMap<RequestId, DialectId>,
    /// WebSockets, with their dialects.
    sockets: FxHashMap<SocketId, DialectId>,
    events: VecDeque<RendezvousEvent>,
    /// Signals that did not fit into their WebSocket.
    refused: u64,
}

impl Rendezvous {
    /// Returns a hub without any peer; the owner calls `configure` next. `peers`, `sessions`: how many are
    /// allowed.
    pub(crate) fn new(config: &HubConfig, peers: usize, sessions: usize, seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        let mut seed = || {
            let mut seed = [0; 32];
            random.fill_bytes(&mut seed);
            seed
        };
        Self {
            roster: Roster::new(peers),
            door: Door::default(),
            site: Site::default(),
            config: config.clone(),
            links: Links::new(most_links(sessions), seed()),
            dialects: Dialects {
                facade: Facade::new(&config.content, seed()),
                skyway: SkyWay::new(seed()),
                peerjs: PeerJs::new(seed()),
                #[cfg(test)]
                echo: tests::echo::Echo::default(),
            },
            most_links: most_links(sessions),
            bodies: FxHashMap::default(),
            asked: FxHashMap::default(),
            sockets: FxHashMap::default(),
            events: VecDeque::new(),
            refused: 0,
        }
    }

    // ---- facts about the rest of the gateway ----

    /// Sets this machine's addresses with the bits of their networks, and ends redirects to an address that
    /// is now one of this machine with a port of this process.
    pub(crate) fn set_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.site.set_networks(networks);
        self.drop_own_redirects();
    }

    /// Sets the UDP ports of this process, and ends redirects to them.
    pub(crate) fn set_own_ports(&mut self, ports: BTreeSet<u16>) {
        self.site.set_own_ports(ports);
        self.drop_own_redirects();
    }

    /// Sets the endpoint that has a name of the configuration, if one exists.
    pub(crate) fn set_endpoint(&mut self, name: &str, id: Option<EndpointId>) {
        self.site.set_endpoint(name, id);
    }

    /// Shuts down: waiting requests are answered, and programs can make no more peers.
    pub(crate) fn stop(&mut self, cx: &Context<'_>) {
        self.site.stop();
        self.each(cx, |dialect, lobby| dialect.handle_stop(lobby));
    }

    // ---- time and outputs ----

    /// Acts on a deadline that has passed.
    pub(crate) fn handle_timeout(&mut self, cx: &Context<'_>) {
        let now = cx.now;
        // The hub comes first, so that a call that it gives up ends its link before that link's own deadline
        // is checked.
        self.roster.handle_timeout(now);
        self.links.handle_timeout(now);
        self.relay(cx);
        self.each(cx, |dialect, lobby| {
            if dialect.poll_timeout().is_some_and(|at| at <= now) {
                dialect.handle_timeout(lobby);
            }
        });
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = sooner(self.roster.poll_timeout(), self.links.poll_timeout());
        let dialects = self.dialects.iter().map(Dialect::poll_timeout);
        dialects.fold(own, sooner)
    }

    /// Returns whether [`Self::settle`] would do nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        self.roster.is_quiet()
            && self.links.is_quiet()
            && self.dialects.iter().all(Dialect::is_quiet)
    }

    /// Delivers the signals of peers until no signal is left, and answers requests that wait for events.
    pub(crate) fn settle(&mut self, cx: &Context<'_>) {
        self.relay(cx);
        while let Some(delivery) = self.roster.poll_delivery() {
            self.deliver(cx, delivery);
            self.relay(cx);
        }
        self.roster.settle();
        // Answer requests last, so that each gets the first event of its subject in this turn, whatever the
        // order of the causes.
        self.each(cx, |dialect, lobby| dialect.settle(lobby));
    }

    /// Takes out the next event for the rest of the gateway.
    pub(crate) fn poll_event(&mut self) -> Option<RendezvousEvent> {
        self.events.pop_front()
    }

    /// Returns whether [`Self::poll_event`] has an event.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    // ---- queries ----

    /// Returns what the configuration says about peers.
    pub(crate) fn config(&self) -> &HubConfig {
        &self.config
    }

    /// Returns the claim of a dialect to a request, if any. The gateway checks claims before its own API.
    pub(crate) fn claims(head: &RequestHead) -> Option<Claim> {
        table::claims(head)
    }

    /// Returns the origins whose pages may use the dialect of a request. Origins of one dialect do not count
    /// for another.
    pub(crate) fn origins(&self, claim: &Claim) -> impl Iterator<Item = &String> {
        let keys = table::keys(claim.dialect, &self.config);
        keys.iter().flat_map(|key| &key.origins)
    }

    /// Returns whether clients beyond this machine may use the hub.
    pub(crate) fn is_exposed(&self) -> bool {
        self.config.expose
    }

    /// Returns figures for the metrics.
    pub(crate) fn stats(&self) -> RendezvousStats {
        let counts = || self.dialects.iter().map(Dialect::counts);
        let signals: u64 = counts().map(|counts| counts.signals_refused).sum();
        let facade = &self.dialects.facade;
        RendezvousStats {
            peers: self.roster.len(),
            links: self.links.len() + facade.remembered(),
            content_ports: facade.ports(),
            parked_polls: facade.parked_polls(),
            peers_refused: self.roster.refused(),
            signals_refused: self.refused + self.roster.signals_dropped() + signals,
            links_refused: self.links.refused(),
            events_dropped: counts().map(|counts| counts.events_dropped).sum(),
            tries_failed: self.door.failed(),
        }
    }

    // ---- one dialect at a time ----

    /// Lets every dialect act, and passes on the outputs of each before the next one acts.
    fn each(&mut self, cx: &Context<'_>, mut act: impl FnMut(&mut dyn Dialect, &mut Lobby<'_>)) {
        for id in table::ids() {
            self.with(cx, id, &mut act);
            self.relay(cx);
        }
    }

    fn drop_own_redirects(&mut self) {
        let redirected = self.links.redirected();
        let bad = redirected.filter(|(_, _, to)| self.site.is_own_port(*to));
        let bad: Vec<_> = bad.map(|(link, _, _)| link).collect();
        for link in bad {
            self.links.drop_redirect(link);
        }
        self.relay_orders();
    }
}

/// Returns how many links are allowed: a connection between two of the gateway's own peers has two.
fn most_links(sessions: usize) -> usize {
    2 * sessions
}
