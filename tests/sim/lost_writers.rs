//! Leases and dead-man switches whose writer leaves, stays silent, or asks in a loop.

use crate::peer::reliable;
use crate::sessions::ARM;
use crate::tangles::{DEAD, SOON, ask, connect, write};
use crate::world::World;
use serde_json::json;
use std::time::Duration;
use thingway::testing::config::Config;
use thingway::testing::endpoint::line::{Flush, LineStep};

/// Checks the order of calls of io::EventLoop: timers, then ready sources are read *and written*, then
/// commands.
#[test]
fn the_stop_is_not_written_before_the_driver_is_flushed() {
    let mut world = World::new(
        1,
        &format!("{ARM}deadman = {{ timeout_ms = 250, send = \"STOP\\n\" }}\n"),
    );
    let n = connect(&mut world, "arm", 1);
    write(&mut world, n, "arm", b"go\n");
    world.settle();
    let at = world.now + Duration::from_secs(1);
    world.now = at;
    world.gateway.handle_timeout(at);
    // Acts like read_ready: the tty has sent bytes, and is written to in the same step.
    let source = world.tty("/dev/arm").source().unwrap();
    world.gateway.handle_data(at, source, b"telemetry");
    let output = world.gateway.output(source).to_vec();
    world.tty("/dev/arm").written.extend_from_slice(&output);
    world.gateway.consume(at, source, output.len());
    world.settle();
    let steps = world.tty("/dev/arm").steps.clone();
    let flush = steps
        .iter()
        .find(|s| s.2 == LineStep::Flush(Flush::Output))
        .unwrap();
    assert_eq!(flush.1, 3, "flushed with the stop in the driver");
}

#[test]
fn a_lease_that_was_given_back_stays_so() {
    let mut world = World::new(
        5,
        &format!("{ARM}writers = \"one\"\ndeadman = {{ timeout_ms = 1000, send = \"STOP\\n\" }}\n"),
    );
    let a = connect(&mut world, "arm", 1);
    write(&mut world, a, "arm", b"go\n");
    ask(
        &mut world,
        a,
        &json!({"type": "lease", "endpoint": "arm", "do": "release"}),
    );
    assert!(world.get("/endpoints/arm")["lease"].is_null());
    ask(&mut world, a, &json!({"type": "heartbeat"}));
    assert!(
        world.get("/endpoints/arm")["lease"].is_null(),
        "taken again by a heartbeat"
    );
}

#[test]
fn heartbeats_count_for_a_connection_of_ones_own() {
    let ssh = "[[endpoint]]\nname = \"ssh\"\nkind = \"tcp\"\nremote = \"192.0.2.7:22\"\nconnection = \"channel\"\n\
               deadman = { timeout_ms = 500, send = \"STOP\\n\" }\n";
    let mut world = World::new(6, ssh);
    let n = connect(&mut world, "ssh", 1);
    write(&mut world, n, "ssh", b"go\n");
    for _ in 0..20 {
        ask(&mut world, n, &json!({"type": "heartbeat"}));
    }
    assert_eq!(
        String::from_utf8_lossy(&world.tty("192.0.2.7:22").written),
        "go\n"
    );
}

#[test]
fn a_lease_in_a_loop_disturbs_nobody() {
    let mut world = World::new(9, &format!("{ARM}writers = \"one\"\n"));
    let (a, b) = (connect(&mut world, "arm", 1), connect(&mut world, "arm", 2));
    for _ in 0..40 {
        for i in 0..400 {
            let what = if i % 2 == 0 { "take" } else { "release" };
            let text = json!({"type": "lease", "endpoint": "arm", "do": what}).to_string();
            let now = world.now;
            world.peer(a).send(now, "thingway", false, text.as_bytes());
        }
        world.run(Duration::from_millis(100));
    }
    assert!(
        !world.peer(b).channels["thingway"].closed,
        "b's control channel was closed"
    );
    let told = world.peer(b).told("lease").len();
    assert!(told < 1000, "b was told {told} times in 4 s");
}

