//! The configuration: the settings of TOML files and the environment, parsed once into types that cannot hold
//! wrong values.
//!
//! All faults are found in one pass, each with its place, so that an operator can correct all of them at
//! once. Every key is described in `docs/config.md`.

mod change;
mod claims;
mod endpoints;
mod environment;
mod http;
mod hub;
mod lag;
mod limits;
mod line;
mod media;
mod network;
mod notes;
mod own;
mod reader;
mod rtp;
mod serial;
mod sockets;
mod sources;
mod traffic;
mod values;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::framing::Framing;
use crate::limits::Limits;

pub use crate::names::check_name;
pub use change::{ServedConfig, endpoint_file, endpoint_json, endpoint_toml, holds_only};
pub use environment::VARIABLES;
pub use http::is_host;
pub use hub::{ContentConfig, HubConfig, KeyConfig, PeerConfig, Secret};
pub use lag::LagPolicy;
pub use line::{AtOpen, FlowControl, Format, LineSettings, Parity, Rs485};
pub use media::{BitratePolicy, RtcpPlace, RtpConfig, TrackConfig};
pub use network::{Network, Prefix};
pub use own::OwnPlaces;
#[cfg(any(test, feature = "testing"))]
pub use sources::known_keys;
pub use sources::{ConfigSources, File};

/// The whole configuration. Keys that are not configured have their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[http]`: the HTTP server.
    pub http: HttpConfig,
    /// `[ice]`: the UDP port of all sessions.
    pub ice: IceConfig,
    /// `[limits]`: the limits.
    pub limits: Limits,
    /// `[serial]`: the settings of all serial ports.
    pub serial: SerialConfig,
    /// `[api]`: the changes that the API may make.
    pub api: ApiConfig,
    /// `[access]`: access control.
    pub access: AccessConfig,
    /// `[[peer]]`, `[content]`, `[skyway]` and `[peerjs]`: the hub.
    pub hub: HubConfig,
    /// `general.log_level` of SkyWay's gateway: the log level.
    pub log_level: Option<log::LevelFilter>,
    /// `[[endpoint]]`: the endpoints, each with a unique name.
    pub endpoints: Vec<EndpointConfig>,
}

/// `[http]`: the addresses of the API and the first page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The addresses to listen on. An address that other machines reach needs TLS and tokens.
    pub listen: Vec<SocketAddr>,
    /// The certificate, in place of one of our own.
    pub tls: Option<TlsFiles>,
    /// Whether TLS is switched off, for operators who put something better in front.
    pub plain: bool,
    /// The host names that a request's `Host` may contain besides our addresses, `localhost` and the
    /// machine's name.
    pub hosts: Vec<String>,
    /// The origins whose pages may use the API besides our own.
    pub allowed_origins: Vec<String>,
}

/// `http.tls`: the files of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that signed it, in PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, in PEM.
    pub key: PathBuf,
}

/// `[access]`: access control for clients on other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessConfig {
    /// A file that opens the gateway to the network at the start, if the file exists.
    pub boot_file: PathBuf,
    /// Whether clients over loopback need no token.
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
    /// The port; 0 stands for any port.
    pub port: u16,
}

/// `[serial]`: the settings of all serial ports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SerialConfig {
    /// Whether found ports become endpoints without configuration.
    pub discover: bool,
}

/// `[api]`: the changes that the API may make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiConfig {
    /// Whether endpoints may be added and removed, which writes them to `conf.d`.
    pub configure: bool,
}

/// `[[endpoint]]`: one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// The name, which is also the label of channels to the endpoint.
    pub name: String,
    /// The kind, with the keys of that kind.
    pub kind: EndpointKind,
    /// The frame type of the device's messages.
    pub messages: MessageType,
    /// The settings of the bytes and messages that pass through the endpoint.
    pub traffic: Traffic,
    /// The place where the endpoint was configured.
    pub place: ConfigPlace,
}

impl EndpointConfig {
    /// Returns whether another configuration has the same settings, wherever each was configured.
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
    /// Returns the tracks of an endpoint of kind `rtp`.
    pub fn rtp(&self) -> Option<&RtpConfig> {
        if let EndpointKind::Rtp(rtp) = &self.kind {
            return Some(rtp);
        }
        None
    }

    /// Returns whether another endpoint uses the same line, the same capture file or the same local port of a
    /// track. Two readers of one line would each get half of the bytes.
    pub fn shares_with(&self, other: &Self) -> bool {
        let line = |endpoint: &Self| match &endpoint.kind {
            EndpointKind::Serial { path, .. } => Some(path.clone()),
            EndpointKind::Tcp(_)
            | EndpointKind::Unix(_)
            | EndpointKind::Udp(_)
            | EndpointKind::Rtp(_)
            | EndpointKind::Demo
            | EndpointKind::Echo
            | EndpointKind::Sink
            | EndpointKind::Source => None,
        };
        if let (EndpointKind::Rtp(ours), EndpointKind::Rtp(theirs)) = (&self.kind, &other.kind) {
            let taken = |addr| {
                theirs
                    .local_addresses()
                    .any(|other| claims::overlap(addr, other))
            };
            return ours.local_addresses().any(taken);
        }
        let file = |endpoint: &Self| endpoint.traffic.capture.as_ref().map(|c| c.path.clone());
        let ours = [line(self), file(self)];
        let theirs = [line(other), file(other)];
        ours.iter()
            .flatten()
            .any(|path| theirs.contains(&Some(path.clone())))
    }
}

