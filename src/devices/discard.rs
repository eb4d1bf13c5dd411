//! Discarding of bytes that a peer has sent and the device has not taken, so that aborting a write
//! (`WritableStream.abort()`) also stops it at the device.

use super::Devices;
use crate::endpoint::DropReason;
use crate::ids::RouteId;
use crate::sources::Context;

impl Devices {
    /// Discards the bytes of a channel before `until`, counted from the channel's beginning: bytes that wait,
    /// bytes that have not arrived yet, and bytes under way to the device. Bytes under way are discarded
    /// together with the bytes of other sessions: for a serial line always, as `flush` does; for other
    /// devices only while no other session has a channel to the device.
    pub(crate) fn discard(&mut self, cx: &mut Context<'_>, id: RouteId, until: u64) {
        let Some(route) = self.flow.table.routes.get_mut(id) else {
            return;
        };
        let (session, endpoint, may_write) = (route.session, route.endpoint, route.may_write);
        let before = route.queued_bytes();
        // Bytes after `until` that have already arrived wait behind the discarded ones or are in the output,
        // so the output stays.
        let has_more = route.from_peer.bytes > until;
        route.discard(until);
        self.flow.table.queued -= before - route.queued_bytes();
        if may_write && !has_more && self.flow.table.check_writer(session, endpoint).is_ok() {
            self.flow.discard_output(cx, session, endpoint);
        }
        self.flow.extend_credit(id);
        let route = self.flow.table.routes.get(id);
        if let Some(route) = route.filter(|route| route.is_empty()) {
            if route.lingers {
                self.flow.remove_route(cx, id, DropReason::Discarded);
            } else {
                self.flow.table.stop_waiting(endpoint, id);
            }
        }
        self.flow.step_scripts(cx, endpoint);
        // Routes that waited for room can go on now. Offer their messages here, because a discard causes no
        // progress event from the device.
        self.flow.offer_waiting(cx, endpoint);
        self.flow.after_delivery(cx, endpoint);
        self.flow.table.touch(session);
    }
}
