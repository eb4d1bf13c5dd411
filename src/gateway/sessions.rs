//! Events of sessions and devices, and the turns of sessions.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;

use super::{Gateway, cx};
use crate::access::scope::Verb;
use crate::channel::ChannelKey;
use crate::devices::{Asker, ChannelFault, DeviceEvent, EndpointView, Stop};
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, Reliability};
use crate::session::control::{self, EndpointState, Reply};
use crate::session::event::{ConnectionState, EndReason};
use crate::session::set::{Begin, BeginError, Begun, Ended, SessionNews, SessionOwner};

/// How many rounds of messages the sessions of this process may exchange in one turn; a handshake takes
/// fewer. What is left over waits for the next turn, so that other sources get theirs.
const INTERNAL_ROUNDS: usize = 32;

impl Gateway {
    // ---- devices ----

    /// Acts on every event of the devices. This also happens between two messages of a session, because a
    /// channel that has failed must not take a second message.
    pub(super) fn settle_device_events(&mut self, now: Instant) {
        while let Some(event) = self.devices.poll_event() {
            self.handle_device_event(now, event);
        }
    }

    pub(super) fn handle_device_event(&mut self, now: Instant, event: DeviceEvent) {
        match event {
            DeviceEvent::Changed(view) => self.announce(&view, view.state.as_str()),
            DeviceEvent::Credit {
                session,
                stream,
                limit,
            } => self.sessions.tell(
                session,
                &Reply::Credit {
                    channel: stream,
                    limit,
                },
            ),
            DeviceEvent::Lost { endpoint, count } => self.tell_lost(endpoint, count),
            DeviceEvent::Leased { endpoint, holder } => {
                let holder = holder.and_then(|id| self.sessions.name(id));
                let name = self.devices.table().name(endpoint);
                let (shown, nobody) = (name.unwrap_or_default(), "nobody");
                log::debug!(
                    "endpoint {shown}: the lease has {}",
                    holder.unwrap_or(nobody)
                );
                let event = json!({"endpoint": name, "holder": holder});
                self.front.connections_mut().publish("lease", &event);
            }
            DeviceEvent::Stopped(stop) => self.tell_stopped(stop),
            DeviceEvent::ChannelFailed {
                session,
                channel,
                fault,
                detail,
            } => self.end_channel(now, session, channel, fault.as_str(), &detail),
            DeviceEvent::ScriptDone {
                name,
                asker,
                outcome,
            } => match asker {
                Asker::Peer { session, id } => {
                    self.answer_script(session, id.as_deref(), &name, &outcome);
                }
                Asker::Request(request) => self.answer_line(now, request, outcome),
                Asker::Gone => {}
            },
            DeviceEvent::Viewed {
                request,
                endpoint,
                line,
            } => self.answer_endpoint(now, request, endpoint, line.as_ref()),
            DeviceEvent::Port { bind, result } => {
                self.rendezvous.handle_port(cx!(self, now), bind, result);
            }
            DeviceEvent::Bound => self.note_own_ports(),
        }
    }

    /// Tells the rendezvous which UDP ports are ours, because messages redirected to those would loop for
    /// ever.
    pub(super) fn note_own_ports(&mut self) {
        let ports = self
            .devices
            .table()
            .local_ports()
            .chain(self.network.ports());
        self.rendezvous.set_own_ports(ports.collect());
    }

    /// Tells every session with a channel to a device that vanished how many queued bytes are lost.
    fn tell_lost(&mut self, id: EndpointId, count: Count) {
        let endpoint = self.devices.table().name(id).unwrap_or_default();
        for session in self.devices.table().sessions_at(id) {
            self.sessions.tell(
                session,
                &Reply::Lost {
                    endpoint,
                    reason: DropReason::Unwritten.as_str(),
                    bytes: count.bytes,
                },
            );
        }
    }

