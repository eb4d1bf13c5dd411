//! The ids by which parts refer to each other; ownership stays a tree.

use crate::util::slab::Id;

/// Tells [`SourceId`] from other ids.
#[derive(Debug)]
pub enum SourceKind {}
/// What the operating system polls: a byte stream, a listener or a datagram socket.
pub type SourceId = Id<SourceKind>;

/// Tells [`SessionId`] from other ids.
#[derive(Debug)]
pub enum SessionKind {}
/// One peer association.
pub type SessionId = Id<SessionKind>;

/// Tells [`EndpointId`] from other ids.
#[derive(Debug)]
pub enum EndpointKind {}
/// A local, device side end.
pub type EndpointId = Id<EndpointKind>;

/// Tells [`RouteId`] from other ids.
#[derive(Debug)]
pub enum RouteKind {}
/// The binding of a channel to an endpoint.
pub type RouteId = Id<RouteKind>;

/// Tells [`PeerId`] from other ids.
#[derive(Debug)]
pub enum PeerKind {}
/// A peer of the hub, whatever dialect it speaks.
pub type PeerId = Id<PeerKind>;

/// Tells [`PageId`] from other ids.
#[derive(Debug)]
pub enum PageKind {}
/// A client of Socket.IO.
pub type PageId = Id<PageKind>;

/// Tells [`LinkId`] from other ids.
#[derive(Debug)]
pub enum LinkKind {}
/// A connection of one of our peers with another peer, as the hub knows it.
pub type LinkId = Id<LinkKind>;

/// Tells [`ConnectionId`] from other ids.
#[derive(Debug)]
pub enum ConnectionKind {}
/// One HTTP or WebSocket connection.
pub type ConnectionId = Id<ConnectionKind>;

/// One HTTP request. A connection serves one request at a time, so an id whose request was answered, or whose connection was
/// closed, finds nothing: a component that answers later needs no rule for requests that were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The connection that the request came over.
    pub connection: ConnectionId,
    /// Which request of this connection it is, counted from 0.
    pub number: u32,
}

/// One WebSocket of a dialect: a connection after its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub ConnectionId);

/// What stands between two pages whose libraries do not understand each other's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId(pub u32);

/// A dialect of the hub: its place in the table of dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialectId(pub u8);

/// What the WebSocket of a dialect is for. The dialect that asked for the upgrade knows more by the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketUse {
    /// The dialect.
    pub dialect: DialectId,
    /// The number that the dialect has given the WebSocket.
    pub number: u64,
}
