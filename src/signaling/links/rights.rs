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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_with_another_peer_has_the_scopes_of_its_link_and_no_more() {
        let scope = Scope {
            endpoints: vec!["arm".to_owned()],
            verbs: vec![Verb::Read],
        };
        let grant = grant("page", vec![scope]);
        assert!(!grant.admin);
        assert!(grant.allows("arm", Verb::Read));
        assert!(!grant.allows("arm", Verb::Write) && !grant.allows("leg", Verb::Read));
        assert_eq!(grant.who(), "peer page");
    }
}
