//! The part of the configuration that the gateway keeps, and the changes to it that are in progress.

use std::time::{Duration, Instant};

use crate::config::{Config, EndpointConfig, ServedConfig};
use crate::ids::RequestId;
use crate::sources::{Command, Sources};

/// How long after the first change of device files the ports are listed. An adapter causes a dozen changes, and one
/// listing after its last links were made is enough.
const LOOK_DELAY: Duration = Duration::from_millis(100);

/// The kept part of the configuration, to compare a new one with, and the changes in progress.
#[derive(Debug)]
pub(super) struct Configured {
    /// The settings that only a restart changes.
    served: ServedConfig,
    /// Whether the API may add and remove endpoints.
    configure: bool,
    /// Whether found ports become endpoints without configuration.
    discover: bool,
    /// Files that are being written.
    writes: Vec<PendingWrite>,
    /// Requests that wait for an endpoint's file, each with the endpoint's name.
    readers: Vec<(RequestId, String)>,
    /// Requests that wait for the list of ports.
    port_askers: Vec<RequestId>,
    /// When the ports are to be listed because device files have changed.
    look_at: Option<Instant>,
}

/// A change of an endpoint's file that is in progress.
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

    /// Returns whether found ports become endpoints without configuration.
    pub(super) fn discovers(&self) -> bool {
        self.discover
    }

    /// Uses a new configuration. Returns the keys that have changed and take effect after a restart.
    pub(super) fn update(&mut self, sources: &mut Sources, config: &Config) -> Vec<&'static str> {
        self.configure = config.api.configure;
        if config.serial.discover && !self.discover {
            sources.ask(Command::WatchDevices);
        }
        self.discover = config.serial.discover;
        self.served.differences(&config.served())
    }

    // ---- files of endpoints ----

    /// Reads an endpoint's file for a request.
    pub(super) fn read_file(&mut self, sources: &mut Sources, request: RequestId, name: &str) {
        self.readers.push((request, name.to_owned()));
        let name = name.to_owned();
        sources.ask(Command::ReadEndpoint { name });
    }

    /// Takes out the request that waits longest for this file.
    pub(super) fn take_reader(&mut self, name: &str) -> Option<RequestId> {
        let at = self.readers.iter().position(|(_, wanted)| wanted == name)?;
        Some(self.readers.remove(at).0)
    }

    /// Writes an endpoint's file (`text`), or removes it (`None`). `replace`: a file of this name exists and may be
    /// replaced.
    pub(super) fn write_file(
        &mut self,
        sources: &mut Sources,
        write: PendingWrite,
        text: Option<String>,
        replace: bool,
    ) {
        let name = write.name.clone();
        self.writes.push(write);
        sources.ask(Command::WriteEndpoint {
            name,
            text,
            replace,
        });
    }

    /// Takes out the change of this file that is oldest.
    pub(super) fn take_write(&mut self, name: &str) -> Option<PendingWrite> {
        let at = self.writes.iter().position(|write| write.name == name)?;
        Some(self.writes.remove(at))
    }

    // ---- ports ----

    /// Lists the ports at the start, if found ports become endpoints.
    pub(super) fn start(&self, sources: &mut Sources) {
        if self.discover {
            sources.ask(Command::WatchDevices);
            sources.ask(Command::ListPorts);
        }
    }

    /// Lists the ports for a request.
    pub(super) fn ask_ports(&mut self, sources: &mut Sources, request: RequestId) {
        self.port_askers.push(request);
        sources.ask(Command::ListPorts);
    }

    /// Takes out the requests that wait for the list of ports.
    pub(super) fn take_port_askers(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.port_askers)
    }

    /// Schedules a listing after device files have changed.
    pub(super) fn handle_devices_changed(&mut self, now: Instant) {
        if self.discover && self.look_at.is_none() {
            self.look_at = Some(now + LOOK_DELAY);
        }
    }

    /// Lists the ports if that is due.
    pub(super) fn handle_timeout(&mut self, sources: &mut Sources, now: Instant) {
        if self.look_at.take_if(|at| *at <= now).is_some() {
            sources.ask(Command::ListPorts);
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }
}

impl PendingWrite {
    /// Returns a write of an endpoint's file for a request.
    pub(super) fn of(request: RequestId, endpoint: EndpointConfig) -> Self {
        Self {
            request,
            name: endpoint.name.clone(),
            endpoint: Some(Box::new(endpoint)),
        }
    }

    /// Returns a removal of an endpoint's file for a request.
    pub(super) fn removal(request: RequestId, name: &str) -> Self {
        Self {
            request,
            name: name.to_owned(),
            endpoint: None,
        }
    }
}
