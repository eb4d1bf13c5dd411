//! Tickets: work that waits until this machine's addresses are known.

use std::net::IpAddr;

use crate::access::scope::Grant;
use crate::api::media::MediaWish;
use crate::ice::gatherer::Vantage;
use crate::ids::{LinkId, RequestId};

/// Work that waits for the addresses.
pub(super) enum Ticket {
    /// A client's offer over HTTP.
    Offer(Box<Offer>),
    /// A connection between peers.
    Link(LinkId),
}

/// A client's offer over HTTP.
pub(super) struct Offer {
    pub(super) request: RequestId,
    pub(super) grant: Grant,
    pub(super) vantage: Vantage,
    pub(super) remote: Option<IpAddr>,
    pub(super) body: Vec<u8>,
    /// What its media sections are to carry.
    pub(super) media: MediaWish,
}

impl Offer {
    /// Returns an offer of a client at this address.
    pub(super) fn new(
        request: RequestId,
        grant: Grant,
        remote: Option<IpAddr>,
        body: Vec<u8>,
        media: MediaWish,
    ) -> Self {
        let is_local = remote.is_some_and(|remote| remote.is_loopback());
        Self {
            request,
            grant,
            vantage: if is_local {
                Vantage::Local
            } else {
                Vantage::Remote
            },
            remote,
            body,
            media,
        }
    }
}
