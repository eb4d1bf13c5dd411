//! The actions that an endpoint asks of its owner after a call into the endpoint.

use super::device::Role;
use super::report::EndpointView;
use super::{DeviceEvent, Flow, TimerKey};
use crate::drops::Direction;
use crate::endpoint::{Action, Count, DropReason};
use crate::ids::EndpointId;
use crate::sources::{Command, Context, Owner};

impl Flow {
    /// Carries out the actions that an endpoint asks for after a call into the endpoint.
    pub(super) fn after_endpoint(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        while let Some(device) = self.table.endpoints.get_mut(id)
            && let Some(action) = device.endpoint.poll_action()
        {
            self.act(cx, id, action);
        }
        if let Some(device) = self.table.endpoints.get(id) {
            let source = device.source;
            if let Some(source) = source.filter(|_| !device.endpoint.output().is_empty()) {
                cx.sources.touch(source);
            }
            let deadline = device.endpoint.poll_timeout();
            self.timers.set(TimerKey::Endpoint(id), deadline);
        }
    }

    /// Sets an endpoint's deadline.
    pub(super) fn schedule_endpoint(&mut self, id: EndpointId) {
        if let Some(device) = self.table.endpoints.get(id) {
            let deadline = device.endpoint.poll_timeout();
            self.timers.set(TimerKey::Endpoint(id), deadline);
        }
    }

    fn act(&mut self, cx: &mut Context<'_>, id: EndpointId, action: Action) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        match action {
            Action::Open(target) if target.is_listener() => {
                let open = |source| Command::Open { source, target };
                device.listener = Some(cx.sources.open(Owner::DeviceListener(id), open));
            }
            Action::Open(target) => {
                let open = |source| Command::Open { source, target };
                device.source = Some(cx.sources.open(Owner::Device(id), open));
            }
            Action::OpenUdp(udp) => {
                let open = |source| Command::OpenUdp { source, udp };
                device.source = Some(cx.sources.open(Owner::Device(id), open));
            }
            Action::SendDatagram => self.send_datagram(cx, id),
            // Only the channels of the other devices need to know those devices' states.
            Action::StateChanged if device.role != Role::Configured => {}
            Action::StateChanged => {
                let view = EndpointView::of(device);
                self.events.push_back(DeviceEvent::Changed(view));
            }
        }
    }

    /// Queues the datagram that an endpoint has to send.
    fn send_datagram(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        let remote = device.and_then(|device| device.endpoint.remote());
        let socket = remote.and_then(|remote| self.table.socket_to(id, remote));
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        let datagram = device.endpoint.output();
        let len = datagram.len();
        if let (Some(socket), Some(remote)) = (socket, remote)
            && !cx.sources.transmits().push(socket, None, remote, datagram)
        {
            let (direction, reason) = (Direction::FromPeer, DropReason::SendFailed);
            device.drops.add(direction, reason, Count::one(len));
        }
        self.record_output(cx, id, len);
        if let Some(device) = self.table.endpoints.get_mut(id) {
            device.endpoint.consume(len);
        }
    }

    /// Handles the deadline of an endpoint.
    pub(super) fn handle_endpoint_timeout(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        if let Some(device) = self.table.endpoints.get_mut(id) {
            device.endpoint.handle_timeout(cx.now);
            device.count_faults();
            self.after_endpoint(cx, id);
            self.table.touch_readers(id);
        }
    }
}
