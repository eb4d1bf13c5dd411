//! A panic ends only one session, and no test of the simulation ignores a panic.

use std::time::Duration;

use crate::peer::reliable;
use crate::sessions::good;
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);
const CONFIG: &str = "[[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n";
const FAULT: &str = "fault";

/// Makes a session that works, and one that panics when its channel opens. Returns the one that works.
fn one_of_two_panics(world: &mut World) -> usize {
    world.gateway.panic_at_label(FAULT);
    let other = world.connect(&[reliable("echo")], good(), 1);
    world.until("open", SOON, |w| w.peer(other).channels["echo"].open);
    world.connect(&[reliable(FAULT)], good(), 2);
    other
}

#[test]
fn a_panic_costs_one_session_and_is_counted() {
    let mut world = World::new(1, CONFIG);
    let other = one_of_two_panics(&mut world);
    world.wants_panics(1);
    world.until("it has ended", SOON, |w| {
        w.metric("thingway_sessions_panicked_total") == 1
    });
    assert_eq!(world.metric("thingway_sessions"), 1);
    let now = world.now;
    assert!(world.peer(other).send(now, "echo", true, b"still here"));
    world.until("an answer", SOON, |w| {
        w.peer(other).text("echo") == "still here"
    });
}

#[test]
#[should_panic(expected = "the gateway has caught a panic")]
fn a_test_that_does_not_want_a_panic_fails_by_one() {
    let mut world = World::new(1, CONFIG);
    one_of_two_panics(&mut world);
    world.run(SOON);
}
