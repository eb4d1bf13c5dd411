//! A page of PeerJS and one of SkyWay-JS that have messages in JSON: the one puts them into binary
//! frames, the other into text frames, and neither takes the other's. So each has a connection with
//! us, in the other's name, and what comes over one goes over the other.

use std::time::Instant;

use super::links::{Feed, Wanted};
use crate::config::{EndpointConfig, EndpointKind, MessageType, Place, Traffic};
use crate::endpoint::bridge::Bridge;
use crate::gateway::Gateway;
use crate::gateway::devices::Device;
use crate::ids::{EndpointId, LinkId, PeerId};
use crate::payload::{Dialect, Serialization};
use crate::session::channels::ChannelWish;
use crate::signaling::hub::Speaks;
use crate::signaling::message::{Body, Offer};

impl Gateway {
    /// Takes an offer of one page to another up in the other's place, and calls that one.
    pub(super) fn bridge(&mut self, now: Instant, callee: PeerId, from: &str, offer: Offer) {
        let hub = &self.rendezvous.hub;
        let (Some(caller), Some(name)) = (hub.find(from), hub.name(callee)) else {
            return;
        };
        let name = name.to_owned();
        let serialization = match hub.speaks(callee) {
            Some(Speaks::Page(Dialect::SkyWay)) => Serialization::SkyWayJson,
            Some(Speaks::Page(Dialect::PeerJs) | Speaks::Gateway) | None => {
                Serialization::PeerJsJson
            }
        };
        let label = offer.label.clone().unwrap_or_default();
        let (metadata, connection) = (offer.metadata.clone(), offer.connection.clone());
        self.handle_offer(now, callee, from, offer);
        let Some(first) = self.find_link(callee, from, &connection) else {
            return;
        };
        let bridge = self.add_bridge();
        if let Some(link) = self.rendezvous.links.get_mut(first) {
            link.feed = Feed::Endpoint(bridge);
        }
        let wanted = Wanted {
            target: name,
            wish: ChannelWish::reliable(label),
            serialization,
            metadata,
            transcodes: false,
            feed: Feed::Endpoint(bridge),
            redirect: None,
            scopes: Vec::new(),
        };
        if self.call(now, caller, wanted).is_none() {
            self.close_link(now, first, "there are too many connections");
        }
    }

    fn add_bridge(&mut self) -> EndpointId {
        let config = EndpointConfig {
            name: "the other page".to_owned(),
            kind: EndpointKind::Echo,
            messages: MessageType::Binary,
            traffic: Traffic::default(),
            place: Place::BuiltIn,
        };
        let mut device = Device::new(config, Box::new(Bridge::default()));
        device.is_bridge = true;
        self.routing.endpoints.insert(device)
    }

    /// The connection with us, in the name of a page, that something to this page is about.
    pub(super) fn bridged(&self, to: PeerId, from: &str, body: &Body) -> Option<LinkId> {
        let connection = match body {
            Body::Answer(answer) => &answer.connection,
            Body::Candidate(candidate) => &candidate.connection,
            Body::Close { connection } => connection,
            Body::Failed(failed) => &failed.connection,
            // A new offer is looked at anew; who leaves has left for all.
            Body::Offer(_) | Body::Leave => return None,
        };
        self.find_link(to, from, connection)
    }

    /// One half of a bridge has gone: so has the other.
    pub(super) fn end_bridge(&mut self, now: Instant, feed: Feed) {
        let Feed::Endpoint(bridge) = feed else { return };
        let device = self.routing.endpoints.get(bridge);
        if !device.is_some_and(|device| device.is_bridge) {
            return;
        }
        let links = self.rendezvous.links.iter();
        let other = links.filter(|(_, link)| link.feed == feed && !link.has_ended());
        let other: Vec<LinkId> = other.map(|(id, _)| id).collect();
        if other.is_empty() {
            return self.cancel_endpoint(now, bridge);
        }
        for link in other {
            self.close_link(now, link, "the other page has closed it");
        }
    }
}
