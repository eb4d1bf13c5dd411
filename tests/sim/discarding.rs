//! A peer throws away what it has sent and the device has not taken: what goes out afterwards is what it sends then.

use std::time::Duration;

use serde_json::json;

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn connect(world: &mut World, seed: u64) -> usize {
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    n
}

fn write(world: &mut World, n: usize, bytes: &[u8]) {
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", bytes));
}

fn discard(world: &mut World, n: usize, until: usize) {
    let now = world.now;
    let request = json!({"type": "line", "id": 1, "endpoint": "arm", "discard": until, "do": [{"flush": "output"}]});
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
}

fn written(world: &mut World) -> Vec<u8> {
    world.tty("/dev/arm").written.clone()
}

/// A line that takes nothing, and a peer that has sent it all that its credit allows.
fn stuck(world: &mut World, n: usize) -> usize {
    world.tty("/dev/arm").rate = 0;
    let sent = world.fill(n, "arm", 1_000, 300_000);
    world.run(Duration::from_millis(200));
    assert_eq!(sent, 300_000);
    sent
}

#[test]
fn what_was_thrown_away_is_not_written_when_the_device_goes_on() {
    let mut world = World::new(1, ARM);
    let n = connect(&mut world, 1);
    let sent = stuck(&mut world, n);
    discard(&mut world, n, sent);
    world.run(Duration::from_millis(200));
    let told = world.peer(n).told("line");
    assert_eq!(told.last().expect("an answer")["ok"], true);
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), b"", "nothing of it goes out");
    write(&mut world, n, b"after");
    world.run(Duration::from_secs(1));
    assert_eq!(written(&mut world), b"after");
    // Every byte is accounted for.
    assert_eq!(world.dropped("discarded") as usize, sent);
}

#[test]
fn what_a_closed_channel_has_left_behind_is_thrown_away_as_well() {
    let mut world = World::new(6, ARM);
    let n = connect(&mut world, 6);
    let sent = stuck(&mut world, n);
    let stream = world.peer(n).channels["arm"].stream.expect("a stream");
    let now = world.now;
    world.peer(n).close_channel(now, "arm");
    world.run(Duration::from_millis(200));
    let request = json!({
        "type": "line", "id": 1, "endpoint": "arm", "channel": stream, "discard": sent, "do": [{"flush": "output"}],
    });
    let now = world.now;
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
    world.run(Duration::from_millis(200));
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(2));
    assert_eq!(written(&mut world), b"");
    assert_eq!(world.metric("thingway_queued_bytes"), 0);
}

#[test]
fn bytes_that_come_behind_the_request_are_thrown_away_too() {
    let mut world = World::new(2, ARM);
    let n = connect(&mut world, 2);
    write(&mut world, n, b"one");
    world.run(Duration::from_millis(100));
    // The request overtakes the second message, because it goes over another channel.
    discard(&mut world, n, 6);
    world.run(Duration::from_millis(100));
    write(&mut world, n, b"two");
    write(&mut world, n, b"three");
    world.run(Duration::from_millis(200));
    assert_eq!(written(&mut world), b"onethree");
}

#[test]
fn a_script_that_waits_for_bytes_that_were_thrown_away_goes_on() {
    let mut world = World::new(3, ARM);
    let n = connect(&mut world, 3);
    let sent = stuck(&mut world, n);
    let now = world.now;
    let after =
        json!({"type": "line", "id": 7, "endpoint": "arm", "after": sent, "do": [{"rts": true}]});
    assert!(
        world
            .peer(n)
            .send(now, "thingway", false, after.to_string().as_bytes())
    );
    world.run(Duration::from_millis(200));
    discard(&mut world, n, sent);
    world.run(Duration::from_secs(1));
    let told = world.peer(n).told("line");
    let ids: Vec<_> = told
        .iter()
        .map(|line| (line["id"].clone(), line["ok"].clone()))
        .collect();
    assert_eq!(ids, [(json!(7), json!(true)), (json!(1), json!(true))]);
}

#[test]
fn a_script_that_overtakes_runs_though_another_waits() {
    let mut world = World::new(5, ARM);
    let n = connect(&mut world, 5);
    let sent = stuck(&mut world, n);
    for (id, more) in [
        (1, json!({"after": sent})),
        (2, json!({})),
        (3, json!({"overtake": true})),
    ] {
        let mut request =
            json!({"type": "line", "id": id, "endpoint": "arm", "do": [{"rts": true}]});
        let fields = request.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        let now = world.now;
        let text = request.to_string();
        assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
        world.run(Duration::from_millis(100));
    }
    let done = |world: &mut World| -> Vec<_> {
        let told = world.peer(n).told("line");
        told.iter().map(|line| line["id"].clone()).collect()
    };
    assert_eq!(done(&mut world), [3]);
    world.tty("/dev/arm").rate = 10_000;
    world.run(Duration::from_secs(2));
    assert_eq!(done(&mut world), [3, 1, 2]);
}

#[test]
fn one_session_throws_away_nothing_that_another_has_waiting() {
    let mut world = World::new(4, ARM);
    let (a, b) = (connect(&mut world, 4), connect(&mut world, 5));
    let sent = stuck(&mut world, a);
    for _ in 0..10 {
        write(&mut world, b, b"mine");
    }
    world.run(Duration::from_millis(200));
    discard(&mut world, a, sent);
    world.run(Duration::from_millis(200));
    world.tty("/dev/arm").rate = 1000;
    world.run(Duration::from_secs(1));
    assert_eq!(
        String::from_utf8_lossy(&written(&mut world)),
        "mine".repeat(10)
    );
}
