//! The conditions that a board may find at boot. The program starts anyway, or says exactly why not.
//!
//! Related tests elsewhere: ports in use are in `command_line.rs`, devices and groups that appear late in
//! `serial.rs` and `state.rs`, images and missing groups in `packaging/check-image`.

mod clock;
mod disk;
mod groups;
mod kernel;
mod network;
