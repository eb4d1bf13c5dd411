//! The members of the hub: for each peer its dialect, and the claims with which its client was admitted.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use super::event::{PeerPlace, Vantage};
use crate::access::locality::Locality;
use crate::access::places::Claimant;
use crate::config::PeerConfig;
use crate::ids::{DialectId, PeerId};
use crate::limits;
use crate::payload;
use crate::signaling::door::PageOrigin;
use crate::signaling::hub::{Delivery, Hub, NotJoined, Speaks};
use crate::signaling::message::{Body, Signal};
use crate::util::rate_limit::RateLimits;

/// The claims with which a client was admitted, so that they can be checked against a new configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// The key of its application.
    pub(crate) key: String,
    /// The location of the client.
    pub(crate) locality: Locality,
    /// The origin of its page.
    pub(crate) origin: PageOrigin,
}

impl Guest {
    /// Returns the claimant to which the client's actions are charged. Programs and pages on this machine have no
    /// common bound.
    pub(crate) fn claimant(&self) -> Claimant {
        let Some(remote) = self.locality.remote() else {
            return Claimant::default();
        };
        Claimant {
            key: Some(self.key.clone()),
            ..Claimant::default()
        }
        .at(Some(remote))
    }
}

/// The owner of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    /// The configuration.
    Configured(PeerConfig),
    /// A client of a dialect.
    Guest(DialectId, Guest),
}

/// News for the rest of the rendezvous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RosterNews {
    /// A peer of this name and kind joined.
    Joined(String, Speaks),
    /// A peer of this name and kind left.
    Left(String, Speaks),
}

#[derive(Debug)]
struct RosterEntry {
    member: Member,
    /// The network of a client beyond this machine, when the peer joined.
    network: Option<IpAddr>,
    /// Whether the log does not report the peer's leaving, because it has not reported its joining.
    is_quiet: bool,
}

/// The peers of the hub.
#[derive(Debug)]
pub(crate) struct Roster {
    hub: Hub,
    entries: BTreeMap<PeerId, RosterEntry>,
    most: usize,
    lives: RateLimits<String>,
    news: VecDeque<RosterNews>,
    refused: u64,
}

impl Roster {
    /// Returns a roster for `most` peers.
    pub(crate) fn new(most: usize) -> Self {
        let (burst, interval) = (limits::LOGGED_LIVES, limits::LOG_INTERVAL);
        Self {
            hub: Hub::new(most),
            entries: BTreeMap::new(),
            most,
            lives: RateLimits::new(burst, interval, limits::LOGGED_NAMES),
            news: VecDeque::new(),
            refused: 0,
        }
    }

