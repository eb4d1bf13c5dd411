//! Every event of every component, and which components act on it. This file alone decides who hears of what.

use std::net::IpAddr;
use std::time::Instant;

use serde_json::json;

use super::{Gateway, cx};
use crate::access::Refusal;
use crate::access::scope::Grant;
use crate::devices::{Asker, DeviceEvent, Stop};
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason};
use crate::front::{FrontEvent, TokenEnd, refused};
use crate::ice::gatherer::Vantage;
use crate::ids::{EndpointId, LinkId, RequestId};
use crate::limits;
use crate::session::control::{EndpointState, Reply};
use crate::session::event::{ConnectionState, EndReason};
use crate::session::set::{
    Begin, BeginError, Begun, Bye, Candidates, Description, Ended, SessionOwner,
};
use crate::signaling::rendezvous::{Beginning, Place, RendezvousEvent, Shown, Target};
use crate::sources::{Command, Exit};

/// What waits for this machine's addresses.
pub(super) enum Ticket {
    /// An offer over HTTP.
    Offer(Box<Offer>),
    /// A connection between peers.
    Link(LinkId),
}

/// An offer over HTTP.
pub(super) struct Offer {
    pub(super) request: RequestId,
    pub(super) grant: Grant,
    pub(super) vantage: Vantage,
    pub(super) remote: Option<IpAddr>,
    pub(super) body: Vec<u8>,
}

