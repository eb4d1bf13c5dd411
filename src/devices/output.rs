//! Output that is still under way to a device, and is overtaken by a stop or discarded.

use super::Flow;
use super::script::Expected;
use crate::drops::Direction;
use crate::endpoint::line::{Flush, LineStep};
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, SessionId};
use crate::sources::{Command, Context};

impl Flow {
    /// Writes the bytes of a stop before everything else that is under way to a device.
    pub(super) fn overtake_with_stop(&mut self, cx: &mut Context<'_>, id: EndpointId, stop: &[u8]) {
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
    pub(super) fn drop_waiting(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        reason: DropReason,
    ) {
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

    /// Discards the output under way to a device.
    pub(super) fn discard_output(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionId,
        endpoint: EndpointId,
    ) {
        let is_alone = self.table.is_alone_at(session, endpoint);
        let Some(device) = self.table.endpoints.get_mut(endpoint) else {
            return;
        };
        // A stop must reach the machine, so no session discards a stop's bytes from the output or from the
        // driver.
        let written = device.endpoint.written();
        let is_stopping = device.stop_end.is_some_and(|end| written < end);
        if is_stopping || !(device.is_serial() || is_alone) {
            return;
        }
        let lost = device.endpoint.overtake(&[]);
        if lost != Count::default() {
            let (direction, reason) = (Direction::FromPeer, DropReason::Discarded);
            device.drops.add(direction, reason, lost);
        }
        // A script must not wait for bytes that will never be sent.
        let written = device.endpoint.written();
        if let Some(job) = device.jobs.front_mut() {
            job.stop_draining(written);
        }
        // Flush the driver, or it would send what it holds before the next byte. This must not wait for the
        // script in front.
        let is_flushing = device.expected.contains(&Expected::Flushed);
        if let Some(source) = device.source.filter(|_| device.is_serial() && !is_flushing) {
            device.expected.push_back(Expected::Flushed);
            device.holds_output = true;
            let step = LineStep::Flush(Flush::Output);
            cx.sources.ask(Command::Line { source, step });
        }
    }
}
