//! In whose name the session of a link acts, and which endpoints a peer of the configuration offers.

use std::net::IpAddr;

use super::{Feed, Terms};
use crate::access::scope::{Grant, Holder, Scope, Verb};
use crate::config::PeerConfig;

/// Returns the rights of a session with another peer.
pub(crate) fn grant(remote: &str, scopes: Vec<Scope>) -> Grant {
    Grant {
        token: Some(Holder {
            id: String::new(),
            name: format!("peer {remote}"),
        }),
        scopes,
        ..Grant::default()
    }
}

/// Returns on which terms a peer of the configuration takes up offers.
pub(crate) fn terms_of(peer: &PeerConfig, network: Option<IpAddr>) -> Terms {
    let scope = Scope {
        endpoints: peer.endpoints().cloned().collect(),
        verbs: vec![Verb::Read, Verb::Write],
    };
    Terms {
        feed: Feed::ByLabel(peer.clone()),
        scopes: vec![scope],
        transcodes: peer.transcodes,
        network,
    }
}
