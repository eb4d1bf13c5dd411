//! The configuration: what a TOML file may say, parsed once into types that cannot be wrong.
//!
//! All faults of a file are found in one go, each with its line, so that nobody mends a file one
//! message at a time. Every key is described in `docs/config.md`.

mod endpoints;
mod reader;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::Limits;
use reader::{Document, Section};

/// Everything a config file can say, with the defaults in place of what it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`
    pub http: HttpConfig,
    /// `[ice]`
    pub ice: IceConfig,
    /// `[limits]`
    pub limits: Limits,
    /// `[[endpoint]]`, each with a name of its own.
    pub endpoints: Vec<EndpointConfig>,
}

/// `[http]`: where the API and the first page are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Addresses to listen on. Loopback only: access from elsewhere needs tokens first.
    pub listen: Vec<SocketAddr>,
    /// Host names, beside our addresses, `localhost` and the machine's name, that a request's
    /// `Host` may have.
    pub hosts: Vec<String>,
    /// Origins, beside our own, whose pages may use the API.
    pub allowed_origins: Vec<String>,
}

/// `[ice]`: the UDP port of all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceConfig {
    /// 0: any.
    pub port: u16,
}

/// One `[[endpoint]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// What a channel's label must be to be bound to it.
    pub name: String,
    /// What it is, with the keys of that kind.
    pub kind: EndpointKind,
    /// The frame type of what the device sends.
    pub messages: MessageType,
}

/// The kinds of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointKind {
    /// A tty.
    Serial {
        /// Best below `/dev/serial/by-id`, which names the adapter and not the order of plugging.
        path: PathBuf,
        /// Bits per second.
        baud: u32,
    },
    /// A program that speaks UDP.
    Udp {
        /// Its address.
        remote: SocketAddr,
    },
    /// The built-in device.
    Demo,
}

impl EndpointKind {
    /// The kind's name in config and API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serial { .. } => "serial",
            Self::Udp { .. } => "udp",
            Self::Demo => "demo",
        }
    }
}

/// Binary or text frames (RFC 8831 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// `ArrayBuffer` or `Blob` in a browser.
    Binary,
    /// `string` in a browser; what is no UTF-8 is replaced there.
    Text,
}

impl MessageType {
    /// The name in config and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// Something wrong in a config file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and, where there is one, the way out.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Default for Config {
    /// What runs without a file: loopback, port 8000, and the demo device.
    fn default() -> Self {
        let demo = EndpointConfig {
            name: "demo".to_owned(),
            kind: EndpointKind::Demo,
            messages: MessageType::Text,
        };
        Self {
            http: HttpConfig {
                listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
                hosts: Vec::new(),
                allowed_origins: Vec::new(),
            },
            ice: IceConfig { port: 0 },
            limits: Limits::default(),
            endpoints: vec![demo],
        }
    }
}

impl Config {
    /// Reads a config file's text. All faults, in the order of their lines, or a config.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let mut document = Document::parse(text);
        let config = Self::read(&mut document);
        document.finish(config)
    }

    fn read(document: &mut Document<'_>) -> Self {
        let default = Self::default();
        let mut root = document.root();
        let http = root
            .table("http", document)
            .map_or(default.http, |section| HttpConfig::read(section, document));
        let ice = root
            .table("ice", document)
            .map_or(default.ice, |mut section| {
                let port = section.integer("port", 0..=65_535, document).unwrap_or(0);
                section.finish(document);
                IceConfig {
                    port: u16::try_from(port).unwrap_or(0),
                }
            });
        let limits = root
            .table("limits", document)
            .map_or_else(Limits::default, |section| read_limits(section, document));
        let mut endpoints = Vec::new();
        let mut names = BTreeSet::new();
        for section in root.tables("endpoint", document) {
            let line = section.line();
            if let Some(endpoint) = endpoints::read(section, document) {
                if !names.insert(endpoint.name.clone()) {
                    let message = format!("endpoint {:?} is there twice", endpoint.name);
                    document.fault_at(line, message);
                }
                endpoints.push(endpoint);
            }
        }
        root.finish(document);
        Self {
            http,
            ice,
            limits,
            endpoints,
        }
    }
}

