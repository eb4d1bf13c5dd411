//! Where a client is.

use std::net::IpAddr;

/// Where a client is, as far as trust is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// On this machine.
    Local,
    /// Beyond this machine, at this address.
    Network(IpAddr),
}

impl Locality {}
