//! The local, device side of routes.
//!
//! An endpoint knows nothing of sessions: messages come in from a route and go out by a route's
//! own cursor, bytes or datagrams come in from its device and go out to it. A new kind is one file
//! and a line in [`new`].

mod answers;
pub mod bridge;
pub mod byte_log;
pub mod byte_stream;
pub mod content;
pub mod demo;
mod drops;
pub mod gate;
pub mod line;
pub mod message_log;
pub mod message_ring;
pub mod probe;
pub mod recorder;
pub mod ring;
pub mod script;
pub mod stream;
pub mod udp;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

pub use crate::config::LagPolicy;
use crate::config::{EndpointConfig, EndpointKind, Meeting, MessageType, UdpConfig};
use crate::framing::Faults;
use crate::ids::RouteId;
pub use drops::{Count, DropReason};
use line::LineSettings;

/// A message of a channel, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Binary or text frame (RFC 8831 §6.6); devices do not care, peers do.
    pub binary: bool,
    /// The payload.
    pub bytes: &'a [u8],
}

/// Why an endpoint did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unaccepted {
    /// No room now: the route keeps the message and offers it again.
    Full,
    /// Never: the message is gone, and counted under this reason.
    Refused(DropReason),
}

/// What a route's cursor points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// The next message for the peer.
    Message(Message<'a>),
    /// The cursor fell off the ring's tail: this much is lost to this route. Consuming it moves
    /// the cursor to the oldest that is still there.
    Lagged(Count),
}

/// Whether the device is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// Being opened.
    Opening,
    /// There and usable.
    Open,
    /// Not there; it is looked for again. The text says what is missing.
    Absent(String),
    /// There, but not for us. The text says why and what to do; it is tried again.
    Failed(String),
}

impl DeviceState {
    /// The name in API, events and control channel.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Absent(_) => "absent",
            Self::Failed(_) => "failed",
        }
    }

    /// What is missing or wrong; empty when nothing is.
    pub fn detail(&self) -> &str {
        match self {
            Self::Opening | Self::Open => "",
            Self::Absent(detail) | Self::Failed(detail) => detail,
        }
    }
}

/// Why a source could not be opened, or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of trouble it is.
    pub kind: FailureKind,
    /// What the operating system said, with a hint where there is one.
    pub detail: String,
}

/// What an operator would do about a [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It does not exist: plug it in.
    Absent,
    /// It exists and is denied to us: change permissions.
    Denied,
    /// Anything else.
    Other,
}

impl Failure {
    /// A failure with what is known of it.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, detail }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// A byte stream that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A tty, in raw mode.
    Tty {
        /// Its path, followed through symbolic links at each try.
        path: PathBuf,
        /// How it is opened.
        line: Box<LineSettings>,
    },
    /// A program that listens for TCP.
    Tcp(SocketAddr),
    /// A program that listens at a Unix socket.
    Unix(PathBuf),
    /// A program that connects to us.
    TcpListener(SocketAddr),
    /// A program that connects to us here.
    UnixListener(PathBuf),
}

impl Target {
    /// Whether opening it is not enough: somebody must connect.
    pub fn is_listener(&self) -> bool {
        matches!(self, Self::TcpListener(_) | Self::UnixListener(_))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tty { path, .. } | Self::Unix(path) | Self::UnixListener(path) => {
                write!(f, "{}", path.display())
            }
            Self::Tcp(addr) | Self::TcpListener(addr) => write!(f, "{addr}"),
        }
    }
}

/// What an endpoint asks of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a stream, or a listener for one.
    Open(Target),
    /// Open a UDP socket.
    OpenUdp(UdpConfig),
    /// Send one datagram, which is [`Endpoint::output`]; consume it then.
    SendDatagram,
    /// The state changed: tell everybody.
    StateChanged,
}

