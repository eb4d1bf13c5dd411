//! Candidates of ours. str0m gathers nothing by itself.

pub mod gatherer;
#[allow(dead_code, reason = "the gateway uses it when it is wired in")]
pub(crate) mod network;
