//! The server's side of SkyWay-JS: what a page with npm package `skyway-js` and ECLWebRTC's signaling
//! server say to each other as events of Socket.IO (revision 3 of Engine.IO), each with at most one
//! argument and none acknowledged. The source is what `skyway-js` 4.4.5 does.
//!
//! A client comes with a [`Handshake`] and may talk when it was told [`open`]. What it says is
//! [`parse`]d; what others say to it is what [`write()`] makes of it. [`Rooms`] are the mesh rooms, and a
//! [`Credential`] is what proves, where a secret is set, that somebody may have its name.

mod credential;
mod handshake;
mod page;
mod page_base;
mod page_events;
mod page_requests;
mod pages;
mod paths;
mod read;
mod rooms;
#[cfg(test)]
mod tests;
mod write;

pub use credential::{Credential, Expiry, Invalid};
pub use handshake::Handshake;
pub(crate) use pages::SkyWay;
pub(crate) use paths::PATHS;
pub use read::{Said, parse};
pub use rooms::{Emit, RoomCall, RoomKind, Rooms};
pub use write::write;

use serde_json::{Value, json};

/// An event for a client: its name and its argument.
pub type Event = (&'static str, Value);

/// The client is there, and this is its name. It says again what it wanted to say before.
pub fn open(peer_id: &str) -> Event {
    ("OPEN", json!({ "peerId": peer_id }))
}

/// Something went wrong; the page has the kind as its error's `type`, and goes on. Those of the
/// original are `unavailable-id`, `invalid-key`, `authentication`, `room-error` and others.
pub fn error(kind: &str, message: &str) -> Event {
    ("ERROR", json!({ "type": kind, "message": message }))
}

/// The credential ends in so many seconds; it can be renewed until then.
pub fn expires_in(seconds: u64) -> Event {
    ("AUTH_EXPIRES_IN", json!(seconds))
}
