//! The rights of a link's session, and the endpoints that a peer of the configuration offers.

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

/// Returns the terms on which a peer of the configuration accepts offers.
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
