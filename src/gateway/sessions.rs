//! Events of sessions and devices, and the turns of sessions.

use std::time::Instant;

use serde_json::json;

use super::lookups::Denied;
use super::{Gateway, controls, cx, look, tell};
use crate::api::shapes;
use crate::channel::ChannelKey;
use crate::devices::{Asker, ChannelFault, DeviceEvent};
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason};
use crate::ids::SessionId;
use crate::limits;
use crate::session::channels::{Binding, Reliability};
use crate::session::control::{self, Reply};
use crate::session::event::{ConnectionState, EndReason};
use crate::session::set::{Begin, BeginError, Begun, Ended, Ending, SessionNews, SessionOwner};

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
            DeviceEvent::Changed(view) => tell!(self).announce(&view, view.state.as_str()),
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
            DeviceEvent::Lost { endpoint, count } => tell!(self).lost(endpoint, count),
            DeviceEvent::Leased { endpoint, holder } => tell!(self).leased(endpoint, holder),
            DeviceEvent::Stopped(stop) => tell!(self).stopped(stop),
            DeviceEvent::ChannelFailed {
                session,
                channel,
                fault,
                detail,
            } => self.end_channel(
                now,
                session,
                channel,
                Ending::Closed,
                fault.as_str(),
                &detail,
            ),
            DeviceEvent::ScriptDone {
                name,
                asker,
                outcome,
            } => match asker {
                Asker::Peer { session, id } => {
                    controls!(self).answer_script(session, id.as_deref(), &name, &outcome);
                }
                Asker::Request(request) => {
                    let (cx, response) = (cx!(self, now), shapes::line_response(outcome));
                    self.front.connections_mut().answer(cx, request, response);
                }
                Asker::Gone => {}
            },
            DeviceEvent::Viewed {
                request,
                endpoint,
                line,
            } => {
                let view = look!(self).endpoint(endpoint);
                let (cx, response) = (cx!(self, now), shapes::viewed_response(view, line.as_ref()));
                self.front.connections_mut().answer(cx, request, response);
            }
            DeviceEvent::Port { bind, result } => {
                self.rendezvous.handle_port(cx!(self, now), bind, result);
            }
            DeviceEvent::Bound => self.rendezvous.set_own_ports(look!(self).own_ports()),
        }
    }

    // ---- sessions ----

    /// Acts on a session's news.
    pub(super) fn take_news(&mut self, now: Instant, id: SessionId) {
        while let Some(news) = self.sessions.poll_news(id) {
            match news {
                SessionNews::Message {
                    channel,
                    binary,
                    data,
                } => match self.sessions.channel(id, channel).map(|it| it.binding) {
                    Some(Binding::Route(route)) => {
                        let cx = cx!(self, now);
                        self.devices.handle_message(cx, route, binary, data);
                    }
                    Some(Binding::Control) => {
                        let fatal = controls!(self).handle(cx!(self, now), id, &data);
                        if let Some(Denied { reason, detail }) = fatal {
                            self.end_channel(now, id, channel, Ending::Closed, reason, &detail);
                        }
                    }
                    Some(Binding::Unbound | Binding::Closing) | None => {
                        self.devices.count_unbound(data.len());
                    }
                },
                SessionNews::Unbound(bytes) => self.devices.count_unbound(bytes),
                SessionNews::Media(section, event) => {
                    self.media.handle_event(cx!(self, now), id, section, event);
                }
                SessionNews::ChannelOpen(channel) => self.handle_channel_open(now, id, channel),
                SessionNews::ChannelClosed(channel) => {
                    self.handle_channel_closed(now, id, channel);
                }
                SessionNews::State(state) => {
                    self.sessions.log_state(id, state);
                    match state {
                        ConnectionState::Connected => {
                            self.media.handle_connected(cx!(self, now), id);
                        }
                        ConnectionState::Disconnected => self.media.handle_disconnected(id),
                        ConnectionState::New
                        | ConnectionState::Connecting
                        | ConnectionState::Failed
                        | ConnectionState::Closed => {}
                    }
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
            return self.end_channel(now, id, key, Ending::Refused, "draining", detail);
        }
        if self.sessions.open_channels(id) > most {
            let detail = format!("a session has at most {most}");
            return self.end_channel(now, id, key, Ending::Refused, "too-many-channels", &detail);
        }
        if is_stillborn {
            // SCTP would drop every message from us before sending it even once.
            let detail =
                "with maxPacketLifeTime 0 nothing can be sent back; maxRetransmits 0 sends it once";
            return self.end_channel(now, id, key, Ending::Refused, "bad-reliability", detail);
        }
        match owner {
            SessionOwner::Link(link) => self.open_link_channel(now, id, key, link, &label),
            SessionOwner::Api if label == control::LABEL => match controls!(self).open(id, key) {
                Ok(()) => self.media.repeat(now, id),
                Err(Denied { reason, detail }) => {
                    self.end_channel(now, id, key, Ending::Refused, reason, &detail);
                }
            },
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
                    self.sessions
                        .close(cx!(self, now), id, "its channel was closed");
                    self.take_news(now, id);
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
            self.media.settle();
            loop {
                while let Some(session) = self.devices.poll_readable() {
                    self.sessions.touch(session);
                }
                while let Some(session) = self.media.poll_readable() {
                    self.sessions.touch(session);
                }
                let Some(session) = self.sessions.poll_touched() else {
                    break;
                };
                self.take_turn(now, session);
            }
            // Hand over what sessions of this process have sent to each other.
            let Some(mut mail) = self.sources.transmits().take_internal() else {
                return self.sessions.set_internal_mail(cx!(self, now), false);
            };
            for (local, remote, datagram) in mail.iter() {
                let cx = cx!(self, now);
                if let Some(id) = self.sessions.handle_datagram(cx, local, remote, datagram) {
                    self.take_news(now, id);
                }
            }
            mail.clear();
            self.sources.transmits().give_back_internal(mail);
            while let Some(ended) = self.sessions.poll_ended() {
                self.handle_session_ended(now, &ended);
            }
        }
        self.sessions.set_internal_mail(cx!(self, now), true);
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
            controls!(self).tell_leases(cx!(self, now), id);
        }
        let devices = &mut self.devices;
        self.sessions
            .write(cx!(self, now), id, |writer| devices.serve(id, writer));
        if self.media.watches(id) {
            let media = &mut self.media;
            self.sessions
                .write_media(cx!(self, now), id, |writer| media.serve(now, id, writer));
        }
        // A channel that has missed bytes must close before reading makes room for more.
        self.settle_device_events(now);
        if let Some(control) = self.sessions.overflowed_control(id) {
            let detail = "the peer does not read its control channel";
            let reason = ChannelFault::Dropped(DropReason::Lagged).as_str();
            self.end_channel(now, id, control, Ending::Closed, reason, detail);
        }
        // After the writes, because reading from a device may have made room for messages that wait for it.
        self.devices.end_turn(cx!(self, now), id);
        self.settle_device_events(now);
        controls!(self).tell_drops(cx!(self, now), id);
        self.take_news(now, id);
        // Last, because this sets the session's deadline, which the calls above may move.
        self.sessions.end_turn(cx!(self, now), id);
        self.settle_device_events(now);
        while let Some(ended) = self.sessions.poll_ended() {
            self.handle_session_ended(now, &ended);
        }
    }

    pub(super) fn handle_session_ended(&mut self, now: Instant, ended: &Ended) {
        self.devices.remove_session(cx!(self, now), ended.id);
        self.media.remove_session(ended.id);
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
        while let Some(ended) = self.sessions.poll_ended() {
            self.handle_session_ended(now, &ended);
        }
        let name = self.sessions.name(begun.id);
        let event = json!({"id": name, "state": "new"});
        self.front.connections_mut().publish("session", &event);
        self.front.schedule_expiry(cx!(self, now));
        Ok(begun)
    }
}
