//! The limits of HTTP connections: for all of them, for those from other machines, and for each address
//! there. The control socket has places of its own.
//!
//! When a limit is reached, the oldest connection without a proven right is closed, so that silent
//! connections cannot block other clients. A key of the hub may be public, so connections with only a key may
//! use half of each limit; beyond that half the oldest of them is closed.

use std::net::IpAddr;

use super::tries::network_of;
use crate::limits;

/// The origin of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The control socket.
    Control,
    /// This machine.
    Loopback,
    /// Another machine, with the network that counts as one address (see [`network_of`]).
    Network(IpAddr),
}

impl From {
    /// Returns the origin of a connection from another machine at this address.
    pub fn beyond(address: IpAddr) -> Self {
        Self::Network(network_of(address))
    }
}

/// The right that a connection has proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// No right yet.
    None,
    /// A key of the hub, or knowledge that only the key's holder has.
    Key,
    /// A token, or the origin on this machine.
    Token,
}

/// The decision about a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<I> {
    /// A place is free.
    Free,
    /// A place becomes free when this connection is closed.
    InPlaceOf(I),
    /// No place is free, because every connection has proven its right.
    Full,
}

/// The connections that a limit counts.
#[derive(Debug, Clone, Copy)]
enum Group {
    /// Connections of exactly this origin.
    Only(From),
    /// Connections from other machines.
    Network,
    /// All connections except those of the control socket.
    NotControl,
}

impl Group {
    fn has(self, from: From) -> bool {
        match self {
            Self::Only(only) => from == only,
            Self::Network => matches!(from, From::Network(_)),
            Self::NotControl => from != From::Control,
        }
    }
}

/// All connections, oldest first.
#[derive(Debug)]
pub struct Visitors<I> {
    list: Vec<Visitor<I>>,
}

#[derive(Debug)]
struct Visitor<I> {
    id: I,
    from: From,
    right: Right,
}

impl<I> Default for Visitors<I> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<I: Copy + PartialEq> Visitors<I> {
    /// Returns how many connections exist.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether no connection exists.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Decides about a new connection. `most` is the most connections that may exist, not counting those of
    /// the control socket.
    pub fn decide(&self, from: From, most: usize) -> Admission<I> {
        let (all, network) = (
            (most, Group::NotControl),
            (most * limits::NETWORK_QUARTERS / 4, Group::Network),
        );
        let bounds: &[(usize, Group)] = match from {
            From::Control => &[(limits::CONTROL_CONNECTIONS, Group::Only(from))],
            From::Loopback => &[all],
            From::Network(_) => &[
                (limits::CONNECTIONS_PER_ADDRESS, Group::Only(from)),
                network,
                all,
            ],
        };
        for (bound, counted) in bounds {
            let group = || {
                let list = self.list.iter();
                list.filter(|visitor| counted.has(visitor.from))
            };
            if group().count() < *bound {
                continue;
            }
            let mut idle = group().filter(|visitor| visitor.right == Right::None);
            let mut keys = group().filter(|visitor| visitor.right == Right::Key);
            let spare_keys = keys.clone().count() > bound / 2;
            // A place in the narrowest limit that is reached is also a place in the wider limits.
            let oldest = idle.next().or_else(|| keys.next().filter(|_| spare_keys));
            return oldest.map_or(Admission::Full, |oldest| Admission::InPlaceOf(oldest.id));
        }
        Admission::Free
    }

    /// Adds a connection.
    pub fn insert(&mut self, id: I, from: From) {
        self.list.push(Visitor {
            id,
            from,
            right: Right::None,
        });
    }

    /// Notes a right that a connection has proven and keeps.
    pub fn show_right(&mut self, id: I, right: Right) {
        let mut list = self.list.iter_mut();
        if let Some(visitor) = list.find(|visitor| visitor.id == id) {
            visitor.right = visitor.right.max(right);
        }
    }

    /// Returns the right that a connection has proven.
    pub fn right(&self, id: I) -> Right {
        let visitor = self.list.iter().find(|visitor| visitor.id == id);
        visitor.map_or(Right::None, |visitor| visitor.right)
    }

