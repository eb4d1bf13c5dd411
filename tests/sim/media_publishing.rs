//! Browsers that send pictures: who may, what becomes of one whose connection is lost, and what it is asked for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::media::rtcp;
use thingway::testing::media::rtp::{self, RtpView};

use crate::media::{assert_gapless, pictures, watch};
use crate::media_changes::states;
use crate::peer::{Peer, reliable};
use crate::sessions::good;
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);
/// After this a peer that does not answer counts as lost, and its session has not ended yet.
const LOST: Duration = Duration::from_secs(30);

/// An endpoint that shows its viewers what a browser sends.
const TALK: &str =
    "[[endpoint]]\nname = \"talk\"\nkind = \"rtp\"\n[endpoint.video]\ncodec = \"H264\"\n";
/// Where the program behind `send_to` is.
const PROGRAM: &str = "127.0.0.1:6000";

fn addr(world: &World) -> SocketAddr {
    let n = world.clients.len() + 1;
    SocketAddr::new(IpAddr::from([198, 51, 100, n as u8]), 6000)
}

/// Makes the offer of a peer that wants to send. Returns the peer and the answer.
fn ask_to_send(world: &mut World) -> (Peer, String) {
    let addr = addr(world);
    let (peer, offer) = Peer::publish(world.now, addr, &[reliable("thingway")]);
    let answer = world.ask("POST", "/whip/talk", "application/sdp", &offer);
    (peer, answer)
}

/// Joins as a peer that sends, with a control channel.
fn publish(world: &mut World) -> usize {
    let addr = addr(world);
    let (peer, answer) = ask_to_send(world);
    let n = world.join(peer, addr, &answer, good(), 7);
    world.until("connected", SOON, |w| !w.peer(n).told("hello").is_empty());
    n
}

/// Sends pictures of a peer with these numbers. Each of them can be decoded alone.
fn send(world: &mut World, n: usize, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut payload = vec![0x65, 0x88];
        payload.extend(number.to_be_bytes());
        let now = world.now;
        world
            .peer(n)
            .send_packet(now, u64::from(number), number * 3_000, &payload);
        world.run(Duration::from_millis(33));
    }
}

/// Joins as a viewer that is told what it sees.
fn join(world: &mut World) -> usize {
    let addr = addr(world);
    let (peer, offer) = Peer::watch(world.now, addr, &[reliable("thingway")]);
    let answer = world.ask("POST", "/sessions?media=talk", "application/sdp", &offer);
    let n = world.join(peer, addr, &answer, good(), 7);
    world.until("connected", SOON, |w| !w.peer(n).told("hello").is_empty());
    n
}

fn video(world: &mut World) -> Value {
    world.get("/endpoints/talk")["video"].clone()
}

#[test]
fn the_last_picture_of_a_browser_that_is_lost_is_not_shown_as_live() {
    let mut world = World::new(1, TALK);
    let viewer = join(&mut world);
    let browser = publish(&mut world);
    send(&mut world, browser, 1..11);
    world.run(Duration::from_millis(50));
    assert_eq!(states(&mut world, viewer), ["absent", "playing"]);
    assert_eq!(video(&mut world)["why"], Value::Null);

    world.clients[browser].frozen = true;
    world.run(Duration::from_secs(3));
    assert_eq!(states(&mut world, viewer), ["absent", "playing", "absent"]);
    let told = world.peer(viewer).told("media")[2].clone();
    assert_eq!(told["detail"], "no browser sends to it");
    let video = video(&mut world);
    assert_eq!(
        (&video["why"], &video["cached_bytes"]),
        (&json!("no browser sends to it"), &json!(0))
    );
    let (_, offer) = Peer::watch(world.now, addr(&world), &[]);
    let answer = world.ask("POST", "/whep/talk", "application/sdp", &offer);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    let later = watch(&mut world, good(), "/whep/talk?wait=true");
    world.run(Duration::from_millis(100));
    assert_eq!(pictures(&mut world, later), [0_u32; 0]);

    world.clients[browser].frozen = false;
    send(&mut world, browser, 100..105);
    world.run(Duration::from_millis(50));
    assert_eq!(
        states(&mut world, viewer).last().map(String::as_str),
        Some("playing")
    );
    assert_eq!(
        pictures(&mut world, later),
        (100..105).collect::<Vec<u32>>()
    );
}

#[test]
fn a_browser_that_is_still_connecting_keeps_its_place() {
    let mut world = World::new(2, TALK);
    let first_addr = addr(&world);
    let (first, answer) = ask_to_send(&mut world);
    let (_, refused) = ask_to_send(&mut world);
    assert!(refused.starts_with("HTTP/1.1 409"), "{refused}");
    assert!(refused.contains("Retry-After: 1"), "{refused}");
    let first = world.join(first, first_addr, &answer, good(), 7);
    world.until("connected", SOON, |w| w.peer(first).connected);
    send(&mut world, first, 1..6);
    assert_eq!(video(&mut world)["forwarded"]["packets"], 5);
}

#[test]
fn a_browser_that_is_lost_gives_its_place_away_and_is_told() {
    let mut world = World::new(3, TALK);
    let viewer = join(&mut world);
    let first = publish(&mut world);
    send(&mut world, first, 1..6);
    world.clients[first].frozen = true;
    world.until("the place is free", LOST, |w| {
        let (_, answer) = ask_to_send(w);
        answer.starts_with("HTTP/1.1 201")
    });
    // That one has only asked.
    world.clients[first].frozen = false;
    world.until("told", SOON, |w| !w.peer(first).told("media").is_empty());
    let told = world.peer(first).told("media")[0].clone();
    assert_eq!(
        (&told["endpoint"], &told["state"], &told["detail"]),
        (
            &json!("talk"),
            &json!("refused"),
            &json!("another browser sends to it now")
        )
    );
    send(&mut world, first, 10..15);
    world.run(Duration::from_millis(50));
    assert_eq!(
        pictures(&mut world, viewer),
        (1..6).collect::<Vec<u32>>(),
        "nothing of the first is shown any more"
    );
}

