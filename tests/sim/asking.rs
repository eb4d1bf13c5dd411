//! A session asks the holder of a lease for the lease. The holder keeps the lease, hands it over, or does not
//! answer for ten seconds.

use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::reliable;
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Makes a world with three sessions at one endpoint. The first session holds the lease.
fn world() -> (World, [usize; 3]) {
    let mut world = World::new(1, &format!("{ARM}writers = \"one\"\n"));
    let all = [1, 2, 3].map(|seed| {
        let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
        world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
        n
    });
    wish(&mut world, all[0], "take");
    (world, all)
}

fn wish(world: &mut World, n: usize, what: &str) {
    let now = world.now;
    let text = json!({"type": "lease", "endpoint": "arm", "do": what}).to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
    world.run(Duration::from_millis(100));
}

/// Returns the last lease message of a session: the holder, and the session that has asked.
fn heard(world: &mut World, n: usize) -> (Value, Value) {
    let told = world.peer(n).told("lease");
    let last = told.last().expect("told");
    (last["holder"].clone(), last["asked_by"].clone())
}

fn name(world: &World, n: usize) -> Value {
    Value::from(world.clients[n].session.clone())
}

fn holder(world: &mut World) -> Value {
    world.get("/endpoints/arm")["lease"].clone()
}

#[test]
fn a_holder_that_says_nothing_gives_way_after_ten_seconds() {
    let (mut world, [a, b, c]) = world();
    let names = [a, b].map(|n| name(&world, n));
    wish(&mut world, b, "ask");
    for n in [a, b, c] {
        assert_eq!(heard(&mut world, n), (names[0].clone(), names[1].clone()));
    }
    let wait = world.peer(a).told("lease").last().expect("told")["wait_ms"].as_u64();
    assert!(
        wait.is_some_and(|ms| (9_000..=10_000).contains(&ms)),
        "{wait:?}"
    );
    world.run(Duration::from_millis(9_500));
    assert_eq!(holder(&mut world), names[0]);
    world.run(Duration::from_secs(1));
    assert_eq!(heard(&mut world, a), (names[1].clone(), Value::Null));
    assert!(
        world
            .peer(a)
            .told("lease")
            .last()
            .expect("told")
            .get("wait_ms")
            .is_none()
    );
    assert_eq!(heard(&mut world, b), (names[1].clone(), Value::Null));
}

#[test]
fn a_holder_that_keeps_it_is_left_alone() {
    let (mut world, [a, b, _]) = world();
    let first = name(&world, a);
    wish(&mut world, b, "ask");
    wish(&mut world, a, "keep");
    assert_eq!(heard(&mut world, b), (first.clone(), Value::Null));
    world.run(Duration::from_secs(20));
    assert_eq!(holder(&mut world), first);
    // Only the holder can keep the lease.
    wish(&mut world, b, "keep");
    assert_eq!(world.peer(b).told("error")[0]["reason"], "lease-held");
}

#[test]
fn what_is_given_back_goes_to_the_one_who_asked() {
    for leaves in [false, true] {
        let (mut world, [a, b, c]) = world();
        let second = name(&world, b);
        wish(&mut world, b, "ask");
        wish(&mut world, c, "ask");
        assert_eq!(world.peer(c).told("error")[0]["reason"], "lease-held");
        if leaves {
            let now = world.now;
            world.peer(a).close_channel(now, "arm");
            world.run(Duration::from_millis(100));
        } else {
            wish(&mut world, a, "release");
        }
        assert_eq!(holder(&mut world), second, "leaves: {leaves}");
        assert_eq!(heard(&mut world, c), (second, Value::Null));
    }
}

#[test]
fn one_who_has_asked_and_left_gets_nothing() {
    let (mut world, [a, b, c]) = world();
    let first = name(&world, a);
    wish(&mut world, b, "ask");
    let now = world.now;
    world.peer(b).close_channel(now, "arm");
    world.run(Duration::from_millis(100));
    assert_eq!(heard(&mut world, c), (first.clone(), Value::Null));
    world.run(Duration::from_secs(20));
    assert_eq!(holder(&mut world), first);
    // A session that asks for a free lease gets it at once.
    wish(&mut world, a, "release");
    wish(&mut world, c, "ask");
    assert_eq!(holder(&mut world), name(&world, c));
}
