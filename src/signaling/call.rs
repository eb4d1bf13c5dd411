//! Connections of the gateway's own peers: the orders and news that dialects and links exchange.

use std::net::SocketAddr;

use serde_json::Value;

use crate::access::scope::Scope;
use crate::config::PeerConfig;
use crate::ids::{BridgeId, EndpointId, LinkId, PeerId, RequestId};
use crate::payload::Serialization;
use crate::session::channels::ChannelWish;

/// The source of a connection's messages, and the destination of received ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Nothing goes over the connection.
    Nothing,
    /// A content port feeds the connection.
    Port(EndpointId),
    /// An endpoint of the configuration, in both directions.
    Endpoint {
        /// The endpoint.
        id: EndpointId,
        /// The endpoint's name, which is compared with scopes.
        name: String,
    },
    /// The endpoint that a peer of the configuration has for the label of the channel.
    ByLabel(PeerConfig),
    /// A connection with another page, which takes and gives the messages.
    Bridge(BridgeId),
}

/// A connection that one of the gateway's own peers wants to have.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The peer that calls.
    pub(crate) peer: PeerId,
    /// The name of the peer that is called.
    pub(crate) target: String,
    /// The channel.
    pub(crate) channel: ChannelWish,
    /// The announced serialization of messages.
    pub(crate) serialization: Serialization,
    /// Metadata of the application.
    pub(crate) metadata: Option<Value>,
    /// Whether messages are converted according to the announced serialization.
    pub(crate) transcodes: bool,
    /// The source of the connection's messages.
    pub(crate) feed: Feed,
    /// The address for messages of the other peer, instead of the last sender's.
    pub(crate) redirect: Option<SocketAddr>,
    /// The endpoints that the connection may be bound to.
    pub(crate) scopes: Vec<Scope>,
}

/// An order of a dialect for a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Makes a connection. The answer is [`LinkNews::Made`] or [`LinkNews::NotMade`].
    Call(RequestId, Box<Wish>),
    /// Closes a connection and tells the other peer the reason.
    Close(LinkId, &'static str),
    /// Feeds a connection from another source, with the present scopes.
    Feed(LinkId, Feed, Vec<Scope>),
    /// Sets whether messages are converted according to the announced serialization.
    Transcode(LinkId, bool),
    /// Sets the address for messages; with `None` a new feed is given the address that was set before.
    Redirect(LinkId, Option<SocketAddr>),
    /// Asks for the status of a connection, for this request.
    Status(RequestId, LinkId),
}

/// The status of a connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinkStatus {
    /// The name of the other peer.
    pub(crate) remote: String,
    /// The label of the channel.
    pub(crate) label: String,
    /// The metadata that the caller's application added.
    pub(crate) metadata: Option<Value>,
    /// Whether messages can be sent.
    pub(crate) open: bool,
    /// Whether messages arrive in order and none is lost.
    pub(crate) reliable: bool,
    /// The announced serialization of messages.
    pub(crate) serialization: Serialization,
}

/// News about a connection of a peer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LinkNews {
    /// The connection that a request asked for is being made, for this peer.
    Made(RequestId, PeerId),
    /// The connection that a request asked for cannot be made.
    NotMade(RequestId),
    /// Another peer calls this peer.
    Called(PeerId),
    /// Messages can be sent.
    Open,
    /// The connection failed and will end.
    Failed(String),
    /// The connection has ended, with its last status.
    Ended(Box<LinkStatus>),
    /// The status of the connection, for a request, with the number of bytes that its session has not seen
    /// acknowledged. `None`: the connection has ended since.
    Status(RequestId, Option<Box<LinkStatus>>, u64),
}
