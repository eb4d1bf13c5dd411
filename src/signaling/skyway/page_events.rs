//! Events from pages of SkyWay-JS: pages join, call others, meet in rooms, and renew their credentials.

use serde_json::Value;

use super::SkyWay;
use super::page::Page;
use super::page_base::milliseconds;
use super::{ClientMessage, Credential, Handshake};
use crate::ids::{PageId, PeerId};
use crate::payload;
use crate::signaling::dialect::Shown;
use crate::signaling::door::Application;
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::names::random_name;
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::Event;
use crate::util::halves;

impl SkyWay {
    pub(super) fn handle_event(&mut self, lobby: &mut Lobby<'_>, id: PageId, event: Event) {
        match event {
            Event::Connected => self.join(lobby, id),
            Event::Received {
                name, arguments, ..
            } => {
                let argument = arguments.first();
                let parsed = argument.map(|raw| halves::parse(raw.get()));
                let argument = parsed.and_then(Result::ok);
                self.handle_said(lobby, id, &name, argument.as_ref());
            }
            Event::Closed { reason } => {
                log::debug!("a page of SkyWay-JS has gone: {reason}");
                let page = self.pages.get_mut(id);
                if let Some(peer) = page.and_then(|page| page.peer.take()) {
                    self.leave(lobby, peer);
                }
            }
        }
    }

    fn join(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        let Some(page) = self.pages.get_mut(id) else {
            return;
        };
        let Some(handshake) = page.handshake.take() else {
            return self.send_away(lobby, id, "invalid-id", "the query is not understood");
        };
        let guest = page.guest(&handshake.api_key);
        let name = handshake.peer_id;
        let name = name.unwrap_or_else(|| random_name(&mut self.random));
        let application = Application {
            key: &handshake.api_key,
            domain: None,
            origin: &guest.origin,
            peer: Some(&name),
            credential: handshake.credential.as_ref(),
        };
        let expires = match lobby.admit(guest.locality, application) {
            Ok(expires) => expires,
            Err(why) => return self.send_away(lobby, id, why.skyway_kind(), why.detail()),
        };
        let joined = match self.take_over(lobby, &name, &handshake.token) {
            Some(peer) => {
                lobby.set_guest(peer, guest);
                Ok(peer)
            }
            None => lobby.join(&name, Speaks::Page(payload::Dialect::SkyWay), guest),
        };
        match joined {
            Ok(peer) => {
                let handshake = Handshake {
                    api_key: handshake.api_key,
                    peer_id: Some(name.clone()),
                    token: handshake.token,
                    credential: None,
                };
                self.members.insert(peer, id);
                let carriers = self.pages.get(id).map(Page::carriers);
                self.show_keys(carriers.into_iter().flatten());
                if let Some(page) = self.pages.get_mut(id) {
                    page.peer = Some(peer);
                    page.expires = expires;
                    page.handshake = Some(handshake);
                    page.schedule_look(lobby.now(), lobby.unix_time());
                }
                let (event, argument) = super::open(&name);
                self.emit(id, event, &argument);
            }
            Err(NotJoined::Taken) => {
                let detail = format!("PeerId \"{name}\" is already in use");
                self.send_away(lobby, id, "unavailable-id", &detail);
            }
            Err(NotJoined::Full) => {
                let detail = "there are as many peers as there may be";
                self.send_away(lobby, id, "server-error", detail);
            }
        }
    }

    fn show_keys(&mut self, carriers: impl Iterator<Item = Shown>) {
        for carrier in carriers {
            self.show_key(carrier);
        }
    }

    /// Disconnects the old session of a page that returns before its end was noticed, and returns the page's
    /// peer.
    fn take_over(&mut self, lobby: &Lobby<'_>, name: &str, token: &str) -> Option<PeerId> {
        let peer = lobby.find(name)?;
        let before = *self.members.get(&peer)?;
        let page = self.pages.get_mut(before)?;
        let known = page.handshake.as_ref().map(|known| known.token.as_str());
        if token.is_empty() || known != Some(token) {
            return None;
        }
        // Detach the peer from the old page before its session ends, so that the end does not remove the peer
        // from the hub.
        page.peer = None;
        page.session.disconnect(lobby.now());
        self.members.remove(&peer);
        self.unsettled.push_back(before);
        Some(peer)
    }

    /// Tells a page why it is refused, and disconnects it.
    fn send_away(&mut self, lobby: &Lobby<'_>, id: PageId, kind: &str, detail: &str) {
        let (name, argument) = super::error(kind, detail);
        self.emit(id, name, &argument);
        if let Some(page) = self.pages.get_mut(id) {
            page.session.disconnect(lobby.now());
        }
    }

    fn handle_said(
        &mut self,
        lobby: &mut Lobby<'_>,
        id: PageId,
        name: &str,
        argument: Option<&Value>,
    ) {
        let Some(peer) = self.pages.get(id).and_then(|page| page.peer) else {
            return;
        };
        match super::parse(name, argument) {
            Ok(ClientMessage::To { to, signal }) => lobby.say(peer, &to, signal),
            Ok(ClientMessage::Room(call)) => {
                let from = lobby.name(peer).unwrap_or_default().to_owned();
                let emits = self.rooms.handle(milliseconds(lobby), &from, call);
                self.emit_to_rooms(lobby, emits);
            }
            Ok(ClientMessage::UpdateCredential(credential)) => self.renew(lobby, id, &credential),
            Ok(ClientMessage::Ping | ClientMessage::Unknown) => {}
            Err(fault) => {
                self.refused += 1;
                let detail = format!("{name}: {fault}");
                log::debug!("a page of SkyWay-JS: {detail}");
                let (event, argument) = super::error("invalid-message", &detail);
                self.emit(id, event, &argument);
            }
        }
    }

    fn renew(&mut self, lobby: &mut Lobby<'_>, id: PageId, credential: &Credential) {
        let Some(page) = self.pages.get_mut(id) else {
            return;
        };
        // Without a server that signs, a credential has no meaning.
        let Some(handshake) = page.handshake.as_ref().filter(|_| page.expires.is_some()) else {
            return;
        };
        let application = Application {
            key: &handshake.api_key,
            domain: None,
            origin: &page.origin,
            peer: handshake.peer_id.as_deref(),
            credential: Some(credential),
        };
        match lobby.admit(page.locality, application) {
            Ok(expires) => {
                (page.expires, page.warned) = (expires, false);
                page.schedule_look(lobby.now(), lobby.unix_time());
            }
            Err(why) => {
                let (event, argument) = super::error("authentication", why.detail());
                self.emit(id, event, &argument);
            }
        }
    }
}
