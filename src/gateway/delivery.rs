//! Messages on their way to devices.
//!
//! A message is offered at once, and waits on its route when its device has no room. Waiting
//! routes are served in turns of equal bytes (deficit round robin), and nothing passes them.

use std::time::{Duration, Instant};

use super::Gateway;
use super::stats::Direction;
use super::timers::TimerKey;
use super::waiting::Offered;
use crate::endpoint::{Count, DropReason, Message};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::limits;
use crate::payload::{Decoded, Payload};
use crate::session::channels::{Binding, ChannelKey};

/// What a waiting route may have delivered per turn, in bytes.
pub(super) const QUANTUM: usize = 4 * 1024;

/// How long what a peer sent before it closed its channel is kept for a slow device. After that
/// it counts as stale.
const LINGER: Duration = Duration::from_secs(60);

/// Closed channels per session that may still have something to be delivered.
const MAX_LINGERING: usize = 64;

impl Gateway {
    /// A message of a peer.
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        session: SessionId,
        key: ChannelKey,
        binary: bool,
        data: Vec<u8>,
    ) {
        let Some(entry) = self.sessions.get(session) else {
            return;
        };
        let channel = entry.session.channels().get(key);
        match channel.map(|channel| channel.binding) {
            Some(Binding::Route(route)) => self.receive(now, route, binary, data),
            Some(Binding::Control) => self.handle_control(now, session, key, &data),
            Some(Binding::Unbound | Binding::Closing) | None => self.count_unbound(data.len()),
        }
    }

    /// A message on a channel that is not bound (any more).
    pub(super) fn count_unbound(&mut self, bytes: usize) {
        let (direction, reason) = (Direction::FromPeer, DropReason::Closed);
        self.stats.drops.add(direction, reason, Count::one(bytes));
    }

    /// Reads a frame as its connection writes it.
    fn receive(&mut self, now: Instant, id: RouteId, binary: bool, data: Vec<u8>) {
        let route = self.routing.routes.get_mut(id);
        let Some(mut transcoder) = route.and_then(|route| route.transcoder.take()) else {
            return self.carry(now, id, binary, data);
        };
        let mut is_over = false;
        let before = transcoder.held();
        match transcoder.decode(binary, &data) {
            Ok(Some(Decoded::Payload(payload))) => {
                let (bytes, binary) = match payload {
                    Payload::Text(text) => (text.as_bytes(), false),
                    Payload::Bytes(bytes) => (bytes, true),
                };
                let bytes = bytes.to_vec();
                self.carry_in_pieces(now, id, binary, bytes);
            }
            Ok(Some(Decoded::Close)) => is_over = true,
            Ok(None) => {}
            Err(error) => {
                log::debug!("a message that is not written as its offer says: {error}");
                let count = Count::one(data.len());
                self.drop_from_peer(id, DropReason::BadFrame, count);
            }
        }
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let after = transcoder.held();
        route.transcoder = Some(transcoder);
        let (session, channel) = (route.session, route.channel);
        self.routing.held = self.routing.held + after - before;
        if self.routing.held > limits::PAYLOAD_TOTAL && after > before {
            self.drop_from_peer(id, DropReason::Overflow, Count::one(after));
            let detail = "all channels together have too many messages that are not whole yet";
            self.end_channel(session, channel, "overflow", detail);
        }
        if is_over {
            self.end_channel(session, channel, "peer", "the page wants it to be closed");
        }
    }

    /// Carries what a page had cut in parts: a byte stream knows no messages, and takes it in pieces
    /// where it is longer than what a channel carries at once.
    fn carry_in_pieces(&mut self, now: Instant, id: RouteId, binary: bool, data: Vec<u8>) {
        let route = self.routing.routes.get(id);
        let device = route.and_then(|route| self.routing.endpoints.get(route.endpoint));
        let is_stream = device.is_some_and(|device| device.endpoint.is_stream());
        if !is_stream || data.len() <= limits::MAX_MESSAGE {
            return self.carry(now, id, binary, data);
        }
        for piece in data.chunks(limits::MAX_MESSAGE) {
            self.carry(now, id, binary, piece.to_vec());
        }
    }

    /// Carries a peer's message to its endpoint, or keeps it on the route.
    fn carry(&mut self, now: Instant, id: RouteId, binary: bool, data: Vec<u8>) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, count) = (route.session, route.endpoint, Count::one(data.len()));
        let may_write = route.may_write;
        let is_discarded = route.is_discarded();
        route.from_peer.add(count);
        let is_giant = data.len() > limits::MAX_MESSAGE;
        let offered = if is_giant {
            Offered::Refused(DropReason::TooLarge)
        } else if self.drain.is_some() {
            Offered::Refused(DropReason::Closed)
        } else if is_discarded {
            Offered::Refused(DropReason::Discarded)
        } else if !may_write {
            Offered::Refused(DropReason::Forbidden)
        } else if !self.may_send(now, session) {
            Offered::Refused(DropReason::RateLimited)
        } else if let Err(reason) = self.check_writer(session, endpoint) {
            Offered::Refused(reason)
        } else if self.routing.must_wait(endpoint, id) {
            Offered::Full
        } else {
            let bytes = data.as_slice();
            self.routing
                .offer(now, id, endpoint, Message { binary, bytes })
        };
        if matches!(offered, Offered::Taken | Offered::Full) {
            self.note_writer(now, session, endpoint);
        }
        match offered {
            Offered::Taken => {}
            Offered::Full
                if self.may_keep(session, data.len()) && self.routing.keep(id, binary, data) =>
            {
                // It may only have had to wait for a look at where a script stands.
                if self.routing.has_jobs(endpoint) {
                    self.offer_waiting(now, endpoint);
                }
            }
            Offered::Full => {
                self.drop_from_peer(id, DropReason::Overflow, count);
                let detail = "more was sent than the device takes; keep to the credit";
                return self.fail_reliable(id, "overflow", detail);
            }
            Offered::Refused(reason) => {
                self.drop_from_peer(id, reason, count);
                if is_giant {
                    let detail = format!("a message has at most {} bytes", limits::MAX_MESSAGE);
                    return self.fail_reliable(id, "too-large", &detail);
                }
            }
        }
        self.grant(id);
        self.after_delivery(now, endpoint);
        // The endpoint may have answered.
        self.touch_session(session);
    }

    /// Whether its token lets a session send one more message now.
    fn may_send(&mut self, now: Instant, session: SessionId) -> bool {
        let entry = self.sessions.get(session);
        entry.is_none_or(|entry| self.access.take_message(now, &entry.grant))
    }

    /// Whether a session may have this much more waiting for devices: while half of what there is
    /// is free, or else up to its share of the other half.
    fn may_keep(&self, session: SessionId, bytes: usize) -> bool {
        let shared = limits::QUEUED_TOTAL / 2;
        if self.routing.queued + bytes <= shared {
            return true;
        }
        let share = (limits::QUEUED_TOTAL - shared) / self.limits.sessions;
        let Some(entry) = self.sessions.get(session) else {
            return false;
        };
        let routes = entry.routes.iter().chain(&entry.lingering);
        self.routing.queued_of(routes) + bytes <= share
    }

    /// A message has gone to a device, or has been dropped: a script may have waited for it.
    pub(super) fn after_delivery(&mut self, now: Instant, id: EndpointId) {
        if self.routing.has_jobs(id) {
            self.step_jobs(now, id);
        }
        self.after_endpoint(id);
        let device = self.routing.endpoints.get(id);
        if device.is_some_and(|device| device.endpoint.couples_routes()) {
            self.touch_routes(id);
        }
    }

    fn drop_from_peer(&mut self, id: RouteId, reason: DropReason, count: Count) {
        if let Some(route) = self.routing.routes.get_mut(id) {
            route.drops.add(Direction::FromPeer, reason, count);
            let session = route.session;
            self.touch_session(session);
        }
    }

    /// A reliable channel that lost something is closed; an unreliable one goes on.
    fn fail_reliable(&mut self, id: RouteId, reason: &'static str, detail: &str) {
        if let Some(route) = self.routing.routes.get(id)
            && route.reliable
        {
            let (session, channel) = (route.session, route.channel);
            self.end_channel(session, channel, reason, detail);
        }
    }

    /// Offers what waits until the device has no room.
    pub(super) fn offer_waiting(&mut self, now: Instant, id: EndpointId) {
        let mut refusals = 0;
        while let Some(route_id) = self.routing.next_waiting(id) {
            let Some(waiting) = self.routing.take(route_id) else {
                self.routing.stop_waiting(id, route_id);
                continue;
            };
            let message = Message {
                binary: waiting.binary,
                bytes: &waiting.data,
            };
            match self.routing.offer(now, route_id, id, message) {
                Offered::Taken => refusals = 0,
                Offered::Full => {
                    self.routing.put_back(route_id, waiting);
                    refusals += 1;
                    if self.routing.pass_over(id, refusals) {
                        continue;
                    }
                    break;
                }
                Offered::Refused(reason) => {
                    self.drop_from_peer(route_id, reason, Count::one(waiting.data.len()));
                }
            }
            self.after_delivery(now, id);
            let Some(route) = self.routing.routes.get(route_id) else {
                continue;
            };
            if !route.is_empty() {
                self.grant(route_id);
            } else if route.lingers {
                self.remove_route(route_id, DropReason::Closed);
            } else {
                self.routing.stop_waiting(id, route_id);
                self.grant(route_id);
            }
        }
        self.after_endpoint(id);
    }

    /// The peer closed a channel. What it had sent before still goes to the device: closing a
    /// channel sends everything first (W3C), and a printer must get its last page. A page that
    /// is simply gone gets no such service.
    pub(super) fn deliver_then_remove(&mut self, now: Instant, id: RouteId) {
        let Some(route) = self.routing.routes.get(id) else {
            return;
        };
        let endpoint = route.endpoint;
        self.offer_waiting(now, endpoint);
        match self.routing.routes.get_mut(id) {
            Some(route) if !route.is_empty() => {
                route.lingers = true;
                let session = route.session;
                self.detach_route(id);
                self.timers.set(TimerKey::Linger(id), Some(now + LINGER));
                self.linger(session, id);
            }
            Some(_) | None => self.remove_route(id, DropReason::Closed),
        }
    }

    /// Keeps a closed channel's bytes, within one window for all such channels of a session.
    fn linger(&mut self, session: SessionId, id: RouteId) {
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        entry.lingering.push_back(id);
        while let Some(entry) = self.sessions.get(session) {
            let bytes = self.routing.queued_of(&entry.lingering);
            let fits = bytes <= self.limits.route_queue && entry.lingering.len() <= MAX_LINGERING;
            let Some(oldest) = entry.lingering.front().copied() else {
                break;
            };
            if fits {
                break;
            }
            self.remove_route(oldest, DropReason::Closed);
        }
    }

    /// Ends a route; what still waits is dropped for this reason, counted.
    pub(super) fn remove_route(&mut self, id: RouteId, reason: DropReason) {
        self.detach_route(id);
        self.timers.set(TimerKey::Linger(id), None);
        let Some(mut route) = self.routing.routes.remove(id) else {
            return;
        };
        self.routing.queued -= route.queued_bytes();
        self.routing.held -= route.transcoder.as_ref().map_or(0, |it| it.held());
        route.forget(reason);
        self.stats.drops.add_all(&route.drops);
        let [from_peer, to_peer] = &mut self.stats.ended;
        from_peer.add(route.from_peer);
        to_peer.add(route.to_peer);
        if let Some(entry) = self.sessions.get_mut(route.session) {
            entry.lingering.retain(|other| *other != id);
        }
        self.routing.stop_waiting(route.endpoint, id);
        let device = self.routing.endpoints.get(route.endpoint);
        if device.is_some_and(|device| device.parent.is_some()) {
            self.orphans.push(route.endpoint);
        }
    }

    /// Takes a route off its session and its endpoint's cursors.
    fn detach_route(&mut self, id: RouteId) {
        let Some(route) = self.routing.routes.get(id) else {
            return;
        };
        let (session, endpoint) = (route.session, route.endpoint);
        self.release_lease(session, endpoint, id);
        let Some(route) = self.routing.routes.get(id) else {
            return;
        };
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.routes.retain(|other| *other != id);
        }
        if let Some(device) = self.routing.endpoints.get_mut(route.endpoint) {
            device.routes.retain(|other| *other != id);
            device.endpoint.detach(id);
            let timer = TimerKey::Endpoint(route.endpoint);
            self.timers.set(timer, device.endpoint.poll_timeout());
        }
        self.read_device_on(endpoint);
    }
}

#[cfg(test)]
mod tests;
