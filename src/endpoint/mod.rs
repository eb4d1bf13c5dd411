//! The device side of routes.
//!
//! An endpoint knows nothing of sessions. Messages arrive from a route and leave by the route's own cursor;
//! bytes or datagrams arrive from the endpoint's device and leave to the device. A new kind needs one file
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
mod rtp;
pub mod script;
pub mod stream;
mod target;
pub mod udp;

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

pub use crate::config::LagPolicy;
use crate::config::{EndpointConfig, EndpointKind, Meeting, MessageType, UdpConfig};
use crate::framing::Faults;
use crate::ids::RouteId;
pub use drops::{Count, DropReason};
pub use target::Target;

/// A message of a channel, borrowed from its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whether the message is in a binary frame, not in a text frame (RFC 8831 §6.6). The type matters to
    /// peers, not to devices.
    pub binary: bool,
    /// The payload.
    pub bytes: &'a [u8],
}

/// Why an endpoint did not accept a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unaccepted {
    /// There is no room now. The route keeps the message and offers it again.
    Full,
    /// The endpoint never accepts this message. The caller drops it, and counts it under this reason.
    Refused(DropReason),
}

/// The data at a route's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// The next message for the peer.
    Message(Message<'a>),
    /// The cursor fell off the ring's tail, so this route has lost this much. Consuming this moves the cursor
    /// to the oldest kept data.
    Lagged(Count),
}

/// The state of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// The device is being opened.
    Opening,
    /// The device exists and is usable.
    Open,
    /// The device does not exist, and is looked for again. The text says what is missing.
    Absent(String),
    /// The device exists but cannot be used, and is tried again. The text says why and what to do.
    Failed(String),
}

impl DeviceState {
    /// Returns the name in the API, in events and on the control channel.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Absent(_) => "absent",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns what is missing or wrong, or an empty text.
    pub fn detail(&self) -> &str {
        match self {
            Self::Opening | Self::Open => "",
            Self::Absent(detail) | Self::Failed(detail) => detail,
        }
    }
}

/// Why a source could not be opened, or vanished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The text of the operating system, with a hint if there is one.
    pub detail: String,
}

/// The kind of a [`Failure`], by what an operator can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The source does not exist: plug the device in.
    Absent,
    /// The source exists, but we have no permission: change its permissions.
    Denied,
    /// Any other failure.
    Other,
}

impl Failure {
    /// Returns a failure of this kind with its text.
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

/// An action that an endpoint asks of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Opens a stream, or a listener for one.
    Open(Target),
    /// Opens a UDP socket.
    OpenUdp(UdpConfig),
    /// Sends one datagram, which is [`Endpoint::output`], and consumes it then.
    SendDatagram,
    /// Reports that the endpoint's state has changed.
    StateChanged,
}

/// The device side of routes. The gateway connects an endpoint to no source (demo), one stream or one socket.
pub trait Endpoint {
    /// Adds the route of a channel that was bound to this endpoint.
    fn attach(&mut self, now: Instant, route: RouteId);
    /// Removes the route of a channel that was closed, with the route's cursor.
    fn detach(&mut self, route: RouteId);
    /// Handles a message of a peer. The caller counts refused messages, because endpoints drop nothing by
    /// themselves.
    fn handle_message(
        &mut self,
        now: Instant,
        route: RouteId,
        message: Message<'_>,
    ) -> Result<(), Unaccepted>;
    /// Returns the next message for this route, by the route's own cursor. The message stays until it is
    /// consumed.
    fn message(&self, route: RouteId) -> Option<Outgoing<'_>>;
    /// Consumes the message that [`Self::message`] returned, which was sent, or whose gap was counted.
    fn consume_message(&mut self, route: RouteId);

