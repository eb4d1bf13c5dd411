//! What is kept of the configuration, and what is under way to change it.

use std::time::Instant;

use crate::config::{Config, EndpointConfig, ServedConfig};
use crate::ids::RequestId;

/// What of the configuration is kept, to see what a new one changes, and what is under way to change it.
#[derive(Debug)]
pub(super) struct Configured {
    /// What only a restart changes.
    pub(super) served: ServedConfig,
    /// Whether the API may add and remove endpoints.
    pub(super) configure: bool,
    /// Whether ports become endpoints by themselves.
    pub(super) discover: bool,
    /// Files that are being written.
    pub(super) writes: Vec<PendingWrite>,
    /// Requests that wait for an endpoint's file, by its name.
    pub(super) readers: Vec<(RequestId, String)>,
    /// Requests that wait for the list of ports.
    pub(super) port_askers: Vec<RequestId>,
    /// When the ports are listed, after device files have come or gone.
    pub(super) look_at: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct PendingWrite {
    pub(super) request: RequestId,
    pub(super) name: String,
    /// `None`: it is removed.
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

    /// Returns when [`Gateway::handle_own_timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }
}