/// Checks that a peer with a poor link keeps its control channel while another peer takes and releases the
/// lease in a loop.
#[test]
fn a_lease_in_a_loop_costs_a_slow_reader_nothing() {
    let mut world = World::new(9, &format!("{ARM}writers = \"one\"\n"));
    let (a, b) = (connect(&mut world, "arm", 1), connect(&mut world, "arm", 2));
    world.clients[b].frozen = true;
    for _ in 0..4 {
        for i in 0..400 {
            let what = if i % 2 == 0 { "take" } else { "release" };
            let text = json!({"type": "lease", "endpoint": "arm", "do": what}).to_string();
            let now = world.now;
            world.peer(a).send(now, "thingway", false, text.as_bytes());
        }
        world.run(Duration::from_millis(250));
    }
    world.clients[b].frozen = false;
    world.run(Duration::from_secs(10));
    assert!(
        !world.peer(b).channels["thingway"].closed,
        "one second of a stall cost its control channel"
    );
}

/// Checks that only a heartbeat with the newest stop lifts the stop.
#[test]
fn an_older_stop_lifts_nothing() {
    let mut world = World::new(
        21,
        &format!("{ARM}deadman = {{ timeout_ms = 250, send = \"STOP\\n\" }}\n"),
    );
    let n = connect(&mut world, "arm", 21);
    write(&mut world, n, "arm", b"a\n");
    world.run(Duration::from_millis(500));
    ask(&mut world, n, &json!({"type": "heartbeat", "fired": 1}));
    write(&mut world, n, "arm", b"b\n");
    world.run(Duration::from_millis(500));
    ask(&mut world, n, &json!({"type": "heartbeat", "fired": 1}));
    write(&mut world, n, "arm", b"c\n");
    assert_eq!(world.tty("/dev/arm").written, b"a\nSTOP\nb\nSTOP\n");
}

/// Checks that a lease stays as long as one channel of its session exists.
#[test]
fn one_of_two_channels_keeps_the_lease() {
    let mut world = World::new(23, &format!("{ARM}writers = \"one\"\n"));
    let n = connect(&mut world, "arm", 23);
    let now = world.now;
    world.peer(n).open_as(now, "second", reliable("arm"));
    world.until("open", SOON, |w| w.peer(n).channels["second"].open);
    write(&mut world, n, "arm", b"go");
    let now = world.now;
    world.peer(n).close_channel(now, "second");
    world.run(Duration::from_millis(200));
    assert!(!world.get("/endpoints/arm")["lease"].is_null());
}

/// Checks that waiting messages also count as messages for the dead-man switch.
#[test]
fn who_sends_is_not_silent_though_its_bytes_wait() {
    let mut world = World::new(
        24,
        &format!("{ARM}deadman = {{ timeout_ms = 1000, send = \"STOP\\n\" }}\n"),
    );
    let n = connect(&mut world, "arm", 24);
    world.tty("/dev/arm").rate = 0;
    assert_eq!(world.fill(n, "arm", 1_000, 135_000), 135_000);
    for _ in 0..6 {
        let now = world.now;
        assert!(world.peer(n).send_within_credit(now, "arm", b"x"));
        world.run(Duration::from_millis(500));
    }
    assert!(world.peer(n).told("deadman").is_empty());
}

#[test]
fn a_reload_does_not_disarm_the_dead_man() {
    let mut world = World::new(15, &format!("{ARM}{DEAD}"));
    let n = connect(&mut world, "arm", 15);
    write(&mut world, n, "arm", b"go\n");
    let config = Config::parse(&format!("{ARM}lag = \"skip\"\n{DEAD}")).map_err(|_| Vec::new());
    world.gateway.handle_reload(world.now, config);
    world.run(Duration::from_secs(5));
    assert_eq!(
        String::from_utf8_lossy(&world.tty("/dev/arm").written),
        "go\nSTOP\n"
    );
}

#[test]
fn a_shutdown_stops_the_machine() {
    let mut world = World::new(15, &format!("{ARM}{DEAD}"));
    let n = connect(&mut world, "arm", 15);
    write(&mut world, n, "arm", b"go\n");
    world.gateway.handle_shutdown(world.now);
    world.until("exit", Duration::from_secs(20), |w| w.exit.is_some());
    assert_eq!(
        String::from_utf8_lossy(&world.tty("/dev/arm").written),
        "go\nSTOP\n"
    );
}
