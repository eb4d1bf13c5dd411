//! A new configuration: its peers join and leave, and peers and connections without a right end.

use std::net::SocketAddr;

use super::roster::{Guest, Member};
use super::{Rendezvous, most_links, table};
use crate::access::locality::Locality;
use crate::config::{HubConfig, PeerConfig};
use crate::ids::{DialectId, LinkId, PeerId};
use crate::signaling::dialect::Eviction;
use crate::signaling::door::{self as rules};
use crate::signaling::hub::{NotJoined, Speaks};
use crate::sources::Context;

impl Rendezvous {
    /// Applies a configuration. `peers`, `sessions`: how many are allowed.
    pub(crate) fn configure(
        &mut self,
        cx: &Context<'_>,
        config: &HubConfig,
        peers: usize,
        sessions: usize,
    ) {
        self.roster.set_most(peers);
        self.most_links = most_links(sessions);
        self.links.set_most(self.most_links);
        self.use_peers(cx, config);
        // The ports stay those of the start.
        let content = self.config.content.clone();
        self.config = HubConfig {
            content,
            ..config.clone()
        };
        // Peers of the configuration have joined by now, so the endpoints that they offer count in this
        // check.
        self.end_what_lost_its_right(cx);
    }

    /// Adds the peers of a configuration, and ends those that are no longer in it.
    fn use_peers(&mut self, cx: &Context<'_>, config: &HubConfig) {
        let members = self.roster.members();
        let known = members.filter_map(|(id, member)| match member {
            Member::Configured(peer) => Some((id, peer.clone())),
            Member::Guest(..) => None,
        });
        let known: Vec<(PeerId, PeerConfig)> = known.collect();
        // Peers leave before others join, because a peer that was changed keeps its name.
        for (id, peer) in &known {
            if !config.peers.contains(peer) {
                self.remove_own_peer(cx, *id);
                self.relay(cx);
            }
        }
        for peer in &config.peers {
            if known.iter().any(|(_, other)| other == peer) {
                continue;
            }
            self.evict_guest(cx, &peer.id);
            let member = Member::Configured(peer.clone());
            match self.roster.join(cx.now, &peer.id, Speaks::Gateway, member) {
                Ok(_) => {}
                Err(NotJoined::Taken) => {
                    log::error!("peer {}: not registered: the id is already in use", peer.id);
                }
                Err(NotJoined::Full) => {
                    log::error!("peer {}: not registered: limits.peers is reached", peer.id);
                }
            }
            self.relay(cx);
        }
    }

    /// Ends the guest that has the id of a peer of the configuration.
    fn evict_guest(&mut self, cx: &Context<'_>, name: &str) {
        if let Some(peer) = self.roster.find(name)
            && let Some(Member::Guest(dialect, _)) = self.roster.member(peer)
        {
            let dialect = *dialect;
            self.evict(cx, dialect, peer, Eviction::IdIsConfigured);
        }
    }

    fn evict(&mut self, cx: &Context<'_>, dialect: DialectId, peer: PeerId, why: Eviction) {
        self.with(cx, dialect, |dialect, lobby| {
            dialect.handle_eviction(lobby, peer, why);
        });
        self.relay(cx);
    }

    /// Ends peers whose key is no longer in the configuration, and connections that use endpoints which it no
    /// longer allows.
    fn end_what_lost_its_right(&mut self, cx: &Context<'_>) {
        let members = self.roster.members();
        let lost = members.filter_map(|(id, member)| match member {
            Member::Guest(dialect, guest) if !self.still_holds(*dialect, guest) => {
                Some((*dialect, id))
            }
            Member::Guest(..) | Member::Configured(_) => None,
        });
        let mut lost: Vec<(DialectId, PeerId)> = lost.collect();
        lost.sort_unstable();
        if !lost.is_empty() {
            let count = lost.len();
            log::info!("{count} peers end, because their keys do not hold any more");
        }
        for (dialect, peer) in lost {
            self.evict(cx, dialect, peer, Eviction::KeyIsGone);
        }
        self.each(cx, |dialect, lobby| dialect.handle_config(lobby));
        let redirected = self.links.redirected();
        let bad = redirected.filter(|(_, peer, to)| !self.may_redirect(*peer, *to));
        let bad: Vec<LinkId> = bad.map(|(link, _, _)| link).collect();
        for link in bad {
            self.links.drop_redirect(link);
        }
        self.relay(cx);
    }

    fn still_holds(&self, dialect: DialectId, guest: &Guest) -> bool {
        let keys = table::keys(dialect, &self.config);
        (self.config.expose || guest.locality == Locality::Local)
            && rules::still_holds(keys, guest.locality, &guest.key, &guest.origin)
    }

    /// Returns whether messages for one of the gateway's own peers may still be sent to an address.
    fn may_redirect(&self, peer: PeerId, to: SocketAddr) -> bool {
        let guest = self.roster.guest(peer);
        let locality = guest.map_or(Locality::Local, |guest| guest.locality);
        let is_local = locality == Locality::Local;
        self.site.may_redirect(&self.config, is_local, to)
    }
}
