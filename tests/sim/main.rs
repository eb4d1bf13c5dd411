//! Simulation: the real gateway, real peers, no sockets, no waiting.
#![allow(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a virtual clock starts somewhere; seeds are cut to size"
)]

mod hostile;
mod links;
#[path = "../peer/mod.rs"]
mod peer;
mod sessions;
mod world;