    /// Sets how many peers may join; existing peers stay.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most;
        self.hub.set_most(most);
    }

    /// Adds a peer to the hub.
    pub(crate) fn join(
        &mut self,
        now: Instant,
        name: &str,
        speaks: Speaks,
        member: Member,
    ) -> Result<PeerId, NotJoined> {
        let claimant = claimant_of(&member);
        if !self.has_room_for(&claimant) {
            self.refused += 1;
            return Err(NotJoined::Full);
        }
        let joined = self.hub.join(name, speaks);
        let Ok(id) = joined else {
            self.refused += 1;
            return joined;
        };
        let told = self.note_life(now, &claimant);
        if let Some(untold) = told {
            let before = not_told(untold);
            log::info!("peer {name} of {speaks}: joined{before}");
        }
        let entry = RosterEntry {
            member,
            network: claimant.network,
            is_quiet: told.is_none(),
        };
        self.entries.insert(id, entry);
        self.news
            .push_back(RosterNews::Joined(name.to_owned(), speaks));
        Ok(id)
    }

    /// Removes a peer from the hub. This does not end its connections.
    pub(crate) fn leave(&mut self, id: PeerId) {
        let entry = self.entries.remove(&id);
        if let (Some(name), Some(speaks)) = (self.hub.name(id), self.hub.speaks(id)) {
            if entry.is_none_or(|entry| !entry.is_quiet) {
                log::info!("peer {name} of {speaks}: left");
            }
            let news = RosterNews::Left(name.to_owned(), speaks);
            self.news.push_back(news);
        }
        self.hub.leave(id);
    }

    /// Replaces the claims of a peer's client, which has returned from elsewhere.
    pub(crate) fn set_guest(&mut self, id: PeerId, dialect: DialectId, guest: Guest) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.member = Member::Guest(dialect, guest);
        }
    }

    /// Sends a signal from one peer to another, which may still join.
    pub(crate) fn send(&mut self, now: Instant, from: PeerId, to: &str, body: Body) {
        let verbatim = None;
        self.hub.send(now, from, to, Signal { body, verbatim });
    }

    /// Sends a signal in the form in which its dialect has read it.
    pub(crate) fn pass(&mut self, now: Instant, from: PeerId, to: &str, signal: Signal) {
        self.hub.send(now, from, to, signal);
    }

    /// Counts a client that was refused before it could ask to be a peer.
    pub(crate) fn count_refused(&mut self) {
        self.refused += 1;
    }

    /// Returns `Some` if the log may report one more join or leave of a claimant, with how many before it
    /// were not reported.
    pub(crate) fn note_life(&mut self, now: Instant, claimant: &Claimant) -> Option<u32> {
        let names: Vec<String> = claimant.names().collect();
        let passed = names.iter().map(|name| self.lives.pass(now, name));
        // Ask all limits before checking the results, so that each limit counts this event.
        let passed: Vec<Option<u32>> = passed.collect();
        passed
            .into_iter()
            .try_fold(0, |most, untold| Some(most.max(untold?)))
    }

    /// Gives up on receivers that did not join in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.hub.poll_timeout().is_some_and(|at| at <= now) {
            self.hub.handle_timeout(now);
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.hub.poll_timeout()
    }

    /// Takes out the next signal to deliver.
    pub(crate) fn poll_delivery(&mut self) -> Option<Delivery> {
        self.hub.poll_delivery()
    }

    /// Takes out the next news for the rest of the rendezvous.
    pub(crate) fn poll_news(&mut self) -> Option<RosterNews> {
        self.news.pop_front()
    }

    /// Notes that all signals were delivered.
    pub(crate) fn settle(&mut self) {
        self.hub.settle();
    }

    /// Returns whether there is no signal to deliver.
    pub(crate) fn is_quiet(&self) -> bool {
        self.hub.is_quiet() && self.news.is_empty()
    }

    /// Returns the peer of this name.
    pub(crate) fn find(&self, name: &str) -> Option<PeerId> {
        self.hub.find(name)
    }

    /// Returns a peer's name.
    pub(crate) fn name(&self, id: PeerId) -> Option<&str> {
        self.hub.name(id)
    }

    /// Returns the names of all peers in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.hub.iter().map(|(_, name, _)| name).collect();
        names.sort_unstable();
        names
    }

    /// Returns the owner of a peer.
    pub(crate) fn member(&self, id: PeerId) -> Option<&Member> {
        self.entries.get(&id).map(|entry| &entry.member)
    }

    /// Returns all peers with their owners.
    pub(crate) fn members(&self) -> impl Iterator<Item = (PeerId, &Member)> {
        let entries = self.entries.iter();
        entries.map(|(id, entry)| (*id, &entry.member))
    }

    /// Returns the claims with which a peer's client was admitted.
    pub(crate) fn guest(&self, id: PeerId) -> Option<&Guest> {
        match self.member(id)? {
            Member::Guest(_, guest) => Some(guest),
            Member::Configured(_) => None,
        }
    }

    /// Returns the kind of a peer.
    pub(crate) fn speaks(&self, id: PeerId) -> Option<Speaks> {
        self.hub.speaks(id)
    }

    /// Returns the dialect in which a peer writes its messages, if it is a page.
    pub(crate) fn dialect_of(&self, name: &str) -> Option<payload::Dialect> {
        match self.hub.speaks(self.hub.find(name)?)? {
            Speaks::Page(dialect) => Some(dialect),
            Speaks::Gateway => None,
        }
    }

    /// Returns the location of a peer, for choosing candidates.
    pub(crate) fn place_of(&self, name: &str) -> Option<PeerPlace> {
        let id = self.hub.find(name)?;
        Some(match (self.hub.speaks(id)?, self.member(id)?) {
            (Speaks::Page(_), Member::Guest(_, guest)) => {
                PeerPlace::Vantage(vantage(guest.locality))
            }
            (Speaks::Gateway, _) | (Speaks::Page(_), Member::Configured(_)) => PeerPlace::Within,
        })
    }

    /// Returns the claimant to which a peer's actions are charged.
    pub(crate) fn claimant(&self, id: Option<PeerId>) -> Claimant {
        let member = id.and_then(|id| self.member(id));
        member.map(claimant_of).unwrap_or_default()
    }

    /// Returns how many peers may join.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Returns how many peers have joined.
    pub(crate) fn len(&self) -> usize {
        self.hub.len()
    }

    /// Returns how many peers were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns how many signals were dropped because no more could wait for a receiver.
    pub(crate) fn signals_dropped(&self) -> u64 {
        self.hub.dropped()
    }

    /// Returns whether one more peer of a claimant may join. Peers of one network beyond this machine may be
    /// a quarter at most, so that no client takes all the room with ids that cost nothing.
    fn has_room_for(&self, claimant: &Claimant) -> bool {
        let Some(network) = claimant.network else {
            return true;
        };
        let networks = || self.entries.values().filter_map(|entry| entry.network);
        let same = networks().filter(|other| *other == network);
        // All networks together leave some room for this machine.
        same.count() < self.most.div_ceil(4) && networks().count() < (self.most * 3).div_ceil(4)
    }
}

