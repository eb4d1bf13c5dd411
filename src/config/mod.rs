//! The configuration: what TOML files and the environment may say, parsed once into types that
//! cannot be wrong.
//!
//! All faults are found in one go, each with its place, so that nobody mends a file one message at
//! a time. Every key is described in `docs/config.md`.

mod change;
mod endpoints;
mod environment;
mod http;
mod hub;
mod lag;
mod limits;
mod notes;
mod own;
mod reader;
mod serial;
mod sockets;
mod sources;
mod traffic;
mod values;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::endpoint::line::LineSettings;
use crate::framing::Framing;
use crate::limits::Limits;

pub use change::{ServedConfig, endpoint_file, endpoint_json, endpoint_toml, holds_only};
pub use environment::VARIABLES;
pub use http::is_host;
pub use hub::{ContentConfig, HubConfig, KeyConfig, Network, PeerConfig, Secret};
pub use lag::LagPolicy;
pub use own::OwnPlaces;
#[cfg(any(test, feature = "testing"))]
pub use sources::known_keys;
pub use sources::{File, Sources};
pub use values::check_name;

/// Everything that can be configured, with the defaults in place of what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`
    pub http: HttpConfig,
    /// `[ice]`
    pub ice: IceConfig,
    /// `[limits]`
    pub limits: Limits,
    /// `[serial]`
    pub serial: SerialConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[access]`
    pub access: AccessConfig,
    /// `[[peer]]`, `[content]`, `[skyway]` and `[peerjs]`
    pub hub: HubConfig,
    /// `general.log_level` of SkyWay's gateway.
    pub log_level: Option<log::LevelFilter>,
    /// `[[endpoint]]`, each with a name of its own.
    pub endpoints: Vec<EndpointConfig>,
}

/// `[http]`: where the API and the first page are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Addresses to listen on. Beyond loopback TLS is spoken and a token needed.
    pub listen: Vec<SocketAddr>,
    /// The certificate, in place of one of our own.
    pub tls: Option<TlsFiles>,
    /// No TLS, for those who have something better in front.
    pub plain: bool,
    /// Host names, beside our addresses, `localhost` and the machine's name, that a request's
    /// `Host` may have.
    pub hosts: Vec<String>,
    /// Origins, beside our own, whose pages may use the API.
    pub allowed_origins: Vec<String>,
}

/// `http.tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that signed it, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// `[access]`: who may come in from beyond this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessConfig {
    /// A file that lets the network in at the start, where there is one.
    pub boot_file: PathBuf,
    /// Whether who comes over loopback needs no token.
    pub trust_loopback: bool,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            boot_file: PathBuf::from("/boot/firmware/thingway.toml"),
            trust_loopback: true,
        }
    }
}

/// `[ice]`: the UDP port of all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceConfig {
    /// 0: any.
    pub port: u16,
}

/// `[serial]`: what concerns all serial ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SerialConfig {
    /// Ports that are found become endpoints by themselves.
    pub discover: bool,
}

/// `[api]`: what the API may change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiConfig {
    /// Endpoints may be added and removed; they are written to `conf.d`.
    pub configure: bool,
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
    /// How bytes and messages pass through it.
    pub traffic: Traffic,
    /// Where it was configured.
    pub place: Place,
}

impl EndpointConfig {
    /// Whether another one says the same, wherever it does.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            name,
            kind,
            messages,
            traffic,
            place: _,
        } = self;
        *name == other.name
            && *kind == other.kind
            && *messages == other.messages
            && *traffic == other.traffic
    }
}

impl EndpointConfig {
    /// Whether another endpoint has the same line, or captures to the same file: two readers of one
    /// line would each get half of the bytes.
    pub fn shares_with(&self, other: &Self) -> bool {
        let line = |endpoint: &Self| match &endpoint.kind {
            EndpointKind::Serial { path, .. } => Some(path.clone()),
            EndpointKind::Tcp(_)
            | EndpointKind::Unix(_)
            | EndpointKind::Udp(_)
            | EndpointKind::Demo
            | EndpointKind::Echo
            | EndpointKind::Sink
            | EndpointKind::Source => None,
        };
        let file = |endpoint: &Self| endpoint.traffic.capture.as_ref().map(|c| c.path.clone());
        let ours = [line(self), file(self)];
        let theirs = [line(other), file(other)];
        ours.iter()
            .flatten()
            .any(|path| theirs.contains(&Some(path.clone())))
    }
}