    /// Sets the destination of this route's messages, for a device that has several destinations.
    fn redirect(&mut self, _route: RouteId, _to: Option<SocketAddr>) {}
    /// Returns whether message boundaries mean nothing to the device.
    fn is_stream(&self) -> bool {
        false
    }
    /// Returns whether each route has room of its own, which reading makes. If so, no route waits for
    /// another.
    fn has_room_per_route(&self) -> bool {
        false
    }
    /// Returns whether messages of one route go to another route.
    fn couples_routes(&self) -> bool {
        false
    }
    /// Returns the treatment of a route that falls off the ring.
    fn lag_policy(&self) -> LagPolicy;
    /// Returns the state of the device.
    fn state(&self) -> DeviceState;
    /// Sets the state of a device that another component knows.
    fn set_state(&mut self, _state: DeviceState) {}
    /// Removes and returns the next action that the endpoint asks for. The owner calls this until `None`
    /// after every input.
    fn poll_action(&mut self) -> Option<Action>;

    /// Handles a source of [`Action::Open`] or [`Action::OpenUdp`] that was opened. For a listener, the
    /// second call means that a program has connected.
    fn handle_opened(&mut self, _now: Instant) {}
    /// Handles a source that could not be opened, or that vanished. Returns the count of the bytes that were
    /// queued for it and are lost.
    fn handle_failed(&mut self, _now: Instant, _failure: &Failure) -> Count {
        Count::default()
    }
    /// Handles bytes that the device's stream sent.
    fn handle_input(&mut self, _now: Instant, _input: &[u8]) {}
    /// Returns how many bytes of a stream may be read now. After 0 there is no room until a route has read
    /// more or was removed.
    fn input_room(&self) -> usize {
        usize::MAX
    }
    /// Handles one datagram from the device.
    fn handle_datagram(&mut self, _now: Instant, _from: SocketAddr, _datagram: &[u8]) {}
    /// Returns the faults of the framing, for device bytes that fitted no frame.
    fn faults(&self) -> Option<Faults> {
        None
    }
    /// Returns the next bytes for the device, or no bytes if there is nothing to write.
    fn output(&self) -> &[u8] {
        &[]
    }
    /// Returns the destination of [`Action::SendDatagram`].
    fn remote(&self) -> Option<SocketAddr> {
        None
    }
    /// Removes the first `n` bytes of [`Self::output`], which were written.
    fn consume(&mut self, _n: usize) {}
    /// Returns how many bytes the device has taken in all.
    fn written(&self) -> u64 {
        0
    }
    /// Drops the queue for the device and sends these bytes before all others. Returns what was dropped.
    fn overtake(&mut self, _bytes: &[u8]) -> Count {
        Count::default()
    }
    /// Tries the device again soon, because it may exist now.
    fn look_again(&mut self, _now: Instant) {}
    /// Returns when [`Self::handle_timeout`] must be called next.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Handles a deadline that has passed.
    fn handle_timeout(&mut self, _now: Instant) {}
}

/// Makes the endpoint that an entry of the configuration describes.
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
        EndpointKind::Rtp(_) => Box::new(rtp::Rtp::new()),
        EndpointKind::Demo => Box::new(demo::Demo::new(binary)),
        EndpointKind::Echo => probe(probe::Role::Echo),
        EndpointKind::Sink => probe(probe::Role::Sink),
        EndpointKind::Source => probe(probe::Role::Source),
    }
}

/// Makes the connection of one channel to an endpoint whose channels each have their own connection.
pub fn new_instance(config: &EndpointConfig) -> Box<dyn Endpoint> {
    let binary = config.messages == MessageType::Binary;
    let target = match &config.kind {
        EndpointKind::Tcp(Meeting::PerChannel(addr)) => Target::Tcp(*addr),
        EndpointKind::Unix(Meeting::PerChannel(path)) => Target::Unix(path.clone()),
        EndpointKind::Serial { .. }
        | EndpointKind::Tcp(_)
        | EndpointKind::Unix(_)
        | EndpointKind::Udp(_)
        | EndpointKind::Rtp(_)
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
