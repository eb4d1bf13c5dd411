//! A tty in raw mode: opened without waiting, closed without waiting.

mod ioctls;
mod lock;
mod settings;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::{Access, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{self, Action, QueueSelector};

use super::{failure, plain};
use crate::endpoint::line::{AtOpen, Flush, LineFault, LineSettings, LineStatus, LineStep};
use crate::endpoint::{Failure, FailureKind};
use lock::Lock;

/// An open line.
#[derive(Debug)]
pub(crate) struct Tty {
    fd: OwnedFd,
    /// The lock file, which is removed when the line is closed.
    _lock: Option<Lock>,
    /// The path under which the service manager keeps the line open, too.
    kept: Option<PathBuf>,
}

impl Tty {
    /// Opens a line and sets it up.
    pub(crate) fn open(path: &Path, line: &LineSettings) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let other = |detail: String| Failure::new(FailureKind::Other, format!("{shown}: {detail}"));
        let lock = if line.exclusive {
            Lock::take(path).map_err(other)?
        } else {
            None
        };
        // Without NONBLOCK the open itself may wait for a carrier.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ACCESS => Failure::new(FailureKind::Denied, denied(path)),
            Errno::ISDIR => other("is a directory".to_owned()),
            Errno::BUSY => other("another program has it open for itself alone".to_owned()),
            errno => failure(&shown, &errno.into()),
        })?;
        if !termios::isatty(&fd) {
            let kind = rustix::fs::fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
            let what = match kind {
                Ok(FileType::RegularFile) => "is a file and not a tty",
                Ok(_) | Err(_) => "is not a tty",
            };
            return Err(other(what.to_owned()));
        }
        let tty = Self {
            fd,
            _lock: lock,
            kept: None,
        };
        tty.set_up(line, true).map_err(other)?;
        Ok(tty)
    }

    /// Takes over a line that stayed open over the restart. Its levels stay as they are because a board may
    /// reset on any change. The error says why the line cannot be used.
    pub(super) fn adopt(fd: OwnedFd, path: &Path, line: &LineSettings) -> Result<Self, String> {
        let said = |errno: Errno| plain(&errno.into());
        let there = rustix::fs::stat(path).map_err(said)?;
        let here = rustix::fs::fstat(&fd).map_err(said)?;
        if there.st_rdev != here.st_rdev {
            return Err("another device is there now".to_owned());
        }
        // A line whose adapter was unplugged is hung up forever.
        settings::read(&fd).map_err(said)?;
        let lock = if line.exclusive {
            Lock::take(path)?
        } else {
            None
        };
        let tty = Self {
            fd,
            _lock: lock,
            kept: Some(path.to_owned()),
        };
        tty.set_up(line, false)?;
        Ok(tty)
    }

    /// Notes that the service manager keeps the line open.
    pub(super) fn is_kept(&mut self, path: &Path) {
        self.kept = Some(path.to_owned());
    }

    /// Closes the line for good. Returns the path if the service manager must close the line, too.
    pub(super) fn let_go(&mut self) -> Option<PathBuf> {
        self.kept.take()
    }

    /// Sets the line up. The order matters: exclusive access first, then the format, then the levels, which
    /// the change of the format might have touched.
    fn set_up(&self, line: &LineSettings, is_new: bool) -> Result<(), String> {
        let said = |errno: Errno| plain(&errno.into());
        if line.exclusive {
            // Two readers would each get half of the bytes.
            termios::ioctl_tiocexcl(&self.fd).map_err(said)?;
        }
        settings::apply(&self.fd, line)?;
        // A program that used the line before may have stopped the output.
        attempt(termios::tcflow(&self.fd, Action::OOn), "output again");
        if !is_new {
            // The previous process may have ended within a break. On other lines the last close has ended a
            // break, and some drivers misbehave on an extra call.
            attempt(ioctls::stop_break(&self.fd), "the end of a break");
        }
        if let Some(rs485) = &line.rs485 {
            ioctls::set_rs485(&self.fd, rs485).map_err(|errno| {
                if fault(errno) == LineFault::Unsupported {
                    "its driver cannot switch RS-485".to_owned()
                } else {
                    format!("RS-485: {}", said(errno))
                }
            })?;
        }
        if is_new {
            self.set_levels_at_open(line)?;
        }
        if line.low_latency {
            tolerate(ioctls::set_low_latency(&self.fd), "low latency")?;
        }
        Ok(())
    }

    fn set_levels_at_open(&self, line: &LineSettings) -> Result<(), String> {
        for (name, level, line) in [
            ("DTR", line.dtr, ioctls::DTR),
            ("RTS", line.rts, ioctls::RTS),
        ] {
            let result = match level {
                AtOpen::Keep => Ok(()),
                AtOpen::On => ioctls::raise(&self.fd, line),
                AtOpen::Off => ioctls::lower(&self.fd, line),
            };
            tolerate(result, name)?;
        }
        Ok(())
    }

    /// Runs one step of line control and returns the status of the line afterwards.
    pub(crate) fn step(&self, step: LineStep) -> Result<LineStatus, LineFault> {
        match step {
            LineStep::Modem { dtr, rts } => set_levels(&self.fd, dtr, rts),
            LineStep::Break(true) => ioctls::start_break(&self.fd),
            LineStep::Break(false) => ioctls::stop_break(&self.fd),
            LineStep::Flush(what) => termios::tcflush(
                &self.fd,
                match what {
                    Flush::Input => QueueSelector::IFlush,
                    Flush::Output => QueueSelector::OFlush,
                    Flush::Both => QueueSelector::IOFlush,
                },
            ),
            LineStep::Baud(baud) => {
                return self.change(|line| line.baud = baud);
            }
            LineStep::Format(format) => {
                return self.change(|line| line.format = format);
            }
            LineStep::Flow(flow) => {
                return self.change(|line| line.flow = flow);
            }
            LineStep::Look => Ok(()),
        }
        .map_err(fault)?;
        self.status()
    }

    fn change(&self, change: impl FnOnce(&mut LineSettings)) -> Result<LineStatus, LineFault> {
        let mut line = settings::read(&self.fd).map_err(fault)?;
        change(&mut line);
        settings::apply(&self.fd, &line).map_err(LineFault::Failed)?;
        self.status()
    }

    fn status(&self) -> Result<LineStatus, LineFault> {
        let line = settings::read(&self.fd).map_err(fault)?;
        Ok(LineStatus {
            baud: line.baud,
            format: line.format,
            flow: line.flow,
            modem: ioctls::modem_lines(&self.fd).ok(),
            counters: ioctls::counters(&self.fd).ok(),
            unsent: self.unsent(),
        })
    }

    /// Returns the bytes that the driver has accepted and not sent yet; 0 if the driver cannot tell, or has
    /// vanished.
    pub(super) fn unsent(&self) -> usize {
        ioctls::unsent(&self.fd).unwrap_or(0)
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
        // Bytes that the driver still holds would keep close(2) waiting for up to 30 s, so they are
        // discarded. A line without such bytes is not flushed, because a pty hands its bytes over at once and
        // the flush could lose them. A line that the service manager keeps open goes on sending.
        if self.kept.is_none() && self.unsent() > 0 {
            let _gone = termios::tcflush(&self.fd, QueueSelector::OFlush);
        }
    }
}

