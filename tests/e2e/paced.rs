//! Devices that send and take bytes at a line's speed, pause for a while, or vanish in mid-stream.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use rustix::process::Signal;

use crate::daemon::{Daemon, Folder, SOON};
use crate::events::{self, EventSource};
use crate::page::Page;
use crate::peer::reliable;
use crate::pty::Pty;
use crate::serial::{self, daemon_with_line};

fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn attach(daemon: &Daemon) -> Page {
    let mut page = Page::connect(daemon, &[reliable("thingway"), reliable("arm")]);
    page.until("credit", |page| page.peer.channels["arm"].credit.is_some());
    page
}

/// Sends as much of a stream as the credit and the channel allow now.
fn send_on(page: &mut Page, stream: &[u8]) {
    loop {
        let at = page.peer.channels["arm"].sent as usize;
        let piece = &stream[at..stream.len().min(at + 4_096)];
        if piece.is_empty() || !page.peer.send_within_credit(Instant::now(), "arm", piece) {
            return;
        }
    }
}

/// Checks that no byte was lost and no channel was closed.
fn assert_whole(daemon: &Daemon, page: &Page) {
    for kind in ["dropped", "lost", "closed"] {
        assert!(
            page.peer.told(kind).is_empty(),
            "{:?}",
            page.peer.told(kind)
        );
    }
    let drops = daemon.get("/endpoints/arm")["drops"].clone();
    assert_eq!(drops.as_array().map(Vec::len), Some(0), "{drops}");
}

