//! The destinations of outputs: outputs of dialects and links, and news of the roster, become events for the
//! gateway or calls to each other.

use serde_json::json;

use super::roster::{Member, RosterNews, kind, not_told};
use super::{Rendezvous, RendezvousEvent, table};
use crate::ids::{DialectId, LinkId, PeerId};
use crate::payload::{Dialect as Encoding, Serialization};
use crate::signaling::call::{Feed, LinkNews, Order};
use crate::signaling::dialect::{Output, SocketUse};
use crate::signaling::door as rules;
use crate::signaling::hub::{Delivery, Speaks};
use crate::signaling::links::{self, Halves, LinkEvent, Terms};
use crate::signaling::message::{Body, Offer};
use crate::sources::Context;
use crate::util::redact::Redacted;

impl Rendezvous {
    /// Passes on the outputs of the roster, the links and the dialects, until none of them has any.
    ///
    /// The order is fixed. Peers that joined come first, because calls wait for them. Outputs of links come
    /// before the next output of a dialect, so that a connection has ended when the dialect closes the port
    /// that fed it.
    pub(super) fn relay(&mut self, cx: &Context<'_>) {
        loop {
            if let Some(news) = self.roster.poll_news() {
                self.handle_roster_news(news);
            } else if let Some(event) = self.links.poll_event() {
                self.handle_link_event(cx, event);
            } else if let Some((id, output)) = self.poll_dialects() {
                self.handle_output(cx, id, output);
            } else {
                return;
            }
        }
    }

    fn poll_dialects(&mut self) -> Option<(DialectId, Output)> {
        table::ids().find_map(|id| {
            let output = self.dialects.get_mut(id)?.poll_output()?;
            Some((id, output))
        })
    }

    fn handle_roster_news(&mut self, news: RosterNews) {
        let (name, speaks, state) = match &news {
            RosterNews::Joined(name, speaks) => (name, speaks, "joined"),
            RosterNews::Left(name, speaks) => (name, speaks, "left"),
        };
        let event = json!({"id": name, "kind": kind(*speaks), "state": state});
        self.events
            .push_back(RendezvousEvent::Publish("peer", event));
        if let RosterNews::Joined(name, _) = &news {
            self.links.handle_joined(name);
        }
    }

    // ---- dialects ----

    fn handle_output(&mut self, cx: &Context<'_>, id: DialectId, output: Output) {
        let event = match output {
            Output::Answer(request, response) => RendezvousEvent::Answer(request, response),
            Output::HangUp(request) => RendezvousEvent::HangUp(request),
            Output::Upgrade {
                request,
                key,
                number,
            } => {
                let purpose = SocketUse {
                    dialect: id,
                    number,
                };
                RendezvousEvent::Upgrade(request, purpose, key)
            }
            Output::Send(socket, text) => RendezvousEvent::Send(socket, text),
            Output::Close(socket, code, why) => RendezvousEvent::Close(socket, code, why),
            Output::Probe(socket, time) => RendezvousEvent::Probe(socket, time),
            Output::ShowRight(shown, right) => RendezvousEvent::ShowRight(shown, right),
            Output::OpenPort { bind } => RendezvousEvent::OpenPort(bind),
            Output::ClosePort(port) => RendezvousEvent::ClosePort(port),
            Output::PrepareSender(to) => RendezvousEvent::PrepareSender(to),
            Output::ListAddresses => RendezvousEvent::ListAddresses,
            Output::Link(order) => return self.handle_order(cx, id, order),
            Output::Remove(peer) => return self.remove_own_peer(cx, peer),
        };
        self.events.push_back(event);
    }

