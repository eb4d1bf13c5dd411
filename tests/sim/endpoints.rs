//! Framing, scrollback, lag, probes and sockets, through the whole gateway.

use std::time::Duration;

use thingway::testing::endpoint::{Failure, FailureKind};
use thingway::testing::ids::SourceId;

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn open(world: &mut World, label: &str, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable(label)], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels[label].credit.is_some());
    n
}

fn messages(world: &mut World, n: usize, label: &str) -> Vec<Vec<u8>> {
    let received = &world.peer(n).channels[label].received;
    received.iter().map(|(_, bytes)| bytes.clone()).collect()
}

#[test]
fn lines_arrive_one_by_one_however_they_came() {
    let mut world = World::new(1, &format!("{ARM}framing = \"line\"\nmax_message = 10\n"));
    let n = open(&mut world, "arm", 1);
    for piece in ["ok\r\nT:2", "1.5\n\nlong", "er than ten\nrest"] {
        world.device_sends("/dev/arm", piece.as_bytes());
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(1));
    let lines: [&[u8]; 5] = [b"ok\r\n", b"T:21.5\n", b"\n", b"longer tha", b"n ten\n"];
    assert_eq!(messages(&mut world, n, "arm"), lines);
    assert_eq!(world.get("/endpoints/arm")["cut_frames"], 1);
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, b"no newline"));
    world.until("as it is", SOON, |w| {
        w.tty("/dev/arm").written == b"no newline"
    });
}

#[test]
fn an_impossible_length_is_shown_and_a_silence_ends_it() {
    let mut world = World::new(
        31,
        &format!("{ARM}framing = \"length\"\nlength_bytes = 4\n"),
    );
    let n = open(&mut world, "arm", 31);
    world.device_sends("/dev/arm", b"\xff\xff\xff\xff\0\0\0\x02no");
    world.run(Duration::from_millis(500));
    assert_eq!(messages(&mut world, n, "arm"), [b""; 0]);
    let shown = world.get("/endpoints/arm");
    assert_eq!(
        (&shown["skipping"], &shown["bad_frames"]),
        (&(u32::MAX - 6).into(), &1.into())
    );
    world.run(Duration::from_secs(1));
    assert_eq!(world.get("/endpoints/arm")["skipping"], 0);
    world.device_sends("/dev/arm", b"\0\0\0\x02ok");
    world.until("the next one", SOON, |w| messages(w, n, "arm") == [b"ok"]);
}

#[test]
fn frames_that_make_no_sense_are_counted_and_the_next_ones_arrive() {
    let mut world = World::new(2, &format!("{ARM}framing = \"cobs\"\nmax_message = 100\n"));
    let n = open(&mut world, "arm", 2);
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, b"a\0b"));
    world.until("encoded", SOON, |w| {
        w.tty("/dev/arm").written == b"\x02a\x02b\0"
    });
    world.device_sends("/dev/arm", b"\x09bad\0\x02a\x02b\0");
    world.until("decoded", SOON, |w| messages(w, n, "arm") == [b"a\0b"]);
    assert_eq!(world.get("/endpoints/arm")["bad_frames"], 1);
    let labels = "{direction=\"to_peer\",reason=\"bad-frame\"}";
    assert_eq!(
        world.metric(&format!("thingway_dropped_bytes_total{labels}")),
        5
    );
    // The message is larger than a frame may be. The message is refused and reported, and the channel stays
    // open.
    let now = world.now;
    assert!(world.peer(n).send(now, "arm", true, &[1; 101]));
    world.until("told", SOON, |w| !w.peer(n).told("dropped").is_empty());
    assert_eq!(world.peer(n).told("dropped")[0]["reason"], "too-large");
    assert!(world.peer(n).channels["arm"].open);
}

#[test]
fn an_idle_gap_ends_a_message() {
    let mut world = World::new(3, &format!("{ARM}framing = \"idle-gap\"\ngap_ms = 20\n"));
    let n = open(&mut world, "arm", 3);
    world.device_sends("/dev/arm", b"one ");
    world.device_sends("/dev/arm", b"message");
    let begun = world.now;
    world.until("a message", SOON, |w| !messages(w, n, "arm").is_empty());
    assert_eq!(messages(&mut world, n, "arm"), [b"one message"]);
    let took = (world.now - begun).as_millis();
    assert!((20..28).contains(&took), "{took} of 20 ms and the way");
}

