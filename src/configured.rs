//! The part of the configuration that the gateway keeps, and the changes to it that are in progress.

use std::time::{Duration, Instant};

use crate::config::{Config, EndpointConfig, ServedConfig};
use crate::ids::RequestId;
use crate::sources::{Command, Context};

/// How long after the first change of device files the ports are listed. An adapter causes a dozen changes, and one
/// listing after its last links were made is enough.
const LOOK_DELAY: Duration = Duration::from_millis(100);

/// The kept part of the configuration, to compare a new one with, and the changes in progress.
#[derive(Debug)]
pub(crate) struct Configured {
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
pub(crate) struct PendingWrite {
    pub(crate) request: RequestId,
    pub(crate) name: String,
    /// The endpoint's new configuration. `None`: the file is being removed.
    pub(crate) endpoint: Option<Box<EndpointConfig>>,
}

impl Configured {
    pub(crate) fn new(config: &Config) -> Self {
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
    pub(crate) fn may_configure(&self) -> bool {
        self.configure
    }

    /// Returns the endpoints whose files are being written.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &EndpointConfig> {
        (self.writes.iter()).filter_map(|write| write.endpoint.as_deref())
    }

    /// Returns whether found ports become endpoints without configuration.
    pub(crate) fn discovers(&self) -> bool {
        self.discover
    }

    /// Uses a new configuration. Returns the keys that have changed and take effect after a restart.
    pub(crate) fn update(&mut self, cx: &mut Context<'_>, config: &Config) -> Vec<&'static str> {
        self.configure = config.api.configure;
        if config.serial.discover && !self.discover {
            cx.sources.ask(Command::WatchDevices);
        }
        self.discover = config.serial.discover;
        self.served.differences(&config.served())
    }

    // ---- files of endpoints ----

    /// Reads an endpoint's file for a request.
    pub(crate) fn read_file(&mut self, cx: &mut Context<'_>, request: RequestId, name: &str) {
        self.readers.push((request, name.to_owned()));
        let name = name.to_owned();
        cx.sources.ask(Command::ReadEndpoint { name });
    }

    /// Takes out the request that waits longest for this file.
    pub(crate) fn take_reader(&mut self, name: &str) -> Option<RequestId> {
        let at = self.readers.iter().position(|(_, wanted)| wanted == name)?;
        Some(self.readers.remove(at).0)
    }

    /// Writes an endpoint's file (`text`), or removes it (`None`). `replace`: a file of this name exists and may be
    /// replaced.
    pub(crate) fn write_file(
        &mut self,
        cx: &mut Context<'_>,
        write: PendingWrite,
        text: Option<String>,
        replace: bool,
    ) {
        let name = write.name.clone();
        self.writes.push(write);
        cx.sources.ask(Command::WriteEndpoint {
            name,
            text,
            replace,
        });
    }

    /// Takes out the change of this file that is oldest.
    pub(crate) fn take_write(&mut self, name: &str) -> Option<PendingWrite> {
        let at = self.writes.iter().position(|write| write.name == name)?;
        Some(self.writes.remove(at))
    }

    // ---- ports ----

    /// Lists the ports at the start, if found ports become endpoints.
    pub(crate) fn start(&self, cx: &mut Context<'_>) {
        if self.discover {
            cx.sources.ask(Command::WatchDevices);
            cx.sources.ask(Command::ListPorts);
        }
    }

    /// Lists the ports for a request.
    pub(crate) fn ask_ports(&mut self, cx: &mut Context<'_>, request: RequestId) {
        self.port_askers.push(request);
        cx.sources.ask(Command::ListPorts);
    }

    /// Takes out the requests that wait for the list of ports.
    pub(crate) fn take_port_askers(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.port_askers)
    }

    /// Schedules a listing after device files have changed.
    pub(crate) fn handle_devices_changed(&mut self, now: Instant) {
        if self.discover && self.look_at.is_none() {
            self.look_at = Some(now + LOOK_DELAY);
        }
    }

    /// Lists the ports if that is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.look_at.take_if(|at| *at <= now).is_some() {
            cx.sources.ask(Command::ListPorts);
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }
}

impl PendingWrite {
    /// Returns a write of an endpoint's file for a request.
    pub(crate) fn of(request: RequestId, endpoint: EndpointConfig) -> Self {
        Self {
            request,
            name: endpoint.name.clone(),
            endpoint: Some(Box::new(endpoint)),
        }
    }

    /// Returns a removal of an endpoint's file for a request.
    pub(crate) fn removal(request: RequestId, name: &str) -> Self {
        Self {
            request,
            name: name.to_owned(),
            endpoint: None,
        }
    }
}