/// Whether an address may be listened on before there are tokens.
pub fn check_listen(addr: SocketAddr) -> Result<SocketAddr, String> {
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err(format!(
            "{addr} is beyond loopback: this version has no access tokens yet, so it would let \
             everybody in; listen on 127.0.0.1 or [::1] (and reach it by `ssh -L`)"
        ))
    }
}

impl HttpConfig {
    fn read<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Self {
        let mut listen = Vec::new();
        let given = section.strings("listen", document);
        for (line, text) in given.iter().flatten() {
            let parsed = text
                .parse::<SocketAddr>()
                .map_err(|_| format!("{text:?} is not an address like \"127.0.0.1:8000\""));
            match parsed.and_then(check_listen) {
                Ok(addr) => listen.push(addr),
                Err(message) => document.fault_at(*line, format!("http.listen: {message}")),
            }
        }
        match &given {
            None => listen = Config::default().http.listen,
            Some(list) if list.is_empty() => {
                let message = "http.listen is empty: nothing could reach the gateway".to_owned();
                document.fault_at(section.line(), message);
            }
            Some(_) => {}
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = listen.iter().find(|a| a.port() != 0 && !seen.insert(**a)) {
            document.fault_at(
                section.line(),
                format!("http.listen: {twice} is there twice"),
            );
        }
        let mut hosts = Vec::new();
        for (line, host) in section.strings("hosts", document).unwrap_or_default() {
            if is_host(&host) {
                hosts.push(host.to_ascii_lowercase());
            } else {
                let message = format!(
                    "http.hosts: {host:?} is not a host like \"board.example\", \"192.0.2.1\" or \
                     \"[2001:db8::1]\" (without scheme and port)"
                );
                document.fault_at(line, message);
            }
        }
        let mut allowed_origins = Vec::new();
        for (line, origin) in section
            .strings("allowed_origins", document)
            .unwrap_or_default()
        {
            if is_origin(&origin) {
                allowed_origins.push(origin.to_ascii_lowercase());
            } else {
                let message = format!(
                    "http.allowed_origins: {origin:?} is not an origin like \
                     \"https://example.org:8443\" (scheme, host and port only)"
                );
                document.fault_at(line, message);
            }
        }
        section.finish(document);
        Self {
            listen,
            hosts,
            allowed_origins,
        }
    }
}

/// RFC 6454 §6.1: scheme, host, port; no path. `*` would defeat the check, `null` is anybody.
fn is_origin(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|host| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        // A browser leaves its scheme's own port out, so with it nothing would ever match.
        let default_port = if text.starts_with("https") {
            ":443"
        } else {
            ":80"
        };
        !host.is_empty() && host.chars().all(allowed) && !host.ends_with(default_port)
    })
}

fn is_host(text: &str) -> bool {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

fn read_limits<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Limits {
    let default = Limits::default();
    let mut number = |key: &str, range: std::ops::RangeInclusive<i64>, default: usize| {
        let given = section.integer(key, range, document);
        given
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(default)
    };
    let sessions = number("sessions", 1..=1_000, default.sessions);
    let channels_per_session = number(
        "channels_per_session",
        1..=1_000,
        default.channels_per_session,
    );
    // Three quarters of it may be ungranted at a time, and the largest message must still fit.
    let route_queue = number("route_queue", 131_072..=16_777_216, default.route_queue);
    let mut seconds = |key: &str, default: Duration| {
        let given = section.integer(key, 1..=3_600, document);
        given
            .and_then(|n| u64::try_from(n).ok())
            .map_or(default, Duration::from_secs)
    };
    let connect_timeout = seconds("connect_timeout_s", default.connect_timeout);
    let disconnected_timeout = seconds("disconnected_timeout_s", default.disconnected_timeout);
    section.finish(document);
    Limits {
        sessions,
        channels_per_session,
        route_queue,
        connect_timeout,
        disconnected_timeout,
    }
}

#[cfg(test)]
mod tests;
