//! Endpoints and their routes, in both directions: messages of peers go to devices, and data of devices goes
//! to peers.
//!
//! This component knows sessions only by their ids. It owns the check of writers, the dead-man switch,
//! scripts at serial lines, leases and captures. Its owner calls `handle_*` and takes the results from
//! [`Devices::poll_event`]; [`Devices::poll_readable`] names the sessions whose channels may be written to.

mod act;
mod basics;
mod capture;
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
mod writers;

use std::collections::VecDeque;
use std::time::Instant;

use crate::access::rates::Rates;
use crate::config::{EndpointConfig, Place};
use crate::drops::Direction;
use crate::endpoint::{self, Count, DropReason};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;
use crate::util::timers::Timers;
pub(crate) use delivery::Bind;
use device::{Device, Role};
pub(crate) use event::{ChannelFault, DeviceEvent, Stop};
pub(crate) use lease::{LeaseDenied, LeaseWish};
pub(crate) use report::{DeviceReport, EndpointView, RouteReport};
pub(crate) use script::{After, Asker, NoRoute, Outcome};
pub(crate) use table::{Bounds, Table};
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

/// All endpoints with their routes.
pub(crate) struct Devices {
    table: Table,
    timers: Timers<TimerKey>,
    events: VecDeque<DeviceEvent>,
    /// Connections of one channel whose channel closed in this turn.
    orphans: Vec<EndpointId>,
    /// Devices whose script was removed in this turn.
    halted: Vec<EndpointId>,
    /// How many endpoints are captured.
    captures: usize,
    rates: Rates,
    is_draining: bool,
}

impl Devices {
    /// Returns a component without endpoints.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            table: Table::new(bounds),
            timers: Timers::default(),
            events: VecDeque::with_capacity(16),
            orphans: Vec::new(),
            halted: Vec::new(),
            captures: 0,
            rates: Rates::default(),
            is_draining: false,
        }
    }

    /// Applies the limits of a new configuration. Existing routes keep theirs.
    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.table.bounds = bounds;
    }

    /// Returns the endpoints and routes for reading.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Sets the place of an endpoint in the configuration.
    pub(crate) fn set_place(&mut self, id: EndpointId, place: Place) {
        self.table.set_place(id, place);
    }

    /// Removes an endpoint's name, so that no lookup finds the endpoint while it is being removed.
    pub(crate) fn forget_name(&mut self, name: &str) {
        self.table.forget_name(name);
    }

    /// Notes whether a session has a control channel.
    pub(crate) fn set_hears(&mut self, session: SessionId, hears: bool) {
        self.table.set_hears(session, hears);
    }

    /// Returns the credits of a session's channels; see [`Table::repeat_credits`].
    pub(crate) fn repeat_credits(
        &mut self,
        session: SessionId,
    ) -> Vec<(u16, String, u64, EndpointId)> {
        self.table.repeat_credits(session)
    }

    /// Counts messages that were lost before they reached a route.
    pub(crate) fn count_lost(&mut self, direction: Direction, reason: DropReason, count: Count) {
        self.table.count_lost(direction, reason, count);
    }

    // ---- endpoints ----

    /// Makes an endpoint of the configuration.
    pub(crate) fn add(&mut self, cx: &mut Context<'_>, config: EndpointConfig) -> EndpointId {
        let endpoint = endpoint::new(&config);
        let name = config.name.clone();
        let device = Device::new(config, endpoint, Role::Configured);
        let is_captured = device.capture.is_some();
        let id = self.table.endpoints.insert(device);
        self.table.names.insert(name, id);
        if is_captured {
            self.captures += 1;
            self.open_capture(cx, id);
        }
        self.after_endpoint(cx, id);
        id
    }

    /// Returns whether capture files need the time of day.
    pub(crate) fn is_capturing(&self) -> bool {
        self.captures > 0
    }

    // ---- the life of the daemon ----

    /// Stops carrying data to and from peers, except data already under way.
    pub(crate) fn start_draining(&mut self, cx: &mut Context<'_>) {
        self.is_draining = true;
        for id in self.table.endpoints.ids() {
            self.resume_reading(cx, id);
        }
    }

    /// Handles device files that have appeared or vanished: every endpoint may be opened again at once.
    pub(crate) fn look_again(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<EndpointId> = self.table.names.values().copied().collect();
        for id in ids {
            if let Some(device) = self.table.endpoints.get_mut(id) {
                device.endpoint.look_again(cx.now);
                self.after_endpoint(cx, id);
            }
        }
    }

    // ---- time and outputs ----

    /// Handles the deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Endpoint(id) => self.handle_endpoint_timeout(cx, id),
                TimerKey::Lease(session) => self.table.touch(session),
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

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Settles what the turn has left: connections that lost their channel, and devices that lost a script.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        while let Some(id) = self.orphans.pop() {
            self.dispose_instance(cx, id);
        }
        while let Some(id) = self.halted.pop() {
            self.resume_scripts(cx, id);
        }
    }

    /// Removes and returns the next event.
    pub(crate) fn poll_event(&mut self) -> Option<DeviceEvent> {
        self.events.pop_front()
    }

    /// Removes and returns the next session whose channels may be written to.
    pub(crate) fn poll_readable(&mut self) -> Option<SessionId> {
        self.table.readable.pop_front()
    }
}
