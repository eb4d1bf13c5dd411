//! A tty in raw mode: opened without waiting, closed without waiting.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::{Access, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{self, Getter, Opcode};
use rustix::termios::{self, ControlModes, OptionalActions, QueueSelector};

use super::{failure, plain};
use crate::endpoint::{Failure, FailureKind};

/// An open line.
#[derive(Debug)]
pub(super) struct Tty {
    fd: OwnedFd,
}

impl Tty {
    /// Opens a line at 8 data bits, no parity, one stop bit, no flow control.
    pub(super) fn open(path: &Path, baud: u32) -> Result<Self, Failure> {
        // Without NONBLOCK the open itself may wait for a carrier.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let shown = path.display().to_string();
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ACCESS => Failure::new(FailureKind::Denied, denied(path)),
            other => failure(&shown, &other.into()),
        })?;
        if !termios::isatty(&fd) {
            let detail = format!("{shown}: is not a tty");
            return Err(Failure::new(FailureKind::Other, detail));
        }
        Self::configure(&fd, baud).map_err(|errno| {
            let error = plain(&errno.into());
            Failure::new(
                FailureKind::Other,
                format!("{shown}: at {baud} baud: {error}"),
            )
        })?;
        Ok(Self { fd })
    }

    fn configure(fd: &OwnedFd, baud: u32) -> rustix::io::Result<()> {
        // Nobody else may open it: two readers would each get half of the bytes.
        termios::ioctl_tiocexcl(fd)?;
        let mut settings = termios::tcgetattr(fd)?;
        settings.make_raw();
        settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        // No hang-up on close: it drops DTR, which resets an Arduino.
        settings.control_modes &= !(ControlModes::HUPCL | ControlModes::CRTSCTS);
        settings.set_speed(baud)?;
        termios::tcsetattr(fd, OptionalActions::Now, &settings)
    }

    /// Bytes that the driver has taken and not sent yet; 0 if it cannot tell, or has vanished.
    #[expect(unsafe_code, reason = "rustix has no call for this ioctl")]
    pub(super) fn unsent(&self) -> usize {
        // SAFETY: TIOCOUTQ is a valid opcode of a tty and writes one C int.
        let unsent = unsafe { ioctl::ioctl(&self.fd, Getter::<TIOCOUTQ, i32>::new()) };
        unsent
            .ok()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(0)
    }

    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, buf)?)
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.fd, bytes)?)
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        // What the driver still holds would keep close(2) waiting for up to 30 s. Where it holds
        // nothing (a pty hands over at once), nothing may be thrown away either.
        if self.unsent() > 0 {
            let _gone = termios::tcflush(&self.fd, QueueSelector::OFlush);
        }
    }
}

/// Writes the number of bytes in the driver's output queue; the same number on x86, ARM and
/// RISC-V (asm-generic/ioctls.h).
const TIOCOUTQ: Opcode = 0x5411;

impl Source for Tty {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.fd.as_fd().as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.fd.as_fd().as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.fd.as_fd().as_raw_fd()).deregister(registry)
    }
}

/// Whether a line that exists is denied to us; the message says what to do.
pub fn denied_to_us(path: &Path) -> Option<String> {
    match rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) {
        Err(Errno::ACCESS) => Some(denied(path)),
        Ok(()) | Err(_) => None,
    }
}

fn denied(path: &Path) -> String {
    format!(
        "{}: permission denied: not in group dialout (sudo usermod -aG dialout USER, then log in \
         again)",
        path.display()
    )
}