    fn handle_order(&mut self, cx: &Context<'_>, id: DialectId, order: Order) {
        match order {
            Order::Call(request, wish) => {
                let peer = wish.peer;
                let network = self.roster.claimant(Some(peer)).network;
                let has_joined = self.roster.find(&wish.target).is_some();
                let made = self.links.call(cx.now, *wish, network, has_joined);
                let (link, news) = match made {
                    Some(link) => (link, LinkNews::Made(request, peer)),
                    None => (LinkId::from_bits(u64::MAX), LinkNews::NotMade(request)),
                };
                self.with(cx, id, |dialect, lobby| {
                    dialect.handle_link(lobby, link, news);
                });
                self.bound_remembered();
            }
            Order::Close(link, why) => self.links.close(link, why),
            Order::Feed(link, feed, scopes) => self.links.set_feed(link, feed, scopes),
            Order::Transcode(link, transcodes) => self.links.set_transcoding(link, transcodes),
            Order::Redirect(link, to) => self.links.set_redirect(link, to),
            Order::Status(request, link) => {
                let session = self.links.status(link).and_then(|(_, session)| session);
                self.asked.insert(request, id);
                self.events
                    .push_back(RendezvousEvent::Status(request, link, session));
            }
        }
    }

    /// Ends all connections of one of the gateway's own peers, and removes the peer from the hub. The
    /// connections end first, because the other peers are notified in the peer's name.
    pub(super) fn remove_own_peer(&mut self, cx: &Context<'_>, peer: PeerId) {
        for link in self.links.of_peer(peer) {
            self.links.close(link, "its peer was removed");
        }
        while let Some(event) = self.links.poll_event() {
            self.handle_link_event(cx, event);
        }
        self.roster.leave(peer);
    }

    /// Forgets ended connections, so that they take no room from existing ones.
    fn bound_remembered(&mut self) {
        let room = self.most_links.saturating_sub(self.links.len());
        self.dialects.facade.forget_connections_beyond(room);
    }

    // ---- links ----

    fn handle_link_event(&mut self, cx: &Context<'_>, event: LinkEvent) {
        match self.relay_order(event) {
            None => {}
            Some(LinkOutput::Say { from, to, body }) => self.roster.send(cx.now, from, &to, body),
            Some(LinkOutput::News { peer, link, news }) => {
                let is_call = matches!(news, LinkNews::Called(_));
                if let Some(Member::Guest(dialect, _)) = self.roster.member(peer) {
                    let dialect = *dialect;
                    self.with(cx, dialect, |dialect, lobby| {
                        dialect.handle_link(lobby, link, news);
                    });
                }
                if is_call {
                    self.bound_remembered();
                }
            }
            Some(LinkOutput::Failed { remote, detail }) => {
                let caller = self.roster.claimant(self.roster.find(&remote));
                if let Some(untold) = self.roster.note_life(cx.now, &caller) {
                    let (remote, detail) = (Redacted(&remote), Redacted(&detail));
                    let before = not_told(untold);
                    log::info!("a connection with peer {remote} failed: {detail}{before}");
                }
            }
        }
    }

    /// Passes on the outputs of links for sessions and routes. Outputs for other peers and for dialects wait
    /// for the next [`Self::relay`].
    pub(super) fn relay_orders(&mut self) {
        while let Some(event) = self.links.poll_event() {
            let _told = self.relay_order(event);
        }
    }

    /// Passes on an event of the links if it is for sessions and routes, and returns it otherwise.
    fn relay_order(&mut self, event: LinkEvent) -> Option<LinkOutput> {
        let event = match event {
            LinkEvent::Say { from, to, body } => return Some(LinkOutput::Say { from, to, body }),
            LinkEvent::News { peer, link, news } => {
                return Some(LinkOutput::News { peer, link, news });
            }
            LinkEvent::Failed { remote, detail } => {
                return Some(LinkOutput::Failed { remote, detail });
            }
            LinkEvent::Gather(link) => RendezvousEvent::Gather(link),
            LinkEvent::AcceptAnswer { link, session, sdp } => {
                RendezvousEvent::AcceptAnswer(link, session, sdp)
            }
            LinkEvent::AddCandidates {
                session,
                candidates,
            } => RendezvousEvent::AddCandidates(session, candidates),
            LinkEvent::CloseSession { session, why } => RendezvousEvent::CloseSession(session, why),
            LinkEvent::SetScopes { session, scopes } => RendezvousEvent::SetScopes(session, scopes),
            LinkEvent::Rebind { route, target } => RendezvousEvent::Rebind(route, target),
            LinkEvent::Redirect { route, to } => RendezvousEvent::Redirect(route, to),
            LinkEvent::Transcode {
                route,
                serialization,
            } => RendezvousEvent::Transcode(route, serialization),
            LinkEvent::CloseBridge(bridge) => RendezvousEvent::CloseBridge(bridge),
        };
        self.events.push_back(event);
        None
    }

