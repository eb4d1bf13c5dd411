//! Changes of the configuration while the daemon runs: reloads on SIGHUP, writes over the API, and ports
//! found on the machine.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Gateway, cx, look, tell};
use crate::access::Access;
use crate::api::problem::Problem;
use crate::api::shapes::fresh_json;
use crate::config::{Config, ConfigPlace, EndpointConfig};
use crate::devices::Bounds;
use crate::http::Response;
use crate::ids::EndpointId;
use crate::limits;
use crate::ports::{self, Port};
use crate::session::control::EndpointState;
use crate::session::set::Ending;
use crate::sources::Command;

impl Gateway {
    /// Applies a configuration that was read again. A configuration with faults changes nothing. Returns the
    /// event for the readers of events.
    pub(super) fn reload(&mut self, now: Instant, result: Result<Config, Vec<String>>) -> Value {
        let config = match result {
            Ok(config) => config,
            Err(faults) => {
                for fault in &faults {
                    log::error!("{fault}");
                }
                log::error!("the configuration is faulty: nothing has changed");
                return json!({"ok": false, "faults": faults});
            }
        };
        let restart = self.config.update(cx!(self, now), &config);
        for key in &restart {
            log::warn!("{key} has changed, which takes effect after a restart");
        }
        self.limits = config.limits.clone();
        self.sessions.set_limits(self.limits.clone());
        self.devices.set_bounds(Bounds {
            route_queue: self.limits.route_queue,
            sessions: self.limits.sessions,
        });
        self.media.set_max_viewers(self.limits.viewers);
        self.front.configure(cx!(self, now), &config);
        let changed = self.apply_endpoints(now, config.endpoints);
        // After the endpoints, because the new configuration may let peers offer the new endpoints.
        let (peers, sessions) = (self.limits.peers, self.limits.sessions);
        self.rendezvous
            .configure(cx!(self, now), &config.hub, peers, sessions);
        if self.config.discovers() {
            self.sources.ask(Command::ListPorts);
        }
        log::info!("the configuration was read again: {changed} endpoints changed");
        json!({"ok": true, "endpoints_changed": changed, "needs_restart": restart})
    }

    /// Adds, changes and removes endpoints. Unchanged endpoints keep their channels. Returns how many
    /// endpoints changed.
    fn apply_endpoints(&mut self, now: Instant, wanted: Vec<EndpointConfig>) -> usize {
        let mut changed = 0;
        let mut armed = Vec::new();
        let known: Vec<(EndpointId, EndpointConfig)> = (self.devices.table().configs())
            .map(|(id, config)| (id, config.clone()))
            .collect();
        for (id, config) in known {
            let new = wanted.iter().find(|endpoint| endpoint.name == config.name);
            let is_found = config.place == ConfigPlace::Found && self.config.discovers();
            // The configuration may now give a name to the port of an endpoint that was found.
            let is_taken = wanted.iter().any(|endpoint| endpoint.shares_with(&config));
            match new {
                None if is_found && !is_taken => {}
                Some(new) if new.is_same(&config) => self.devices.set_place(id, new.place.clone()),
                None => {
                    changed += 1;
                    self.remove_endpoint(now, id, "removed");
                }
                Some(_) => {
                    let writing = self.devices.take_writing(id);
                    self.remove_endpoint(now, id, "reconfigured");
                    armed.push((config.name, writing));
                }
            }
        }
        for endpoint in wanted {
            if self.devices.table().find(&endpoint.name).is_none() {
                changed += 1;
                self.add_and_announce(now, endpoint);
            }
        }
        // A machine whose writer was watched stays watched after its endpoint was configured anew.
        for (name, before) in armed {
            if let Some(id) = self.devices.table().find(&name) {
                self.devices.keep_watching(cx!(self, now), id, before);
            }
        }
        changed
    }

    /// Makes an endpoint, and tells the rendezvous its name.
    pub(super) fn add_endpoint(&mut self, now: Instant, config: EndpointConfig) -> EndpointId {
        let name = config.name.clone();
        let rtp = config.rtp().cloned();
        let id = self.devices.add(cx!(self, now), config);
        if let Some(rtp) = rtp {
            self.media.add(cx!(self, now), id, &name, &rtp);
        }
        self.rendezvous.set_endpoint(&name, Some(id));
        id
    }

    fn add_and_announce(&mut self, now: Instant, config: EndpointConfig) {
        // Remove found endpoints first, because a configured endpoint replaces a found one with the same
        // port.
        let found: Vec<EndpointId> = (self.devices.table().configs())
            .filter(|(_, other)| other.place == ConfigPlace::Found && config.shares_with(other))
            .map(|(id, _)| id)
            .collect();
        for id in found {
            self.remove_endpoint(now, id, "removed");
        }
        let id = self.add_endpoint(now, config);
        self.settle_device_events(now);
        if let Some(view) = self.devices.table().view(id) {
            tell!(self).announce(&view, view.state.as_str());
        }
    }

