//! Endpoints and the routes to them, both ways: messages of peers go to devices, what devices send goes to peers.
//!
//! This component knows sessions by their ids alone. Who may write, the dead-man switch, scripts at serial lines, leases and
//! captures belong to it. Its owner calls `handle_*` and takes what follows from [`Devices::poll_event`]; a session whose channels
//! may be written to is named by [`Devices::poll_readable`].

mod capture;
mod delivery;
mod device;
mod discard;
mod event;
mod input;
mod instances;
mod lease;
mod ports;
mod report;
mod route;
mod script;
mod scripts;
mod serve;
mod share;
#[cfg(test)]
mod tests;
mod transcode;
mod waiting;
mod writers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::access::rates::Rates;
use crate::config::{EndpointConfig, Place};
use crate::drops::{Direction, Drops};
use crate::endpoint::{self, Count, DropReason};
use crate::ids::{BridgeId, EndpointId, EndpointKind, RouteId, RouteKind, SessionId};
use crate::sources::Context;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
pub(crate) use delivery::Bind;
use device::Device;
pub(crate) use event::{ChannelFault, DeviceEvent, Stop};
pub(crate) use lease::{LeaseDenied, LeaseWish};
pub(crate) use ports::Role;
pub(crate) use report::{DeviceReport, EndpointView, RouteReport};
use route::Route;
pub(crate) use script::{After, Asker, NoRoute, Outcome};
use share::Share;
pub(crate) use writers::Heartbeat;

/// What a deadline of this component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    /// A retry of an endpoint, or a device that ticks.
    Endpoint(EndpointId),
    /// Lease news for a session that were held back.
    Lease(SessionId),
    /// The end of the time in which a holder may keep its lease from the session that asked for it.
    Asked(EndpointId),
    /// The end of the time in which a writer may be silent.
    Deadman(EndpointId),
    /// Another try at a capture file.
    Capture(EndpointId),
    /// The end of a connection whose channel was closed.
    Dispose(EndpointId),
    /// A script at its line.
    Line(EndpointId),
    /// The end of the time in which a closed channel's messages are delivered.
    Linger(RouteId),
    /// Reports of dropped messages that were held back.
    Reports,
}

/// All endpoints with their routes.
pub(crate) struct Devices {
    endpoints: Slab<EndpointKind, Device>,
    /// The endpoints of the configuration, and those that were found on the machine.
    names: BTreeMap<String, EndpointId>,
    routes: Slab<RouteKind, Route>,
    shares: FxHashMap<SessionId, Share>,
    /// The sockets that only send, for IPv4 and IPv6; made when they are needed.
    senders: [Option<EndpointId>; 2],
    bridges: HashMap<BridgeId, EndpointId>,
    timers: Timers<TimerKey>,
    events: VecDeque<DeviceEvent>,
    /// Sessions whose channels may be written to.
    readable: VecDeque<SessionId>,
    /// Connections of one channel that lost it in this turn.
    orphans: Vec<EndpointId>,
    /// Devices that lost a script in this turn.
    halted: Vec<EndpointId>,
    /// Bytes that wait for devices, on all routes.
    queued: usize,
    /// Bytes of unfinished messages, on all routes.
    held: usize,
    /// How many endpoints are captured.
    captures: usize,
    bounds: Bounds,
    rates: Rates,
    is_draining: bool,
    counted: Counted,
}

/// The limits of the configuration that count here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many bytes may wait on one route.
    pub(crate) route_queue: usize,
    /// How many sessions there may be: they share what all routes together may keep.
    pub(crate) sessions: usize,
}

/// Counters of routes and devices that are gone.
#[derive(Debug, Clone, Default)]
struct Counted {
    drops: Drops,
    from_peers: Count,
    to_peers: Count,
}

