//! Offers and fragments over HTTP (RFC 9725): what becomes of them, and the problems that refuse them.

use super::problem::Problem;
use crate::api::whip::{self, Fragment};
use crate::http::Response;
use crate::ids::SessionId;
use crate::session::Session;
use crate::session::set::{BeginError, ReofferError, Sessions};
use crate::sources::Context;

/// Adds trickled candidates (RFC 8838).
pub(crate) fn patch_session(
    sessions: &mut Sessions,
    cx: &mut Context<'_>,
    id: SessionId,
    if_match: Option<&str>,
    body: &[u8],
) -> Result<Option<Response>, Problem> {
    let fragment = Fragment::parse(body)?;
    let Some(session) = sessions.get(id) else {
        return Err(Problem::new(404, "the session has ended").at("path"));
    };
    // RFC 9725 §4.3.1: the entity tag names the ICE session that a fragment is for.
    if if_match.is_some_and(|tag| !whip::matches(tag, &etag(session))) {
        let detail = "the fragment is for another ICE session than the current one";
        return Err(Problem::new(412, detail).at("If-Match"));
    }
    let remote = session.remote_ufrag();
    if fragment.ufrag.is_some_and(|ufrag| ufrag != remote) {
        return Err(no_restart());
    }
    let candidates = fragment.candidates.iter().copied();
    sessions.add_candidates(cx, id, candidates)?;
    Ok(Some(Response::new(204)))
}

fn no_restart() -> Problem {
    // RFC 9725 §4.3.1 has 422 where only trickle is supported, and 405 for none. Common clients take 501 for a
    // server without restarts, and fail at 422.
    let detail = "an ICE restart is not supported yet; make a new session";
    Problem::new(501, detail).at("a=ice-ufrag")
}

/// Returns the problem of a later offer that changes nothing.
pub(crate) fn refused_reoffer(why: ReofferError) -> Problem {
    match why {
        ReofferError::NoTracks => {
            let detail =
                "when this session began no endpoint had pictures or sound; make a new session";
            Problem::new(409, detail)
        }
        ReofferError::Restart => no_restart(),
        ReofferError::Sdp(error) => error.into(),
        ReofferError::Gone => Problem::new(404, "the session has ended").at("path"),
    }
}

/// Returns the entity tag of a session. Each ICE session has one tag.
pub(crate) fn etag(session: &Session) -> String {
    format!("\"{}\"", session.local_ufrag())
}

/// Returns the response with the answer to an offer, which has made a session.
pub(crate) fn answered(name: &str, etag: &str, sdp: String) -> Response {
    Response::new(201)
        .header("Location", &format!("/sessions/{name}"))
        .header("ETag", etag)
        .header("Accept-Patch", whip::FRAGMENT)
        .header("Cache-Control", "no-store")
        .body(whip::SDP, sdp.into_bytes())
}

/// Returns a description as a response.
pub(crate) fn description(sdp: String) -> Response {
    Response::new(200)
        .header("Cache-Control", "no-store")
        .body(whip::SDP, sdp.into_bytes())
}

/// Returns the problem of an offer that makes no session.
pub(crate) fn refused_session(why: &BeginError) -> Problem {
    match why {
        BeginError::Sdp(error) => error.clone().into(),
        BeginError::Panicked => Problem::new(400, "the offer is not understood"),
        BeginError::Collision => Problem::new(503, "please try again").header("Retry-After", "0"),
        BeginError::Draining
        | BeginError::Token(_)
        | BeginError::Full { .. }
        | BeginError::Reserved { .. } => {
            Problem::new(503, &why.to_string()).header("Retry-After", "5")
        }
    }
}
