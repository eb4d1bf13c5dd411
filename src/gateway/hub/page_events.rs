//! What pages of SkyWay-JS say: they join, call others, meet in rooms, and renew their credentials.

use std::time::{Duration, Instant};

use rand::RngCore;
use serde_json::Value;

use super::Behind;
use super::facade::random_id;
use super::pages::Page;
use super::rest_peers::WARNED_BEFORE;
use crate::access::visitors::Right;
use crate::gateway::Gateway;
use crate::ids::{PageId, PeerId};
use crate::payload::Dialect;
use crate::signaling::door::Application;
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::skyway::{self, Credential, Handshake, Said};
use crate::signaling::socket_io::Event;
use crate::util::halves;

impl Gateway {
    pub(super) fn handle_page_event(&mut self, now: Instant, id: PageId, event: Event) {
        match event {
            Event::Connected => self.join_page(now, id),
            Event::Received {
                name, arguments, ..
            } => {
                let argument = arguments.first();
                let parsed = argument.map(|raw| halves::parse(raw.get()));
                let argument = parsed.and_then(Result::ok);
                self.handle_page_said(now, id, &name, argument.as_ref());
            }
            Event::Closed { reason } => {
                log::debug!("a page of SkyWay-JS has gone: {reason}");
                let page = self.rendezvous.pages.get_mut(id);
                if let Some(peer) = page.and_then(|page| page.peer.take()) {
                    self.leave_rooms(now, peer);
                    self.leave(peer);
                }
            }
        }
    }

    fn join_page(&mut self, now: Instant, id: PageId) {
        let mut random = [0; 16];
        self.random.fill_bytes(&mut random);
        let Some(page) = self.rendezvous.pages.get_mut(id) else {
            return;
        };
        let Some(handshake) = page.handshake.take() else {
            return self.send_page_away(now, id, "invalid-id", "the query is not understood");
        };
        let (standing, origin) = (page.standing, page.origin.clone());
        let name = handshake.peer_id.unwrap_or_else(|| random_id(random));
        let application = Application {
            key: &handshake.api_key,
            domain: None,
            origin: &origin,
            peer: Some(&name),
            credential: handshake.credential.as_ref(),
        };
        let expires = match self.admit(now, Dialect::SkyWay, standing, application) {
            Ok(expires) => expires,
            Err(why) => {
                let kind = why.skyway_kind();
                return self.send_page_away(now, id, kind, why.detail());
            }
        };
        let taken = match self.take_over(now, &name, &handshake.token, id) {
            Some(peer) => Ok(peer),
            None => {
                let claimant = super::claimant(&handshake.api_key, standing);
                let speaks = Speaks::Page(Dialect::SkyWay);
                self.join(now, &name, speaks, Behind::SkyWay(id), &claimant)
            }
        };
        match taken {
            Ok(peer) => {
                let carriers = self.rendezvous.pages.get(id).map(Page::carriers);
                for source in carriers.into_iter().flatten().flatten() {
                    self.show_right(source, Right::Key);
                }
                if let Some(page) = self.rendezvous.pages.get_mut(id) {
                    page.peer = Some(peer);
                    page.expires = expires;
                    page.handshake = Some(Handshake {
                        api_key: handshake.api_key.clone(),
                        peer_id: Some(name.clone()),
                        token: handshake.token,
                        credential: None,
                    });
                }
                self.look_at_credential(now, id);
                let (event, argument) = skyway::open(&name);
                self.emit_to_page(now, id, event, &argument);
            }
            Err(NotJoined::Taken) => {
                let detail = format!("PeerId \"{name}\" is already in use");
                self.send_page_away(now, id, "unavailable-id", &detail);
            }
            Err(NotJoined::Full) => {
                let detail = "there are as many peers as there may be";
                self.send_page_away(now, id, "server-error", detail);
            }
        }
    }

    /// A page that comes back before we have noticed that it had gone is the peer that it was: what
    /// it was before is hung up on.
    fn take_over(&mut self, now: Instant, name: &str, token: &str, id: PageId) -> Option<PeerId> {
        let peer = self.rendezvous.hub.find(name)?;
        let Some(Behind::SkyWay(before)) = self.rendezvous.behind.get(&peer) else {
            return None;
        };
        let before = *before;
        let page = self.rendezvous.pages.get_mut(before)?;
        let known = page.handshake.as_ref().map(|known| known.token.as_str());
        if token.is_empty() || known != Some(token) {
            return None;
        }
        page.peer = None;
        page.session.disconnect(now);
        self.rendezvous.behind.insert(peer, Behind::SkyWay(id));
        self.settle_page(now, before);
        Some(peer)
    }

