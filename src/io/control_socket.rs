//! The socket of the command line: the same HTTP, for those whom the file's mode lets in.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::UnixListener;
use rustix::fs::Mode;

use super::plain;

/// Where a daemon makes its socket; `None`: nowhere.
pub fn own_path() -> Option<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    // systemd may give several, with colons; the first is ours.
    let runtime = folder("RUNTIME_DIRECTORY").map(|all| {
        let all = all.to_string_lossy().into_owned();
        PathBuf::from(all.split(':').next().unwrap_or_default())
    });
    let user = || folder("XDG_RUNTIME_DIR").map(|folder| folder.join("thingway"));
    Some(runtime.or_else(user)?.join(NAME))
}

const NAME: &str = "control.sock";

/// Where the command line looks for a daemon: its own place, then that of the system's service.
pub(super) fn candidates() -> Vec<PathBuf> {
    let system = Path::new("/run/thingway").join(NAME);
    own_path().into_iter().chain([system]).collect()
}

/// Listens at a path, readable and writable for the owner and the group.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Between bind and a later chmod anybody could connect.
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let listener = UnixListener::bind(path);
    rustix::process::umask(before);
    listener
}

/// Asks a running daemon for a resource, and returns its JSON.
pub fn get(socket: Option<&Path>, target: &str) -> Result<String, String> {
    request(socket, "GET", target, "")
}

/// Sends a running daemon a request, and returns what it answers. The error is what it says is
/// wrong.
pub fn request(
    socket: Option<&Path>,
    method: &str,
    target: &str,
    body: &str,
) -> Result<String, String> {
    let candidates = match socket {
        Some(path) => vec![path.to_owned()],
        None => candidates(),
    };
    let mut tried = Vec::new();
    for path in &candidates {
        match UnixStream::connect(path) {
            Ok(stream) => {
                return ask(stream, method, target, body)
                    .unwrap_or_else(|error| Err(plain(&error)));
            }
            Err(error) => tried.push(format!("{}: {}", path.display(), plain(&error))),
        }
    }
    Err(format!(
        "no daemon answers at its control socket ({})",
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
