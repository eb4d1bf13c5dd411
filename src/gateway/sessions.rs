//! The life of sessions: what reaches them, what they say, and how they end.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::json;

use super::routes::Route;
use super::stats::{Direction, Stray};
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::config::EndpointConfig;
use crate::datagram::Meta;
use crate::endpoint::{Count, DropReason};
use crate::ids::{RouteId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, ChannelKey};
use crate::session::control::{self, BadRequest, Reply, Request};
use crate::session::{ConnectionState, EndReason, Handled, Session, SessionEvent, by_stun_ufrag};
use crate::util::redact::Redacted;

/// A session with what the gateway knows about it.
pub(super) struct Entry {
    pub(super) session: Session,
    /// Its channels that are bound to endpoints, and whose turn it is to send.
    pub(super) routes: Vec<RouteId>,
    pub(super) turn: usize,
    /// Already in the list of touched sessions.
    pub(super) touched: bool,
    /// The channels that ended last, for the API.
    pub(super) closed: VecDeque<ClosedChannel>,
}

/// Why a channel ended.
pub(super) struct ClosedChannel {
    pub(super) stream: u16,
    pub(super) label: String,
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Gateway {
    /// Runs `f` on a session. A panic in it costs this session and nothing else: str0m stops
    /// that way when it meets what it does not expect.
    pub(super) fn with_session<R>(
        &mut self,
        id: SessionId,
        f: impl FnOnce(&mut Entry, &mut Routing) -> R,
    ) -> Option<R> {
        let entry = self.sessions.get_mut(id)?;
        let routing = &mut self.routing;
        match catch_unwind(AssertUnwindSafe(|| f(entry, routing))) {
            Ok(result) => Some(result),
            Err(_) => {
                self.stats.sessions_panicked += 1;
                self.end_session(id, &EndReason::Panicked);
                None
            }
        }
    }

    /// Puts a session on the list of those to be looked at in this turn.
    pub(super) fn touch_session(&mut self, id: SessionId) {
        if let Some(entry) = self.sessions.get_mut(id)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched_sessions.push_back(id);
        }
    }

    pub(super) fn handle_ice_datagram(&mut self, now: Instant, meta: &Meta, datagram: &[u8]) {
        self.stats
            .datagrams_received
            .add(Count::one(datagram.len()));
        let pair = self.demux.by_pair(meta.local, meta.remote);
        let found = pair.map(|id| (id, true)).or_else(|| {
            let id = by_stun_ufrag(datagram, |ufrag| self.demux.by_ufrag(ufrag))?;
            Some((id, false))
        });
        let Some((id, known)) = found else {
            self.stats.stray(Stray::Stranger);
            return;
        };
        let handled = self.with_session(id, |entry, routing| {
            let Routing { transmits, .. } = routing;
            let (local, remote) = (meta.local, meta.remote);
            entry
                .session
                .handle_datagram(now, local, remote, known, datagram, transmits)
        });
        match handled {
            Some(Handled::Taken) => {
                self.touch_session(id);
                self.handle_session_events(now, id);
            }
            Some(Handled::NotOurs) => self.stats.stray(Stray::Unauthenticated),
            Some(Handled::Malformed) => self.stats.stray(Stray::Malformed),
            None => {}
        }
    }

    pub(super) fn handle_session_timeout(&mut self, now: Instant, id: SessionId) {
        self.with_session(id, |entry, routing| {
            entry.session.handle_timeout(now, &mut routing.transmits);
        });
        self.touch_session(id);
        self.handle_session_events(now, id);
    }

    /// Ends a session politely.
    pub(super) fn close_session(&mut self, now: Instant, id: SessionId, why: &'static str) {
        self.with_session(id, |entry, routing| {
            entry.session.close(now, why, &mut routing.transmits);
        });
        self.handle_session_events(now, id);
    }

