//! The sessions that may write, and the stop of a machine whose driver is silent.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::endpoint::line::{Flush, LineStep};

use crate::peer::{reliable, unreliable};
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn one_writer() -> String {
    format!("{ARM}writers = \"one\"\n")
}

fn dead_man(ms: u32) -> String {
    format!("{ARM}deadman = {{ timeout_ms = {ms}, send = \"STOP\\n\" }}\n")
}

fn connect(world: &mut World, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    n
}

fn ask(world: &mut World, n: usize, request: &Value) {
    let now = world.now;
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
    world.run(Duration::from_millis(50));
}

fn write(world: &mut World, n: usize, bytes: &[u8]) {
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", bytes));
    world.run(Duration::from_millis(50));
}

fn written(world: &mut World) -> String {
    String::from_utf8_lossy(&world.tty("/dev/arm").written).into_owned()
}

/// Returns a peer's last message about the lease: the holder, and whether the peer itself is the holder.
fn lease(world: &mut World, n: usize) -> (Option<String>, bool) {
    let told = world.peer(n).told("lease");
    let last = told.last().expect("told");
    let holder = last["holder"].as_str().map(str::to_owned);
    (holder, last["yours"].as_bool().unwrap())
}

#[test]
fn who_writes_first_has_the_lease_until_it_leaves() {
    let mut world = World::new(1, &one_writer());
    let (a, b) = (connect(&mut world, 1), connect(&mut world, 2));
    assert_eq!(lease(&mut world, a), (None, false));
    write(&mut world, a, b"a");
    write(&mut world, b, b"b");
    assert_eq!(written(&mut world), "a");
    let name = world.clients[a].session.clone();
    assert_eq!(lease(&mut world, a), (Some(name.clone()), true));
    assert_eq!(lease(&mut world, b), (Some(name.clone()), false));
    assert_eq!(world.get("/endpoints/arm")["lease"], name.as_str());
    assert_eq!(world.dropped("no-lease"), 1);
    world.run(Duration::from_secs(1));
    assert_eq!(world.peer(b).told("dropped")[0]["reason"], "no-lease");
    assert!(world.peer(b).channels["arm"].open, "it may still read");

    let now = world.now;
    world.peer(a).close_channel(now, "arm");
    world.run(Duration::from_millis(100));
    assert_eq!(lease(&mut world, b), (None, false));
    write(&mut world, b, b"c");
    assert_eq!(written(&mut world), "ac");
}

