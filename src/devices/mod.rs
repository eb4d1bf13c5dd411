//! Endpoints and their routes, in both directions: messages of peers go to devices, and data of devices goes
//! to peers.
//!
//! This component knows sessions only by their ids. It owns the check of writers, the dead-man switch,
//! scripts at serial lines, leases and captures. Its owner calls `handle_*` and takes the results from
//! [`Devices::poll_event`]; [`Devices::poll_readable`] names the sessions whose channels may be written to.
//!
//! The component has three layers. [`Table`] holds the data. [`Flow`] does what happens to one endpoint or
//! route. [`Devices`] handles the inputs and decides.

mod act;
mod basics;
mod capture;
mod deadman;
mod delivery;
mod device;
mod discard;
mod event;
mod flow;
mod input;
mod instances;
mod jobs;
mod lease;
mod news;
mod output;
mod ports;
mod report;
mod route;
mod script;
mod scripts;
mod serve;
mod share;
mod table;
#[cfg(test)]
mod tests;
mod transcode;
mod waiting;
mod wishes;
mod writers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::access::rates::Rates;
use crate::config::{ConfigPlace, EndpointConfig};
use crate::drops::Direction;
use crate::endpoint::{self, Count, DropReason, Failure};
use crate::ids::{BridgeId, EndpointId, EndpointKind, RouteId, RouteKind, SessionId};
use crate::sources::Context;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
pub(crate) use delivery::Bind;
use device::{Device, Role};
pub(crate) use event::{ChannelFault, DeviceEvent, Stop};
pub(crate) use report::{DeviceReport, EndpointView, RouteReport};
use route::Route;
pub(crate) use script::{After, Asker, NoRoute, Outcome};
use share::Share;
pub(crate) use table::Bounds;
use table::Counted;
pub(crate) use wishes::{LeaseDenied, LeaseWish};
pub(crate) use writers::Heartbeat;

/// The purpose of a deadline of this component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    /// A retry of an endpoint, or the next tick of a device.
    Endpoint(EndpointId),
    /// Lease news for a session that were held back.
    Lease(SessionId),
    /// The end of the time in which a holder may keep its lease from the session that asked for it.
    Asked(EndpointId),
    /// The end of the time in which a writer may be silent.
    Deadman(EndpointId),
    /// The next try to open a capture file.
    Capture(EndpointId),
    /// The end of a connection whose channel was closed.
    Dispose(EndpointId),
    /// The next step of a script at its line.
    Line(EndpointId),
    /// The end of the time in which a closed channel's messages are delivered.
    Linger(RouteId),
    /// Reports of dropped messages that were held back.
    Reports,
}

/// All endpoints and routes.
pub(crate) struct Table {
    endpoints: Slab<EndpointKind, Device>,
    /// The endpoints of the configuration, and those that were found on the machine.
    names: BTreeMap<String, EndpointId>,
    routes: Slab<RouteKind, Route>,
    shares: FxHashMap<SessionId, Share>,
    /// The sockets that only send, for IPv4 and IPv6, made on demand.
    senders: [Option<EndpointId>; 2],
    bridges: HashMap<BridgeId, EndpointId>,
    /// Sessions whose channels may be written to.
    readable: VecDeque<SessionId>,
    /// Bytes that wait for devices, on all routes.
    queued: usize,
    /// Bytes of unfinished messages, on all routes.
    held: usize,
    bounds: Bounds,
    counted: Counted,
}

/// The lower half of the devices: what happens to one endpoint or route. Waiting messages are offered,
/// scripts take their steps, leases change hands, and captures record.
struct Flow {
    table: Table,
    timers: Timers<TimerKey>,
    events: VecDeque<DeviceEvent>,
    /// Connections of one channel whose channel closed in this turn.
    orphans: Vec<EndpointId>,
    /// Devices whose script was removed in this turn.
    halted: Vec<EndpointId>,
    /// How many endpoints are captured.
    captures: usize,
    is_draining: bool,
}

/// All endpoints with their routes. The methods of this type handle the inputs and decide; what follows from
/// a decision is the work of [`Flow`], which calls no method of this type.
pub(crate) struct Devices {
    flow: Flow,
    rates: Rates,
}

