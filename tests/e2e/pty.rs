//! A pseudo terminal: the test holds the device's side, the daemon opens the line's side.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The device at the other end of a line.
pub struct Pty {
    master: OwnedFd,
    /// A symbolic link to the line, which is removed with the device.
    link: PathBuf,
}

impl Pty {
    /// Plugs a device in, whose line has this name.
    pub fn plug(link: &Path) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a pseudo terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        rustix::io::ioctl_fionbio(&master, true).expect("it never blocks");
        let name = ptsname(&master, Vec::new()).expect("its name").into_bytes();
        let line = std::ffi::OsString::from_vec(name);
        std::os::unix::fs::symlink(line, link).expect("a link");
        Self {
            master,
            link: link.to_owned(),
        }
    }

    /// Returns the device's side, for ioctls that concern the line.
    pub fn master(&self) -> &OwnedFd {
        &self.master
    }

    /// Returns the path of the line itself, like `/dev/pts/7`.
    pub fn line(&self) -> PathBuf {
        fs::read_link(&self.link).expect("the link")
    }

    /// Returns the bytes that have arrived over the line, at most one piece.
    pub fn read(&self) -> Vec<u8> {
        self.read_some(4096)
    }

    /// Returns the bytes that have arrived over the line, at most this many.
    pub fn read_some(&self, most: usize) -> Vec<u8> {
        let mut piece = vec![0; most];
        match rustix::io::read(&self.master, &mut piece) {
            Ok(n) => piece.truncate(n),
            // EIO: no process has the line open.
            Err(Errno::AGAIN | Errno::IO) => piece.clear(),
            Err(error) => panic!("the pseudo terminal: {error}"),
        }
        piece
    }

    /// Returns all bytes that have arrived over the line so far.
    pub fn read_all(&self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let piece = self.read();
            if piece.is_empty() {
                return all;
            }
            all.extend(piece);
        }
    }

    /// Sends as much as the line takes now. Returns how much that was.
    pub fn write(&self, bytes: &[u8]) -> usize {
        match rustix::io::write(&self.master, bytes) {
            Ok(n) => n,
            Err(Errno::AGAIN) => 0,
            Err(error) => panic!("the pseudo terminal: {error}"),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.link);
    }
}