#[test]
fn a_lease_is_taken_given_and_taken_over() {
    let mut world = World::new(2, &one_writer());
    let (a, b) = (connect(&mut world, 1), connect(&mut world, 2));
    let names = [a, b].map(|n| world.clients[n].session.clone());
    let lease_request = |what: &str| json!({"type": "lease", "endpoint": "arm", "do": what});
    ask(&mut world, a, &lease_request("take"));
    assert!(lease(&mut world, a).1);
    ask(&mut world, b, &lease_request("take"));
    let error = world.peer(b).told("error").pop().unwrap();
    assert_eq!(error["reason"], "lease-held");
    assert!(error["detail"].as_str().unwrap().contains(&names[0]));
    ask(&mut world, b, &lease_request("release"));
    assert!(lease(&mut world, a).1, "only who has it can release it");

    let mut give = lease_request("give");
    give["to"] = names[1].as_str().into();
    ask(&mut world, a, &give);
    assert_eq!(lease(&mut world, a), (Some(names[1].clone()), false));
    assert!(lease(&mut world, b).1);
    let mut force = lease_request("take");
    force["force"] = true.into();
    ask(&mut world, a, &force);
    assert!(lease(&mut world, a).1);
    ask(&mut world, a, &lease_request("release"));
    assert_eq!(lease(&mut world, b), (None, false));

    give["to"] = "nobody".into();
    for (request, reason) in [
        (give, "unknown-session"),
        (lease_request("steal"), "bad-request"),
        (json!({"type": "lease", "do": "take"}), "bad-request"),
        (
            json!({"type": "lease", "endpoint": "leg", "do": "take"}),
            "unknown-endpoint",
        ),
    ] {
        ask(&mut world, a, &lease_request("take"));
        ask(&mut world, a, &request);
        let error = world.peer(a).told("error").pop().unwrap();
        assert_eq!(error["reason"], reason, "{request}");
    }
    // An operator may do the same over HTTP.
    let body = r#"{"do":"release"}"#;
    let request = format!(
        "POST /endpoints/arm/lease HTTP/1.1\r\nHost: board\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = world.request(request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    world.run(Duration::from_millis(50));
    assert_eq!(lease(&mut world, a), (None, false));
}

#[test]
fn a_writer_that_falls_silent_stops_the_machine_to_the_millisecond() {
    let mut world = World::new(3, &dead_man(250));
    let n = connect(&mut world, 3);
    let before = world.now;
    world.run(Duration::from_secs(1));
    assert_eq!(
        written(&mut world),
        "",
        "nobody has written: nothing to stop"
    );
    assert!(world.now > before);
    write(&mut world, n, b"go\n");
    for _ in 0..10 {
        ask(&mut world, n, &json!({"type": "heartbeat"}));
        world.run(Duration::from_millis(150));
    }
    assert_eq!(written(&mut world), "go\n");
    assert_eq!(world.get("/endpoints/arm")["deadman"]["armed"], true);
    let now = world.now;
    assert!(
        world
            .peer(n)
            .send(now, "thingway", false, br#"{"type":"heartbeat"}"#)
    );
    world.until("stopped", SOON, |w| written(w) == "go\nSTOP\n");
    // The heartbeat took 5 ms to arrive.
    assert_eq!(world.now - now, Duration::from_millis(255));
    world.run(Duration::from_millis(50));
    assert_eq!(world.peer(n).told("deadman").len(), 1);
    let endpoint = world.get("/endpoints/arm");
    assert_eq!(endpoint["deadman"]["fired"], 1);
    assert_eq!(endpoint["deadman"]["armed"], false);

    // What the peer sent before it knows of the stop is stale, including its heartbeats.
    assert_eq!(world.peer(n).told("deadman")[0]["fired"], 1);
    write(&mut world, n, b"go on\n");
    ask(&mut world, n, &json!({"type": "heartbeat"}));
    write(&mut world, n, b"go on\n");
    let script = json!({"type": "line", "id": 1, "endpoint": "arm", "do": [{"dtr": true}]});
    ask(&mut world, n, &script);
    assert_eq!(world.peer(n).told("line")[0]["reason"], "deadman");
    assert_eq!(written(&mut world), "go\nSTOP\n");
    assert_eq!(world.dropped("deadman"), 12);
    let knows = json!({"type": "heartbeat", "endpoint": "arm", "fired": 1});
    ask(&mut world, n, &knows);
    write(&mut world, n, b"again\n");
    assert_eq!(written(&mut world), "go\nSTOP\nagain\n");
    ask(
        &mut world,
        n,
        &json!({"type": "heartbeat", "endpoint": "arm", "stop": true}),
    );
    world.run(Duration::from_secs(2));
    assert_eq!(
        written(&mut world),
        "go\nSTOP\nagain\n",
        "at rest by its own word"
    );
}

#[test]
fn the_stop_overtakes_everything_that_waits() {
    let mut world = World::new(4, &dead_man(3_000));
    let n = connect(&mut world, 4);
    world.tty("/dev/arm").rate = 0;
    assert_eq!(world.fill(n, "arm", 1_000, 300_000), 300_000);
    let request = json!({
        "type": "line", "id": 1, "endpoint": "arm", "after": 300_000, "do": [{"dtr": false}],
    });
    ask(&mut world, n, &request);
    world.run(Duration::from_secs(4));
    world.tty("/dev/arm").rate = 1_000;
    world.run(Duration::from_secs(1));
    assert!(written(&mut world) == "STOP\n", "and nothing before it");
    assert_eq!(world.dropped("deadman"), 300_000);
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
    let answer = world.peer(n).told("line").pop().expect("an answer");
    assert_eq!(answer["ok"], false);
    // The bytes in the driver were discarded before the stop was written.
    let steps = world.tty("/dev/arm").steps.clone();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0].1, 0, "{steps:?}");
}

