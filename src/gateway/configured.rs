//! The part of the configuration that the gateway keeps, and the changes to it that are in progress.

use std::time::Instant;

use crate::config::{Config, EndpointConfig, ServedConfig};
use crate::ids::RequestId;

/// The kept part of the configuration, to compare a new one with, and the changes in progress.
#[derive(Debug)]
pub(super) struct Configured {
    /// The settings that only a restart changes.
    pub(super) served: ServedConfig,
    /// Whether the API may add and remove endpoints.
    pub(super) configure: bool,
    /// Whether found ports become endpoints without configuration.
    pub(super) discover: bool,
    /// Files that are being written.
    pub(super) writes: Vec<PendingWrite>,
    /// Requests that wait for an endpoint's file, each with the endpoint's name.
    pub(super) readers: Vec<(RequestId, String)>,
    /// Requests that wait for the list of ports.
    pub(super) port_askers: Vec<RequestId>,
    /// When the ports are to be listed because device files have changed.
    pub(super) look_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct PendingWrite {
    pub(super) request: RequestId,
    pub(super) name: String,
    /// The endpoint's new configuration. `None`: the file is being removed.
    pub(super) endpoint: Option<Box<EndpointConfig>>,
}

impl Configured {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            served: config.served(),
            configure: config.api.configure,
            discover: config.serial.discover,
            writes: Vec::new(),
            readers: Vec::new(),
            port_askers: Vec::new(),
            look_at: None,
        }
    }

    /// Returns whether the API may add and remove endpoints.
    pub(super) fn may_configure(&self) -> bool {
        self.configure
    }

    /// Returns the endpoints whose files are being written.
    pub(super) fn pending(&self) -> impl Iterator<Item = &EndpointConfig> {
        (self.writes.iter()).filter_map(|write| write.endpoint.as_deref())
    }

    /// Returns when [`super::Gateway::handle_own_timeout`] must be called next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }
}
