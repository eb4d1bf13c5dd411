//! The configuration while the daemon runs: read again on SIGHUP, added to over the API, and
//! found by itself on the machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::source::{Command, Source};
use super::timers::TimerKey;
use super::{Device, Gateway};
use crate::access::scope::Verb;
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::config::{
    Config, EndpointConfig, EndpointKind, OwnPlaces, Place, ServedConfig, check_name, endpoint_file,
};
use crate::http::Response;
use crate::ids::{EndpointId, SourceId};
use crate::ports::Port;
use crate::session::control::{EndpointState, Reply};
use crate::util::json;

/// How long after the first news of device files the ports are listed.
const LOOK_DELAY: Duration = Duration::from_millis(100);

/// What of the configuration is kept, to see what a new one changes.
#[derive(Debug)]
pub(super) struct Configured {
    /// What only a restart changes.
    pub(super) served: ServedConfig,
    /// Whether the API may add and remove endpoints.
    pub(super) configure: bool,
    /// Whether ports become endpoints by themselves.
    pub(super) discover: bool,
    /// Requests that wait for a file to be written.
    writes: Vec<PendingWrite>,
    /// Requests that wait for an endpoint's file, by its name.
    readers: Vec<(SourceId, Caller, String)>,
    /// Requests that wait for the list of ports.
    port_askers: Vec<(SourceId, Caller)>,
    /// Origins, beside our own, whose pages may use the API.
    pub(super) allowed_origins: Vec<String>,
    /// This machine's names, which are hosts of ours whatever the configuration says.
    pub(super) own_names: Vec<String>,
    /// The names that the configuration gives this machine (`http.hosts`).
    pub(super) hosts: Vec<String>,
    /// Where the control socket is.
    pub(super) control: Vec<PathBuf>,
}

#[derive(Debug)]
struct PendingWrite {
    source: SourceId,
    caller: Caller,
    name: String,
    /// `None`: it is removed.
    endpoint: Option<Box<EndpointConfig>>,
}

impl Configured {
    pub(super) fn new(config: &Config, own_names: Vec<String>) -> Self {
        Self {
            served: config.served(),
            configure: config.api.configure,
            discover: config.serial.discover,
            writes: Vec::new(),
            readers: Vec::new(),
            port_askers: Vec::new(),
            allowed_origins: config.http.allowed_origins.clone(),
            own_names,
            hosts: config.http.hosts.clone(),
            control: Vec::new(),
        }
    }
}

impl Gateway {
    /// The configuration has been read again. With faults nothing changes.
    pub fn handle_reload(&mut self, now: Instant, result: Result<Config, Vec<String>>) {
        let config = match result {
            Ok(config) => config,
            Err(faults) => {
                for fault in &faults {
                    log::error!("{fault}");
                }
                log::error!("the configuration is faulty: nothing has changed");
                self.events
                    .push("config", &json!({"ok": false, "faults": faults}));
                return;
            }
        };
        let restart = self.configured.served.differences(&config.served());
        for key in &restart {
            log::warn!("{key} has changed, which takes effect after a restart");
        }
        self.limits = config.limits.clone();
        self.configured.configure = config.api.configure;
        if config.serial.discover && !self.configured.discover {
            self.commands.push_back(Command::WatchDevices);
        }
        self.configured.discover = config.serial.discover;
        let mut hosts = self.configured.own_names.clone();
        hosts.extend(config.http.hosts.iter().cloned());
        self.policy = crate::api::origin::Policy::new(hosts, config.http.allowed_origins.clone());
        self.configured.allowed_origins = config.http.allowed_origins.clone();
        self.configured.hosts = config.http.hosts.clone();
        self.trust_loopback = config.access.trust_loopback;
        let tls_files = std::mem::replace(&mut self.tls_files, config.http.tls.clone());
        // Our own does not change, and may be one that could not be kept.
        let is_own = tls_files.is_none() && self.tls_files.is_none();
        if self.tls.is_some() && !is_own {
            self.load_tls();
        }
        let changed = self.apply_endpoints(now, config.endpoints);
        self.use_hub_config(now, &config.hub);
        log::info!("the configuration was read again: {changed} endpoints changed");
        let event = json!({"ok": true, "endpoints_changed": changed, "needs_restart": restart});
        self.events.push("config", &event);
        if self.configured.discover {
            self.commands.push_back(Command::ListPorts);
        }
    }

