//! Candidates of ours. str0m gathers nothing by itself.

pub mod gatherer;
pub(crate) mod network;
