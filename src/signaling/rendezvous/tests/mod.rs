//! The rendezvous without a gateway: requests and results of sessions in, events out.

pub(super) mod echo;
