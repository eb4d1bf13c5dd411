//! Peers that were made over the REST API, known by their tokens.

use std::time::{Duration, Instant};

use super::Behind;
use super::content::port_client;
use super::polls::PollKey;
use crate::access::UnixTime;
use crate::api::skyway::{Event, EventQueue};
use crate::gateway::Gateway;
use crate::gateway::timers::TimerKey;
use crate::ids::PeerId;
use crate::limits;
use crate::signaling::door::{PageOrigin, Standing};
use crate::signaling::hub::{NotJoined, Speaks};

/// How long the end of a peer can be asked for.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How long before its end a credential's owner is told.
pub(super) const WARNED_BEFORE: u64 = 300;

/// One of them.
#[derive(Debug)]
pub(super) struct RestPeer {
    pub(super) name: String,
    /// `None`: it was deleted, and only its end is still to be told.
    pub(super) peer: Option<PeerId>,
    /// When that was.
    pub(super) ended: Option<Instant>,
    pub(super) events: EventQueue,
    /// Where its program stands, and the page that it is.
    pub(super) standing: Standing,
    pub(super) origin: PageOrigin,
    /// When its credential ends, in seconds since 1970, and whether that was told.
    pub(super) expires: Option<UnixTime>,
    pub(super) warned: bool,
    /// The secret with which its credentials are signed is that of this key.
    pub(super) key: String,
}

impl Gateway {
    /// A peer for a program; its name is free.
    pub(super) fn add_rest_peer(
        &mut self,
        now: Instant,
        token: &str,
        mut peer: RestPeer,
    ) -> Result<(), NotJoined> {
        let claimant = super::claimant(&peer.key, peer.standing);
        let behind = Behind::Rest(token.to_owned());
        let id = self.join(now, &peer.name, Speaks::Gateway, behind, &claimant)?;
        peer.peer = Some(id);
        peer.events.push(Event::Open);
        self.rendezvous.rest_peers.insert(token.to_owned(), peer);
        Ok(())
    }

    /// Tokens and names of those that were not deleted.
    #[cfg(test)]
    pub(super) fn rest_tokens(&self) -> impl Iterator<Item = (String, String)> {
        let peers = self.rendezvous.rest_peers.iter();
        let living = peers.filter(|(_, peer)| peer.peer.is_some());
        living.map(|(token, peer)| (token.clone(), peer.name.clone()))
    }

    /// Something has happened to one of our peers, if it is one of these.
    pub(super) fn tell_rest_peer(&mut self, id: PeerId, event: Event) {
        let Some(Behind::Rest(token)) = self.rendezvous.behind.get(&id) else {
            return;
        };
        let token = token.clone();
        if let Some(peer) = self.rendezvous.rest_peers.get_mut(&token) {
            peer.events.push(event);
            self.rendezvous.polls.touch(PollKey::Peer(token));
        }
    }

    /// Ends a peer with its connections and their ports.
    pub(super) fn delete_rest_peer(&mut self, now: Instant, token: &str) {
        let Some(peer) = self.rendezvous.rest_peers.get_mut(token) else {
            return;
        };
        let Some(id) = peer.peer.take() else { return };
        peer.events.push(Event::Close);
        peer.ended = Some(now);
        let (standing, origin) = (peer.standing, peer.origin.clone());
        let client = port_client(standing, &origin);
        let mut ports = self.rendezvous.owners.of_peer(id);
        self.remove_own_peer(now, id);
        self.settle_ended(now);
        // The client has no other peer that could use its unused ports.
        if self.own_peers(standing, &origin) == Some(0) {
            ports.extend(self.rendezvous.owners.unused_of(&client));
        }
        for port in ports {
            self.close_unused_port(now, port);
        }
        let at = Some(now + REMEMBERED);
        self.timers.set(TimerKey::RestPeer(key_of(token)), at);
        self.rendezvous.polls.touch(PollKey::Peer(token.to_owned()));
        self.bound_deleted_peers();
    }

    /// No more of those that were deleted are remembered than there may be of the others.
    fn bound_deleted_peers(&mut self) {
        let peers = self.rendezvous.rest_peers.iter();
        let deleted = peers.filter_map(|(token, peer)| Some((peer.ended?, token)));
        let (count, oldest) = deleted.fold((0, None), |(count, oldest), this| {
            (
                count + 1,
                oldest.map_or(Some(this), |oldest| Some(this.min(oldest))),
            )
        });
        if count > self.limits.peers
            && let Some((_, token)) = oldest
        {
            let token = token.clone();
            self.forget_rest_peer(&token);
        }
    }

    fn forget_rest_peer(&mut self, token: &str) {
        self.timers.set(TimerKey::RestPeer(key_of(token)), None);
        if let Some(peer) = self.rendezvous.rest_peers.remove(token) {
            self.rendezvous.dropped.events += peer.events.dropped();
        }
    }

    /// Somebody has heard of the end: it need not be remembered for long.
    pub(super) fn hurry_end(&mut self, now: Instant, key: &PollKey) {
        let timer = match key {
            PollKey::Peer(token) => TimerKey::RestPeer(key_of(token)),
            PollKey::Link(link) => TimerKey::Link(*link),
        };
        self.timers.set(timer, Some(now + limits::FACADE_TOMBSTONE));
    }

    /// A deleted peer is forgotten, or a credential's time has come.
    pub(in crate::gateway) fn handle_rest_peer_timeout(&mut self, now: Instant, key: u64) {
        let found = self.rendezvous.rest_peers.iter();
        let found = found
            .map(|(token, _)| token)
            .find(|token| key_of(token) == key);
        let Some(token) = found.cloned() else { return };
        let time = self.unix_time();
        let Some(peer) = self.rendezvous.rest_peers.get_mut(&token) else {
            return;
        };
        match (peer.peer, peer.expires) {
            (None, _) => {
                self.forget_rest_peer(&token);
            }
            (Some(_), Some(end)) if end <= time => {
                log::info!("peer {}: its credential has ended", peer.name);
                self.delete_rest_peer(now, &token);
            }
            (Some(_), Some(end)) => {
                let left = end - time;
                if !peer.warned && left <= WARNED_BEFORE {
                    peer.warned = true;
                    let left = u32::try_from(left).unwrap_or(u32::MAX);
                    peer.events.push(Event::ExpiresIn(left));
                    self.rendezvous.polls.touch(PollKey::Peer(token.clone()));
                }
                self.schedule_credential(now, &token);
            }
            (Some(_), None) => {}
        }
    }

    /// The next time that something is to be done about a credential.
    pub(super) fn schedule_credential(&mut self, now: Instant, token: &str) {
        let time = self.unix_time();
        let Some(peer) = self.rendezvous.rest_peers.get(token) else {
            return;
        };
        let wait = peer.expires.map(|end| {
            let left = end.saturating_sub(time);
            let next = if peer.warned {
                left
            } else {
                left.saturating_sub(WARNED_BEFORE)
            };
            // The clock may be set meanwhile.
            Duration::from_secs(next.clamp(1, 3600))
        });
        let at = wait.map(|wait| now + wait);
        self.timers.set(TimerKey::RestPeer(key_of(token)), at);
    }
}

/// The last of a token's random digits: timers have small keys, which are compared at every message.
pub(super) fn key_of(token: &str) -> u64 {
    let digits = token.bytes().filter_map(|byte| (byte as char).to_digit(16));
    digits.fold(0, |number, digit| number << 4 | u64::from(digit))
}
