//! The end of the process: told to stop once, told twice, and killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, Folder, SOON, own_port};
use crate::page::Page;
use crate::peer::reliable;
use crate::serial::daemon_with_line;

/// Sends this many bytes to a device that does not read yet, and waits until the daemon has them.
fn send_to_sleeping_device(daemon: &Daemon, page: &mut Page, len: usize) -> Vec<u8> {
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
    for piece in bytes.chunks(10_000) {
        page.send("arm", piece);
    }
    page.until("arrived", |_| {
        daemon.get("/endpoints/arm")["to_device"]["bytes"] == len
    });
    bytes
}

#[test]
fn told_to_stop_it_delivers_tells_why_and_ends_well() {
    let (mut daemon, pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    let sent = send_to_sleeping_device(&daemon, &mut page, 100_000);
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    page.until("draining", |_| daemon.log().contains("draining"));
    assert!(
        daemon.ended_within(Duration::ZERO).is_none(),
        "the device has not taken it yet"
    );
    // The device takes 200 kB/s.
    let mut written = Vec::new();
    while daemon.ended_within(Duration::ZERO).is_none() {
        assert!(
            start.elapsed() < SOON,
            "still there after {} bytes",
            written.len()
        );
        written.extend(pty.read());
        page.turn(Duration::from_millis(10));
    }
    let status = daemon.ended_within(Duration::ZERO).expect("ended");
    assert_eq!(status.code(), Some(0));
    written.extend(pty.read_all());
    assert_eq!(written.len(), sent.len());
    assert!(written == sent);
    page.run(Duration::from_millis(50));
    let closed = page.peer.told("closed");
    assert_eq!(closed.len(), 1, "{:?}", page.peer.control);
    assert_eq!(
        (&closed[0]["label"], &closed[0]["reason"]),
        (&"arm".into(), &"shutdown".into())
    );
    assert!(page.peer.channels["arm"].closed);
}

#[test]
fn a_slow_line_gets_its_last_bytes_too() {
    let (mut daemon, pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    let sent = send_to_sleeping_device(&daemon, &mut page, 12_000);
    daemon.signal(Signal::TERM);
    // Bytes that the kernel has taken are not on the line yet. The daemon gives the device 5 s, and this
    // takes a twentieth of that.
    let mut written = Vec::new();
    let start = Instant::now();
    while written.len() < sent.len() && start.elapsed() < SOON {
        written.extend(pty.read_some(1_000));
        page.turn(Duration::from_millis(20));
    }
    assert_eq!(
        written.len(),
        sent.len(),
        "bytes were taken for the device and thrown away"
    );
    assert!(daemon.ended_within(SOON).is_some());
}

#[test]
fn a_device_that_never_reads_does_not_hold_it_up() {
    let (mut daemon, pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    send_to_sleeping_device(&daemon, &mut page, 100_000);
    let start = Instant::now();
    daemon.signal(Signal::INT);
    while daemon.ended_within(Duration::ZERO).is_none() {
        assert!(start.elapsed() < SOON);
        page.turn(Duration::from_millis(10));
    }
    assert!(
        start.elapsed() >= Duration::from_secs(4),
        "it gave the device its time"
    );
    assert_eq!(
        daemon.ended_within(Duration::ZERO).and_then(|s| s.code()),
        Some(0)
    );
    assert_eq!(page.peer.told("closed")[0]["reason"], "shutdown");
    let log = daemon.log();
    let said = log
        .lines()
        .find(|line| line.contains("bytes were not written before the stop"));
    let lost = said.and_then(|line| {
        let (_, rest) = line.split_once("endpoint arm: ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    });
    let lost = lost.unwrap_or_else(|| panic!("the loss is said: {log}"));
    // The kernel holds the rest, because the daemon cannot know that the device never read it.
    assert_eq!(lost + pty.read_all().len(), 100_000, "{said:?}");
}

#[test]
fn told_twice_it_ends_at_once() {
    let (mut daemon, _pty) = daemon_with_line();
    let mut page = Page::connect(&daemon, &[reliable("thingway"), reliable("arm")]);
    send_to_sleeping_device(&daemon, &mut page, 100_000);
    daemon.signal(Signal::TERM);
    page.until("draining", |_| daemon.log().contains("draining"));
    let refused = Page::try_connect(&daemon, "127.0.0.1:0", &[reliable("arm")]);
    assert_eq!(
        refused.err().map(|answer| answer.status),
        Some(503),
        "no new sessions now"
    );
    assert_eq!(crate::http::get(daemon.addr, "/readyz").status, 503);
    assert_eq!(crate::http::get(daemon.addr, "/healthz").status, 200);
    daemon.signal(Signal::TERM);
    let status = daemon.ended_within(SOON).expect("an end");
    assert_eq!(status.code(), Some(0));
    // The daemon has not waited for the device, so no channel was closed with a reason.
    page.run(Duration::from_millis(50));
    assert!(page.peer.told("closed").is_empty());
    let log = daemon.log();
    assert!(log.contains("stopping at once"), "{log}");
}

#[test]
fn without_sessions_it_ends_when_told_once() {
    let mut daemon = Daemon::start("");
    daemon.signal(Signal::TERM);
    let status = daemon.ended_within(SOON).expect("an end");
    assert_eq!(status.code(), Some(0));
}

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

#[test]
fn killed_and_started_again_it_is_the_same_to_its_peers() {
    // Both processes use the same ports.
    let (port, http) = (own_port(0), own_port(1));
    let config = format!("[ice]\nport = {port}\n{DEMO}");
    let listen = format!("127.0.0.1:{http}");
    let folder = Arc::new(Folder::new());
    let mut daemon = Daemon::start_in(folder, &config, &["--listen", &listen]);
    let mut page = Page::demo(&daemon);
    let first = page.answer.clone();
    daemon.signal(Signal::KILL);
    daemon.ended_within(SOON).expect("killed");
    let (folder, addr) = (Arc::clone(&daemon.folder), daemon.addr);
    let daemon = Daemon::start_in(folder, &config, &["--listen", &addr.to_string()]);
    assert_eq!(daemon.addr, addr);

    let mut again = Page::demo(&daemon);
    assert_eq!(fingerprint(&first), fingerprint(&again.answer));
    let printed = daemon
        .folder
        .program()
        .arg("fingerprint")
        .output()
        .expect("it runs");
    let printed = String::from_utf8(printed.stdout).expect("text");
    let shown = fingerprint(&first).expect("a fingerprint");
    assert!(printed.contains(shown), "of the running daemon: {printed}");
    for answer in [&first, &again.answer] {
        let candidates = answer
            .lines()
            .filter(|line| line.starts_with("a=candidate:"));
        assert!(candidates.clone().count() > 0);
        let ours = format!(" {port} typ host");
        assert!(
            candidates.clone().all(|line| line.contains(&ours)),
            "{answer}"
        );
    }
    // The new daemon does not know the old page, and the old page disturbs no session.
    page.run(Duration::from_millis(200));
    again.send("demo", b"led\n");
    again.until("answer", |page| {
        page.peer.text("demo").contains("led is off")
    });
    assert_eq!(
        daemon.get("/sessions")["sessions"].as_array().map(Vec::len),
        Some(1)
    );
}

fn fingerprint(answer: &str) -> Option<&str> {
    answer
        .lines()
        .find_map(|line| line.strip_prefix("a=fingerprint:"))
}
