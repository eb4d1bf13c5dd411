//! Connections that belong to one channel each (`connection = "channel"`). A connection begins when the
//! channel opens, and ends when either side closes.
//!
//! Each connection is a device without a name, whose parent is an endpoint with a name.

use super::Devices;
use super::device::{Device, Role};
use crate::config::{EndpointConfig, EndpointKind, Meeting};
use crate::endpoint;
use crate::ids::EndpointId;
use crate::sources::Context;

/// Returns whether every channel of an endpoint gets its own connection.
fn is_gate(config: &EndpointConfig) -> bool {
    matches!(
        config.kind,
        EndpointKind::Tcp(Meeting::PerChannel(_)) | EndpointKind::Unix(Meeting::PerChannel(_))
    )
}

impl Devices {
    /// Returns the device for a new channel: the endpoint itself, or a new connection for this channel.
    pub(super) fn device_for_channel(
        &mut self,
        cx: &mut Context<'_>,
        id: EndpointId,
    ) -> EndpointId {
        let parent = self.flow.table.endpoints.get(id);
        let Some(config) = parent.map(|it| &it.config).filter(|it| is_gate(it)) else {
            return id;
        };
        let config = config.clone();
        let endpoint = endpoint::new_instance(&config);
        let device = Device::new(config, endpoint, Role::Instance(id));
        let is_captured = device.capture.is_some();
        let instance = self.flow.table.endpoints.insert(device);
        self.flow.captures += usize::from(is_captured);
        self.flow.after_endpoint(cx, instance);
        instance
    }
}