    /// Tells every session with a channel to a machine, and the readers of events, that it was stopped.
    fn tell_stopped(&mut self, stop: Stop) {
        let endpoint = self.devices.table().name(stop.endpoint).unwrap_or_default();
        let writer = stop.writer.and_then(|id| self.sessions.name(id));
        let writer = writer.map(str::to_owned);
        let millis = u64::try_from(stop.timeout.as_millis()).unwrap_or(u64::MAX);
        let event = json!({
            "endpoint": endpoint, "session": writer, "timeout_ms": millis, "fired": stop.fired,
        });
        self.front.connections_mut().publish("deadman", &event);
        for reader in self.devices.table().sessions_at(stop.endpoint) {
            self.sessions.tell(
                reader,
                &Reply::Deadman {
                    endpoint,
                    session: writer.as_deref(),
                    fired: stop.fired,
                },
            );
        }
    }

    /// Tells every reader of an endpoint the endpoint's new state, and logs it.
    pub(super) fn announce(&mut self, view: &EndpointView, state: &str) {
        let (name, detail) = (&view.name, view.state.detail());
        if detail.is_empty() {
            log::info!("endpoint {name}: {state}");
        } else {
            log::warn!("endpoint {name}: {state}: {detail}");
        }
        self.tell_endpoint(&EndpointState {
            name,
            kind: view.kind,
            state,
            detail,
        });
    }

    /// Tells the readers of events, and every session that may read an endpoint, the endpoint's new state.
    pub(super) fn tell_endpoint(&mut self, endpoint: &EndpointState<'_>) {
        self.front
            .connections_mut()
            .publish("endpoint", &json!(endpoint));
        for session in self.sessions.ids() {
            let grant = self.sessions.grant(session);
            if grant.is_some_and(|grant| grant.allows(endpoint.name, Verb::Read)) {
                let endpoint = endpoint.clone();
                self.sessions.tell(session, &Reply::Endpoint { endpoint });
            }
        }
    }

    // ---- sessions ----

