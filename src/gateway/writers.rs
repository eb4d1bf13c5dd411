//! Which session writes to a device, and what happens when it falls silent.
//!
//! The dead man is a deadline that every message and every
//! heartbeat of the writing session moves on; when it passes, the machine is stopped.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::json;

use super::Gateway;
use super::line::Expected;
use super::source::Command;
use super::stats::Direction;
use super::timers::TimerKey;
use crate::config::{EndpointKind, Writers};
use crate::endpoint::line::{Flush, LineStep};
use crate::endpoint::{Count, DeviceState, DropReason};
use crate::ids::{EndpointId, SessionId};
use crate::session::control::Reply;

/// A device's writers.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Who holds the lease.
    pub(super) lease: Option<SessionId>,
    /// The session that has asked the holder for it, and when it gets it.
    pub(super) asked: Option<(SessionId, Instant)>,
    /// Whose silence stops the machine: the session that wrote last.
    writer: Option<SessionId>,
    /// Sessions that were stopped and have not shown since that they know. What comes from them
    /// was sent before.
    stopped: BTreeSet<SessionId>,
    /// How often the machine was stopped.
    pub(super) fired: u64,
}

impl Writing {
    /// Whether a silence would stop the machine now.
    pub(super) fn is_armed(&self) -> bool {
        self.writer.is_some()
    }
}

impl Gateway {
    /// Whether a session may write to a device now.
    pub(super) fn check_writer(
        &self,
        session: SessionId,
        id: EndpointId,
    ) -> Result<(), DropReason> {
        let Some(device) = self.routing.endpoints.get(id) else {
            return Err(DropReason::Absent);
        };
        if device.writing.stopped.contains(&session) {
            return Err(DropReason::Deadman);
        }
        let holder = device.writing.lease;
        let is_free = holder.is_none_or(|holder| holder == session);
        if device.config.traffic.writers == Writers::One && !is_free {
            return Err(DropReason::NoLease);
        }
        Ok(())
    }

    /// A session has written: it has the lease, if nobody had, and from now on its silence counts.
    pub(super) fn note_writer(&mut self, now: Instant, session: SessionId, id: EndpointId) {
        let device = self.routing.endpoints.get(id);
        let is_first = device.is_some_and(|device| {
            device.config.traffic.writers == Writers::One && device.writing.lease.is_none()
        });
        if is_first {
            self.set_lease(id, Some(session));
        }
        self.arm_deadman(now, session, id);
    }

    fn arm_deadman(&mut self, now: Instant, session: SessionId, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        if let Some(deadman) = &device.config.traffic.deadman {
            device.writing.writer = Some(session);
            let at = now + deadman.timeout;
            self.timers.set(TimerKey::Deadman(id), Some(at));
        }
    }

