//! The server's side of PeerJS: what a page with npm package `peerjs` and a PeerServer (npm package
//! `peer`) say to each other over a WebSocket, as text. The source is what `peerjs` 1.5.5 and `peer`
//! 1.0.2 do.
//!
//! A client that may come in is told [`open`] first, unless it comes back with the token it had. What
//! it says is [`parse`]d, what others say to it is what [`write()`] makes of it. Nothing is acknowledged,
//! and what is a [`Fault`](super::fault::Fault) is best ignored, as PeerServer does: a client that is
//! told an [`error`] gives up its connection to the server.

mod page;
mod paths;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use page::PeerJs;
pub(crate) use paths::PATHS;
pub use query::{Query, Refusal};
pub use read::{Said, parse, refusal};
pub use write::write;

use serde_json::json;

/// The id is the client's now.
pub fn open() -> &'static str {
    r#"{"type":"OPEN"}"#
}

/// The id is somebody else's: the token is another one. The connection is then to be closed.
pub fn id_taken() -> &'static str {
    r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#
}

/// Something for which the client is sent away. The connection is then to be closed.
pub fn error(message: &str) -> String {
    format!(
        r#"{{"type":"ERROR","payload":{{"msg":{}}}}}"#,
        json!(message)
    )
}

/// Nobody called `from` took what `to` had sent there in time; it is told once for each `from`.
#[cfg(any(test, feature = "testing"))]
pub fn expire(from: &str, to: &str) -> String {
    format!(
        r#"{{"type":"EXPIRE","src":{},"dst":{}}}"#,
        json!(from),
        json!(to)
    )
}
