//! Our ICE candidates, because str0m gathers no candidates itself.

pub(crate) mod gatherer;
pub(crate) mod network;
