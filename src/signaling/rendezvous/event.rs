//! The outputs of the rendezvous.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::access::places::Claimant;
use crate::access::scope::{Grant, Scope};
use crate::access::visitors::Right;
use crate::http::Response;
use crate::ids::{BridgeId, EndpointId, LinkId, RequestId, RouteId, SessionId, SocketId};
use crate::payload::Serialization;
pub(crate) use crate::signaling::dialect::{Shown, SocketUse};
pub(crate) use crate::signaling::links::{Beginning, ChannelPlan, ChannelRefusal, Target};

pub(crate) use crate::ice::gatherer::Vantage;

/// Something for the rest of the gateway to do.
#[derive(Debug)]
pub(crate) enum RendezvousEvent {
    /// Answer a request. The response has no headers of CORS yet.
    Answer(RequestId, Response),
    /// Read the body of a request, for `handle_body`.
    AcceptBody(RequestId),
    /// Close the connection of a request after what was written to it.
    HangUp(RequestId),
    /// Make a WebSocket of a request: its use, which `handle_socket_opened` receives, and the value of
    /// `Sec-WebSocket-Key`.
    Upgrade(RequestId, SocketUse, String),
    /// Send a text frame; the gateway calls `handle_socket_full` if there is no room for it.
    Send(SocketId, String),
    /// Close a WebSocket with a code (RFC 6455 §7.4.1) and a reason.
    Close(SocketId, u16, &'static str),
    /// Ping a WebSocket, and close it unless it answers in this time.
    Probe(SocketId, Duration),
    /// Note a right that a connection has proved.
    ShowRight(Shown, Right),
    /// List this machine's addresses, for `handle_gathered`.
    Gather(LinkId),
    /// Begin a session, for `handle_begun`.
    Begin(Box<BeginLink>),
    /// Give a session its answer, for `handle_answered`.
    AcceptAnswer(LinkId, SessionId, String),
    /// Give a session candidates of its peer.
    AddCandidates(SessionId, Vec<String>),
    /// Close a session whose link has ended. `handle_session_ended` has no effect for that link afterwards.
    CloseSession(SessionId, &'static str),
    /// Set the endpoints that a session may use.
    SetScopes(SessionId, Vec<Scope>),
    /// Bind a route to another target.
    Rebind(RouteId, Target),
    /// Send the messages of a route to this address, or (`None`) to the last sender.
    Redirect(RouteId, Option<SocketAddr>),
    /// Write and read the messages of a route in this way, or (`None`) leave them as they are.
    Transcode(RouteId, Option<Serialization>),
    /// Make sure that a socket exists that can send to addresses of this family.
    PrepareSender(IpAddr),
    /// Open a content port, for `handle_port`.
    OpenPort(SocketAddr),
    /// Close a content port.
    ClosePort(EndpointId),
    /// Remove a bridge whose halves have ended.
    CloseBridge(BridgeId),
    /// List this machine's addresses and networks anew; no call waits for the result.
    ListAddresses,
    /// Ask how many bytes the session of a link, if it has one, has not seen acknowledged, for
    /// `answer_status`.
    Status(RequestId, LinkId, Option<SessionId>),
    /// Publish an event to readers of `/events`.
    Publish(&'static str, Value),
}

/// A session to begin for a link.
#[derive(Debug)]
pub(crate) struct BeginLink {
    pub(crate) link: LinkId,
    pub(crate) how: Beginning,
    pub(crate) rights: Grant,
    /// The claimant to which the session is charged.
    pub(crate) claimant: Claimant,
    pub(crate) place: PeerPlace,
}

/// The location of the other side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerPlace {
    /// This very process.
    Within,
    /// A location that ICE finds.
    Vantage(Vantage),
}

impl ChannelRefusal {
    /// Returns the reason in the words of the control channel.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::SecondChannel => "too-many-channels",
            Self::NoEndpoint | Self::Forbidden => "unknown-endpoint",
        }
    }

    /// Returns a sentence for people.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            // Both libraries make one connection for each channel.
            Self::SecondChannel => "a data connection has one channel",
            Self::NoEndpoint => "this peer has no endpoint for this label, or it is not there",
            Self::Forbidden => "this connection may not use that endpoint",
        }
    }
}

/// Figures for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RendezvousStats {
    /// The peers of the hub.
    pub(crate) peers: usize,
    /// The links, those included that have ended and can still be polled.
    pub(crate) links: usize,
    /// The content ports.
    pub(crate) content_ports: usize,
    /// Requests that wait for an event of a peer or connection.
    pub(crate) parked_polls: usize,
    /// The peers and pages that were refused for lack of room, or because their id was in use.
    pub(crate) peers_refused: u64,
    /// The signals that were malformed, had no room, or were dropped.
    pub(crate) signals_refused: u64,
    /// The links that were refused for lack of room. The gateway counts them as refused sessions.
    pub(crate) links_refused: u64,
    /// The events of peers and connections that were dropped because no program asked for them.
    pub(crate) events_dropped: u64,
    /// The guessed keys and wrong credentials.
    pub(crate) tries_failed: u64,
}