    /// Acts on everything a session has to say.
    pub(super) fn handle_session_events(&mut self, now: Instant, id: SessionId) {
        while let Some(event) = self
            .sessions
            .get_mut(id)
            .and_then(|e| e.session.poll_event())
        {
            match event {
                SessionEvent::State(state) => self.handle_state(id, state),
                SessionEvent::PairLearned { local, remote } => {
                    self.demux.insert_pair(local, remote, id);
                }
                SessionEvent::PairForgotten { local, remote } => {
                    self.demux.remove_pair(local, remote, id);
                }
                SessionEvent::ChannelOpen(channel) => self.handle_channel_open(now, id, channel),
                SessionEvent::ChannelClosed {
                    binding,
                    label,
                    stream,
                } => {
                    self.handle_channel_closed(now, id, binding, &label, stream);
                }
                SessionEvent::Message {
                    channel,
                    binary,
                    data,
                } => {
                    self.handle_message(now, id, channel, binary, data);
                }
                SessionEvent::Ended(reason) => self.end_session(id, &reason),
            }
        }
    }

    fn handle_state(&mut self, id: SessionId, state: ConnectionState) {
        let Some(entry) = self.sessions.get(id) else {
            return;
        };
        log::info!("session {}: {}", entry.session.name(), state.as_str());
        // The last word comes with its reason, from `end_session`.
        if !matches!(state, ConnectionState::Closed | ConnectionState::Failed) {
            let event = json!({"id": entry.session.name(), "state": state.as_str()});
            self.events.push("session", &event);
        }
    }

    /// Forgets a session and everything that hangs on it.
    pub(super) fn end_session(&mut self, id: SessionId, reason: &EndReason) {
        let Some(entry) = self.sessions.remove(id) else {
            return;
        };
        let name = entry.session.name().to_owned();
        for route in &entry.routes {
            self.remove_route(*route, DropReason::Closed);
        }
        for (local, remote) in entry.session.pairs() {
            self.demux.remove_pair(local, remote, id);
        }
        self.demux.remove_ufrag(entry.session.local_ufrag());
        self.timers.set(TimerKey::Session(id), None);
        self.names.remove(&name);
        let state = match (reason, entry.session.state()) {
            (EndReason::Panicked | EndReason::Protocol(_), _) => ConnectionState::Failed,
            (_, state) => state,
        };
        match reason {
            EndReason::Panicked => log::error!("session {name}: ended by a bug, please report it"),
            EndReason::Protocol(_) => log::warn!("session {name}: ended: {reason}"),
            EndReason::PeerClosed
            | EndReason::Closed(_)
            | EndReason::ConnectTimeout
            | EndReason::DisconnectedTimeout => log::info!("session {name}: ended: {reason}"),
        }
        let event = json!({"id": name, "state": state.as_str(), "reason": reason.to_string()});
        self.events.push("session", &event);
        // Dropping it runs str0m's code too; after a panic it is better left alone.
        if *reason == EndReason::Panicked {
            std::mem::forget(entry);
        } else if catch_unwind(AssertUnwindSafe(|| drop(entry))).is_err() {
            log::error!("session {name}: a bug at its end, please report it");
        }
    }

    // ---- channels ----

    fn handle_channel_open(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
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
        self.after_endpoint(now, endpoint);
    }

