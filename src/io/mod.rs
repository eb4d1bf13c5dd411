//! The shell: the only code that makes system calls, owns file descriptors and reads the clock.

pub mod addresses;
pub mod event_loop;
pub mod identity;
pub mod log;
pub mod signal;
pub mod stream;
pub mod tty;
pub mod udp;

use std::io;

use rustix::io::Errno;

use crate::endpoint::Failure;

/// Turns an error of the operating system into what an endpoint is told.
pub(crate) fn failure(what: &str, error: &io::Error) -> Failure {
    let absent = [Errno::NOENT, Errno::NXIO, Errno::NODEV, Errno::IO]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    Failure {
        absent,
        detail: format!("{what}: {}", plain(error)),
    }
}

/// An error's text without the number that Rust adds.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}