/// The place where an endpoint was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigPlace {
    /// No place: the endpoint exists without configuration.
    BuiltIn,
    /// A configuration file.
    File {
        /// The file's name, as shown in messages.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// No place: the endpoint's port was found on the machine.
    Found,
}

/// The kinds of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointKind {
    /// A tty.
    Serial {
        /// The path. The best one is below `/dev/serial/by-id`, because that names the adapter and not the
        /// order of plugging.
        path: PathBuf,
        /// The settings of the line.
        line: Box<LineSettings>,
    },
    /// A program that speaks TCP.
    Tcp(Meeting<SocketAddr>),
    /// A program at a Unix socket (stream).
    Unix(Meeting<PathBuf>),
    /// A program that speaks UDP.
    Udp(UdpConfig),
    /// A program that speaks RTP: pictures, sound or both.
    Rtp(Box<RtpConfig>),
    /// The built-in demo device.
    Demo,
    /// A device that sends each message back to its sender.
    Echo,
    /// A device that accepts everything.
    Sink,
    /// A device that sends as much as a client requests.
    Source,
}

impl EndpointKind {
    /// Returns the kind's name in the configuration and the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Serial { .. } => "serial",
            Self::Tcp(_) => "tcp",
            Self::Unix(_) => "unix",
            Self::Udp(_) => "udp",
            Self::Rtp(_) => "rtp",
            Self::Demo => "demo",
            Self::Echo => "echo",
            Self::Sink => "sink",
            Self::Source => "source",
        }
    }
}

/// Which side connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting<A> {
    /// The gateway connects, and reconnects. All channels share the connection.
    Remote(A),
    /// The gateway connects once for each channel.
    PerChannel(A),
    /// The program connects to the gateway, one connection at a time.
    Listen(A),
}

/// `kind = "udp"`: the addresses of a UDP program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UdpConfig {
    /// The destination of messages. `None`: the address that sent last.
    pub remote: Option<SocketAddr>,
    /// The address to receive at. `None`: any port.
    pub bind: Option<SocketAddr>,
    /// The multicast groups to join.
    pub multicast: Vec<IpAddr>,
}

/// The settings of the bytes and messages that pass through an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The conversion between a byte stream and messages.
    pub framing: StreamFraming,
    /// The largest message in either direction, in bytes.
    pub max_message: usize,
    /// How many bytes of the past a new reader receives.
    pub scrollback: usize,
    /// The treatment of a route that reads too slowly.
    pub lag: LagPolicy,
    /// The sessions that may write.
    pub writers: Writers,
    /// The dead-man switch, which acts when the writer is silent.
    pub deadman: Option<Deadman>,
    /// The file that records everything that passes.
    pub capture: Option<Capture>,
}

/// The conversion of a byte stream into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFraming {
    /// The bytes as they arrive. Bytes wait up to `latency` for more, so that messages are few.
    Raw {
        /// The longest wait; with 0 every read goes out at once.
        latency: Duration,
    },
    /// One message per frame.
    Framed(Framing),
}

impl StreamFraming {
    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw { .. } => "raw",
            Self::Framed(framing) => framing.as_str(),
        }
    }
}

/// The sessions that may write to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Every session whose token allows writing.
    All,
    /// The session that holds the lease.
    One,
}

impl Writers {
    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::One => "one",
        }
    }
}

/// `deadman = { … }`: the dead-man switch, which stops a machine whose driver is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadman {
    /// How long the writing session may be silent.
    pub timeout: Duration,
    /// The bytes that the device receives then, before everything else.
    pub send: Vec<u8>,
}

/// `capture = { … }`: a file that records everything that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The newest file. Older files are `path.1`, `path.2` …
    pub path: PathBuf,
    /// The largest size of a file, in bytes.
    pub max_bytes: u64,
    /// The number of files, including the newest.
    pub files: u32,
}

/// The frame type, binary or text (RFC 8831 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// A binary frame, which is an `ArrayBuffer` or `Blob` in a browser.
    Binary,
    /// A text frame, which is a `string` in a browser. Bytes that are not UTF-8 are replaced.
    Text,
}

impl MessageType {
    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Text => "text",
        }
    }
}

/// A fault in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// The fault and, if there is one, its remedy.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Default for Config {
    /// Returns the configuration that runs without a file: loopback, port 8000, and the demo device.
    fn default() -> Self {
        let demo = EndpointConfig {
            name: "demo".to_owned(),
            kind: EndpointKind::Demo,
            messages: MessageType::Text,
            traffic: Traffic::default(),
            place: ConfigPlace::BuiltIn,
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

#[cfg(test)]
mod tests;
