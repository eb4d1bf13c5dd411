//! Access control of the hub: what a key opens, who owns content ports, where messages may go, and which pages may come.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::Bench;
use crate::access::visitors::Right;
use crate::config::Config;
use crate::limits;

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

const STRANGER: &str = "192.0.2.9:40000";

impl Bench {
    /// A peer with a key; its token.
    fn peer_of(&mut self, key: &str, name: &str) -> String {
        let body = json!({"key": key, "domain": "d", "peer_id": name});
        let (status, body) = self.call("POST", "/peers", &body);
        assert_eq!(status, 201, "{body}");
        body["params"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Calls `robot` with these parameters; the status and what is said.
    fn call_robot(&mut self, name: &str, token: &str, more: &Value) -> (u16, Value) {
        let mut body = json!({"peer_id": name, "token": token, "target_id": "robot"});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        self.call("POST", "/data/connections", &body)
    }
}

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
        // One address has a share of the hub.
        bench.visit(&format!("192.0.2.{}:40000", 20 + n));
        let name = format!("{key}-{endpoint}");
        let token = bench.peer_of(key, &name);
        let params = json!({"params": {"endpoint": endpoint}});
        let (answered, body) = bench.call_robot(&name, &token, &params);
        assert_eq!(answered, status, "{key} {endpoint}: {body}");
        if status == 403 {
            assert!(body.to_string().contains("params.endpoint"), "{body}");
        }
        // A connection that is fed by nothing cannot be changed to it either.
        let (_, body) = bench.call_robot(&name, &token, &json!({}));
        let id = body["params"]["data_connection_id"]
            .as_str()
            .expect("an id");
        let path = format!("/data/connections/{id}");
        let change = json!({"feed_params": {"endpoint": endpoint}});
        // Who does not connect has few places.
        bench.pass(Duration::from_millis(500));
        let wanted = if status == 202 { 200 } else { 403 };
        assert_eq!(
            bench.call("PUT", &path, &change).0,
            wanted,
            "{key} {endpoint}"
        );
        // Nor may a program on this machine give the stranger's connection more.
        bench.visit("127.0.0.1:40000");
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
            bench.call_robot("here", &token, &params).0,
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
    let params = json!({"params": {"endpoint": "gps"}});
    let (_, body) = bench.call_robot("stays", &other, &params);
    let id = body["params"]["data_connection_id"]
        .as_str()
        .expect("an id");
    let path = format!("/data/connections/{id}");
    let next = CONFIG.replace("key = \"named\"", "key = \"another\"");
    let next = next.replace("endpoint = \"gps\"", "endpoint = \"leg\"");
    let next = Config::parse(&next).expect("a configuration");
    bench.gateway.handle_reload(bench.now, Ok(next));
    bench.settle();
    let status = |bench: &mut Bench, name: &str, token: &str| {
        let path = format!("/peers/{name}/status?token={token}");
        bench.call("GET", &path, &Value::Null).1["disconnected"].clone()
    };
    assert_eq!(status(&mut bench, "goes", &token), true);
    assert_eq!(status(&mut bench, "stays", &other), false);
    // Nothing offers gps any more.
    let closed = bench.call("GET", &format!("{path}/status"), &Value::Null).1;
    assert_ne!(closed["open"], true, "{closed}");
}

#[test]
fn content_ports_are_closed_with_their_peer_or_when_they_are_unused() {
    let mut bench = Bench::new(CONFIG);
    let token = bench.peer_of("plain", "a");
    let (used, _) = bench.port();
    let (unused, _) = bench.port();
    let params = json!({"params": {"data_id": used}});
    assert_eq!(bench.call_robot("a", &token, &params).0, 202);
    let open = |bench: &Bench| bench.gateway.hub_counts()[2];
    assert_eq!(open(&bench), 2);
    bench.pass(limits::CONTENT_PORT_UNUSED - Duration::from_secs(5));
    assert_eq!(open(&bench), 2);
    bench.pass(Duration::from_secs(10));
    assert_eq!(open(&bench), 1, "the unused one was closed");
    bench.visit("127.0.0.1:40000");
    let path = format!("/data/{unused}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 404);
    // Its connection ends, and it stays for the next one of its peer.
    let path = format!("/peers/a?token={token}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(open(&bench), 0);
    assert!(bench.sockets.iter().all(|(_, at)| at.port() < 50_000));
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
    let (status, body) = bench.call("POST", "/data", &json!({}));
    assert_eq!(status, 403, "{body}");
    bench.visit("127.0.0.1:40000");
    let (local, _) = bench.port();
    bench.visit(STRANGER);
    // The stranger may not use a port of another client's peer, and its unused ports are closed with its last peer.
    bench.visit("127.0.0.1:40000");
    let here = bench.peer_of("plain", "here");
    let params = json!({"params": {"data_id": local}});
    assert_eq!(bench.call_robot("here", &here, &params).0, 202);
    bench.visit(STRANGER);
    assert_eq!(bench.call_robot("a", &token, &params).0, 403);
    let path = format!("/peers/a?token={token}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(bench.gateway.hub_counts()[2], 1);
}

#[test]
fn ports_leave_descriptors_for_the_others() {
    let mut bench = Bench::new(CONFIG);
    bench.gateway.use_descriptors(100);
    let opened = (0..200)
        .filter(|_| bench.call("POST", "/data", &json!({})).0 == 201)
        .count();
    assert!((5..=20).contains(&opened), "{opened}");
    let (_, body) = bench.call("POST", "/data", &json!({}));
    assert!(body.to_string().contains("LimitNOFILE"), "{body}");
}

#[test]
fn no_message_is_sent_to_ourselves() {
    let mut bench = Bench::new(&format!(
        "{CONFIG}\n[[endpoint]]\nname = \"drone\"\nkind = \"udp\"\nbind = \"127.0.0.1:14550\"\n"
    ));
    let token = bench.peer_of("plain", "a");
    let (_, number) = bench.port();
    let redirect = |bench: &mut Bench, ip: &str, port: u16| {
        let key = if ip.contains(':') { "ip_v6" } else { "ip_v4" };
        let body = json!({"redirect_params": {key: ip, "port": port}});
        bench.call_robot("a", &token, &body).0
    };
    for (ip, port, status) in [
        ("127.0.0.1", number, 403),
        ("::1", number, 403),
        ("::ffff:127.0.0.1", number, 403),
        ("192.0.2.1", number, 403),
        ("127.9.9.9", number, 403),
        // Of sessions (in this bench), and of an endpoint.
        ("127.0.0.1", 5000, 403),
        ("192.0.2.1", 5000, 403),
        ("127.0.0.1", 14_550, 403),
        ("127.0.0.1", 7001, 202),
        ("192.0.2.7", number, 202),
    ] {
        assert_eq!(redirect(&mut bench, ip, port), status, "{ip} {port}");
    }
    // A port that becomes ours later is not sent to any more.
    let next = number + 1;
    let body = json!({"redirect_params": {"ip_v4": "127.0.0.1", "port": next}, "params": {}});
    let (_, body) = bench.call_robot("a", &token, &body);
    let id = body["params"]["data_connection_id"]
        .as_str()
        .expect("an id");
    let id = id.to_owned();
    let sent = |bench: &Bench| {
        let to = format!("127.0.0.1:{next}").parse().expect("an address");
        bench.sent.iter().filter(|(at, _)| *at == to).count()
    };
    let path = format!("/data/connections/{id}/events");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
    assert_eq!(bench.port().1, next);
    assert_eq!(sent(&bench), 0);
}

#[test]
fn from_beyond_this_machine_nothing_is_sent_to_the_machine_itself() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "a");
    for (ip, status) in [
        ("127.0.0.1", 403),
        ("192.0.2.1", 403),
        ("192.0.2.9", 202),
        ("198.51.100.1", 403),
    ] {
        let body = json!({"redirect_params": {"ip_v4": ip, "port": 9}});
        assert_eq!(bench.call_robot("a", &token, &body).0, status, "{ip}");
    }
}

#[test]
fn origins_stay_with_their_dialect_and_their_key() {
    let mut bench = Bench::new(CONFIG);
    let body = |key: &str| json!({"key": key, "domain": "d"});
    for (origin, key, status) in [
        ("https://p.example", "named", 201),
        ("https://p.example", "plain", 403),
        ("https://q.example", "named", 403),
        ("https://q.example", "plain", 403),
        ("http://localhost", "plain", 201),
        ("http://localhost", "named", 403),
    ] {
        bench.origin = Some(origin.to_owned());
        let answer = bench.call("POST", "/peers", &body(key));
        assert_eq!(answer.0, status, "{origin} {key}: {}", answer.1);
    }
    bench.origin = Some("https://evil.example".to_owned());
    assert_eq!(bench.call("OPTIONS", "/peers", &Value::Null).0, 403);
    // The other dialect, and what has no key in it.
    for (origin, path, status) in [
        ("https://q.example", "/peerjs/id", 200),
        ("https://p.example", "/peerjs/id", 403),
        ("https://q.example", "/data", 403),
        ("https://p.example", "/api/apikeys/named/clients/", 200),
        ("https://p.example", "/api/apikeys/plain/clients/", 401),
        ("https://q.example", "/api/apikeys/named/clients/", 403),
    ] {
        bench.origin = Some(origin.to_owned());
        let (method, body) = if path == "/data" {
            ("POST", json!({}))
        } else {
            ("GET", Value::Null)
        };
        assert_eq!(bench.call(method, path, &body).0, status, "{origin} {path}");
    }
}

#[test]
fn without_keys_a_foreign_page_on_this_machine_gets_nothing() {
    let config = "[[peerjs.key]]\nkey = \"peerjs\"\norigins = [\"https://p.example\"]\n";
    let mut bench = Bench::new(config);
    bench.origin = Some("https://p.example".to_owned());
    let body = json!({"key": "any", "domain": "d"});
    assert_eq!(bench.call("POST", "/peers", &body).0, 403);
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 403);
    assert_eq!(bench.call("GET", "/peerjs/id", &Value::Null).0, 200);
    bench.origin = None;
    assert_eq!(bench.call("POST", "/peers", &body).0, 201, "a program");
}

#[test]
fn a_page_opens_a_port_only_with_a_peer_of_its_own() {
    let mut bench = Bench::new(CONFIG);
    bench.peer_of("named", "program");
    bench.origin = Some("https://p.example".to_owned());
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 403);
    bench.peer_of("named", "page");
    assert_eq!(bench.call("POST", "/data", &json!({})).0, 201);
}

