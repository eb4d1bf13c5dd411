//! The channel of a link: bound when it opens, and to something else when its program says so.

use std::time::Instant;

use super::Behind;
use super::links::Feed;
use super::polls::PollKey;
use crate::access::scope::Verb;
use crate::api::skyway::Event;
use crate::gateway::Gateway;
use crate::gateway::transcode::Transcoder;
use crate::ids::{LinkId, SessionId};
use crate::payload::Serialization;
use crate::session::channels::ChannelKey;
use crate::signaling::door::Standing;

impl Gateway {
    /// A channel of a link's session has opened.
    pub(in crate::gateway) fn open_link_channel(
        &mut self,
        now: Instant,
        session: SessionId,
        key: ChannelKey,
        id: LinkId,
    ) {
        let channel = self.sessions.get(session);
        let channel = channel.and_then(|entry| entry.session.channels().get(key));
        let (Some(channel), Some(link)) = (channel, self.rendezvous.links.get(id)) else {
            return;
        };
        let label = channel.label.clone();
        let (first, feed, peer) = (link.route.is_none(), link.feed, link.peer);
        let endpoint = match self.rendezvous.behind.get(&peer) {
            // Both libraries have a connection for each channel.
            Some(_) if !first => {
                let detail = "a data connection has one channel";
                return self.refuse_channel(session, key, "too-many-channels", detail);
            }
            Some(Behind::Configured(peer)) => {
                let name = peer.labels.get(&label).or(peer.endpoint.as_ref());
                let found = name.and_then(|name| self.routing.endpoint_names.get(name));
                found.copied()
            }
            Some(Behind::Rest(_) | Behind::PeerJs(_) | Behind::SkyWay(_)) | None => match feed {
                Feed::Port(port) | Feed::Endpoint(port) => Some(port),
                Feed::Nothing => Some(self.sender()),
            },
        };
        let Some(endpoint) = endpoint else {
            let detail = "this peer has no endpoint for this label, or it is not there";
            return self.refuse_channel(session, key, "unknown-endpoint", detail);
        };
        // A content port and a bridge have no name, and no scope.
        let device = self.routing.endpoints.get(endpoint);
        let named = device.filter(|device| !device.is_nameless());
        let named = named.map(|device| device.config.name.as_str());
        let grant = self.sessions.get(session).map(|entry| &entry.grant);
        let allows = |verb| {
            let both = named.zip(grant);
            both.is_none_or(|(name, grant)| grant.allows(name, verb))
        };
        if !allows(Verb::Read) {
            let detail = "this connection may not use that endpoint";
            return self.refuse_channel(session, key, "unknown-endpoint", detail);
        }
        let may_write = allows(Verb::Write);
        let route = self.bind_channel(now, session, key, endpoint, may_write);
        let (Some(route), Some(link)) = (route, self.rendezvous.links.get_mut(id)) else {
            return;
        };
        link.label = label;
        if let Some(entry) = self.sessions.get(session)
            && let Some(channel) = entry.session.channels().get(key)
        {
            link.reliable = channel.is_reliable() && channel.ordered;
        }
        let (serialization, transcodes) = (link.serialization, link.transcodes);
        link.route = Some(route);
        link.open = true;
        link.events.push(Event::Open);
        self.rendezvous.polls.touch(PollKey::Link(id));
        if let Some(route) = self.routing.routes.get_mut(route) {
            route.transcoder = Transcoder::new(serialization).filter(|_| transcodes);
            // A page of SkyWay-JS takes JSON in text frames only, whoever made it.
            route.as_text = serialization == Serialization::SkyWayJson;
        }
        self.direct(id);
    }

    /// Tells the endpoint of a link's route where messages go.
    pub(super) fn direct(&mut self, id: LinkId) {
        if let Some(link) = self.rendezvous.links.get(id)
            && let Some(route_id) = link.route
            && let Some(route) = self.routing.routes.get(route_id)
            && let Some(device) = self.routing.endpoints.get_mut(route.endpoint)
        {
            device.endpoint.redirect(route_id, link.redirect);
        }
    }

    /// A link is fed by something else from now on.
    pub(super) fn feed_link(&mut self, now: Instant, id: LinkId, feed: Feed) {
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        link.feed = feed;
        let peer = link.peer;
        let scopes = self.rest_scopes(Standing::Local, peer);
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        link.scopes.clone_from(&scopes);
        if let Some(entry) = link.session.and_then(|id| self.sessions.get_mut(id)) {
            entry.grant.scopes = scopes;
        }
        let Some(route) = link.route else { return };
        let endpoint = match feed {
            Feed::Port(port) | Feed::Endpoint(port) => port,
            Feed::Nothing => self.sender(),
        };
        self.move_route(now, route, endpoint);
    }

    /// Whether a link's messages are written as its offer says, from now on.
    pub(super) fn transcode_link(&mut self, id: LinkId, transcodes: bool) {
        let Some(link) = self.rendezvous.links.get_mut(id) else {
            return;
        };
        link.transcodes = transcodes;
        let made = Transcoder::new(link.serialization).filter(|_| transcodes);
        if let Some(route) = link.route.and_then(|id| self.routing.routes.get_mut(id))
            && route.transcoder.is_some() != made.is_some()
        {
            let held = route.transcoder.as_ref().map_or(0, |it| it.held());
            self.routing.held -= held;
            route.transcoder = made;
        }
    }
}
