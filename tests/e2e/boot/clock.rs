//! A clock that starts in 1970, as on boards without a battery, and is set later.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::daemon::{Daemon, Folder, SOON};
use crate::missing;
use crate::page::Page;
use crate::peer::reliable;
use crate::stranger::{BOARD, CONFIG, bearer, curl, host, on_a_network, set_up, thingway};

/// Returns the path of libfaketime, which fakes the clock. Prints a note and returns `None` if it is not
/// installed.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").expect("a list").flatten();
    let files = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let found = files.into_iter().find(|file| file.exists());
    if found.is_none() {
        missing::skip("libfaketime (apt install faketime)");
    }
    found
}

/// A clock for one test. The monotonic clock is the machine's.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn at_1970(folder: &Folder) -> Option<Self> {
        let clock = Self {
            library: library()?,
            file: folder.join("clock"),
        };
        clock.unset();
        Some(clock)
    }

    /// Sets the clock to some hours after the beginning of 1970.
    fn unset(&self) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let back = now.as_secs() - 3 * 3600;
        self.write(&format!("-{back}"));
    }

    fn set(&self) {
        self.write("+0");
    }

    fn write(&self, text: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, text).expect("written");
        fs::rename(&new, &self.file).expect("renamed");
    }

    /// Makes a command use this clock.
    fn give(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }
}

fn start(folder: &Arc<Folder>, clock: &Clock) -> Daemon {
    let config = folder.write("config.toml", CONFIG);
    let mut command = folder.program();
    command.env("RUNTIME_DIRECTORY", folder.join("run"));
    clock.give(&mut command);
    command.arg("--config").arg(config);
    Daemon::run(Arc::clone(folder), command)
}

fn stop(mut daemon: Daemon) {
    daemon.signal(Signal::TERM);
    assert!(daemon.ended_within(SOON).expect("an end").success());
}

/// Returns the token or link that the command line printed, and the rest of its output.
fn made(folder: &Folder, arguments: &[&str]) -> (String, String) {
    let (good, text) = thingway(folder, arguments);
    assert!(good, "{text}");
    let found = text.split_whitespace().find_map(|word| {
        let start = word.find("tw_").or_else(|| word.find("ts_"))?;
        Some(word[start..].to_owned())
    });
    (found.unwrap_or_else(|| panic!("a secret: {text}")), text)
}

fn status(folder: &Folder, port: u16, token: &str) -> (u16, String) {
    let answer = curl(folder, port, "/endpoints", &["-H", &bearer(token)]);
    (answer.status, answer.kind())
}

#[test]
fn what_was_begun_in_1970_goes_on_when_the_clock_is_set() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let Some(clock) = Clock::at_1970(&folder) else {
            return;
        };
        let daemon = start(&folder, &clock);
        assert!(
            daemon.log().contains("the clock is not set"),
            "{}",
            daemon.log()
        );
        let (port, owner, _) = set_up(&folder);
        let (short, text) = made(&folder, &["token", "add", "short", "--expires", "10m"]);
        assert!(
            text.contains("the clock of this machine is not set"),
            "{text}"
        );
        let (share, text) = made(&folder, &["token", "share", "guest", "--expires", "10m"]);
        assert!(
            text.contains("the clock of this machine is not set"),
            "{text}"
        );
        for token in [&owner, &short] {
            assert_eq!(status(&folder, port, token).0, 200);
        }
        // A client whose clock is in 1970 accepts the certificate, and curl here accepts it today.
        let mut in_1970 = Command::new("curl");
        clock.give(&mut in_1970);
        let name = host();
        let output = in_1970
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "120",
                "--noproxy",
                "*",
                "--cacert",
            ])
            .arg(folder.join("state/thingway/tls.pem"))
            .args(["--resolve", &format!("{name}:{port}:{BOARD}")])
            .arg(format!("https://{name}:{port}/healthz"))
            .output()
            .expect("curl runs");
        assert!(output.status.success(), "{output:?}");

        let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
        page.until("open", |page| page.peer.channels["arm"].credit.is_some());
        clock.set();
        page.until("seen", |_| {
            let listed = daemon.get("/tokens");
            listed["tokens"][1]["expires"]
                .as_str()
                .is_some_and(|at| at > "2025")
        });
        // Longer than half of the time after which a path without a sign of life is given up.
        page.run(Duration::from_secs(3));
        page.send("arm", b"hello");
        page.until("echo", |page| page.peer.text("arm") == "hello");
        assert!(page.peer.told("bye").is_empty());
        for token in [&owner, &short] {
            assert_eq!(status(&folder, port, token).0, 200);
        }
        let body = format!("{{\"share\": \"{share}\"}}");
        let redeemed = curl(&folder, port, "/shares/redeem", &["--data", &body]);
        assert_eq!(redeemed.status, 201, "{}", redeemed.body);
        let guest = redeemed.json()["token"]
            .as_str()
            .expect("a token")
            .to_owned();
        stop(daemon);

        // A clock that was set by then stays known after a restart.
        let daemon = start(&folder, &clock);
        let again = |token| {
            curl(
                &folder,
                port_of(&daemon),
                "/access",
                &["-H", &bearer(token)],
            )
            .status
        };
        for token in [&owner, &short, &guest] {
            assert_eq!(again(token), 200);
        }
        stop(daemon);
        // Without the time it is not known whether the tokens are still valid.
        clock.unset();
        let daemon = start(&folder, &clock);
        for token in [&short, &guest] {
            let answer = curl(
                &folder,
                port_of(&daemon),
                "/endpoints",
                &["-H", &bearer(token)],
            );
            assert_eq!((answer.status, answer.kind().as_str()), (401, "no-clock"));
        }
        assert_eq!(
            status(&folder, port_of(&daemon), &owner).0,
            200,
            "it needs no clock"
        );
    });
}

/// Returns the port that is open to the network. The set-up has asked for any port.
fn port_of(daemon: &Daemon) -> u16 {
    let (_, rest) = daemon
        .log()
        .split_once("listening on https://0.0.0.0:")
        .map_or_else(
            || panic!("no port: {}", daemon.log()),
            |(before, rest)| (before.to_owned(), rest.to_owned()),
        );
    let (port, _) = rest.split_once('/').expect("a port");
    port.parse().expect("a number")
}

#[test]
fn what_expires_and_was_made_in_1970_does_not_begin_again_at_each_start() {
    on_a_network(|| {
        let folder = Arc::new(Folder::new());
        let Some(clock) = Clock::at_1970(&folder) else {
            return;
        };
        let daemon = start(&folder, &clock);
        let (port, owner, _) = set_up(&folder);
        let (short, _) = made(&folder, &["token", "add", "short", "--expires", "10m"]);
        assert_eq!(status(&folder, port, &short).0, 200);
        stop(daemon);
        // The clock shows the same time again, as at each boot.
        clock.unset();
        let daemon = start(&folder, &clock);
        let port = port_of(&daemon);
        assert_eq!(
            status(&folder, port, &short),
            (401, "token-expired".to_owned())
        );
        assert_eq!(status(&folder, port, &owner).0, 200);
        clock.set();
        assert_eq!(
            status(&folder, port, &short),
            (401, "token-expired".to_owned())
        );
        assert_eq!(status(&folder, port, &owner).0, 200);
    });
}