#[test]
fn a_writer_that_leaves_is_silent_too() {
    for leave in [World::delete, vanish, close_channel] {
        let mut world = World::new(5, &dead_man(250));
        let n = connect(&mut world, 5);
        write(&mut world, n, b"go\n");
        leave(&mut world, n);
        world.run(Duration::from_millis(300));
        assert_eq!(written(&mut world), "go\nSTOP\n");
        world.run(Duration::from_secs(2));
        assert_eq!(written(&mut world), "go\nSTOP\n", "once is enough");
    }
}

fn vanish(world: &mut World, n: usize) {
    world.clients[n].frozen = true;
}

fn close_channel(world: &mut World, n: usize) {
    let now = world.now;
    world.peer(n).close_channel(now, "arm");
}

#[test]
fn a_datagram_device_is_stopped_as_well() {
    let rover = "[[endpoint]]\nname = \"rover\"\nkind = \"udp\"\nremote = \"127.0.0.1:14550\"\n\
                 deadman = { timeout_ms = 100, send_hex = \"00 ff\" }\n";
    let mut world = World::new(6, rover);
    let n = world.connect(&[reliable("thingway"), unreliable("rover")], good(), 6);
    world.until("open", SOON, |w| w.peer(n).channels["rover"].open);
    let now = world.now;
    assert!(world.peer(n).send(now, "rover", true, b"go"));
    // The device of this world echoes.
    world.until("both", SOON, |w| {
        w.peer(n).channels["rover"].received.len() == 2
    });
    let received = &world.peer(n).channels["rover"].received;
    assert_eq!(received[1].1, b"\x00\xff");
}

#[test]
fn a_stop_leaves_no_break_and_no_reset_behind() {
    let mut world = World::new(7, &dead_man(250));
    let n = connect(&mut world, 7);
    write(&mut world, n, b"go\n");
    let steps = json!([{"dtr": false}, {"break_ms": 3_000}, {"dtr": true}, {"wait_ms": 900}]);
    ask(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": steps}),
    );
    world.run(Duration::from_millis(500));
    assert_eq!(world.peer(n).told("line")[0]["ok"], false);
    let done: Vec<_> = world
        .tty("/dev/arm")
        .steps
        .iter()
        .map(|(.., step)| *step)
        .collect();
    let modem = |on| LineStep::Modem {
        dtr: Some(on),
        rts: None,
    };
    let expected = [
        modem(false),
        LineStep::Break(true),
        LineStep::Break(false),
        modem(true),
        LineStep::Flush(Flush::Output),
    ];
    assert_eq!(done, expected);
    assert_eq!(written(&mut world), "go\nSTOP\n");
}

#[test]
fn a_device_that_is_not_there_cannot_be_stopped() {
    let mut world = World::new(8, &dead_man(250));
    let n = connect(&mut world, 8);
    write(&mut world, n, b"go\n");
    world.unplug("/dev/arm");
    world.run(Duration::from_secs(1));
    assert_eq!(world.get("/endpoints/arm")["deadman"]["fired"], 0);
    assert_eq!(world.get("/endpoints/arm")["deadman"]["armed"], false);
    assert!(world.peer(n).told("deadman").is_empty());
}

#[test]
fn who_has_no_lease_may_look_at_the_line_and_no_more() {
    let mut world = World::new(9, &one_writer());
    let (a, b) = (connect(&mut world, 1), connect(&mut world, 2));
    write(&mut world, a, b"a");
    for (id, steps, ok) in [(1, json!([]), true), (2, json!([{"baud": 9_600}]), false)] {
        ask(
            &mut world,
            b,
            &json!({"type": "line", "id": id, "endpoint": "arm", "do": steps}),
        );
        let told = world.peer(b).told("line").pop().expect("an answer").clone();
        assert_eq!(
            (&told["id"], &told["ok"]),
            (&id.into(), &ok.into()),
            "{told}"
        );
    }
    assert_eq!(world.peer(b).told("line")[1]["reason"], "no-lease");
    assert!(world.tty("/dev/arm").steps.is_empty());
    // A message to an absent line takes no lease.
    world.delete(a);
    world.unplug("/dev/arm");
    write(&mut world, b, b"b");
    assert!(world.get("/endpoints/arm")["lease"].is_null());
}
