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
