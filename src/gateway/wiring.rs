//! Polls the events of every component, in a fixed order, and says which components act on each. Events of sessions and devices
//! go on in `sessions`.

use std::time::Instant;

use super::ticket::Ticket;
use super::{Gateway, channels, cx, has_events, look, watching};
use crate::access::TokenRefusal;
use crate::front::{FrontEvent, TokenEnd, refused};
use crate::session::set::{Begin, Bye, Candidates, Description, SessionOwner};
use crate::signaling::rendezvous::{BeginLink, Beginning, PeerPlace, RendezvousEvent};
use crate::sources::Exit;

impl Gateway {
    /// Delivers every event to the components that act on it, until no component has another event. Devices
    /// come first, because a device's lost bytes must be told before its channel is closed. Requests come
    /// after sessions, so that responses show the newest state.
    #[inline(never)]
    pub(super) fn settle_events(&mut self, now: Instant) {
        while has_events!(self) {
            if let Some(event) = self.devices.poll_event() {
                self.handle_device_event(now, event);
            } else if let Some(ended) = self.sessions.poll_ended() {
                self.handle_session_ended(now, &ended);
            } else if let Some(event) = self.front.poll_event() {
                self.handle_front_event(now, event);
            } else if let Some(event) = self.rendezvous.poll_event() {
                self.handle_rendezvous_event(now, event);
            } else if let Some(news) = self.media.poll_news() {
                watching!(self).handle(cx!(self, now), news);
            } else if let Some(ticket) = self.network.poll_gathered() {
                match ticket {
                    // A session that no client learns of would take a place until it times out.
                    Ticket::Offer(offer) if self.front.connections().is_open(offer.request) => {
                        let request = offer.request;
                        let done = self.create_session(now, *offer);
                        (self.front).respond(cx!(self, now), request, done.map(Some));
                    }
                    Ticket::Offer(_) => {}
                    Ticket::Link(link) => self.rendezvous.handle_gathered(link),
                }
            }
        }
    }

    // ---- requests ----

    #[inline(never)]
    fn handle_front_event(&mut self, now: Instant, event: FrontEvent) {
        let cx = cx!(self, now);
        match event {
            FrontEvent::Head(request, head) => self.handle_head(now, request, &head),
            FrontEvent::Body(request, body) => self.handle_body(now, request, body),
            FrontEvent::HalfClosed(request) => self.rendezvous.handle_half_closed(cx, request),
            FrontEvent::Gone(request) => self.rendezvous.handle_gone(cx, request),
            // End every session that uses the token, and cancel the requests for lines that it has made.
            FrontEvent::TokenEnded { id, why } => {
                let bye = match why {
                    TokenEnd::Revoked => Bye::TokenRevoked,
                    TokenEnd::Expired => Bye::TokenExpired,
                };
                for session in self.sessions.ids_of_token(&id) {
                    self.sessions.say_bye(cx!(self, now), session, bye);
                    self.take_news(now, session);
                }
                if why == TokenEnd::Revoked {
                    self.devices.forget_rate(&id);
                }
                let front = &self.front;
                let is_of = |request| front.connections().is_of_token(request, &id);
                for request in self.devices.cancel_requests(is_of) {
                    let response = refused(TokenRefusal::Revoked).response();
                    self.front
                        .connections_mut()
                        .answer(cx!(self, now), request, response);
                }
            }
            FrontEvent::ReaderOpened(reader) => {
                let current = look!(self).current(reader);
                self.front.subscribe(cx!(self, now), reader, &current);
            }
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

    // ---- peers ----

    #[inline(never)]
    fn handle_rendezvous_event(&mut self, now: Instant, event: RendezvousEvent) {
        let cx = cx!(self, now);
        let front = self.front.connections_mut();
        match event {
            RendezvousEvent::Answer(request, response) => front.answer(cx, request, response),
            RendezvousEvent::AcceptBody(request) => front.accept_body(cx, request, None),
            RendezvousEvent::HangUp(request) => front.hang_up(cx, request),
            RendezvousEvent::Upgrade(request, purpose, key) => {
                front.upgrade(cx, request, &key, purpose);
            }
            RendezvousEvent::Send(socket, text) => {
                if front.send(cx, socket, &text).is_err() {
                    self.rendezvous.handle_socket_full(socket);
                }
            }
            RendezvousEvent::Close(socket, code, why) => front.close(cx, socket, code, why),
            RendezvousEvent::Probe(socket, within) => front.probe(cx, socket, within),
            RendezvousEvent::ShowRight(shown, right) => front.show_right(shown.connection(), right),
            RendezvousEvent::Publish(kind, data) => front.publish(kind, &data),
            RendezvousEvent::Gather(link) => self.network.gather(cx, Ticket::Link(link)),
            RendezvousEvent::ListAddresses => self.network.list(cx),
            RendezvousEvent::Begin(begin) => self.begin_link(now, *begin),
            RendezvousEvent::AcceptAnswer(link, session, sdp) => {
                if let Some(accepted) = self.sessions.accept_answer(cx, session, &sdp) {
                    let accepted = accepted.map_err(|error| error.to_string());
                    self.rendezvous.handle_answered(cx, link, accepted);
                }
            }
            RendezvousEvent::AddCandidates(session, candidates) => {
                self.sessions.try_candidates(cx, session, &candidates);
            }
            RendezvousEvent::CloseSession(session, why) => {
                self.sessions.close(cx, session, why);
                self.take_news(now, session);
            }
            RendezvousEvent::SetScopes(session, scopes) => {
                self.sessions.set_scopes(session, scopes);
            }
            RendezvousEvent::Rebind(route, target) => {
                let endpoint = channels::target(&mut self.devices, cx, target);
                self.devices.rebind(cx, route, endpoint);
            }
            RendezvousEvent::Redirect(route, to) => self.devices.redirect(route, to),
            RendezvousEvent::Transcode(route, how) => self.devices.transcode(route, how),
            RendezvousEvent::PrepareSender(to) => self.devices.prepare_sender(cx, to),
            RendezvousEvent::OpenPort(bind) => self.devices.open_port(cx, bind),
            RendezvousEvent::ClosePort(port) => self.devices.remove(cx, port),
            RendezvousEvent::CloseBridge(bridge) => self.devices.remove_bridge(cx, bridge),
            RendezvousEvent::Status(request, link, session) => {
                let bytes = session.map_or(0, |id| self.sessions.unacknowledged_bytes(cx, id));
                self.rendezvous.answer_status(cx, request, link, bytes);
            }
        }
    }

    /// Makes the session of a connection between peers.
    fn begin_link(&mut self, now: Instant, wanted: BeginLink) {
        let begin = Begin {
            how: match &wanted.how {
                Beginning::Offer(wish) => Description::Offer(wish.clone()),
                Beginning::Answer(sdp) => Description::Answer(sdp.as_bytes()),
            },
            owner: SessionOwner::Link(wanted.link),
            rights: wanted.rights,
            claimant: wanted.claimant,
            remote: None,
            candidates: match wanted.place {
                PeerPlace::Within => Candidates::Within,
                PeerPlace::Vantage(from) => Candidates::Hosts(self.network.candidates(from)),
            },
            tracks: &[],
            may_get_tracks: false,
        };
        let begun = self.begin_session(now, begin);
        let begun = begun.map(|begun| (begun.id, begun.sdp));
        let begun = begun.map_err(|error| error.to_string());
        self.rendezvous
            .handle_begun(cx!(self, now), wanted.link, begun);
    }
}