/// Sets both levels in one call where both are given, because some boards reset on the moment between two
/// calls.
fn set_levels(fd: &OwnedFd, dtr: Option<bool>, rts: Option<bool>) -> rustix::io::Result<()> {
    let mask = |wanted: bool| {
        let of = |line, level: Option<bool>| if level == Some(wanted) { line } else { 0 };
        of(ioctls::DTR, dtr) | of(ioctls::RTS, rts)
    };
    match (mask(true), mask(false)) {
        (0, 0) => Ok(()),
        (up, 0) => ioctls::raise(fd, up),
        (0, down) => ioctls::lower(fd, down),
        (up, down) => ioctls::set(fd, up, down),
    }
}

/// Accepts that a driver does not support `what`: a pty, for example, has no modem lines.
fn tolerate(result: rustix::io::Result<()>, what: &str) -> Result<(), String> {
    match result.map_err(fault) {
        Ok(()) => Ok(()),
        Err(LineFault::Unsupported) => {
            log::debug!("the line's driver does not support {what}");
            Ok(())
        }
        Err(other) => Err(format!("{what}: {other}")),
    }
}

/// Logs the failure of a call that need not succeed.
fn attempt(result: rustix::io::Result<()>, what: &str) {
    if let Err(errno) = result {
        log::debug!("the line's driver refuses {what}: {}", plain(&errno.into()));
    }
}

fn fault(errno: Errno) -> LineFault {
    match errno {
        Errno::NOTTY | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS => LineFault::Unsupported,
        Errno::IO | Errno::NODEV | Errno::NXIO => LineFault::Absent,
        other => LineFault::Failed(plain(&other.into())),
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

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

/// Returns a message if permissions deny access to an existing line; the message says what to do.
pub(crate) fn denied_to_us(path: &Path) -> Option<String> {
    match rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) {
        Err(Errno::ACCESS) => Some(denied(path)),
        Ok(()) | Err(_) => None,
    }
}

fn denied(path: &Path) -> String {
    let shown = path.display();
    match group_of(path) {
        Some((group, None)) => format!(
            "{shown}: permission denied: it is of group {group}, which has no name on this machine"
        ),
        group => {
            let name = group.and_then(|(_, name)| name);
            let name = name.as_deref().unwrap_or("dialout");
            format!(
                "{shown}: permission denied: not in group {name} (sudo usermod -aG {name} USER, \
                 then log in again)"
            )
        }
    }
}

/// Returns the group that may read and write a device, by number and name. `None`: only root's group may, or
/// no group.
fn group_of(path: &Path) -> Option<(u32, Option<String>)> {
    const READ_AND_WRITE: u32 = 0o060;
    let found = rustix::fs::stat(path).ok()?;
    if found.st_gid == 0 || found.st_mode & READ_AND_WRITE != READ_AND_WRITE {
        return None;
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    // group(5): its name, a password, its number, its members.
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(found.st_gid)).then(|| name.to_owned())
    });
    Some((found.st_gid, name))
}