impl Devices {
    /// Returns no endpoints.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            endpoints: Slab::new(),
            names: BTreeMap::new(),
            routes: Slab::new(),
            shares: FxHashMap::default(),
            senders: [None; 2],
            bridges: HashMap::new(),
            timers: Timers::default(),
            events: VecDeque::with_capacity(16),
            readable: VecDeque::with_capacity(16),
            orphans: Vec::new(),
            halted: Vec::new(),
            queued: 0,
            held: 0,
            captures: 0,
            bounds,
            rates: Rates::default(),
            is_draining: false,
            counted: Counted::default(),
        }
    }

    /// Sets the limits of a new configuration. Routes that exist keep theirs.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    // ---- endpoints ----

    /// Makes an endpoint of the configuration.
    pub(crate) fn add(&mut self, cx: &mut Context<'_>, config: EndpointConfig) -> EndpointId {
        let endpoint = endpoint::new(&config);
        let name = config.name.clone();
        let device = Device::new(config, endpoint, Role::Configured);
        let is_captured = device.capture.is_some();
        let id = self.endpoints.insert(device);
        self.names.insert(name, id);
        if is_captured {
            self.captures += 1;
            self.open_capture(cx, id);
        }
        self.after_endpoint(cx, id);
        id
    }

    /// Forgets an endpoint's name: from now on nobody finds it, while it is being removed.
    pub(crate) fn forget_name(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Removes an endpoint with everything but its channels, which the caller has closed.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        // First the line: no break and no reset may be left behind, and the device must still exist for that.
        self.finish_script_at_once(cx, id);
        self.fail_scripts(id);
        let Some(mut device) = self.endpoints.remove(id) else {
            return;
        };
        let unwritten = device.endpoint.output().len();
        if unwritten > 0 {
            let (direction, reason) = (Direction::FromPeer, DropReason::Unwritten);
            device.drops.add(direction, reason, Count::one(unwritten));
            let name = &device.config.name;
            log::warn!("endpoint {name}: {unwritten} bytes queued for it are lost");
        }
        // Channels that closed earlier may still have had something to be delivered.
        for route in std::mem::take(&mut device.waiting) {
            self.remove_route(cx, route, DropReason::Closed);
        }
        let capture = device.capture.take().and_then(|capture| {
            self.captures -= 1;
            capture.source
        });
        let sources = [device.source, device.listener, capture];
        for source in sources.into_iter().flatten() {
            cx.sources.close(source);
        }
        self.counted.drops.add_all(&device.drops);
        let parent = device.parent();
        if let Some(parent) = parent.and_then(|id| self.endpoints.get_mut(id)) {
            parent.from_device.add(device.from_device);
            parent.to_device.add(device.to_device);
        }
        for timer in [
            TimerKey::Endpoint(id),
            TimerKey::Asked(id),
            TimerKey::Deadman(id),
            TimerKey::Capture(id),
            TimerKey::Dispose(id),
            TimerKey::Line(id),
        ] {
            self.timers.set(timer, None);
        }
        if device.local.is_some() {
            self.events.push_back(DeviceEvent::Bound);
        }
    }

    /// Returns the endpoint of this name.
    pub(crate) fn find(&self, name: &str) -> Option<EndpointId> {
        self.names.get(name).copied()
    }

    /// Returns the names of all endpoints that have one, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, EndpointId)> {
        self.names.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// Returns the configuration of an endpoint that has a name.
    pub(crate) fn config(&self, id: EndpointId) -> Option<&EndpointConfig> {
        let device = self.endpoints.get(id)?;
        (device.role == Role::Configured).then_some(&device.config)
    }

    /// Returns the configurations of all endpoints that have a name.
    pub(crate) fn configs(&self) -> impl Iterator<Item = (EndpointId, &EndpointConfig)> {
        let named = self.names.values();
        named.filter_map(|id| Some((*id, &self.endpoints.get(*id)?.config)))
    }

    /// Notes where an endpoint stands in the configuration now.
    pub(crate) fn set_place(&mut self, id: EndpointId, place: Place) {
        if let Some(device) = self.endpoints.get_mut(id) {
            device.config.place = place;
        }
    }

    /// Returns how many endpoints there are, with connections of single channels and content ports.
    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Returns whether the time of day is wanted, for capture files.
    pub(crate) fn is_capturing(&self) -> bool {
        self.captures > 0
    }

    // ---- the life of the daemon ----

    /// Carries nothing to and from peers any more, except what is on its way.
    pub(crate) fn start_draining(&mut self, cx: &mut Context<'_>) {
        self.is_draining = true;
        for id in self.endpoints.ids() {
            self.resume_reading(cx, id);
        }
    }

    /// Returns whether nothing is on its way to a device.
    pub(crate) fn is_drained(&self) -> bool {
        let mut devices = self.endpoints.iter();
        devices.all(|(_, device)| device.is_drained())
    }

    /// Logs how much each device has not taken, because that is lost now.
    pub(crate) fn log_unwritten(&self) {
        for (_, device) in self.endpoints.iter() {
            let lost = device.endpoint.output().len() + self.queued_of(&device.waiting);
            if lost > 0 {
                let name = &device.config.name;
                log::warn!("endpoint {name}: {lost} bytes were not written before the stop");
            }
        }
    }

    /// Device files have appeared or vanished: every endpoint may be opened again at once.
    pub(crate) fn look_again(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<EndpointId> = self.names.values().copied().collect();
        for id in ids {
            if let Some(device) = self.endpoints.get_mut(id) {
                device.endpoint.look_again(cx.now);
                self.after_endpoint(cx, id);
            }
        }
    }

    // ---- time and outputs ----

    /// Acts on the deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Endpoint(id) => self.handle_endpoint_timeout(cx, id),
                TimerKey::Lease(session) => self.touch(session),
                TimerKey::Asked(id) => self.hand_over_lease(id),
                TimerKey::Deadman(id) => self.fire_deadman(cx, id),
                TimerKey::Capture(id) => self.open_capture(cx, id),
                TimerKey::Dispose(id) => self.remove(cx, id),
                TimerKey::Line(id) => self.resume_scripts(cx, id),
                TimerKey::Linger(route) => self.remove_route(cx, route, DropReason::Closed),
                TimerKey::Reports => self.touch_sessions_with_news(),
            }
        }
    }

    /// Returns when [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Brings to rest what the turn has left: connections without a channel, and devices that lost a script.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        while let Some(id) = self.orphans.pop() {
            self.dispose_instance(cx, id);
        }
        while let Some(id) = self.halted.pop() {
            self.resume_scripts(cx, id);
        }
    }

    /// Takes out the next event.
    pub(crate) fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.events.pop_front()
    }

    /// Takes out the next session whose channels may be written to.
    pub(crate) fn poll_readable(&mut self) -> Option<SessionId> {
        self.readable.pop_front()
    }
}
