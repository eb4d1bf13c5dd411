//! A small service manager for tests: it receives messages, keeps descriptors, and passes them on to the next
//! process as systemd does (`sd_notify(3)`, `sd_listen_fds(3)`).

use std::fs::Permissions;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::daemon::{Folder, SOON};

pub struct ServiceManager {
    path: PathBuf,
    /// Messages that have arrived and were not handled yet: the text, and descriptors.
    came: Arc<Mutex<Vec<Told>>>,
    /// The kept descriptors, by name.
    pub store: Vec<(String, OwnedFd)>,
    /// Every received line, in order.
    pub told: Vec<String>,
}

type Told = (String, Vec<OwnedFd>);

/// Receives messages at a socket without pause, because the socket's queue is short and the sender waits for
/// room.
fn listen(socket: &UnixDatagram, came: &Weak<Mutex<Vec<Told>>>) {
    while let Some(came) = came.upgrade() {
        if let Some(told) = receive(socket) {
            came.lock().expect("the lock is not poisoned").push(told);
        }
    }
}

fn receive(socket: &UnixDatagram) -> Option<Told> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(socket, &mut vectors, &mut ancillary, flags).ok()?;
    let text = String::from_utf8_lossy(&bytes[..message.bytes]).into_owned();
    let fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Some((text, fds.flatten().collect()))
}

impl ServiceManager {
    pub fn new(folder: &Folder) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let anybody = Permissions::from_mode(0o666);
        std::fs::set_permissions(&path, anybody).expect("ours to change");
        let wait = Some(Duration::from_millis(5));
        socket.set_read_timeout(wait).expect("a limit");
        let came = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::downgrade(&came);
        thread::spawn(move || listen(&socket, &theirs));
        Self {
            path,
            came,
            store: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Returns the program with the environment of a service. `more` is passed on before the kept
    /// descriptors.
    pub fn command(&self, program: &Command, more: Vec<(String, OwnedFd)>) -> Command {
        let kept = self.store.iter().map(|(name, fd)| {
            let fd = fd.try_clone().expect("another descriptor");
            (name.clone(), fd)
        });
        let passed: Vec<_> = more.into_iter().chain(kept).collect();
        let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
        // The process id is not known before the process exists.
        let mut command = Command::new("sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear();
        for (key, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(key, value);
            }
        }
        command
            .env("PATH", "/usr/bin:/bin")
            .env("NOTIFY_SOCKET", &self.path)
            .env("LISTEN_FDS", passed.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        let mappings = passed
            .into_iter()
            .zip(3..)
            .map(|((_, parent_fd), child_fd)| FdMapping {
                parent_fd,
                child_fd,
            });
        command.fd_mappings(mappings.collect()).expect("each once");
        command
    }

    /// Handles the received messages, after a moment.
    pub fn turn(&mut self) {
        thread::sleep(Duration::from_millis(5));
        let came = std::mem::take(&mut *self.came.lock().expect("the lock is not poisoned"));
        for (text, fds) in came {
            let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
            let name = name.unwrap_or("stored").to_owned();
            if text.lines().any(|line| line == "FDSTORE=1") {
                self.store
                    .extend(fds.into_iter().map(|fd| (name.clone(), fd)));
            }
            if text.lines().any(|line| line == "FDSTOREREMOVE=1") {
                self.store.retain(|(kept, _)| *kept != name);
            }
            self.told.extend(text.lines().map(str::to_owned));
        }
    }

    /// Waits until a condition is true, or fails.
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !done(self) {
            assert!(
                Instant::now() < end,
                "not within {SOON:?}: {what}; told {:?}",
                self.told
            );
            self.turn();
        }
    }

    /// Waits for a line.
    pub fn hears(&mut self, line: &str) {
        self.until(line, |manager| manager.count(line) > 0);
    }

    /// Returns how often a line was received.
    pub fn count(&self, line: &str) -> usize {
        self.told.iter().filter(|told| *told == line).count()
    }
}
