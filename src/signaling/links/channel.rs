//! The channel of a link: bound when it opens, and bound again when its program changes the feed.

use std::net::SocketAddr;

use super::{Feed, LinkEvent, Links, Target};
use crate::access::scope::{Scope, Verb};
use crate::ids::{EndpointId, LinkId, RouteId};
use crate::payload::Serialization;
use crate::signaling::call::LinkNews;

/// The plan for binding a channel of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelPlan {
    /// The target of the channel.
    pub(crate) target: Target,
    /// Whether the other peer may write to the target.
    pub(crate) may_write: bool,
    /// The serialization of messages; `None`: messages are left as they are.
    pub(crate) serialization: Option<Serialization>,
    /// Whether messages are sent in text frames.
    pub(crate) as_text: bool,
    /// The address for messages, instead of the last sender's.
    pub(crate) redirect: Option<SocketAddr>,
}

/// The reason why a channel of a link is not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelRefusal {
    /// The link has a channel already.
    SecondChannel,
    /// The configuration has no endpoint for the label, or the endpoint does not exist.
    NoEndpoint,
    /// The link has no right to the endpoint.
    Forbidden,
}

impl Links {
    /// Returns the plan for binding a channel of a link's session. `endpoint` finds endpoints of the
    /// configuration.
    pub(crate) fn plan(
        &self,
        id: LinkId,
        label: &str,
        endpoint: impl Fn(&str) -> Option<EndpointId>,
    ) -> Result<ChannelPlan, ChannelRefusal> {
        let link = self.links.get(id).ok_or(ChannelRefusal::NoEndpoint)?;
        if link.route.is_some() {
            return Err(ChannelRefusal::SecondChannel);
        }
        // A content port and a bridge have no name, and no scope.
        let (target, name) = match &link.feed {
            Feed::ByLabel(peer) => {
                let name = peer.labels.get(label).or(peer.endpoint.as_ref());
                let name = name.ok_or(ChannelRefusal::NoEndpoint)?;
                let found = endpoint(name).ok_or(ChannelRefusal::NoEndpoint)?;
                (Target::Endpoint(found), Some(name.as_str()))
            }
            // An endpoint that was removed meanwhile has no name to compare with the scopes.
            Feed::Endpoint { id, name } => {
                let is_named = endpoint(name) == Some(*id);
                (Target::Endpoint(*id), is_named.then_some(name.as_str()))
            }
            other @ (Feed::Nothing | Feed::Port(_) | Feed::Bridge(_)) => (target_of(other), None),
        };
        let allows = |verb| {
            let is_allowed = |scope: &Scope, name: &str| scope.allows(name, verb);
            name.is_none_or(|name| link.scopes.iter().any(|scope| is_allowed(scope, name)))
        };
        if !allows(Verb::Read) {
            return Err(ChannelRefusal::Forbidden);
        }
        Ok(ChannelPlan {
            target,
            may_write: allows(Verb::Write),
            serialization: link.encoding(),
            // A page of SkyWay-JS accepts JSON in text frames only, also from another library.
            as_text: link.serialization == Serialization::SkyWayJson,
            redirect: link.redirect,
        })
    }

    /// Notes that the channel of a link was bound.
    pub(crate) fn handle_bound(
        &mut self,
        id: LinkId,
        route: RouteId,
        label: String,
        reliable: bool,
    ) {
        if let Some(link) = self.links.get_mut(id) {
            link.label = label;
            link.reliable = reliable;
            link.route = Some(route);
            link.open = true;
            self.tell(id, LinkNews::Open);
        }
    }

    /// Feeds a link from another source from now on.
    pub(crate) fn set_feed(&mut self, id: LinkId, feed: Feed, scopes: Vec<Scope>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let target = target_of(&feed);
        link.feed = feed;
        link.scopes.clone_from(&scopes);
        let route = link.route;
        // The session must get the right to the new endpoint before its route leads there.
        if let Some(session) = link.session {
            let event = LinkEvent::SetScopes { session, scopes };
            self.events.push_back(event);
        }
        if let Some(route) = route {
            self.events.push_back(LinkEvent::Rebind { route, target });
        }
    }

    /// Sets whether a link's messages are converted as its offer says, from now on.
    pub(crate) fn set_transcoding(&mut self, id: LinkId, transcodes: bool) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let before = link.encoding();
        link.transcodes = transcodes;
        let serialization = link.encoding();
        if let Some(route) = link.route
            && before != serialization
        {
            let event = LinkEvent::Transcode {
                route,
                serialization,
            };
            self.events.push_back(event);
        }
    }

    /// Sets the address for a link's messages. Without an address, a new feed is given the previous one.
    pub(crate) fn set_redirect(&mut self, id: LinkId, to: Option<SocketAddr>) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.redirect = to.or(link.redirect);
        let to = link.redirect;
        if let Some(route) = link.route {
            self.events.push_back(LinkEvent::Redirect { route, to });
        }
    }

    /// Ends the redirecting of a link's messages.
    pub(crate) fn drop_redirect(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        let (before, route) = (link.redirect.take(), link.route);
        if let Some(to) = before {
            log::warn!(
                "messages of a connection are not sent to {to} any longer: it must not be redirected there"
            );
        }
        if let Some(route) = route {
            let to = None;
            self.events.push_back(LinkEvent::Redirect { route, to });
        }
    }
}

fn target_of(feed: &Feed) -> Target {
    match feed {
        Feed::Port(port) => Target::Port(*port),
        Feed::Endpoint { id, .. } => Target::Endpoint(*id),
        Feed::Bridge(bridge) => Target::Bridge(*bridge),
        Feed::Nothing | Feed::ByLabel(_) => Target::Sender,
    }
}
