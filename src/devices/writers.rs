//! The sessions that write to devices: their heartbeats, and what becomes of their watch when an endpoint is
//! reconfigured and when the daemon stops.

use super::device::Writing;
use super::{Devices, TimerKey};
use crate::ids::{EndpointId, SessionId};
use crate::sources::Context;

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
    /// Handles a heartbeat.
    pub(crate) fn handle_heartbeat(
        &mut self,
        cx: &Context<'_>,
        session: SessionId,
        heartbeat: Heartbeat,
    ) {
        let Heartbeat { only, stop, fired } = heartbeat;
        let all = self.flow.table.endpoints.iter();
        let meant = all.filter(|(id, device)| {
            only.is_none_or(|only| only == *id || device.parent() == Some(only))
        });
        let meant: Vec<EndpointId> = meant.map(|(id, _)| id).collect();
        for id in meant {
            let Some(device) = self.flow.table.endpoints.get_mut(id) else {
                continue;
            };
            if fired == Some(device.writing.fired) {
                device.writing.stopped.remove(&session);
            }
            if device.writing.writer == Some(session) {
                if stop {
                    device.writing.writer = None;
                    self.flow.timers.set(TimerKey::Deadman(id), None);
                } else {
                    self.flow.arm_deadman(cx, session, id);
                }
            }
        }
    }

    /// Removes and returns the writers of an endpoint that is being reconfigured.
    pub(crate) fn take_writing(&mut self, id: EndpointId) -> Writing {
        let device = self.flow.table.endpoints.get_mut(id);
        device.map_or_else(Writing::default, |device| {
            std::mem::take(&mut device.writing)
        })
    }

    /// Restores the writers of an endpoint that was reconfigured. The silence of its writer counts from now
    /// on.
    pub(crate) fn keep_watching(&mut self, cx: &Context<'_>, id: EndpointId, before: Writing) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            device.writing.fired = before.fired;
            device.writing.stopped = before.stopped;
        }
        if let Some(writer) = before.writer {
            self.flow.arm_deadman(cx, writer, id);
        }
    }

    /// Stops every machine whose writer is watched, because the daemon stops watching. Returns false if no
    /// writer is watched.
    pub(crate) fn stop_machines(&mut self, cx: &mut Context<'_>) -> bool {
        let devices = self.flow.table.endpoints.iter();
        let armed = devices.filter(|(_, device)| device.writing.is_armed());
        let armed: Vec<EndpointId> = armed.map(|(id, _)| id).collect();
        for id in &armed {
            self.flow.timers.set(TimerKey::Deadman(*id), None);
            self.flow.fire_deadman(cx, *id);
        }
        !armed.is_empty()
    }
}
