//! Access control of the hub: the endpoints that a key allows, the owners of content ports, allowed addresses
//! for messages, and allowed pages.

use std::time::Duration;

use serde_json::json;

use super::bench::Bench;
use crate::access::visitors::Right;
use crate::limits;
use crate::signaling::door::PageOrigin;
use crate::signaling::rendezvous::{Rendezvous, RendezvousEvent};

const CONFIG: &str = r#"
    [skyway]
    expose = true
    [[skyway.key]]
    key = "named"
    endpoints = ["arm"]
    origins = ["https://p.example"]
    [[skyway.key]]
    key = "plain"
    [[peerjs.key]]
    key = "peerjs"
    origins = ["https://q.example"]
    [[endpoint]]
    name = "arm"
    kind = "echo"
    [[endpoint]]
    name = "leg"
    kind = "echo"
    [[endpoint]]
    name = "gps"
    kind = "echo"
    [[peer]]
    id = "robot"
    endpoint = "gps"
"#;

const STRANGER: &str = "192.0.2.9";

#[test]
fn a_key_from_beyond_this_machine_opens_what_it_names_and_what_is_offered() {
    let mut bench = Bench::new(CONFIG);
    for (n, (key, endpoint, status)) in [
        ("named", "arm", 202),
        ("named", "gps", 202),
        ("named", "leg", 403),
        ("named", "none", 403),
        ("plain", "gps", 202),
        ("plain", "arm", 403),
    ]
    .into_iter()
    .enumerate()
    {
        // Use another address for each, because one address has only a share of the hub.
        bench.visit(&format!("192.0.2.{}", 20 + n));
        let name = format!("{key}-{endpoint}");
        let token = bench.peer_of(key, &name);
        let params = json!({"params": {"endpoint": endpoint}});
        let (answered, body) = bench.dial(&name, &token, "robot", &params);
        assert_eq!(answered, status, "{key} {endpoint}: {body}");
        if status == 403 {
            assert!(body.to_string().contains("params.endpoint"), "{body}");
        }
        // A connection without a feed cannot be changed to a forbidden endpoint either.
        let path = bench.dialed(&name, &token, "robot", &json!({}));
        let change = json!({"feed_params": {"endpoint": endpoint}});
        let wanted = if status == 202 { 200 } else { 403 };
        assert_eq!(
            bench.call("PUT", &path, &change).0,
            wanted,
            "{key} {endpoint}"
        );
        // A program on this machine may not give the stranger's connection more rights either.
        bench.visit("127.0.0.1");
        assert_eq!(
            bench.call("PUT", &path, &change).0,
            wanted,
            "{key} {endpoint}"
        );
    }
    let token = bench.peer_of("named", "here");
    for endpoint in ["arm", "leg", "gps"] {
        let params = json!({"params": {"endpoint": endpoint}});
        assert_eq!(
            bench.dial("here", &token, "robot", &params).0,
            202,
            "{endpoint}"
        );
    }
}

#[test]
fn a_key_that_the_configuration_takes_away_takes_its_peers_along() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("named", "goes");
    let other = bench.peer_of("plain", "stays");
    let call = bench.dialed(
        "stays",
        &other,
        "robot",
        &json!({"params": {"endpoint": "gps"}}),
    );
    let next = CONFIG.replace("key = \"named\"", "key = \"another\"");
    bench.use_config(&next.replace("endpoint = \"gps\"", "endpoint = \"leg\""));
    let status = |bench: &mut Bench, name: &str, token: &str| {
        let path = format!("/peers/{name}/status?token={token}");
        bench.get(&path).1["disconnected"].clone()
    };
    assert_eq!(status(&mut bench, "goes", &token), true);
    assert_eq!(status(&mut bench, "stays", &other), false);
    // No peer offers gps any more.
    assert_eq!(bench.get(&format!("{call}/status")).1["open"], false);
}

#[test]
fn an_endpoint_that_is_offered_no_more_is_let_go() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "a");
    let call = bench.dialed(
        "a",
        &token,
        "nobody",
        &json!({"params": {"endpoint": "gps"}}),
    );
    bench.use_config(&CONFIG.replace("endpoint = \"gps\"", "endpoint = \"leg\""));
    assert_eq!(bench.event(&call), "CLOSE");
}