#[test]
fn a_browser_whose_numbers_jump_is_seen_without_a_gap() {
    let mut world = World::new(7, TALK);
    let viewer = join(&mut world);
    let browser = publish(&mut world);
    for start in [1, 20_000, 40_000] {
        send(&mut world, browser, start..start + 5);
    }
    world.run(Duration::from_millis(50));
    let expected: Vec<u32> = [1..6, 20_000..20_005, 40_000..40_005]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(pictures(&mut world, viewer), expected);
    assert_gapless(&mut world, viewer);
}

/// Passes a datagram of the program behind `send_to` in, after some more pictures. Returns how often the browser was
/// asked for a keyframe because of it.
fn asked_by(
    world: &mut World,
    browser: usize,
    numbers: std::ops::Range<u32>,
    socket: &str,
    datagram: &[u8],
) -> usize {
    // Requests within half a second are one.
    assert!(numbers.len() > 15);
    send(world, browser, numbers);
    let before = world.peer(browser).keyframes_asked;
    world.udp_device_sends_from(socket, PROGRAM, datagram);
    world.run(Duration::from_millis(50));
    world.peer(browser).keyframes_asked - before
}

/// Returns a report of the program and its request for a keyframe, in one datagram. `sent`: it sends `ssrc`, too.
fn report_and_request(ssrc: u32, sent: bool) -> Vec<u8> {
    let sent = sent.then_some(rtcp::Sent {
        ntp: 1 << 32,
        rtp: 1,
        packets: 1,
        octets: 1,
    });
    let block = rtcp::ReportBlock {
        about: 1,
        fraction_lost: 0,
        lost: 0,
        highest: 1,
        jitter: 0,
        last_report: 0,
        delay: 0,
    };
    let mut datagram = Vec::new();
    rtcp::write_report(&mut datagram, ssrc, sent.as_ref(), &[block], "program");
    rtcp::write_picture_loss(&mut datagram, ssrc, 1);
    datagram
}

#[test]
fn a_request_behind_a_report_reaches_the_browser() {
    let mut world = World::new(4, &format!("{TALK}send_to = \"{PROGRAM}\"\n"));
    let browser = publish(&mut world);
    // The socket that sends has any port of the system's.
    let socket = "127.0.0.1:0";
    for (round, sends) in [(1, false), (2, true)] {
        let datagram = report_and_request(77, sends);
        let numbers = 100 * round..100 * round + 20;
        let asked = asked_by(&mut world, browser, numbers, socket, &datagram);
        assert_eq!(asked, 1, "a sender: {sends}");
    }
    let mut alone = Vec::new();
    rtcp::write_report(&mut alone, 77, None, &[], "program");
    let asked = asked_by(&mut world, browser, 300..320, socket, &alone);
    assert_eq!(asked, 0, "a report alone asks for nothing");
}

/// The endpoint of a program that shows pictures and gets some, and of another one that sends to it.
const BOTH: &str = "listen = \"127.0.0.1:5004\"\nsend_to = \"127.0.0.1:6000\"\n";

/// Passes a packet of a program with the SSRC 5 in, and its report.
fn show(world: &mut World, from: &str, reports_from: &str) {
    let mut datagram = Vec::new();
    let packet = RtpView {
        payload_type: 96,
        sequence: 1,
        timestamp: 1,
        ssrc: 5,
        marker: true,
        payload: &[0x65, 0x88],
    };
    rtp::write(&mut datagram, &packet);
    world.udp_device_sends_from("127.0.0.1:5004", from, &datagram);
    let mut report = Vec::new();
    let sent = rtcp::Sent {
        ntp: 1 << 32,
        rtp: 1,
        packets: 1,
        octets: 2,
    };
    rtcp::write_report(&mut report, 5, Some(&sent), &[], "source");
    world.udp_device_sends_from("127.0.0.1:5005", reports_from, &report);
}

#[test]
fn a_request_reaches_the_browser_beside_another_program_that_sends() {
    let mut world = World::new(5, &format!("{TALK}{BOTH}silence_ms = 60000\n"));
    let browser = publish(&mut world);
    show(&mut world, "127.0.0.1:7000", "127.0.0.1:7001");
    let datagram = report_and_request(77, false);
    let asked = asked_by(&mut world, browser, 100..120, "127.0.0.1:5004", &datagram);
    assert_eq!(asked, 1);
}

#[test]
fn a_request_of_a_program_that_sends_by_the_same_socket_reaches_the_browser() {
    let mut world = World::new(6, &format!("{TALK}{BOTH}silence_ms = 60000\n"));
    let browser = publish(&mut world);
    show(&mut world, PROGRAM, PROGRAM);
    let datagram = report_and_request(5, true);
    let asked = asked_by(&mut world, browser, 100..120, "127.0.0.1:5005", &datagram);
    assert_eq!(asked, 1);
    let video = video(&mut world);
    assert_eq!(
        (&video["rtcp_received"], &video["dropped"]),
        (&json!(2), &json!({})),
        "its report counts, too"
    );
}
