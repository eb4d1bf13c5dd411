//! The server's side of PeerJS: the messages between a page with npm package `peerjs` and a PeerServer (npm
//! package `peer`) over a WebSocket, as text. The source is what `peerjs` 1.5.5 and `peer` 1.0.2 do.
//!
//! An admitted client receives [`open`] first, unless it returns with its previous token. [`parse`] reads the
//! client's messages, [`write()`] makes those of other peers for the client. There are no acknowledgements,
//! and a [`Fault`](super::fault::Fault) is best ignored, as PeerServer does, because a client that receives
//! an [`error`] gives up its connection to the server.

mod page;
mod paths;
mod query;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use page::PeerJs;
pub(crate) use paths::PATHS;
pub use query::{Query, QueryRefusal};
pub use read::{ClientMessage, parse, refusal};
pub use write::write;

use serde_json::json;

/// Returns the message that the client now has the id.
pub fn open() -> &'static str {
    r#"{"type":"OPEN"}"#
}

/// Returns the message that another client has the id, because the tokens differ. The caller must close the
/// connection then.
pub fn id_taken() -> &'static str {
    r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#
}

/// Returns an error that ends the client's connection. The caller must close the connection then.
pub fn error(message: &str) -> String {
    format!(
        r#"{{"type":"ERROR","payload":{{"msg":{}}}}}"#,
        json!(message)
    )
}

/// Returns the message that no peer `from` took the signals of `to` in time; sent once for each `from`.
#[cfg(any(test, feature = "testing"))]
pub fn expire(from: &str, to: &str) -> String {
    format!(
        r#"{{"type":"EXPIRE","src":{},"dst":{}}}"#,
        json!(from),
        json!(to)
    )
}
