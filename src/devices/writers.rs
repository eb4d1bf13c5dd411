//! Which session writes to a device, and what happens when it falls silent.
//!
//! The dead-man switch is a deadline that every message and every heartbeat of the writing session moves on. When it passes, the
//! machine is stopped. Everything about a stop happens in one call, so that no message of a peer comes between.

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
    /// The session that has asked the holder for the lease, and when it gets it.
    pub(super) asked: Option<(SessionId, Instant)>,
    /// The session whose silence stops the machine: the one that wrote last.
    writer: Option<SessionId>,
    /// Sessions that were stopped and have not shown since that they know. Their messages may have been sent before the stop.
    pub(super) stopped: BTreeSet<SessionId>,
    /// How often the machine was stopped.
    pub(super) fired: u64,
}

impl Writing {
    /// Returns whether a silence would stop the machine now.
    pub(super) fn is_armed(&self) -> bool {
        self.writer.is_some()
    }
}

/// A heartbeat of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heartbeat {
    /// The endpoint that the heartbeat is for. `None`: all.
    pub(crate) only: Option<EndpointId>,
    /// The writer has brought the machine to rest, so its silence means nothing any more.
    pub(crate) stop: bool,
    /// The stop that the session has heard of. A heartbeat without it may have been sent before that stop, as the messages that
    /// come with it.
    pub(crate) fired: Option<u64>,
}

impl Devices {
    /// Notes that a session has written: it gets a lease that no session holds, and from now on its silence counts.
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

    /// Takes a heartbeat.
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

    /// Takes the writers off an endpoint that is configured anew.
    pub(crate) fn take_writing(&mut self, id: EndpointId) -> Writing {
        let device = self.table.endpoints.get_mut(id);
        device.map_or_else(Writing::default, |device| {
            std::mem::take(&mut device.writing)
        })
    }

    /// Gives an endpoint that was configured anew its writers back. The silence of its writer counts from now on.
    pub(crate) fn keep_watching(&mut self, cx: &Context<'_>, id: EndpointId, before: Writing) {
        if let Some(device) = self.table.endpoints.get_mut(id) {
            device.writing.fired = before.fired;
            device.writing.stopped = before.stopped;
        }
        if let Some(writer) = before.writer {
            self.arm_deadman(cx, writer, id);
        }
    }

    /// Stops every machine whose writer is watched, because the daemon will not watch it any more. Returns false if there is none.
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
        // A peer that cannot say that it is awake again would be stopped for ever.
        let hears = writer.and_then(|writer| self.table.shares.get(&writer));
        if let Some(writer) = writer.filter(|_| hears.is_some_and(|share| share.hears)) {
            device.writing.stopped.insert(writer);
        }
        // Scripts and waiting messages first: nothing else may reach the machine after its stop.
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

    /// Writes the bytes of a stop before everything else that is on its way to a device.
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
        // The driver would send what it holds before the stop.
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

    /// Forgets that a session was stopped, because it has ended. Its deadline stays: that the writer has ended is no reason not to
    /// stop a machine.
    pub(super) fn forget_stopped(&mut self, session: SessionId) {
        for (_, device) in self.table.endpoints.iter_mut() {
            device.writing.stopped.remove(&session);
        }
    }
}
