//! The sources of one configuration: the main file, the files of `conf.d` in the order of their names, then
//! the environment. A later source replaces single keys of an earlier one; endpoints add up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use log::LevelFilter;

use super::claims::{Claim, overlap};
use super::reader::{Document, Section};
use super::{
    Config, ConfigPlace, EndpointConfig, EndpointKind, Fault, endpoints, environment, http, hub,
    limits, traffic,
};

/// A configuration file with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name, as shown in messages.
    pub name: String,
    /// The text in TOML.
    pub text: String,
}

/// All sources of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigSources {
    /// The main file and the files of `conf.d`. Without any file the demo device exists.
    pub files: Vec<File>,
    /// Variables whose names begin with `THINGWAY_`.
    pub environment: Vec<(String, String)>,
}

/// The configuration as read so far.
struct Draft {
    config: Config,
    /// The place of each endpoint, for messages about another endpoint with the same name or path.
    places: BTreeMap<String, String>,
    paths: BTreeMap<String, String>,
    /// The local ports of tracks, with the name and the place of their endpoint.
    claims: Vec<(Claim, String, String)>,
}

impl ConfigSources {
    /// Reads all sources. The faults have the form `file:line: message`.
    pub fn read(&self) -> Result<Config, Vec<String>> {
        let mut draft = Draft::new(self.files.is_empty());
        let mut faults = Vec::new();
        for File { name, text } in &self.files {
            let found = draft.read(name, text).err().unwrap_or_default();
            faults.extend(found.iter().map(|fault| format!("{name}:{fault}")));
        }
        for (name, value) in &self.environment {
            let read = environment::as_toml(name, value).and_then(|text| {
                let all = draft.read(name, &text).err().unwrap_or_default();
                all.into_iter()
                    .next()
                    .map_or(Ok(()), |fault| Err(fault.message))
            });
            if let Err(message) = read {
                faults.push(format!("{name}: {message}"));
            }
        }
        if faults.is_empty() {
            Ok(draft.config)
        } else {
            Err(faults)
        }
    }
}

impl Config {
    /// Reads one file's text. Returns the configuration, or all faults in the order of their lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut draft = Draft::new(false);
        draft.read("", text)?;
        Ok(draft.config)
    }
}

/// Returns every key that any configuration may have, as in `endpoint.deadman.send`. This is for tests,
/// because the documented keys and the accepted keys must be the same.
#[cfg(any(test, feature = "testing"))]
pub fn known_keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let tables = "[http]\n[ice]\n[limits]\n[serial]\n[api]\n[access]\n[http.tls]\n\
                  [content]\n[[peer]]\n[[skyway.key]]\n[[peerjs.key]]\n[general]\n"
        .to_owned();
    let endpoints = endpoints::KINDS.iter().flat_map(|kind| {
        traffic::FRAMINGS.iter().map(move |(framing, _)| {
            format!(
                "[[endpoint]]\nkind = \"{kind}\"\nframing = \"{framing}\"\n\
                 rs485 = {{}}\ndeadman = {{}}\ncapture = {{}}\nvideo = {{}}\naudio = {{}}\n"
            )
        })
    });
    for text in std::iter::once(tables).chain(endpoints) {
        let mut document = Document::parse(&text);
        Draft::new(false).walk("", &mut document);
        keys.extend(document.into_asked());
    }
    keys
}

impl Draft {
    fn new(is_bare: bool) -> Self {
        let mut config = Config::default();
        if !is_bare {
            config.endpoints.clear();
        }
        Self {
            config,
            places: BTreeMap::new(),
            paths: BTreeMap::new(),
            claims: Vec::new(),
        }
    }

    fn read(&mut self, file: &str, text: &str) -> Result<(), Vec<Fault>> {
        let mut document = Document::parse(text);
        self.walk(file, &mut document);
        document.finish(())
    }

