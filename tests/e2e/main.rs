//! End to end: the real process, real sockets, real pseudo terminals, nothing simulated.
//!
//! Every test has its own daemon and folder and waits with a limit, so all tests can run side by side. Tests
//! that need a virtual clock or a bad link are in `tests/sim`.
#![allow(
    unreachable_pub,
    clippy::unwrap_in_result,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking; the real process needs the real clock, sockets and files"
)]

#[path = "../peer/mod.rs"]
mod peer;

mod access;
mod api;
mod attack;
mod authority;
mod body;
mod boot;
mod capture;
mod command_line;
mod configure;
mod control_socket;
mod crowd;
mod daemon;
mod document;
mod events;
mod http;
mod idle;
mod line;
mod locks;
mod logs;
#[path = "../missing/mod.rs"]
mod missing;
mod mistakes;
mod network;
mod origins;
mod overload;
mod paced;
mod page;
mod ports;
mod probes;
mod programs;
mod pty;
#[path = "../routes/mod.rs"]
mod routes;
mod ser2net;
mod serial;
mod service_manager;
mod shutdown;
mod skyway;
mod sockets;
mod state;
mod stranger;
mod systemd;
mod trace;
mod udp;
