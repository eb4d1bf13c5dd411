//! The length of a shutdown, to the millisecond.

use std::time::Duration;

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Returns how long a shutdown takes while a line takes nothing and a peer has sent to it.
fn stopped_after(told_again: Option<Duration>) -> Duration {
    let mut world = World::new(1, ARM);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    world.tty("/dev/arm").rate = 0;
    assert_eq!(world.fill(n, "arm", 1_000, 100_000), 100_000);
    let begun = world.now;
    world.gateway.handle_shutdown(begun);
    if let Some(at) = told_again {
        world.run(at);
        assert!(world.exit.is_none(), "it waits for the device");
        world.gateway.handle_shutdown(world.now);
        world.settle();
        assert!(world.exit.is_some(), "at once");
    }
    world.until("the end", SOON * 2, |w| w.exit.is_some());
    world.now - begun
}

#[test]
fn a_device_that_takes_nothing_gets_five_seconds() {
    let took = stopped_after(None);
    let (least, most) = (Duration::from_millis(5_000), Duration::from_millis(5_400));
    assert!((least..most).contains(&took), "{took:?}");
}

#[test]
fn told_twice_it_ends_at_once() {
    let told_again = Duration::from_secs(2);
    let took = stopped_after(Some(told_again));
    assert!(took < told_again + Duration::from_millis(60), "{took:?}");
}

#[test]
fn without_sessions_it_ends_at_once() {
    let mut world = World::new(2, ARM);
    let begun = world.now;
    world.gateway.handle_shutdown(begun);
    world.until("the end", SOON, |w| w.exit.is_some());
    assert!(world.now - begun < Duration::from_millis(60));
}
