//! Sessions of one peer on a good link.

use std::time::Duration;

use str0m_netem::NetemConfig;
use thingway::testing::sources::Exit;

use crate::peer::{reliable, unreliable};
use crate::world::World;

pub const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";
pub const ARM: &str =
    "[[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"/dev/arm\"\nbaud = 115200\n";
pub const ROVER: &str =
    "[[endpoint]]\nname = \"rover\"\nkind = \"udp\"\nremote = \"127.0.0.1:14550\"\n";

pub fn good() -> NetemConfig {
    NetemConfig::new().latency(Duration::from_millis(5))
}

const SOON: Duration = Duration::from_secs(5);

#[test]
fn an_offer_over_http_and_the_demo_device_answers() {
    let mut world = World::new(1, DEMO);
    let n = world.connect(&[reliable("thingway"), reliable("demo")], good(), 1);
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"led on\n"));
    world.until("answer", SOON, |w| {
        w.peer(n).text("demo").contains("led is on\n> ")
    });

    let hello = &world.peer(n).control[0];
    assert_eq!((&hello["v"], &hello["type"]), (&1.into(), &"hello".into()));
    assert_eq!(hello["endpoints"][0]["name"], "demo");
    let opened = world.peer(n).told("opened");
    assert_eq!(opened[0]["endpoint"], "demo");
    assert_eq!(
        opened[0]["channel"].as_u64(),
        world.peer(n).channels["demo"].stream.map(u64::from)
    );

    let name = world.clients[n].session.clone();
    world.run(Duration::from_secs(6));
    let json = world.get(&format!("/sessions/{name}"));
    assert_eq!(json["state"], "connected");
    assert_eq!(json["candidate_pair"]["remote"], "198.51.100.1:6000");
    let rtt = json["round_trip_time_ms"].as_f64().expect("measured");
    assert!((10.0..30.0).contains(&rtt), "{rtt}");
    let demo = json["channels"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["label"] == "demo")
        .unwrap();
    assert_eq!(demo["from_peer"]["bytes"], 7);
    assert_eq!(
        demo["to_peer"]["bytes"],
        world.peer(n).channels["demo"].bytes.len()
    );
}

#[test]
fn a_serial_line_carries_bytes_both_ways_and_a_udp_program_datagrams() {
    let mut world = World::new(2, &format!("{ARM}{ROVER}"));
    let n = world.connect(&[reliable("arm"), unreliable("rover")], good(), 2);
    world.until("open", SOON, |w| {
        w.peer(n).channels.values().all(|c| c.open)
    });
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, b"G1 X10\n"));
    world.until("written", SOON, |w| {
        w.tty("/dev/arm").written == b"G1 X10\n"
    });
    world.device_sends("/dev/arm", b"ok\n");
    world.until("read", SOON, |w| w.peer(n).text("arm") == "ok\n");
    assert!(
        world.peer(n).channels["arm"].received[0].0,
        "a device's bytes are binary"
    );
    // An empty datagram cannot be sent to a peer, but the datagrams behind it still are.
    world.udp_device_sends("127.0.0.1:14550", b"");
    let json = world.get("/sessions");
    assert!(json.to_string().contains(r#""reason":"empty""#), "{json}");
    for message in [&b"a"[..], &[7; 1200]] {
        let now = world.now;
        assert!(world.peer(n).send(now, "rover", true, message));
        world.until("echo", SOON, |w| {
            !w.peer(n).channels["rover"].received.is_empty()
        });
        let channel = world.peer(n).channels.get_mut("rover").unwrap();
        assert_eq!(
            channel.received.pop_front().unwrap().1,
            message,
            "one message, one datagram"
        );
    }
}

#[test]
fn an_unknown_label_is_closed_and_the_reason_is_everywhere() {
    let mut world = World::new(3, DEMO);
    let n = world.connect(
        &[reliable("thingway"), reliable("nope"), reliable("demo")],
        good(),
        3,
    );
    world.until("closed", SOON, |w| w.peer(n).channels["nope"].closed);
    world.until("told", SOON, |w| !w.peer(n).told("refused").is_empty());
    let refused = world.peer(n).told("refused")[0].clone();
    assert_eq!(
        (&refused["label"], &refused["reason"]),
        (&"nope".into(), &"unknown-endpoint".into())
    );
    let name = world.clients[n].session.clone();
    let json = world.get(&format!("/sessions/{name}"));
    assert_eq!(json["closed_channels"][0]["reason"], "unknown-endpoint");
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
}

#[test]
fn an_absent_line_keeps_the_channel_open_refuses_and_comes_back() {
    let mut world = World::new(4, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 4);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    world.unplug("/dev/arm");
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, b"stale"));
    world.until("told", SOON, |w| !w.peer(n).told("dropped").is_empty());
    let dropped = world.peer(n).told("dropped")[0].clone();
    assert_eq!(
        (&dropped["reason"], &dropped["bytes"]),
        (&"absent".into(), &5.into())
    );
    assert_eq!(world.get("/endpoints/arm")["state"], "absent");
    assert!(
        world
            .peer(n)
            .told("endpoint")
            .iter()
            .any(|m| m["state"] == "absent")
    );

    world.tty("/dev/arm").present = true;
    world.until("back", SOON, |w| w.tty("/dev/arm").opened == 2);
    assert!(
        world.peer(n).channels["arm"].open,
        "the channel stayed open"
    );
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, b"fresh"));
    world.until("written", SOON, |w| w.tty("/dev/arm").written == b"fresh");
    world.until("told", SOON, |w| {
        w.peer(n).told("endpoint").last().unwrap()["state"] == "open"
    });
}

