//! The ids by which components refer to each other's objects, so that ownership stays a tree.

use crate::util::slab::Id;

/// The type that distinguishes [`SourceId`] from other ids.
#[derive(Debug)]
pub enum SourceKind {}
/// A source that the operating system polls: a byte stream, a listener or a datagram socket.
pub type SourceId = Id<SourceKind>;

/// The type that distinguishes [`SessionId`] from other ids.
#[derive(Debug)]
pub enum SessionKind {}
/// A session: one peer association.
pub type SessionId = Id<SessionKind>;

/// The type that distinguishes [`EndpointId`] from other ids.
#[derive(Debug)]
pub enum EndpointKind {}
/// An endpoint: the local, device side end of channels.
pub type EndpointId = Id<EndpointKind>;

/// The type that distinguishes [`RouteId`] from other ids.
#[derive(Debug)]
pub enum RouteKind {}
/// A route: the binding of a channel to an endpoint.
pub type RouteId = Id<RouteKind>;

/// The type that distinguishes [`PeerId`] from other ids.
#[derive(Debug)]
pub enum PeerKind {}
/// A peer of the hub, whatever dialect it speaks.
pub type PeerId = Id<PeerKind>;

/// The type that distinguishes [`PageId`] from other ids.
#[derive(Debug)]
pub enum PageKind {}
/// A client of Socket.IO.
pub type PageId = Id<PageKind>;

/// The type that distinguishes [`LinkId`] from other ids.
#[derive(Debug)]
pub enum LinkKind {}
/// A connection of a peer of this gateway with another peer, as the hub knows it.
pub type LinkId = Id<LinkKind>;

/// The type that distinguishes [`TrackId`] from other ids.
#[derive(Debug)]
pub enum TrackKind {}
/// A track: pictures or sound of an endpoint.
pub type TrackId = Id<TrackKind>;

/// Which socket of a track a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackSocket {
    /// The socket for RTP, and for RTCP as well if they share one (RFC 5761).
    Rtp,
    /// The socket for RTCP.
    Rtcp,
}

/// The type that distinguishes [`ViewerId`] from other ids.
#[derive(Debug)]
pub enum ViewerKind {}
/// A viewer: a session's section that gets the packets of a track.
pub type ViewerId = Id<ViewerKind>;

/// The type that distinguishes [`ConnectionId`] from other ids.
#[derive(Debug)]
pub enum ConnectionKind {}
/// One HTTP or WebSocket connection.
pub type ConnectionId = Id<ConnectionKind>;

/// One HTTP request. A connection serves one request at a time, so the id of a request that was answered, or
/// whose connection was closed, finds nothing. A component that answers late needs no special rule for
/// abandoned requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The connection that the request arrived on.
    pub connection: ConnectionId,
    /// The number of the request on this connection, counted from 0.
    pub number: u32,
}

/// One WebSocket of a dialect: a connection after its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub ConnectionId);

/// A bridge between two pages whose libraries do not understand each other's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId(pub u32);

/// A dialect of the hub, by its index in the table of dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialectId(pub u8);

/// The purpose of a dialect's WebSocket. The dialect that asked for the upgrade recognises it by the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketUse {
    /// The dialect.
    pub dialect: DialectId,
    /// The number that the dialect has given the WebSocket.
    pub number: u64,
}
