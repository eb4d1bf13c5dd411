//! Connections that belong to one channel each (`connection = "channel"`): made when the channel opens, ended when either side is.
//!
//! Each connection is a device like others, but without a name, and with a parent that has one.

use std::time::Duration;

use super::device::Device;
use super::ports::Role;
use super::{ChannelFault, Devices, TimerKey};
use crate::config::{EndpointConfig, EndpointKind, Meeting};
use crate::endpoint;
use crate::ids::{EndpointId, RouteId};
use crate::sources::Context;

/// How long a program may take for what a channel had sent before it closed.
const DISPOSE_AFTER: Duration = Duration::from_secs(60);

/// Connections of one endpoint that are still given that time.
const MAX_ENDING: usize = 64;

/// Returns whether every channel gets a connection of its own.
fn is_gate(config: &EndpointConfig) -> bool {
    matches!(
        config.kind,
        EndpointKind::Tcp(Meeting::PerChannel(_)) | EndpointKind::Unix(Meeting::PerChannel(_))
    )
}

impl Devices {
    /// Returns the device for a new channel: the endpoint's own, or a connection that is begun now.
    pub(super) fn device_for_channel(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
    ) -> EndpointId {
        let parent = self.endpoints.get(id);
        let Some(config) = parent.map(|it| &it.config).filter(|it| is_gate(it)) else {
            return id;
        };
        let config = config.clone();
        let endpoint = endpoint::new_instance(&config);
        let device = Device::new(config, endpoint, Role::Instance(id));
        let is_captured = device.capture.is_some();
        let instance = self.endpoints.insert(device);
        self.captures += usize::from(is_captured);
        self.after_endpoint(cx, instance);
        instance
    }

    /// Returns an endpoint with all of its connections.
    pub(super) fn family(&self, id: EndpointId) -> impl Iterator<Item = (EndpointId, &Device)> {
        let devices = self.endpoints.iter();
        devices.filter(move |(other, device)| *other == id || device.parent() == Some(id))
    }

    /// Asks for a channel to be closed whose connection is over, once it has been given what had come.
    pub(super) fn end_if_finished(&mut self, id: RouteId) {
        if let Some(route) = self.routes.get(id)
            && let Some(device) = self.endpoints.get(route.endpoint)
            && let Some(why) = &device.ended
            && device.endpoint.message(id).is_none()
            && (route.transcoder.as_ref()).is_none_or(|it| it.front().is_none())
        {
            let why = why.clone();
            self.fail_channel(id, ChannelFault::DeviceEnded, why);
        }
    }

    /// Removes a connection without a channel, once it has sent what it still has.
    pub(super) fn dispose_instance(&mut self, cx: &mut Context<'_>, id: EndpointId) {
        let Some(device) = self.endpoints.get(id) else {
            return;
        };
        let parent = device.parent();
        let is_wanted = !device.routes.is_empty() || !device.waiting.is_empty();
        if parent.is_none() || is_wanted {
            return;
        }
        let devices = self.endpoints.iter();
        let ending = devices.filter(|(_, it)| it.parent() == parent && it.routes.is_empty());
        let is_crowded = ending.count() > MAX_ENDING;
        let is_done = device.ended.is_some() || device.endpoint.output().is_empty();
        if is_done || is_crowded {
            self.remove(cx, id);
        } else {
            let at = Some(cx.now + DISPOSE_AFTER);
            self.timers.set(TimerKey::Dispose(id), at);
        }
    }
}
