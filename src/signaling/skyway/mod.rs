//! The server's side of SkyWay-JS: the messages between a page with npm package `skyway-js` and ECLWebRTC's
//! signaling server, as events of Socket.IO (revision 3 of Engine.IO), each with at most one argument and
//! none acknowledged. The source is what `skyway-js` 4.4.5 does.
//!
//! A client connects with a [`Handshake`] and may send after it received [`open`]. [`parse`] reads the
//! client's events, [`write()`] makes those of other peers for the client. [`Rooms`] are the mesh rooms, and
//! a [`Credential`] proves, where a secret is set, that a client may have its name.

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
pub(crate) use paths::PATHS;
pub use read::{ClientMessage, parse};
pub use rooms::{Emit, RoomCall, RoomKind, Rooms};
pub use write::write;

use std::collections::{HashMap, VecDeque};

use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::dialect::Output;
use crate::ids::{PageId, PageKind, PeerId, RequestId, SocketId};
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use page::Page;
use rustc_hash::FxHashMap;

/// The dialect of SkyWay-JS.
#[derive(Debug)]
pub(crate) struct SkyWay {
    random: StdRng,
    pages: Slab<PageKind, Page>,
    /// Pages by the ids of their sessions.
    sids: HashMap<String, PageId>,
    /// Pages that have joined.
    members: FxHashMap<PeerId, PageId>,
    /// Requests that wait for packets.
    polls: FxHashMap<RequestId, PageId>,
    sockets: FxHashMap<SocketId, PageId>,
    rooms: Rooms,
    timers: Timers<PageId>,
    outputs: VecDeque<Output>,
    refused: u64,
    /// Packets that were dropped, of pages that have left.
    dropped: u64,
    /// Pages whose sessions may have outputs.
    unsettled: VecDeque<PageId>,
}

/// An event for a client: its name and its argument.
pub type Event = (&'static str, Value);

/// Returns the event that the client has joined with this name. The client then repeats what it had sent too
/// early.
pub fn open(peer_id: &str) -> Event {
    ("OPEN", json!({ "peerId": peer_id }))
}

/// Returns an error event; the page reports the kind as its error's `type`, and continues. The kinds of the
/// original are `unavailable-id`, `invalid-key`, `authentication`, `room-error` and others.
pub fn error(kind: &str, message: &str) -> Event {
    ("ERROR", json!({ "type": kind, "message": message }))
}

/// Returns the event that the credential ends in so many seconds; the page can renew it until then.
pub fn expires_in(seconds: u64) -> Event {
    ("AUTH_EXPIRES_IN", json!(seconds))
}
