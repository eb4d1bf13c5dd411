//! Messages of devices on their way to peers. Each session serves its channels in turns of equal bytes
//! (deficit round robin) until too much is in flight.

use super::route::Route;
use super::{ChannelFault, DeviceEvent, Devices};
use crate::channel::{PeerWriter, Written};
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason, Endpoint, LagPolicy, Outgoing};
use crate::ids::{RouteId, SessionId};
use crate::limits;
use crate::sources::Context;

/// How many bytes a channel may send per turn: two messages of a byte stream.
const SEND_QUANTUM: usize = 2 * limits::STREAM_MESSAGE;

/// How a channel used its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing waits, or nothing may be sent.
    Idle,
    /// The channel sent its share; more may wait.
    Used,
    /// Too much is in flight.
    Blocked,
}

/// The result of sending the message at a route's cursor.
enum Sent {
    /// The message was sent, or the transcoder has taken it.
    Accepted(usize),
    /// The channel's turn ended.
    Over(Turn),
    /// The message was lost for this reason.
    Lost(DropReason, Count),
}

impl Devices {
    /// Begins a session's turn. Touches from now on count for the next turn.
    pub(crate) fn begin_turn(&mut self, session: SessionId) {
        if let Some(share) = self.flow.table.shares.get_mut(&session) {
            share.touched = false;
        }
    }

    /// Writes messages of all channels of a session in turn, until nothing waits or too much is in flight.
    /// While draining this writes nothing, because only data already under way still arrives.
    pub(crate) fn serve(&mut self, session: SessionId, peer: &mut impl PeerWriter) {
        if self.flow.is_draining {
            return;
        }
        let Some(share) = self.flow.table.shares.get_mut(&session) else {
            return;
        };
        let mut idle = 0;
        while idle < share.routes.len() && peer.is_writable() {
            let at = share.turn % share.routes.len();
            let Some(id) = share.routes.get(at).copied() else {
                return;
            };
            let Some(route) = self.flow.table.routes.get_mut(id) else {
                return;
            };
            let device = self.flow.table.endpoints.get_mut(route.endpoint);
            let turn = device.map_or(Turn::Idle, |device| {
                serve_route(
                    id,
                    route,
                    device.endpoint.as_mut(),
                    peer,
                    &mut self.flow.events,
                )
            });
            match turn {
                Turn::Idle => idle += 1,
                Turn::Used => idle = 0,
                // The next turn continues at this route when there is room again.
                Turn::Blocked => return,
            }
            share.turn = at + 1;
        }
    }

    /// Ends a session's turn: offers waiting messages where reading has made room for writing, and fails
    /// channels whose connection has ended.
    pub(crate) fn end_turn(&mut self, cx: &mut Context<'_>, session: SessionId) {
        let routes = self
            .flow
            .table
            .shares
            .get(&session)
            .map_or(0, |share| share.routes.len());
        for at in 0..routes {
            let share = self.flow.table.shares.get(&session);
            let Some(id) = share.and_then(|share| share.routes.get(at).copied()) else {
                break;
            };
            let Some(route) = self.flow.table.routes.get(id) else {
                continue;
            };
            let (endpoint, has_waiting) = (route.endpoint, !route.is_empty());
            let Some(device) = self.flow.table.endpoints.get(endpoint) else {
                continue;
            };
            let is_room = device.endpoint.has_room_per_route();
            if is_room && (has_waiting || device.endpoint.couples_routes()) {
                self.flow.offer_waiting(cx, endpoint);
            }
            self.flow.resume_reading(cx, endpoint);
            self.flow.end_if_finished(id);
        }
    }
}

/// Sends one channel's share.
fn serve_route(
    id: RouteId,
    route: &mut Route,
    endpoint: &mut dyn Endpoint,
    peer: &mut impl PeerWriter,
    events: &mut std::collections::VecDeque<DeviceEvent>,
) -> Turn {
    if route.has_gap {
        return Turn::Idle;
    }
    route.deficit = (route.deficit + SEND_QUANTUM).min(limits::MAX_MESSAGE + SEND_QUANTUM);
    loop {
        if let Some(over) = send_frames(route, peer) {
            return over;
        }
        match send_message(id, route, endpoint, peer) {
            Sent::Accepted(bytes) => route.deficit -= bytes,
            Sent::Over(turn) => return turn,
            Sent::Lost(reason, count) => {
                route.drops.add(Direction::ToPeer, reason, count);
                // A message without bytes leaves no gap in a stream.
                if reason != DropReason::Empty && endpoint.lag_policy() != LagPolicy::Skip {
                    route.has_gap = true;
                    events.push_back(gap(route, reason, count));
                    return Turn::Idle;
                }
            }
        }
        endpoint.consume_message(id);
    }
}

/// Sends the message at a route's cursor, or hands it to the route's transcoder.
fn send_message(
    id: RouteId,
    route: &mut Route,
    endpoint: &dyn Endpoint,
    peer: &mut impl PeerWriter,
) -> Sent {
    let message = match endpoint.message(id) {
        None => {
            route.deficit = 0;
            return Sent::Over(Turn::Idle);
        }
        Some(Outgoing::Lagged(count)) => return Sent::Lost(DropReason::Lagged, count),
        Some(Outgoing::Message(message)) => message,
    };
    let count = Count::one(message.bytes.len());
    if message.bytes.len() > route.deficit {
        return Sent::Over(Turn::Used);
    }
    if let Some(transcoder) = &mut route.transcoder {
        match transcoder.encode(message) {
            Ok(()) => route.to_peer.add(count),
            Err(error) => {
                log::debug!("a message cannot be encoded as its offer says: {error}");
                let (direction, reason) = (Direction::ToPeer, DropReason::BadFrame);
                route.drops.add(direction, reason, count);
            }
        }
        return Sent::Accepted(message.bytes.len());
    }
    let binary = message.binary && !route.as_text;
    match peer.write(route.channel, binary, message.bytes) {
        Written::Accepted => {
            route.to_peer.add(count);
            Sent::Accepted(message.bytes.len())
        }
        Written::Blocked => Sent::Over(Turn::Blocked),
        Written::Gone => Sent::Over(Turn::Idle),
        Written::TooLarge => Sent::Lost(DropReason::TooLarge, count),
        Written::Empty => Sent::Lost(DropReason::Empty, count),
    }
}

/// Sends the frames that a transcoder has made of the previous message. Returns how the turn ends if some
/// frames remain.
fn send_frames(route: &mut Route, peer: &mut impl PeerWriter) -> Option<Turn> {
    let transcoder = route.transcoder.as_mut()?;
    while let Some((binary, frame)) = transcoder.front() {
        match peer.write(route.channel, binary, frame) {
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

/// Returns the failure of a channel whose peer has missed bytes of a byte stream.
fn gap(route: &Route, reason: DropReason, count: Count) -> DeviceEvent {
    let what = match reason {
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
    DeviceEvent::ChannelFailed {
        session: route.session,
        channel: route.channel,
        fault: ChannelFault::Dropped(reason),
        detail: format!("{what} and missed {} bytes", count.bytes).into(),
    }
}