fn claimant_of(member: &Member) -> Claimant {
    match member {
        Member::Configured(_) => Claimant::default(),
        Member::Guest(_, guest) => guest.claimant(),
    }
}

/// Returns the vantage that determines a client's candidates.
fn vantage(locality: Locality) -> Vantage {
    match locality {
        Locality::Local => Vantage::Local,
        Locality::Network(_) => Vantage::Remote,
    }
}

/// Returns in words how many lines before this one are not in the log.
pub(crate) fn not_told(untold: u32) -> String {
    if untold == 0 {
        return String::new();
    }
    format!(" ({untold} before it are not in the log)")
}

/// Returns a peer's kind in events.
pub(crate) fn kind(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::Gateway => "gateway",
        Speaks::Page(payload::Dialect::PeerJs) => "peerjs",
        Speaks::Page(payload::Dialect::SkyWay) => "skyway",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Speaks = Speaks::Page(payload::Dialect::PeerJs);

    fn guest(address: &str) -> Member {
        let address: IpAddr = address.parse().expect("an address");
        let locality = if address.is_loopback() {
            Locality::Local
        } else {
            Locality::Network(address)
        };
        let guest = Guest {
            key: "k".to_owned(),
            locality,
            origin: PageOrigin::default(),
        };
        Member::Guest(DialectId(1), guest)
    }

    #[test]
    fn one_network_has_a_quarter_and_all_of_them_leave_some() {
        let (mut roster, now) = (Roster::new(8), Instant::now());
        let mut join = |name: &str, address: &str| {
            let joined = roster.join(now, name, PAGE, guest(address));
            (joined.is_ok(), roster.refused())
        };
        assert_eq!(join("a", "192.0.2.1"), (true, 0));
        assert_eq!(join("b", "192.0.2.1"), (true, 0));
        assert_eq!(join("c", "192.0.2.1"), (false, 1), "a quarter");
        for (n, name) in ["d", "e", "f", "g"].into_iter().enumerate() {
            assert_eq!(join(name, &format!("192.0.2.{}", 10 + n)), (true, 1));
        }
        assert_eq!(join("h", "192.0.2.20"), (false, 2), "three quarters");
        assert_eq!(join("i", "127.0.0.1"), (true, 2));
        assert_eq!(join("i", "127.0.0.1"), (false, 3), "the id is in use");
    }

    #[test]
    fn a_member_is_found_and_its_end_is_told_once() {
        let (mut roster, now) = (Roster::new(8), Instant::now());
        let id = roster
            .join(now, "a", PAGE, guest("192.0.2.1"))
            .expect("room");
        assert_eq!(
            (roster.find("a"), roster.name(id), roster.names()),
            (Some(id), Some("a"), vec!["a"])
        );
        assert_eq!(roster.dialect_of("a"), Some(payload::Dialect::PeerJs));
        let remote = PeerPlace::Vantage(Vantage::Remote);
        assert_eq!(roster.place_of("a"), Some(remote));
        assert!(roster.claimant(Some(id)).network.is_some());
        let Member::Guest(dialect, here) = guest("127.0.0.1") else {
            unreachable!()
        };
        roster.set_guest(id, dialect, here);
        assert_eq!(
            roster.place_of("a"),
            Some(PeerPlace::Vantage(Vantage::Local))
        );
        assert_eq!(roster.claimant(Some(id)), Claimant::default());
        roster.leave(id);
        roster.leave(id);
        let news: Vec<_> = std::iter::from_fn(|| roster.poll_news()).collect();
        let name = || "a".to_owned();
        assert_eq!(
            news,
            [
                RosterNews::Joined(name(), PAGE),
                RosterNews::Left(name(), PAGE)
            ]
        );
        assert_eq!((roster.len(), roster.find("a")), (0, None));
        assert_eq!(roster.members().count(), 0);
    }

    #[test]
    fn our_own_peers_are_within_the_gateway() {
        let (mut roster, now) = (Roster::new(8), Instant::now());
        let joined = roster.join(now, "p", Speaks::Gateway, guest("192.0.2.1"));
        assert!(joined.is_ok());
        assert_eq!(roster.place_of("p"), Some(PeerPlace::Within));
        assert_eq!((roster.place_of("x"), roster.dialect_of("p")), (None, None));
    }

    #[test]
    fn the_log_tells_few_lives_of_one_claimant() {
        let (mut roster, now) = (Roster::new(100), Instant::now());
        let claimant = Claimant::default();
        let told = (0..50).filter(|_| roster.note_life(now, &claimant).is_some());
        assert_eq!(told.count(), usize::try_from(limits::LOGGED_LIVES).unwrap());
        assert_eq!(not_told(0), "");
        assert_eq!(not_told(3), " (3 before it are not in the log)");
    }
}