#[test]
fn the_first_bytes_go_at_once_and_a_few_behind_them_wait_for_more() {
    let mut world = World::new(3, &format!("{ARM}latency_ms = 15\n"));
    let n = open(&mut world, "arm", 3);
    world.device_sends("/dev/arm", b"first ");
    world.device_sends("/dev/arm", b"one ");
    world.device_sends("/dev/arm", b"message");
    let begun = world.now;
    world.until("two messages", SOON, |w| messages(w, n, "arm").len() == 1);
    assert!((world.now - begun).as_millis() < 8, "only the way");
    world.until("two messages", SOON, |w| messages(w, n, "arm").len() == 2);
    let took = (world.now - begun).as_millis();
    assert!((15..23).contains(&took), "{took} of 15 ms and the way");
    let all = messages(&mut world, n, "arm");
    assert_eq!(all, [&b"first "[..], b"one message"]);
}

#[test]
fn who_comes_late_sees_the_end_of_the_past() {
    let mut world = World::new(4, &format!("{ARM}scrollback = 1000\n"));
    world.device_sends("/dev/arm", &[b'.'; 5_000]);
    world.device_sends("/dev/arm", b"login: ");
    let n = open(&mut world, "arm", 4);
    world.until("a prompt", SOON, |w| {
        w.peer(n).text("arm").ends_with("login: ")
    });
    assert_eq!(world.peer(n).channels["arm"].bytes.len(), 1_000);
}

#[test]
fn a_route_that_lags_is_closed_or_skips_as_it_was_told() {
    for lag in ["close", "skip"] {
        let mut world = World::new(5, &format!("{ARM}lag = \"{lag}\"\n"));
        let n = open(&mut world, "arm", 5);
        world.clients[n].frozen = true;
        for _ in 0..50 {
            world.device_sends("/dev/arm", &[7; 16_000]);
            world.run(Duration::from_millis(20));
        }
        world.device_sends("/dev/arm", b"the end");
        world.clients[n].frozen = false;
        if lag == "close" {
            world.until("closed", SOON, |w| w.peer(n).channels["arm"].closed);
            let closed = world.peer(n).told("closed");
            assert_eq!(closed[0]["reason"], "lagged");
        } else {
            world.until("the end", Duration::from_secs(20), |w| {
                w.peer(n).channels["arm"].bytes.ends_with(b"the end")
            });
            world.run(Duration::from_secs(2));
            let bytes = world.peer(n).channels["arm"].bytes.len();
            let dropped = world.peer(n).told("dropped");
            let lost = dropped.last().expect("told")["bytes"].as_u64().unwrap();
            assert_eq!(
                bytes as u64 + lost,
                50 * 16_000 + 7,
                "every byte is one or the other"
            );
        }
    }
}

#[test]
fn probes_measure_without_a_device() {
    let kinds = ["echo", "sink", "source"];
    let config: String = kinds
        .iter()
        .map(|kind| format!("[[endpoint]]\nname = \"{kind}\"\nkind = \"{kind}\"\n"))
        .collect();
    let mut world = World::new(6, &config);
    let channels = ["thingway", "echo", "sink", "source"].map(reliable);
    let n = world.connect(&channels, good(), 6);
    world.until("open", SOON, |w| {
        kinds
            .iter()
            .all(|kind| w.peer(n).channels[*kind].credit.is_some())
    });
    let now = world.now;
    assert!(world.peer(n).send(now, "echo", false, b"hello"));
    assert!(world.peer(n).send(now, "source", false, b"send 1000 300"));
    world.until("answers", SOON, |w| {
        w.peer(n).channels["echo"].bytes == b"hello"
            && w.peer(n).channels["source"].bytes.len() == 300_000
    });
    assert_eq!(world.fill(n, "sink", 50_000, 1_000_000), 1_000_000);
    let now = world.now;
    assert!(world.peer(n).send(now, "sink", false, b"end"));
    world.until("counted", SOON, |w| {
        w.peer(n).text("sink") == "done:1000000"
    });
    // Send a megabyte and receive its echo, within the credit.
    let sent = world.fill(n, "echo", 1_000, 1_000_000);
    assert_eq!(sent, 1_000_000);
    world.until("back", SOON, |w| {
        w.peer(n).channels["echo"].bytes.len() == 1_000_005
    });
}

