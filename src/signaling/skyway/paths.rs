//! The requests that belong to pages of SkyWay-JS.

use crate::http::Method;
use crate::signaling::dialect::{Claim, ONLY_GET, Paths};

/// The meaning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask<'a> {
    /// Socket.IO.
    SocketIo,
    /// `GET /api/apikeys/{key}/clients/`: the ids of all peers.
    Clients(&'a str),
    /// `GET /api/apikeys/{key}/peers/{id}/exists`: whether a peer exists.
    Exists(&'a str, &'a str),
}

/// The paths of pages of SkyWay-JS.
pub(crate) const PATHS: Paths = Paths {
    may_claim: |first, _| matches!(first, "socket.io" | "api"),
    claims: |path| ask(path).is_some(),
    allow: |path| match path {
        ["socket.io"] | ["socket.io", ""] => "GET, POST, OPTIONS".to_owned(),
        _ => ONLY_GET.to_owned(),
    },
    not_allowed: |_| None,
    takes_body: |claim| claim.method == Method::Post && ask(&claim.path()) == Some(Ask::SocketIo),
    error: Claim::problem,
    keys: |config| &config.skyway_keys,
    #[cfg(test)]
    routes: || {
        vec![
            "/socket.io",
            "/api/apikeys/{key}/clients",
            "/api/apikeys/{key}/peers/{id}/exists",
        ]
    },
};

/// Returns the meaning of a path.
pub(super) fn ask<'a>(path: &[&'a str]) -> Option<Ask<'a>> {
    match path {
        ["socket.io"] => Some(Ask::SocketIo),
        ["api", "apikeys", key, "clients"] => Some(Ask::Clients(key)),
        ["api", "apikeys", key, "peers", peer, "exists"] => Some(Ask::Exists(key, peer)),
        _ => None,
    }
}
