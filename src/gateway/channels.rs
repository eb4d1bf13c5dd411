//! The life of channels: bound, refused, ended, each time with a reason that can be found.

use std::time::Instant;

use serde_json::json;

use super::Gateway;
use super::routes::Route;
use super::sessions::{ClosedChannel, Entry};
use crate::access::scope::Verb;
use crate::endpoint::DropReason;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, ChannelKey, Reliability};
use crate::session::control::{self, Reply};
use crate::util::redact::Redacted;

impl Gateway {
    pub(super) fn handle_channel_open(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let channels = entry.session.channels().iter();
        let open = channels.filter(|(_, it)| it.binding != Binding::Closing);
        let open = open.count();
        let Some(channel) = entry.session.channels().get(key) else {
            return;
        };
        let label = channel.label.clone();
        let nothing_lives = Reliability::MaxPacketLifetime { lifetime: 0 };
        let is_stillborn = channel.reliability == nothing_lives;
        if self.fault.is_some_and(|fault| fault == label) {
            self.with_session(id, |_, _| panic!("the self-test asked for it"));
            return;
        }
        if self.drain.is_some() {
            return self.refuse_channel(id, key, "draining", "the gateway is shutting down");
        }
        if open > self.limits.channels_per_session {
            let detail = format!("a session has at most {}", self.limits.channels_per_session);
            return self.refuse_channel(id, key, "too-many-channels", &detail);
        }
        if is_stillborn {
            // SCTP would throw away whatever we send before it was sent once.
            let detail =
                "with maxPacketLifeTime 0 nothing can be sent back; maxRetransmits 0 sends it once";
            return self.refuse_channel(id, key, "bad-reliability", detail);
        }
        if let Some(link) = entry.link {
            return self.open_link_channel(now, id, key, link);
        }
        if label == control::LABEL {
            return self.open_control(id, key);
        }
        if label.is_empty() || label.len() > limits::LABEL {
            let detail = format!("a label has 1 to {} bytes", limits::LABEL);
            return self.refuse_channel(id, key, "bad-label", &detail);
        }
        let may_read = entry.grant.allows(&label, Verb::Read);
        let may_write = entry.grant.allows(&label, Verb::Write);
        let found = self.routing.endpoint_names.get(&label).copied();
        let Some(endpoint) = found.filter(|_| may_read) else {
            let detail = "no endpoint has this name; GET /endpoints lists those there are";
            return self.refuse_channel(id, key, "unknown-endpoint", detail);
        };
        self.bind_channel(now, id, key, endpoint, may_write);
    }

    /// Binds a channel to an endpoint.
    pub(super) fn bind_channel(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        endpoint: EndpointId,
        may_write: bool,
    ) -> Option<RouteId> {
        let channel = self.sessions.get(id)?.session.channels().get(key)?;
        let (label, stream) = (channel.label.clone(), channel.stream);
        let reliable = channel.is_reliable();
        let endpoint = self.device_for_channel(endpoint);
        let window = self.limits.route_queue;
        let mut route = Route::new(id, key, (stream, label.clone()), endpoint, reliable, window);
        route.may_write = may_write;
        let route_id = self.routing.routes.insert(route);
        let device = self.routing.endpoints.get(endpoint);
        let bound = device.map_or_else(String::new, |device| device.config.name.clone());
        if let Some(device) = self.routing.endpoints.get_mut(endpoint) {
            device.routes.push(route_id);
            device.endpoint.attach(now, route_id);
        }
        if let Some(entry) = self.sessions.get_mut(id) {
            entry
                .session
                .channels_mut()
                .bind(key, Binding::Route(route_id));
            entry.routes.push(route_id);
            let (channel, label) = (stream, label.as_str());
            entry.session.tell(&Reply::Opened {
                channel,
                label,
                endpoint: &bound,
            });
            let level = entry.log_level();
            let name = entry.session.name();
            log::log!(level, "session {name}: channel {stream} opened {bound}");
            self.events.push(
                "channel",
                &json!({
                    "session": entry.session.name(), "channel": stream, "label": label,
                    "endpoint": bound, "state": "opened",
                }),
            );
        }
        self.tell_lease(id, endpoint);
        self.grant(route_id);
        self.touch_session(id);
        self.after_endpoint(endpoint);
        Some(route_id)
    }

