//! UUCP lock files, by which programs that do not use TIOCEXCL keep off each other's lines.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Pid, test_kill_process};

/// The folder of lock files on every Linux of the last decade.
const DIRECTORY: &str = "/run/lock";

/// A lock file that this process made.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// The file, itself locked, which tells another endpoint of this process that the number in it is not
    /// stale.
    _file: File,
}

impl Lock {
    /// Takes the lock of a device. `None`: there is no folder for lock files, or this process may not write
    /// to it, so TIOCEXCL must suffice. The error names the holder.
    pub(super) fn take(device: &Path) -> Result<Option<Self>, String> {
        // The lock belongs to the device, whatever link the endpoint names. An absent device has no lock.
        let Ok(device) = fs::canonicalize(device) else {
            return Ok(None);
        };
        let Ok(name) = device.strip_prefix("/dev") else {
            return Ok(None);
        };
        let name = name.to_string_lossy().replace('/', "_");
        let path = Path::new(DIRECTORY).join(format!("LCK..{name}"));
        for _ in 0..2 {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    // Write in one call, because a program that reads a part of the number takes it for
                    // another process.
                    let text = format!("{:10}\n", std::process::id());
                    let written = file.write_all(text.as_bytes());
                    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
                    let lock = Self { path, _file: file };
                    return match written.and_then(|()| Ok(locked?)) {
                        Ok(()) => Ok(Some(lock)),
                        Err(error) => {
                            log::debug!("{}: {error}", lock.path.display());
                            Ok(None)
                        }
                    };
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if let Some(holder) = holder(&path) {
                        let path = path.display();
                        return Err(format!("process {holder} has it ({path})"));
                    }
                    if is_ours(&path) {
                        let path = path.display();
                        return Err(format!("another endpoint has it ({path})"));
                    }
                    // The process that made the file ended without removing it.
                    if !clear(&path) {
                        return Ok(None);
                    }
                }
                Err(error) => {
                    log::debug!("{}: {error}", path.display());
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::debug!("{}: {error}", self.path.display());
        }
    }
}

/// Removes a lock file that was left behind. Also returns true if another program has just removed it: the
/// path is free then, and without a lock other programs would open the line, too.
fn clear(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Returns whether this process holds a lock file for another endpoint: one device may have many names.
fn is_ours(path: &Path) -> bool {
    open(path).is_some_and(|file| {
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
        locked == Err(rustix::io::Errno::WOULDBLOCK)
    })
}

/// Returns the process that a lock file names, if the process exists and is not this one: a daemon that was
/// killed may start again with the same number.
fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    open(path)?.take(64).read_to_string(&mut text).ok()?;
    let raw = text.trim().parse::<i32>().ok()?;
    let pid = Pid::from_raw(raw)?;
    let id = u32::try_from(raw).ok()?;
    let is_there = match test_kill_process(pid) {
        Ok(()) => true,
        Err(errno) => errno == rustix::io::Errno::PERM,
    };
    (is_there && id != std::process::id()).then_some(id)
}

/// Opens a regular file. Any user may put a pipe or a link in its place, and the loop must not wait for one.
fn open(path: &Path) -> Option<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

#[cfg(test)]
#[path = "../../../tests/missing/mod.rs"]
mod missing;
#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn a_lock_file_that_another_program_has_just_removed_leaves_the_place_free() {
        let path = std::env::temp_dir().join(format!("thingway-lock-{}", std::process::id()));
        fs::write(&path, "").expect("written");
        assert!(clear(&path));
        assert!(clear(&path), "it is gone already");
        fs::create_dir(&path).expect("a folder");
        assert!(!clear(&path), "that is no lock file");
        fs::remove_dir(&path).expect("removed");
    }

    #[test]
    fn two_endpoints_of_one_process_do_not_share_a_line() {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&pty).expect("granted");
        unlockpt(&pty).expect("unlocked");
        let name = ptsname(&pty, Vec::new()).expect("its name");
        let path = Path::new(name.to_str().expect("text"));
        let Some(first) = Lock::take(path).expect("nobody has it") else {
            return missing::skip("lock files, which may not be made in /run/lock");
        };
        let fault = Lock::take(path).expect_err("ours already");
        assert!(fault.contains("another endpoint has it"), "{fault}");
        drop(first);
        assert!(Lock::take(path).expect("free again").is_some());
    }
}
