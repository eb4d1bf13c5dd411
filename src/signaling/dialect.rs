//! The interface of a dialect: the requests that it claims, its inputs, and its outputs.
//!
//! A dialect is one folder with a type that implements [`Dialect`], one field and one row in
//! `rendezvous/table.rs`. A dialect knows no other dialect and no connection between peers: it reads and
//! changes the members of the hub through [`Lobby`], and everything that leaves it is an [`Output`].

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::call::{LinkNews, Order};
use super::door::PageOrigin;
use super::message::Signal;
use super::rendezvous::lobby::Lobby;
use crate::access::locality::Locality;
use crate::access::visitors::Right;
use crate::api::problem::Problem;
use crate::config::{HubConfig, KeyConfig};
use crate::http::{Method, RequestHead, Response};
pub(crate) use crate::ids::SocketUse;
use crate::ids::{ConnectionId, DialectId, EndpointId, LinkId, PeerId, RequestId, SocketId};
use crate::websocket::WsMessage;

/// A request that a dialect claims: its method and its decoded path, without an empty segment at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(super) dialect: DialectId,
    pub(super) method: Method,
    pub(super) segments: Vec<String>,
}

impl Claim {
    /// Returns the segments of the path.
    pub(super) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Returns an error in the form of the gateway's own API (RFC 9457).
    pub(super) fn problem(&self, status: u16, field: &'static str, detail: &str) -> Response {
        Problem::new(status, detail).at(field).response()
    }
}

/// The stateless part of a dialect: one row of functions about its paths.
pub(crate) struct Paths {
    /// Whether a path with these first two segments, not decoded, may belong to this dialect. Called for
    /// every request.
    pub(super) may_claim: fn(first: &str, second: Option<&str>) -> bool,
    /// Whether a path belongs to this dialect, whatever the method.
    pub(super) claims: fn(path: &[&str]) -> bool,
    /// The value of `Allow` for a path as it was written, with an empty segment at the end if the path has
    /// one.
    pub(super) allow: fn(path: &[&str]) -> String,
    /// The response to a method that the path does not accept.
    pub(super) not_allowed: fn(&Claim) -> Option<Response>,
    /// Whether the dialect acts on the request only after its body has arrived.
    pub(super) takes_body: fn(&Claim) -> bool,
    /// An error in the form that the dialect's clients read: status, field, and a sentence.
    pub(super) error: fn(&Claim, u16, &'static str, &str) -> Response,
    /// The keys that admit clients of this dialect.
    pub(super) keys: fn(&HubConfig) -> &[KeyConfig],
    /// Every path, with `{}` for a segment of any text.
    #[cfg(test)]
    pub(super) routes: fn() -> Vec<&'static str>,
}

/// A request whose host and origin were checked.
#[derive(Debug, Clone)]
pub(crate) struct DialectRequest {
    /// The id for the response.
    pub(crate) id: RequestId,
    /// The dialect that claims the request, and the path.
    pub(crate) claim: Claim,
    /// The location of the client.
    pub(crate) locality: Locality,
    /// The origin of the page that asks.
    pub(crate) origin: PageOrigin,
    /// The gateway's address of the connection.
    pub(crate) local: SocketAddr,
    /// The query after the question mark, not decoded.
    pub(crate) query: String,
}

/// An input from a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestInput<'a> {
    /// The head of a request that needs no body.
    Head(&'a RequestHead),
    /// The body of a request.
    Body(&'a [u8]),
}

/// An event of a WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SocketInput<'a> {
    /// The WebSocket was opened, with the number of its [`Output::Upgrade`].
    Opened(u64),
    /// The client has sent a message.
    Message(&'a WsMessage),
    /// The WebSocket has written bytes; so many still wait.
    Drained(usize),
    /// The WebSocket was closed.
    Closed,
}

/// Returns a response that must not be cached, for lists of names and the like.
pub(super) fn fresh(response: Response) -> Response {
    response.header("Cache-Control", "no-store")
}

/// Returns a response with JSON.
pub(super) fn json(value: &Value) -> Response {
    Response::new(200).body("application/json", value.to_string().into_bytes())
}

/// Returns an error response to a method other than GET and HEAD, for paths that accept no other.
pub(super) fn check_is_get(claim: &Claim, head: &RequestHead) -> Result<(), Response> {
    if matches!(head.method, Method::Get | Method::Head) {
        return Ok(());
    }
    let detail = format!("this path takes {ONLY_GET}");
    let response = claim.problem(405, "method", &detail);
    Err(response.header("Allow", ONLY_GET))
}

/// The value of `Allow` for paths that are only read.
pub(super) const ONLY_GET: &str = "GET, HEAD, OPTIONS";

/// The connection that has proved a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The connection of this request.
    Request(RequestId),
    /// The connection of this WebSocket.
    Socket(SocketId),
}

impl Shown {
    /// Returns the id of the connection.
    pub(crate) fn connection(self) -> ConnectionId {
        match self {
            Self::Request(request) => request.connection,
            Self::Socket(socket) => socket.0,
        }
    }
}

/// The reason why a peer has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eviction {
    /// The configuration has a peer of this id.
    IdIsConfigured,
    /// The configuration no longer has the key, or the page's origin.
    KeyIsGone,
}

