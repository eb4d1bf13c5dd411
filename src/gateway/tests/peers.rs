//! Peers of the hub, with the sessions and devices that serve them.

use super::*;

const CONFIG: &str = r#"
    [skyway]
    expose = true
    [[skyway.key]]
    key = "k"
    origins = ["https://p.example"]
    [[endpoint]]
    name = "gps"
    kind = "echo"
    [[endpoint]]
    name = "drone"
    kind = "udp"
    bind = "127.0.0.1:14550"
    [[peer]]
    id = "robot"
    endpoint = "gps"
"#;

#[test]
fn datagrams_go_from_one_peer_to_the_other_and_back() {
    let mut bench = Bench::new("");
    let (token, other) = (bench.peer("a"), bench.peer("b"));
    let [(feed, number), (back, answers)] = [bench.port(), bench.port()];
    let redirect = |port: u16| json!({"ip_v4": "127.0.0.1", "port": port});
    let more = json!({
        "params": {"data_id": feed}, "redirect_params": redirect(7001),
        "options": {"serialization": "NONE"},
    });
    let (status, ours) = bench.dial("a", &token, "b", &more);
    assert_eq!(status, 202);
    let path = format!("/peers/b/events?token={other}");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
    let (_, event) = bench.call("GET", &path, &Value::Null);
    let theirs = event["data_params"]["data_connection_id"].as_str();
    let theirs = theirs.expect("a connection").to_owned();
    for id in [&ours, &theirs] {
        assert_eq!(bench.event(id), "OPEN");
    }
    let change = json!({"feed_params": {"data_id": back}, "redirect_params": redirect(7002)});
    let path = format!("/data/connections/{theirs}");
    assert_eq!(bench.call("PUT", &path, &change).0, 200);
    bench.datagram(number, b"\x00 to b");
    bench.datagram(answers, b"to a");
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.sent_to(7002), [b"\x00 to b"]);
    assert_eq!(bench.sent_to(7001), [b"to a"]);
    let path = format!("/data/connections/{ours}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    for id in [&ours, &theirs] {
        assert_eq!(bench.event(id), "CLOSE");
    }
    bench.pass(Duration::from_secs(1));
    assert!(bench.gateway.sessions.is_empty());
    assert_eq!(
        bench.gateway.devices.table().waiting().0,
        0,
        "no route is left"
    );
}

#[test]
fn connections_within_the_gateway_wait_for_none_of_each_other() {
    let mut bench = Bench::new("");
    let token = bench.peer("caller");
    bench.peer("callee");
    let calls: Vec<String> = (0..14)
        .map(|n| {
            let (status, id) = bench.dial("caller", &token, "callee", &json!({}));
            assert_eq!(status, 202, "{n}");
            id
        })
        .collect();
    bench.pass(Duration::from_secs(1));
    for id in calls {
        let path = format!("/data/connections/{id}/status");
        assert_eq!(bench.call("GET", &path, &Value::Null).1["open"], true);
    }
}

#[test]
fn two_sessions_are_enough_for_a_connection_within_the_gateway() {
    let mut bench = Bench::new("[limits]\nsessions = 4\n");
    let token = bench.peer("caller");
    bench.peer("callee");
    let (_, id) = bench.dial("caller", &token, "callee", &json!({}));
    assert_eq!(bench.event(&id), "OPEN");
    let (status, id) = bench.dial("caller", &token, "callee", &json!({}));
    assert_eq!(status, 202);
    assert_ne!(bench.event(&id), "OPEN", "there are places for two only");
}

#[test]
fn no_message_is_sent_to_a_port_of_ours() {
    let mut bench = Bench::new(CONFIG);
    let token = bench.peer("a");
    let (_, number) = bench.port();
    for (ip, port, status) in [
        ("127.0.0.1", number, 403),
        ("::ffff:127.0.0.1", number, 403),
        ("127.9.9.9", number, 403),
        // The port of all sessions, and the port of an endpoint.
        ("127.0.0.1", 5000, 403),
        ("192.0.2.1", 5000, 403),
        ("127.0.0.1", 14_550, 403),
        ("127.0.0.1", 7001, 202),
        ("192.0.2.7", number, 202),
    ] {
        let key = if ip.contains(':') { "ip_v6" } else { "ip_v4" };
        let more = json!({"redirect_params": {key: ip, "port": port}});
        let (answered, _) = bench.dial("a", &token, "robot", &more);
        assert_eq!(answered, status, "{ip} {port}");
    }
}

