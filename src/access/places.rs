//! The choice of claimants for sessions: limits that keep places free for administrators and for other
//! clients, so that one token, key, address or dialect cannot take all places.
//!
//! The rules identify sessions only by an id of their owner's.

use std::net::IpAddr;
use std::time::Instant;

use super::tries::network_of;

/// The party that a session belongs to. All sessions of one claimant share its limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimant {
    /// The id of the token that the client used.
    pub token: Option<String>,
    /// The key of the hub with which the client was admitted.
    pub key: Option<String>,
    /// The network of the client, if the client is on another machine.
    pub network: Option<IpAddr>,
    /// Whether the client is an administrator: by its token, over the control socket, or on this machine.
    pub is_admin: bool,
}

impl Claimant {
    /// Returns the claimant with the client's address added.
    #[must_use]
    pub fn at(self, address: Option<IpAddr>) -> Self {
        let network = address.filter(|address| !address.is_loopback());
        Self {
            network: network.map(network_of),
            ..self
        }
    }

    /// Returns the names by which log lines are limited: the token, the key and the network, each by itself.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let token = self.token.as_ref().map(|token| format!("token {token}"));
        let key = self.key.as_ref().map(|key| format!("key {key}"));
        let network = self.network.map(|network| format!("network {network}"));
        let is_here = token.is_none() && key.is_none() && network.is_none();
        let here = is_here.then(|| "here".to_owned());
        [token, key, network, here].into_iter().flatten()
    }
}

/// An existing session.
#[derive(Debug, Clone, Copy)]
pub struct Occupant<'a, I> {
    /// The owner's id of the session.
    pub id: I,
    /// The claimant of the session.
    pub claimant: &'a Claimant,
    /// When the session began.
    pub since: Instant,
    /// Whether its peer has been reached.
    pub is_connected: bool,
    /// Whether the session is a connection of the hub.
    pub is_of_hub: bool,
}

/// The decision about a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<I> {
    /// A place is free.
    Free,
    /// A place becomes free when this session is closed.
    InPlaceOf(I),
    /// No place is free, for this reason.
    Full(Fullness),
}

/// Why no place is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fullness {
    /// All places are in use.
    All,
    /// The remaining places are kept for administrators and for this machine.
    Reserved,
    /// The hub uses its half, or its clients on other machines use their part of that half.
    Hub,
    /// The client's network uses its share of the hub.
    Network,
}

/// The limits that follow from the number of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    all: usize,
}

impl Places {
    /// Returns the limits. `all` is the most sessions at a time.
    pub fn new(all: usize) -> Self {
        Self { all }
    }

    /// Returns how many places are kept for administrators: an eighth, and at least one if there are four
    /// places.
    pub fn reserved(self) -> usize {
        match self.all {
            0..4 => 0,
            all => (all / 8).max(1),
        }
    }

    /// Returns how many sessions the hub may have: half of all.
    pub fn of_hub(self) -> usize {
        self.all.div_ceil(2)
    }

    /// Returns how many of the hub's sessions clients on other machines may have: three quarters, so that
    /// some are left for programs on this machine.
    pub fn of_hub_beyond(self) -> usize {
        (self.of_hub() * 3).div_ceil(4)
    }

    /// Returns how many of the hub's sessions one network may have: half.
    pub fn of_hub_network(self) -> usize {
        self.of_hub().div_ceil(2).max(2)
    }

    /// Returns how many sessions of one claimant may wait for their connection: a quarter. A connection
    /// between two peers of this gateway has two sessions.
    pub fn unconnected(self) -> usize {
        self.all.div_ceil(4).max(2)
    }

