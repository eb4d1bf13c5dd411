//! Simulation: the real gateway, real peers, no sockets, no waiting.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking; a virtual clock starts somewhere"
)]

mod access;
mod asking;
mod backlog;
mod balance;
mod configure;
mod cookies;
mod digest;
mod discarding;
mod drain;
mod endpoints;
mod fairness;
mod hostile;
mod hub;
mod hub_door;
mod ledger;
mod line;
mod links;
mod lost_writers;
mod media;
mod media_changes;
mod media_publishing;
mod media_reports;
mod panics;
#[path = "../peer/mod.rs"]
mod peer;
mod places;
mod queries;
mod refused;
mod revoked;
mod rights;
#[path = "../routes/mod.rs"]
mod routes;
mod rtp_endpoints;
mod secure;
mod sessions;
mod stopped;
mod storms;
mod takeover;
mod tangles;
mod world;
mod writers;

/// Returns how many seeds are swept: the usual number, or `THINGWAY_SEEDS`. `make soak` asks for all seeds,
/// an emulated processor for few.
fn seeds(all: u64) -> u64 {
    const USUAL: u64 = 150;
    let wanted = std::env::var("THINGWAY_SEEDS").ok();
    let wanted = wanted.map(|text| text.parse::<u64>().expect("a number"));
    wanted.unwrap_or(USUAL).min(all)
}
