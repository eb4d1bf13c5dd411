//! The log: its contents, its form, and what it must never contain.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Folder, SOON};
use crate::page::Page;
use crate::service_manager::ServiceManager;

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

fn attribute<'a>(sdp: &'a str, name: &str) -> &'a str {
    let prefix = format!("a={name}:");
    sdp.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .expect("an attribute")
}

#[test]
fn no_secret_and_no_payload_is_logged_at_any_level() {
    let folder = Arc::new(Folder::new());
    let arguments = ["--listen", "127.0.0.1:0", "--log", "trace"];
    let daemon = Daemon::start_in(folder, DEMO, &arguments);
    let mut page = Page::demo(&daemon);
    page.send("demo", b"MARKER-7f3a9c\n");
    page.until("an answer", |page| {
        page.peer.text("demo").contains("MARKER-7f3a9c")
    });
    assert!(
        page.peer
            .send(Instant::now(), "thingway", false, b"{\"MARKER-7f3a9c\":1}")
    );
    page.until("an error", |page| !page.peer.told("error").is_empty());
    page.close();
    page.run(Duration::from_millis(100));
    let log = daemon.log();
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "it says a lot:\n{log}"
    );
    let pem = std::fs::read_to_string(daemon.folder.pem()).expect("the identity");
    let secrets = [
        ("the answer's password", attribute(&page.answer, "ice-pwd")),
        ("the offer's password", attribute(&page.offer, "ice-pwd")),
        ("a payload", "MARKER-7f3a9c"),
        ("a private key", "PRIVATE KEY"),
    ];
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    for (what, secret) in secrets
        .into_iter()
        .chain(lines.map(|line| ("the PEM file", line)))
    {
        assert!(!log.contains(secret), "{what} is in the log");
    }
}

/// A process that is ended with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_before = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Starts the daemon with a file as standard error. Returns the file's text once the daemon listens.
fn log_with_journal_stream(stream: impl FnOnce(&File) -> String) -> String {
    let folder = Folder::new();
    let path = folder.join("log");
    let file = File::create(&path).expect("a file");
    let mut command = folder.program();
    command
        .env("JOURNAL_STREAM", stream(&file))
        .args(["--listen", "127.0.0.1:0"]);
    let child = command
        .stderr(Stdio::from(file))
        .spawn()
        .expect("the program starts");
    let _process = Process(child);
    let end = Instant::now() + SOON;
    loop {
        let text = std::fs::read_to_string(&path).expect("text");
        if text.contains("listening on") && text.ends_with('\n') {
            return text;
        }
        assert!(Instant::now() < end, "{text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_journal_gets_priorities_and_nobody_else_does() {
    let stream = |file: &File| {
        let metadata = file.metadata().expect("a file has some");
        format!("{}:{}", metadata.dev(), metadata.ino())
    };
    let log = log_with_journal_stream(stream);
    assert!(log.lines().all(|line| line.starts_with("<6>")), "{log}");
    assert!(log.contains("\n<6>listening on http://127.0.0.1:"), "{log}");
    // The variable comes from a parent whose standard error was the journal.
    let log = log_with_journal_stream(|_| "1:2".to_owned());
    assert!(
        log.lines()
            .all(|line| !line.starts_with('<') && line.contains(" INFO ")),
        "{log}"
    );
}

#[test]
fn the_level_is_what_was_asked_for() {
    let folder = Arc::new(Folder::new());
    let path = folder.write("config.toml", DEMO);
    let mut command = folder.program();
    let arguments = ["--listen", "127.0.0.1:0", "--log", "error"];
    command.arg("--config").arg(path).args(arguments);
    let mut manager = ServiceManager::new(&folder);
    let mut command = manager.command(&command, Vec::new());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    // All messages of the start have been written by then.
    manager.hears("READY=1");
    child.kill().expect("it runs");
    let output = child.wait_with_output().expect("its output");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "",
        "nothing has gone wrong"
    );
}