#[test]
fn one_network_has_a_quarter_of_the_peers() {
    let mut bench = Bench::new(&format!("{CONFIG}\n[limits]\npeers = 8\n"));
    bench.visit(STRANGER);
    let body = json!({"key": "plain", "domain": "d"});
    let joined = (0..8)
        .filter(|_| bench.call("POST", "/peers", &body).0 == 201)
        .count();
    assert_eq!(joined, 2);
    bench.visit("192.0.2.10:1");
    assert_eq!(bench.call("POST", "/peers", &body).0, 201);
}

#[test]
fn wrong_tokens_and_keys_of_a_neighbour_shut_out_no_long_key() {
    let long = "3f0c2b1a-0000-4000-8000-1234567890ab";
    let mut bench = Bench::new(&CONFIG.replace("\"plain\"", &format!("\"{long}\"")));
    bench.visit(STRANGER);
    let ask = |bench: &mut Bench, key: &str| {
        let body = json!({"key": key, "domain": "d"});
        bench.call("POST", "/peers", &body).0
    };
    for _ in 0..10 {
        let head =
            "GET /endpoints HTTP/1.1\r\nHost: 192.0.2.1\r\nAuthorization: Bearer tw_a_b\r\n\r\n";
        bench.raw(head);
    }
    assert_eq!(ask(&mut bench, "named"), 201, "wrong tokens are no keys");
    for n in 0..10 {
        assert_eq!(ask(&mut bench, &format!("wrong{n}")), 403);
    }
    assert_eq!(ask(&mut bench, "named"), 403, "it could have been guessed");
    assert_eq!(ask(&mut bench, long), 201);
}