    fn open_control(&mut self, id: SessionId, key: ChannelKey) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let well_made = entry
            .session
            .channels()
            .get(key)
            .is_some_and(|channel| channel.is_reliable() && channel.ordered);
        if !well_made {
            let detail = "the control channel must be reliable and ordered";
            return self.refuse_channel(id, key, "bad-control-channel", detail);
        }
        if !entry.session.set_control(key) {
            let detail = "the session has a control channel already";
            return self.refuse_channel(id, key, "duplicate-control-channel", detail);
        }
        let name = entry.session.name().to_owned();
        let states: Vec<_> = self.endpoint_states();
        let endpoints = states
            .iter()
            .map(super::views::EndpointView::control)
            .collect();
        let server = concat!("thingway/", env!("CARGO_PKG_VERSION"));
        let hello = Reply::Hello {
            v: control::VERSION,
            session: &name,
            server,
            endpoints,
        };
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        entry.session.tell(&hello);
        // Channels that were there before it.
        for route_id in &entry.routes {
            if let Some(route) = self.routing.routes.get_mut(*route_id) {
                let (channel, label) = (route.stream, route.label.clone());
                let limit = route.grant_again();
                let opened = Reply::Opened {
                    channel,
                    label: &label,
                    endpoint: &label,
                };
                entry.session.tell(&opened);
                entry.session.tell(&Reply::Credit { channel, limit });
            }
        }
        log::debug!("session {name}: control channel open");
        self.touch_session(id);
    }

    fn refuse_channel(
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

    fn handle_channel_closed(
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

    /// The peer closed a channel: what it had sent before still goes to the device if there is
    /// room for it now.
    fn deliver_then_remove(&mut self, now: Instant, route: RouteId) {
        if let Some(endpoint) = self.routing.routes.get(route).map(|route| route.endpoint) {
            self.offer_waiting(now, endpoint);
        }
        self.remove_route(route, DropReason::Closed);
    }

    pub(super) fn remove_route(&mut self, id: RouteId, reason: DropReason) {
        let Some(mut route) = self.routing.routes.remove(id) else {
            return;
        };
        route.forget(reason);
        self.stats.drops.add_all(&route.drops);
        let [from_peer, to_peer] = &mut self.stats.ended;
        from_peer.add(route.from_peer);
        to_peer.add(route.to_peer);
        if let Some(entry) = self.sessions.get_mut(route.session) {
            entry.routes.retain(|other| *other != id);
        }
        if let Some(device) = self.routing.endpoints.get_mut(route.endpoint) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
            self.timers.set(
                TimerKey::Endpoint(route.endpoint),
                device.endpoint.poll_timeout(),
            );
        }
    }

    // ---- the control channel ----

    pub(super) fn handle_control(&mut self, id: SessionId, key: ChannelKey, data: &[u8]) {
        let states = self.endpoint_states();
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        match Request::parse(data) {
            Ok(Request::Hello) => {}
            Ok(Request::Ping { id }) => entry.session.tell_pong(&Reply::Pong { id }),
            Ok(Request::Endpoints) => {
                let endpoints = states
                    .iter()
                    .map(super::views::EndpointView::control)
                    .collect();
                entry.session.tell(&Reply::Endpoints { endpoints });
            }
            Err(BadRequest {
                reason,
                detail,
                fatal,
            }) => {
                entry.session.tell(&Reply::Error {
                    reason,
                    detail: &detail,
                });
                if fatal {
                    return self.end_channel(id, key, "closed", reason, &detail);
                }
            }
        }
        self.touch_session(id);
    }

    /// Tells a peer how much more it may send, when that is worth a message.
    pub(super) fn grant(&mut self, id: RouteId) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(route.session) else {
            return;
        };
        if !entry.session.has_control() {
            return;
        }
        if let Some(limit) = route.grant() {
            entry.session.tell(&Reply::Credit {
                channel: route.stream,
                limit,
            });
            let session = route.session;
            self.touch_session(session);
        }
    }

    /// Messages that were queued for a device which vanished; whose they were is not known.
    pub(super) fn tell_unwritten(&mut self, id: crate::ids::EndpointId, lost: Count) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        for route in device.routes.clone() {
            let Some(route) = self.routing.routes.get(route) else {
                continue;
            };
            let session = route.session;
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.session.tell(&Reply::Dropped {
                    channel: route.stream,
                    label: &route.label,
                    direction: Direction::FromPeer.as_str(),
                    reason: DropReason::Unwritten.as_str(),
                    messages: lost.messages,
                    bytes: lost.bytes,
                });
                self.touch_session(session);
            }
        }
    }

    /// Tells everybody that an endpoint has changed.
    pub(super) fn announce_endpoint(&mut self, _now: Instant, id: crate::ids::EndpointId) {
        let Some(view) = self.endpoint_view(id) else {
            return;
        };
        let EndpointConfig { name, .. } = &view.config;
        let (state, detail) = (view.state.as_str(), view.state.detail());
        if detail.is_empty() {
            log::info!("endpoint {name}: {state}");
        } else {
            log::warn!("endpoint {name}: {state}: {detail}");
        }
        self.events.push("endpoint", &view.event());
        for session in self.sessions.ids() {
            if let Some(entry) = self.sessions.get_mut(session)
                && entry.session.has_control()
            {
                entry.session.tell(&Reply::Endpoint {
                    endpoint: view.control(),
                });
                self.touch_session(session);
            }
        }
    }
}
