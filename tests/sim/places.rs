//! The choice of clients for sessions and connections when many are requested.

use std::time::Duration;

use serde_json::{Value, json};

use crate::access::{token, with_token};
use crate::peer::{Peer, reliable};
use crate::sessions::{ARM, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Makes an offer that never connects, and returns the status.
fn offer(world: &mut World, n: usize) -> u16 {
    let addr = format!("203.0.113.{}:{}", 1 + n % 200, 1_000 + n);
    let addr = addr.parse().expect("an address");
    let (_, offer) = Peer::offer(world.now, addr, &[reliable("arm")]);
    let answer = world.ask("POST", "/sessions", "application/sdp", &offer);
    answer[9..12].parse().expect("a status")
}

#[test]
fn a_token_that_may_read_nothing_locks_nobody_out() {
    let mut world = World::new(1, ARM);
    let owner = with_token(&mut world, &json!({"name": "owner", "admin": true}));
    let user = with_token(&mut world, &token("user", "arm", &["read"]));
    let greedy = with_token(&mut world, &token("greedy", "nothing", &["read"]));
    for n in 0..200 {
        world.token = Some(greedy.clone());
        assert_eq!(offer(&mut world, n), 201, "the oldest makes room");
    }
    world.token = None;
    let there = world.get("/sessions")["sessions"].as_array().map(Vec::len);
    assert_eq!(there, Some(16), "a quarter of 64");
    assert_eq!(world.metric("thingway_sessions_displaced_total"), 184);
    for who in [user, owner] {
        world.token = Some(who);
        let n = world.connect(&[reliable("arm")], good(), 1);
        world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    }
}

#[test]
fn an_eighth_is_kept_for_administrators() {
    let mut world = World::new(2, &format!("[limits]\nsessions = 8\n{ARM}"));
    let owner = with_token(&mut world, &json!({"name": "owner", "admin": true}));
    let user = with_token(&mut world, &token("user", "arm", &["read"]));
    for _ in 0..7 {
        let n = world.connect(&[reliable("arm")], good(), 1);
        world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    }
    world.token = Some(user);
    assert_eq!(offer(&mut world, 1), 503);
    world.token = Some(owner);
    let n = world.connect(&[reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].open);
    assert_eq!(offer(&mut world, 2), 503, "there are eight");
}

#[test]
fn a_revocation_that_cannot_be_stored_says_so_and_is_tried_again() {
    let mut world = World::new(3, ARM);
    with_token(&mut world, &token("gone", "arm", &["read"]));
    world.token = None;
    world.disk_is_full = true;
    let (status, problem) = world.ask_json("DELETE", "/tokens/gone", &Value::Null);
    assert_eq!(
        (status, problem["type"].as_str()),
        (507, Some("about:blank#not-stored")),
        "{problem}"
    );
    let before = world.stored.clone();
    world.run(Duration::from_secs(60));
    assert_eq!(world.stored, before, "the disk is full");
    world.disk_is_full = false;
    world.run(Duration::from_secs(11));
    assert_ne!(world.stored, before, "the revocation is kept");
    let (status, _) = world.ask_json("POST", "/tokens", &json!({"name": "a b", "admin": true}));
    assert_eq!(status, 422, "a name that cannot be");
    let (status, _) = world.ask_json("POST", "/tokens", &json!({"name": "twice", "admin": true}));
    assert_eq!(status, 201);
    let (status, _) = world.ask_json("POST", "/tokens", &json!({"name": "twice", "admin": true}));
    assert_eq!(status, 409);
}

#[test]
fn who_holds_connections_open_keeps_out_nobody_else() {
    let mut world = World::new(9, ARM);
    let local = "192.0.2.1:8000".parse().unwrap();
    let open = |world: &mut World, address: &str| {
        let remote = format!("{address}:40000").parse().unwrap();
        world.gateway.handle_accept(world.now, local, remote)
    };
    // A connection without a proven right is closed for the next one: first one of the same address, then one
    // of the network.
    for _ in 0..200 {
        assert!(open(&mut world, "192.0.2.66").is_some());
    }
    assert_eq!(world.metric("thingway_connections_displaced_total"), 168);
    for n in 0..300 {
        let address = format!("192.0.2.{}", 70 + n % 100);
        assert!(open(&mut world, &address).is_some(), "{address}");
    }
    // Three quarters of 256 connections are for the network.
    let displaced = 168 + 32 + 300 - 192;
    assert_eq!(
        world.metric("thingway_connections_displaced_total"),
        displaced
    );
    assert_eq!(
        world.get("/endpoints/arm")["name"],
        "arm",
        "this machine has room"
    );
    assert_eq!(world.metric("thingway_connections_refused_total"), 0);
    // Silent connections are closed after ten seconds, and their places are free again.
    world.run(Duration::from_secs(11));
    for n in 0..192 {
        let address = format!("192.0.2.{}", 70 + n % 100);
        assert!(open(&mut world, &address).is_some(), "{address}");
    }
    assert_eq!(
        world.metric("thingway_connections_displaced_total"),
        displaced
    );
}

#[test]
fn connections_with_a_token_make_room_for_nobody() {
    let mut world = World::new(9, ARM);
    let read = token("reader", "arm", &["read"]);
    let text = with_token(&mut world, &read);
    let local = "192.0.2.1:8443".parse().unwrap();
    let mut kept = Vec::new();
    for n in 0..32 {
        let remote = format!("192.0.2.66:{}", 40_000 + n).parse().unwrap();
        let source = world.gateway.handle_accept(world.now, local, remote);
        let source = source.expect("room");
        world.http.insert(source, Vec::new());
        let head = format!(
            "GET /endpoints HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {text}\r\n\r\n"
        );
        world
            .gateway
            .handle_data(world.now, source, head.as_bytes());
        world.settle();
        assert!(world.http_text(source).starts_with("HTTP/1.1 200"));
        kept.push(source);
    }
    let remote = "192.0.2.66:50000".parse().unwrap();
    assert_eq!(world.gateway.handle_accept(world.now, local, remote), None);
    assert_eq!(world.metric("thingway_connections_refused_total"), 1);
    let remote = "192.0.2.67:50000".parse().unwrap();
    let other = world.gateway.handle_accept(world.now, local, remote);
    assert!(other.is_some(), "another address");
}