#[test]
fn content_ports_are_closed_with_their_peer_or_when_they_are_unused() {
    let mut bench = Bench::new(CONFIG);
    let token = bench.peer_of("plain", "a");
    let (used, _) = bench.port();
    let (unused, _) = bench.port();
    let params = json!({"params": {"data_id": used}});
    assert_eq!(bench.dial("a", &token, "robot", &params).0, 202);
    assert_eq!(bench.stats().content_ports, 2);
    bench.pass(limits::CONTENT_PORT_UNUSED - Duration::from_secs(5));
    assert_eq!(bench.stats().content_ports, 2);
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.stats().content_ports, 1, "the unused one was closed");
    assert_eq!(bench.delete(&format!("/data/{unused}")), 404);
    assert_eq!(bench.delete(&format!("/peers/a?token={token}")), 204);
    assert_eq!(bench.stats().content_ports, 0);
    assert!(bench.ports.is_empty());
}

#[test]
fn a_stranger_has_a_share_of_ports_and_none_without_a_peer() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 403);
    let token = bench.peer_of("plain", "a");
    for n in 0..limits::CONTENT_PORTS {
        assert_eq!(bench.call("POST", "/data", &json!({})).0, 201, "{n}");
    }
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 403);
    bench.visit("127.0.0.1");
    let (local, _) = bench.port();
    let here = bench.peer_of("plain", "here");
    let params = json!({"params": {"data_id": local}});
    assert_eq!(bench.dial("here", &here, "robot", &params).0, 202);
    // The stranger may not use a port of another client's peer, and its unused ports are closed with its last peer.
    bench.visit(STRANGER);
    assert_eq!(bench.dial("a", &token, "robot", &params).0, 403);
    assert_eq!(bench.delete(&format!("/peers/a?token={token}")), 204);
    assert_eq!(bench.stats().content_ports, 1);
}

#[test]
fn no_message_is_sent_to_ourselves() {
    let mut bench = Bench::new(CONFIG);
    let token = bench.peer_of("plain", "a");
    let (_, number) = bench.port();
    for (ip, port, status) in [
        ("127.0.0.1", number, 403),
        ("::1", number, 403),
        ("192.0.2.1", number, 403),
        // A port of sessions (in this bench).
        ("127.0.0.1", 5000, 403),
        ("127.0.0.1", 7001, 202),
        ("192.0.2.7", number, 202),
    ] {
        let key = if ip.contains(':') { "ip_v6" } else { "ip_v4" };
        let body = json!({"redirect_params": {key: ip, "port": port}});
        assert_eq!(
            bench.dial("a", &token, "robot", &body).0,
            status,
            "{ip} {port}"
        );
    }
    // Messages are no longer sent to a port that this process opens later.
    let next = number + 1;
    let body = json!({"redirect_params": {"ip_v4": "127.0.0.1", "port": next}, "params": {}});
    let call = bench.dialed("a", &token, "robot", &body);
    assert_eq!(bench.event(&call), "OPEN");
    let redirected = |bench: &Bench| {
        bench
            .plans
            .values()
            .filter_map(|plan| plan.redirect)
            .count()
    };
    assert!(redirected(&bench) > 0);
    bench.events.clear();
    assert_eq!(bench.port().1, next);
    let dropped = |event: &RendezvousEvent| matches!(event, RendezvousEvent::Redirect(_, None));
    assert!(bench.events.iter().any(dropped));
}

#[test]
fn a_narrower_redirect_holds_for_connections_that_exist() {
    let mut bench = Bench::new(CONFIG);
    let token = bench.peer_of("plain", "a");
    let body = json!({"redirect_params": {"ip_v4": "127.0.0.1", "port": 7002}});
    bench.dialed("a", &token, "robot", &body);
    bench.events.clear();
    bench.use_config(&CONFIG.replace("expose = true", "expose = true\nredirect = []"));
    let dropped = |event: &RendezvousEvent| matches!(event, RendezvousEvent::Redirect(_, None));
    assert!(bench.events.iter().any(dropped));
}

#[test]
fn origins_stay_with_their_dialect_and_their_key() {
    let mut bench = Bench::new(CONFIG);
    let body = |key: &str| json!({"key": key, "domain": "d"});
    for (origin, is_trusted, key, status) in [
        ("https://p.example", false, "named", 201),
        ("https://p.example", false, "plain", 403),
        ("http://localhost", true, "plain", 201),
        ("http://localhost", true, "named", 403),
    ] {
        bench.origin = PageOrigin::of_page(origin, is_trusted);
        let answer = bench.call("POST", "/peers", &body(key));
        assert_eq!(answer.0, status, "{origin} {key}: {}", answer.1);
    }
    let text = "GET /peerjs/id HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = crate::http::RequestHead::parse(text.as_bytes()).expect("a head");
    let claim = Rendezvous::claims(&head).expect("claimed");
    assert_eq!(
        bench.hub.origins(&claim).collect::<Vec<_>>(),
        ["https://q.example"]
    );
    assert!(bench.hub.is_exposed());
}

