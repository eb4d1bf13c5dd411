//! Endpoints and what is paired with them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Gateway;
use super::capture::Tape;
use super::hub::ContentPort;
use super::line::{Expected, Job};
use super::source::{Command, Source};
use super::stats::{Direction, Drops};
use super::timers::TimerKey;
use super::writers::Writing;
use crate::config::{EndpointConfig, EndpointKind};
use crate::endpoint::recorder::Way;
use crate::endpoint::{self, Action, Count, DropReason, Endpoint, Failure};
use crate::framing::Faults;
use crate::ids::{EndpointId, RouteId, SourceId};
use crate::util::rate_limit::RateLimit;

/// An endpoint with its routes and counters.
pub(super) struct Device {
    pub(super) config: EndpointConfig,
    pub(super) endpoint: Box<dyn Endpoint>,
    /// The stream or socket it is paired with, while there is one.
    pub(super) source: Option<SourceId>,
    /// Where its socket is bound, if it is one.
    pub(super) local: Option<SocketAddr>,
    /// What it is for the REST API of SkyWay's gateway, if it is a content port: it has no name.
    pub(super) content: Option<ContentPort>,
    /// It stands between two pages, and has no name either.
    pub(super) is_bridge: bool,
    /// The endpoint whose connection for one channel this is.
    pub(super) parent: Option<EndpointId>,
    /// What is to be written waits until the driver has been flushed.
    pub(super) holds_output: bool,
    /// Where the bytes of a stop end, counted as the device takes them, until they have left the driver: nothing may
    /// throw them away.
    pub(super) stop_end: Option<u64>,
    /// Such a connection is over, for this reason.
    pub(super) ended: Option<String>,
    /// How often it was said that a connection too many was closed.
    refusals: RateLimit,
    /// What its program connects to, if it is not us who connect.
    listener: Option<SourceId>,
    /// What of its bytes has been counted as fitting no frame.
    faults: Faults,
    /// While draining: whether its driver has sent everything it took.
    pub(super) driver_is_empty: bool,
    /// Where all that passes is written down.
    pub(super) tape: Option<Tape>,
    /// Who may write, and whose silence counts.
    pub(super) writing: Writing,
    /// Scripts for its line; the first one has its turn.
    pub(super) jobs: VecDeque<Job>,
    /// What the answers to come from its line are for.
    pub(super) expected: VecDeque<Expected>,
    /// The channels bound to it.
    pub(super) routes: Vec<RouteId>,
    /// Routes whose messages wait for room, in turn.
    pub(super) waiting: VecDeque<RouteId>,
    pub(super) from_device: Count,
    pub(super) to_device: Count,
    /// What was lost beyond the routes: queued for a device that vanished.
    pub(super) drops: Drops,
}

impl Device {
    /// A device to which nothing has happened yet.
    pub(super) fn new(config: EndpointConfig, endpoint: Box<dyn Endpoint>) -> Self {
        Self {
            endpoint,
            content: None,
            is_bridge: false,
            parent: None,
            ended: None,
            holds_output: false,
            stop_end: None,
            source: None,
            local: None,
            refusals: RateLimit::new(1, Duration::from_secs(10)),
            listener: None,
            faults: Faults::default(),
            driver_is_empty: false,
            tape: config.traffic.capture.as_ref().map(Tape::new),
            writing: Writing::default(),
            jobs: VecDeque::new(),
            expected: VecDeque::new(),
            routes: Vec::new(),
            waiting: VecDeque::new(),
            from_device: Count::default(),
            to_device: Count::default(),
            drops: Drops::default(),
            config,
        }
    }

