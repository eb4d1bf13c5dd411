//! How peers find each other: the hub between them, and the dialects in which they speak to it.

#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod call;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod dialect;
pub mod door;
pub mod fault;
mod fields;
pub mod hub;
pub mod message;
pub mod peerjs;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod rendezvous;
pub mod skyway;
pub mod socket_io;
pub mod whip;