impl Devices {
    /// Returns a component without endpoints.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            flow: Flow::new(bounds),
            rates: Rates::default(),
        }
    }

    /// Applies the limits of a new configuration. Existing routes keep theirs.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.flow.table.bounds = bounds;
    }

    /// Returns the endpoints and routes for reading.
    pub(crate) fn table(&self) -> &Table {
        &self.flow.table
    }

    /// Sets the place of an endpoint in the configuration.
    pub(crate) fn set_place(&mut self, id: EndpointId, place: ConfigPlace) {
        self.flow.table.set_place(id, place);
    }

    /// Removes an endpoint's name, so that no lookup finds the endpoint while it is being removed.
    pub(crate) fn forget_name(&mut self, name: &str) {
        self.flow.table.forget_name(name);
    }

    /// Notes whether a session has a control channel.
    pub(crate) fn set_hears(&mut self, session: SessionId, hears: bool) {
        self.flow.table.set_hears(session, hears);
    }

    /// Returns the credits of a session's channels; see [`Table::repeat_credits`].
    pub(crate) fn repeat_credits(
        &mut self,
        session: SessionId,
    ) -> Vec<(u16, String, u64, EndpointId)> {
        self.flow.table.repeat_credits(session)
    }

    /// Counts messages that were lost before they reached a route.
    pub(crate) fn count_lost(&mut self, direction: Direction, reason: DropReason, count: Count) {
        self.flow.table.count_lost(direction, reason, count);
    }

    // ---- endpoints ----

    /// Makes an endpoint of the configuration.
    pub(crate) fn add(&mut self, cx: &mut Context<'_>, config: EndpointConfig) -> EndpointId {
        let endpoint = endpoint::new(&config);
        let name = config.name.clone();
        let device = Device::new(config, endpoint, Role::Configured);
        let is_captured = device.capture.is_some();
        let id = self.flow.table.endpoints.insert(device);
        self.flow.table.names.insert(name, id);
        if is_captured {
            self.flow.captures += 1;
            self.flow.open_capture(cx, id);
        }
        self.flow.after_endpoint(cx, id);
        id
    }

    /// Returns whether capture files need the time of day.
    pub(crate) fn is_capturing(&self) -> bool {
        self.flow.captures > 0
    }

    /// Removes an endpoint with everything except its channels, which the caller has closed.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        self.flow.remove(cx, id);
    }

    /// Marks an endpoint's lease to be reported to a session, if the endpoint has a lease.
    pub(crate) fn tell_lease(&mut self, reader: SessionId, id: EndpointId) {
        self.flow.tell_lease(reader, id);
    }

    // ---- captures ----

    /// Handles a capture file that was opened.
    pub(crate) fn handle_capture_opened(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        self.flow.handle_capture_opened(cx, id);
    }

    /// Handles a capture file that cannot be opened or written. The device goes on without its capture.
    pub(crate) fn handle_capture_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        why: &Failure,
    ) {
        self.flow.handle_capture_failed(cx, id, why);
    }

    /// Removes the first `n` bytes of `Table::capture_output`, which were written.
    pub(crate) fn consume_capture(&mut self, id: EndpointId, n: usize) {
        self.flow.consume_capture(id, n);
    }

    // ---- the life of the daemon ----

    /// Stops carrying data to and from peers, except data already under way.
    pub(crate) fn start_draining(&mut self, cx: &mut Context<'_>) {
        self.flow.is_draining = true;
        for id in self.flow.table.endpoints.ids() {
            self.flow.resume_reading(cx, id);
        }
    }

    /// Handles device files that have appeared or vanished: every endpoint may be opened again at once.
    pub(crate) fn look_again(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<EndpointId> = self.flow.table.names.values().copied().collect();
        for id in ids {
            if let Some(device) = self.flow.table.endpoints.get_mut(id) {
                device.endpoint.look_again(cx.now);
                self.flow.after_endpoint(cx, id);
            }
        }
    }

    // ---- time and outputs ----

    /// Handles the deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.flow.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Endpoint(id) => self.flow.handle_endpoint_timeout(cx, id),
                TimerKey::Lease(session) => self.flow.table.touch(session),
                TimerKey::Asked(id) => self.flow.hand_over_lease(id),
                TimerKey::Deadman(id) => self.flow.fire_deadman(cx, id),
                TimerKey::Capture(id) => self.flow.open_capture(cx, id),
                TimerKey::Dispose(id) => self.flow.remove(cx, id),
                TimerKey::Line(id) => self.flow.resume_scripts(cx, id),
                TimerKey::Linger(route) => self.flow.remove_route(cx, route, DropReason::Closed),
                TimerKey::Reports => self.flow.table.touch_sessions_with_news(),
            }
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.flow.timers.next()
    }

    /// Settles what the turn has left: connections that lost their channel, and devices that lost a script.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        while let Some(id) = self.flow.orphans.pop() {
            self.flow.dispose_instance(cx, id);
        }
        while let Some(id) = self.flow.halted.pop() {
            self.flow.resume_scripts(cx, id);
        }
    }

    /// Removes and returns the next event.
    pub(crate) fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.flow.events.pop_front()
    }

    /// Returns whether [`Self::poll_event`] has an event.
    pub(crate) fn has_event(&self) -> bool {
        !self.flow.events.is_empty()
    }

    /// Returns whether [`Self::poll_readable`] has a session.
    pub(crate) fn has_readable(&self) -> bool {
        !self.flow.table.readable.is_empty()
    }

    /// Removes and returns the next session whose channels may be written to.
    pub(crate) fn poll_readable(&mut self) -> Option<SessionId> {
        self.flow.table.readable.pop_front()
    }
}
