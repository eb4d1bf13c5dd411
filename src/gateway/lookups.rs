//! Lookups and checks that change nothing.

use super::views::Views;
use crate::access::places::Claimant;
use crate::access::scope::Grant;
use crate::api::bodies;
use crate::api::media::MediaWish;
use crate::api::problem::Problem;
use crate::api::shapes::no_endpoint;
use crate::config::{
    ConfigPlace, EndpointConfig, EndpointKind, OwnPlaces, check_name, endpoint_file,
};
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

    /// Returns an error if an offer wants tracks that it cannot have.
    pub(super) fn check_wish(self, wish: &MediaWish, grant: &Grant) -> Result<(), Problem> {
        self.media
            .check_wish(wish, grant, |name| self.table.find(name))
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
            let is_there =
                matches!(place, ConfigPlace::File { file, .. } if file.ends_with(&own_file));
            is_there && config.name != name
        });
        if let Some((_, other)) = others.next() {
            let detail = format!("{own_file} has endpoint {}, too", other.name);
            return Err(Problem::new(409, &detail).at("path"));
        }
        match self.config_named(name).map(|config| &config.place) {
            None | Some(ConfigPlace::Found) => Ok(()),
            Some(ConfigPlace::File { file, .. }) if file.ends_with(&endpoint_file(name)) => Ok(()),
            Some(ConfigPlace::File { file, line }) => {
                let detail = format!("this endpoint is in {file}, line {line}: change it there");
                Err(Problem::new(409, &detail).at("path"))
            }
            Some(ConfigPlace::BuiltIn) => {
                let detail = "this endpoint is built in; with a configuration file it is not there";
                Err(Problem::new(409, detail).at("path"))
            }
        }
    }

    /// Reads the body of `PUT /endpoints/{name}`. Returns the endpoint, the text of its file, and whether that replaces a file.
    pub(super) fn read_endpoint(
        self,
        name: &str,
        body: &[u8],
    ) -> Result<(EndpointConfig, String, bool), Problem> {
        self.check_configurable(name)?;
        let (endpoint, text) = bodies::endpoint(name, body)?;
        if let Some(why) = self.own_places().fault(&endpoint.kind) {
            return Err(bodies::leads_back(&endpoint, &why));
        }
        self.check_path(&endpoint)?;
        let config = self.config_named(name);
        let replace = config.is_some_and(|config| matches!(config.place, ConfigPlace::File { .. }));
        Ok((endpoint, text, replace))
    }

    /// Returns an error if an endpoint has no file of its own that the API may read, write and remove.
    pub(super) fn check_own_file(self, name: &str) -> Result<(), Problem> {
        self.check_configurable(name)?;
        let config = self.config_named(name);
        if config.is_some_and(|config| matches!(config.place, ConfigPlace::File { .. })) {
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

    /// Returns an error if another endpoint already uses the line, the capture file or a port of a new one.
    pub(super) fn check_path(self, new: &EndpointConfig) -> Result<(), Problem> {
        // An endpoint that was found does not count, because a configured endpoint replaces it.
        let mut kept =
            (self.table.configs()).filter(|(_, other)| other.place != ConfigPlace::Found);
        let is_other = |other: &EndpointConfig| other.name != new.name && new.shares_with(other);
        let other = kept.find(|(_, other)| is_other(other));
        // An endpoint whose file is being written counts as well.
        let pending = self.config.pending().find(|config| is_other(config));
        match other.map(|(_, other)| other).or(pending) {
            None => Ok(()),
            Some(other) => Err(bodies::is_taken(new, other)),
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
