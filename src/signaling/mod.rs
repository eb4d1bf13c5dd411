//! How peers find each other: the hub between them, and the dialects in which they speak to it.

#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod call;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod dialect;
pub mod door;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod facade;
pub mod fault;
mod fields;
pub mod hub;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod links;
pub mod message;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod names;
pub mod peerjs;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod rendezvous;
pub mod skyway;
pub mod socket_io;
pub mod whip;