    pub(super) fn refuse_channel(
        &mut self,
        id: SessionId,
        key: ChannelKey,
        reason: &'static str,
        detail: &str,
    ) {
        self.end(id, key, Ending::Refused, reason, detail);
    }

    /// Closes a channel that was bound.
    pub(super) fn end_channel(
        &mut self,
        id: SessionId,
        key: ChannelKey,
        reason: &'static str,
        detail: &str,
    ) {
        self.end(id, key, Ending::Closed, reason, detail);
    }

    /// Closes a channel and says why, in every place where somebody may look.
    fn end(
        &mut self,
        id: SessionId,
        key: ChannelKey,
        ending: Ending,
        reason: &'static str,
        detail: &str,
    ) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(channel) = entry.session.channels().get(key) else {
            return;
        };
        if channel.binding == Binding::Closing {
            return;
        }
        let (stream, binding) = (channel.stream, channel.binding);
        // A label may have 64 KiB.
        let label: String = channel.label.chars().take(limits::LABEL).collect();
        ending.tell(entry, stream, &label, reason, detail);
        let name = entry.session.name();
        let endpoint = matches!(binding, Binding::Route(_)).then_some(label.as_str());
        self.events.push(
            "channel",
            &json!({
                "session": name, "channel": stream, "label": label, "endpoint": endpoint,
                "state": ending.as_str(), "reason": reason, "detail": detail,
            }),
        );
        if entry.closed.len() >= limits::CLOSED_CHANNELS {
            entry.closed.pop_front();
        }
        entry.closed.push_back(ClosedChannel {
            stream,
            label,
            reason,
            detail: detail.to_owned(),
        });
        self.with_session(id, |entry, _| {
            // The reason goes out before the control channel itself is closed.
            entry.session.write_control();
            entry.session.close_channel(key);
        });
        if let Binding::Route(route) = binding {
            self.remove_route(route, DropReason::Closed);
        }
        self.touch_session(id);
    }

    pub(super) fn handle_channel_closed(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(channel) = entry.session.channels_mut().remove(key) else {
            return;
        };
        let (binding, stream, label) = (channel.binding, channel.stream, channel.label.as_str());
        let level = entry.log_level();
        let name = entry.session.name();
        match binding {
            Binding::Route(route) => {
                let shown = Redacted(label);
                log::log!(level, "session {name}: channel {stream} {shown} closed");
                self.events.push(
                    "channel",
                    &json!({
                        "session": name, "channel": stream, "label": label, "endpoint": label,
                        "state": "closed", "reason": "peer",
                    }),
                );
                let link = entry.link;
                self.deliver_then_remove(now, route);
                if link.is_some() {
                    // PeerJS and SkyWay-JS have one connection for each channel.
                    self.close_emptied_session(now, id);
                }
            }
            Binding::Control => log::debug!("session {name}: control channel closed"),
            // Said when it was decided.
            Binding::Unbound | Binding::Closing => {}
        }
        self.touch_session(id);
    }
}

/// How a channel ends when it is our doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It was never bound.
    Refused,
    /// It was.
    Closed,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }

    /// In the log and on the control channel.
    fn tell(self, entry: &mut Entry, channel: u16, label: &str, reason: &str, detail: &str) {
        let (level, what) = (entry.log_level(), self.as_str());
        let (name, shown) = (entry.session.name(), Redacted(label));
        log::log!(
            level,
            "session {name}: channel {channel} {shown} {what}: {reason}"
        );
        entry.session.tell(&match self {
            Self::Refused => Reply::Refused {
                channel,
                label,
                reason,
                detail,
            },
            Self::Closed => Reply::Closed {
                channel,
                label,
                reason,
                detail,
            },
        });
    }
}
