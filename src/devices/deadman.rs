//! The dead-man switch of a device: what its deadline watches, and all steps of a stop.
//!
//! The deadline is postponed by every message and every heartbeat of the session that writes. All of a stop
//! happens in one call, so that no message of a peer comes in between.

use super::{DeviceEvent, Flow, Stop, TimerKey};
use crate::config::Writers;
use crate::endpoint::{DeviceState, DropReason};
use crate::ids::{EndpointId, SessionId};
use crate::sources::Context;

impl Flow {
    /// Notes that a session has written: it gets a free lease, and its silence counts from now on.
    pub(super) fn note_writer(&mut self, cx: &Context<'_>, session: SessionId, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        let is_first = device.is_some_and(|device| {
            device.config.traffic.writers == Writers::One && device.writing.lease.is_none()
        });
        if is_first {
            self.set_lease(id, Some(session));
        }
        self.arm_deadman(cx, session, id);
    }

    /// Postpones a device's deadline, which watches this session from now on.
    pub(super) fn arm_deadman(&mut self, cx: &Context<'_>, session: SessionId, id: EndpointId) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        if let Some(deadman) = &device.config.traffic.deadman {
            device.writing.writer = Some(session);
            let at = cx.now + deadman.timeout;
            self.timers.set(TimerKey::Deadman(id), Some(at));
        }
    }

    /// Stops a machine whose writer has been silent for too long.
    pub(super) fn fire_deadman(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        let Some(deadman) = device.config.traffic.deadman.clone() else {
            return;
        };
        let writer = device.writing.writer.take();
        let name = device.config.name.clone();
        if device.endpoint.state() != DeviceState::Open {
            return log::warn!(
                "endpoint {name}: its writer fell silent, but the device is absent and cannot be stopped"
            );
        }
        device.writing.fired += 1;
        let fired = device.writing.fired;
        // Without a control channel a peer cannot confirm the stop, so it would stay stopped for ever.
        let hears = writer.and_then(|writer| self.table.shares.get(&writer));
        if let Some(writer) = writer.filter(|_| hears.is_some_and(|share| share.hears)) {
            device.writing.stopped.insert(writer);
        }
        // Cancel scripts and drop waiting messages first, because nothing may reach the machine after its
        // stop.
        self.cancel_scripts(cx, id);
        self.drop_waiting(cx, id, DropReason::Deadman);
        self.overtake_with_stop(cx, id, &deadman.send);
        log::warn!(
            "endpoint {name}: its writer was silent for {} ms: stopped",
            deadman.timeout.as_millis()
        );
        self.events.push_back(DeviceEvent::Stopped(Stop {
            endpoint: id,
            writer,
            fired,
            timeout: deadman.timeout,
        }));
        for reader in self.table.sessions_at(id) {
            self.table.touch(reader);
        }
        self.after_endpoint(cx, id);
    }
}
