//! Connections that belong to one channel each (`connection = "channel"`): made when the channel
//! opens, ended when either side is.
//!
//! Each is a device like others, but without a name, and with a parent that has one.

use std::time::{Duration, Instant};

use super::Gateway;
use super::devices::Device;
use super::timers::TimerKey;
use crate::config::{EndpointConfig, EndpointKind, Meeting};
use crate::endpoint;
use crate::ids::{EndpointId, SessionId};

/// How long a program may take for what a channel had sent before it closed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections of one endpoint that are still given that time.
const MAX_ENDING: usize = 64;

/// Whether every channel gets a connection of its own.
pub(super) fn is_gate(config: &EndpointConfig) -> bool {
    matches!(
        config.kind,
        EndpointKind::Tcp(Meeting::PerChannel(_)) | EndpointKind::Unix(Meeting::PerChannel(_))
    )
}

impl Gateway {
    /// The device for a new channel: the endpoint's own, or a connection that is begun now.
    pub(super) fn device_for_channel(&mut self, id: EndpointId) -> EndpointId {
        let Some(parent) = self.routing.endpoints.get(id) else {
            return id;
        };
        if !is_gate(&parent.config) {
            return id;
        }
        let config = parent.config.clone();
        let mut device = Device::new(config.clone(), endpoint::new_instance(&config));
        device.parent = Some(id);
        let instance = self.routing.endpoints.insert(device);
        self.after_endpoint(instance);
        instance
    }

    /// An endpoint with all of its connections.
    pub(super) fn family(&self, id: EndpointId) -> impl Iterator<Item = (EndpointId, &Device)> {
        let devices = self.routing.endpoints.iter();
        devices.filter(move |(other, device)| *other == id || device.parent == Some(id))
    }

    /// A connection has ended: its channel is closed once it has been given what had come.
    pub(super) fn end_finished_channels(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get(id) else {
            return;
        };
        let mut finished = Vec::new();
        for route_id in &entry.routes {
            if let Some(route) = self.routing.routes.get(*route_id)
                && let Some(device) = self.routing.endpoints.get(route.endpoint)
                && let Some(why) = &device.ended
                && device.endpoint.message(*route_id).is_none()
                && (route.transcoder.as_ref()).is_none_or(|it| it.front().is_none())
            {
                finished.push((route.channel, why.clone()));
            }
        }
        for (channel, why) in finished {
            self.end_channel(id, channel, "ended", &why);
        }
    }

    /// A channel has gone: its connection has nothing to live for but what it still has to send.
    pub(super) fn dispose_instance(&mut self, now: Instant, id: EndpointId) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        let is_wanted = !device.routes.is_empty() || device.waiting().next().is_some();
        if device.parent.is_none() || is_wanted {
            return;
        }
        let parent = device.parent;
        let devices = self.routing.endpoints.iter();
        let ending = devices.filter(|(_, other)| other.parent == parent && other.routes.is_empty());
        let is_crowded = ending.count() > MAX_ENDING;
        let is_done = device.ended.is_some() || device.endpoint.output().is_empty();
        if is_done || is_crowded {
            self.cancel_endpoint(now, id);
        } else {
            let at = Some(now + PATIENCE);
            self.timers.set(TimerKey::Dispose(id), at);
        }
    }
}