    /// Decides about a new session of this claimant.
    pub fn decide<'a, I: Copy>(
        self,
        wanted: &Claimant,
        is_of_hub: bool,
        occupants: impl Iterator<Item = Occupant<'a, I>>,
    ) -> Verdict<I> {
        let occupants: Vec<Occupant<'a, I>> = occupants.collect();
        // Only the total number of places limits an administrator.
        if !wanted.is_admin
            && let Some(oldest) = self.displaced(wanted, is_of_hub, &occupants)
        {
            return Verdict::InPlaceOf(oldest);
        }
        if is_of_hub && let Some(full) = self.hub_is_full(wanted, &occupants) {
            return Verdict::Full(full);
        }
        if occupants.len() >= self.all {
            return Verdict::Full(Fullness::All);
        }
        if !wanted.is_admin && occupants.len() >= self.all - self.reserved() {
            return Verdict::Full(Fullness::Reserved);
        }
        Verdict::Free
    }

    fn hub_is_full<I>(self, wanted: &Claimant, occupants: &[Occupant<'_, I>]) -> Option<Fullness> {
        let hub = || occupants.iter().filter(|occupant| occupant.is_of_hub);
        let network = |occupant: &&Occupant<'_, I>| occupant.claimant.network;
        if hub().count() >= self.of_hub() {
            return Some(Fullness::Hub);
        }
        let own = wanted.network?;
        if hub().filter(|it| network(it) == Some(own)).count() >= self.of_hub_network() {
            return Some(Fullness::Network);
        }
        let beyond = hub().filter(|it| network(it).is_some());
        (beyond.count() >= self.of_hub_beyond()).then_some(Fullness::Hub)
    }

    /// Returns the session to close, if the waiting sessions of one token, key or network fill a quarter of
    /// the places. A session of the hub displaces only a session of the hub, and no administrator's session
    /// is displaced. The claimant with the most sessions loses one, so a client that makes many offers
    /// displaces its own.
    fn displaced<I: Copy>(
        self,
        wanted: &Claimant,
        is_of_hub: bool,
        occupants: &[Occupant<'_, I>],
    ) -> Option<I> {
        let waiting: Vec<&Occupant<'_, I>> = (occupants.iter())
            .filter(|it| !it.is_connected && it.is_of_hub == is_of_hub && !it.claimant.is_admin)
            .collect();
        let same = |same: &dyn Fn(&Claimant) -> bool| -> Vec<&Occupant<'_, I>> {
            let all = waiting.iter().copied();
            all.filter(|it| same(it.claimant)).collect()
        };
        let by_token = same(&|other| wanted.token.is_some() && other.token == wanted.token);
        let by_key = same(&|other| wanted.key.is_some() && other.key == wanted.key);
        let by_network = same(&|other| wanted.network.is_some() && other.network == wanted.network);
        for group in [by_token, by_key, by_network] {
            if group.len() >= self.unconnected() {
                return oldest_of_most(&group);
            }
        }
        None
    }
}

