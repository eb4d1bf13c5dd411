//! The life of channels: binding, refusal and closing, each with a reason that the operator can find.

use std::time::Instant;

use serde_json::json;

use super::{Gateway, cx};
use crate::access::scope::Verb;
use crate::channel::ChannelKey;
use crate::devices::{Bind, Devices};
use crate::ids::{EndpointId, LinkId, RouteId, SessionId};
use crate::limits;
use crate::payload::Serialization;
use crate::session::channels::Binding;
use crate::session::set::Ending;
use crate::signaling::rendezvous::Target;
use crate::sources::Context;

/// The endpoint of a new channel, and how messages go to and from that endpoint.
struct Plan {
    endpoint: EndpointId,
    may_write: bool,
    serialization: Option<Serialization>,
    as_text: bool,
}

impl Gateway {
    /// Binds a channel to the endpoint that its label names.
    pub(super) fn open_named_channel(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        label: &str,
    ) {
        if label.is_empty() || label.len() > limits::LABEL {
            let detail = format!("a label has 1 to {} bytes", limits::LABEL);
            return self.end_channel(now, id, key, Ending::Refused, "bad-label", &detail);
        }
        let grant = self.sessions.grant(id);
        let allows = |verb| grant.is_some_and(|grant| grant.allows(label, verb));
        let (may_read, may_write) = (allows(Verb::Read), allows(Verb::Write));
        let Some(endpoint) = self.devices.table().find(label).filter(|_| may_read) else {
            let detail = "no endpoint has this name; GET /endpoints lists those there are";
            return self.end_channel(now, id, key, Ending::Refused, "unknown-endpoint", detail);
        };
        let how = Plan {
            endpoint,
            may_write,
            serialization: None,
            as_text: false,
        };
        self.bind_channel(now, id, key, how);
    }

    /// Binds a channel of a connection between peers to the target of that connection.
    pub(super) fn open_link_channel(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        link: LinkId,
        label: &str,
    ) {
        let plan = match self.rendezvous.plan_channel(link, label) {
            Ok(plan) => plan,
            Err(why) => {
                return self.end_channel(now, id, key, Ending::Refused, why.reason(), why.detail());
            }
        };
        let Some(channel) = self.sessions.channel(id, key) else {
            return;
        };
        let reliable = channel.is_reliable() && channel.ordered;
        let how = Plan {
            endpoint: target(&mut self.devices, cx!(self, now), plan.target),
            may_write: plan.may_write,
            serialization: plan.serialization,
            as_text: plan.as_text,
        };
        if let Some(route) = self.bind_channel(now, id, key, how) {
            self.devices.redirect(route, plan.redirect);
            let (cx, label) = (cx!(self, now), label.to_owned());
            self.rendezvous
                .handle_channel_bound(cx, link, route, label, reliable);
        }
    }

    /// Binds a channel to an endpoint. Refuses the channel if the endpoint has no bytes.
    fn bind_channel(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        how: Plan,
    ) -> Option<RouteId> {
        if let Some(detail) = self.devices.table().media_refusal(how.endpoint) {
            self.end_channel(now, id, key, Ending::Refused, "carries-media", &detail);
            return None;
        }
        let channel = self.sessions.channel(id, key)?;
        let (stream, label) = (channel.stream, channel.label.clone());
        let bind = Bind {
            session: id,
            channel: key,
            stream,
            label: label.clone(),
            reliable: channel.is_reliable(),
            may_write: how.may_write,
            endpoint: how.endpoint,
            serialization: how.serialization,
            as_text: how.as_text,
        };
        let route = self.devices.bind(cx!(self, now), bind);
        let endpoint = self
            .devices
            .table()
            .route(route)
            .map(|route| route.endpoint);
        let bound = endpoint.and_then(|id| self.devices.table().name(id));
        let bound = bound.unwrap_or_default();
        // Tell the peer of the channel before its credit. The credit is an event of the devices, so it is
        // handled later.
        self.sessions.bind(id, key, route, bound);
        let event = json!({
            "session": self.sessions.name(id), "channel": stream, "label": label,
            "endpoint": bound, "state": "opened",
        });
        self.front.connections_mut().publish("channel", &event);
        Some(route)
    }

    /// Closes a channel, and gives the reason on the control channel, in the events and in the log.
    pub(super) fn end_channel(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        ending: Ending,
        reason: &'static str,
        detail: &str,
    ) {
        let cx = cx!(self, now);
        let ended = self
            .sessions
            .end_channel(cx, id, key, ending, reason, detail);
        let Some(ended) = ended else { return };
        let label = &ended.label;
        let endpoint = matches!(ended.binding, Binding::Route(_)).then_some(label);
        let event = json!({
            "session": self.sessions.name(id), "channel": ended.stream, "label": label,
            "endpoint": endpoint, "state": ending.as_str(), "reason": reason, "detail": detail,
        });
        self.front.connections_mut().publish("channel", &event);
        match ended.binding {
            Binding::Route(route) => self.devices.unbind(cx!(self, now), route),
            Binding::Control => self.devices.set_hears(id, false),
            Binding::Unbound | Binding::Closing => {}
        }
    }
}

/// Returns the device that a channel of a link is bound to, and makes the device if there is none.
pub(super) fn target(devices: &mut Devices, cx: &mut Context<'_>, target: Target) -> EndpointId {
    match target {
        Target::Endpoint(id) | Target::Port(id) => id,
        Target::Bridge(bridge) => devices.bridge(bridge),
        Target::Sender => devices.sender(cx),
    }
}
