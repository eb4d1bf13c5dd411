//! In whose name a connection between peers is made, and which endpoints it may be bound to.

use super::Behind;
use super::links::Link;
use crate::access::places::Claimant;
use crate::access::scope::{Grant, Holder, Scope, Verb};
use crate::gateway::Gateway;
use crate::ids::PeerId;
use crate::signaling::door::Standing;

impl Gateway {
    /// With what a peer was let in, as the claimant of sessions.
    pub(super) fn claimant_of(&self, peer: Option<PeerId>) -> Claimant {
        let behind = peer.and_then(|peer| self.rendezvous.behind.get(&peer));
        let (key, standing) = match behind {
            Some(Behind::Rest(token)) => match self.rendezvous.rest_peers.get(token) {
                Some(program) => (program.key.clone(), program.standing),
                None => return Claimant::default(),
            },
            Some(Behind::PeerJs(page)) => (page.guest.key.clone(), page.guest.standing),
            Some(Behind::SkyWay(page)) => match self.rendezvous.pages.get(*page) {
                Some(page) => (page.key().to_owned(), page.standing),
                None => return Claimant::default(),
            },
            Some(Behind::Configured(_)) | None => return Claimant::default(),
        };
        super::claimant(&key, standing)
    }

    /// The endpoints that callers of one of our peers may reach.
    pub(super) fn scopes_of(&self, peer: PeerId) -> Vec<Scope> {
        match self.rendezvous.behind.get(&peer) {
            Some(Behind::Configured(config)) => vec![Scope {
                endpoints: config.endpoints().cloned().collect(),
                verbs: vec![Verb::Read, Verb::Write],
            }],
            // The program behind it says what it is bound to, with its own right.
            Some(Behind::Rest(_)) => self.rest_scopes(Standing::Local, peer),
            Some(Behind::PeerJs(_) | Behind::SkyWay(_)) | None => Vec::new(),
        }
    }
}

/// In whose name a peer's session does what it does.
pub(super) fn grant_of(link: &Link) -> Grant {
    Grant {
        token: Some(Holder {
            id: String::new(),
            name: format!("peer {}", link.remote),
        }),
        scopes: link.scopes.clone(),
        ..Grant::default()
    }
}
