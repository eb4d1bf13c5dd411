//! Messages on their way to peers: each session serves its channels in turns of equal bytes
//! (deficit round robin), until too much is in flight.

use std::time::{Duration, Instant};

use super::routes::Route;
use super::sessions::Entry;
use super::stats::Direction;
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::endpoint::{Count, DropReason, LagPolicy, Outgoing};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::limits;
use crate::session::Session;
use crate::session::channels::ChannelKey;
use crate::session::control::Reply;
use crate::session::event::Written;

/// What a channel may send per turn, in bytes: two messages of a byte stream.
const QUANTUM: usize = 2 * limits::STREAM_MESSAGE;

/// Keep-alives of sessions with nothing in flight happen together at multiples of this. The shortest wait that it
/// may lengthen is [`SOON`], longer than a delayed acknowledgement (200 ms, RFC 9260 §6.2).
const TOGETHER: Duration = Duration::from_millis(250);
/// Of the others, for which it may be a retransmission.
const NEARLY: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_millis(250);

/// The first multiple of `step` since `start` that is not before `at`, so that many share a wake-up.
fn next(start: Instant, at: Instant, step: Duration) -> Instant {
    let since = at.saturating_duration_since(start).as_millis();
    let steps = u32::try_from(since.div_ceil(step.as_millis())).unwrap_or(u32::MAX);
    start + step.saturating_mul(steps)
}

