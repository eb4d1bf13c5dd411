//! Edge cases of the dead-man switch: which writer is told of the stop, and a machine whose writer has
//! already left.

use std::time::Duration;

use serde_json::json;
use thingway::testing::config::Config;

use crate::configure::send;
use crate::peer::reliable;
use crate::sessions::ARM;
use crate::tangles::{DEAD, SOON, ask, connect, write};
use crate::world::World;

fn written(world: &mut World) -> String {
    String::from_utf8_lossy(&world.tty("/dev/arm").written).into_owned()
}

#[test]
fn who_was_stopped_stays_so_over_a_reload() {
    let mut world = World::new(1, &format!("{ARM}{DEAD}"));
    let n = connect(&mut world, "arm", 1);
    write(&mut world, n, "arm", b"go\n");
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), "go\nSTOP\n");
    let config = Config::parse(&format!("{ARM}lag = \"skip\"\n{DEAD}")).map_err(|_| Vec::new());
    world.gateway.handle_reload(world.now, config);
    world.until("reconfigured", SOON, |w| w.peer(n).channels["arm"].closed);
    let now = world.now;
    world.peer(n).open_as(now, "again", reliable("arm"));
    world.until("open", SOON, |w| {
        w.peer(n).channels["again"].credit.is_some()
    });
    // The peer has not confirmed the stop, so these bytes were meant for a moving machine.
    write(&mut world, n, "again", b"stale\n");
    assert_eq!(written(&mut world), "go\nSTOP\n");
    assert_eq!(world.dropped("deadman"), 6);
    ask(&mut world, n, &json!({"type": "heartbeat", "fired": 1}));
    write(&mut world, n, "again", b"new\n");
    assert_eq!(written(&mut world), "go\nSTOP\nnew\n");
}

#[test]
fn a_shutdown_stops_the_machine_of_a_writer_that_has_gone() {
    let mut world = World::new(2, &format!("{ARM}{DEAD}"));
    let n = connect(&mut world, "arm", 2);
    write(&mut world, n, "arm", b"go\n");
    world.delete(n);
    assert_eq!(written(&mut world), "go\n", "the dead man still waits");
    world.gateway.handle_shutdown(world.now);
    world.until("exit", Duration::from_secs(20), |w| w.exit.is_some());
    assert_eq!(written(&mut world), "go\nSTOP\n");
}

#[test]
fn a_machine_is_watched_on_after_its_endpoint_was_written_over_the_api() {
    let leg = json!({
        "kind": "serial", "path": "/dev/arm", "baud": 9600,
        "deadman": {"timeout_ms": 500, "send": "STOP\n"},
    });
    let mut world = World::new(3, "[api]\nconfigure = true\n");
    let put = |world: &mut World, body: &str| send(world, "PUT", "leg", body);
    assert!(put(&mut world, &leg.to_string()).starts_with("201 "));
    let n = connect(&mut world, "leg", 3);
    write(&mut world, n, "leg", b"go\n");
    let faster = leg.to_string().replace("9600", "19200");
    assert!(put(&mut world, &faster).starts_with("200 "));
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), "go\nSTOP\n");
}
