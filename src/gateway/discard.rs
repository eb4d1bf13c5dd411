//! A peer throws away what it has sent and the device has not taken, so that the end of a write (`WritableStream.abort()`) is
//! one for the device as well.

use std::time::Instant;

use super::line::Expected;
use super::source::Command;
use super::stats::Direction;
use super::{Device, Gateway};
use crate::config::EndpointKind;
use crate::endpoint::line::{Flush, LineStep};
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, RouteId, SessionId};

impl Gateway {
    /// Throws away the bytes of a channel before `until`, counted from its beginning: those that wait, those that are still to
    /// come, and those on their way to the device. The last are thrown away with those of other sessions, as `flush` does it to a
    /// serial line; for other devices only while no other session has a channel to it.
    pub(super) fn discard(&mut self, now: Instant, id: RouteId, until: u64) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, may_write) = (route.session, route.endpoint, route.may_write);
        let before = route.queued_bytes();
        // Bytes that come after `until` wait behind, or have gone already.
        let has_more = route.from_peer.bytes > until;
        route.discard(until);
        self.routing.queued -= before - route.queued_bytes();
        let may_write = may_write && self.check_writer(session, endpoint).is_ok();
        let is_alone = self.is_alone_at(session, endpoint);
        if let Some(device) = self.routing.endpoints.get_mut(endpoint) {
            let is_serial = matches!(device.config.kind, EndpointKind::Serial { .. });
            let stop = device.stop_end;
            // A stop must reach the machine: no session discards what is still to be written of it, or what the driver holds of it.
            let is_written = stop.is_none_or(|end| device.endpoint.written() >= end);
            if may_write && is_written && !has_more && (is_serial || is_alone) {
                let lost = device.endpoint.overtake(&[]);
                if lost != Count::default() {
                    let (direction, reason) = (Direction::FromPeer, DropReason::Discarded);
                    device.drops.add(direction, reason, lost);
                }
                // A script waits for bytes that will not go out any more.
                let written = device.endpoint.written();
                if let Some(job) = device.jobs.front_mut() {
                    job.stop_draining(written);
                }
                // What the driver holds would go out before the next byte. A script in front must not hold this up.
                let is_flushing = device.expected.contains(&Expected::Flushed);
                if is_serial
                    && !is_flushing
                    && let Some(source) = device.source
                {
                    device.expected.push_back(Expected::Flushed);
                    device.holds_output = true;
                    let step = LineStep::Flush(Flush::Output);
                    self.commands.push_back(Command::Line { source, step });
                }
            }
        }
        self.grant(id);
        let route = self.routing.routes.get(id);
        if let Some(route) = route.filter(|route| route.is_empty()) {
            if route.lingers {
                self.remove_route(id, DropReason::Discarded);
            } else {
                self.routing.stop_waiting(endpoint, id);
            }
        }
        self.step_jobs(now, endpoint);
        // Those who waited for room have it now, and no progress of the device would say so.
        self.offer_waiting(now, endpoint);
        self.after_endpoint(endpoint);
        self.after_delivery(now, endpoint);
        self.touch_session(session);
    }

    /// Whether no other session has a channel to an endpoint, or bytes that wait for it.
    fn is_alone_at(&self, session: SessionId, endpoint: EndpointId) -> bool {
        let device = self.routing.endpoints.get(endpoint);
        let waiting = device.into_iter().flat_map(Device::waiting);
        let routes = waiting.filter_map(|id| self.routing.routes.get(*id));
        let mut others = routes.map(|route| route.session);
        let open = self.sessions_at(endpoint);
        others.all(|other| other == session) && open.iter().all(|other| *other == session)
    }
}