    /// Handles a datagram on a socket that all sessions share.
    pub(super) fn handle_session_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let cx = cx!(self, now);
        if let Some(id) = self.sessions.handle_datagram(cx, local, remote, datagram) {
            self.take_news(now, id);
        }
    }

    /// Acts on a session's news.
    pub(super) fn take_news(&mut self, now: Instant, id: SessionId) {
        while let Some(news) = self.sessions.poll_news(id) {
            match news {
                SessionNews::Message {
                    channel,
                    binary,
                    data,
                } => self.handle_message(now, id, channel, binary, data),
                SessionNews::Unbound(bytes) => self.devices.count_unbound(bytes),
                SessionNews::ChannelOpen(channel) => self.handle_channel_open(now, id, channel),
                SessionNews::ChannelClosed(channel) => {
                    self.handle_channel_closed(now, id, channel);
                }
                SessionNews::State(state) => {
                    self.sessions.log_state(id, state);
                    // The final state is published together with its reason when the session has ended.
                    if !matches!(state, ConnectionState::Closed | ConnectionState::Failed) {
                        let name = self.sessions.name(id);
                        let event = json!({"id": name, "state": state.as_str()});
                        self.front.connections_mut().publish("session", &event);
                    }
                }
            }
            // Settle devices before the next news: a channel that has failed must be closed first, and peers
            // must receive credit in the order of the messages.
            self.settle_device_events(now);
        }
    }

    /// Handles a message of a peer.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        binary: bool,
        data: Vec<u8>,
    ) {
        let channel = self.sessions.channel(id, key);
        match channel.map(|channel| channel.binding) {
            Some(Binding::Route(route)) => {
                let cx = cx!(self, now);
                self.devices.handle_message(cx, route, binary, data);
            }
            Some(Binding::Control) => self.handle_control(now, id, key, &data),
            Some(Binding::Unbound | Binding::Closing) | None => {
                self.devices.count_unbound(data.len());
            }
        }
    }

    /// Binds or refuses a channel that has opened.
    pub(super) fn handle_channel_open(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let (Some(channel), Some(owner)) =
            (self.sessions.channel(id, key), self.sessions.owner(id))
        else {
            return;
        };
        let label = channel.label.clone();
        let nothing_lives = Reliability::MaxPacketLifetime { lifetime: 0 };
        let is_stillborn = channel.reliability == nothing_lives;
        if self.fault.is_some_and(|fault| fault == label) {
            return self.sessions.panic_in(cx!(self, now), id);
        }
        let most = self.limits.channels_per_session;
        if self.drain.is_some() {
            let detail = "the gateway is shutting down";
            return self.refuse_channel(now, id, key, "draining", detail);
        }
        if self.sessions.open_channels(id) > most {
            let detail = format!("a session has at most {most}");
            return self.refuse_channel(now, id, key, "too-many-channels", &detail);
        }
        if is_stillborn {
            // SCTP would drop every message from us before sending it even once.
            let detail =
                "with maxPacketLifeTime 0 nothing can be sent back; maxRetransmits 0 sends it once";
            return self.refuse_channel(now, id, key, "bad-reliability", detail);
        }
        match owner {
            SessionOwner::Link(link) => self.open_link_channel(now, id, key, link, &label),
            SessionOwner::Api if label == control::LABEL => self.open_control(now, id, key),
            SessionOwner::Api => self.open_named_channel(now, id, key, &label),
        }
    }

    /// Handles a channel that either side has closed.
    pub(super) fn handle_channel_closed(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let Some(channel) = self.sessions.remove_channel(id, key) else {
            return;
        };
        match channel.binding {
            Binding::Route(route) => {
                let label = &channel.label;
                let event = json!({
                    "session": self.sessions.name(id), "channel": channel.stream, "label": label,
                    "endpoint": label, "state": "closed", "reason": "peer",
                });
                self.front.connections_mut().publish("channel", &event);
                self.devices.deliver_then_unbind(cx!(self, now), route);
                self.settle_device_events(now);
                // PeerJS and SkyWay-JS use one connection for each channel, so the session ends with its
                // channel once nothing is left to be delivered.
                let is_of_link = matches!(self.sessions.owner(id), Some(SessionOwner::Link(_)));
                if is_of_link && self.devices.table().is_emptied(id) {
                    self.close_session(now, id, "its channel was closed");
                }
            }
            Binding::Control => self.devices.set_hears(id, false),
            // The reason was already published when the gateway decided to close the channel.
            Binding::Unbound | Binding::Closing => {}
        }
    }

    /// Settles every session that was touched, and carries datagrams between sessions of this process.
    pub(super) fn settle_sessions(&mut self, now: Instant) {
        for _ in 0..INTERNAL_ROUNDS {
            loop {
                while let Some(session) = self.devices.poll_readable() {
                    self.sessions.touch(session);
                }
                let Some(session) = self.sessions.poll_touched() else {
                    break;
                };
                self.take_turn(now, session);
            }
            if !self.carry_internal(now) {
                return self.sessions.set_internal_mail(cx!(self, now), false);
            }
        }
        self.sessions.set_internal_mail(cx!(self, now), true);
    }

    /// Delivers the datagrams that sessions of this process have sent to each other. Returns false if there
    /// were none.
    fn carry_internal(&mut self, now: Instant) -> bool {
        let Some(mut mail) = self.sources.transmits().take_internal() else {
            return false;
        };
        for (local, remote, datagram) in mail.iter() {
            self.handle_session_datagram(now, local, remote, datagram);
        }
        mail.clear();
        self.sources.transmits().give_back_internal(mail);
        self.settle_ended(now);
        true
    }

    /// Runs a session's turn: writes what waits for the peer, then drains str0m once.
    fn take_turn(&mut self, now: Instant, id: SessionId) {
        let Some(has_room) = self.sessions.begin_turn(id) else {
            return;
        };
        self.devices.begin_turn(id);
        // Lease news can wait, so they are told only while the control channel has room. They go out before
        // any payload.
        if has_room {
            self.tell_lease_news(now, id);
        }
        let devices = &mut self.devices;
        self.sessions
            .write(cx!(self, now), id, |writer| devices.serve(id, writer));
        // A channel that has missed bytes must close before reading makes room for more.
        self.settle_device_events(now);
        if let Some(control) = self.sessions.overflowed_control(id) {
            let detail = "the peer does not read its control channel";
            let reason = ChannelFault::Dropped(DropReason::Lagged).as_str();
            self.end_channel(now, id, control, reason, detail);
        }
        // After the writes, because reading from a device may have made room for messages that wait for it.
        self.devices.end_turn(cx!(self, now), id);
        self.settle_device_events(now);
        self.tell_drop_news(now, id);
        self.take_news(now, id);
        // Last, because this sets the session's deadline, which the calls above may move.
        self.sessions.end_turn(cx!(self, now), id);
        self.settle_device_events(now);
        self.settle_ended(now);
    }

    /// Tells a peer the holders of the leases that have changed.
    fn tell_lease_news(&mut self, now: Instant, id: SessionId) {
        let cx = cx!(self, now);
        for endpoint in self.devices.take_lease_news(cx, id) {
            let Some(state) = self.devices.table().lease(cx, endpoint) else {
                continue;
            };
            let name_of = |id: Option<SessionId>| {
                let name = id.and_then(|id| self.sessions.name(id));
                name.map(str::to_owned)
            };
            let (holder, asked_by) = (name_of(state.holder), name_of(state.asked_by));
            let wait = state.wait.map(|wait| wait.as_millis());
            let lease = Reply::Lease {
                endpoint: self.devices.table().name(endpoint).unwrap_or_default(),
                holder: holder.as_deref(),
                yours: state.holder == Some(id),
                asked_by: asked_by.as_deref(),
                wait_ms: wait.and_then(|wait| u64::try_from(wait).ok()),
            };
            self.sessions.tell(id, &lease);
        }
    }

    /// Tells a peer which messages from it or to it were dropped.
    fn tell_drop_news(&mut self, now: Instant, id: SessionId) {
        for news in self.devices.take_drop_news(cx!(self, now), id) {
            self.sessions.tell(
                id,
                &Reply::Dropped {
                    channel: news.stream,
                    label: &news.label,
                    direction: news.direction.as_str(),
                    reason: news.reason.as_str(),
                    messages: news.count.messages,
                    bytes: news.count.bytes,
                },
            );
        }
    }

    /// Acts on every session that has ended.
    pub(super) fn settle_ended(&mut self, now: Instant) {
        while let Some(ended) = self.sessions.poll_ended() {
            self.handle_session_ended(now, &ended);
        }
    }

    pub(super) fn handle_session_ended(&mut self, now: Instant, ended: &Ended) {
        self.devices.remove_session(cx!(self, now), ended.id);
        if ended.reason == EndReason::MessageTooLong {
            let lost = Count {
                messages: 1,
                bytes: limits::RECEIVED_MESSAGE.into(),
            };
            let (direction, why) = (Direction::FromPeer, DropReason::TooLarge);
            self.devices.count_lost(direction, why, lost);
        }
        let (name, state) = (&ended.name, ended.state.as_str());
        let event = json!({"id": name, "state": state, "reason": ended.reason.to_string()});
        self.front.connections_mut().publish("session", &event);
        if let SessionOwner::Link(link) = ended.owner {
            let failed = ended.state == ConnectionState::Failed;
            let (cx, displaced) = (cx!(self, now), ended.displaced);
            self.rendezvous
                .handle_session_ended(cx, link, failed, displaced);
        }
    }

    /// Closes a session in order, and acts on its last news.
    pub(super) fn close_session(&mut self, now: Instant, id: SessionId, why: &'static str) {
        self.sessions.close(cx!(self, now), id, why);
        self.take_news(now, id);
    }

    /// Makes a session. Offers over HTTP and connections between peers both use this function.
    pub(super) fn begin_session(
        &mut self,
        now: Instant,
        begin: Begin<'_>,
    ) -> Result<Begun, BeginError> {
        let rights = begin.rights.clone();
        let begun = self.sessions.begin(cx!(self, now), begin)?;
        self.devices.add_session(begun.id, &rights);
        // Another session may have been closed to make room. Settle its end before the new session is
        // published.
        self.settle_ended(now);
        let name = self.sessions.name(begun.id);
        let event = json!({"id": name, "state": "new"});
        self.front.connections_mut().publish("session", &event);
        self.front.schedule_expiry(cx!(self, now));
        Ok(begun)
    }
}
