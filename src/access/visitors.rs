//! Which HTTP connections there may be: bounds for all of them, for those from beyond this machine, for each address there, and
//! places of its own for the control socket.
//!
//! When a bound is reached, the oldest connection that has shown no right makes room, so that silent connections cannot lock out
//! others. A key of the hub may be public, so connections that have shown only a key have half of each bound: beyond it the oldest
//! of them makes room.

use std::net::IpAddr;

use super::tries::network_of;
use crate::limits;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The control socket.
    Control,
    /// This machine.
    Loopback,
    /// Beyond this machine; the network that counts as one (see [`network_of`]).
    Network(IpAddr),
}

impl From {
    /// Beyond this machine, at this address.
    pub fn beyond(address: IpAddr) -> Self {
        Self::Network(network_of(address))
    }
}

/// What a connection has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing yet.
    None,
    /// A key of the hub, or what only its holder knows.
    Key,
    /// A token, or that it is on this machine.
    Token,
}

/// Whether a connection is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<I> {
    /// There is room.
    Free,
    /// There is room when this connection has been closed.
    InPlaceOf(I),
    /// There is no room: every connection has shown its right.
    Full,
}

/// The connections that a bound counts.
#[derive(Debug, Clone, Copy)]
enum Group {
    /// From exactly there.
    Only(From),
    /// From beyond this machine.
    Network,
    /// All but those of the control socket.
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

/// All connections, the oldest first.
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
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Decides about a connection. `most`: how many there may be, the control socket's aside.
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
            // Room in the narrowest bound that is reached is room in the wider ones as well.
            let oldest = idle.next().or_else(|| keys.next().filter(|_| spare_keys));
            return oldest.map_or(Admission::Full, |oldest| Admission::InPlaceOf(oldest.id));
        }
        Admission::Free
    }

    /// A connection was taken.
    pub fn insert(&mut self, id: I, from: From) {
        self.list.push(Visitor {
            id,
            from,
            right: Right::None,
        });
    }

    /// A connection has shown a right, which it keeps.
    pub fn show_right(&mut self, id: I, right: Right) {
        let mut list = self.list.iter_mut();
        if let Some(visitor) = list.find(|visitor| visitor.id == id) {
            visitor.right = visitor.right.max(right);
        }
    }

    /// What a connection has shown.
    pub fn right(&self, id: I) -> Right {
        let visitor = self.list.iter().find(|visitor| visitor.id == id);
        visitor.map_or(Right::None, |visitor| visitor.right)
    }

    /// How many there are beside those of the control socket.
    pub fn others(&self) -> usize {
        let list = self.list.iter();
        list.filter(|visitor| Group::NotControl.has(visitor.from))
            .count()
    }

    /// The network from which a connection comes, if that is beyond this machine.
    pub fn network(&self, id: I) -> Option<IpAddr> {
        let visitor = self.list.iter().find(|visitor| visitor.id == id)?;
        match visitor.from {
            From::Network(network) => Some(network),
            From::Control | From::Loopback => None,
        }
    }

    /// A connection was closed.
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
        // Six addresses with 32 each fill what the network may have.
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
