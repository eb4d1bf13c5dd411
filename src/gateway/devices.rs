//! Endpoints and what is paired with them.

use std::collections::VecDeque;
use std::time::Instant;

use super::delivery::QUANTUM;
use super::routes::Waiting;
use super::source::{Command, Source};
use super::stats::{Direction, Drops};
use super::timers::TimerKey;
use super::{Gateway, Routing};
use crate::config::{EndpointConfig, EndpointKind};
use crate::endpoint::{self, Action, Count, DropReason, Endpoint, Failure, Message, Unaccepted};
use crate::ids::{EndpointId, RouteId, SourceId};

/// An endpoint with its routes and counters.
pub(super) struct Device {
    pub(super) config: EndpointConfig,
    pub(super) endpoint: Box<dyn Endpoint>,
    /// The stream or socket it is paired with, while there is one.
    source: Option<SourceId>,
    /// While draining: whether its driver has sent everything it took.
    pub(super) driver_is_empty: bool,
    /// The channels bound to it.
    pub(super) routes: Vec<RouteId>,
    /// Routes whose messages wait for room, in turn.
    waiting: VecDeque<RouteId>,
    pub(super) from_device: Count,
    pub(super) to_device: Count,
    /// What was lost beyond the routes: queued for a device that vanished.
    pub(super) drops: Drops,
}

/// What became of a message on its way to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    Full,
    Refused(DropReason),
}

impl Routing {
    /// Offers a message to a route's endpoint.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        route: RouteId,
        endpoint: EndpointId,
        message: Message<'_>,
    ) -> Offered {
        let Some(device) = self.endpoints.get_mut(endpoint) else {
            return Offered::Refused(DropReason::Absent);
        };
        match device.endpoint.handle_message(now, route, message) {
            Ok(()) => {
                device.to_device.add(Count::one(message.bytes.len()));
                Offered::Taken
            }
            Err(Unaccepted::Full) => Offered::Full,
            Err(Unaccepted::Refused(reason)) => Offered::Refused(reason),
        }
    }

    /// Whether messages wait for this endpoint; a new one must not pass them.
    pub(super) fn somebody_waits(&self, endpoint: EndpointId) -> bool {
        let device = self.endpoints.get(endpoint);
        device.is_some_and(|device| !device.waiting.is_empty())
    }

    /// Keeps a message on its route. False: the route is full, and the message is gone.
    pub(super) fn keep(&mut self, id: RouteId, binary: bool, data: Vec<u8>) -> bool {
        let Some(route) = self.routes.get_mut(id) else {
            return false;
        };
        let Some(device) = self.endpoints.get_mut(route.endpoint) else {
            return false;
        };
        let before = route.queued_bytes();
        let kept = route.enqueue(binary, data, device.endpoint.is_stream());
        // An unreliable route may have dropped more than it took.
        self.queued = self.queued + route.queued_bytes() - before;
        if kept && !device.waiting.contains(&id) {
            route.deficit_in = QUANTUM;
            device.waiting.push_back(id);
        }
        kept
    }

    /// The waiting route whose turn it is: one that may deliver its oldest message.
    pub(super) fn next_waiting(&mut self, endpoint: EndpointId) -> Option<RouteId> {
        let device = self.endpoints.get_mut(endpoint)?;
        loop {
            let id = *device.waiting.front()?;
            let route = self.routes.get_mut(id)?;
            if route.front_len().is_none_or(|len| len <= route.deficit_in) {
                return Some(id);
            }
            route.deficit_in += QUANTUM;
            device.waiting.rotate_left(1);
        }
    }

    /// Takes a route's oldest message out.
    pub(super) fn take(&mut self, id: RouteId) -> Option<Waiting> {
        let route = self.routes.get_mut(id)?;
        let waiting = route.dequeue()?;
        route.deficit_in = route.deficit_in.saturating_sub(waiting.data.len());
        self.queued -= waiting.data.len();
        Some(waiting)
    }

    /// Puts the message back that [`Self::take`] took out, its turn included.
    pub(super) fn put_back(&mut self, id: RouteId, waiting: Waiting) {
        if let Some(route) = self.routes.get_mut(id) {
            route.deficit_in += waiting.data.len();
            self.queued += waiting.data.len();
            route.put_back(waiting);
        }
    }

    /// A route has nothing left that waits.
    pub(super) fn stop_waiting(&mut self, endpoint: EndpointId, route: RouteId) {
        if let Some(device) = self.endpoints.get_mut(endpoint) {
            device.stop_waiting(route);
        }
    }

    /// Bytes that wait on some routes.
    pub(super) fn queued_of<'a>(&self, routes: impl IntoIterator<Item = &'a RouteId>) -> usize {
        let routes = routes.into_iter().filter_map(|id| self.routes.get(*id));
        routes.map(|route| route.queued_bytes()).sum()
    }
}

