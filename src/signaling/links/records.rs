//! Functions that find links, and that notify the peers and dialects at their ends.

use std::net::IpAddr;

use super::{LinkEvent, Links};
use crate::ids::{LinkId, PeerId};
use crate::signaling::call::LinkNews;
use crate::signaling::message::Body;

impl Links {
    pub(super) fn find(&self, peer: PeerId, remote: &str, connection: &str) -> Option<LinkId> {
        let mut links = self.links.iter();
        let found = links.find(|(_, link)| {
            link.peer == peer && link.remote == remote && link.connection == connection
        });
        found.map(|(id, _)| id)
    }

    /// Returns the links of two peers; with a connection, only that one.
    pub(super) fn between(&self, peer: PeerId, remote: &str, connection: &str) -> Vec<LinkId> {
        let links = self.links.iter().filter(|(_, link)| {
            link.peer == peer
                && link.remote == remote
                && (connection.is_empty() || link.connection == connection)
        });
        links.map(|(id, _)| id).collect()
    }

    pub(super) fn say(&mut self, id: LinkId, body: Body) {
        if let Some(link) = self.links.get(id) {
            let (from, to) = (link.peer, link.remote.clone());
            self.events.push_back(LinkEvent::Say { from, to, body });
        }
    }

    pub(super) fn tell(&mut self, id: LinkId, news: LinkNews) {
        if let Some(link) = self.links.get(id) {
            let (peer, link) = (link.peer, id);
            self.events.push_back(LinkEvent::News { peer, link, news });
        }
    }

    /// Returns whether one more link is allowed. One network may have a quarter of the links that are not
    /// open.
    pub(super) fn has_room(&self, network: Option<IpAddr>) -> bool {
        let links = self.links.iter();
        let waiting = links.filter(|(_, link)| network.is_some() && link.network == network);
        let waiting = waiting.filter(|(_, link)| !link.open);
        waiting.count() < self.most.div_ceil(4) && self.links.len() < self.most
    }
}
