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