    /// Endpoints that did not change keep their channels.
    fn apply_endpoints(&mut self, now: Instant, wanted: Vec<EndpointConfig>) -> usize {
        let mut changed = 0;
        let mut armed = Vec::new();
        let names: Vec<_> = self.routing.endpoint_names.clone().into_iter().collect();
        for (name, id) in names {
            let Some(device) = self.routing.endpoints.get_mut(id) else {
                continue;
            };
            let new = wanted.iter().find(|endpoint| endpoint.name == name);
            let is_found = device.config.place == Place::Found && self.configured.discover;
            // A file may have given the port that was found a name of its own.
            let is_taken = wanted
                .iter()
                .any(|endpoint| endpoint.shares_with(&device.config));
            match new {
                None if is_found && !is_taken => {}
                Some(new) if new.is_same(&device.config) => {
                    device.config.place = new.place.clone();
                }
                None => {
                    changed += 1;
                    self.remove_endpoint(now, id, "removed");
                }
                Some(_) => {
                    let writing = std::mem::take(&mut device.writing);
                    self.remove_endpoint(now, id, "reconfigured");
                    armed.push((name, writing));
                }
            }
        }
        for endpoint in wanted {
            if !self.routing.endpoint_names.contains_key(&endpoint.name) {
                changed += 1;
                self.add_and_announce(now, endpoint);
            }
        }
        // A machine whose writer is watched is watched on.
        for (name, before) in armed {
            self.keep_watching(now, &name, before);
        }
        changed
    }

    fn add_and_announce(&mut self, now: Instant, config: EndpointConfig) {
        // What was found makes way for what is configured.
        let found: Vec<_> = self
            .routing
            .endpoints
            .iter()
            .filter(|(_, device)| {
                device.config.place == Place::Found && config.shares_with(&device.config)
            })
            .map(|(id, _)| id)
            .collect();
        for id in found {
            self.remove_endpoint(now, id, "removed");
        }
        let name = config.name.clone();
        self.add_endpoint(config);
        if let Some(id) = self.routing.endpoint_names.get(&name) {
            self.announce_endpoint(*id);
        }
    }

    /// Closes its channels and its device, and forgets it.
    fn remove_endpoint(&mut self, now: Instant, id: EndpointId, reason: &'static str) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        let (name, kind) = (device.config.name.clone(), device.config.kind.as_str());
        let family = self.family(id);
        let routes: Vec<_> = family
            .flat_map(|(_, device)| device.routes.clone())
            .collect();
        let detail = format!("the endpoint was {reason}");
        for route in routes {
            if let Some(route) = self.routing.routes.get(route) {
                let (session, channel) = (route.session, route.channel);
                self.end_channel(session, channel, reason, &detail);
            }
        }
        // First of all: whoever asks for it from now on is told that it is not there.
        self.routing.endpoint_names.remove(&name);
        self.cancel_endpoint(now, id);
        log::info!("endpoint {name}: {reason}");
        let gone = EndpointState {
            name: &name,
            kind,
            state: reason,
            detail: "",
        };
        self.events.push("endpoint", &json!(gone));
        for session in self.sessions.ids() {
            if let Some(entry) = self.sessions.get_mut(session)
                && entry.grant.allows(&name, Verb::Read)
            {
                entry.session.tell(&Reply::Endpoint {
                    endpoint: gone.clone(),
                });
                self.touch_session(session);
            }
        }
    }

    // ---- over the API ----