/// Returns the oldest session of the claimant that has the most sessions of a group.
fn oldest_of_most<I: Copy>(group: &[&Occupant<'_, I>]) -> Option<I> {
    let count = |claimant: &Claimant| group.iter().filter(|it| it.claimant == claimant).count();
    let most = group.iter().map(|it| count(it.claimant)).max()?;
    let greedy = group.iter().filter(|it| count(it.claimant) == most);
    greedy.min_by_key(|it| it.since).map(|it| it.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Session {
        claimant: Claimant,
        is_connected: bool,
        is_of_hub: bool,
    }

    fn token(id: &str) -> Claimant {
        Claimant {
            token: Some(id.to_owned()),
            ..Claimant::default()
        }
    }

    fn admin() -> Claimant {
        Claimant {
            is_admin: true,
            ..Claimant::default()
        }
    }

    fn decide(all: usize, sessions: &[Session], wanted: &Claimant, hub: bool) -> Verdict<usize> {
        let start = Instant::now();
        let occupants = sessions.iter().enumerate().map(|(id, session)| Occupant {
            id,
            claimant: &session.claimant,
            // The later a session's place in the list, the older the session.
            since: start + Duration::from_secs(1_000 - id as u64),
            is_connected: session.is_connected,
            is_of_hub: session.is_of_hub,
        });
        Places::new(all).decide(wanted, hub, occupants)
    }

    fn sessions(n: usize, claimant: &Claimant, is_connected: bool) -> Vec<Session> {
        let one = || Session {
            claimant: claimant.clone(),
            is_connected,
            is_of_hub: claimant.key.is_some(),
        };
        (0..n).map(|_| one()).collect()
    }

    #[test]
    fn who_does_not_connect_has_a_quarter_and_replaces_its_oldest() {
        let greedy = token("greedy");
        let mut there = sessions(15, &greedy, false);
        assert_eq!(decide(64, &there, &greedy, false), Verdict::Free);
        there.extend(sessions(1, &greedy, false));
        assert_eq!(decide(64, &there, &greedy, false), Verdict::InPlaceOf(15));
        assert_eq!(decide(64, &there, &token("other"), false), Verdict::Free);
        assert_eq!(decide(64, &there, &admin(), false), Verdict::Free);
        // A connected session is not displaced.
        there[15].is_connected = true;
        assert_eq!(decide(64, &there, &greedy, false), Verdict::Free);
        there.extend(sessions(1, &greedy, false));
        assert_eq!(decide(64, &there, &greedy, false), Verdict::InPlaceOf(16));
    }

    #[test]
    fn one_key_and_one_network_share_a_bound_whatever_their_names() {
        let key = |address: &str| {
            let claimant = Claimant {
                key: Some("public".to_owned()),
                ..Claimant::default()
            };
            claimant.at(Some(address.parse().expect("an address")))
        };
        let mut there = sessions(8, &key("192.0.2.1"), false);
        there.extend(sessions(8, &key("192.0.2.2"), false));
        let wanted = key("192.0.2.3");
        assert_eq!(decide(64, &there, &wanted, true), Verdict::InPlaceOf(15));
        // Other keys, used from addresses of the same network (RFC 4291: a /64).
        let other = |key: &str, address: &str| Claimant {
            key: Some(key.to_owned()),
            ..Claimant::default().at(Some(address.parse().expect("an address")))
        };
        let mut there = Vec::new();
        for n in 0..16 {
            there.extend(sessions(
                1,
                &other(&format!("k{n}"), &format!("2001:db8::{n}")),
                false,
            ));
        }
        let wanted = other("new", "2001:db8::ffff");
        assert_eq!(decide(64, &there, &wanted, true), Verdict::InPlaceOf(15));
        let elsewhere = other("new", "2001:db8:0:1::1");
        assert_eq!(decide(64, &there, &elsewhere, true), Verdict::Free);
    }

    #[test]
    fn who_has_most_makes_room_and_never_an_administrator() {
        let page = |address: &str| Claimant {
            key: Some("public".to_owned()),
            ..Claimant::default().at(Some(address.parse().expect("an address")))
        };
        // The oldest session belongs to another network, which has only one session.
        let mut there = sessions(15, &page("192.0.2.1"), false);
        there.extend(sessions(1, &page("192.0.2.9"), false));
        let verdict = decide(64, &there, &page("192.0.2.5"), true);
        assert_eq!(verdict, Verdict::InPlaceOf(14));
        // Sessions of an administrator at the address whose share is used up.
        let boss = Claimant {
            token: Some("boss".to_owned()),
            is_admin: true,
            ..Claimant::default().at(Some("192.0.2.1".parse().expect("an address")))
        };
        there.extend(sessions(20, &boss, false));
        let verdict = decide(64, &there, &page("192.0.2.1"), true);
        assert_eq!(verdict, Verdict::InPlaceOf(14));
        let user = Claimant {
            is_admin: false,
            token: Some("user".to_owned()),
            ..boss
        };
        assert_eq!(decide(64, &there, &user, false), Verdict::Free);
    }

    #[test]
    fn programs_on_this_machine_share_no_bound() {
        let here = Claimant::default();
        let there: Vec<Session> = sessions(20, &here, false);
        assert_eq!(decide(64, &there, &here, false), Verdict::Free);
    }

    #[test]
    fn one_network_has_half_of_the_hub_and_all_of_them_leave_some() {
        let page = |n: u8| Claimant {
            key: Some(format!("k{n}")),
            ..Claimant::default().at(Some([192, 0, 2, n].into()))
        };
        let mut there = sessions(16, &page(1), true);
        let full = Verdict::Full(Fullness::Network);
        assert_eq!(decide(64, &there, &page(1), true), full);
        assert_eq!(decide(64, &there, &page(2), true), Verdict::Free);
        there.extend(sessions(8, &page(2), true));
        assert_eq!(
            decide(64, &there, &page(3), true),
            Verdict::Full(Fullness::Hub)
        );
        assert_eq!(
            decide(64, &there, &Claimant::default(), true),
            Verdict::Free
        );
    }

    #[test]
    fn the_hub_has_half_and_administrators_keep_some() {
        let page = Claimant {
            key: Some("p".to_owned()),
            ..Claimant::default()
        };
        let mut there = sessions(32, &page, true);
        let full = Verdict::Full(Fullness::Hub);
        assert_eq!(decide(64, &there, &page, true), full);
        there.extend(sessions(24, &token("t"), true));
        let reserved = Verdict::Full(Fullness::Reserved);
        assert_eq!(decide(64, &there, &token("t"), false), reserved);
        assert_eq!(decide(64, &there, &admin(), false), Verdict::Free);
        there.extend(sessions(8, &admin(), true));
        let all = Verdict::Full(Fullness::All);
        assert_eq!(decide(64, &there, &admin(), false), all);
    }

    #[test]
    fn few_places_are_still_places() {
        for all in 1..10 {
            let places = Places::new(all);
            assert!(places.reserved() < all, "{all}");
            assert!(places.of_hub() >= 1 && places.unconnected() >= 2, "{all}");
            assert_eq!(decide(all, &[], &token("t"), false), Verdict::Free);
        }
        assert_eq!(
            decide(0, &[], &admin(), false),
            Verdict::Full(Fullness::All)
        );
    }
}
