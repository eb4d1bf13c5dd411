//! The session that writes to a device, and the dead-man switch that acts when this session is silent.
//!
//! The dead-man switch is a deadline that every message and every heartbeat of the writing session postpones.
//! When the deadline passes, the machine is stopped. All of a stop happens in one call, so that no message of
//! a peer comes in between.

use std::collections::BTreeSet;
use std::time::Instant;

use super::script::Expected;
use super::{DeviceEvent, Devices, Stop, TimerKey};
use crate::config::Writers;
use crate::drops::Direction;
use crate::endpoint::line::{Flush, LineStep};
use crate::endpoint::{Count, DeviceState, DropReason};
use crate::ids::{EndpointId, SessionId};
use crate::sources::{Command, Context};

/// The writers of a device.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The session that holds the lease.
    pub(super) lease: Option<SessionId>,
    /// The session that has asked the holder for the lease, and the time at which it gets the lease.
    pub(super) asked: Option<(SessionId, Instant)>,
    /// The session whose silence stops the machine: the session that wrote last.
    writer: Option<SessionId>,
    /// Sessions that were stopped and have not yet confirmed it. Their messages may have been sent before the
    /// stop.
    pub(super) stopped: BTreeSet<SessionId>,
    /// How often the machine was stopped.
    pub(super) fired: u64,
}

impl Writing {
    /// Returns whether silence would stop the machine now.
    pub(super) fn is_armed(&self) -> bool {
        self.writer.is_some()
    }
}

/// A heartbeat of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heartbeat {
    /// The endpoint that the heartbeat is for. `None`: all.
    pub(crate) only: Option<EndpointId>,
    /// Whether the writer has brought the machine to rest, so that its silence no longer matters.
    pub(crate) stop: bool,
    /// The newest stop that the session knows. A heartbeat without it may have been sent before that stop, as
    /// may the messages that come with the heartbeat.
    pub(crate) fired: Option<u64>,
}

impl Devices {
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

    fn arm_deadman(&mut self, cx: &Context<'_>, session: SessionId, id: EndpointId) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        if let Some(deadman) = &device.config.traffic.deadman {
            device.writing.writer = Some(session);
            let at = cx.now + deadman.timeout;
            self.timers.set(TimerKey::Deadman(id), Some(at));
        }
    }

    /// Handles a heartbeat.
    pub(crate) fn handle_heartbeat(
        &mut self,
        cx: &Context<'_>,
        session: SessionId,
        heartbeat: Heartbeat,
    ) {
        let Heartbeat { only, stop, fired } = heartbeat;
        let all = self.table.endpoints.iter();
        let meant = all.filter(|(id, device)| {
            only.is_none_or(|only| only == *id || device.parent() == Some(only))
        });
        let meant: Vec<EndpointId> = meant.map(|(id, _)| id).collect();
        for id in meant {
            let Some(device) = self.table.endpoints.get_mut(id) else {
                continue;
            };
            if fired == Some(device.writing.fired) {
                device.writing.stopped.remove(&session);
            }
            if device.writing.writer == Some(session) {
                if stop {
                    device.writing.writer = None;
                    self.timers.set(TimerKey::Deadman(id), None);
                } else {
                    self.arm_deadman(cx, session, id);
                }
            }
        }
    }

    /// Removes and returns the writers of an endpoint that is being reconfigured.
    pub(crate) fn take_writing(&mut self, id: EndpointId) -> Writing {
        let device = self.table.endpoints.get_mut(id);
        device.map_or_else(Writing::default, |device| {
            std::mem::take(&mut device.writing)
        })
    }

    /// Restores the writers of an endpoint that was reconfigured. The silence of its writer counts from now
    /// on.
    pub(crate) fn keep_watching(&mut self, cx: &Context<'_>, id: EndpointId, before: Writing) {
        if let Some(device) = self.table.endpoints.get_mut(id) {
            device.writing.fired = before.fired;
            device.writing.stopped = before.stopped;
        }
        if let Some(writer) = before.writer {
            self.arm_deadman(cx, writer, id);
        }
    }

    /// Stops every machine whose writer is watched, because the daemon stops watching. Returns false if no
    /// writer is watched.
    pub(crate) fn stop_machines(&mut self, cx: &mut Context<'_>) -> bool {
        let devices = self.table.endpoints.iter();
        let armed = devices.filter(|(_, device)| device.writing.is_armed());
        let armed: Vec<EndpointId> = armed.map(|(id, _)| id).collect();
        for id in &armed {
            self.timers.set(TimerKey::Deadman(*id), None);
            self.fire_deadman(cx, *id);
        }
        !armed.is_empty()
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

    /// Writes the bytes of a stop before everything else that is under way to a device.
    fn overtake_with_stop(&mut self, cx: &mut Context<'_>, id: EndpointId, stop: &[u8]) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        let lost = device.endpoint.overtake(stop);
        if lost != Count::default() {
            let (direction, reason) = (Direction::FromPeer, DropReason::Deadman);
            device.drops.add(direction, reason, lost);
        }
        let output = device.endpoint.output().len() as u64;
        device.stop_end = Some(device.endpoint.written() + output);
        // Flush the driver, or it would send what it holds before the stop.
        if let Some(source) = device.source.filter(|_| device.is_serial()) {
            device.expected.push_back(Expected::Flushed);
            device.holds_output = true;
            let step = LineStep::Flush(Flush::Output);
            cx.sources.ask(Command::Line { source, step });
        }
    }

    /// Drops everything that waits for a device on all routes.
    fn drop_waiting(&mut self, cx: &mut Context<'_>, id: EndpointId, reason: DropReason) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        for route_id in std::mem::take(&mut device.waiting) {
            let Some(route) = self.table.routes.get_mut(route_id) else {
                continue;
            };
            self.table.queued -= route.queued_bytes();
            route.forget(reason);
            let (session, lingers) = (route.session, route.lingers);
            if lingers {
                self.remove_route(cx, route_id, reason);
            } else {
                self.extend_credit(route_id);
                self.table.touch(session);
            }
        }
    }

    /// Forgets that a session was stopped, because the session has ended. The deadline stays, because a
    /// machine must stop even if its writer's session has ended.
    pub(super) fn forget_stopped(&mut self, session: SessionId) {
        for (_, device) in self.table.endpoints.iter_mut() {
            device.writing.stopped.remove(&session);
        }
    }
}
