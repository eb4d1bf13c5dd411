//! Connections of our own peers, as a dialect asks for them and hears of them: the words that dialects and links have in common.

use std::net::SocketAddr;

use serde_json::Value;

use crate::access::scope::Scope;
use crate::config::PeerConfig;
use crate::ids::{BridgeId, EndpointId, LinkId, PeerId, RequestId};
use crate::payload::Serialization;
use crate::session::channels::ChannelWish;

/// Where what comes over a connection goes, and what goes over it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Nothing goes over the connection.
    Nothing,
    /// A content port.
    Port(EndpointId),
    /// An endpoint of the configuration, both ways.
    Endpoint {
        /// The endpoint.
        id: EndpointId,
        /// Its name, which scopes are held against.
        name: String,
    },
    /// The endpoint that a peer of the configuration has for the label of the channel.
    ByLabel(PeerConfig),
    /// A connection with another page.
    Bridge(BridgeId),
}

/// A connection that one of our peers wants to have.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The peer that calls.
    pub(crate) peer: PeerId,
    /// The name of the peer that is called.
    pub(crate) target: String,
    /// The channel.
    pub(crate) channel: ChannelWish,
    /// How messages are said to be written.
    pub(crate) serialization: Serialization,
    /// What the application adds.
    pub(crate) metadata: Option<Value>,
    /// Whether messages are written as they are said to be written.
    pub(crate) transcodes: bool,
    /// What feeds the connection.
    pub(crate) feed: Feed,
    /// Where messages of the other peer go instead of to the last sender.
    pub(crate) redirect: Option<SocketAddr>,
    /// The endpoints that the connection may be bound to.
    pub(crate) scopes: Vec<Scope>,
}

/// What a dialect wants of a connection.
#[derive(Debug)]
pub(crate) enum Order {
    /// Makes a connection. The answer is [`LinkNews::Made`] or [`LinkNews::NotMade`].
    Call(RequestId, Box<Wish>),
    /// Closes a connection politely.
    Close(LinkId, &'static str),
    /// Feeds a connection by something else, with the scopes of now.
    Feed(LinkId, Feed, Vec<Scope>),
    /// Sets whether messages are written as they are said to be written.
    Transcode(LinkId, bool),
    /// Sets where messages go; with `None` the place that was set before is told to a new feed.
    Redirect(LinkId, Option<SocketAddr>),
    /// Asks how a connection is, for this request.
    Status(RequestId, LinkId),
}

/// How a connection is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinkStatus {
    /// The name of the other peer.
    pub(crate) remote: String,
    /// The label of the channel.
    pub(crate) label: String,
    /// What the application of the caller has added.
    pub(crate) metadata: Option<Value>,
    /// Whether messages can be sent.
    pub(crate) open: bool,
    /// Whether messages arrive in order and none is lost.
    pub(crate) reliable: bool,
    /// How messages are said to be written.
    pub(crate) serialization: Serialization,
}

/// What has become of a connection of a peer.
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
    /// The connection failed, and ends.
    Failed(String),
    /// The connection has ended. This is how it was.
    Ended(Box<LinkStatus>),
    /// How the connection is, for a request, with the bytes that its session has not seen acknowledged. `None`: the connection
    /// has ended since.
    Status(RequestId, Option<Box<LinkStatus>>, u64),
}