#[test]
fn what_was_queued_for_a_line_that_vanishes_is_counted_and_told() {
    let mut world = World::new(12, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 12);
    world.until("credit", SOON, |w| {
        w.peer(n).channels["arm"].credit.is_some()
    });
    world.tty("/dev/arm").rate = 0;
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", &[7; 5_000]));
    world.until("queued", SOON, |w| {
        w.get("/endpoints/arm")["queued_bytes"] == 5_000
    });
    world.unplug("/dev/arm");
    world.until("told", SOON, |w| !w.peer(n).told("lost").is_empty());
    let lost = world.peer(n).told("lost")[0].clone();
    assert_eq!(
        (&lost["endpoint"], &lost["reason"], &lost["bytes"]),
        (&"arm".into(), &"unwritten".into(), &5_000.into())
    );
    let drops = world.get("/endpoints/arm")["drops"].clone();
    assert_eq!(
        (&drops[0]["reason"], &drops[0]["bytes"]),
        (&"unwritten".into(), &5_000.into())
    );
    world.tty("/dev/arm").present = true;
    world.run(Duration::from_secs(3));
    assert!(
        world.tty("/dev/arm").written.is_empty(),
        "nothing stale comes back"
    );
}

#[test]
fn two_peers_share_an_endpoint_each_with_its_own_cursor() {
    let mut world = World::new(5, ARM);
    let a = world.connect(&[reliable("arm")], good(), 5);
    world.until("open", SOON, |w| w.peer(a).channels["arm"].open);
    world.device_sends("/dev/arm", b"one ");
    let b = world.connect(&[reliable("arm")], good(), 6);
    world.until("open", SOON, |w| w.peer(b).channels["arm"].open);
    world.device_sends("/dev/arm", b"two");
    world.until("both", SOON, |w| {
        // A later peer also receives the past.
        w.peer(a).text("arm") == "one two" && w.peer(b).text("arm") == "one two"
    });
    let now = world.now;
    world.peer(a).close(now);
    world.until("gone", SOON, |w| {
        w.get("/sessions")["sessions"].as_array().unwrap().len() == 1
    });
    assert_eq!(world.get("/endpoints/arm")["routes"], 1);
}

