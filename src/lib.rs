//! thingway carries the DataChannels of any browser to hardware that cannot speak WebRTC.
//!
//! The whole daemon is one sans-IO machine, `gateway::Gateway`: time and bytes go in; bytes, commands and a
//! deadline come out. Only `io` makes system calls and reads the clock. `ARCHITECTURE.md` describes the
//! parts.
#![cfg_attr(
    not(feature = "testing"),
    allow(
        unreachable_pub,
        unused_imports,
        reason = "what is `pub` is reached by `testing`, which the program does not have"
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::wildcard_enum_match_arm,
        clippy::cast_possible_truncation,
        clippy::unwrap_in_result,
        clippy::cloned_ref_to_slice_refs,
        clippy::too_many_lines,
        reason = "tests begin at some instant, count small numbers, and have tables"
    )
)]

mod access;
mod api;
mod channel;
mod cli;
mod codec;
mod config;
mod configured;
mod connection;
mod datagram;
mod devices;
mod drops;
mod endpoint;
mod error;
mod framing;
mod front;
mod gateway;
mod http;
mod ice;
mod ids;
#[expect(
    clippy::disallowed_types,
    reason = "the shell is where sockets and files live"
)]
mod io;
mod limits;
mod media;
mod names;
mod payload;
mod ports;
mod program;
mod report;
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it drives the real loop in a thread, and is a peer of its own on real sockets"
)]
mod selftest;
mod session;
mod signaling;
mod sources;
mod tls;
mod transceiver;
mod util;
mod websocket;

pub use program::main;

/// The internal items that the tests, fuzzers and benchmarks of this repository use. They are not a stable
/// interface.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing {
    pub use crate::channel::ChannelKind;
    pub use crate::util::slab::Id;

    pub mod access {
        pub use crate::access::*;
    }
    pub mod api {
        pub use crate::api::*;
    }
    pub mod codec {
        pub use crate::codec::*;
    }
    pub mod config {
        pub use crate::config::*;
    }
    pub mod connection {
        pub use crate::connection::*;
    }
    pub mod datagram {
        pub use crate::datagram::*;
    }
    pub mod endpoint {
        pub use crate::endpoint::*;
    }
    pub mod framing {
        pub use crate::framing::*;
    }
    pub mod gateway {
        pub use crate::gateway::*;
    }
    pub mod http {
        pub use crate::http::*;
    }
    pub mod ids {
        pub use crate::ids::*;
    }
    pub mod limits {
        pub use crate::limits::*;
    }
    pub mod media {
        pub use crate::media::*;
    }
    pub mod payload {
        pub use crate::payload::*;
    }
    pub mod ports {
        pub use crate::ports::*;
    }
    pub mod session {
        pub use crate::session::*;
    }
    pub mod signaling {
        pub use crate::signaling::*;
    }
    pub mod sources {
        pub use crate::sources::*;
    }
    pub mod tls {
        pub use crate::tls::*;
    }
    pub mod transceiver {
        pub use crate::transceiver::*;
    }
}
