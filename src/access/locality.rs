//! The locality of a client: on this machine or in the network.

use std::net::IpAddr;

/// The location of a client, as far as trust depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// The client is on this machine.
    Local,
    /// The client is on another machine, at this address.
    Network(IpAddr),
}

impl Locality {
    /// Returns the address of a client on another machine.
    pub fn remote(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Network(address) => Some(address),
        }
    }
}