#[test]
fn who_does_not_read_its_echo_holds_up_nobody_else() {
    let mut world = World::new(7, "[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n");
    let (slow, quick) = (open(&mut world, "echo", 1), open(&mut world, "echo", 2));
    let sent = world.fill(slow, "echo", 60_000, 120_000);
    assert_eq!(sent, 120_000);
    world.clients[slow].frozen = true;
    for _ in 0..8 {
        let now = world.now;
        // The peer keeps sending and does not read.
        world
            .peer(slow)
            .send_within_credit(now, "echo", &[1; 60_000]);
        world.run(Duration::from_millis(200));
    }
    assert_eq!(world.fill(quick, "echo", 10_000, 500_000), 500_000);
    world.until("back", SOON, |w| {
        w.peer(quick).channels["echo"].bytes.len() == 500_000
    });
}

#[test]
fn a_program_that_closes_its_connection_is_connected_to_again() {
    let tcp = "[[endpoint]]\nname = \"plc\"\nkind = \"tcp\"\nremote = \"192.0.2.7:502\"\n";
    let mut world = World::new(8, tcp);
    let n = open(&mut world, "plc", 8);
    world.device_sends("192.0.2.7:502", b"hello");
    world.until("hello", SOON, |w| w.peer(n).text("plc") == "hello");
    let now = world.now;
    let source = world.tty("192.0.2.7:502").source().expect("connected");
    world.gateway.handle_closed(now, source);
    world.settle();
    assert_eq!(world.get("/endpoints/plc")["state"], "absent");
    world.until("again", SOON, |w| w.tty("192.0.2.7:502").opened == 2);
    assert!(world.peer(n).channels["plc"].open);
    let now = world.now;
    assert!(world.peer(n).send(now, "plc", true, b"again"));
    world.until("written", SOON, |w| {
        w.tty("192.0.2.7:502").written == b"again"
    });
}

#[test]
fn a_program_connects_to_us_one_at_a_time() {
    let tcp = "[[endpoint]]\nname = \"plc\"\nkind = \"tcp\"\nlisten = \"127.0.0.1:2000\"\n";
    let mut world = World::new(9, tcp);
    let n = open(&mut world, "plc", 9);
    let listener = world.tty("127.0.0.1:2000").source().expect("listening");
    assert_eq!(world.get("/endpoints/plc")["state"], "absent");
    let now = world.now;
    let program = world
        .gateway
        .handle_device_accept(now, listener)
        .expect("the first");
    assert_eq!(world.gateway.handle_device_accept(now, listener), None);
    world.gateway.handle_data(now, program, b"here I am");
    world.settle();
    world.until("heard", SOON, |w| w.peer(n).text("plc") == "here I am");
    assert_eq!(world.get("/endpoints/plc")["state"], "open");
    let gone = Failure::new(FailureKind::Absent, "it has gone");
    let now = world.now;
    world.gateway.handle_failed(now, program, &gone);
    world.settle();
    assert_eq!(world.get("/endpoints/plc")["state"], "absent");
    let now = world.now;
    assert!(world.gateway.handle_device_accept(now, listener).is_some());
    assert_eq!(world.tty("127.0.0.1:2000").opened, 1, "the listener stayed");
}

#[test]
fn a_udp_program_without_an_address_is_answered_where_it_spoke_last() {
    let udp = "[[endpoint]]\nname = \"sensor\"\nkind = \"udp\"\nbind = \"127.0.0.1:6000\"\n";
    let mut world = World::new(10, udp);
    let n = open(&mut world, "sensor", 10);
    let now = world.now;
    assert!(world.peer(n).send(now, "sensor", true, b"anybody?"));
    world.until("refused", SOON, |w| w.dropped("absent") == 8);
    world.udp_device_sends_from("127.0.0.1:6000", "127.0.0.9:7000", b"me");
    world.until("heard", SOON, |w| w.peer(n).text("sensor") == "me");
    let endpoint = world.get("/endpoints/sensor");
    assert_eq!(endpoint["remote"], "127.0.0.9:7000");
    assert_eq!(endpoint["state"], "open");
}

#[test]
fn a_device_that_talks_to_nobody_fills_nothing() {
    let mut world = World::new(11, ARM);
    for _ in 0..1_000 {
        world.device_sends("/dev/arm", &[b'.'; 16_000]);
    }
    world.device_sends("/dev/arm", b"still here");
    let endpoint = world.get("/endpoints/arm");
    assert_eq!(endpoint["from_device"]["bytes"], 16_000_010);
    assert_eq!(endpoint["queued_bytes"], 0);
    let n = open(&mut world, "arm", 11);
    world.until("the scrollback", SOON, |w| {
        w.peer(n).text("arm").ends_with("still here")
    });
    assert_eq!(world.peer(n).channels["arm"].bytes.len(), 65_536);
}