    // ---- signals ----

    /// Delivers a signal: to the links of the gateway's own peers and of bridged pages, or to the dialect of
    /// a page.
    pub(super) fn deliver(&mut self, cx: &Context<'_>, delivery: Delivery) {
        let (to, from, signal) = (delivery.to, delivery.from, delivery.signal);
        log::debug!(
            "peer {from} to {}: {}",
            self.roster.name(to).unwrap_or_default(),
            signal.body.as_str()
        );
        let is_ours = self.roster.speaks(to) == Some(Speaks::Gateway);
        if let Body::Offer(offer) = &signal.body
            && (is_ours || delivery.bridged)
        {
            let offer = offer.clone();
            if delivery.bridged {
                return self.bridge(cx, to, &from, offer);
            }
            let terms = self.terms_of(to, &from);
            self.links.handle_offer(to, &from, offer, terms);
        } else if is_ours || self.links.meant_by(to, &from, &signal.body).is_some() {
            self.links.handle_signal(to, &from, signal);
        } else if let Some(Member::Guest(dialect, _)) = self.roster.member(to) {
            let dialect = *dialect;
            self.with(cx, dialect, |dialect, lobby| {
                dialect.handle_delivery(lobby, to, &from, &signal);
            });
        }
    }

    /// Returns the terms on which one of the gateway's own peers accepts an offer.
    fn terms_of(&self, to: PeerId, from: &str) -> Terms {
        let network = self.roster.claimant(self.roster.find(from)).network;
        let scopes = match self.roster.member(to) {
            Some(Member::Configured(peer)) => return links::terms_of(peer, network),
            // The program behind the peer chooses the target of the connection later, with its own right.
            Some(Member::Guest(dialect, guest)) => {
                let keys = table::keys(*dialect, &self.config);
                rules::scopes(keys, &self.config.peers, guest.locality, &guest.key)
            }
            None => Vec::new(),
        };
        Terms {
            feed: Feed::Nothing,
            scopes,
            transcodes: false,
            network,
        }
    }

    fn bridge(&mut self, cx: &Context<'_>, callee: PeerId, from: &str, offer: Offer) {
        let (Some(caller), Some(name)) = (self.roster.find(from), self.roster.name(callee)) else {
            return;
        };
        let serialization = match self.roster.speaks(callee) {
            Some(Speaks::Page(Encoding::SkyWay)) => Serialization::SkyWayJson,
            Some(Speaks::Page(Encoding::PeerJs) | Speaks::Gateway) | None => {
                Serialization::PeerJsJson
            }
        };
        let halves = Halves {
            caller,
            caller_name: from.to_owned(),
            callee,
            callee_name: name.to_owned(),
            network: self.roster.claimant(Some(caller)).network,
            serialization,
        };
        self.links.bridge(cx.now, halves, offer);
    }
}

/// An output of links that is not for sessions and routes.
enum LinkOutput {
    /// A signal to another peer.
    Say {
        from: PeerId,
        to: String,
        body: Body,
    },
    /// News for the dialect of a peer.
    News {
        peer: PeerId,
        link: LinkId,
        news: LinkNews,
    },
    /// A failure for the log.
    Failed { remote: String, detail: String },
}