    /// A heartbeat of a session, for one endpoint or for all. `stop`: the writer has brought the
    /// machine to rest, and its silence means nothing any more. `fired`: the stop that it has heard
    /// of; a heartbeat without it may have been sent before, and comes with the stale messages.
    pub(super) fn handle_heartbeat(
        &mut self,
        now: Instant,
        session: SessionId,
        only: Option<EndpointId>,
        stop: bool,
        fired: Option<u64>,
    ) {
        let all = self.routing.endpoints.iter();
        let wanted = all.filter(|(id, device)| {
            only.is_none_or(|only| only == *id || device.parent == Some(only))
        });
        let wanted: Vec<_> = wanted.map(|(id, _)| id).collect();
        for id in wanted {
            let Some(device) = self.routing.endpoints.get_mut(id) else {
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
                    self.arm_deadman(now, session, id);
                }
            }
        }
    }

    /// An endpoint was configured anew: the silence of its writer counts from now on.
    pub(super) fn keep_watching(&mut self, now: Instant, name: &str, before: Writing) {
        let Some(id) = self.routing.endpoint_names.get(name).copied() else {
            return;
        };
        if let Some(device) = self.routing.endpoints.get_mut(id) {
            device.writing.fired = before.fired;
            device.writing.stopped = before.stopped;
        }
        if let Some(writer) = before.writer {
            self.arm_deadman(now, writer, id);
        }
    }

    /// Stops every machine whose writer is watched, because nobody will watch it any more. False:
    /// there is none.
    pub(super) fn stop_machines(&mut self, now: Instant) -> bool {
        let devices = self.routing.endpoints.iter();
        let armed = devices.filter(|(_, device)| device.writing.is_armed());
        let armed: Vec<_> = armed.map(|(id, _)| id).collect();
        for id in &armed {
            self.timers.set(TimerKey::Deadman(*id), None);
            self.fire_deadman(now, *id);
        }
        !armed.is_empty()
    }

    /// The writer has been silent for too long.
    pub(super) fn fire_deadman(&mut self, now: Instant, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let Some(deadman) = device.config.traffic.deadman.clone() else {
            return;
        };
        let writer = device.writing.writer.take();
        if device.endpoint.state() != DeviceState::Open {
            let name = &device.config.name;
            return log::warn!(
                "endpoint {name}: its writer fell silent, but the device is absent and cannot be stopped"
            );
        }
        device.writing.fired += 1;
        let fired = device.writing.fired;
        self.cancel_jobs(now, id);
        self.drop_waiting(id, DropReason::Deadman);
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let lost = device.endpoint.overtake(&deadman.send);
        if lost != Count::default() {
            let (direction, reason) = (Direction::FromPeer, DropReason::Deadman);
            device.drops.add(direction, reason, lost);
        }
        let output = device.endpoint.output().len() as u64;
        device.stop_end = Some(device.endpoint.written() + output);
        // What the driver holds would go out before.
        if let Some(source) = device.source
            && matches!(device.config.kind, EndpointKind::Serial { .. })
        {
            device.expected.push_back(Expected::Flushed);
            device.holds_output = true;
            let step = LineStep::Flush(Flush::Output);
            self.commands.push_back(Command::Line { source, step });
        }
        // A peer that cannot say that it is awake again would be stopped for ever.
        let entry = writer.and_then(|writer| self.sessions.get(writer));
        let name = entry.map(|entry| entry.session.name().to_owned());
        if let Some(writer) = writer
            && entry.is_some_and(|entry| entry.session.has_control())
        {
            device.writing.stopped.insert(writer);
        }
        let endpoint = device.config.name.clone();
        let millis = u64::try_from(deadman.timeout.as_millis()).unwrap_or(u64::MAX);
        log::warn!("endpoint {endpoint}: its writer was silent for {millis} ms: stopped");
        let event = json!({
            "endpoint": endpoint, "session": name, "timeout_ms": millis, "fired": fired,
        });
        self.events.push("deadman", &event);
        let session = name.as_deref();
        for reader in self.sessions_at(id) {
            if let Some(entry) = self.sessions.get_mut(reader) {
                entry.session.tell(&Reply::Deadman {
                    endpoint: &endpoint,
                    session,
                    fired,
                });
                self.touch_session(reader);
            }
        }
        self.after_endpoint(id);
    }

    /// Drops everything that waits for a device on all routes.
    fn drop_waiting(&mut self, id: EndpointId, reason: DropReason) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        for route_id in device.take_waiting() {
            let Some(route) = self.routing.routes.get_mut(route_id) else {
                continue;
            };
            self.routing.queued -= route.queued_bytes();
            route.forget(reason);
            let (session, lingers) = (route.session, route.lingers);
            if lingers {
                self.remove_route(route_id, reason);
            } else {
                self.grant(route_id);
                self.touch_session(session);
            }
        }
    }

    /// Sessions with a channel to an endpoint, each once.
    pub(super) fn sessions_at(&self, id: EndpointId) -> BTreeSet<SessionId> {
        let device = self.routing.endpoints.get(id);
        let routes = device.into_iter().flat_map(|device| &device.routes);
        routes
            .filter_map(|id| Some(self.routing.routes.get(*id)?.session))
            .collect()
    }

    /// A session has ended.
    pub(super) fn forget_writer(&mut self, session: SessionId) {
        for (_, device) in self.routing.endpoints.iter_mut() {
            // The deadline stays: that its writer has gone is no reason not to stop a machine.
            device.writing.stopped.remove(&session);
        }
    }
}
