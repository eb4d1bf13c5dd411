//! Lookups and checks that change nothing.

use super::views::Views;
use crate::access::places::Claimant;
use crate::access::scope::{Grant, Verb};
use crate::api::problem::Problem;
use crate::config::{EndpointConfig, EndpointKind, OwnPlaces, Place, check_name, endpoint_file};
use crate::devices::LeaseDenied;
use crate::ids::{EndpointId, RequestId, SessionId};
use crate::ports::Port;

/// Why a request is denied: the reason as it stands on the wire, and a sentence.
pub(super) struct Denied {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Denied {
    pub(super) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }

    pub(super) fn unknown_endpoint() -> Self {
        Self::new("unknown-endpoint", "no endpoint has this name")
    }
}

impl<'a> Views<'a> {
    /// Returns what a session may do.
    pub(super) fn grant_of(self, id: SessionId) -> Grant {
        self.sessions.grant(id).cloned().unwrap_or_default()
    }

    /// Returns the endpoint of this name if the session may use it in this way. If the session may not even
    /// read the endpoint, the error does not reveal that the endpoint exists.
    pub(super) fn find_allowed(
        self,
        id: SessionId,
        name: &str,
        verb: Verb,
    ) -> Result<EndpointId, Denied> {
        let grant = self.sessions.grant(id);
        let may = |verb| grant.is_some_and(|grant| grant.allows(name, verb));
        let found = self.table.find(name).filter(|_| may(Verb::Read));
        let endpoint = found.ok_or_else(Denied::unknown_endpoint)?;
        if may(verb) {
            return Ok(endpoint);
        }
        let detail = "the token of this session does not allow that";
        Err(Denied::new("forbidden", detail))
    }

    pub(super) fn describe(self, why: LeaseDenied) -> Denied {
        match why {
            LeaseDenied::UnknownEndpoint => Denied::unknown_endpoint(),
            LeaseDenied::NotLeased => Denied::new(
                "no-lease",
                "every session may write to this endpoint (writers is not \"one\")",
            ),
            LeaseDenied::Held(holder) => {
                let name = holder.and_then(|id| self.sessions.name(id));
                let name = name.unwrap_or("nobody");
                Denied::new("lease-held", format!("session {name} has the lease"))
            }
            LeaseDenied::AskedAlready => {
                Denied::new("lease-held", "another session has asked for it already")
            }
            LeaseDenied::NotASession => Denied::new(
                "no-channel",
                "over HTTP a lease is released or given to a session",
            ),
            LeaseDenied::NoChannel => {
                Denied::new("no-channel", "open a channel to the endpoint first")
            }
            LeaseDenied::Forbidden => Denied::new(
                "forbidden",
                "the token of that session does not allow writing",
            ),
            LeaseDenied::UnknownSession => Denied::new(
                "unknown-session",
                "no such session has a channel to the endpoint",
            ),
        }
    }

    /// Returns the session of this name, if the grant may see the session.
    pub(super) fn find_session(self, name: &str, grant: &Grant) -> Result<SessionId, Problem> {
        let found = self.sessions.find(name);
        let found = found.filter(|id| self.may_see(grant, *id));
        found.ok_or_else(|| Problem::new(404, "there is no session with this id").at("path"))
    }

    /// Returns the claimant in whose share a session requested over HTTP counts.
    pub(super) fn claimant(self, request: RequestId, grant: &Grant) -> Claimant {
        Claimant {
            token: grant.token.as_ref().map(|holder| holder.id.clone()),
            is_admin: grant.admin,
            ..Claimant::default()
        }
        .at(self.front.connections().remote_of(request))
    }

    pub(super) fn find_endpoint(self, name: &str) -> Result<EndpointId, Problem> {
        let found = self.table.find(name);
        found.ok_or_else(no_endpoint)
    }

    /// Returns an error if the API may not write or remove this endpoint's file.
    pub(super) fn check_configurable(self, name: &str) -> Result<(), Problem> {
        if !self.config.may_configure() {
            let detail = "the configuration does not allow this: api.configure is false";
            return Err(Problem::new(403, detail));
        }
        check_name(name).map_err(|why| {
            let detail = format!("an endpoint's name {why}");
            Problem::new(400, &detail).at("path")
        })?;
        // Removing a file that also holds other endpoints would remove those as well.
        let own_file = endpoint_file(name);
        let mut others = self.table.configs().filter(|(_, config)| {
            let place = &config.place;
            let is_there = matches!(place, Place::File { file, .. } if file.ends_with(&own_file));
            is_there && config.name != name
        });
        if let Some((_, other)) = others.next() {
            let detail = format!("{own_file} has endpoint {}, too", other.name);
            return Err(Problem::new(409, &detail).at("path"));
        }
        match self.config_named(name).map(|config| &config.place) {
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

    /// Returns an error if an endpoint has no file of its own that the API may read, write and remove.
    pub(super) fn check_own_file(self, name: &str) -> Result<(), Problem> {
        self.check_configurable(name)?;
        let config = self.config_named(name);
        if config.is_some_and(|config| matches!(config.place, Place::File { .. })) {
            return Ok(());
        }
        let detail = "no endpoint of this name has a file of its own";
        Err(Problem::new(404, detail).at("path"))
    }

    pub(super) fn config_named(self, name: &str) -> Option<&'a EndpointConfig> {
        self.table.config(self.table.find(name)?)
    }

    /// Returns the addresses at which this daemon itself can be reached.
    pub(super) fn own_places(self) -> OwnPlaces {
        OwnPlaces {
            listeners: self.front.addresses().collect(),
            addresses: self.network.own_addresses().collect(),
            control: self.front.control_paths().to_vec(),
            ice: self.network.ports().collect(),
        }
    }

    /// Returns an error if another endpoint already uses the line or the capture file of a new one.
    pub(super) fn check_path(self, new: &EndpointConfig) -> Result<(), Problem> {
        // An endpoint that was found does not count, because a configured endpoint replaces it.
        let mut kept = (self.table.configs()).filter(|(_, other)| other.place != Place::Found);
        let is_other = |other: &EndpointConfig| other.name != new.name && new.shares_with(other);
        let other = kept.find(|(_, other)| is_other(other));
        // An endpoint whose file is being written counts as well.
        let pending = self.config.pending().find(|config| is_other(config));
        match other.map(|(_, other)| other).or(pending) {
            None => Ok(()),
            Some(other) => {
                let detail = format!("endpoint {} has this path", other.name);
                Err(Problem::new(409, &detail).at("body"))
            }
        }
    }

    /// Returns the name of the endpoint that already uses this port.
    pub(super) fn endpoint_of_port(self, port: &Port) -> Option<String> {
        let names = [
            Some(port.device.as_str()),
            port.by_id.as_deref(),
            port.by_path.as_deref(),
        ];
        let found = self.table.configs().find(|(_, config)| {
            let EndpointKind::Serial { path, .. } = &config.kind else {
                return false;
            };
            names.iter().flatten().any(|name| path.as_os_str() == *name)
        });
        found.map(|(_, config)| config.name.clone())
    }
}

/// Returns the problem of a request for an endpoint that does not exist.
pub(super) fn no_endpoint() -> Problem {
    Problem::new(404, "no endpoint has this name").at("path")
}
