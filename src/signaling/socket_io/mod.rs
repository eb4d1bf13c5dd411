//! The server's side of Engine.IO and Socket.IO, which carry the signaling of SkyWay-JS (Socket.IO
//! 2) and of Extreal's pages (Socket.IO 4).
//!
//! A [`request::TransportRequest`] is the meaning of a query; a [`Session`] is one client, whether it polls, has a
//! WebSocket or changes from polling to a WebSocket. The dialects interpret the events; the owner of a
//! session handles HTTP and frames. Binary attachments, other namespaces than `/` and JSONP are not
//! supported.
//!
//! The sources are <https://socket.io/docs/v4/engine-io-protocol/> and
//! <https://socket.io/docs/v4/socket-io-protocol/>, and what `socket.io-client` 2.5 and 4.7.4 do.

mod event;
mod heartbeat;
pub mod packet;
pub mod polling;
mod queue;
pub mod request;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use event::{Event, Frame, NotSent, Reason};
pub use queue::Dropped;
pub use session::Session;
pub use settings::Settings;

/// The protocol revision of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// `EIO=3`, the basis of Socket.IO 2.
    Three,
    /// `EIO=4`, the basis of Socket.IO 3 and 4.
    Four,
}

/// The transport of a client's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A waiting GET for packets, and POSTs with the client's.
    Polling,
    /// A WebSocket, with one packet in each text frame.
    WebSocket,
}
