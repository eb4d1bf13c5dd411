//! The rendezvous without a gateway: requests and results of sessions in, events out.

mod bench;
mod connections;
pub(super) mod echo;
mod pages;
mod polls;
mod programs;
mod table;
mod trust;
