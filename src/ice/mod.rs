//! Candidates of ours. str0m gathers nothing by itself.

pub(crate) mod gatherer;
pub(crate) mod network;