impl Gateway {
    /// Brings every event to those who act on it, until no component has more to say. Devices come first, because what a device has
    /// lost must be told before its channel is closed; requests come after sessions, so that their answers show the newest state.
    pub(super) fn settle_events(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.devices.poll_event() {
                self.handle_device_event(now, event);
            } else if let Some(ended) = self.sessions.poll_ended() {
                self.handle_session_ended(now, &ended);
            } else if let Some(event) = self.front.poll_event() {
                self.handle_front_event(now, event);
            } else if let Some(event) = self.rendezvous.poll_event() {
                self.handle_rendezvous_event(now, event);
            } else if let Some(ticket) = self.network.poll_gathered() {
                self.handle_gathered(now, ticket);
            } else {
                return;
            }
        }
    }

    /// Does the same for devices alone, between two messages of a session: a channel that has failed takes no second message.
    pub(super) fn settle_device_events(&mut self, now: Instant) {
        while let Some(event) = self.devices.poll_event() {
            self.handle_device_event(now, event);
        }
    }

    // ---- devices ----

    fn handle_device_event(&mut self, now: Instant, event: DeviceEvent) {
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

    /// Tells the rendezvous which UDP ports are ours: messages that are redirected there would go round for ever.
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

    // ---- sessions ----

    /// Passes on what a session has to say.
    pub(super) fn take_news(&mut self, now: Instant, id: crate::ids::SessionId) {
        use crate::session::set::SessionNews;
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
                    // The last state is published with its reason, when the session has ended.
                    if !matches!(state, ConnectionState::Closed | ConnectionState::Failed) {
                        let name = self.sessions.name(id);
                        let event = json!({"id": name, "state": state.as_str()});
                        self.front.connections_mut().publish("session", &event);
                    }
                }
            }
        }
    }

    fn handle_session_ended(&mut self, now: Instant, ended: &Ended) {
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

    /// Ends a session politely, with its last news.
    pub(super) fn close_session(
        &mut self,
        now: Instant,
        id: crate::ids::SessionId,
        why: &'static str,
    ) {
        self.sessions.close(cx!(self, now), id, why);
        self.take_news(now, id);
    }

    /// Makes a session: the one way for offers over HTTP and for connections between peers.
    pub(super) fn begin_session(
        &mut self,
        now: Instant,
        begin: Begin<'_>,
    ) -> Result<Begun, BeginError> {
        let rights = begin.rights.clone();
        let begun = self.sessions.begin(cx!(self, now), begin)?;
        self.devices.add_session(begun.id, &rights);
        // A session that made room has ended before the new one is published.
        while let Some(ended) = self.sessions.poll_ended() {
            self.handle_session_ended(now, &ended);
        }
        let name = self.sessions.name(begun.id);
        let event = json!({"id": name, "state": "new"});
        self.front.connections_mut().publish("session", &event);
        self.front.schedule_expiry(cx!(self, now));
        Ok(begun)
    }

    // ---- the network ----

    fn handle_gathered(&mut self, now: Instant, ticket: Ticket) {
        match ticket {
            Ticket::Offer(offer) => self.answer_offer(now, *offer),
            Ticket::Link(link) => self.rendezvous.handle_gathered(cx!(self, now), link),
        }
    }

    // ---- requests ----

    fn handle_front_event(&mut self, now: Instant, event: FrontEvent) {
        let cx = cx!(self, now);
        match event {
            FrontEvent::Head(request, head) => self.handle_head(now, request, &head),
            FrontEvent::Body(request, body) => self.handle_body(now, request, body),
            FrontEvent::HalfClosed(request) => self.rendezvous.handle_half_closed(cx, request),
            FrontEvent::Gone(request) => self.rendezvous.handle_gone(cx, request),
            FrontEvent::TokenEnded { id, why } => self.end_token(now, &id, why),
            FrontEvent::ReaderOpened(reader) => self.show_state(now, reader),
            FrontEvent::SocketOpened(socket, purpose) => {
                self.rendezvous.handle_socket_opened(cx, socket, purpose);
            }
            FrontEvent::SocketMessage(socket, message) => {
                self.rendezvous.handle_socket_message(cx, socket, &message);
            }
            FrontEvent::SocketDrained(socket, waiting) => {
                self.rendezvous.handle_socket_drained(cx, socket, waiting);
            }
            FrontEvent::SocketClosed(socket) => self.rendezvous.handle_socket_closed(cx, socket),
            FrontEvent::Failed(failure) => self.exit = Some(Exit::Failed(failure)),
        }
    }

    /// Ends everything that is done with a token.
    fn end_token(&mut self, now: Instant, id: &str, why: TokenEnd) {
        let bye = match why {
            TokenEnd::Revoked => Bye::TokenRevoked,
            TokenEnd::Expired => Bye::TokenExpired,
        };
        for session in self.sessions.ids_of_token(id) {
            self.sessions.say_bye(cx!(self, now), session, bye);
            self.take_news(now, session);
        }
        if why == TokenEnd::Revoked {
            self.devices.forget_rate(id);
        }
        let front = &self.front;
        let is_of = |request| front.connections().is_of_token(request, id);
        for request in self.devices.cancel_requests(is_of) {
            let response = refused(Refusal::Revoked).response();
            self.front
                .connections_mut()
                .answer(cx!(self, now), request, response);
        }
    }

    // ---- peers ----

    fn handle_rendezvous_event(&mut self, now: Instant, event: RendezvousEvent) {
        let cx = cx!(self, now);
        match event {
            RendezvousEvent::Answer(request, response) => {
                self.front.connections_mut().answer(cx, request, response)
            }
            RendezvousEvent::AcceptBody(request) => {
                self.front.connections_mut().accept_body(cx, request, None)
            }
            RendezvousEvent::HangUp(request) => self.front.connections_mut().hang_up(cx, request),
            RendezvousEvent::Upgrade {
                request,
                purpose,
                key,
            } => self
                .front
                .connections_mut()
                .upgrade(cx, request, &key, purpose),
            RendezvousEvent::Send(socket, text) => {
                if self
                    .front
                    .connections_mut()
                    .send(cx, socket, &text)
                    .is_err()
                {
                    self.rendezvous.handle_socket_full(cx, socket);
                }
            }
            RendezvousEvent::Close(socket, code, why) => {
                self.front.connections_mut().close(cx, socket, code, why)
            }
            RendezvousEvent::Probe(socket, within) => {
                self.front.connections_mut().probe(cx, socket, within)
            }
            RendezvousEvent::ShowRight(Shown::Request(request), right) => {
                self.front
                    .connections_mut()
                    .show_right(request.connection, right);
            }
            RendezvousEvent::ShowRight(Shown::Socket(socket), right) => {
                self.front.connections_mut().show_right(socket.0, right);
            }
            RendezvousEvent::Publish(kind, data) => {
                self.front.connections_mut().publish(kind, &data)
            }
            RendezvousEvent::Gather(link) => self.network.gather(cx, Ticket::Link(link)),
            RendezvousEvent::ListAddresses => cx.sources.ask(Command::ListAddresses),
            other => self.handle_link_event(now, other),
        }
    }

    /// What the connections between peers need of sessions and devices.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other half of the events is matched by the caller"
    )]
    fn handle_link_event(&mut self, now: Instant, event: RendezvousEvent) {
        match event {
            RendezvousEvent::Begin {
                link,
                how,
                rights,
                claimant,
                place,
            } => {
                let begin = Begin {
                    how: match &how {
                        Beginning::Offer(wish) => Description::Offer(wish.clone()),
                        Beginning::Answer(sdp) => Description::Answer(sdp.as_bytes()),
                    },
                    owner: SessionOwner::Link(link),
                    rights,
                    claimant,
                    remote: None,
                    candidates: match place {
                        Place::Within => Candidates::Within,
                        Place::Vantage(from) => Candidates::Hosts(self.network.candidates(from)),
                    },
                };
                let begun = self.begin_session(now, begin);
                let begun = begun.map(|begun| (begun.id, begun.sdp));
                let begun = begun.map_err(|error| error.to_string());
                self.rendezvous.handle_begun(cx!(self, now), link, begun);
            }
            RendezvousEvent::AcceptAnswer { link, session, sdp } => {
                let accepted = self.sessions.accept_answer(cx!(self, now), session, &sdp);
                if let Some(accepted) = accepted {
                    let accepted = accepted.map_err(|error| error.to_string());
                    self.rendezvous
                        .handle_answered(cx!(self, now), link, accepted);
                }
            }
            RendezvousEvent::AddCandidates {
                session,
                candidates,
            } => {
                for candidate in &candidates {
                    let one = std::iter::once((1, candidate.as_str()));
                    let added = self.sessions.add_candidates(cx!(self, now), session, one);
                    if let Err(error) = added {
                        let detail = error.detail;
                        log::debug!("a candidate of a peer is not understood: {detail}");
                    }
                }
            }
            RendezvousEvent::CloseSession { session, why } => {
                self.close_session(now, session, why);
            }
            RendezvousEvent::SetScopes { session, scopes } => {
                self.sessions.set_scopes(session, scopes);
            }
            RendezvousEvent::Rebind { route, target } => {
                let endpoint = self.endpoint_of(now, target);
                self.devices.rebind(cx!(self, now), route, endpoint);
            }
            RendezvousEvent::Redirect { route, to } => self.devices.redirect(route, to),
            RendezvousEvent::Transcode {
                route,
                serialization,
            } => self.devices.transcode(route, serialization),
            RendezvousEvent::PrepareSender(to) => {
                self.devices.sender_to(cx!(self, now), to);
            }
            RendezvousEvent::OpenPort { bind } => self.devices.open_port(cx!(self, now), bind),
            RendezvousEvent::ClosePort(port) => self.devices.remove(cx!(self, now), port),
            RendezvousEvent::CloseBridge(bridge) => {
                self.devices.remove_bridge(cx!(self, now), bridge);
            }
            RendezvousEvent::Status {
                request,
                link,
                session,
            } => {
                let cx = cx!(self, now);
                let bytes = session.map_or(0, |id| self.sessions.unacknowledged_bytes(cx, id));
                self.rendezvous.answer_status(cx, request, link, bytes);
            }
            _ => {}
        }
    }

    /// Returns the device that a channel of a link is bound to.
    pub(super) fn endpoint_of(&mut self, now: Instant, target: Target) -> EndpointId {
        match target {
            Target::Endpoint(id) | Target::Port(id) => id,
            Target::Bridge(bridge) => self.devices.bridge(bridge),
            Target::Sender => self.devices.sender(cx!(self, now)),
        }
    }

    /// Tells everybody who may read an endpoint how it is now.
    pub(super) fn announce(&mut self, view: &crate::devices::EndpointView, state: &str) {
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

    /// Tells the readers of events, and every session that may read an endpoint, what has become of it.
    pub(super) fn tell_endpoint(&mut self, endpoint: &EndpointState<'_>) {
        use crate::access::scope::Verb;
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
}
