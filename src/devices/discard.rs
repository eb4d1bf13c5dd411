//! Discarding of bytes that a peer has sent and the device has not taken, so that aborting a write
//! (`WritableStream.abort()`) also stops it at the device.

use super::Devices;
use super::script::Expected;
use crate::drops::Direction;
use crate::endpoint::line::{Flush, LineStep};
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::{Command, Context};

impl Devices {
    /// Discards the bytes of a channel before `until`, counted from the channel's beginning: bytes that wait,
    /// bytes that have not arrived yet, and bytes under way to the device. Bytes under way are discarded
    /// together with the bytes of other sessions: for a serial line always, as `flush` does; for other
    /// devices only while no other session has a channel to the device.
    pub(crate) fn discard(&mut self, cx: &mut Context<'_>, id: RouteId, until: u64) {
        let Some(route) = self.table.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, may_write) = (route.session, route.endpoint, route.may_write);
        let before = route.queued_bytes();
        // Bytes after `until` that have already arrived wait behind the discarded ones or are in the output,
        // so the output stays.
        let has_more = route.from_peer.bytes > until;
        route.discard(until);
        self.table.queued -= before - route.queued_bytes();
        if may_write && !has_more && self.check_writer(session, endpoint).is_ok() {
            self.discard_output(cx, session, endpoint);
        }
        self.extend_credit(id);
        let route = self.table.routes.get(id);
        if let Some(route) = route.filter(|route| route.is_empty()) {
            if route.lingers {
                self.remove_route(cx, id, DropReason::Discarded);
            } else {
                self.table.stop_waiting(endpoint, id);
            }
        }
        self.step_scripts(cx, endpoint);
        // Routes that waited for room can go on now. Offer their messages here, because a discard causes no
        // progress event from the device.
        self.offer_waiting(cx, endpoint);
        self.after_delivery(cx, endpoint);
        self.table.touch(session);
    }

    /// Discards the output under way to a device.
    fn discard_output(&mut self, cx: &mut Context<'_>, session: SessionId, endpoint: EndpointId) {
        let is_alone = self.is_alone_at(session, endpoint);
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

    /// Returns whether no other session has a channel to an endpoint, or bytes that wait for it.
    fn is_alone_at(&self, session: SessionId, endpoint: EndpointId) -> bool {
        let device = self.table.endpoints.get(endpoint);
        let waiting = device.into_iter().flat_map(|device| &device.waiting);
        let routes = waiting.filter_map(|id| self.table.routes.get(*id));
        let mut others = routes.map(|route| route.session);
        let open = self.table.sessions_at(endpoint);
        others.all(|other| other == session) && open.iter().all(|other| *other == session)
    }
}
