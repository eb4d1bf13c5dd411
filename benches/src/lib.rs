//! The inner paths of the gateway, each as something that is done again and again. `benches/inner.rs` times them, the program
//! `instructions` does them under callgrind.
#![allow(
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tools of the benchmark"
)]

#[path = "../../tests/direct/mod.rs"]
mod direct;
mod framings;
mod gateway;
#[path = "../../tests/peer/mod.rs"]
mod peer;
#[allow(dead_code, reason = "shared with the simulation, which uses all of it")]
#[path = "../../tests/sim/world/mod.rs"]
mod world;

use std::time::Instant;

/// One path, ready to be taken. `step` takes it once and says how many nanoseconds that was; what only makes it possible
/// again, the peer's own work for instance, is not in it.
pub struct Path {
    pub name: &'static str,
    pub step: Box<dyn FnMut() -> u64>,
}

/// Each path's name and what makes it.
pub const PATHS: &[(&str, fn() -> Box<dyn FnMut() -> u64>)] = &[
    ("demux, 1 session", || gateway::demux(1)),
    ("demux, 16 sessions", || gateway::demux(16)),
    ("demux, 256 sessions", || gateway::demux(256)),
    ("demux, 1,000 sessions", || gateway::demux(1_000)),
    ("tty to message, 200 B", gateway::tty_to_message),
    ("message to tty, 200 B", gateway::message_to_tty),
    ("connect", gateway::connect),
    ("HTTP request", gateway::http_request),
    ("framing: line", || framings::decode("line")),
    ("framing: slip", || framings::decode("slip")),
    ("framing: cobs", || framings::decode("cobs")),
    ("framing: length", || framings::decode("length")),
];

/// Makes a path by its name.
pub fn path(name: &str) -> Option<Path> {
    let (name, make) = PATHS.iter().find(|(known, _)| *known == name)?;
    Some(Path { name, step: make() })
}

/// All that is measured happens in here: callgrind is told to count from here on, and until it returns.
#[inline(never)]
pub fn measured(what: &mut dyn FnMut()) -> u64 {
    let start = Instant::now();
    what();
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
