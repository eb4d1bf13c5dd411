//! The shell: the only code that makes system calls, owns file descriptors and reads the clock.

pub(crate) mod access_file;
pub(crate) mod addresses;
mod authority_file;
mod capture;
pub(crate) mod config_files;
pub(crate) mod control_socket;
pub(crate) mod event_loop;
pub(crate) mod identity;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod ports;
pub(crate) mod signal;
pub(crate) mod stream;
pub(crate) mod systemd;
pub(crate) mod tls_files;
pub(crate) mod tty;
pub(crate) mod udp;
pub(crate) mod watch;

use std::io;

use rustix::io::Errno;

use crate::endpoint::{Failure, FailureKind};

/// Converts an error of the operating system into a failure for the gateway.
pub(crate) fn failure(what: &str, error: &io::Error) -> Failure {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let kind = match errno {
        Some(
            Errno::NOENT
            | Errno::NXIO
            | Errno::NODEV
            | Errno::IO
            | Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::PIPE
            | Errno::TIMEDOUT
            | Errno::HOSTUNREACH
            // An address of this machine that is not assigned yet.
            | Errno::ADDRNOTAVAIL,
        ) => FailureKind::Absent,
        Some(Errno::ACCESS | Errno::PERM) => FailureKind::Denied,
        Some(_) | None => FailureKind::Other,
    };
    Failure::new(kind, format!("{what}: {}", plain(error)))
}

/// Returns an error's text without the number that Rust adds.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}
