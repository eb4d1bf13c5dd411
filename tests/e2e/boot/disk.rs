//! A state folder that is full or read-only, at the first start and later.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Signal, getuid};

use crate::daemon::{Daemon, Folder};
use crate::missing;
use crate::page::Page;
use crate::stranger::{CONFIG, thingway};

const FULL: &str = "No space left on device";

/// A daemon whose state folder is a separate small file system. A shell with this folder as its working
/// directory prepares it.
struct Small {
    daemon: Daemon,
}

impl Small {
    /// Starts the daemon. Prints a note and returns `None` if this user may not mount.
    fn start(prepare: &str) -> Option<Self> {
        if !getuid().is_root() {
            missing::skip("a file system of its own, which this user may not mount");
            return None;
        }
        let folder = Arc::new(Folder::new());
        let config = folder.write("config.toml", CONFIG);
        let state = folder.join("state");
        fs::create_dir(&state).expect("a folder");
        let script = format!(
            "mount -t tmpfs -o size=64k tmpfs '{0}' && mkdir -m 700 '{0}/thingway' && cd '{0}' && {prepare} && \
             cd / && exec \"$@\"",
            state.display()
        );
        let program = folder.program();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command
            .arg(program.get_program())
            .arg("--config")
            .arg(config);
        command
            .env_remove(missing::ALL)
            .env("XDG_STATE_HOME", &state)
            .env("RUNTIME_DIRECTORY", folder.join("run"));
        let daemon = Daemon::run(folder, command);
        Some(Self { daemon })
    }

    /// Returns a path of the small file system, as seen from outside.
    fn path(&self, name: &str) -> PathBuf {
        let state = self.daemon.folder.join("state");
        PathBuf::from(format!(
            "/proc/{}/root{}/{name}",
            self.daemon.pid(),
            state.display()
        ))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("thingway")).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("a file").file_name().display().to_string())
            .collect();
        names.sort();
        names
    }

    fn fill(&self) {
        let written = fs::write(self.path("filler"), vec![0; 128 * 1024]);
        assert_eq!(
            written.map_err(|error| error.kind()),
            Err(std::io::ErrorKind::StorageFull)
        );
    }

    fn works(&self) {
        let mut page = Page::connect(
            &self.daemon,
            &[
                crate::peer::reliable("thingway"),
                crate::peer::reliable("arm"),
            ],
        );
        page.until("open", |page| page.peer.channels["arm"].credit.is_some());
        page.send("arm", b"hello");
        page.until("echo", |page| page.peer.text("arm") == "hello");
    }

    /// Runs another command of the program in the same file systems.
    fn beside(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.daemon.pid().to_string()]);
        command.arg(env!("CARGO_BIN_EXE_thingway")).args(arguments);
        command.env_remove(missing::ALL);
        command.env("XDG_STATE_HOME", self.daemon.folder.join("state"));
        let output = command.output().expect("nsenter runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), errors)
    }
}

/// Makes a token that cannot be stored, and checks that it is shown all the same, with the reason.
fn makes_a_token_and_says(small: &Small, name: &str, why: &str) {
    let (good, text) = thingway(&small.daemon.folder, &["token", "add", name]);
    let token = text.lines().find(|line| line.starts_with("tw_"));
    assert!(good && token.is_some(), "{text}");
    let said = format!("state/thingway/access.json: {why}");
    assert!(text.contains("warning: ") && text.contains(&said), "{text}");
}

#[test]
fn a_first_start_on_a_full_disk_goes_on_and_says_so() {
    let fill = "{ dd if=/dev/zero of=filler bs=1k 2>&1 | grep -q 'No space left'; }";
    let Some(small) = Small::start(fill) else {
        return;
    };
    let said = format!("state/thingway/dtls.pem: {FULL}");
    assert!(small.daemon.log().contains(&said), "{}", small.daemon.log());
    small.works();
    makes_a_token_and_says(&small, "one", FULL);
    // A certificate is needed here, too.
    let (good, text) = thingway(&small.daemon.folder, &["setup", "--listen", "127.0.0.1:0"]);
    assert!(good, "{text}");
    let log = small.daemon.log();
    assert!(
        log.contains(&format!("state/thingway/tls.pem: {FULL}")),
        "{log}"
    );
    small.daemon.signal(Signal::HUP);
    small
        .daemon
        .until("read again", |d| d.log().contains("was read again"));
    let certificates = small
        .daemon
        .log()
        .matches("TLS certificate sha-256")
        .count();
    assert_eq!(
        certificates, 1,
        "one that cannot be kept does not change meanwhile"
    );
    assert_eq!(small.names(), [""; 0], "nothing half-written");
    // The command must not print a fingerprint that no other process knows.
    let (code, reason) = small.beside(&["fingerprint", "--own"]);
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains(&said), "{reason}");

    // The disk has room again.
    fs::remove_file(small.path("filler")).expect("removed");
    let (good, text) = thingway(&small.daemon.folder, &["token", "add", "two"]);
    assert!(good && !text.contains("warning"), "{text}");
    let kept = fs::read_to_string(small.path("thingway/access.json")).expect("kept");
    assert!(
        kept.contains("\"one\"") && kept.contains("\"two\""),
        "{kept}"
    );
}

#[test]
fn a_disk_that_gets_full_damages_nothing() {
    let Some(small) = Small::start("true") else {
        return;
    };
    let (good, text) = thingway(&small.daemon.folder, &["token", "add", "one"]);
    assert!(good && !text.contains("warning"), "{text}");
    let kept = fs::read(small.path("thingway/access.json")).expect("kept");
    small.fill();
    // The disk has a few free bytes, which are not enough.
    for name in ["two", "three"] {
        makes_a_token_and_says(&small, name, FULL);
    }
    assert_eq!(
        fs::read(small.path("thingway/access.json")).expect("kept"),
        kept
    );
    assert_eq!(small.names(), ["access.json", "dtls.pem"]);
    small.works();
    let (code, _) = small.beside(&["fingerprint", "--own"]);
    assert_eq!(code, Some(0), "the identity is as it was");
}

#[test]
fn a_read_only_folder_is_no_reason_not_to_start() {
    let Some(small) = Small::start("mount -o remount,ro .") else {
        return;
    };
    let why = "Read-only file system";
    let said = format!("state/thingway/dtls.pem: {why}");
    assert!(small.daemon.log().contains(&said), "{}", small.daemon.log());
    small.works();
    makes_a_token_and_says(&small, "one", why);
    let (code, reason) = small.beside(&["fingerprint", "--own"]);
    assert_eq!(code, Some(1), "{reason}");
    assert!(reason.contains(&said), "{reason}");
}

/// Checks a folder in which the identity was made before the folder became read-only.
#[test]
fn a_folder_that_is_read_only_later_is_read() {
    let make = format!(
        "'{}' fingerprint --own > /dev/null && mount -o remount,ro .",
        env!("CARGO_BIN_EXE_thingway")
    );
    let Some(small) = Small::start(&make) else {
        return;
    };
    assert!(
        !small.daemon.log().contains("dtls.pem"),
        "{}",
        small.daemon.log()
    );
    small.works();
    makes_a_token_and_says(&small, "one", "Read-only file system");
}
