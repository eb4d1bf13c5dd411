//! Messages on their way, both ways.
//!
//! Towards the device a message is offered at once, and waits on its route when there is no room.
//! Towards the peers each session serves its channels in turns of equal bytes (deficit round
//! robin), until too much is in flight.

use std::time::{Duration, Instant};

use super::devices::Offered;
use super::sessions::Entry;
use super::stats::Direction;
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::endpoint::{Count, DropReason, LagPolicy, Message, Outgoing};
use crate::ids::{RouteId, SessionId};
use crate::limits;
use crate::session::channels::{Binding, ChannelKey};
use crate::session::control::Reply;
use crate::session::event::Written;

/// What a channel may send per turn, in bytes: two messages of a byte stream.
const QUANTUM: usize = 2 * limits::STREAM_MESSAGE;

/// Drops of a route are told at most this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

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
        match entry
            .session
            .channels()
            .get(key)
            .map(|channel| channel.binding)
        {
            Some(Binding::Route(route)) => self.carry(now, route, binary, data),
            Some(Binding::Control) => self.handle_control(session, key, &data),
            Some(Binding::Unbound | Binding::Closing) | None => {
                let count = Count::one(data.len());
                self.stats
                    .drops
                    .add(Direction::FromPeer, DropReason::Closed, count);
            }
        }
    }

    /// Carries a peer's message to its endpoint, or keeps it on the route.
    fn carry(&mut self, now: Instant, id: RouteId, binary: bool, data: Vec<u8>) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, count) = (route.session, route.endpoint, Count::one(data.len()));
        route.from_peer.add(count);
        if data.len() > limits::MAX_MESSAGE {
            route
                .drops
                .add(Direction::FromPeer, DropReason::TooLarge, count);
            if route.reliable {
                let detail = format!("a message has at most {} bytes", limits::MAX_MESSAGE);
                let channel = route.channel;
                self.end_channel(session, channel, "closed", "too-large", &detail);
            }
            return;
        }
        let offered = if self.drain.is_some() {
            Offered::Refused(DropReason::Closed)
        } else if route.is_empty() {
            self.routing.offer(
                now,
                id,
                endpoint,
                Message {
                    binary,
                    bytes: &data,
                },
            )
        } else {
            Offered::Full
        };
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        match offered {
            Offered::Taken => {}
            Offered::Full if route.enqueue(binary, data) => {
                if let Some(device) = self.routing.endpoints.get_mut(endpoint) {
                    device.wait(id);
                }
            }
            Offered::Full => {
                route
                    .drops
                    .add(Direction::FromPeer, DropReason::Overflow, count);
                let channel = route.channel;
                let detail = "more was sent than the device takes; keep to the credit";
                return self.end_channel(session, channel, "closed", "overflow", detail);
            }
            Offered::Refused(reason) => route.drops.add(Direction::FromPeer, reason, count),
        }
        self.grant(id);
        self.after_endpoint(endpoint);
        // The endpoint may have answered.
        self.touch_session(session);
    }

    /// A session's turn: what waits for the peer is written, then str0m is drained once.
    pub(super) fn pump_session(&mut self, now: Instant, id: SessionId) {
        let mut lagged = Vec::new();
        // While draining, only what is on its way already arrives.
        let draining = self.drain.is_some();
        self.with_session(id, |entry, routing| {
            entry.touched = false;
            entry.session.write_control();
            if entry.session.is_writable() && !draining {
                write_routes(entry, routing, &mut lagged);
            }
            entry.session.flush(now, &mut routing.transmits);
        });
        for (channel, count) in lagged {
            let detail = format!("the peer read too slowly and missed {} bytes", count.bytes);
            self.end_channel(id, channel, "closed", "lagged", &detail);
        }
        self.schedule_reports(now, id);
        self.handle_session_events(now, id);
        if let Some(entry) = self.sessions.get(id) {
            self.timers
                .set(TimerKey::Session(id), entry.session.poll_timeout());
        }
    }

    /// Tells peers of drops that are news, each route at most once a second.
    pub(super) fn report_drops(&mut self, now: Instant) {
        for id in self.sessions.ids() {
            self.schedule_reports(now, id);
        }
    }

    fn schedule_reports(&mut self, now: Instant, id: SessionId) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        if !entry.session.has_control() {
            return;
        }
        let mut told = false;
        for route in &entry.routes {
            let Some(route) = self.routing.routes.get_mut(*route) else {
                continue;
            };
            let total = route.drops.total();
            let (reported, at) = route.reported;
            if total == reported {
                continue;
            }
            if at.is_some_and(|at| now < at + REPORT_INTERVAL) {
                if !self.timers.is_set(TimerKey::Reports) {
                    self.timers
                        .set(TimerKey::Reports, Some(now + REPORT_INTERVAL));
                }
                continue;
            }
            route.reported = (total, Some(now));
            told = true;
            for ((direction, reason), count) in route.drops.iter() {
                entry.session.tell(&Reply::Dropped {
                    channel: route.stream,
                    label: &route.label,
                    direction: direction.as_str(),
                    reason: reason.as_str(),
                    messages: count.messages,
                    bytes: count.bytes,
                });
            }
        }
        if told {
            self.touch_session(id);
        }
    }
}