    /// A page is told why it may not stay.
    fn send_page_away(&mut self, now: Instant, id: PageId, kind: &str, detail: &str) {
        let (name, argument) = skyway::error(kind, detail);
        self.emit_to_page(now, id, name, &argument);
        if let Some(page) = self.rendezvous.pages.get_mut(id) {
            page.session.disconnect(now);
        }
    }

    fn handle_page_said(&mut self, now: Instant, id: PageId, name: &str, argument: Option<&Value>) {
        let Some(page) = self.rendezvous.pages.get(id) else {
            return;
        };
        let Some(peer) = page.peer else { return };
        match skyway::parse(name, argument) {
            Ok(Said::To { to, signal }) => self.rendezvous.hub.send(now, peer, &to, signal),
            Ok(Said::Room(call)) => {
                let hub = &self.rendezvous.hub;
                let from = hub.name(peer).unwrap_or_default().to_owned();
                let time = self.unix_milliseconds(now);
                let emits = self.rendezvous.rooms.handle(time, &from, call);
                self.emit_to_rooms(now, emits);
            }
            Ok(Said::UpdateCredential(credential)) => self.renew_page(now, id, &credential),
            Ok(Said::Ping | Said::Unknown) => {}
            Err(fault) => {
                self.stats.signals_refused += 1;
                let detail = format!("{name}: {fault}");
                log::debug!("a page of SkyWay-JS: {detail}");
                let (event, argument) = skyway::error("invalid-message", &detail);
                self.emit_to_page(now, id, event, &argument);
            }
        }
    }

    fn renew_page(&mut self, now: Instant, id: PageId, credential: &Credential) {
        let Some(page) = self.rendezvous.pages.get(id) else {
            return;
        };
        // Where nobody signs, it says nothing.
        let Some(handshake) = page.handshake.clone().filter(|_| page.expires.is_some()) else {
            return;
        };
        let (standing, origin) = (page.standing, page.origin.clone());
        let application = Application {
            key: &handshake.api_key,
            domain: None,
            origin: &origin,
            peer: handshake.peer_id.as_deref(),
            credential: Some(credential),
        };
        match self.admit(now, Dialect::SkyWay, standing, application) {
            Ok(expires) => {
                if let Some(page) = self.rendezvous.pages.get_mut(id) {
                    (page.expires, page.warned) = (expires, false);
                }
                self.look_at_credential(now, id);
            }
            Err(why) => {
                let (event, argument) = skyway::error("authentication", why.detail());
                self.emit_to_page(now, id, event, &argument);
            }
        }
    }

    pub(super) fn leave_rooms(&mut self, now: Instant, peer: PeerId) {
        let hub = &self.rendezvous.hub;
        let name = hub.name(peer).unwrap_or_default().to_owned();
        let time = self.unix_milliseconds(now);
        let emits = self.rendezvous.rooms.leave_all(time, &name);
        self.emit_to_rooms(now, emits);
    }

    fn emit_to_rooms(&mut self, now: Instant, emits: Vec<skyway::Emit>) {
        for skyway::Emit { to, event } in emits {
            let (name, argument) = event;
            for member in to {
                let peer = self.rendezvous.hub.find(&member);
                let behind = peer.and_then(|peer| self.rendezvous.behind.get(&peer));
                if let Some(Behind::SkyWay(page)) = behind {
                    let page = *page;
                    self.emit_to_page(now, page, name, &argument);
                }
            }
        }
    }

    fn unix_milliseconds(&self, now: Instant) -> u64 {
        let time = self.routing.time + now.saturating_duration_since(self.time_read);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }

    /// When a page's credential is to be looked at next.
    pub(super) fn look_at_credential(&mut self, now: Instant, id: PageId) {
        let time = self.unix_time();
        if let Some(page) = self.rendezvous.pages.get_mut(id) {
            page.look = page.expires.map(|end| {
                let left = end.saturating_sub(time);
                let before = if page.warned { 0 } else { WARNED_BEFORE };
                // The clock may be set meanwhile.
                let wait = left.saturating_sub(before).clamp(1, 3600);
                now + Duration::from_secs(wait)
            });
        }
    }
}