/// The device side of routes. The gateway pairs it with no source (demo), one stream or one socket.
pub trait Endpoint {
    /// A channel was bound to this endpoint.
    fn attach(&mut self, now: Instant, route: RouteId);
    /// The channel is gone, and with it the route's cursor.
    fn detach(&mut self, route: RouteId);
    /// A message of a peer. Refused messages are the caller's to count: endpoints drop nothing by
    /// themselves.
    fn handle_message(
        &mut self,
        now: Instant,
        route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted>;
    /// The next message for this route, by the route's own cursor; it stays until consumed.
    fn message(&self, route: RouteId) -> Option<Outgoing<'_>>;
    /// The message that [`Self::message`] showed has been sent (or the gap counted).
    fn consume_message(&mut self, route: RouteId);

    /// Where this route's messages go, for a device that has several places.
    fn redirect(&mut self, _route: RouteId, _to: Option<SocketAddr>) {}
    /// Whether message boundaries mean nothing to the device.
    fn is_stream(&self) -> bool {
        false
    }
    /// Whether each route has room of its own, which reading makes: then none waits for another.
    fn has_room_per_route(&self) -> bool {
        false
    }
    /// Whether what one route says goes to another one.
    fn couples_routes(&self) -> bool {
        false
    }
    /// What becomes of a route that falls off the ring.
    fn lag_policy(&self) -> LagPolicy;
    /// Whether the device is there.
    fn state(&self) -> DeviceState;
    /// The next thing the endpoint wants done. Called until `None` after every input.
    fn poll_action(&mut self) -> Option<Action>;

    /// What [`Action::Open`] or [`Action::OpenUdp`] asked for is there; for a listener, the
    /// second time, somebody has connected.
    fn handle_opened(&mut self, _now: Instant) {}
    /// It could not be opened, or has vanished. Returns what was queued for it and is lost.
    fn handle_failed(&mut self, _now: Instant, _failure: &Failure) -> Count {
        Count::default()
    }
    /// Bytes of a stream from the device.
    fn handle_input(&mut self, _now: Instant, _input: &[u8]) {}
    /// How many bytes of a stream may be read now; 0 until a route has read on or left.
    fn input_room(&self) -> usize {
        usize::MAX
    }
    /// One datagram from the device.
    fn handle_datagram(&mut self, _now: Instant, _from: SocketAddr, _datagram: &[u8]) {}
    /// What of the device's bytes fitted no frame.
    fn faults(&self) -> Option<Faults> {
        None
    }
    /// Bytes to write to the device next. Empty: nothing to do.
    fn output(&self) -> &[u8] {
        &[]
    }
    /// Where [`Action::SendDatagram`] sends to.
    fn remote(&self) -> Option<SocketAddr> {
        None
    }
    /// The first `n` bytes of [`Self::output`] are written.
    fn consume(&mut self, _n: usize) {}
    /// How many bytes the device has taken in all.
    fn written(&self) -> u64 {
        0
    }
    /// Drops what is queued for the device and sends it these bytes first of all. Returns what
    /// was dropped.
    fn overtake(&mut self, _bytes: &[u8]) -> Count {
        Count::default()
    }
    /// The device may be there now: try again soon.
    fn look_again(&mut self, _now: Instant) {}
    /// When [`Self::handle_timeout`] wants to be called.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// A deadline has passed.
    fn handle_timeout(&mut self, _now: Instant) {}
}

/// Makes the endpoint that a config entry describes.
pub fn new(config: &EndpointConfig) -> Box<dyn Endpoint> {
    let binary = config.messages == MessageType::Binary;
    let stream = |target| Box::new(stream::StreamEndpoint::new(target, binary, &config.traffic));
    let probe = |role| Box::new(probe::Probe::new(role));
    match &config.kind {
        EndpointKind::Serial { path, line } => {
            let (path, line) = (path.clone(), line.clone());
            stream(Target::Tty { path, line })
        }
        EndpointKind::Tcp(Meeting::Remote(addr)) => stream(Target::Tcp(*addr)),
        EndpointKind::Tcp(Meeting::Listen(addr)) => stream(Target::TcpListener(*addr)),
        EndpointKind::Unix(Meeting::Remote(path)) => stream(Target::Unix(path.clone())),
        EndpointKind::Unix(Meeting::Listen(path)) => stream(Target::UnixListener(path.clone())),
        EndpointKind::Tcp(Meeting::PerChannel(_)) | EndpointKind::Unix(Meeting::PerChannel(_)) => {
            Box::new(gate::Gate)
        }
        EndpointKind::Udp(udp) => Box::new(udp::Udp::new(udp.clone(), binary, &config.traffic)),
        EndpointKind::Demo => Box::new(demo::Demo::new(binary)),
        EndpointKind::Echo => probe(probe::Role::Echo),
        EndpointKind::Sink => probe(probe::Role::Sink),
        EndpointKind::Source => probe(probe::Role::Source),
    }
}

/// Makes the connection of one channel to an endpoint where each has its own.
pub fn new_instance(config: &EndpointConfig) -> Box<dyn Endpoint> {
    let binary = config.messages == MessageType::Binary;
    let target = match &config.kind {
        EndpointKind::Tcp(Meeting::PerChannel(addr)) => Target::Tcp(*addr),
        EndpointKind::Unix(Meeting::PerChannel(path)) => Target::Unix(path.clone()),
        EndpointKind::Serial { .. }
        | EndpointKind::Tcp(_)
        | EndpointKind::Unix(_)
        | EndpointKind::Udp(_)
        | EndpointKind::Demo
        | EndpointKind::Echo
        | EndpointKind::Sink
        | EndpointKind::Source => return new(config),
    };
    Box::new(stream::StreamEndpoint::once(
        target,
        binary,
        &config.traffic,
    ))
}
