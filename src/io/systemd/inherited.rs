//! Descriptors that the service manager passes on at start: sockets on which it listens for this daemon, and
//! ttys that the previous process has kept open (`sd_listen_fds(3)`).

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketType};

use crate::io::plain;

/// The descriptors that were passed on and not used yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    listeners: Vec<(SocketAddr, TcpListener)>,
    /// The ttys with their names, see [`tty_name`].
    ttys: Vec<(String, OwnedFd)>,
}

impl Inherited {
    /// Takes the descriptors over. Called once, at the very start.
    #[expect(unsafe_code, reason = "a descriptor is passed on as a number")]
    pub(crate) fn take() -> Self {
        let mut inherited = Self::default();
        let passed = match sd_notify::listen_fds_with_names() {
            Ok(passed) => passed,
            Err(error) => {
                log::warn!("what the service manager passes on: {}", plain(&error));
                return inherited;
            }
        };
        for (number, name) in passed {
            // SAFETY: LISTEN_PID says that the descriptor is meant for this process, the crate has checked
            // that it is open, and no other code takes it because this function is called once.
            let fd = unsafe { OwnedFd::from_raw_fd(number) };
            if name.starts_with(TTY) {
                inherited.ttys.push((name, fd));
                continue;
            }
            match listener(fd) {
                Ok((addr, listener)) => inherited.listeners.push((addr, listener)),
                Err(why) => log::warn!("passed on by the service manager: {name}: {why}"),
            }
        }
        inherited
    }

    /// Returns one socket that listens at this address, as if it had been passed on.
    pub(crate) fn of_listener(addr: SocketAddr, listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listeners: vec![(addr, listener)],
            ttys: Vec::new(),
        })
    }

    /// Returns the addresses on which the service manager listens for this daemon.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|(addr, _)| *addr)
    }

    /// Returns the socket of an address, if it was passed on.
    pub(in crate::io) fn listener(&mut self, addr: SocketAddr) -> Option<TcpListener> {
        let at = self
            .listeners
            .iter()
            .position(|(known, _)| *known == addr)?;
        Some(self.listeners.swap_remove(at).1)
    }

    /// Returns the tty that was kept open for this path, if any.
    pub(in crate::io) fn tty(&mut self, path: &Path) -> Option<OwnedFd> {
        let name = tty_name(path)?;
        let at = self.ttys.iter().position(|(known, _)| *known == name)?;
        Some(self.ttys.swap_remove(at).1)
    }

    /// Closes the ttys that no endpoint used, and returns their names.
    pub(in crate::io) fn rest(&mut self) -> Vec<String> {
        self.ttys.drain(..).map(|(name, _)| name).collect()
    }
}

/// The prefix of the names of ttys.
const TTY: &str = "tty=";
/// The longest name that systemd takes (`FDNAME` in `sd_notify(3)`).
const LONGEST: usize = 255;

/// Returns the name under which the service manager keeps a tty. `None`: the path cannot be expressed in a
/// name.
pub(super) fn tty_name(path: &Path) -> Option<String> {
    let mut name = String::from(TTY);
    for c in path.to_str()?.chars() {
        match c {
            // A colon separates two names.
            ':' | '%' => write!(name, "%{:02X}", u32::from(c)).ok()?,
            c if c.is_ascii_graphic() || c == ' ' => name.push(c),
            _ => return None,
        }
    }
    (name.len() <= LONGEST).then_some(name)
}

/// Returns a socket that listens for TCP connections, or a description of what it is instead.
fn listener(fd: OwnedFd) -> Result<(SocketAddr, TcpListener), String> {
    let said = |error: io::Error| plain(&error);
    let kind = sockopt::socket_type(&fd).map_err(|error| said(error.into()))?;
    let family = sockopt::socket_domain(&fd).map_err(|error| said(error.into()))?;
    let listens = sockopt::socket_acceptconn(&fd).map_err(|error| said(error.into()))?;
    let is_ip = matches!(family, AddressFamily::INET | AddressFamily::INET6);
    if kind != SocketType::STREAM || !is_ip || !listens {
        return Err("is no socket that listens for TCP connections".to_owned());
    }
    let listener = TcpListener::from(fd);
    listener.set_nonblocking(true).map_err(said)?;
    Ok((listener.local_addr().map_err(said)?, listener))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_systemd_takes() {
        let name = |path: &str| tty_name(Path::new(path));
        assert_eq!(name("/dev/ttyUSB0").as_deref(), Some("tty=/dev/ttyUSB0"));
        let by_path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0";
        let told = name(by_path).expect("a name");
        assert!(
            !told.contains(':') && told.contains("pci-0000%3A00"),
            "{told}"
        );
        assert_ne!(name("/dev/a:b"), name("/dev/a%3Ab"));
        assert_eq!(name("/dev/\u{fc}"), None);
        assert_eq!(name("/dev/a\nb"), None);
        assert_eq!(name(&format!("/dev/{}", "x".repeat(300))), None);
    }
}
