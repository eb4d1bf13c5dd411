//! Messages that wait for a line that takes nothing: the share of each session, and what becomes of them.

use std::time::Duration;

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Makes a world with a line that takes nothing, and two peers that may write to it.
fn two_at_a_stuck_line(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed, ARM);
    let [a, b] =
        [1, 2].map(|seed| world.connect(&[reliable("thingway"), reliable("arm")], good(), seed));
    world.until("open", SOON, |w| {
        [a, b].map(|n| w.peer(n).channels["arm"].credit.is_some()) == [true, true]
    });
    world.tty("/dev/arm").rate = 0;
    (world, a, b)
}

fn goes_away_with_messages_waiting(seed: u64, leave: impl FnOnce(&mut World, usize)) {
    let (mut world, a, b) = two_at_a_stuck_line(seed);
    assert_eq!(world.fill(a, "arm", 1_000, 200_000), 200_000);
    assert!(world.metric("thingway_queued_bytes") > 0);
    leave(&mut world, a);
    world.run(Duration::from_secs(1));
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
    world.tty("/dev/arm").rate = 1_000;
    let now = world.now;
    assert!(world.peer(b).send_within_credit(now, "arm", &[b'b'; 500]));
    world.until("the other one's bytes", SOON, |w| {
        let written = &w.tty("/dev/arm").written;
        written.iter().filter(|byte| **byte == b'b').count() == 500
    });
    let (written, closed) = (world.tty("/dev/arm").written.len(), world.dropped("closed"));
    assert_eq!(
        written as u64 + closed,
        200_500,
        "every byte is accounted for"
    );
}

#[test]
fn a_deleted_session_leaves_the_line_to_others() {
    goes_away_with_messages_waiting(1, World::delete);
}

#[test]
fn a_closed_peer_leaves_the_line_to_others() {
    goes_away_with_messages_waiting(2, |world, n| {
        let now = world.now;
        world.peer(n).close(now);
    });
}

#[test]
fn the_last_page_of_a_session_that_ends_is_not_printed() {
    goes_away_with_messages_waiting(3, |world, n| {
        let now = world.now;
        world.peer(n).close_channel(now, "arm");
        world.run(Duration::from_millis(300));
        assert!(world.metric("thingway_queued_bytes") > 0, "it lingers");
        world.delete(n);
    });
}

#[test]
fn a_line_that_vanishes_takes_what_waits_and_what_lingers_with_it() {
    let (mut world, a, b) = two_at_a_stuck_line(4);
    assert_eq!(world.fill(a, "arm", 1_000, 250_000), 250_000);
    assert_eq!(world.fill(b, "arm", 1_000, 100_000), 100_000);
    let now = world.now;
    world.peer(a).close_channel(now, "arm");
    world.run(Duration::from_millis(300));
    world.unplug("/dev/arm");
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
    world.run(Duration::from_millis(300));
    assert_eq!(world.peer(b).told("lost")[0]["bytes"], 131_000);
    world.tty("/dev/arm").present = true;
    world.tty("/dev/arm").rate = 1_000;
    world.until("again", SOON, |w| w.tty("/dev/arm").opened == 2);
    assert_eq!(world.fill(b, "arm", 1_000, 300_000), 300_000);
    world.until("all of the rest", SOON, |w| {
        w.tty("/dev/arm").written.len() == 300_000
    });
    let reasons = ["absent", "unwritten", "closed"];
    let lost: u64 = reasons.map(|reason| world.dropped(reason)).iter().sum();
    assert_eq!(lost, 350_000);
}

#[test]
fn stopping_writes_what_lingers() {
    let (mut world, a, _) = two_at_a_stuck_line(5);
    assert_eq!(world.fill(a, "arm", 1_000, 250_000), 250_000);
    let now = world.now;
    world.peer(a).close_channel(now, "arm");
    world.run(Duration::from_millis(300));
    world.tty("/dev/arm").rate = 100;
    let now = world.now;
    world.gateway.handle_shutdown(now);
    world.until("stopped", Duration::from_secs(6), |w| w.exit.is_some());
    assert_eq!(world.tty("/dev/arm").written.len(), 250_000);
}

#[test]
fn stopping_waits_five_seconds_for_a_stuck_line_and_no_longer() {
    let (mut world, a, _) = two_at_a_stuck_line(6);
    assert_eq!(world.fill(a, "arm", 1_000, 250_000), 250_000);
    let begun = world.now;
    world.gateway.handle_shutdown(begun);
    world.until("stopped", Duration::from_secs(6), |w| w.exit.is_some());
    assert!(world.now - begun >= Duration::from_secs(5));
}

#[test]
fn credit_comes_again_after_the_line_was_stuck() {
    let (mut world, a, _) = two_at_a_stuck_line(7);
    let before = world.fill(a, "arm", 1_000, 1_000_000);
    assert!(before < 400_000, "the credit ends: {before}");
    world.tty("/dev/arm").rate = 100;
    assert_eq!(world.fill(a, "arm", 60_000, 960_000), 960_000);
}

#[test]
fn a_small_message_does_not_pass_the_large_one_before_it() {
    let (mut world, a, _) = two_at_a_stuck_line(8);
    let mut expected = Vec::new();
    let sizes = [60_000, 60_000, 60_000, 100, 5_000, 1];
    for (byte, len) in (1_u8..).zip(sizes) {
        let message = vec![byte; len];
        world.until("room", SOON, |w| {
            let now = w.now;
            w.peer(a).send_within_credit(now, "arm", &message)
        });
        expected.extend(message);
    }
    world.run(Duration::from_secs(1));
    world.tty("/dev/arm").rate = 1_000;
    world.until("all", SOON, |w| {
        w.tty("/dev/arm").written.len() == expected.len()
    });
    assert!(world.tty("/dev/arm").written == expected, "in their order");
}

#[test]
fn hoards_on_one_line_close_no_channel_on_another() {
    let leg = "[[endpoint]]\nname = \"leg\"\nkind = \"serial\"\npath = \"/dev/leg\"\n";
    let mut world = World::new(9, &format!("{ARM}{leg}"));
    let modest = world.connect(&[reliable("thingway"), reliable("leg")], good(), 1);
    let hoarders = [2, 3, 4].map(|seed| world.connect(&[reliable("thingway")], good(), seed));
    world.until("open", SOON, |w| {
        w.peer(modest).channels["leg"].credit.is_some()
    });
    world.tty("/dev/arm").rate = 0;
    world.tty("/dev/leg").rate = 50;
    let labels: Vec<String> = (0..60).map(|i| format!("a{i}")).collect();
    for n in hoarders {
        for label in &labels {
            let now = world.now;
            world.peer(n).open_as(now, label, reliable("arm"));
        }
    }
    world.run(Duration::from_secs(1));
    for n in hoarders {
        for label in &labels {
            let (mut sent, mut idle) = (0, 0);
            while sent < 256_000 && idle < 100 {
                let now = world.now;
                if world.peer(n).send(now, label, true, &[1; 32_000]) {
                    (sent, idle) = (sent + 32_000, 0);
                } else {
                    idle += 1;
                    world.step();
                }
            }
        }
    }
    let queued = world.metric("thingway_queued_bytes");
    let half = 16 * 1024 * 1024;
    assert!(
        (half - 100_000..=2 * half).contains(&queued),
        "the shared half is used up: {queued}"
    );
    let taken = world.fill(modest, "leg", 2_000, 1_000_000);
    assert_eq!(taken, 1_000_000);
    let channel = &world.peer(modest).channels["leg"];
    assert!(channel.open && !channel.closed);
}