impl Device {
    /// Routes whose messages wait for room.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &RouteId> {
        self.waiting.iter()
    }

    /// A route waits no longer.
    pub(super) fn stop_waiting(&mut self, route: RouteId) {
        self.waiting.retain(|other| *other != route);
    }

    /// Whether nothing is on its way to the device.
    pub(super) fn is_drained(&self) -> bool {
        let is_tty = matches!(self.config.kind, EndpointKind::Serial { .. });
        let driver_is_empty = !is_tty || self.source.is_none() || self.driver_is_empty;
        self.waiting.is_empty() && self.endpoint.output().is_empty() && driver_is_empty
    }
}

impl Gateway {
    /// Asks what the drivers still hold; a device that has been given more is asked again.
    pub(super) fn count_unsent(&mut self) {
        for (_, device) in self.routing.endpoints.iter_mut() {
            if let Some(source) = device.source
                && device.endpoint.output().is_empty()
                && !device.driver_is_empty
            {
                self.commands.push_back(Command::CountUnsent { source });
            }
        }
    }

    pub(super) fn add_endpoint(&mut self, config: EndpointConfig) {
        let device = Device {
            endpoint: endpoint::new(&config, &self.limits),
            config,
            source: None,
            driver_is_empty: false,
            routes: Vec::new(),
            waiting: VecDeque::new(),
            from_device: Count::default(),
            to_device: Count::default(),
            drops: Drops::default(),
        };
        let name = device.config.name.clone();
        let id = self.routing.endpoints.insert(device);
        self.routing.endpoint_names.insert(name, id);
        self.after_endpoint(id);
    }

    pub(super) fn handle_device_opened(&mut self, now: Instant, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.handle_opened(now);
            self.after_endpoint(id);
        }
    }

    pub(super) fn handle_device_failed(&mut self, now: Instant, id: EndpointId, why: &Failure) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        if let Some(source) = device.source.take() {
            self.sources.remove(source);
            self.commands.push_back(Command::Close { source });
        }
        let lost = device.endpoint.handle_failed(now, why);
        device
            .drops
            .add(Direction::FromPeer, DropReason::Unwritten, lost);
        if lost != Count::default() {
            let name = &device.config.name;
            log::warn!(
                "endpoint {name}: {} bytes queued for it are lost",
                lost.bytes
            );
            self.tell_lost(id, lost);
        }
        self.after_endpoint(id);
        self.offer_waiting(now, id);
    }

    pub(super) fn handle_device_timeout(&mut self, now: Instant, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.handle_timeout(now);
            self.after_endpoint(id);
            self.touch_routes(id);
        }
    }

    pub(super) fn handle_device_input(&mut self, now: Instant, id: EndpointId, bytes: &[u8]) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.from_device.add(Count::one(bytes.len()));
            device.endpoint.handle_input(now, bytes);
            self.touch_routes(id);
        }
    }

    /// The device took bytes: there is room for what waits.
    pub(super) fn handle_device_written(&mut self, now: Instant, id: EndpointId, n: usize) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.consume(n);
            device.driver_is_empty = false;
            self.offer_waiting(now, id);
        }
    }

    /// Does what an endpoint wants after any call into it.
    pub(super) fn after_endpoint(&mut self, id: EndpointId) {
        while let Some(action) = {
            let device = self.routing.endpoints.get_mut(id);
            device.and_then(|device| device.endpoint.poll_action())
        } {
            self.act(id, action);
        }
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let source = device
            .source
            .filter(|_| !device.endpoint.output().is_empty());
        self.timers
            .set(TimerKey::Endpoint(id), device.endpoint.poll_timeout());
        if let Some(source) = source {
            self.touch_source(source);
        }
    }

    fn act(&mut self, id: EndpointId, action: Action) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        match action {
            Action::OpenTty { path, baud } => {
                let source = self.sources.insert(Source::Device(id));
                device.source = Some(source);
                self.commands
                    .push_back(Command::OpenTty { source, path, baud });
            }
            Action::OpenUdp { remote } => {
                let source = self.sources.insert(Source::Device(id));
                device.source = Some(source);
                self.commands.push_back(Command::OpenUdp { source, remote });
            }
            Action::SendDatagram => {
                let remote = device.endpoint.remote();
                let datagram = device.endpoint.output();
                if let (Some(source), Some(remote)) = (device.source, remote)
                    && !self.routing.transmits.push(source, None, remote, datagram)
                {
                    let count = Count::one(datagram.len());
                    device
                        .drops
                        .add(Direction::FromPeer, DropReason::SendFailed, count);
                }
                let len = datagram.len();
                device.endpoint.consume(len);
            }
            Action::StateChanged => self.announce_endpoint(id),
        }
    }

    /// Sessions that read from this endpoint may have something to be sent.
    fn touch_routes(&mut self, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        for route in &device.routes {
            if let Some(route) = self.routing.routes.get(*route)
                && let Some(entry) = self.sessions.get_mut(route.session)
                && !std::mem::replace(&mut entry.touched, true)
            {
                self.touched_sessions.push_back(route.session);
            }
        }
    }
}