const SSH: &str = "[[endpoint]]\nname = \"ssh\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\n\
                   connection = \"channel\"\n";

/// Returns the last connection to the program, and how many bytes it was sent.
fn connection(world: &mut World) -> (SourceId, usize) {
    let tty = world.tty("192.0.2.7:22");
    (tty.source().expect("connected"), tty.opened)
}

#[test]
fn every_channel_has_a_connection_of_its_own_if_that_is_wanted() {
    let mut world = World::new(12, SSH);
    assert!(world.ttys.is_empty(), "nobody is called without need");
    let a = world.connect(&[reliable("thingway"), reliable("ssh")], good(), 1);
    world.until("connected", SOON, |w| !w.ttys.is_empty());
    let (first, _) = connection(&mut world);
    let b = world.connect(&[reliable("thingway"), reliable("ssh")], good(), 2);
    world.until("connected", SOON, |w| connection(w).1 == 2);
    let (second, _) = connection(&mut world);
    assert_ne!(first, second);
    for (source, banner) in [(first, "one"), (second, "two")] {
        let now = world.now;
        world.gateway.handle_data(now, source, banner.as_bytes());
        world.settle();
    }
    world.until("each its own", SOON, |w| {
        w.peer(a).text("ssh") == "one" && w.peer(b).text("ssh") == "two"
    });
    assert_eq!(world.get("/endpoints/ssh")["routes"], 2);
    assert_eq!(world.get("/endpoints/ssh")["from_device"]["bytes"], 6);

    // The program closes its connection. Its bytes arrive, then the channel is closed with a reason.
    let now = world.now;
    world.gateway.handle_data(now, first, b" bye");
    world.gateway.handle_closed(now, first);
    world.settle();
    world.until("closed", SOON, |w| w.peer(a).channels["ssh"].closed);
    assert_eq!(world.peer(a).text("ssh"), "one bye");
    assert_eq!(world.peer(a).told("closed")[0]["reason"], "ended");
    assert!(!world.peer(b).channels["ssh"].closed);

    // The peer closes its channel. Its bytes are written, then the connection is closed.
    let now = world.now;
    assert!(world.peer(b).send_within_credit(now, "ssh", b"exit\n"));
    world.peer(b).close_channel(now, "ssh");
    world.until("written", SOON, |w| {
        w.tty("192.0.2.7:22").written == b"exit\n"
    });
    world.until("gone", SOON, |w| w.tty("192.0.2.7:22").source().is_none());
    let endpoint = world.get("/endpoints/ssh");
    assert_eq!(
        (&endpoint["routes"], &endpoint["state"]),
        (&0.into(), &"open".into())
    );
    assert_eq!(endpoint["to_device"]["bytes"], 5, "its counters stay");
    assert_eq!(
        world.tty("192.0.2.7:22").opened,
        2,
        "and nobody is called again"
    );
}

#[test]
fn a_connection_that_cannot_be_made_closes_its_channel() {
    let mut world = World::new(13, SSH);
    world.absent("192.0.2.7:22");
    let n = world.connect(&[reliable("thingway"), reliable("ssh")], good(), 1);
    world.until("closed", SOON, |w| w.peer(n).channels["ssh"].closed);
    let closed = world.peer(n).told("closed");
    assert_eq!(closed[0]["reason"], "ended");
    assert_eq!(closed[0]["detail"], "no such file");
    world.run(Duration::from_secs(20));
    assert_eq!(world.get("/endpoints/ssh")["routes"], 0);
}

#[test]
fn a_frame_without_bytes_is_counted_and_disturbs_nobody() {
    let mut world = World::new(14, &format!("{ARM}framing = \"cobs\"\n"));
    let n = open(&mut world, "arm", 14);
    world.device_sends("/dev/arm", b"\x02a\0\x01\0\x02b\0");
    world.until("both", SOON, |w| messages(w, n, "arm") == [b"a", b"b"]);
    world.until("told", SOON, |w| !w.peer(n).told("dropped").is_empty());
    assert_eq!(world.peer(n).told("dropped")[0]["reason"], "empty");
    let late = open(&mut world, "arm", 15);
    world.until("the past", SOON, |w| {
        messages(w, late, "arm") == [b"a", b"b"]
    });
    assert!(world.peer(n).channels["arm"].open && !world.peer(n).channels["arm"].closed);
}