/// An output of a dialect.
#[derive(Debug)]
pub(crate) enum Output {
    /// Answers a request.
    Answer(RequestId, Response),
    /// Closes the connection of a request after its output was written.
    HangUp(RequestId),
    /// Turns a request into a WebSocket. `key`: its `Sec-WebSocket-Key`.
    Upgrade {
        request: RequestId,
        key: String,
        number: u64,
    },
    /// Sends a text frame.
    Send(SocketId, String),
    /// Closes a WebSocket with a code (RFC 6455 §7.4.1) and a reason.
    Close(SocketId, u16, &'static str),
    /// Pings a WebSocket, which is closed unless it answers in this time.
    Probe(SocketId, Duration),
    /// Notes a right that a connection has proved.
    ShowRight(Shown, Right),
    /// Gives an order for connections of the dialect's peers.
    Link(Order),
    /// Ends all connections of one of the gateway's own peers, and removes the peer from the hub.
    Remove(PeerId),
    /// Opens a content port.
    OpenPort { bind: SocketAddr },
    /// Closes a content port.
    ClosePort(EndpointId),
    /// Makes sure that a socket exists for sending to addresses of this family.
    PrepareSender(IpAddr),
    /// Lists this machine's addresses and networks anew; no request waits for the result.
    ListAddresses,
}

/// The counters of what a dialect has refused and dropped since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Signals that were malformed, or that did not fit.
    pub(crate) signals_refused: u64,
    /// Events that were dropped because no program asked for them.
    pub(crate) events_dropped: u64,
}

/// A protocol in which clients communicate with the hub.
///
/// After every `handle_*` the owner calls `poll_output` until it returns `None`.
pub(crate) trait Dialect {
    /// Acts on a request.
    fn handle_request(
        &mut self,
        lobby: &mut Lobby<'_>,
        request: &DialectRequest,
        input: RequestInput<'_>,
    );

    /// Answers or ends a waiting request, because its client sends no more.
    fn handle_half_closed(&mut self, _lobby: &mut Lobby<'_>, _request: RequestId) {}

    /// Acts on the closed connection of a request.
    fn handle_gone(&mut self, _lobby: &mut Lobby<'_>, _request: RequestId) {}

    /// Acts on an event of a WebSocket.
    fn handle_socket(
        &mut self,
        _lobby: &mut Lobby<'_>,
        _socket: SocketId,
        _input: SocketInput<'_>,
    ) {
    }

    /// Delivers a signal of another peer to a peer of this dialect.
    fn handle_delivery(
        &mut self,
        _lobby: &mut Lobby<'_>,
        _to: PeerId,
        _from: &str,
        _signal: &Signal,
    ) {
    }

    /// Acts on news about a connection of one of this dialect's peers.
    fn handle_link(&mut self, _lobby: &mut Lobby<'_>, _link: LinkId, _news: LinkNews) {}

    /// Ends a peer of this dialect.
    fn handle_eviction(&mut self, lobby: &mut Lobby<'_>, peer: PeerId, why: Eviction);

    /// Acts on a new configuration.
    fn handle_config(&mut self, _lobby: &mut Lobby<'_>) {}

    /// Acts on the shutdown of the gateway.
    fn handle_stop(&mut self, _lobby: &mut Lobby<'_>) {}

    /// Acts on a deadline that has passed.
    fn handle_timeout(&mut self, _lobby: &mut Lobby<'_>) {}

    /// Returns when [`Self::handle_timeout`] must be called.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Does the work that waits for the end of a turn.
    fn settle(&mut self, _lobby: &mut Lobby<'_>) {}

    /// Returns whether [`Self::settle`] would do nothing.
    fn is_quiet(&self) -> bool {
        true
    }

    /// Takes out the next output.
    fn poll_output(&mut self) -> Option<Output>;

    /// Returns the counters of what was refused and dropped.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}