/// Drops of a route are told at most this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Gateway {
    /// A session's turn: what waits for the peer is written, then str0m is drained once.
    pub(super) fn pump_session(&mut self, now: Instant, id: SessionId) {
        self.tell_lease_news(now, id);
        let mut gaps = Vec::new();
        // While draining, only what is on its way already arrives.
        let draining = self.drain.is_some();
        self.with_session(id, |entry, routing| {
            entry.touched = false;
            entry.session.write_control();
            if entry.session.is_writable() && !draining {
                write_routes(entry, routing, &mut gaps);
            }
            entry.session.flush(now, &mut routing.transmits);
        });
        for Gap {
            channel,
            reason,
            count,
        } in gaps
        {
            let detail = match reason {
                DropReason::TooLarge => "the peer takes smaller messages than the device sends",
                DropReason::Absent
                | DropReason::Unwritten
                | DropReason::Overflow
                | DropReason::Empty
                | DropReason::Lagged
                | DropReason::Closed
                | DropReason::SendFailed
                | DropReason::BadFrame
                | DropReason::NoLease
                | DropReason::Forbidden
                | DropReason::RateLimited
                | DropReason::Discarded
                | DropReason::Deadman => "the peer read too slowly",
            };
            let detail = format!("{detail} and missed {} bytes", count.bytes);
            self.end_channel(id, channel, reason.as_str(), &detail);
        }
        let unread = self.sessions.get(id);
        if let Some(control) = unread.and_then(|entry| entry.session.overflowed_control()) {
            let detail = "the peer does not read its control channel";
            self.end_channel(id, control, DropReason::Lagged.as_str(), detail);
        }
        self.use_freed_room(now, id);
        self.read_on(id);
        self.end_finished_channels(id);
        self.schedule_reports(now, id);
        self.handle_session_events(now, id);
        let started = self.started;
        if let Some(entry) = self.sessions.get_mut(id) {
            let mut deadline = entry.session.poll_timeout();
            if let Some(at) = deadline.as_mut().filter(|at| **at >= now + SOON) {
                let quiet = entry.session.is_quiet();
                *at = next(started, *at, if quiet { TOGETHER } else { NEARLY });
            }
            self.timers.set(TimerKey::Session(id), deadline);
        }
    }

    /// Where reading makes room for writing, what waits may go on.
    fn use_freed_room(&mut self, now: Instant, id: SessionId) {
        let Some(entry) = self.sessions.get(id) else {
            return;
        };
        let routes = entry
            .routes
            .iter()
            .filter_map(|id| self.routing.routes.get(*id));
        let endpoints = &self.routing.endpoints;
        let couples = |id| {
            endpoints
                .get(id)
                .is_some_and(|it| it.endpoint.couples_routes())
        };
        let waiting = routes.filter(|route| !route.is_empty() || couples(route.endpoint));
        let endpoints: Vec<_> = waiting.map(|route| route.endpoint).collect();
        for endpoint in endpoints {
            let device = self.routing.endpoints.get(endpoint);
            if device.is_some_and(|device| device.endpoint.has_room_per_route()) {
                self.offer_waiting(now, endpoint);
            }
        }
    }

    /// Programs that had to wait for this session's reading may be read again.
    fn read_on(&mut self, id: SessionId) {
        let routes = self.sessions.get(id).map_or(0, |entry| entry.routes.len());
        for at in 0..routes {
            let entry = self.sessions.get(id);
            if let Some(route) = entry.and_then(|entry| entry.routes.get(at).copied())
                && let Some(route) = self.routing.routes.get(route)
            {
                self.read_device_on(route.endpoint);
            }
        }
    }

    /// The same after one route has read on or left.
    pub(super) fn read_device_on(&mut self, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get(id)
            && device.endpoint.lag_policy() == LagPolicy::Wait
            && let Some(source) = device.source
        {
            self.touch_source(source);
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

/// A hole in what a route's peer got of a byte stream: its channel must be closed.
struct Gap {
    channel: ChannelKey,
    reason: DropReason,
    count: Count,
}

/// Writes messages of all routes in turn until nothing waits or too much is in flight.
fn write_routes(entry: &mut Entry, routing: &mut Routing, gaps: &mut Vec<Gap>) {
    let mut idle = 0;
    while idle < entry.routes.len() && entry.session.is_writable() {
        let at = entry.turn % entry.routes.len();
        let Some(id) = entry.routes.get(at).copied() else {
            return;
        };
        match write_route(entry, routing, id, gaps) {
            Turn::Idle => idle += 1,
            Turn::Used => idle = 0,
            // It goes on from here when there is room again.
            Turn::Blocked => return,
        }
        entry.turn = at + 1;
    }
}

enum Turn {
    /// Nothing waits, or nothing may go.
    Idle,
    /// It sent its share; more may wait.
    Used,
    /// Too much is in flight.
    Blocked,
}

/// Sends what a transcoder has made of the message before.
fn write_frames(session: &mut Session, route: &mut Route) -> Option<Turn> {
    let transcoder = route.transcoder.as_mut()?;
    while let Some((binary, frame)) = transcoder.front() {
        match session.write(route.channel, binary, frame) {
            Written::Accepted => transcoder.pop(),
            Written::Blocked => return Some(Turn::Blocked),
            Written::Gone => return Some(Turn::Idle),
            Written::TooLarge | Written::Empty => {
                let count = Count::one(frame.len());
                let (direction, reason) = (Direction::ToPeer, DropReason::TooLarge);
                route.drops.add(direction, reason, count);
                transcoder.pop();
            }
        }
    }
    None
}

fn write_route(entry: &mut Entry, routing: &mut Routing, id: RouteId, gaps: &mut Vec<Gap>) -> Turn {
    let Some(route) = routing.routes.get_mut(id) else {
        return Turn::Idle;
    };
    let Some(device) = routing.endpoints.get_mut(route.endpoint) else {
        return Turn::Idle;
    };
    if gaps.iter().any(|gap| gap.channel == route.channel) {
        return Turn::Idle;
    }
    route.deficit = (route.deficit + QUANTUM).min(limits::MAX_MESSAGE + QUANTUM);
    loop {
        if let Some(blocked) = write_frames(&mut entry.session, route) {
            return blocked;
        }
        let lost = match device.endpoint.message(id) {
            None => {
                route.deficit = 0;
                return Turn::Idle;
            }
            Some(Outgoing::Lagged(count)) => (DropReason::Lagged, count),
            Some(Outgoing::Message(message)) => {
                let count = Count::one(message.bytes.len());
                if message.bytes.len() > route.deficit {
                    return Turn::Used;
                }
                if let Some(transcoder) = &mut route.transcoder {
                    match transcoder.encode(message) {
                        Ok(()) => route.to_peer.add(count),
                        Err(error) => {
                            log::debug!("a message cannot be written as its offer says: {error}");
                            let (direction, reason) = (Direction::ToPeer, DropReason::BadFrame);
                            route.drops.add(direction, reason, count);
                        }
                    }
                    route.deficit -= message.bytes.len();
                    device.endpoint.consume_message(id);
                    continue;
                }
                let binary = message.binary && !route.as_text;
                match entry.session.write(route.channel, binary, message.bytes) {
                    Written::Accepted => {
                        route.to_peer.add(count);
                        route.deficit -= message.bytes.len();
                        device.endpoint.consume_message(id);
                        continue;
                    }
                    Written::Blocked => return Turn::Blocked,
                    Written::Gone => return Turn::Idle,
                    Written::TooLarge => (DropReason::TooLarge, count),
                    Written::Empty => (DropReason::Empty, count),
                }
            }
        };
        let (reason, count) = lost;
        route.drops.add(Direction::ToPeer, reason, count);
        // A message without bytes leaves no hole in a stream.
        if reason != DropReason::Empty && device.endpoint.lag_policy() != LagPolicy::Skip {
            let channel = route.channel;
            gaps.push(Gap {
                channel,
                reason,
                count,
            });
            return Turn::Idle;
        }
        device.endpoint.consume_message(id);
    }
}