    /// Whether the API may write or remove this endpoint's file.
    pub(super) fn check_configurable(&self, name: &str) -> Result<(), Problem> {
        if !self.configured.configure {
            let detail = "the configuration does not allow this: api.configure is false";
            return Err(Problem::new(403, detail));
        }
        check_name(name).map_err(|why| {
            let detail = format!("an endpoint's name {why}");
            Problem::new(400, &detail).at("path")
        })?;
        let device = self.device_named(name);
        // Others in the file of this name would go with it.
        let own_file = endpoint_file(name);
        let mut others = self.routing.endpoints.iter().filter(|(_, device)| {
            let place = &device.config.place;
            let is_there = matches!(place, Place::File { file, .. } if file.ends_with(&own_file));
            is_there && device.config.name != name
        });
        if let Some((_, other)) = others.next() {
            let detail = format!("{own_file} has endpoint {}, too", other.config.name);
            return Err(Problem::new(409, &detail).at("path"));
        }
        match device.map(|device| &device.config.place) {
            None | Some(Place::Found) => Ok(()),
            Some(Place::File { file, .. }) if file.ends_with(&endpoint_file(name)) => Ok(()),
            Some(Place::File { file, line }) => {
                let detail = format!("this endpoint is in {file}, line {line}: change it there");
                Err(Problem::new(409, &detail).at("path"))
            }
            Some(Place::BuiltIn) => {
                let detail = "this endpoint is built in; with a configuration file it is not there";
                Err(Problem::new(409, detail).at("path"))
            }
        }
    }

    /// `GET /endpoints/{name}/config`. The answer comes when the file has been read.
    pub(super) fn ask_endpoint_file(
        &mut self,
        source: SourceId,
        caller: &Caller,
        name: &str,
    ) -> Result<(), Problem> {
        self.check_own_file(name)?;
        let waiting = (source, caller.clone(), name.to_owned());
        self.configured.readers.push(waiting);
        let name = name.to_owned();
        self.commands.push_back(Command::ReadEndpoint { name });
        Ok(())
    }

    /// The answer to [`Command::ReadEndpoint`].
    pub fn handle_endpoint_read(
        &mut self,
        now: Instant,
        name: &str,
        result: Result<Value, String>,
    ) {
        let mut readers = self.configured.readers.iter();
        let Some(at) = readers.position(|(.., wanted)| wanted == name) else {
            return;
        };
        let (source, caller, _) = self.configured.readers.remove(at);
        let response = match result {
            Ok(json) => Response::new(200).body("application/json", json.to_string().into_bytes()),
            Err(detail) => Problem::new(409, &detail).response(),
        };
        self.answer(now, source, &caller, response);
        self.service(now, source);
    }

    /// Whether an endpoint stands in a file of its own, which the API may read, write and remove.
    fn check_own_file(&self, name: &str) -> Result<(), Problem> {
        self.check_configurable(name)?;
        let device = self.device_named(name);
        if device.is_some_and(|device| matches!(device.config.place, Place::File { .. })) {
            return Ok(());
        }
        let detail = "no endpoint of this name has a file of its own";
        Err(Problem::new(404, detail).at("path"))
    }

    fn device_named(&self, name: &str) -> Option<&Device> {
        let id = self.routing.endpoint_names.get(name)?;
        self.routing.endpoints.get(*id)
    }

