//! A daemon that has nothing to do does nothing.

use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::page::{Page, all_until};
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial;

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

/// Ticks are hundredths of a second, so this is percent of one core, times three.
const MEASURED: Duration = Duration::from_secs(3);

fn all_gone(daemon: &Daemon) -> bool {
    daemon.get("/sessions")["sessions"]
        .as_array()
        .is_some_and(Vec::is_empty)
}

#[test]
fn after_a_session_it_sleeps_again() {
    let daemon = Daemon::start(DEMO);
    let mut page = Page::demo(&daemon);
    page.close();
    page.until("the session's end", |_| all_gone(&daemon));
    drop(page);
    let before = daemon.ticks();
    std::thread::sleep(MEASURED);
    let used = daemon.ticks() - before;
    assert!(used < 3, "{used} ticks in {MEASURED:?}");
}

#[test]
fn with_a_device_that_has_gone_it_sleeps_too() {
    let (daemon, pty) = serial::daemon_with_line();
    // One that was there and has hung up, one that never came.
    drop(pty);
    daemon.until("absent", |d| d.get("/endpoints/arm")["state"] == "absent");
    let before = daemon.ticks();
    std::thread::sleep(MEASURED);
    let used = daemon.ticks() - before;
    assert!(used < 3, "{used} ticks in {MEASURED:?}");
    let _back = Pty::plug(&daemon.folder.join("arm"));
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
}

#[test]
fn sixteen_idle_sessions_cost_next_to_nothing() {
    let daemon = Daemon::start(DEMO);
    let channels = [reliable("thingway"), reliable("demo")];
    let mut pages: Vec<Page> = (0..16).map(|_| Page::connect(&daemon, &channels)).collect();
    all_until(&mut pages, "all greeted", |pages| {
        pages
            .iter()
            .all(|page| page.peer.text("demo").ends_with("> "))
    });
    let before = daemon.ticks();
    // Idle as pages are: their consent checks go on (RFC 7675).
    let end = Instant::now() + MEASURED;
    all_until(&mut pages, "the end", |_| Instant::now() >= end);
    let used = daemon.ticks() - before;
    assert!(used < 15, "{used} ticks in {MEASURED:?}");
    assert!(pages.iter().all(|page| page.peer.channels["demo"].open));
}
