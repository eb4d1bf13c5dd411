//! Messages that wait for room at a device: the order of their routes, and which new messages must wait
//! behind them.

use super::Table;
use super::route::{DELIVERY_QUANTUM, Waiting};
use crate::endpoint::{Count, DropReason, Message, Unaccepted};
use crate::ids::{EndpointId, RouteId};
use crate::limits;
use crate::sources::Context;

/// The result of offering a message to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    Full,
    Refused(DropReason),
}

impl Table {
    /// Offers a message to a route's endpoint.
    pub(super) fn offer(
        &mut self,
        cx: &Context<'_>,
        route: RouteId,
        endpoint: EndpointId,
        message: Message<'_>,
    ) -> Offered {
        let Some(device) = self.endpoints.get_mut(endpoint) else {
            return Offered::Refused(DropReason::Absent);
        };
        match device.endpoint.handle_message(cx.now, route, message) {
            Ok(()) => {
                device.to_device.add(Count::one(message.bytes.len()));
                Offered::Taken
            }
            Err(Unaccepted::Full) => Offered::Full,
            Err(Unaccepted::Refused(reason)) => Offered::Refused(reason),
        }
    }

    /// Returns whether a new message of this route would overtake one that waits.
    pub(super) fn must_wait(&self, endpoint: EndpointId, route: RouteId) -> bool {
        self.endpoints.get(endpoint).is_some_and(|device| {
            // A script may wait for a byte in the middle of the message.
            if device.is_held() || !device.jobs.is_empty() {
                true
            } else if device.endpoint.has_room_per_route() {
                device.waiting.contains(&route)
            } else {
                !device.waiting.is_empty()
            }
        })
    }

    /// Moves on to the next waiting route after this route found no room, if each route has room of its own.
    /// Returns whether another route is left to try.
    pub(super) fn pass_over(&mut self, endpoint: EndpointId, refusals: usize) -> bool {
        let Some(device) = self.endpoints.get_mut(endpoint) else {
            return false;
        };
        if !device.endpoint.has_room_per_route() || refusals >= device.waiting.len() {
            return false;
        }
        device.waiting.rotate_left(1);
        true
    }

    /// Keeps a message on its route. Returns false if the route is full, so that the message is lost.
    pub(super) fn keep(&mut self, id: RouteId, binary: bool, data: Vec<u8>) -> bool {
        let Some(route) = self.routes.get_mut(id) else {
            return false;
        };
        let Some(device) = self.endpoints.get_mut(route.endpoint) else {
            return false;
        };
        let before = route.queued_bytes();
        let kept = route.enqueue(binary, data, device.endpoint.is_stream());
        // An unreliable route may have dropped more bytes than it took.
        self.queued = self.queued + route.queued_bytes() - before;
        if kept && !device.waiting.contains(&id) {
            route.deficit_in = DELIVERY_QUANTUM;
            device.waiting.push_back(id);
        }
        kept
    }

    /// Returns the route that may deliver its oldest message now.
    pub(super) fn next_waiting(&mut self, endpoint: EndpointId) -> Option<RouteId> {
        let device = self.endpoints.get_mut(endpoint)?;
        if device.is_held() {
            return None;
        }
        loop {
            let id = *device.waiting.front()?;
            let route = self.routes.get_mut(id)?;
            if route.front_len().is_none_or(|len| len <= route.deficit_in) {
                return Some(id);
            }
            route.deficit_in += DELIVERY_QUANTUM;
            device.waiting.rotate_left(1);
        }
    }

    /// Removes and returns a route's oldest message, or the message's part up to the byte that a script waits
    /// for.
    pub(super) fn take_waiting(&mut self, id: RouteId) -> Option<Waiting> {
        let route = self.routes.get_mut(id)?;
        let device = self.endpoints.get(route.endpoint);
        let job = device.and_then(|device| device.jobs.front());
        if let Some(offset) = job.and_then(|job| job.waits_for(id))
            && device.is_some_and(|device| device.endpoint.is_stream())
        {
            let before = offset.saturating_sub(route.delivered());
            route.cut_front(usize::try_from(before).unwrap_or(usize::MAX));
        }
        let waiting = route.dequeue()?;
        route.deficit_in = route.deficit_in.saturating_sub(waiting.data.len());
        self.queued -= waiting.data.len();
        Some(waiting)
    }

    /// Puts back the message that [`Self::take_waiting`] returned, with the route's turn.
    pub(super) fn put_back(&mut self, id: RouteId, waiting: Waiting) {
        if let Some(route) = self.routes.get_mut(id) {
            route.deficit_in += waiting.data.len();
            self.queued += waiting.data.len();
            route.put_back(waiting);
        }
    }

    /// Removes a route from the routes that wait at an endpoint.
    pub(super) fn stop_waiting(&mut self, endpoint: EndpointId, route: RouteId) {
        if let Some(device) = self.endpoints.get_mut(endpoint) {
            device.stop_waiting(route);
        }
    }

    /// Returns how many bytes wait on the given routes.
    pub(super) fn queued_of<'a>(&self, routes: impl IntoIterator<Item = &'a RouteId>) -> usize {
        let routes = routes.into_iter().filter_map(|id| self.routes.get(*id));
        routes.map(super::route::Route::queued_bytes).sum()
    }

    /// Returns whether a session may keep this many more bytes for devices. While half of the memory is free,
    /// any session may; after that only a session below its share of the other half.
    pub(super) fn may_keep(&self, session: crate::ids::SessionId, bytes: usize) -> bool {
        let shared = limits::QUEUED_TOTAL / 2;
        if self.queued + bytes <= shared {
            return true;
        }
        let most = (limits::QUEUED_TOTAL - shared) / self.bounds.sessions;
        let share = self.shares.get(&session);
        share.is_some_and(|share| {
            let routes = share.routes.iter().chain(&share.lingering);
            self.queued_of(routes) + bytes <= most
        })
    }

    /// Returns whether a script waits at a device or has its turn.
    pub(super) fn has_scripts(&self, id: EndpointId) -> bool {
        let device = self.endpoints.get(id);
        device.is_some_and(|device| !device.jobs.is_empty())
    }
}
