//! As many sessions as the limit allows, and the resources that remain in use afterwards.

use std::time::Instant;

use crate::daemon::Daemon;
use crate::http::request;
use crate::page::{Page, all_until};
use crate::peer::reliable;

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";
const LIMIT: usize = 64;

fn crowd(daemon: &Daemon) -> Vec<Page> {
    let channels = [reliable("thingway"), reliable("demo")];
    let mut pages: Vec<Page> = (0..LIMIT)
        .map(|_| Page::connect(daemon, &channels))
        .collect();
    all_until(&mut pages, "all greeted", |pages| {
        pages
            .iter()
            .all(|page| page.peer.text("demo").ends_with("> "))
    });
    pages
}

fn leave(daemon: &Daemon, mut pages: Vec<Page>) {
    for (n, page) in pages.iter_mut().enumerate() {
        if n % 2 == 0 {
            page.close();
        } else {
            let path = format!("/sessions/{}", page.session);
            assert_eq!(request(daemon.addr, "DELETE", &path, "", "").status, 200);
        }
    }
    all_until(&mut pages, "all sessions ended", |_| {
        daemon.get("/sessions")["sessions"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    all_until(&mut pages, "all pages told", |pages| {
        pages.iter().all(|page| page.peer.closed)
    });
}

#[test]
fn sixty_four_sessions_work_at_once_and_leave_nothing_behind() {
    let daemon = Daemon::start(DEMO);
    let descriptors = daemon.descriptors();
    let mut pages = crowd(&daemon);
    for page in &mut pages {
        assert!(page.peer.send(Instant::now(), "demo", false, b"led on\n"));
    }
    all_until(&mut pages, "all answered", |pages| {
        pages
            .iter()
            .all(|page| page.peer.text("demo").contains("led is on"))
    });
    let refused = Page::try_connect(&daemon, "127.0.0.1:0", &[reliable("demo")]);
    let refused = refused.err().expect("one too many");
    assert_eq!(refused.status, 503);
    assert!(refused.header("Retry-After").is_some());
    assert!(
        refused.json()["detail"]
            .as_str()
            .is_some_and(|text| text.contains("64"))
    );
    assert!(
        daemon.descriptors() <= descriptors + 1,
        "sessions share their sockets"
    );
    leave(&daemon, pages);
    daemon.until("descriptors closed", |d| d.descriptors() <= descriptors);

    // The allocator keeps some of the memory that the first crowd took. A second crowd needs no more.
    let first = daemon.resident();
    for _ in 0..2 {
        let pages = crowd(&daemon);
        leave(&daemon, pages);
    }
    let last = daemon.resident();
    assert!(last < first + 4 * 1024, "{first} KiB, then {last} KiB");
    daemon.until("descriptors closed", |d| d.descriptors() <= descriptors);
    let metrics = crate::http::get(daemon.addr, "/metrics").text();
    for line in [
        "thingway_sessions 0",
        "thingway_channels 0",
        "thingway_address_pairs 0",
    ] {
        assert!(
            metrics.lines().any(|other| other == line),
            "{line}: {metrics}"
        );
    }
}
