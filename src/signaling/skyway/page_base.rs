//! Events for pages of SkyWay-JS, and the end of pages.

use serde_json::Value;

use super::Emit;
use super::SkyWay;
use super::page;
use crate::access::visitors::Right;
use crate::ids::{PageId, PeerId};
use crate::signaling::dialect::{Output, Shown};
use crate::signaling::rendezvous::lobby::Lobby;
use crate::signaling::socket_io::request::TransportRefusal;

impl SkyWay {
    /// Sends an event to a page. The event leaves when the page is settled.
    pub(super) fn emit(&mut self, id: PageId, name: &str, argument: &Value) {
        if let Some(page) = self.pages.get_mut(id) {
            if let Err(error) = page.session.emit(name, &[argument]) {
                self.refused += 1;
                log::debug!("a page of SkyWay-JS is not told {name}: {error}");
            }
            self.unsettled.push_back(id);
        }
    }

    pub(super) fn show_key(&mut self, shown: Shown) {
        self.outputs.push_back(Output::ShowRight(shown, Right::Key));
    }

    pub(super) fn remove(&mut self, lobby: &mut Lobby<'_>, id: PageId) {
        self.timers.set(id, None);
        let Some(page) = self.pages.remove(id) else {
            return;
        };
        self.sids.remove(page.session.sid());
        self.dropped += page.dropped();
        if let Some(peer) = page.peer {
            self.leave(lobby, peer);
        }
        if let Some(request) = page.poll {
            self.polls.remove(&request);
            self.outputs
                .push_back(page::refusal(request, TransportRefusal::Session));
        }
    }

    /// Removes the peer of a page from its rooms and from the hub. The rooms come first because they know the
    /// peer by its name.
    pub(super) fn leave(&mut self, lobby: &mut Lobby<'_>, peer: PeerId) {
        let name = lobby.name(peer).unwrap_or_default().to_owned();
        let emits = self.rooms.leave_all(milliseconds(lobby), &name);
        self.emit_to_rooms(lobby, emits);
        self.members.remove(&peer);
        lobby.leave(peer);
    }

    pub(super) fn emit_to_rooms(&mut self, lobby: &Lobby<'_>, emits: Vec<Emit>) {
        for Emit { to, event } in emits {
            let (name, argument) = event;
            for member in to {
                let peer = lobby.find(&member);
                let page = peer.and_then(|peer| self.members.get(&peer));
                if let Some(page) = page.copied() {
                    self.emit(page, name, &argument);
                }
            }
        }
    }
}

pub(super) fn milliseconds(lobby: &Lobby<'_>) -> u64 {
    u64::try_from(lobby.time().as_millis()).unwrap_or(u64::MAX)
}
