//! Signaling: the hub between peers, and the dialects in which peers communicate with it.

pub(crate) mod call;
pub(crate) mod dialect;
pub mod door;
pub(crate) mod facade;
pub mod fault;
mod fields;
pub mod hub;
pub(crate) mod links;
pub mod message;
pub(crate) mod names;
pub mod peerjs;
pub(crate) mod rendezvous;
pub mod skyway;
pub mod socket_io;
