//! Input from devices and output to devices: streams, datagrams, and the opening and closing of their
//! sources.

use std::net::SocketAddr;

use super::device::Role;
use super::{DeviceEvent, Devices};
use crate::drops::Direction;
use crate::endpoint::{Count, DeviceState, DropReason, Failure, FailureKind};
use crate::ids::{EndpointId, SourceId};
use crate::sources::{Command, Context, Owner};

impl Devices {
    // ---- sources ----

    /// Handles a device's stream, socket or listener that was opened. `local` is the address of a socket.
    pub(crate) fn handle_opened(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        local: Option<SocketAddr>,
    ) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            if local.is_some() {
                device.local = local;
                self.flow.events.push_back(DeviceEvent::Bound);
            }
            device.endpoint.handle_opened(cx.now);
            self.report_port_opened(id);
            self.flow.after_endpoint(cx, id);
            self.flow.offer_waiting(cx, id);
        }
    }

    /// Accepts a program's connection to an endpoint's listener. Returns `None` if the connection before is
    /// still open.
    pub(crate) fn accept(&mut self, cx: &mut Context<'_>, id: EndpointId) -> Option<SourceId> {
        let device = self.flow.table.endpoints.get_mut(id)?;
        if device.source.is_some() {
            device.log_refused_connection(cx.now);
            return None;
        }
        let source = cx.sources.adopt(Owner::Device(id));
        device.source = Some(source);
        self.handle_opened(cx, id, None);
        Some(source)
    }

    /// Handles a device's source that could not be opened, or that has failed.
    pub(crate) fn handle_failed(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        source: SourceId,
        why: &Failure,
    ) {
        // The device may have given up this source already.
        cx.sources.close(source);
        let Some(device) = self.flow.table.endpoints.get_mut(id) else {
            return;
        };
        if device.source != Some(source) && device.listener != Some(source) {
            return;
        }
        // Without its listener a device gives up its accepted connection, too.
        device.listener.take_if(|listener| *listener == source);
        if let Some(source) = device.source.take() {
            cx.sources.close(source);
        }
        let lost = device.endpoint.handle_failed(cx.now, why);
        device.count_faults();
        if let Role::Port(bind) = device.role {
            return self.report_port_failed(cx, id, bind, why);
        }
        if let Role::Sender(_) = device.role {
            return log::warn!("a content port has failed: {why}");
        }
        device.driver_is_empty = true;
        device.holds_output = false;
        if device.parent().is_some() {
            device.ended = Some(why.detail.clone());
        }
        let (direction, reason) = (Direction::FromPeer, DropReason::Unwritten);
        device.drops.add(direction, reason, lost);
        if lost != Count::default() {
            let (name, bytes) = (&device.config.name, lost.bytes);
            log::warn!("endpoint {name}: {bytes} bytes queued for it are lost");
            self.flow.events.push_back(DeviceEvent::Lost {
                endpoint: id,
                count: lost,
            });
        }
        self.flow.fail_scripts(id);
        self.flow.after_endpoint(cx, id);
        self.flow.offer_waiting(cx, id);
        self.flow.table.touch_readers(id);
        self.flow.dispose_instance(cx, id);
    }

    /// Handles the end of a stream that the program at its other end has closed.
    pub(crate) fn handle_closed(&mut self, cx: &mut Context<'_>, id: EndpointId, source: SourceId) {
        let why = Failure::new(FailureKind::Absent, "it has closed the connection");
        self.handle_failed(cx, id, source, &why);
    }

    // ---- from devices ----

    /// Handles bytes from a device's stream.
    pub(crate) fn handle_input(&mut self, cx: &mut Context<'_>, id: EndpointId, bytes: &[u8]) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            device.from_device.add(Count::one(bytes.len()));
            device.endpoint.handle_input(cx.now, bytes);
            device.count_faults();
            self.flow.record_input(cx, id, bytes);
            self.flow.schedule_endpoint(id);
            self.flow.table.touch_readers(id);
        }
    }

    /// Handles a datagram that a device's socket received.
    pub(crate) fn handle_datagram(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            device.from_device.add(Count::one(datagram.len()));
            device.endpoint.handle_datagram(cx.now, from, datagram);
            self.flow.record_input(cx, id, datagram);
            self.flow.after_endpoint(cx, id);
            self.flow.table.touch_readers(id);
        }
    }

    /// Returns how many bytes of a device's stream may be read now. With 0 the loop reads nothing until the
    /// source is touched.
    pub(crate) fn input_room(&self, id: EndpointId) -> usize {
        // Keep reading while draining: no channel is written then, so room would never come, and a program
        // that waits to be read takes no output.
        let device = self
            .flow
            .table
            .endpoints
            .get(id)
            .filter(|_| !self.flow.is_draining);
        device.map_or(usize::MAX, |device| device.endpoint.input_room())
    }

    /// Sets the state of an endpoint whose device another component knows.
    pub(crate) fn set_state(&mut self, cx: &mut Context<'_>, id: EndpointId, state: DeviceState) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            device.endpoint.set_state(state);
        }
        self.flow.after_endpoint(cx, id);
    }

    // ---- to devices ----

    /// Removes the first `n` bytes of `Table::output`, which the device took, and offers waiting messages
    /// the room.
    pub(crate) fn consume(&mut self, cx: &mut Context<'_>, id: EndpointId, n: usize) {
        self.flow.record_output(cx, id, n);
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            device.endpoint.consume(n);
            device.driver_is_empty = false;
            if !device.jobs.is_empty() {
                self.flow.handle_script_progress(cx, id);
            }
            self.flow.offer_waiting(cx, id);
            self.flow.dispose_instance(cx, id);
        }
    }

    /// Counts datagrams of a device that the operating system did not send.
    pub(crate) fn handle_send_failed(&mut self, id: EndpointId, count: Count) {
        if let Some(device) = self.flow.table.endpoints.get_mut(id) {
            let (direction, reason) = (Direction::FromPeer, DropReason::SendFailed);
            device.drops.add(direction, reason, count);
        }
    }

    /// Asks the drivers how many bytes they still hold. A driver is asked again if its device has taken more
    /// bytes since.
    pub(crate) fn count_unsent(&mut self, cx: &mut Context<'_>) {
        for (_, device) in self.flow.table.endpoints.iter() {
            if let Some(source) = device.source
                && device.endpoint.output().is_empty()
                && !device.driver_is_empty
            {
                cx.sources.ask(Command::CountUnsent { source });
            }
        }
    }
}