    pub(super) fn put_endpoint(
        &mut self,
        source: SourceId,
        caller: &Caller,
        name: &str,
        body: &[u8],
    ) -> Result<(), Problem> {
        self.check_configurable(name)?;
        let value: Value = json::from_body(body)
            .map_err(|error| Problem::new(400, &error.to_string()).at("body"))?;
        let text = crate::config::endpoint_toml(name, &value)
            .map_err(|detail| Problem::new(400, &detail).at("body"))?;
        let config = Config::parse(&text).map_err(|faults| {
            let all: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            Problem::new(422, &all.join("; ")).at("body")
        })?;
        let [mut endpoint] = <[_; 1]>::try_from(config.endpoints)
            .map_err(|_| Problem::new(422, "the body is one endpoint").at("body"))?;
        endpoint.place = Place::File {
            file: endpoint_file(name),
            line: 1,
        };
        if let Some(why) = self.own_places().fault(&endpoint.kind) {
            return Err(Problem::new(422, &why).at("remote"));
        }
        self.check_path(&endpoint)?;
        self.configured.writes.push(PendingWrite {
            source,
            caller: caller.clone(),
            name: name.to_owned(),
            endpoint: Some(Box::new(endpoint)),
        });
        let device = self.device_named(name);
        let replace =
            device.is_some_and(|device| matches!(device.config.place, Place::File { .. }));
        self.commands.push_back(Command::WriteEndpoint {
            name: name.to_owned(),
            text: Some(text),
            replace,
        });
        Ok(())
    }