#[test]
fn a_page_of_peerjs_that_does_not_answer_a_ping_frees_its_id() {
    let mut bench = Bench::new("");
    let join = |bench: &mut Bench, token: &str| {
        bench.visit("127.0.0.1:40000");
        let request = format!(
            "GET /peerjs?key=peerjs&id=page&token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let socket = bench.http;
        bench
            .gateway
            .handle_data(bench.now, socket, request.as_bytes());
        bench.settle();
        let mut said = Vec::new();
        // The 101 first, then what the hub says over the WebSocket.
        for _ in 0..2 {
            said = bench.gateway.output(socket).to_vec();
            bench.gateway.consume(bench.now, socket, said.len());
            bench.settle();
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let peers = |bench: &Bench| bench.gateway.hub_counts()[0];
    assert!(join(&mut bench, "one").contains("OPEN"));
    let dead = bench.http;
    assert!(join(&mut bench, "two").contains("ID-TAKEN"));
    let ping = bench.gateway.output(dead).to_vec();
    assert_eq!(ping.first(), Some(&0x89), "a ping (RFC 6455 §5.5.2)");
    // A masked pong without payload keeps it.
    let pong = [0x8a, 0x80, 0, 0, 0, 0];
    bench.gateway.handle_data(bench.now, dead, &pong);
    bench.gateway.consume(bench.now, dead, ping.len());
    bench.pass(Duration::from_secs(20));
    assert_eq!(peers(&bench), 1);
    assert!(join(&mut bench, "two").contains("ID-TAKEN"));
    bench.pass(Duration::from_secs(7));
    assert_eq!(peers(&bench), 0, "it did not answer the second ping");
    assert!(join(&mut bench, "two").contains("OPEN"));
}

#[test]
fn connections_within_the_gateway_wait_for_nobody() {
    let mut bench = Bench::new("");
    let token = bench.peer_of("k", "caller");
    bench.peer_of("k", "callee");
    let mut ids = Vec::new();
    for _ in 0..14 {
        let body = json!({"peer_id": "caller", "token": token, "target_id": "callee"});
        let (status, body) = bench.call("POST", "/data/connections", &body);
        assert_eq!(status, 202, "{body}");
        ids.push(
            body["params"]["data_connection_id"]
                .as_str()
                .expect("an id")
                .to_owned(),
        );
    }
    bench.pass(Duration::from_secs(1));
    for id in ids {
        let path = format!("/data/connections/{id}/status");
        assert_eq!(
            bench.call("GET", &path, &Value::Null).1["open"],
            true,
            "{id}"
        );
    }
}

#[test]
fn two_sessions_are_enough_for_a_connection_within_the_gateway() {
    let mut bench = Bench::new("[limits]\nsessions = 4\n");
    let token = bench.peer_of("k", "caller");
    bench.peer_of("k", "callee");
    let body = json!({"peer_id": "caller", "token": token, "target_id": "callee"});
    let (_, body) = bench.call("POST", "/data/connections", &body);
    let id = body["params"]["data_connection_id"]
        .as_str()
        .expect("an id");
    let path = format!("/data/connections/{id}/events");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
}

#[test]
fn calls_to_nobody_from_one_network_leave_room_for_the_others() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "a");
    let calls = (0..128).filter(|n| {
        let body = json!({"peer_id": "a", "token": token, "target_id": format!("nobody{n}")});
        bench.call("POST", "/data/connections", &body).0 == 202
    });
    assert_eq!(calls.count(), 32, "a quarter");
    bench.visit("127.0.0.1:40000");
    let here = bench.peer_of("plain", "here");
    assert_eq!(bench.call_robot("here", &here, &json!({})).0, 202);
}

#[test]
fn asking_for_media_shows_no_right_and_a_key_is_less_than_a_token() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let right = |bench: &Bench| bench.gateway.visitors.right(bench.http);
    bench.call("POST", "/media/connections", &json!({}));
    assert_eq!(right(&bench), Right::None);
    bench.peer_of("plain", "a");
    assert_eq!(right(&bench), Right::Key);
    bench.visit("127.0.0.1:40000");
    bench.call("GET", "/endpoints", &Value::Null);
    assert_eq!(right(&bench), Right::Token);
}