    /// Returns how many connections exist, not counting those of the control socket.
    pub fn others(&self) -> usize {
        let list = self.list.iter();
        list.filter(|visitor| Group::NotControl.has(visitor.from))
            .count()
    }

    /// Returns the network of a connection from another machine.
    pub fn network(&self, id: I) -> Option<IpAddr> {
        let visitor = self.list.iter().find(|visitor| visitor.id == id)?;
        match visitor.from {
            From::Network(network) => Some(network),
            From::Control | From::Loopback => None,
        }
    }

    /// Removes a connection that was closed.
    pub fn remove(&mut self, id: I) {
        self.list.retain(|visitor| visitor.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u8) -> From {
        From::beyond(IpAddr::from([192, 0, 2, n]))
    }

    fn filled(from: impl Fn(usize) -> From, n: usize) -> Visitors<usize> {
        let mut visitors = Visitors::default();
        for id in 0..n {
            visitors.insert(id, from(id));
        }
        visitors
    }

    #[test]
    fn silent_connections_from_many_addresses_lock_nobody_out() {
        // Six addresses with 32 connections each fill the network's limit.
        let mut visitors = filled(|id| at((id / 32) as u8), 192);
        assert_eq!(visitors.decide(at(9), 256), Admission::InPlaceOf(0));
        assert_eq!(visitors.decide(at(3), 256), Admission::InPlaceOf(96));
        assert_eq!(visitors.decide(From::Loopback, 256), Admission::Free);
        visitors.show_right(0, Right::Token);
        assert_eq!(visitors.decide(at(9), 256), Admission::InPlaceOf(1));
        for id in 0..192 {
            visitors.show_right(id, Right::Token);
        }
        assert_eq!(visitors.decide(at(9), 256), Admission::Full);
        visitors.remove(5);
        assert_eq!(visitors.decide(at(9), 256), Admission::Free);
    }

    #[test]
    fn the_control_socket_has_places_of_its_own() {
        let mut visitors = filled(|_| From::Loopback, 256);
        for id in 0..256 {
            visitors.show_right(id, Right::Token);
        }
        assert_eq!(visitors.decide(From::Loopback, 256), Admission::Full);
        assert_eq!(visitors.decide(From::Control, 256), Admission::Free);
        for id in 1_000..1_000 + limits::CONTROL_CONNECTIONS {
            visitors.insert(id, From::Control);
        }
        assert_eq!(
            visitors.decide(From::Control, 256),
            Admission::InPlaceOf(1_000)
        );
        assert_eq!(visitors.decide(at(1), 256), Admission::Full);
        assert_eq!(visitors.len(), 256 + limits::CONTROL_CONNECTIONS);
    }

    #[test]
    fn connections_with_a_public_key_leave_half_to_tokens() {
        let mut visitors = filled(|_| at(1), 32);
        for id in 0..32 {
            visitors.show_right(id, Right::Key);
        }
        assert_eq!(visitors.decide(at(1), 256), Admission::InPlaceOf(0));
        for id in 0..16 {
            visitors.show_right(id, Right::Token);
            visitors.show_right(id, Right::Key);
        }
        assert_eq!(visitors.right(3), Right::Token, "it is kept");
        assert_eq!(visitors.decide(at(1), 256), Admission::Full);
        assert_eq!((visitors.len(), visitors.others()), (32, 32));
        visitors.insert(99, From::Control);
        assert_eq!((visitors.len(), visitors.others()), (33, 32));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let v6 = |n: usize| From::beyond(format!("2001:db8::{n}").parse().expect("an address"));
        let visitors = filled(v6, limits::CONNECTIONS_PER_ADDRESS);
        assert_eq!(visitors.decide(v6(999), 256), Admission::InPlaceOf(0));
        let other = From::beyond("2001:db8:0:1::1".parse().expect("an address"));
        assert_eq!(visitors.decide(other, 256), Admission::Free);
    }
}
