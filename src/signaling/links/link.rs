//! One connection between one of the gateway's own peers and another peer.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::Beginning;
use crate::access::scope::Scope;
use crate::ids::{PeerId, RouteId, SessionId};
use crate::payload::Serialization;
use crate::signaling::call::{Feed, LinkStatus};
use crate::signaling::message::{Body, Failed, Why};

/// A link from its call to its end.
#[derive(Debug)]
pub(super) struct Link {
    /// The gateway's own peer.
    pub(super) peer: PeerId,
    /// The other peer's name.
    pub(super) remote: String,
    /// The id that both peers use for the connection.
    pub(super) connection: String,
    /// The way in which the session will begin; `None` from then on.
    pub(super) beginning: Option<Beginning>,
    /// Whether the gateway's own peer calls.
    pub(super) calls: bool,
    /// Candidates that arrived before the session knew the description of its peer.
    pub(super) candidates: Vec<String>,
    /// Whether the session knows the description of its peer.
    pub(super) knows_peer: bool,
    pub(super) session: Option<SessionId>,
    pub(super) route: Option<RouteId>,
    pub(super) feed: Feed,
    pub(super) redirect: Option<SocketAddr>,
    /// The endpoints that the link may be bound to.
    pub(super) scopes: Vec<Scope>,
    /// The network of the client that called, if that is beyond this machine.
    pub(super) network: Option<IpAddr>,
    /// The announced serialization of messages.
    pub(super) serialization: Serialization,
    /// Whether messages are converted accordingly.
    pub(super) transcodes: bool,
    pub(super) label: String,
    pub(super) metadata: Option<Value>,
    pub(super) reliable: bool,
    pub(super) open: bool,
}

impl Link {
    /// Returns the status of the link.
    pub(super) fn status(&self) -> LinkStatus {
        LinkStatus {
            remote: self.remote.clone(),
            label: self.label.clone(),
            metadata: self.metadata.clone(),
            open: self.open,
            reliable: self.reliable,
            serialization: self.serialization,
        }
    }

    /// Returns the serialization of messages, if messages must be converted.
    pub(super) fn encoding(&self) -> Option<Serialization> {
        let changes = self.transcodes && self.serialization != Serialization::Raw;
        changes.then_some(self.serialization)
    }

    /// Returns the signal that tells the other peer that the link failed.
    pub(super) fn failure(&self, detail: &str) -> Body {
        Body::Failed(Failed {
            connection: self.connection.clone(),
            why: Why::Refused,
            detail: detail.to_owned(),
        })
    }
}
