//! The life of channels: bound, refused, ended, each time with a reason that can be found.

use std::time::Instant;

use serde_json::json;

use super::Gateway;
use super::routes::Route;
use super::sessions::ClosedChannel;
use super::timers::TimerKey;
use crate::endpoint::DropReason;
use crate::ids::{RouteId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, ChannelKey};
use crate::session::control::{self, Reply};
use crate::util::redact::Redacted;

impl Gateway {
    pub(super) fn handle_channel_open(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let open = entry.session.channels().len();
        let Some(channel) = entry.session.channels().get(key) else {
            return;
        };
        let (label, stream) = (channel.label.clone(), channel.stream);
        let reliable = channel.is_reliable();
        if self.drain.is_some() {
            return self.refuse_channel(id, key, "draining", "the gateway is shutting down");
        }
        if open > self.limits.channels_per_session {
            let detail = format!("a session has at most {}", self.limits.channels_per_session);
            return self.refuse_channel(id, key, "too-many-channels", &detail);
        }
        if label == control::LABEL {
            return self.open_control(id, key);
        }
        if label.is_empty() || label.len() > limits::LABEL {
            let detail = format!("a label has 1 to {} bytes", limits::LABEL);
            return self.refuse_channel(id, key, "bad-label", &detail);
        }
        let Some(endpoint) = self.routing.endpoint_names.get(&label).copied() else {
            let detail = "no endpoint has this name; GET /endpoints lists those there are";
            return self.refuse_channel(id, key, "unknown-endpoint", detail);
        };
        let window = self.limits.route_queue;
        let route = Route::new(id, key, (stream, label.clone()), endpoint, reliable, window);
        let route_id = self.routing.routes.insert(route);
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
                endpoint: label,
            });
            log::info!(
                "session {}: channel {stream} opened {label}",
                entry.session.name()
            );
            self.events.push(
                "channel",
                &json!({
                    "session": entry.session.name(), "channel": stream, "label": label,
                    "endpoint": label, "state": "opened",
                }),
            );
        }
        self.grant(route_id);
        self.touch_session(id);
        self.after_endpoint(endpoint);
    }

    pub(super) fn refuse_channel(
        &mut self,
        id: SessionId,
        key: ChannelKey,
        reason: &'static str,
        detail: &str,
    ) {
        self.end_channel(id, key, "refused", reason, detail);
    }

    /// Closes a channel and says why, in every place where somebody may look.
    pub(super) fn end_channel(
        &mut self,
        id: SessionId,
        key: ChannelKey,
        state: &'static str,
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
        let (stream, label) = (channel.stream, channel.label.clone());
        let shown: String = label.chars().take(limits::LABEL).collect();
        let binding = channel.binding;
        let name = entry.session.name().to_owned();
        log::info!(
            "session {name}: channel {stream} {} {state}: {reason}",
            Redacted(&label)
        );
        let (channel, label) = (stream, shown.as_str());
        let reply = if state == "refused" {
            Reply::Refused {
                channel,
                label,
                reason,
                detail,
            }
        } else {
            Reply::Closed {
                channel,
                label,
                reason,
                detail,
            }
        };
        entry.session.tell(&reply);
        let endpoint = match binding {
            Binding::Route(_) => Some(label.to_owned()),
            Binding::Unbound | Binding::Control | Binding::Closing => None,
        };
        self.events.push(
            "channel",
            &json!({
                "session": name, "channel": stream, "label": label, "endpoint": endpoint,
                "state": state, "reason": reason, "detail": detail,
            }),
        );
        if entry.closed.len() >= limits::CLOSED_CHANNELS {
            entry.closed.pop_front();
        }
        entry.closed.push_back(ClosedChannel {
            stream,
            label: shown.clone(),
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

    pub(super) fn handle_channel_closed(
        &mut self,
        now: Instant,
        id: SessionId,
        binding: Binding,
        label: &str,
        stream: u16,
    ) {
        let Some(entry) = self.sessions.get(id) else {
            return;
        };
        let name = entry.session.name();
        match binding {
            Binding::Route(route) => {
                log::info!(
                    "session {name}: channel {stream} {} closed",
                    Redacted(label)
                );
                self.events.push(
                    "channel",
                    &json!({
                        "session": name, "channel": stream, "label": label, "endpoint": label,
                        "state": "closed", "reason": "peer",
                    }),
                );
                self.deliver_then_remove(now, route);
            }
            Binding::Control => log::debug!("session {name}: control channel closed"),
            // Said when it was decided.
            Binding::Unbound | Binding::Closing => {}
        }
        self.touch_session(id);
    }

    /// The peer closed a channel. What it had sent before still goes to the device: closing a
    /// channel sends everything first (W3C), and a printer must get its last page.
    fn deliver_then_remove(&mut self, now: Instant, id: RouteId) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let endpoint = route.endpoint;
        self.offer_waiting(now, endpoint);
        match self.routing.routes.get_mut(id) {
            Some(route) if !route.is_empty() => {
                route.lingers = true;
                self.detach_route(id);
            }
            Some(_) | None => self.remove_route(id, DropReason::Closed),
        }
    }

    /// Ends a route; what still waits is dropped for this reason, counted.
    pub(super) fn remove_route(&mut self, id: RouteId, reason: DropReason) {
        self.detach_route(id);
        let Some(mut route) = self.routing.routes.remove(id) else {
            return;
        };
        route.forget(reason);
        self.stats.drops.add_all(&route.drops);
        let [from_peer, to_peer] = &mut self.stats.ended;
        from_peer.add(route.from_peer);
        to_peer.add(route.to_peer);
    }

    /// Takes a route off its session and its endpoint's cursors.
    fn detach_route(&mut self, id: RouteId) {
        let Some(route) = self.routing.routes.get(id) else {
            return;
        };
        if let Some(entry) = self.sessions.get_mut(route.session) {
            entry.routes.retain(|other| *other != id);
        }
        if let Some(device) = self.routing.endpoints.get_mut(route.endpoint) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
            let timer = TimerKey::Endpoint(route.endpoint);
            self.timers.set(timer, device.endpoint.poll_timeout());
        }
    }
}
