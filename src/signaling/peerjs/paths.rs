//! The requests that belong to pages of PeerJS.

use crate::api::ROUTES;
use crate::signaling::dialect::{Claim, ONLY_GET, Paths};

/// The meaning of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask<'a> {
    /// `GET /peerjs` with a WebSocket.
    Socket,
    /// `GET /{key}/id`: an id that is free.
    FreeId(&'a str),
    /// `GET /{key}/peers`: the ids of all peers.
    Peers(&'a str),
}

/// The paths of pages of PeerJS.
pub(crate) const PATHS: Paths = Paths {
    may_claim: |first, second| first == "peerjs" || matches!(second, Some("id" | "peers")),
    claims: |path| ask(path).is_some(),
    allow: |_| ONLY_GET.to_owned(),
    not_allowed: |_| None,
    takes_body: |_| false,
    error: Claim::problem,
    keys: |config| &config.peerjs_keys,
    #[cfg(test)]
    routes: || vec!["/peerjs", "/{key}/id", "/{key}/peers"],
};

/// Returns the meaning of a path.
pub(super) fn ask<'a>(path: &[&'a str]) -> Option<Ask<'a>> {
    match path {
        ["peerjs"] => Some(Ask::Socket),
        // The first segment of the gateway's own paths is no key, because an endpoint may be called `id` or
        // `peers`.
        [key, "id"] if !is_ours(key) => Some(Ask::FreeId(key)),
        [key, "peers"] if !is_ours(key) => Some(Ask::Peers(key)),
        _ => None,
    }
}

/// Returns whether paths of the gateway's own API begin with a segment.
fn is_ours(segment: &str) -> bool {
    let mut routes = ROUTES.iter();
    routes.any(|(path, _)| path.split('/').nth(1) == Some(segment))
}
