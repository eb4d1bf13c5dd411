//! A bridge between a page of PeerJS and one of SkyWay-JS that write messages in JSON: PeerJS uses binary
//! frames, SkyWay-JS text frames, and neither accepts those of the other. So each page has a link with the
//! gateway, in the name of the other page, and the messages of one link are sent over the other.

use std::net::IpAddr;
use std::time::Instant;

use super::{Feed, Links, Terms};
use crate::ids::{BridgeId, PeerId};
use crate::payload::Serialization;
use crate::session::channels::ChannelWish;
use crate::signaling::call::Wish;
use crate::signaling::message::Offer;

/// The two pages, the network of the caller, and the serialization of the page that is called.
#[derive(Debug, Clone)]
pub(crate) struct Halves {
    /// The page that calls.
    pub(crate) caller: PeerId,
    /// The name of the page that calls.
    pub(crate) caller_name: String,
    /// The page that is called.
    pub(crate) callee: PeerId,
    /// The name of the page that is called.
    pub(crate) callee_name: String,
    /// The network of the page that calls, if that is beyond this machine.
    pub(crate) network: Option<IpAddr>,
    /// The serialization of the page that is called.
    pub(crate) serialization: Serialization,
}

impl Links {
    /// Accepts an offer of one page to another in the name of the page that is called, and calls that page.
    pub(crate) fn bridge(&mut self, now: Instant, halves: Halves, offer: Offer) {
        let (label, metadata) = (offer.label.clone(), offer.metadata.clone());
        let bridge = BridgeId(self.bridges);
        let feed = Feed::Bridge(bridge);
        let terms = Terms {
            feed: feed.clone(),
            scopes: Vec::new(),
            transcodes: false,
            network: halves.network,
        };
        let first = self.handle_offer(halves.callee, &halves.caller_name, offer, terms);
        let Some(first) = first else { return };
        self.bridges = self.bridges.wrapping_add(1);
        let wish = Wish {
            peer: halves.caller,
            target: halves.callee_name,
            channel: ChannelWish::reliable(label.unwrap_or_default()),
            serialization: halves.serialization,
            metadata,
            transcodes: false,
            feed,
            redirect: None,
            scopes: Vec::new(),
        };
        // Both halves count for the network of the page that calls: that page causes both.
        if self.call(now, wish, halves.network, true).is_none() {
            self.close(first, "there are too many connections");
        }
    }
}
