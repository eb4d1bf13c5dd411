//! Refused messages: each is counted, and its sender may continue.

use std::time::Duration;

use thingway::testing::endpoint::Count;

use crate::peer::{reliable, unreliable};
use crate::sessions::{ARM, ROVER, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn connect(world: &mut World, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    n
}

/// Checks that four windows of credit can be sent although all of them are refused for one reason.
fn goes_on(world: &mut World, n: usize, reason: &str) {
    let sent = world.fill(n, "arm", 1_000, 1_000_000);
    assert_eq!(sent, 1_000_000, "{reason}: the credit ran out");
    assert_eq!(world.dropped(reason), 1_000_000);
    assert!(world.peer(n).channels["arm"].open, "{reason}");
}

#[test]
fn credit_goes_on_while_the_line_is_absent() {
    let mut world = World::new(1, ARM);
    let n = connect(&mut world, 1);
    world.unplug("/dev/arm");
    goes_on(&mut world, n, "absent");
}

#[test]
fn credit_goes_on_while_another_session_has_the_lease() {
    let mut world = World::new(2, &format!("{ARM}writers = \"one\"\n"));
    let (holder, n) = (connect(&mut world, 1), connect(&mut world, 2));
    assert_eq!(world.fill(holder, "arm", 10, 10), 10);
    goes_on(&mut world, n, "no-lease");
}

#[test]
fn credit_goes_on_where_messages_are_too_large_for_the_endpoint() {
    let mut world = World::new(3, &format!("{ARM}framing = \"cobs\"\nmax_message = 100\n"));
    let n = connect(&mut world, 3);
    goes_on(&mut world, n, "too-large");
}

#[test]
fn a_datagram_that_the_system_does_not_send_is_counted_at_its_device() {
    let mut world = World::new(4, &format!("{ARM}{ROVER}"));
    let n = world.connect(&[unreliable("rover")], good(), 4);
    world.until("open", SOON, |w| w.peer(n).channels["rover"].open);
    world.keeps_datagrams = true;
    world.unsendable = 2;
    for len in [100, 20, 3] {
        let now = world.now;
        assert!(world.peer(n).send(now, "rover", true, &vec![7; len]));
        world.run(Duration::from_millis(50));
    }
    assert_eq!(world.kept_datagrams, [vec![7; 3]]);
    assert_eq!(world.dropped("send-failed"), 120);
    let rover = world.get("/endpoints/rover");
    let drops = serde_json::json!([{
        "direction": "from_peer", "reason": "send-failed", "messages": 2, "bytes": 120,
    }]);
    assert_eq!(rover["drops"], drops);
    assert_eq!(world.get("/endpoints/arm")["drops"], serde_json::json!([]));
    assert_eq!(world.metric("thingway_datagrams_not_sent_total"), 2);
    // A socket of sessions is not a device.
    let ice = world.ice.expect("a socket");
    world.gateway.handle_send_failed(ice, Count::one(50));
    assert_eq!(world.dropped("send-failed"), 120);
    assert_eq!(world.metric("thingway_datagrams_not_sent_total"), 3);
}
