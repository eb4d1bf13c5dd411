//! The session that a datagram belongs to, in O(1).
//!
//! str0m's own way is to ask every session. Here a known address pair is looked up, and a STUN request of an
//! unknown pair names its session by the ufrag in its USERNAME (RFC 8445 §7.2.2). Any other datagram is
//! dropped without a scan of all sessions, so a flood of invalid datagrams costs two lookups each.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::ids::SessionId;

/// The two maps of the demultiplexer. Keys come from the network, so both maps use the standard, keyed hash.
#[derive(Debug, Default)]
pub(super) struct Demux {
    /// The session of each pair (ours, theirs), for every datagram after the first of a pair.
    pairs: HashMap<(SocketAddr, SocketAddr), SessionId>,
    /// The session of each of our ufrags, for STUN requests of unknown pairs.
    ufrags: HashMap<String, SessionId>,
}

impl Demux {
    /// Registers a session's ufrag. Returns false if another session has the same ufrag.
    #[must_use]
    pub(super) fn insert_ufrag(&mut self, ufrag: &str, session: SessionId) -> bool {
        if self.ufrags.contains_key(ufrag) {
            return false;
        }
        self.ufrags.insert(ufrag.to_owned(), session);
        true
    }

    /// Removes a session's ufrag.
    pub(super) fn remove_ufrag(&mut self, ufrag: &str) {
        self.ufrags.remove(ufrag);
    }

    /// Gives a pair to a session.
    pub(super) fn insert_pair(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        session: SessionId,
    ) {
        self.pairs.insert((local, remote), session);
    }

    /// Removes a pair, unless another session has taken it since.
    pub(super) fn remove_pair(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        session: SessionId,
    ) {
        if self.pairs.get(&(local, remote)) == Some(&session) {
            self.pairs.remove(&(local, remote));
        }
    }

    /// Returns the session of a pair.
    pub(super) fn by_pair(&self, local: SocketAddr, remote: SocketAddr) -> Option<SessionId> {
        self.pairs.get(&(local, remote)).copied()
    }

    /// Returns the session with this ufrag.
    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<SessionId> {
        self.ufrags.get(ufrag).copied()
    }

    /// Returns how many pairs are learned and how many ufrags are registered, for the metrics and for tests
    /// of leaks.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.pairs.len(), self.ufrags.len())
    }

    /// Returns whether nothing is registered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.ufrags.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::slab::Id;

    #[test]
    fn a_pair_is_its_newest_sessions_and_is_forgotten_only_by_it() {
        let (a, b) = (Id::from_bits(1), Id::from_bits(2));
        let local = "127.0.0.1:1".parse().unwrap();
        let remote = "127.0.0.1:2".parse().unwrap();
        let mut demux = Demux::default();
        assert!(demux.insert_ufrag("abcd", a));
        assert!(!demux.insert_ufrag("abcd", b));
        demux.insert_pair(local, remote, a);
        demux.insert_pair(local, remote, b);
        demux.remove_pair(local, remote, a);
        assert_eq!(demux.by_pair(local, remote), Some(b));
        assert_eq!(demux.by_pair(remote, local), None);
        demux.remove_pair(local, remote, b);
        demux.remove_ufrag("abcd");
        assert!(demux.is_empty());
    }
}