/// Runs a device that sends these bytes, and takes as many, at a line's speed. Returns the bytes it took, and
/// how long that lasted.
fn run_device(pty: &Pty, rate: f64, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let (start, len) = (Instant::now(), bytes.len());
    let (mut taken, mut sent) = (Vec::with_capacity(len), 0);
    while taken.len() < len || sent < len {
        assert!(start.elapsed() < SOON, "it has stopped");
        let due = len.min((rate * start.elapsed().as_secs_f64()) as usize);
        // The line has this speed in both directions, and does not pause.
        let room = due.saturating_sub(taken.len()).min(4_096);
        let piece = if room > 0 {
            pty.read_some(room)
        } else {
            Vec::new()
        };
        let wrote = pty.write(&bytes[sent..due.min(sent + 4_096)]);
        taken.extend_from_slice(&piece);
        sent += wrote;
        if piece.is_empty() && wrote == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    (taken, start.elapsed())
}

/// Fills the line for three seconds in both directions at once.
fn fills_the_wire(baud: u32) {
    let (daemon, pty) = daemon_with_line();
    let mut page = attach(&daemon);
    let rate = f64::from(baud) / 10.0;
    let len = (rate * 3.0) as usize;
    let (up, down) = (random(1, len), random(2, len));
    let (came, took) = thread::scope(|scope| {
        let device = scope.spawn(|| run_device(&pty, rate, &down));
        page.until("all there", |page| {
            send_on(page, &up);
            device.is_finished() && page.peer.channels["arm"].bytes.len() >= len
        });
        device.join().expect("a device")
    });
    assert!(came == up, "to the device: {} of {len} bytes", came.len());
    let arrived = &page.peer.channels["arm"].bytes;
    assert!(
        *arrived == down,
        "from it: {} of {len} bytes",
        arrived.len()
    );
    assert!(took >= Duration::from_millis(2_990), "{took:?}");
    assert_whole(&daemon, &page);
}

#[test]
fn a_wire_of_921_600_baud_is_filled_both_ways() {
    fills_the_wire(921_600);
}

#[test]
fn a_wire_of_three_million_baud_is_filled_both_ways() {
    fills_the_wire(3_000_000);
}

#[test]
fn a_device_that_says_stop_for_a_second_loses_nothing() {
    let (daemon, pty) = daemon_with_line();
    let mut page = attach(&daemon);
    let up = random(3, 1_500_000);
    let mut came = Vec::new();
    page.until("a part", |page| {
        send_on(page, &up);
        came.extend(pty.read_some(1_000));
        came.len() > 200_000
    });
    // The device has stopped the flow. The page sends as much as its credit allows, and nothing after that.
    let mut last = (page.peer.channels["arm"].sent, Instant::now());
    page.until("rest for a second", |page| {
        send_on(page, &up);
        let sent = page.peer.channels["arm"].sent;
        if sent != last.0 {
            last = (sent, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(1)
    });
    let arm = &page.peer.channels["arm"];
    let credit = arm.credit.expect("a limit");
    assert!(
        credit < up.len() as u64 && credit - arm.sent < 4_096,
        "{credit}"
    );
    assert!(arm.open);
    page.until("the rest", |page| {
        send_on(page, &up);
        came.extend(pty.read_all());
        came.len() >= up.len()
    });
    assert!(came == up);
    assert_whole(&daemon, &page);
}

/// Returns how many bytes the page was told are lost.
fn told_gone(page: &Page) -> u64 {
    let bytes = |told: &serde_json::Value| told["bytes"].as_u64().expect("a number");
    let lost: u64 = page.peer.told("lost").into_iter().map(bytes).sum();
    // These totals grow, so the last one of each reason counts.
    let mut dropped = std::collections::BTreeMap::new();
    for told in page.peer.told("dropped") {
        dropped.insert(told["reason"].to_string(), bytes(told));
    }
    lost + dropped.values().sum::<u64>()
}

fn states(page: &Page, state: &str) -> usize {
    let told = page.peer.told("endpoint");
    told.iter().filter(|told| told["state"] == state).count()
}

#[test]
fn when_a_line_vanishes_in_mid_stream_every_byte_is_accounted_for() {
    let folder = Arc::new(Folder::new());
    let line = folder.join("arm");
    let pty = Pty::plug(&line);
    let daemon = Daemon::start_in(folder, &serial::config(&line), &["--listen", "127.0.0.1:0"]);
    daemon.until("open", |d| d.get("/endpoints/arm")["state"] == "open");
    let mut events = EventSource::open(&daemon);
    let mut page = attach(&daemon);
    let up = random(4, 1_000_000);
    let mut first = Vec::new();
    page.until("a part", |page| {
        send_on(page, &up[..600_000]);
        first.extend(pty.read_some(2_000));
        first.len() > 300_000
    });
    // Read what the daemon has written before the device vanishes, because bytes lost in the kernel cannot be
    // counted.
    daemon.signal(Signal::STOP);
    let calm = Instant::now() + Duration::from_millis(100);
    while Instant::now() < calm {
        first.extend(pty.read_all());
        thread::sleep(Duration::from_millis(5));
    }
    drop(pty);
    daemon.signal(Signal::CONT);
    page.until("absence", |page| {
        send_on(page, &up[..600_000]);
        states(page, "absent") > 0
    });
    let gone = Instant::now();
    page.until("a pause", |page| {
        send_on(page, &up[..600_000]);
        gone.elapsed() > Duration::from_millis(1_700)
    });
    page.until("what was sent meanwhile", |page| {
        send_on(page, &up[..600_000]);
        page.peer.channels["arm"].sent == 600_000 && told_gone(page) + first.len() as u64 == 600_000
    });

    let pty = Pty::plug(&line);
    page.until("return", |page| states(page, "open") == 1);
    let mut second = Vec::new();
    page.until("the rest", |page| {
        send_on(page, &up);
        second.extend(pty.read_all());
        second.len() >= 400_000
    });
    page.run(Duration::from_millis(100));
    second.extend(pty.read_all());
    assert!(up.starts_with(&first), "{} bytes before", first.len());
    assert!(second == up[600_000..], "{} bytes afterwards", second.len());
    let delivered = (first.len() + second.len()) as u64;
    assert_eq!(delivered + told_gone(&page), up.len() as u64);
    assert!(!page.peer.told("lost").is_empty(), "its queue was full");
    assert!(page.peer.channels["arm"].open && page.peer.told("closed").is_empty());
    for state in ["absent", "open"] {
        let seen = events::find(
            || events.next(),
            state,
            |kind, data| kind == "endpoint" && data["state"] == state && data["name"] == "arm",
        );
        assert_eq!(seen["kind"], "serial");
        if state == "absent" {
            assert_ne!(seen["detail"], "");
        }
    }
}
