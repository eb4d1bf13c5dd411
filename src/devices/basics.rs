//! Functions that many files of the lower half use: failures of channels, and credit.

use std::borrow::Cow;

use super::{ChannelFault, DeviceEvent, Flow};
use crate::drops::Direction;
use crate::endpoint::{Count, DropReason, LagPolicy};
use crate::ids::{EndpointId, RouteId};
use crate::sources::Context;

impl Flow {
    /// Counts messages of a peer that are dropped on a route.
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

    /// Resumes reading from a program that had to wait for its slowest reader.
    pub(super) fn resume_reading(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        if let Some(device) = self.table.endpoints.get(id)
            && device.endpoint.lag_policy() == LagPolicy::Wait
            && let Some(source) = device.source
        {
            cx.sources.touch(source);
        }
    }

    /// Fails a channel whose connection has ended, after the channel has received all data.
    pub(super) fn end_if_finished(&mut self, id: RouteId) {
        if let Some(route) = self.table.routes.get(id)
            && let Some(device) = self.table.endpoints.get(route.endpoint)
            && let Some(why) = &device.ended
            && device.endpoint.message(id).is_none()
            && (route.transcoder.as_ref()).is_none_or(|it| it.front().is_none())
        {
            let why = why.clone();
            self.fail_channel(id, ChannelFault::DeviceEnded, why);
        }
    }
}
