//! thingway carries the DataChannels of any browser to hardware that cannot speak WebRTC.
//!
//! The whole daemon is one sans-IO machine, [`gateway::Gateway`]: time and bytes go in, bytes,
//! commands and a deadline come out. Only [`io`] makes system calls and reads the clock.
//! `ARCHITECTURE.md` is the map.
#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::wildcard_enum_match_arm,
        clippy::cast_possible_truncation,
        clippy::unwrap_in_result,
        clippy::cloned_ref_to_slice_refs,
        reason = "tests begin at some instant and count small numbers"
    )
)]

pub mod access;
pub mod api;
pub mod channel;
pub mod cli;
pub mod config;
pub mod connection;
pub mod datagram;
mod devices;
mod drops;
pub mod endpoint;
pub mod error;
pub mod framing;
mod front;
#[doc(hidden)]
pub mod fuzz;
pub mod gateway;
pub mod http;
pub mod ice;
pub mod ids;
#[expect(
    clippy::disallowed_types,
    reason = "the shell is where sockets and files live"
)]
pub mod io;
pub mod limits;
pub mod payload;
pub mod ports;
pub mod report;
#[doc(hidden)]
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it drives the real loop in a thread, and is a peer of its own on real sockets"
)]
pub mod selftest;
pub mod session;
pub mod signaling;
#[allow(
    dead_code,
    reason = "the components that are being cut out of the gateway use it step by step"
)]
pub mod sources;
pub mod tls;
pub mod util;
pub mod websocket;