#[test]
fn ping_comes_back_and_rubbish_is_told_off() {
    let mut world = World::new(6, DEMO);
    let n = world.connect(&[reliable("thingway")], good(), 6);
    world.until("hello", SOON, |w| !w.peer(n).control.is_empty());
    let now = world.now;
    for text in [
        &br#"{"type":"ping","id":7}"#[..],
        b"{",
        br#"{"type":"endpoints"}"#,
    ] {
        assert!(world.peer(n).send(now, "thingway", false, text));
    }
    world.until("answers", SOON, |w| w.peer(n).control.len() == 4);
    let kinds: Vec<_> = world
        .peer(n)
        .control
        .iter()
        .map(|m| m["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["hello", "pong", "error", "endpoints"]);
    assert_eq!(world.peer(n).control[1]["id"], 7);
    assert!(
        world
            .peer(n)
            .send(now, "thingway", false, br#"{"type":"hello","v":9}"#)
    );
    world.until("closed", SOON, |w| w.peer(n).channels["thingway"].closed);
    let last = world.peer(n).told("error").pop().cloned().unwrap();
    assert_eq!(
        last["reason"], "unsupported-version",
        "told before it is closed"
    );
}

#[test]
fn delete_ends_a_session_and_the_peer_hears_of_it() {
    let mut world = World::new(7, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 7);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let path = format!("/sessions/{}", world.clients[n].session);
    let answer = world.request(format!("DELETE {path} HTTP/1.1\r\nHost: board\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.until("closed", SOON, |w| w.peer(n).closed);
    let answer = world.request(format!("GET {path} HTTP/1.1\r\nHost: board\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[test]
fn stopping_delivers_what_is_on_its_way_then_closes_with_a_reason() {
    let mut world = World::new(8, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 8);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    world.tty("/dev/arm").rate = 10;
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", &[7; 10_000]));
    world.until("arrived", SOON, |w| !w.tty("/dev/arm").written.is_empty());
    let now = world.now;
    world.gateway.handle_shutdown(now);
    world.until("done", Duration::from_secs(6), |w| w.exit.is_some());
    assert_eq!(world.exit, Some(Exit::Done));
    assert_eq!(
        world.tty("/dev/arm").written.len(),
        10_000,
        "the device got everything"
    );
    world.until("closed", SOON, |w| w.peer(n).closed);
    let closed = world.peer(n).told("closed");
    assert_eq!(closed[0]["reason"], "shutdown");
}

#[test]
fn a_closed_channel_still_delivers_what_was_sent_before() {
    let mut world = World::new(11, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 11);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    world.tty("/dev/arm").rate = 40;
    let mut sent = 0;
    while sent < 200_000 {
        let now = world.now;
        if world.peer(n).send_within_credit(now, "arm", &[7; 1_000]) {
            sent += 1_000;
        } else {
            world.step();
        }
    }
    let now = world.now;
    world.peer(n).close_channel(now, "arm");
    world.until("no route", Duration::from_secs(10), |w| {
        w.get("/endpoints/arm")["routes"] == 0
    });
    assert!(
        world.tty("/dev/arm").written.len() < 200_000,
        "or it shows nothing"
    );
    world.until("the last page", Duration::from_secs(20), |w| {
        w.tty("/dev/arm").written.len() == 200_000
    });
    let metrics = world.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
    assert!(metrics.contains("thingway_channels 0\n"), "{metrics}");
}

#[test]
fn a_session_that_never_connects_is_dropped_in_time() {
    let mut world = World::new(9, &format!("[limits]\nconnect_timeout_s = 3\n{DEMO}"));
    let n = world.connect(&[reliable("demo")], good(), 9);
    world.clients[n].frozen = true;
    world.run(Duration::from_millis(2_900));
    assert_eq!(
        world.get("/sessions")["sessions"].as_array().unwrap().len(),
        1
    );
    world.run(Duration::from_millis(200));
    assert_eq!(
        world.get("/sessions")["sessions"].as_array().unwrap().len(),
        0
    );
}

#[test]
fn idle_sessions_hardly_wake_the_daemon() {
    let mut world = World::new(10, DEMO);
    for n in 0..4 {
        world.connect(&[reliable("demo")], good(), n);
    }
    world.until("open", SOON, |w| {
        (0..4).all(|n| w.peer(n).channels["demo"].open)
    });
    world.run(Duration::from_secs(5));
    let (mut wakeups, end) = (0, world.now + Duration::from_secs(60));
    while world.now < end {
        if world
            .gateway
            .poll_timeout()
            .is_some_and(|at| at <= world.now + Duration::from_micros(1))
        {
            wakeups += 1;
        }
        world.step();
    }
    let per_session = f64::from(wakeups) / 60.0 / 4.0;
    assert!(
        per_session <= 2.0,
        "{per_session} wake-ups per second and session"
    );
}

#[test]
fn fragments_of_another_generation_and_too_many_candidates_are_refused() {
    let mut world = World::new(14, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 14);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let path = format!("/sessions/{}", world.clients[n].session);
    let mut patch = |body: String| {
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: board\r\nContent-Length: {}\r\n\
             Content-Type: application/trickle-ice-sdpfrag\r\n\r\n",
            body.len()
        );
        let answer = world.request((head + &body).as_bytes());
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let candidate = "a=candidate:1 1 udp 2113937151 198.51.100.7 6000 typ host\r\n";
    assert_eq!(patch(candidate.to_owned()), "204");
    assert_eq!(patch(format!("a=ice-ufrag:other\r\n{candidate}")), "501");
    assert_eq!(patch(candidate.repeat(65)), "400");
}

#[test]
fn a_device_that_speaks_by_itself_wakes_an_idle_session() {
    let mut world = World::new(15, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 15);
    world.until("greeting", SOON, |w| w.peer(n).text("demo").ends_with("> "));
    let now = world.now;
    assert!(world.peer(n).send(now, "demo", false, b"temp on\n"));
    world.run(Duration::from_millis(100));
    for _ in 0..3 {
        let before = world.peer(n).text("demo").len();
        world.run(Duration::from_millis(1_030));
        let text = world.peer(n).text("demo");
        assert!(text[before..].contains("temp"), "{text}");
    }
}

#[test]
fn a_session_that_is_deleted_hears_why_before_its_association_ends() {
    let mut world = World::new(40, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 40);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    world.delete(n);
    assert!(!world.peer(n).closed, "not in the same moment");
    world.until("told", SOON, |w| !w.peer(n).told("bye").is_empty());
    assert!(!world.peer(n).closed, "first the reason");
    world.until("closed", SOON, |w| w.peer(n).closed);
}
