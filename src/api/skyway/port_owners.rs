//! The owners of content ports. A port belongs to the first peer that uses it; a port that no peer uses is
//! closed after a while. The number of ports for each client and each peer is limited.

use std::time::Instant;

use crate::ids::{EndpointId, PeerId};
use crate::limits;

/// The open ports, the oldest first. `C`: the identity of a client that opens ports.
#[derive(Debug)]
pub struct PortOwners<C> {
    ports: Vec<Owned<C>>,
}

#[derive(Debug)]
struct Owned<C> {
    port: EndpointId,
    client: C,
    peer: Option<PeerId>,
    opened: Instant,
}

impl<C> Default for PortOwners<C> {
    fn default() -> Self {
        Self { ports: Vec::new() }
    }
}

impl<C: PartialEq> PortOwners<C> {
    /// Returns whether a client may open one more port. Ports that no peer uses yet are limited, and with
    /// `counts_used` all ports that the client has opened.
    #[cfg(test)]
    pub fn may_open(&self, client: &C, counts_used: bool) -> bool {
        self.opened_by(client, counts_used) < limits::CONTENT_PORTS
    }

    /// Returns how many ports of a client no peer uses yet; with `counts_used`, how many it has opened.
    pub fn opened_by(&self, client: &C, counts_used: bool) -> usize {
        let ports = self.ports.iter();
        let counted =
            ports.filter(|owned| (counts_used || owned.peer.is_none()) && owned.client == *client);
        counted.count()
    }

    /// Returns whether a peer may use this port: the port belongs to the peer, or the peer has fewer ports
    /// than the limit.
    pub fn may_use(&self, port: EndpointId, peer: PeerId) -> bool {
        let ports = || self.ports.iter();
        let is_own = ports().any(|owned| owned.port == port && owned.peer == Some(peer));
        let own = ports().filter(|owned| owned.peer == Some(peer));
        is_own || own.count() < limits::CONTENT_PORTS
    }

    /// Returns the peer that a port belongs to.
    pub fn peer(&self, port: EndpointId) -> Option<PeerId> {
        self.find(port).and_then(|owned| owned.peer)
    }

    /// Adds a port that a client has opened.
    pub fn open(&mut self, now: Instant, port: EndpointId, client: C) {
        self.ports.push(Owned {
            port,
            client,
            peer: None,
            opened: now,
        });
    }

    /// Makes a peer the owner of a port, unless the port has an owner already.
    pub fn claim(&mut self, port: EndpointId, peer: PeerId) {
        let mut ports = self.ports.iter_mut();
        if let Some(owned) = ports.find(|owned| owned.port == port) {
            owned.peer.get_or_insert(peer);
        }
    }

    /// Removes a port that was closed.
    pub fn close(&mut self, port: EndpointId) {
        self.ports.retain(|owned| owned.port != port);
    }

    /// Returns the ports of a peer.
    pub fn of_peer(&self, peer: PeerId) -> Vec<EndpointId> {
        let ports = self.ports.iter();
        let own = ports.filter(|owned| owned.peer == Some(peer));
        own.map(|owned| owned.port).collect()
    }

    /// Returns the ports that a client has opened and no peer uses.
    pub fn unused_of(&self, client: &C) -> Vec<EndpointId> {
        let ports = self.ports.iter();
        let unused = ports.filter(|owned| owned.peer.is_none() && owned.client == *client);
        unused.map(|owned| owned.port).collect()
    }

    /// Returns the ports that no peer has used for [`limits::CONTENT_PORT_UNUSED`].
    pub fn expired(&self, now: Instant) -> Vec<EndpointId> {
        let ports = self.ports.iter();
        let expired = ports.filter(|owned| {
            owned.peer.is_none() && now >= owned.opened + limits::CONTENT_PORT_UNUSED
        });
        expired.map(|owned| owned.port).collect()
    }

    /// Returns when the next port expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        let unused = self.ports.iter().filter(|owned| owned.peer.is_none());
        unused
            .map(|owned| owned.opened + limits::CONTENT_PORT_UNUSED)
            .min()
    }

    fn find(&self, port: EndpointId) -> Option<&Owned<C>> {
        self.ports.iter().find(|owned| owned.port == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;
    use std::time::Duration;

    #[test]
    fn a_port_belongs_to_the_first_peer_that_uses_it() {
        let now = Instant::now();
        let mut owners = PortOwners::default();
        let [port, other] = [1, 2].map(Id::from_bits);
        let [peer, stranger] = [1, 2].map(Id::from_bits);
        owners.open(now, port, "program");
        owners.open(now, other, "program");
        assert_eq!(owners.unused_of(&"program"), [port, other]);
        owners.claim(port, peer);
        owners.claim(port, stranger);
        assert_eq!(owners.peer(port), Some(peer));
        assert_eq!(owners.of_peer(peer), [port]);
        assert_eq!(owners.unused_of(&"program"), [other]);
        owners.close(port);
        assert!(owners.of_peer(peer).is_empty() && owners.peer(port).is_none());
    }

    #[test]
    fn unused_ports_expire_and_used_ones_do_not() {
        let now = Instant::now();
        let mut owners = PortOwners::default();
        let [port, other] = [1, 2].map(Id::from_bits);
        owners.open(now, port, ());
        owners.open(now + Duration::from_secs(1), other, ());
        owners.claim(port, Id::from_bits(1));
        let expiry = now + Duration::from_secs(1) + limits::CONTENT_PORT_UNUSED;
        assert_eq!(owners.next_expiry(), Some(expiry));
        assert!(owners.expired(expiry - Duration::from_millis(1)).is_empty());
        assert_eq!(owners.expired(expiry), [other]);
        owners.close(other);
        assert_eq!(owners.next_expiry(), None);
    }

    #[test]
    fn clients_and_peers_have_a_share() {
        let now = Instant::now();
        let mut owners = PortOwners::default();
        let most = limits::CONTENT_PORTS as u64;
        let (peer, other) = (Id::from_bits(1), Id::from_bits(2));
        for n in 0..most {
            assert!(owners.may_open(&"a", false), "{n}");
            owners.open(now, Id::from_bits(n), "a");
        }
        assert!(!owners.may_open(&"a", false) && owners.may_open(&"b", true));
        for n in 0..most {
            assert!(owners.may_use(Id::from_bits(n), peer));
            owners.claim(Id::from_bits(n), peer);
        }
        assert!(
            owners.may_open(&"a", false),
            "what is used counts for its peer"
        );
        assert!(
            !owners.may_open(&"a", true),
            "and for a client that is not trusted"
        );
        owners.open(now, Id::from_bits(most), "a");
        assert!(!owners.may_use(Id::from_bits(most), peer));
        assert!(owners.may_use(Id::from_bits(0), peer), "its own");
        assert!(owners.may_use(Id::from_bits(most), other));
    }
}
