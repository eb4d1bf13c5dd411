//! The owner of an address pair that two sessions claim.

use std::time::Duration;

use crate::peer::reliable;
use crate::sessions::{DEMO, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn naming_somebodys_address_as_a_candidate_takes_nothing_from_them() {
    let mut world = World::new(1, DEMO);
    let n = world.connect(&[reliable("demo")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["demo"].open);
    let addr = world.clients[n].addr;
    for _ in 0..3 {
        let answer = world.offer_only(addr);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        for _ in 0..5 {
            world.run(Duration::from_millis(300));
            let (now, before) = (world.now, world.peer(n).channels["demo"].bytes.len());
            assert!(world.peer(n).send(now, "demo", false, b"led\n"));
            world.until("answer", Duration::from_secs(1), |w| {
                w.peer(n).channels["demo"].bytes.len() > before
            });
        }
    }
}

#[test]
fn a_killed_peer_comes_back_from_the_same_port() {
    let mut world = World::new(2, DEMO);
    let old = world.connect(&[reliable("demo")], good(), 2);
    world.until("open", SOON, |w| w.peer(old).channels["demo"].open);
    let new = world.replace(old, &[reliable("demo")]);
    world.until("open again", Duration::from_secs(2), |w| {
        w.peer(new).channels["demo"].open
    });
    world.until("greeting", SOON, |w| {
        w.peer(new).text("demo").ends_with("> ")
    });
    world.until("the old one is forgotten", Duration::from_secs(90), |w| {
        w.get("/sessions")["sessions"].as_array().unwrap().len() == 1
    });
    let now = world.now;
    assert!(world.peer(new).send(now, "demo", false, b"led\n"));
    world.until("answer", SOON, |w| {
        w.peer(new).text("demo").contains("led is off")
    });
    let metrics = world.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
    assert!(metrics.contains("thingway_address_pairs 1\n"), "{metrics}");
}

#[test]
fn who_lost_its_pair_gets_it_back_when_it_shows_up_again() {
    let mut world = World::new(3, DEMO);
    let old = world.connect(&[reliable("demo")], good(), 2);
    world.until("open", SOON, |w| w.peer(old).channels["demo"].open);
    let addr = world.clients[old].addr;
    let new = world.replace(old, &[reliable("demo")]);
    world.until("open again", SOON, |w| w.peer(new).channels["demo"].open);
    world.delete(new);
    // The second session is silent from now on, and the first is back at its address.
    world.clients[new].frozen = true;
    world.clients[new].addr = "0.0.0.0:0".parse().unwrap();
    world.clients[old].addr = addr;
    world.clients[old].frozen = false;
    let before = world.peer(old).channels["demo"].bytes.len();
    let now = world.now;
    assert!(world.peer(old).send(now, "demo", false, b"led\n"));
    world.until("an answer", Duration::from_secs(10), |w| {
        w.peer(old).channels["demo"].bytes.len() > before
    });
}