    /// Where this daemon itself can be reached.
    fn own_places(&self) -> OwnPlaces {
        let listeners = self.sources.iter().filter_map(|(_, source)| match source {
            Source::Listener { addr, local, .. } => Some(local.unwrap_or(*addr)),
            Source::ControlSocket
            | Source::Http(_)
            | Source::WebSocket(_)
            | Source::Device(_)
            | Source::DeviceListener(_)
            | Source::Capture(_)
            | Source::Ice => None,
        });
        OwnPlaces {
            listeners: listeners.collect(),
            addresses: self.rendezvous.addresses().collect(),
            control: self.configured.control.clone(),
            ice: [self.ports.v4, self.ports.v6]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// As in a file: no two endpoints have one line, or one capture.
    fn check_path(&self, new: &EndpointConfig) -> Result<(), Problem> {
        let mut devices = self.routing.endpoints.iter();
        // One that was found makes way.
        let other = devices.find(|(_, device)| {
            let is_kept = device.config.place != Place::Found;
            is_kept && device.config.name != new.name && new.shares_with(&device.config)
        });
        // Nor one that is being written down.
        let mut writes = self.configured.writes.iter();
        let pending = writes.find_map(|write| {
            let endpoint = write.endpoint.as_deref();
            endpoint.filter(|other| other.name != new.name && new.shares_with(other))
        });
        let other = other.map(|(_, device)| &device.config).or(pending);
        match other {
            None => Ok(()),
            Some(other) => {
                let detail = format!("endpoint {} has this path", other.name);
                Err(Problem::new(409, &detail).at("body"))
            }
        }
    }

    pub(super) fn delete_endpoint(
        &mut self,
        source: SourceId,
        caller: &Caller,
        name: &str,
    ) -> Result<(), Problem> {
        self.check_own_file(name)?;
        self.configured.writes.push(PendingWrite {
            source,
            caller: caller.clone(),
            name: name.to_owned(),
            endpoint: None,
        });
        self.commands.push_back(Command::WriteEndpoint {
            name: name.to_owned(),
            text: None,
            replace: true,
        });
        Ok(())
    }

    /// The answer to [`Command::WriteEndpoint`].
    pub fn handle_endpoint_written(
        &mut self,
        now: Instant,
        name: &str,
        result: Result<(), String>,
    ) {
        let at = self.configured.writes.iter().position(|w| w.name == name);
        let Some(at) = at else { return };
        let write = self.configured.writes.remove(at);
        let response = match result {
            Err(detail) => {
                log::error!("endpoint {name}: {detail}");
                Problem::new(409, &detail).response()
            }
            Ok(()) => {
                let before = self.routing.endpoint_names.get(name).copied();
                let device = before.and_then(|id| self.routing.endpoints.get_mut(id));
                let new = write.endpoint.as_deref();
                let is_same = match (device, new) {
                    (Some(device), Some(new)) if new.is_same(&device.config) => {
                        device.config.place = new.place.clone();
                        true
                    }
                    _ => false,
                };
                let reason = match new {
                    None => "removed",
                    Some(_) => "reconfigured",
                };
                if let Some(id) = before.filter(|_| !is_same) {
                    self.remove_endpoint(now, id, reason);
                }
                match write.endpoint {
                    None => Response::new(200),
                    Some(endpoint) => {
                        if !is_same {
                            self.add_and_announce(now, *endpoint);
                        }
                        let location = format!("/endpoints/{name}");
                        let status = if before.is_some() { 200 } else { 201 };
                        let json = self.endpoint_json(name).unwrap_or_default();
                        Response::new(status)
                            .header("Location", &location)
                            .body("application/json", json.to_string().into_bytes())
                    }
                }
            }
        };
        self.answer(now, write.source, &write.caller, response);
        self.service(now, write.source);
    }

    // ---- ports ----

    pub(super) fn ask_ports(&mut self, source: SourceId, caller: &Caller) {
        self.configured.port_askers.push((source, caller.clone()));
        self.commands.push_back(Command::ListPorts);
    }

    /// Device files have come or gone.
    pub fn handle_devices_changed(&mut self, now: Instant) {
        let ids: Vec<_> = self.routing.endpoint_names.values().copied().collect();
        for id in ids {
            if let Some(device) = self.routing.endpoints.get_mut(id) {
                device.endpoint.look_again(now);
                self.after_endpoint(id);
            }
        }
        // An adapter brings a dozen news; one look, when the last links have been made, does.
        if self.configured.discover && !self.timers.is_set(TimerKey::Ports) {
            self.timers.set(TimerKey::Ports, Some(now + LOOK_DELAY));
        }
    }

    /// The answer to [`Command::ListPorts`].
    pub fn handle_ports(&mut self, now: Instant, ports: &[Port]) {
        for (source, caller) in std::mem::take(&mut self.configured.port_askers) {
            let list: Vec<Value> = ports
                .iter()
                .map(|port| {
                    let mut json = json!(port);
                    if let Some(fields) = json.as_object_mut() {
                        let lines = crate::ports::config_lines(port);
                        fields.insert("config".to_owned(), Value::from(lines));
                        let endpoint = self.endpoint_of_port(port);
                        fields.insert("endpoint".to_owned(), Value::from(endpoint));
                    }
                    json
                })
                .collect();
            let body = json!({"ports": list}).to_string().into_bytes();
            let response = Response::new(200)
                .header("Cache-Control", "no-store")
                .body("application/json", body);
            self.answer(now, source, &caller, response);
            self.service(now, source);
        }
        if self.configured.discover {
            self.discover(now, ports);
        }
    }

    /// The name of the endpoint that has this port already.
    fn endpoint_of_port(&self, port: &Port) -> Option<String> {
        let names = [
            Some(port.device.as_str()),
            port.by_id.as_deref(),
            port.by_path.as_deref(),
        ];
        let mut devices = self.routing.endpoints.iter();
        let found = devices.find(|(_, device)| {
            let EndpointKind::Serial { path, .. } = &device.config.kind else {
                return false;
            };
            names.iter().flatten().any(|name| path.as_os_str() == *name)
        });
        found.map(|(_, device)| device.config.name.clone())
    }

    /// Makes endpoints of ports that nobody has. They stay when the port goes, absent, like
    /// others, so that its channels stay too.
    fn discover(&mut self, now: Instant, ports: &[Port]) {
        for port in ports {
            let is_free = port.warnings.is_empty() && port.holders.is_empty();
            if !is_free || self.endpoint_of_port(port).is_some() {
                continue;
            }
            if self
                .routing
                .endpoint_names
                .contains_key(&port.suggested_name)
            {
                continue;
            }
            if let Ok(config) = Config::parse(&crate::ports::config_lines(port)) {
                for mut endpoint in config.endpoints {
                    log::info!("endpoint {}: found at {}", endpoint.name, port.device);
                    endpoint.place = Place::Found;
                    self.add_and_announce(now, endpoint);
                }
            }
        }
    }
}
