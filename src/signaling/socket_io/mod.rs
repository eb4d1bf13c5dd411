//! The server's side of Engine.IO and Socket.IO, which carry the signaling of SkyWay-JS (Socket.IO
//! 2) and of Extreal's pages (Socket.IO 4).
//!
//! A [`request::Request`] is what a query asks for; a [`Session`] is one client, whether it polls,
//! has a WebSocket or goes from one to the other. What the events mean is for their dialects; HTTP
//! and frames are for whoever owns both. Binary attachments, other namespaces than `/` and JSONP
//! are not here.
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

/// Which of the two protocols a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision {
    /// `EIO=3`, on which Socket.IO 2 is.
    Three,
    /// `EIO=4`, on which Socket.IO 3 and 4 are.
    Four,
}

/// What a client's packets travel on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A GET that waits for packets, and POSTs with the client's.
    Polling,
    /// A packet in each text frame.
    WebSocket,
}
