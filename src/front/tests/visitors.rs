//! The limit of connections, and the choice of a connection that is closed for a newer one.

use super::*;
use crate::access::visitors::Right;

/// The smallest limit that a configuration allows: 12 connections of it from the network.
const FEW: &str = "[limits]\nconnections = 16\n";

fn stranger(n: usize) -> String {
    format!("192.0.2.{}", 10 + n)
}

fn fill_network(rig: &mut Rig) -> Vec<Client> {
    (0..12).map(|n| rig.connect(&stranger(n))).collect()
}

#[test]
fn the_oldest_connection_without_a_right_makes_room() {
    let mut rig = Rig::new(FEW);
    let admin = rig.admin();
    let clients = fill_network(&mut rig);
    assert_eq!(rig.ask(clients[0], "GET /tokens", &bearer(&admin)).0, 200);
    rig.send(clients[1], request("GET /healthz", ""));
    let (open, _) = rig.head();
    rig.connect(THERE);
    assert!(rig.is_connected(clients[0]), "it has shown a token");
    assert!(!rig.is_connected(clients[1]));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::Gone(gone)] if gone == open));
    assert_eq!(rig.front.stats().connections_displaced, 1);
    assert_eq!(rig.front.connections().len(), 12);
    assert!(
        rig.try_connect(HERE).is_some(),
        "this machine has a share of its own"
    );
}

#[test]
fn connections_that_have_shown_a_right_keep_the_others_out() {
    let mut rig = Rig::new(FEW);
    let admin = rig.admin();
    for client in fill_network(&mut rig) {
        assert_eq!(rig.ask(client, "GET /tokens", &bearer(&admin)).0, 200);
    }
    assert_eq!(rig.try_connect(THERE), None);
    assert_eq!(rig.front.stats().connections_refused, 1);
    assert_eq!(rig.front.stats().connections_displaced, 0);
    let config = Config::parse("[limits]\nconnections = 32\n").expect("a configuration");
    rig.with(|front, cx| front.configure(cx, &config));
    assert!(rig.try_connect(THERE).is_some());
}

#[test]
fn a_key_of_a_dialect_is_less_than_a_token() {
    let mut rig = Rig::new(FEW);
    let clients = fill_network(&mut rig);
    for client in &clients {
        rig.front
            .connections_mut()
            .show_right(client.id, Right::Key);
    }
    rig.connect(THERE);
    assert!(
        !rig.is_connected(clients[0]),
        "more than half of them have only a key"
    );
}

#[test]
fn the_control_socket_has_places_beside_all_others() {
    let mut rig = Rig::new(FEW);
    for _ in 0..16 {
        let client = rig.connect(HERE);
        assert_eq!(rig.ask(client, "GET /tokens", "").0, 200);
    }
    assert_eq!(rig.try_connect(HERE), None, "all have shown that they may");
    let first = rig.connect_control();
    for _ in 1..limits::CONTROL_CONNECTIONS {
        rig.connect_control();
    }
    assert!(rig.is_connected(first));
    rig.connect_control();
    assert!(!rig.is_connected(first));
    assert_eq!(
        rig.front.connections().len(),
        16 + limits::CONTROL_CONNECTIONS
    );
}

#[test]
fn the_last_descriptors_are_for_others() {
    let mut rig = Rig::new("");
    let listeners = rig.listens().len();
    let spare = limits::SPARE_DESCRIPTORS / 2;
    rig.sources
        .set_descriptors(limits::OWN_DESCRIPTORS + spare + listeners + 2);
    let first = rig.connect(HERE);
    let second = rig.connect(HERE);
    assert!(rig.is_connected(first), "there are two to spare");
    rig.connect(HERE);
    assert!(!rig.is_connected(first), "there are none");
    assert!(rig.is_connected(second));
    let control = rig.connect_control();
    assert!(rig.is_connected(control) && rig.is_connected(second));
}

#[test]
fn a_client_without_a_right_may_be_idle_for_five_seconds_after_a_401() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    for (first, second, seconds) in [
        ("GET /healthz", None, 60),
        ("GET /tokens", None, 5),
        ("GET /tokens", Some(bearer(&admin)), 60),
    ] {
        let client = rig.connect(THERE);
        rig.ask(client, first, "");
        if let Some(headers) = second {
            assert_eq!(rig.ask(client, "GET /tokens", &headers).0, 200);
        }
        rig.pass(Duration::from_millis(seconds * 1000 - 1));
        assert!(rig.is_connected(client), "{first} for {seconds} s");
        rig.pass(Duration::from_millis(2));
        assert!(!rig.is_connected(client), "{first} after {seconds} s");
    }
}

#[test]
fn a_client_with_a_token_keeps_its_time_when_a_second_one_is_wrong() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    assert_eq!(rig.ask(client, "GET /tokens", &bearer(&admin)).0, 200);
    assert_eq!(rig.ask(client, "GET /tokens", "").0, 401);
    rig.pass(Duration::from_secs(59));
    assert!(rig.is_connected(client));
}

#[test]
fn a_client_that_says_nothing_is_closed_after_ten_seconds() {
    let mut rig = Rig::new("");
    let client = rig.connect(THERE);
    assert!(rig.front.wants_clock(), "a request may come");
    rig.pass(Duration::from_millis(9_999));
    assert!(rig.is_connected(client));
    rig.pass(Duration::from_secs(2));
    assert!(!rig.is_connected(client));
    assert!(!rig.front.wants_clock());
}

#[test]
fn an_ipv4_mapped_address_counts_as_ipv4() {
    let mut rig = Rig::new("");
    let client = rig.connect("::ffff:127.0.0.1");
    assert_eq!(rig.ask(client, "GET /tokens", "").0, 200);
    let client = rig.connect("::ffff:192.0.2.9");
    rig.send(client, request("GET /tokens", ""));
    let (request, _) = rig.head();
    let remote = rig
        .front
        .connections()
        .remote_of(request)
        .expect("it is connected");
    assert_eq!(remote.to_string(), THERE);
}

#[test]
fn reading_waits_while_a_client_asks_faster_than_it_reads() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    assert_eq!(rig.front.connections().input_room(client.id), usize::MAX);
    rig.send(client, request("GET /a", ""));
    let flood = request("GET /b", "").repeat(1000);
    rig.send(client, flood);
    assert_eq!(rig.front.connections().input_room(client.id), 0);
    assert_eq!(names(&rig.events()), ["head"]);
}
