//! Surroundings that a board finds itself in at boot: it starts anyway, or says exactly why not.
//!
//! Beside what is here: ports in use are in `command_line.rs`, devices and their groups that come late in `serial.rs` and
//! `state.rs`, images and missing groups in `packaging/check-image`.

mod clock;
mod disk;
mod groups;
mod kernel;
mod network;