#[test]
fn a_page_opens_a_port_only_with_a_peer_of_its_own() {
    let mut bench = Bench::new(CONFIG);
    bench.peer_of("named", "program");
    bench.origin = PageOrigin::of_page("https://p.example", false);
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 403);
    bench.peer_of("named", "page");
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 201);
}

#[test]
fn wrong_keys_of_a_neighbour_shut_out_no_long_key() {
    let long = "3f0c2b1a-0000-4000-8000-1234567890ab";
    let mut bench = Bench::new(&CONFIG.replace("\"plain\"", &format!("\"{long}\"")));
    bench.visit(STRANGER);
    let ask = |bench: &mut Bench, key: &str| {
        let body = json!({"key": key, "domain": "d"});
        bench.call("POST", "/peers", &body).0
    };
    for n in 0..10 {
        assert_eq!(ask(&mut bench, &format!("wrong{n}")), 403);
    }
    assert_eq!(ask(&mut bench, "named"), 403, "it could have been guessed");
    assert_eq!(ask(&mut bench, long), 201);
    assert_eq!(bench.stats().tries_failed, 10);
}

#[test]
fn calls_to_nobody_from_one_network_leave_room_for_the_others() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "a");
    let calls = (0..128).filter(|n| {
        let to = format!("nobody{n}");
        bench.dial("a", &token, &to, &json!({})).0 == 202
    });
    assert_eq!(calls.count(), 32, "a quarter");
    bench.visit("127.0.0.1");
    let here = bench.peer_of("plain", "here");
    assert_eq!(bench.dial("here", &here, "robot", &json!({})).0, 202);
}

#[test]
fn asking_for_media_shows_no_right_and_a_key_is_less_than_a_token() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    bench.call("POST", "/media/connections", &json!({}));
    assert!(bench.rights.is_empty());
    bench.peer_of("plain", "a");
    assert_eq!(bench.rights.pop().map(|(_, right)| right), Some(Right::Key));
    bench.visit("127.0.0.1");
    bench.call("POST", "/media/connections", &json!({}));
    assert_eq!(
        bench.rights.pop().map(|(_, right)| right),
        Some(Right::Token)
    );
}

#[test]
fn asking_who_is_there_is_no_guess() {
    let config = CONFIG.replace("key = \"peerjs\"", "key = \"peerjs\"\npeers = [\"page-*\"]");
    let mut bench = Bench::new(&config);
    bench.visit(STRANGER);
    for _ in 0..20 {
        assert_eq!(bench.get("/peerjs/id").0, 200);
    }
    assert_eq!(bench.get("/wrong/id").0, 401);
    assert_eq!(bench.get("/peerjs/id").0, 200);
    let path = "/api/apikeys/plain/peers/robot/exists";
    assert_eq!(bench.get(path), (200, json!({"exists": true})));
}

#[test]
fn a_peer_of_the_configuration_has_its_name_whoever_had_it_before() {
    let mut bench = Bench::new(CONFIG);
    let page = bench.open_socket("/peerjs?key=peerjs&id=robot-3&token=t");
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "robot-2");
    let peer = |n: u8| format!("[[peer]]\nid = \"robot-{n}\"\nendpoint = \"arm\"\n");
    bench.use_config(&format!("{CONFIG}\n{}{}", peer(2), peer(3)));
    let (_, status) = bench.get(&format!("/peers/robot-2/status?token={token}"));
    assert_eq!(status["disconnected"], true, "{status}");
    assert_eq!(bench.closed, [(page, 1008)]);
    let caller = bench.peer_of("plain", "caller");
    for to in ["robot-2", "robot-3"] {
        let call = bench.dialed("caller", &caller, to, &json!({}));
        assert_eq!(bench.event(&call), "OPEN");
    }
}

#[test]
fn a_page_whose_key_is_gone_is_sent_away() {
    let mut bench = Bench::new(CONFIG);
    let page = bench.open_socket("/peerjs?key=peerjs&id=a&token=t");
    bench.use_config(&CONFIG.replace("key = \"peerjs\"", "key = \"other\""));
    assert_eq!(bench.closed, [(page, 1008)]);
    bench.close_socket(page);
    assert_eq!(bench.stats().peers, 1, "the one of the configuration");
}
