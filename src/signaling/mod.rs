//! How peers find each other: the hub between them, and the dialects in which they speak to it.

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
pub mod whip;