    /// Routes whose messages wait for room.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &RouteId> {
        self.waiting.iter()
    }

    /// Nobody waits any more.
    pub(super) fn take_waiting(&mut self) -> VecDeque<RouteId> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether it is one that nobody has configured, and nobody can open by its name.
    pub(super) fn is_nameless(&self) -> bool {
        self.content.is_some() || self.is_bridge
    }

    /// Whether a script has its turn, and bytes must wait.
    pub(super) fn is_held(&self) -> bool {
        self.jobs.front().is_some_and(Job::holds)
    }

    /// Counts what has newly fitted no frame.
    fn count_faults(&mut self) {
        let Some(faults) = self.endpoint.faults().filter(|new| *new != self.faults) else {
            return;
        };
        let count = Count {
            messages: faults.frames - self.faults.frames,
            bytes: faults.bytes - self.faults.bytes,
        };
        self.faults = faults;
        let (direction, reason) = (Direction::ToPeer, DropReason::BadFrame);
        self.drops.add(direction, reason, count);
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
        let endpoint = endpoint::new(&config);
        let device = Device::new(config, endpoint);
        let name = device.config.name.clone();
        let id = self.routing.endpoints.insert(device);
        self.routing.endpoint_names.insert(name, id);
        if self
            .routing
            .endpoints
            .get(id)
            .is_some_and(|device| device.tape.is_some())
        {
            self.routing.captures += 1;
            self.open_tape(id);
        }
        self.after_endpoint(id);
    }

    /// Ends everything about an endpoint but its channels, which are gone already.
    pub(super) fn cancel_endpoint(&mut self, now: Instant, id: EndpointId) {
        self.finish_at_once(id);
        self.fail_jobs(now, id);
        let Some(mut device) = self.routing.endpoints.remove(id) else {
            return;
        };
        // Asked for in the meantime, by a request right behind another.
        for expected in std::mem::take(&mut device.expected) {
            if let Expected::View { source, caller } = expected {
                self.answer_gone(now, source, &caller);
            }
        }
        let unwritten = device.endpoint.output().len();
        if unwritten > 0 {
            let (direction, reason) = (Direction::FromPeer, DropReason::Unwritten);
            device.drops.add(direction, reason, Count::one(unwritten));
            let name = &device.config.name;
            log::warn!("endpoint {name}: {unwritten} bytes queued for it are lost");
        }
        // Channels that had closed before may still have had something to be delivered.
        for route in device.waiting {
            self.remove_route(route, DropReason::Closed);
        }
        let file = device.tape.and_then(|tape| {
            self.routing.captures -= 1;
            tape.source
        });
        for source in [device.source, device.listener, file].into_iter().flatten() {
            self.sources.remove(source);
            self.commands.push_back(Command::Close { source });
        }
        self.timers.set(TimerKey::Capture(id), None);
        self.stats.drops.add_all(&device.drops);
        if let Some(parent) = device
            .parent
            .and_then(|id| self.routing.endpoints.get_mut(id))
        {
            parent.from_device.add(device.from_device);
            parent.to_device.add(device.to_device);
        }
        self.timers.set(TimerKey::Dispose(id), None);
        self.timers.set(TimerKey::Endpoint(id), None);
        self.timers.set(TimerKey::Deadman(id), None);
    }

    pub(super) fn handle_device_opened(&mut self, now: Instant, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.handle_opened(now);
            if device.content.is_some() {
                self.handle_content_opened(now, id);
            }
            self.after_endpoint(id);
            self.offer_waiting(now, id);
        }
    }

    /// A program has connected to an endpoint's listener. `None`: the one before is still there.
    pub(super) fn accept_device(&mut self, now: Instant, id: EndpointId) -> Option<SourceId> {
        let device = self.routing.endpoints.get_mut(id)?;
        if device.source.is_some() {
            let name = &device.config.name;
            if let Some(untold) = device.refusals.pass(now) {
                log::warn!(
                    "endpoint {name}: a second connection was closed: one at a time (and {untold} \
                     more since it was last said)"
                );
            }
            return None;
        }
        let source = self.sources.insert(Source::Device(id));
        device.source = Some(source);
        self.handle_device_opened(now, id);
        Some(source)
    }

    pub(super) fn handle_device_failed(
        &mut self,
        now: Instant,
        id: EndpointId,
        source: SourceId,
        why: &Failure,
    ) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        if device.source != Some(source) && device.listener != Some(source) {
            // It is not the device's any more.
            self.sources.remove(source);
            return self.commands.push_back(Command::Close { source });
        }
        // Without its listener the connection that it took is as good as gone, too.
        let listener = device.listener.take_if(|listener| *listener == source);
        for source in [device.source.take(), listener].into_iter().flatten() {
            self.sources.remove(source);
            self.commands.push_back(Command::Close { source });
        }
        let lost = device.endpoint.handle_failed(now, why);
        device.count_faults();
        if device.content.is_some() {
            return self.handle_content_failed(now, id, why);
        }
        device.driver_is_empty = true;
        device.holds_output = false;
        if device.parent.is_some() {
            device.ended = Some(why.detail.clone());
        }
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
        self.fail_jobs(now, id);
        self.after_endpoint(id);
        self.offer_waiting(now, id);
        self.touch_routes(id);
        self.dispose_instance(now, id);
    }

    pub(super) fn handle_device_timeout(&mut self, now: Instant, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.handle_timeout(now);
            device.count_faults();
            self.after_endpoint(id);
            self.touch_routes(id);
        }
    }

    pub(super) fn handle_device_input(&mut self, now: Instant, id: EndpointId, bytes: &[u8]) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.from_device.add(Count::one(bytes.len()));
            device.endpoint.handle_input(now, bytes);
            device.count_faults();
            self.record(id, Way::In, bytes);
            self.schedule_endpoint(id);
            self.touch_routes(id);
        }
    }

    pub(super) fn handle_device_datagram(
        &mut self,
        now: Instant,
        id: EndpointId,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.from_device.add(Count::one(datagram.len()));
            device.endpoint.handle_datagram(now, from, datagram);
            self.record(id, Way::In, datagram);
            self.after_endpoint(id);
            self.touch_routes(id);
        }
    }

    /// The device took bytes: there is room for what waits.
    pub(super) fn handle_device_written(&mut self, now: Instant, id: EndpointId, n: usize) {
        self.record_output(id, n);
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.endpoint.consume(n);
            device.driver_is_empty = false;
            if !device.jobs.is_empty() {
                self.handle_job_progress(now, id);
            }
            self.offer_waiting(now, id);
            self.dispose_instance(now, id);
        }
    }

    fn record(&mut self, id: EndpointId, way: Way, bytes: &[u8]) {
        if let Some(file) = self.routing.record(id, way, bytes) {
            self.touch_source(file);
        }
    }

    /// Writes down the first `n` bytes of what an endpoint has to send.
    fn record_output(&mut self, id: EndpointId, n: usize) {
        let device = self.routing.endpoints.get_mut(id);
        if let Some(Device {
            tape: Some(tape),
            endpoint,
            ..
        }) = device
        {
            let bytes = endpoint.output().get(..n).unwrap_or_default();
            tape.recorder.record(self.routing.time, Way::Out, bytes);
            if let Some(file) = tape.source {
                self.touch_source(file);
            }
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
        if let Some(source) = source {
            self.touch_source(source);
        }
        self.schedule_endpoint(id);
    }

    fn schedule_endpoint(&mut self, id: EndpointId) {
        if let Some(device) = self.routing.endpoints.get(id) {
            let deadline = device.endpoint.poll_timeout();
            self.timers.set(TimerKey::Endpoint(id), deadline);
        }
    }

    fn act(&mut self, id: EndpointId, action: Action) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        match action {
            Action::Open(target) if target.is_listener() => {
                let source = self.sources.insert(Source::DeviceListener(id));
                device.listener = Some(source);
                self.commands.push_back(Command::Open { source, target });
            }
            Action::Open(target) => {
                let source = self.sources.insert(Source::Device(id));
                device.source = Some(source);
                self.commands.push_back(Command::Open { source, target });
            }
            Action::OpenUdp(udp) => {
                let source = self.sources.insert(Source::Device(id));
                device.source = Some(source);
                self.commands.push_back(Command::OpenUdp { source, udp });
            }
            Action::SendDatagram => {
                let remote = device.endpoint.remote();
                let mut from = device.source;
                if let (Some(content), Some(remote)) = (&device.content, remote)
                    && !content.reaches(remote.ip())
                {
                    let sender = self.rendezvous.sender_to(remote.ip());
                    let sender = sender.and_then(|id| self.routing.endpoints.get(id));
                    from = sender.and_then(|sender| sender.source);
                }
                let Some(device) = self.routing.endpoints.get_mut(id) else {
                    return;
                };
                let datagram = device.endpoint.output();
                if let (Some(source), Some(remote)) = (from, remote)
                    && !self.routing.transmits.push(source, None, remote, datagram)
                {
                    let count = Count::one(datagram.len());
                    device
                        .drops
                        .add(Direction::FromPeer, DropReason::SendFailed, count);
                }
                let len = datagram.len();
                self.record_output(id, len);
                if let Some(device) = self.routing.endpoints.get_mut(id) {
                    device.endpoint.consume(len);
                }
            }
            // A connection of one channel is that channel's affair.
            Action::StateChanged if device.parent.is_some() || device.is_nameless() => {}
            Action::StateChanged => self.announce_endpoint(id),
        }
    }

    /// Sessions that read from this endpoint may have something to be sent.
    pub(super) fn touch_routes(&mut self, id: EndpointId) {
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
