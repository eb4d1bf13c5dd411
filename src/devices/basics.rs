//! Functions that many files of this component use: failures of channels, credit, and the check of writers.

use std::borrow::Cow;

use super::{ChannelFault, DeviceEvent, Devices};
use crate::config::Writers;
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason, LagPolicy};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;

impl Devices {
    /// Counts a message on a channel that is not bound yet, or not bound any more.
    pub(crate) fn count_unbound(&mut self, bytes: usize) {
        let (direction, reason) = (Direction::FromPeer, DropReason::Closed);
        self.table
            .counted
            .drops
            .add(direction, reason, Count::one(bytes));
    }

    pub(super) fn drop_from_peer(&mut self, id: RouteId, reason: DropReason, count: Count) {
        if let Some(route) = self.table.routes.get_mut(id) {
            route.drops.add(Direction::FromPeer, reason, count);
            let session = route.session;
            self.table.touch(session);
        }
    }

    /// Fails a reliable channel that lost a message. An unreliable channel stays open.
    pub(super) fn fail_reliable(
        &mut self,
        id: RouteId,
        reason: DropReason,
        detail: impl Into<Cow<'static, str>>,
    ) {
        let route = self.table.routes.get(id);
        if route.is_some_and(|route| route.reliable) {
            self.fail_channel(id, ChannelFault::Dropped(reason), detail);
        }
    }

    /// Asks the owner to close a route's channel.
    pub(super) fn fail_channel(
        &mut self,
        id: RouteId,
        fault: ChannelFault,
        detail: impl Into<Cow<'static, str>>,
    ) {
        if let Some(route) = self.table.routes.get(id) {
            self.events.push_back(DeviceEvent::ChannelFailed {
                session: route.session,
                channel: route.channel,
                fault,
                detail: detail.into(),
            });
        }
    }

    /// Reports a channel's new credit to its peer when the increase is worth a message.
    pub(super) fn extend_credit(&mut self, id: RouteId) {
        let Some(route) = self.table.routes.get_mut(id).filter(|route| !route.lingers) else {
            return;
        };
        // Check for a control channel first: without one the credit must not be marked as reported.
        let session = route.session;
        if !self
            .table
            .shares
            .get(&session)
            .is_some_and(|share| share.hears)
        {
            return;
        }
        if let Some(limit) = route.extend_credit() {
            let stream = route.stream;
            self.events.push_back(DeviceEvent::Credit {
                session,
                stream,
                limit,
            });
            self.table.touch(session);
        }
    }

    /// Returns an error if a session may not write to a device now.
    pub(super) fn check_writer(
        &self,
        session: SessionId,
        id: EndpointId,
    ) -> Result<(), DropReason> {
        let Some(device) = self.table.endpoints.get(id) else {
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

    /// Resumes reading from a program that had to wait for its slowest reader.
    pub(super) fn resume_reading(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        if let Some(device) = self.table.endpoints.get(id)
            && device.endpoint.lag_policy() == LagPolicy::Wait
            && let Some(source) = device.source
        {
            cx.sources.touch(source);
        }
    }
}
