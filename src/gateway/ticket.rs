//! What waits for this machine's addresses.

use std::net::IpAddr;

use crate::access::scope::Grant;
use crate::ice::gatherer::Vantage;
use crate::ids::{LinkId, RequestId};

/// One that waits.
pub(super) enum Ticket {
    /// An offer over HTTP.
    Offer(Box<Offer>),
    /// A connection between peers.
    Link(LinkId),
}

/// An offer over HTTP.
pub(super) struct Offer {
    pub(super) request: RequestId,
    pub(super) grant: Grant,
    pub(super) vantage: Vantage,
    pub(super) remote: Option<IpAddr>,
    pub(super) body: Vec<u8>,
}