/// Where an endpoint was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it is there without a configuration.
    BuiltIn,
    /// In a file.
    File {
        /// As it is shown in messages.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// Nowhere: its port was found.
    Found,
}

/// The kinds of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointKind {
    /// A tty.
    Serial {
        /// Best below `/dev/serial/by-id`, which names the adapter and not the order of plugging.
        path: PathBuf,
        /// How it is opened.
        line: Box<LineSettings>,
    },
    /// A program that speaks TCP.
    Tcp(Meeting<SocketAddr>),
    /// A program at a Unix socket (stream).
    Unix(Meeting<PathBuf>),
    /// A program that speaks UDP.
    Udp(UdpConfig),
    /// The built-in device.
    Demo,
    /// Sends each message back to where it came from.
    Echo,
    /// Takes everything.
    Sink,
    /// Sends as much as it is asked for.
    Source,
}

impl EndpointKind {
    /// The kind's name in config and API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serial { .. } => "serial",
            Self::Tcp(_) => "tcp",
            Self::Unix(_) => "unix",
            Self::Udp(_) => "udp",
            Self::Demo => "demo",
            Self::Echo => "echo",
            Self::Sink => "sink",
            Self::Source => "source",
        }
    }
}

/// Who calls whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting<A> {
    /// We connect, and connect again; all channels share the connection.
    Remote(A),
    /// We connect for each channel.
    PerChannel(A),
    /// The program connects to us, one at a time.
    Listen(A),
}

/// `kind = "udp"`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UdpConfig {
    /// Where messages go; `None`: to whoever sent last.
    pub remote: Option<SocketAddr>,
    /// Where we receive; `None`: any port.
    pub bind: Option<SocketAddr>,
    /// Groups that are joined.
    pub multicast: Vec<IpAddr>,
}

/// How bytes and messages pass through an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// How a byte stream becomes messages and back.
    pub framing: StreamFraming,
    /// The largest message, in bytes, either way.
    pub max_message: usize,
    /// What who attaches is sent of the past, in bytes.
    pub scrollback: usize,
    /// What becomes of a route that reads too slowly.
    pub lag: LagPolicy,
    /// Who may write.
    pub writers: Writers,
    /// What the device is sent when the writer falls silent.
    pub deadman: Option<Deadman>,
    /// Where all that passes is written down.
    pub capture: Option<Capture>,
}

/// How a byte stream becomes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFraming {
    /// As it comes. Bytes wait up to `latency` for more, so that messages are few.
    Raw {
        /// 0: every read goes out at once.
        latency: Duration,
    },
    /// Message by message.
    Framed(Framing),
}

impl StreamFraming {
    /// The name in config and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw { .. } => "raw",
            Self::Framed(framing) => framing.as_str(),
        }
    }
}

/// Who may write to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Everybody.
    All,
    /// The session that holds the lease.
    One,
}

impl Writers {
    /// The name in config and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::One => "one",
        }
    }
}

/// `deadman = { … }`: what stops a machine whose driver has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadman {
    /// How long the writing session may be silent.
    pub timeout: Duration,
    /// What the device is sent then, before everything else.
    pub send: Vec<u8>,
}

/// `capture = { … }`: everything that passes, in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The newest file; older ones are `path.1`, `path.2` …
    pub path: PathBuf,
    /// How long a file becomes, in bytes.
    pub max_bytes: u64,
    /// How many there are, the newest included.
    pub files: u32,
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
            traffic: Traffic::default(),
            place: Place::BuiltIn,
        };
        Self {
            http: HttpConfig {
                listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
                tls: None,
                plain: false,
                hosts: Vec::new(),
                allowed_origins: Vec::new(),
            },
            ice: IceConfig { port: 0 },
            limits: Limits::default(),
            serial: SerialConfig::default(),
            api: ApiConfig::default(),
            access: AccessConfig::default(),
            hub: HubConfig::default(),
            log_level: None,
            endpoints: vec![demo],
        }
    }
}

impl Config {
    /// Reads one file's text. All faults, in the order of their lines, or a config.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        sources::parse_one(text)
    }
}

#[cfg(test)]
mod tests;
