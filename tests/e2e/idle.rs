//! Tests that an idle daemon does not wake up needlessly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Folder};
use crate::page::{Page, all_until};
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial;

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

const MEASURED: Duration = Duration::from_secs(3);

/// Returns how often the daemon wakes up per second during an action. The daemon causes these wake-ups
/// itself, however busy the machine is.
fn wakes(daemon: &Daemon, what: impl FnOnce()) -> f64 {
    let (begun, before) = (Instant::now(), daemon.wakes());
    what();
    (daemon.wakes() - before) as f64 / begun.elapsed().as_secs_f64()
}

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
    let rate = wakes(&daemon, || std::thread::sleep(MEASURED));
    assert!(rate < 2.0, "{rate} wake-ups a second");
}

#[test]
fn with_a_device_that_has_gone_it_sleeps_too() {
    // The daemon watches three folders above the file, and the folders of the system change often.
    let folder = Arc::new(Folder::new());
    let place = folder.join("a/b/c");
    std::fs::create_dir_all(&place).expect("folders");
    let (line, listen) = (place.join("arm"), ["--listen", "127.0.0.1:0"]);
    let pty = Pty::plug(&line);
    let daemon = Daemon::start_in(folder, &serial::config(&line), &listen);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    // One device was open and has been unplugged; the other never appeared.
    drop(pty);
    daemon.until("absent", |d| d.get("/endpoints/arm")["state"] == "absent");
    // The daemon tries again, at growing intervals.
    let rate = wakes(&daemon, || std::thread::sleep(MEASURED));
    assert!(rate < 4.0, "{rate} wake-ups a second");
    let _back = Pty::plug(&line);
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
    // The sessions are idle like those of pages: only their consent checks go on (RFC 7675).
    let end = Instant::now() + MEASURED;
    let rate = wakes(&daemon, || {
        all_until(&mut pages, "the end", |_| Instant::now() >= end);
    });
    assert!(rate < 60.0, "{rate} wake-ups a second");
    assert!(pages.iter().all(|page| page.peer.channels["demo"].open));
}
