//! The actions that a dialect can take during a call: look up members of the hub, admit clients, and send
//! signals in a peer's name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::door::Door;
use super::roster::{Guest, Member, Roster};
use super::site::{NotRedirected, Site};
use crate::access::UnixTime;
use crate::access::locality::Locality;
use crate::access::scope::Scope;
use crate::config::{HubConfig, KeyConfig};
use crate::ids::{DialectId, EndpointId, PeerId};
use crate::signaling::door::{self as rules, Application, NotAdmitted};
use crate::signaling::hub::{NotJoined, Speaks};
use crate::signaling::message::Signal;

/// The part of the rendezvous that a dialect sees, for one call.
pub(crate) struct Lobby<'a> {
    now: Instant,
    time: Duration,
    dialect: DialectId,
    keys: &'a [KeyConfig],
    config: &'a HubConfig,
    site: &'a Site,
    door: &'a mut Door,
    roster: &'a mut Roster,
    has_descriptors: bool,
}

impl<'a> Lobby<'a> {
    /// Returns the view of a dialect with these keys. `has_descriptors`: whether the process may open more
    /// files.
    pub(super) fn new(
        (now, time): (Instant, Duration),
        (dialect, keys): (DialectId, &'a [KeyConfig]),
        config: &'a HubConfig,
        site: &'a Site,
        door: &'a mut Door,
        roster: &'a mut Roster,
        has_descriptors: bool,
    ) -> Self {
        Self {
            now,
            time,
            dialect,
            keys,
            config,
            site,
            door,
            roster,
            has_descriptors,
        }
    }

    /// Returns the monotonic time of this turn.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Returns the time of day since 1970.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Returns the time of day in whole seconds since 1970.
    pub(crate) fn unix_time(&self) -> UnixTime {
        self.time.as_secs()
    }

    // ---- the door ----

    /// Returns the end of an application's credential, if it has one, or the reason for refusing the
    /// application.
    pub(crate) fn admit(
        &mut self,
        locality: Locality,
        application: Application<'_>,
    ) -> Result<Option<UnixTime>, NotAdmitted> {
        let (now, time) = (self.now, self.unix_time());
        self.door.admit(now, time, self.keys, locality, application)
    }

    /// Checks whether an application may see which peers exist.
    pub(crate) fn admit_reader(
        &mut self,
        locality: Locality,
        application: Application<'_>,
    ) -> Result<(), NotAdmitted> {
        let (now, time) = (self.now, self.unix_time());
        let (door, keys) = (&mut *self.door, self.keys);
        door.admit_reader(now, time, keys, locality, application)
    }

    /// Returns whether peers of this key need a credential.
    pub(crate) fn is_signed(&self, key: &str) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|known| known.key == key && known.secret.is_some())
    }

    /// Returns the endpoints that a program with this key at this location may use.
    pub(crate) fn scopes(&self, locality: Locality, key: &str) -> Vec<Scope> {
        rules::scopes(self.keys, &self.config.peers, locality, key)
    }

    // ---- the hub ----

    /// Adds a client of this dialect to the hub as a peer.
    pub(crate) fn join(
        &mut self,
        name: &str,
        speaks: Speaks,
        guest: Guest,
    ) -> Result<PeerId, NotJoined> {
        let member = Member::Guest(self.dialect, guest);
        self.roster.join(self.now, name, speaks, member)
    }

    /// Removes a peer from the hub. A peer with links is removed by `Output::Remove` instead.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.roster.leave(peer);
    }

    /// Replaces the claims of a peer's client, which has returned from elsewhere.
    pub(crate) fn set_guest(&mut self, peer: PeerId, guest: Guest) {
        self.roster.set_guest(peer, self.dialect, guest);
    }

    /// Sends a signal in a peer's name.
    pub(crate) fn say(&mut self, from: PeerId, to: &str, signal: Signal) {
        self.roster.pass(self.now, from, to, signal);
    }

    /// Returns the peer of this name.
    pub(crate) fn find(&self, name: &str) -> Option<PeerId> {
        self.roster.find(name)
    }

    /// Returns a peer's name.
    pub(crate) fn name(&self, peer: PeerId) -> Option<&str> {
        self.roster.name(peer)
    }

    /// Returns the names of all peers in alphabetical order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.roster.names()
    }

    /// Returns how many peers are allowed.
    pub(crate) fn most_peers(&self) -> usize {
        self.roster.most()
    }

    /// Counts a client that was refused before it could ask to be a peer.
    pub(crate) fn count_refused_peer(&mut self) {
        self.roster.count_refused();
    }

    // ---- the rest of the gateway ----

    /// Returns the endpoint of this name.
    pub(crate) fn endpoint(&self, name: &str) -> Option<EndpointId> {
        self.site.endpoint(name)
    }

    /// Checks whether a program at this location may have messages sent to an address.
    pub(crate) fn check_redirect(
        &self,
        locality: Locality,
        to: SocketAddr,
    ) -> Result<(), NotRedirected> {
        let is_local = locality == Locality::Local;
        self.site.check_redirect(self.config, is_local, to)
    }

    /// Returns whether the gateway is shutting down.
    pub(crate) fn is_stopping(&self) -> bool {
        self.site.is_stopping()
    }

    /// Returns whether the process may open more files.
    pub(crate) fn has_descriptors(&self) -> bool {
        self.has_descriptors
    }
}

/// A hub for the tests of one dialect.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::config::Config;
    use crate::ids::RequestId;
    use crate::signaling::dialect::{Claim, DialectRequest};
    use crate::signaling::door::PageOrigin;
    use crate::util::slab::Id;

    /// The surroundings of a dialect in a test.
    pub(crate) struct Hall {
        pub(crate) now: Instant,
        pub(crate) config: HubConfig,
        pub(crate) site: Site,
        pub(crate) door: Door,
        pub(crate) roster: Roster,
        keys: fn(&HubConfig) -> &[KeyConfig],
        requests: u32,
    }

    impl Hall {
        pub(crate) fn new(config: &str, keys: fn(&HubConfig) -> &[KeyConfig]) -> Self {
            let config = Config::parse(config).expect("a configuration");
            Self {
                now: Instant::now(),
                config: config.hub,
                site: Site::default(),
                door: Door::default(),
                roster: Roster::new(config.limits.peers),
                keys,
                requests: 0,
            }
        }

        pub(crate) fn lobby(&mut self) -> Lobby<'_> {
            Lobby::new(
                (self.now, Duration::from_secs(1_700_000_000)),
                (DialectId(0), (self.keys)(&self.config)),
                &self.config,
                &self.site,
                &mut self.door,
                &mut self.roster,
                true,
            )
        }

        /// Returns a request of a program on this machine for a method and a path with its query.
        pub(crate) fn request(
            &mut self,
            method: crate::http::Method,
            path: &str,
        ) -> DialectRequest {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let segments = path.split('/').skip(1);
            self.requests += 1;
            DialectRequest {
                id: RequestId {
                    connection: Id::from_bits(1),
                    number: self.requests,
                },
                claim: Claim {
                    dialect: DialectId(0),
                    method,
                    segments: segments.map(str::to_owned).collect(),
                },
                locality: Locality::Local,
                origin: PageOrigin::default(),
                local: "127.0.0.1:80".parse().expect("an address"),
                query: query.to_owned(),
            }
        }
    }
}
