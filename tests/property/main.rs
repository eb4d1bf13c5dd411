//! Properties that hold for any input, and the fuzzers' corpora on a stable compiler.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail by panicking; files are read and time begins somewhere"
)]

mod chopping;
mod corpora;
mod documents;
mod facade;
mod framing;
#[expect(unreachable_pub, reason = "the fuzzers' own crate has it as a library")]
#[path = "../fuzz/mod.rs"]
mod fuzz;
mod http_splits;
mod media;
mod offers;
mod payload;
mod ports;
mod reoffers;
mod scopes;
mod signaling;
