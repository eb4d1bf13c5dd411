//! The socket of the command line: the HTTP API for every user whom the mode of the socket file admits.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::UnixListener;
use rustix::fs::Mode;

use super::identity::state_directory;
use super::plain;

/// Returns where a daemon makes its socket: in the folder that systemd gives a service, else in the
/// user's runtime folder, else, where no session of the user made one (cron, a container), beside the
/// daemon's state. `None`: the folder of the state is unknown, too, because not even a home is set.
pub(crate) fn own_path() -> Option<PathBuf> {
    own_folder().map(|folder| folder.join(NAME))
}

const NAME: &str = "control.sock";
/// The folder for the system's service, and for a daemon that root starts by hand.
const SYSTEM: &str = "/run/thingway";

fn own_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(all) = set("RUNTIME_DIRECTORY") {
        // systemd separates several folders by colons; the first is the daemon's own.
        let all = all.to_string_lossy().into_owned();
        return Some(PathBuf::from(all.split(':').next().unwrap_or_default()));
    }
    let user = rustix::process::getuid();
    // After `su`, root still has the runtime folder of another user, who could answer in the daemon's place.
    let is_own = |folder: &PathBuf| {
        folder
            .metadata()
            .map_or(true, |found| found.uid() == user.as_raw())
    };
    if let Some(folder) = set("XDG_RUNTIME_DIR").map(PathBuf::from)
        && (is_own(&folder) || !user.is_root())
    {
        return Some(folder.join("thingway"));
    }
    if user.is_root() {
        return Some(PathBuf::from(SYSTEM));
    }
    // The folder exists although a login over ssh or a cron job does not name it (pam_systemd).
    let runtime = runtime_folder(user.as_raw());
    if runtime.is_dir() {
        return Some(runtime.join("thingway"));
    }
    state_directory().ok()
}

fn runtime_folder(user: u32) -> PathBuf {
    PathBuf::from(format!("/run/user/{user}"))
}

/// Returns where the command line looks for a daemon: its own place, then that of the system's service,
/// then that of the user who called `sudo`.
pub(super) fn candidates() -> Vec<PathBuf> {
    let sudo = std::env::var("SUDO_UID").ok();
    let sudo = sudo.and_then(|user| user.parse().ok());
    let caller = sudo.map(|user| runtime_folder(user).join("thingway"));
    let folders = [own_folder(), Some(PathBuf::from(SYSTEM)), caller];
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders.into_iter().flatten() {
        let path = folder.join(NAME);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Listens at a path, readable and writable for the owner and the group.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Restrict the mode before the bind, because any user could connect between the bind and a later chmod.
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    listener
}

/// The answer of a running daemon, and the socket from which it came.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The daemon's control socket.
    pub socket: PathBuf,
    /// The body as JSON; may be empty.
    pub body: String,
}

/// Requests a resource from a running daemon.
pub(crate) fn get(socket: Option<&Path>, target: &str) -> Result<Answer, String> {
    request(socket, "GET", target, "")
}

/// Sends a request to a running daemon and returns its answer. The error is the fault that the daemon
/// reports.
pub(crate) fn request(
    socket: Option<&Path>,
    method: &str,
    target: &str,
    body: &str,
) -> Result<Answer, String> {
    let candidates = match socket {
        Some(path) => vec![path.to_owned()],
        None => candidates(),
    };
    let mut tried = Vec::new();
    for path in &candidates {
        match UnixStream::connect(path) {
            Ok(stream) => {
                let answer = ask(stream, method, target, body);
                let body = answer.unwrap_or_else(|error| Err(plain(&error)))?;
                let socket = path.clone();
                return Ok(Answer { socket, body });
            }
            Err(error) => tried.push(format!("{}: {}", path.display(), plain(&error))),
        }
    }
    Err(format!(
        "no daemon answers at a control socket ({}); it logs its own at its start, and --socket names another",
        tried.join("; ")
    ))
}

fn ask(
    mut stream: UnixStream,
    method: &str,
    target: &str,
    body: &str,
) -> io::Result<Result<String, String>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || io::Error::new(io::ErrorKind::InvalidData, "the daemon's answer is cut");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    if head.starts_with("HTTP/1.1 2") {
        return Ok(Ok(body.to_owned()));
    }
    let problem = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    let detail = problem.get("detail").and_then(serde_json::Value::as_str);
    Ok(Err(detail.unwrap_or(body).to_owned()))
}