    /// Closes an endpoint's channels and its device, and removes the endpoint.
    fn remove_endpoint(&mut self, now: Instant, id: EndpointId, reason: &'static str) {
        let Some(view) = self.devices.table().view(id) else {
            return;
        };
        let detail = format!("the endpoint was {reason}");
        for (session, channel) in self.devices.table().channels_at(id) {
            self.end_channel(now, session, channel, Ending::Closed, reason, &detail);
        }
        // Remove the name first, so that no lookup finds the endpoint that is being removed.
        self.devices.forget_name(&view.name);
        self.rendezvous.set_endpoint(&view.name, None);
        self.media.remove(cx!(self, now), id);
        self.devices.remove(cx!(self, now), id);
        self.settle_device_events(now);
        log::info!("endpoint {}: {reason}", view.name);
        tell!(self).endpoint(&EndpointState {
            name: &view.name,
            kind: view.kind,
            state: reason,
            detail: "",
            media: &view.media,
            takes: &view.takes,
        });
    }

    // ---- over the API ----

    /// Handles the result of [`Command::WriteEndpoint`].
    pub(super) fn use_written(&mut self, now: Instant, name: &str, result: Result<(), String>) {
        let Some(write) = self.config.take_write(name) else {
            return;
        };
        if let Err(detail) = result {
            log::error!("endpoint {name}: {detail}");
            let (cx, response) = (cx!(self, now), Problem::new(409, &detail).response());
            let connections = self.front.connections_mut();
            return connections.answer(cx, write.request, response);
        }
        let before = self.devices.table().find(name);
        let config = before.and_then(|id| self.devices.table().config(id));
        let new = write.endpoint.as_deref();
        let is_same = config.zip(new).is_some_and(|(old, new)| new.is_same(old));
        let mut writing = None;
        if let Some(id) = before {
            match new {
                Some(new) if is_same => self.devices.set_place(id, new.place.clone()),
                Some(_) => {
                    writing = Some(self.devices.take_writing(id));
                    self.remove_endpoint(now, id, "reconfigured");
                }
                None => self.remove_endpoint(now, id, "removed"),
            }
        }
        let response = match write.endpoint {
            None => Response::new(200),
            Some(endpoint) => {
                if !is_same {
                    self.add_and_announce(now, *endpoint);
                }
                let id = self.devices.table().find(name);
                if let Some((id, before)) = id.zip(writing) {
                    self.devices.keep_watching(cx!(self, now), id, before);
                }
                let json = id.and_then(|id| look!(self).endpoint(id));
                let status = if before.is_some() { 200 } else { 201 };
                let response = Response::new(status);
                let response = response.header("Location", &format!("/endpoints/{name}"));
                let body = json.unwrap_or_default().to_string().into_bytes();
                response.body("application/json", body)
            }
        };
        let (cx, connections) = (cx!(self, now), self.front.connections_mut());
        connections.answer(cx, write.request, response);
    }

    // ---- ports ----

    /// Handles the result of [`Command::ListPorts`].
    pub(super) fn use_ports(&mut self, now: Instant, found: &[Port]) {
        for request in self.config.take_port_askers() {
            let user_of = |port| look!(self).endpoint_of_port(port);
            let list = found.iter().map(|port| ports::to_json(port, user_of(port)));
            let response = fresh_json(&json!({"ports": list.collect::<Vec<Value>>()}));
            self.front
                .connections_mut()
                .answer(cx!(self, now), request, response);
        }
        // A found endpoint stays when its port vanishes, absent like others, so that its channels stay too.
        let discovers = self.config.discovers();
        for port in found.iter().filter(|_| discovers) {
            let is_free = port.warnings.is_empty() && port.holders.is_empty();
            if !is_free || look!(self).endpoint_of_port(port).is_some() {
                continue;
            }
            if self.devices.table().find(&port.suggested_name).is_some() {
                continue;
            }
            if let Ok(config) = Config::parse(&ports::config_lines(port)) {
                for mut endpoint in config.endpoints {
                    log::info!("endpoint {}: found at {}", endpoint.name, port.device);
                    endpoint.place = ConfigPlace::Found;
                    self.add_and_announce(now, endpoint);
                }
            }
        }
    }

    // ---- before the first turn ----

    /// Applies what is known of tokens, and opens the gateway to the network where that was set up.
    pub fn use_access(&mut self, access: Access) {
        let started = self.clock.started;
        self.front.use_access(cx!(self, started), access);
    }

    /// Listens at a Unix socket for the command line, too.
    pub fn listen_control(&mut self, path: PathBuf) {
        let started = self.clock.started;
        self.front.listen_control(cx!(self, started), path);
    }

    /// Limits connections to the number of file descriptors that the process may open. Logs a warning if the
    /// configuration asks for more descriptors.
    pub fn use_descriptors(&mut self, limit: usize) {
        self.sources.set_descriptors(limit);
        let (connections, ports) = (
            self.limits.connections,
            self.rendezvous.config().content.ports,
        );
        let needed = limits::OWN_DESCRIPTORS
            + limits::SPARE_DESCRIPTORS
            + limits::CONTROL_CONNECTIONS
            + connections
            + usize::from(ports)
            + 2 * self.devices.table().len();
        if needed > limit {
            log::warn!(
                "the process may open {limit} files, and with limits.connections = {connections} and content.ports = {ports} it \
                 may need {needed}: raise the limit (LimitNOFILE= of the service, or ulimit -n), or lower those"
            );
        }
    }
}