#[test]
fn asking_who_is_there_is_no_guess() {
    let mut bench =
        Bench::new(&CONFIG.replace("key = \"peerjs\"", "key = \"peerjs\"\npeers = [\"page-*\"]"));
    bench.visit(STRANGER);
    for _ in 0..20 {
        assert_eq!(bench.call("GET", "/peerjs/id", &Value::Null).0, 200);
    }
    assert_eq!(bench.call("GET", "/wrong/id", &Value::Null).0, 401);
    assert_eq!(bench.call("GET", "/peerjs/id", &Value::Null).0, 200);
}

#[test]
fn a_peer_of_the_configuration_has_its_name_whoever_had_it_before() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer_of("plain", "robot-2");
    let more = format!("{CONFIG}\n[[peer]]\nid = \"robot-2\"\nendpoint = \"arm\"\n");
    let more = Config::parse(&more).expect("a configuration");
    bench.gateway.handle_reload(bench.now, Ok(more));
    bench.settle();
    let path = format!("/peers/robot-2/status?token={token}");
    let (_, status) = bench.call("GET", &path, &Value::Null);
    assert_eq!(status["disconnected"], true, "{status}");
    let caller = bench.peer_of("plain", "caller");
    let body = json!({"peer_id": "caller", "token": caller, "target_id": "robot-2"});
    let (_, body) = bench.call("POST", "/data/connections", &body);
    let id = body["params"]["data_connection_id"]
        .as_str()
        .expect("an id");
    let path = format!("/data/connections/{id}/events");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
}

#[test]
fn a_narrower_redirect_holds_for_connections_that_exist() {
    let mut bench = Bench::new(CONFIG);
    bench.key = "plain";
    let (port, number) = bench.port();
    let [_, theirs] = bench.connected("a", "b", &port);
    let path = format!("/data/connections/{theirs}");
    let body = json!({"redirect_params": {"ip_v4": "127.0.0.1", "port": 7002}});
    assert_eq!(bench.call("PUT", &path, &body).0, 200);
    let sent = |bench: &mut Bench| {
        bench.sent.clear();
        bench.datagram(number, b"on its way");
        bench.pass(Duration::from_millis(200));
        let to = "127.0.0.1:7002".parse().expect("an address");
        bench.sent.iter().filter(|(at, _)| *at == to).count()
    };
    assert_eq!(sent(&mut bench), 1);
    let narrow = CONFIG.replace("expose = true", "expose = true\nredirect = []");
    let narrow = Config::parse(&narrow).expect("a configuration");
    bench.gateway.handle_reload(bench.now, Ok(narrow));
    bench.settle();
    assert_eq!(sent(&mut bench), 0);
}