#[test]
fn for_a_peer_beyond_this_machine_nothing_is_sent_to_the_machine_itself() {
    let mut bench = Bench::new(CONFIG);
    bench.visit(STRANGER);
    let token = bench.peer("a");
    for (ip, status) in [
        ("127.0.0.1", 403),
        ("192.0.2.1", 403),
        ("192.0.2.9", 202),
        ("198.51.100.1", 403),
    ] {
        let more = json!({"redirect_params": {"ip_v4": ip, "port": 9}});
        assert_eq!(bench.dial("a", &token, "robot", &more).0, status, "{ip}");
    }
}

#[test]
fn a_page_of_a_foreign_origin_uses_the_dialects_that_name_it_and_no_other() {
    let config =
        format!("{CONFIG}\n[[peerjs.key]]\nkey = \"peerjs\"\norigins = [\"https://q.example\"]\n");
    let mut bench = Bench::new(&config);
    for (origin, method, path, status) in [
        ("https://q.example", "GET", "/peerjs/id", 200),
        ("https://p.example", "GET", "/peerjs/id", 403),
        ("https://q.example", "POST", "/data", 403),
        ("https://p.example", "GET", "/api/apikeys/k/clients/", 200),
        ("https://q.example", "GET", "/api/apikeys/k/clients/", 403),
        ("https://evil.example", "OPTIONS", "/peers", 403),
        ("https://p.example", "GET", "/sessions", 403),
    ] {
        bench.headers = format!("Origin: {origin}\r\n");
        let body = if method == "POST" {
            json!({})
        } else {
            Value::Null
        };
        let (answered, body) = bench.call(method, path, &body);
        assert_eq!(answered, status, "{origin} {path}: {body}");
    }
    // Where no key is required, a request from a page is refused, and one from a program is accepted.
    let mut bench =
        Bench::new("[[peerjs.key]]\nkey = \"peerjs\"\norigins = [\"https://q.example\"]\n");
    let body = json!({"key": "any", "domain": "d"});
    bench.headers = "Origin: https://q.example\r\n".to_owned();
    assert_eq!(bench.call("POST", "/peers", &body).0, 403);
    bench.headers.clear();
    assert_eq!(bench.call("POST", "/peers", &body).0, 201);
}

#[test]
fn the_name_of_this_machine_is_checked_for_every_dialect() {
    let mut bench = Bench::new(CONFIG);
    for path in [
        "/peers/a/status?token=t",
        "/peerjs/id",
        "/socket.io/",
        "/api/apikeys/k/clients/",
    ] {
        for extra in [
            "Host: evil.example",
            "Host: localhost\r\nSec-Fetch-Site: cross-site",
        ] {
            bench.visit(HERE);
            let request = format!("GET {path} HTTP/1.1\r\n{extra}\r\n\r\n");
            let now = bench.now;
            bench
                .gateway
                .handle_data(now, bench.http, request.as_bytes());
            bench.settle();
            let (answered, _) = bench.response().expect("at once");
            assert_eq!(answered, 403, "{path} {extra}");
        }
    }
}

#[test]
fn paths_of_our_own_stay_ours_whatever_an_endpoint_is_called() {
    let mut bench = Bench::new("[[endpoint]]\nname = \"peers\"\nkind = \"echo\"\n");
    let (status, body) = bench.call("GET", "/endpoints/peers", &Value::Null);
    assert_eq!((status, &body["kind"]), (200, &json!("echo")));
    assert_eq!(bench.call("GET", "/sessions/id", &Value::Null).0, 404);
    assert_eq!(
        bench.call("GET", "/peerjs/peers", &Value::Null),
        (200, json!([]))
    );
}