/// Writes messages of all routes in turn until nothing waits or too much is in flight. Routes
/// that have to be closed because they lagged are added to `lagged`.
fn write_routes(entry: &mut Entry, routing: &mut Routing, lagged: &mut Vec<(ChannelKey, Count)>) {
    let mut idle = 0;
    while idle < entry.routes.len() && entry.session.is_writable() {
        let at = entry.turn % entry.routes.len();
        let Some(id) = entry.routes.get(at).copied() else {
            return;
        };
        match write_route(entry, routing, id, lagged) {
            Turn::Idle => idle += 1,
            Turn::Used => idle = 0,
            // It goes on from here when there is room again.
            Turn::Blocked => return,
        }
        entry.turn = at + 1;
    }
}

enum Turn {
    /// Nothing waits.
    Idle,
    /// It sent its share; more may wait.
    Used,
    /// Too much is in flight.
    Blocked,
}

fn write_route(
    entry: &mut Entry,
    routing: &mut Routing,
    id: RouteId,
    lagged: &mut Vec<(ChannelKey, Count)>,
) -> Turn {
    let Some(route) = routing.routes.get_mut(id) else {
        return Turn::Idle;
    };
    let Some(device) = routing.endpoints.get_mut(route.endpoint) else {
        return Turn::Idle;
    };
    route.deficit = (route.deficit + QUANTUM).min(limits::MAX_MESSAGE + QUANTUM);
    loop {
        match device.endpoint.message(id) {
            None => {
                route.deficit = 0;
                return Turn::Idle;
            }
            Some(Outgoing::Lagged(count)) => {
                let close = device.endpoint.lag_policy() == LagPolicy::Close;
                if close && lagged.iter().any(|(channel, _)| *channel == route.channel) {
                    return Turn::Idle;
                }
                route
                    .drops
                    .add(Direction::ToPeer, DropReason::Lagged, count);
                if close {
                    lagged.push((route.channel, count));
                    return Turn::Idle;
                }
                device.endpoint.consume_message(id);
            }
            Some(Outgoing::Message(message)) => {
                let len = message.bytes.len();
                if len > route.deficit {
                    return Turn::Used;
                }
                match entry
                    .session
                    .write(route.channel, message.binary, message.bytes)
                {
                    Written::Accepted => route.to_peer.add(Count::one(len)),
                    Written::Blocked => return Turn::Blocked,
                    Written::TooLarge => {
                        route
                            .drops
                            .add(Direction::ToPeer, DropReason::TooLarge, Count::one(len));
                    }
                    Written::Empty => {
                        route
                            .drops
                            .add(Direction::ToPeer, DropReason::Empty, Count::one(len));
                    }
                    Written::Gone => return Turn::Idle,
                }
                route.deficit -= len;
                device.endpoint.consume_message(id);
            }
        }
    }
}
