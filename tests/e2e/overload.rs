//! More load than the machine can take. The excess is refused or dropped and counted, existing sessions go
//! on, and afterwards everything is as before.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::daemon::{Daemon, SOON};
use crate::http::{get, request};
use crate::page::Page;
use crate::peer::{Peer, reliable};

/// The number of datagrams in a storm.
const STORM: u64 = 10_000;

const ECHO: &str = "[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n";
/// The number of echoes that show that a session works.
const ECHOES: usize = 100;

fn page(daemon: &Daemon) -> Page {
    let mut page = Page::connect(daemon, &[reliable("thingway"), reliable("echo")]);
    page.until("credit", |page| page.peer.channels["echo"].credit.is_some());
    page
}

/// Sends one message and waits for its echo.
fn echo(page: &mut Page) {
    let before = page.peer.channels["echo"].bytes.len();
    page.send("echo", &[7; 64]);
    page.until("its echo", |page| {
        page.peer.channels["echo"].bytes.len() >= before + 64
    });
}

/// Returns how many echoes arrive while another action goes on.
fn echoes_while(page: &mut Page, goes_on: impl Fn() -> bool) -> usize {
    let mut count = 0;
    while goes_on() {
        echo(page);
        count += 1;
    }
    count
}

/// Checks that the session works as before: every message is echoed, and nothing was dropped.
fn is_as_before(daemon: &Daemon, page: &mut Page) {
    for _ in 0..ECHOES {
        echo(page);
    }
    let channels = page.shown(daemon)["channels"].clone();
    let channels = channels.as_array().expect("a list").iter();
    for channel in channels.filter(|channel| channel["endpoint"] == "echo") {
        assert_eq!(channel["drops"], serde_json::json!([]), "{channel}");
    }
    assert!(page.peer.told("closed").is_empty());
}

fn metric(daemon: &Daemon, name: &str) -> u64 {
    let text = get(daemon.addr, "/metrics").text();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let numbers = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    numbers.sum()
}

/// Sends this many offers from four connections at a time. Returns how many were answered with 201, and with 503.
fn offer(addr: SocketAddr, count: usize, done: &AtomicUsize) -> (usize, usize) {
    let local = "127.0.0.1:9".parse().expect("an address");
    let (_, offer) = Peer::offer(Instant::now(), local, &[reliable("echo")]);
    let made = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while done.fetch_add(1, Ordering::Relaxed) < count {
                    let kind = "Content-Type: application/sdp\r\n";
                    let answer = request(addr, "POST", "/sessions", kind, &offer);
                    match answer.status {
                        201 => made.fetch_add(1, Ordering::Relaxed),
                        503 => {
                            assert!(answer.header("Retry-After").is_some());
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        other => panic!("{other}: {}", answer.text()),
                    };
                }
            });
        }
    });
    (made.into_inner(), refused.into_inner())
}

fn open_a_thousand(limit: usize) {
    let daemon = Daemon::start(&format!("[limits]\nsessions = {limit}\n{ECHO}"));
    let mut page = page(&daemon);
    is_as_before(&daemon, &mut page);
    let done = Arc::new(AtomicUsize::new(0));
    let crowd = {
        let (addr, done) = (daemon.addr, Arc::clone(&done));
        thread::spawn(move || offer(addr, 1_000, &done))
    };
    let meanwhile = echoes_while(&mut page, || done.load(Ordering::Relaxed) < 1_000);
    let (made, refused) = crowd.join().expect("answers");
    // One place is already in use.
    let room = (limit - 1).min(1_000);
    assert_eq!((made, refused), (room, 1_000 - room));
    // At least one echo for each fifty offers.
    assert!(
        meanwhile >= 20,
        "only {meanwhile} echoes while a thousand came"
    );
    assert_eq!(metric(&daemon, "thingway_sessions "), room as u64 + 1);
    is_as_before(&daemon, &mut page);
    assert!(daemon.resident() < 200 * 1024, "{} KiB", daemon.resident());
}

#[test]
fn a_thousand_offers_at_once_get_sessions_where_there_is_room() {
    open_a_thousand(1_000);
}

#[test]
fn a_thousand_offers_at_once_are_refused_where_there_is_none() {
    open_a_thousand(64);
}

#[test]
fn a_storm_of_datagrams_from_strangers_costs_nobody_their_session() {
    let daemon = Daemon::start(ECHO);
    let mut page = page(&daemon);
    is_as_before(&daemon, &mut page);
    let line = page
        .answer
        .lines()
        .find(|line| line.contains(" 127.0.0.1 "));
    let port = line
        .and_then(|line| line.split(' ').nth(5))
        .expect("a candidate");
    let ice: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");
    let strays = || metric(&daemon, "thingway_datagrams_stray_total");
    let (before, resident) = (strays(), daemon.resident());
    let on = Arc::new(AtomicBool::new(true));
    let stranger = {
        let on = Arc::clone(&on);
        thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            // Datagrams that look like DTLS, like STUN, and like neither.
            let storm = [
                vec![23; 200],
                [vec![0, 1, 0, 0], vec![0; 16]].concat(),
                vec![0xff; 1_200],
            ];
            let mut sent = 0_u64;
            while on.load(Ordering::Relaxed) {
                for datagram in &storm {
                    sent += u64::from(socket.send_to(datagram, ice).is_ok());
                }
            }
            sent
        })
    };
    // The session goes on for as long as the storm lasts.
    let (end, mut meanwhile) = (Instant::now() + SOON, 0);
    while meanwhile < ECHOES || strays() < before + STORM {
        assert!(
            Instant::now() < end,
            "{meanwhile} echoes, {} strays",
            strays() - before
        );
        echo(&mut page);
        meanwhile += 1;
    }
    on.store(false, Ordering::Relaxed);
    let sent = stranger.join().expect("a number");
    is_as_before(&daemon, &mut page);
    let seen = strays() - before;
    assert!(seen <= sent, "{seen} of {sent} were counted");
    let grown = daemon.resident().saturating_sub(resident);
    assert!(grown < 16 * 1024, "{grown} KiB for {sent} datagrams");
}
