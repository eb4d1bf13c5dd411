//! A client on the network: `curl` from another address of an isolated network, with a check of the
//! certificate.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use crate::daemon::{Daemon, Folder};
use crate::missing;
use crate::network::Network;

pub const BOARD: &str = "192.0.2.1";
pub const STRANGER: &str = "192.0.2.2";
pub const CONFIG: &str = "[http]\nlisten = [\"127.0.0.1:0\"]\n[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n\
                      [[endpoint]]\nname = \"leg\"\nkind = \"echo\"\n";

/// Runs a test in its own network, if this user may make one.
pub fn on_a_network(test: impl FnOnce() + Send + 'static) {
    let setup = format!("ip addr add {BOARD}/24 dev lo && ip addr add {STRANGER}/24 dev lo");
    on_a_network_with(&setup, test);
}

/// Runs a test in its own network, which `setup` has prepared.
pub fn on_a_network_with(setup: &str, test: impl FnOnce() + Send + 'static) {
    let Some(network) = Network::new(setup) else {
        return missing::skip("a network namespace, which this user may not make");
    };
    let inside = move || {
        network.enter();
        test();
    };
    std::thread::spawn(inside).join().expect("no panic");
}

pub fn start(folder: &Arc<Folder>, config: &str) -> Daemon {
    let config = folder.write("config.toml", config);
    let mut command = folder.program();
    command.env("RUNTIME_DIRECTORY", folder.join("run"));
    // The most detailed level, because secrets must not be logged at any level.
    command.arg("--config").arg(config).args(["--log", "trace"]);
    Daemon::run(Arc::clone(folder), command)
}

/// Runs a command of the program. Returns whether it succeeded, and its output.
pub fn thingway(folder: &Folder, arguments: &[&str]) -> (bool, String) {
    let mut command = folder.program();
    command.env("RUNTIME_DIRECTORY", folder.join("run"));
    let output = command.args(arguments).output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8(text).expect("text"),
    )
}

/// Returns the daemon's host name, for which its certificate is valid.
pub fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .to_ascii_lowercase();
    format!("{name}.local")
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn kind(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("about:blank#").to_owned()
    }
}

/// Sends a request from the stranger's address. The certificate is checked.
pub fn curl(folder: &Folder, port: u16, path: &str, more: &[&str]) -> Answer {
    let host = host();
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--include", "--max-time", "120"])
        .args(["--interface", STRANGER, "--noproxy", "*"])
        .args(["--resolve", &format!("{host}:{port}:{BOARD}")])
        .arg("--cacert")
        .arg(folder.join("state/thingway/tls.pem"))
        .args(more)
        .arg(format!("https://{host}:{port}{path}"));
    let output = command.output().expect("curl runs");
    assert!(output.status.success(), "{path} {more:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head[9..12].parse().expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Opens the gateway to the network at any port. Returns the port, the first token and the output.
pub fn set_up(folder: &Folder) -> (u16, String, String) {
    set_up_at(folder, "0.0.0.0:0")
}

/// Opens the gateway to the network at this address. Returns the port, the first token and the output.
pub fn set_up_at(folder: &Folder, listen: &str) -> (u16, String, String) {
    let (good, text) = thingway(folder, &["setup", "--listen", listen]);
    assert!(good, "{text}");
    let url = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("https://{BOARD}:")))
        .unwrap_or_else(|| panic!("an address: {text}"));
    let (port, token) = url.split_once("/#token=").expect("a token");
    (port.parse().expect("a port"), token.to_owned(), text)
}

/// Returns how often the log reports a refusal of the stranger.
pub fn refusals_told(daemon: &Daemon) -> usize {
    let log = daemon.log();
    let lines = log.lines();
    lines
        .filter(|line| line.contains(STRANGER) && line.contains(": refused: "))
        .count()
}
