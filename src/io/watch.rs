//! Reports when device files appear, so that a line that was absent is opened at once.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// The folders that are watched.
#[derive(Debug)]
pub(super) struct Watch {
    fd: OwnedFd,
    folders: BTreeMap<PathBuf, i32>,
}

/// The largest number of folders, more than any set of endpoints has.
const MAX_FOLDERS: usize = 256;

impl Watch {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        SourceFd(&fd.as_fd().as_raw_fd()).register(registry, token, Interest::READABLE)?;
        Ok(Self {
            fd,
            folders: BTreeMap::new(),
        })
    }

    /// Watches for a file: its folder, and the folders above it that do not exist yet (`/dev/serial/by-id`
    /// does not exist before the first adapter is plugged in).
    pub(super) fn add(&mut self, path: &Path) {
        for folder in path.ancestors().skip(1).take(3) {
            if folder == Path::new("/") || self.folders.len() >= MAX_FOLDERS {
                break;
            }
            let events = WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::ATTRIB
                | WatchFlags::ONLYDIR;
            // A folder that was removed and made again has a new number; adding a watched folder again
            // changes nothing.
            if let Ok(number) = inotify::add_watch(&self.fd, folder, events) {
                self.folders.insert(folder.to_owned(), number);
            }
        }
    }

    /// Returns whether a file has appeared since the last call. New folders are watched, too.
    pub(super) fn take(&mut self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut is_news = false;
        loop {
            match reader.next() {
                // The folder was removed, and its watch with it.
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    self.folders.retain(|_, number| *number != event.wd());
                }
                Ok(_) => is_news = true,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        is_news
    }
}