    fn walk<'a>(&mut self, file: &str, document: &mut Document<'a>) {
        let mut root = document.root();
        let config = &mut self.config;
        if let Some(section) = root.table("http", document) {
            http::read(section, document, &mut config.http);
        }
        if let Some(mut section) = root.table("ice", document) {
            let port = section.integer("port", 0..=65_535, document);
            let port = port.and_then(|port| u16::try_from(port).ok());
            config.ice.port = port.unwrap_or(config.ice.port);
            section.finish(document);
        }
        if let Some(section) = root.table("limits", document) {
            limits::read(section, document, &mut config.limits);
        }
        if let Some(mut section) = root.table("serial", document) {
            let discover = section.boolean("discover", document);
            config.serial.discover = discover.unwrap_or(config.serial.discover);
            section.finish(document);
        }
        if let Some(mut section) = root.table("api", document) {
            let configure = section.boolean("configure", document);
            config.api.configure = configure.unwrap_or(config.api.configure);
            section.finish(document);
        }
        if let Some(mut section) = root.table("access", document) {
            let boot_file = section.string("boot_file", document);
            let boot_file = boot_file
                .and_then(|path| super::values::absolute_of("access.boot_file", path, document));
            if let Some(path) = boot_file {
                config.access.boot_file = path;
            }
            let trust = section.boolean("trust_loopback", document);
            config.access.trust_loopback = trust.unwrap_or(config.access.trust_loopback);
            section.finish(document);
        }
        if let Some(section) = root.table("general", document) {
            self.read_general(section, document);
        }
        let config = &mut self.config;
        hub::read(&mut root, document, &mut config.hub);
        for section in root.tables("endpoint", document) {
            let (line, mut claims) = (section.line(), Vec::new());
            if let Some(endpoint) = endpoints::read(section, document, &mut claims) {
                let place = place(file, line);
                self.claim(&endpoint.name, &place, claims, document);
                self.add(endpoint, file, line, document);
            }
        }
        root.finish(document);
    }

    /// Reads the keys of the `config.toml` of SkyWay's gateway.
    fn read_general<'a>(&mut self, mut section: Section<'a>, document: &mut Document<'a>) {
        let port = section.integer("api_port", 1_025..=65_535, document);
        if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
            self.config.http.listen = vec![SocketAddr::from(([127, 0, 0, 1], port))];
        }
        let levels = [
            ("error", LevelFilter::Error),
            ("warn", LevelFilter::Warn),
            ("debug", LevelFilter::Debug),
        ];
        let level = section.choice("log_level", &levels, document);
        self.config.log_level = level.or(self.config.log_level);
        section.finish(document);
    }

    /// Notes the local ports of an endpoint's tracks, and reports those that are already claimed.
    fn claim(&mut self, name: &str, place: &str, claims: Vec<Claim>, document: &mut Document<'_>) {
        for claim in claims {
            let mut others = self.claims.iter();
            let taken = others.find(|(other, ..)| overlap(other.address, claim.address));
            if let Some((other, owner, where_else)) = taken {
                let whose = if where_else == place {
                    "of the same endpoint".to_owned()
                } else {
                    format!("of endpoint {owner:?} at {where_else}")
                };
                let (Claim { key, line, address }, other) = (&claim, &other.key);
                let message = format!("{key} {address} is already {other} {whose}");
                document.fault_at(*line, message);
            }
            self.claims.push((claim, name.to_owned(), place.to_owned()));
        }
    }

    fn add(
        &mut self,
        mut endpoint: EndpointConfig,
        file: &str,
        line: usize,
        document: &mut Document<'_>,
    ) {
        let place = place(file, line);
        let name = &endpoint.name;
        if let Some(first) = self.places.get(name) {
            let message = format!("endpoint {name:?} is there twice, first at {first}");
            document.fault_at(line, message);
        } else {
            self.places.insert(name.clone(), place.clone());
        }
        // Two readers of one line would each get half of the bytes, and two writers of one capture would each
        // rotate the file of the other.
        let tty = if let EndpointKind::Serial { path, .. } = &endpoint.kind {
            Some(path)
        } else {
            None
        };
        let capture = endpoint.traffic.capture.as_ref();
        for (path, what) in [
            (tty, "path"),
            (capture.map(|capture| &capture.path), "capture.path"),
        ] {
            let Some(path) = path else { continue };
            let path = path.to_string_lossy().into_owned();
            if let Some(first) = self.paths.get(&path) {
                let message = format!("endpoint {name:?} has the {what} of the one at {first}");
                document.fault_at(line, message);
            } else {
                self.paths.insert(path, place.clone());
            }
        }
        endpoint.place = ConfigPlace::File {
            file: file.to_owned(),
            line,
        };
        self.config.endpoints.push(endpoint);
    }
}

/// Returns where an endpoint is, for messages. A text without a file has lines only.
fn place(file: &str, line: usize) -> String {
    if file.is_empty() {
        format!("line {line}")
    } else {
        format!("{file}:{line}")
    }
}
