//! Programs that use the REST API, without a network between them and us.

mod bench;
mod trust;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::skyway::Event;
use crate::config::Config;
use bench::Bench;

#[test]
fn datagrams_go_from_one_peer_to_the_other_and_back() {
    let mut bench = Bench::new("");
    let (port, number) = bench.port();
    assert_eq!(number, 50_001);
    let [ours, theirs] = bench.connected("a", "b", &port);
    let (back, other) = bench.port();
    let body = json!({
        "feed_params": {"data_id": back},
        "redirect_params": {"ip_v4": "127.0.0.1", "port": 7002},
    });
    let (status, body) = bench.call("PUT", &format!("/data/connections/{theirs}"), &body);
    assert_eq!((status, &body["data_id"]), (200, &json!(back)));
    bench.sent.clear();
    bench.datagram(number, b"\x00 to b");
    bench.datagram(other, b"to a");
    bench.pass(Duration::from_millis(500));
    let sent = |port: u16| {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let ours = bench.sent.iter().filter(move |(at, _)| *at == to);
        ours.map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>()
    };
    assert_eq!(sent(7002), [b"\x00 to b".to_vec()]);
    assert_eq!(sent(7001), [b"to a".to_vec()]);
    let (_, status) = bench.call(
        "GET",
        &format!("/data/connections/{theirs}/status"),
        &Value::Null,
    );
    assert_eq!(
        (&status["metadata"], &status["remote_id"], &status["open"]),
        (&json!("hello"), &json!("a"), &json!(true))
    );
    let path = format!("/data/connections/{ours}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    for id in [&ours, &theirs] {
        let path = format!("/data/connections/{id}/events");
        assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "CLOSE");
    }
    // The port of the one that was deleted has gone with it, the other one has not.
    assert_eq!(
        bench
            .call("DELETE", &format!("/data/{port}"), &Value::Null)
            .0,
        404
    );
    assert_eq!(
        bench
            .call("DELETE", &format!("/data/{back}"), &Value::Null)
            .0,
        204
    );
    bench.pass(Duration::from_secs(40));
    let path = format!("/data/connections/{ours}/events");
    assert_eq!(bench.call("GET", &path, &Value::Null).0, 404);
}

#[test]
fn one_port_feeds_several_connections_and_stays_while_one_is_there() {
    let mut bench = Bench::new("");
    let (port, number) = bench.port();
    let [first, second] = bench.connected("a", "b", &port);
    let [third, fourth] = bench.connected("c", "d", &port);
    for (id, to) in [(&second, 7012), (&fourth, 7014)] {
        let body = json!({"redirect_params": {"ip_v4": "127.0.0.1", "port": to}});
        bench.call("PUT", &format!("/data/connections/{id}"), &body);
    }
    bench.sent.clear();
    bench.datagram(number, b"both");
    bench.pass(Duration::from_millis(500));
    let both = bench.sent.iter().filter(|(_, bytes)| bytes == b"both");
    let mut ports: Vec<u16> = both.map(|(to, _)| to.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [7012, 7014]);
    let delete = format!("/data/{port}");
    assert_eq!(bench.call("DELETE", &delete, &Value::Null).0, 403);
    bench.call(
        "DELETE",
        &format!("/data/connections/{first}"),
        &Value::Null,
    );
    assert_eq!(
        bench.call("DELETE", &delete, &Value::Null).0,
        403,
        "the other one"
    );
    bench.call(
        "DELETE",
        &format!("/data/connections/{third}"),
        &Value::Null,
    );
    assert_eq!(bench.call("DELETE", &delete, &Value::Null).0, 404);
}

#[test]
fn a_poll_is_answered_in_time_and_the_newer_one_of_two_wins() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = format!("/peers/a/events?token={token}");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
    bench.ask("GET", &path, &Value::Null);
    bench.pass(Duration::from_secs(27));
    assert_eq!(bench.answer(), None);
    bench.pass(Duration::from_secs(2));
    let (status, body) = bench.answer().expect("after 28 s");
    assert_eq!(
        (status, &body["command_type"]),
        (408, &json!("PEERS_EVENTS"))
    );
    assert!(body["params"]["errors"][0]["message"].is_string());
    bench.ask("GET", &path, &Value::Null);
    let older = bench.http;
    let local = "127.0.0.1:8000".parse().unwrap();
    let accepted = bench.gateway.handle_accept(bench.now, local, local);
    bench.http = accepted.expect("accepted");
    bench.ask("GET", &path, &Value::Null);
    let newer = std::mem::replace(&mut bench.http, older);
    assert_eq!(bench.answer().expect("it makes way").0, 408);
    bench.call("DELETE", &format!("/peers/a?token={token}"), &Value::Null);
    bench.http = newer;
    let (status, body) = bench.answer().expect("it is told");
    assert_eq!((status, &body["event"]), (200, &json!("CLOSE")));
}

/// Two requests on one connection, one behind the other, and one on another connection that makes the first give way: the second of
/// the first connection is read at once, and polls here as well.
#[test]
fn a_poll_behind_one_that_gives_way_takes_no_answer_from_another() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = format!("/peers/a/events?token={token}");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
    bench.ask("GET", &path, &Value::Null);
    bench.ask("GET", &path, &Value::Null);
    let first = bench.http;
    let local = "127.0.0.1:8000".parse().unwrap();
    let accepted = bench.gateway.handle_accept(bench.now, local, local);
    let second = accepted.expect("accepted");
    bench.http = second;
    bench.ask("GET", &path, &Value::Null);
    let early = bench.answer();
    bench.gateway.handle_closed(bench.now, first);
    bench.settle();
    let accepted = bench.gateway.handle_accept(bench.now, local, local);
    bench.http = accepted.expect("accepted");
    bench.call("DELETE", &format!("/peers/a?token={token}"), &Value::Null);
    bench.http = second;
    let told = early.or_else(|| bench.answer()).expect("it is answered");
    assert!(matches!(told.0, 200 | 408), "{told:?}");
}

#[test]
fn two_events_of_one_moment_are_told_one_after_the_other() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = format!("/peers/a/events?token={token}");
    assert_eq!(bench.call("GET", &path, &Value::Null).1["event"], "OPEN");
    bench.ask("GET", &path, &Value::Null);
    let peer = bench.gateway.rendezvous.rest_peers[&token].peer;
    for id in ["dc_1", "dc_2"] {
        let event = Event::Connection {
            data_connection_id: id.to_owned(),
        };
        bench
            .gateway
            .tell_rest_peer(peer.expect("it is there"), event);
    }
    bench.settle();
    let told = |bench: &mut Bench| {
        let (status, body) = bench.answer().expect("told");
        (status, body["data_params"]["data_connection_id"].clone())
    };
    assert_eq!(told(&mut bench), (200, json!("dc_1")));
    bench.ask("GET", &path, &Value::Null);
    assert_eq!(told(&mut bench), (200, json!("dc_2")));
}

#[test]
fn what_is_not_there_or_not_allowed_is_said_with_its_field() {
    let mut bench = Bench::new("[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n");
    let token = bench.peer("a");
    let cases = [
        (
            "GET",
            "/peers/a/status?token=pt-1".to_owned(),
            Value::Null,
            403,
            "token",
        ),
        (
            "GET",
            "/peers/a/status".to_owned(),
            Value::Null,
            400,
            "token",
        ),
        (
            "GET",
            format!("/peers/b/status?token={token}"),
            Value::Null,
            404,
            "peer_id",
        ),
        (
            "POST",
            "/peers".to_owned(),
            json!({"key": "k", "domain": "d", "peer_id": "a"}),
            403,
            "peer_id",
        ),
        (
            "POST",
            "/data/connections".to_owned(),
            json!({"peer_id": "a", "token": token,
            "target_id": "b", "params": {"endpoint": "leg"}}),
            404,
            "params.endpoint",
        ),
        (
            "POST",
            "/data/connections".to_owned(),
            json!({"peer_id": "a", "token": token,
            "target_id": "b", "redirect_params": {"ip_v4": "8.8.8.8", "port": 53}}),
            403,
            "redirect_params",
        ),
        (
            "DELETE",
            "/data/da-1".to_owned(),
            Value::Null,
            404,
            "data_id",
        ),
        (
            "GET",
            "/data/connections/dc-1/status".to_owned(),
            Value::Null,
            404,
            "data_connection_id",
        ),
        ("PATCH", "/data".to_owned(), Value::Null, 405, "method"),
        (
            "POST",
            "/media".to_owned(),
            json!({"is_video": true}),
            400,
            "media",
        ),
    ];
    for (method, path, body, status, field) in cases {
        let (got, body) = bench.call(method, &path, &body);
        assert_eq!(got, status, "{method} {path}: {body}");
        assert_eq!(
            body["params"]["errors"][0]["field"], field,
            "{path}: {body}"
        );
    }
    // Where redirects go to is on a link of ours.
    let body = json!({"peer_id": "a", "token": token, "target_id": "b",
        "redirect_params": {"ip_v4": "192.0.2.200", "port": 53}});
    assert_eq!(bench.call("POST", "/data/connections", &body).0, 202);
}

#[test]
fn only_so_many_deleted_peers_are_remembered() {
    let mut bench = Bench::new("[limits]\npeers = 4\n");
    let path = |n: usize, token: &str, what: &str| format!("/peers/p{n}{what}?token={token}");
    let tokens: Vec<String> = (0..12)
        .map(|n| {
            let token = bench.peer(&format!("p{n}"));
            assert_eq!(
                bench.call("DELETE", &path(n, &token, ""), &Value::Null).0,
                204
            );
            bench.pass(Duration::from_millis(1));
            token
        })
        .collect();
    for (n, token) in tokens.iter().enumerate() {
        let status = if n < 8 { 404 } else { 200 };
        let got = bench
            .call("GET", &path(n, token, "/events"), &Value::Null)
            .0;
        assert_eq!(got, status, "{n}");
    }
}

#[test]
fn peers_of_the_configuration_come_and_go_with_it() {
    let config = |id: &str, port: u16| {
        format!(
            "[content]\nfirst_port = {port}\n[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n\
             [[peer]]\nid = \"{id}\"\nendpoint = \"arm\"\n"
        )
    };
    let mut bench = Bench::new(&config("one", 51_000));
    let list = |bench: &mut Bench| bench.call("GET", "/peerjs/peers", &Value::Null).1;
    assert_eq!(list(&mut bench), json!(["one"]));
    let next = Config::parse(&config("two", 52_000)).expect("a configuration");
    bench.gateway.handle_reload(bench.now, Ok(next));
    assert_eq!(list(&mut bench), json!(["two"]));
    assert_eq!(bench.port().1, 51_000, "the ports need a restart");
}

#[test]
fn what_is_ours_stays_ours() {
    let mut bench = Bench::new("[[endpoint]]\nname = \"peers\"\nkind = \"echo\"\n");
    let (status, body) = bench.call("GET", "/endpoints/peers", &Value::Null);
    assert_eq!((status, &body["kind"]), (200, &json!("echo")));
    assert_eq!(bench.call("GET", "/sessions/id", &Value::Null).0, 404);
    assert_eq!(
        bench.call("GET", "/peerjs/peers", &Value::Null),
        (200, json!([]))
    );
}

#[test]
fn clients_of_socket_io_that_never_come_back_are_bounded_and_missed() {
    let mut bench = Bench::new("[limits]\npeers = 3\n");
    let open = "/socket.io/?EIO=3&transport=polling&apiKey=k";
    for _ in 0..3 {
        assert_eq!(bench.call("GET", open, &Value::Null).0, 200);
    }
    assert_eq!(bench.call("GET", open, &Value::Null).0, 403);
    bench.pass(Duration::from_secs(50));
    assert_eq!(bench.gateway.hub_counts(), [0; 4]);
    assert_eq!(bench.call("GET", open, &Value::Null).0, 200);
}

#[test]
fn a_port_that_another_program_has_is_passed_over() {
    let mut bench = Bench::new("[content]\nfirst_port = 51000\nports = 2\n");
    bench.occupied = Some(51_000);
    assert_eq!(bench.port().1, 51_001);
    let (status, body) = bench.call("POST", "/data", &json!({}));
    assert_eq!(
        (status, &body["command_type"]),
        (400, &json!("DATA_CREATE"))
    );
}

#[test]
fn who_calls_nobody_hears_of_it_and_who_is_late_is_still_reached() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let body = json!({"peer_id": "a", "token": token, "target_id": "nobody"});
    let call = |bench: &mut Bench| {
        let (_, body) = bench.call("POST", "/data/connections", &body);
        let id = body["params"]["data_connection_id"].as_str().unwrap();
        format!("/data/connections/{id}/events")
    };
    let events = call(&mut bench);
    bench.pass(Duration::from_secs(6));
    let (_, event) = bench.call("GET", &events, &Value::Null);
    assert_eq!(event["event"], "ERROR");
    assert!(event["error_message"].as_str().unwrap().contains("nobody"));
    assert_eq!(bench.call("GET", &events, &Value::Null).1["event"], "CLOSE");
    let events = call(&mut bench);
    bench.pass(Duration::from_secs(3));
    bench.peer("nobody");
    assert_eq!(bench.call("GET", &events, &Value::Null).1["event"], "OPEN");
}

#[test]
fn nothing_is_left_of_what_was_made_and_deleted() {
    let mut bench = Bench::new("");
    let before = (bench.gateway.hub_counts(), bench.sockets.len());
    for round in 0..1_000 {
        let (port, _) = bench.port();
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let [ours, _] = bench.connected(&a, &b, &port);
        if round % 3 == 0 {
            let path = format!("/data/connections/{ours}");
            bench.call("DELETE", &path, &Value::Null);
        }
        let tokens: Vec<(String, String)> = bench.gateway.rest_tokens().collect();
        for (token, name) in tokens {
            let path = format!("/peers/{name}?token={token}");
            assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
        }
        // What had no connection is closed by whoever opened it.
        bench.pass(Duration::from_secs(40));
    }
    let sockets = bench.sockets.len() - 1;
    assert_eq!(
        before,
        (bench.gateway.hub_counts(), sockets),
        "the sender stays"
    );
    assert_eq!(bench.gateway.sessions.len(), 0);
    assert_eq!(bench.gateway.routing.routes.len(), 0);
    assert_eq!(bench.gateway.demux.len(), (0, 0));
}

#[test]
fn a_credential_means_nothing_where_nobody_signs() {
    let credential = json!({"timestamp": 0, "ttl": 600, "authToken": "no base64!"});
    let options = json!({"key": "k", "domain": "d", "peer_id": "a", "credential": credential});
    let mut bench = Bench::new("");
    assert_eq!(bench.call("POST", "/peers", &options).0, 201);
    let mut signing = Bench::new("[[skyway.key]]\nkey = \"k\"\nsecret = \"a long secret\"\n");
    let (status, body) = signing.call("POST", "/peers", &options);
    let errors = json!([{"field": "credential", "message": "authToken is not base 64"}]);
    assert_eq!((status, &body["params"]["errors"]), (400, &errors));
}

#[test]
fn a_deleted_peer_is_deleted_once() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = format!("/peers/a?token={token}");
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 404);
    let credential = json!({"timestamp": 0, "ttl": 600, "authToken": ""});
    let path = format!("/peers/a/credential?token={token}");
    assert_eq!(bench.call("PUT", &path, &credential).0, 404);
    // Who asks is still told.
    let path = format!("/peers/a/status?token={token}");
    let (status, body) = bench.call("GET", &path, &Value::Null);
    assert_eq!((status, &body["disconnected"]), (200, &json!(true)));
    bench.pass(Duration::from_secs(29));
    assert_eq!(bench.call("GET", &path, &Value::Null).0, 200);
    // But not for ever.
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.call("GET", &path, &Value::Null).0, 404);
}

#[test]
fn a_deleted_connection_can_be_asked_about_for_half_a_minute() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let body = json!({"peer_id": "a", "token": token, "target_id": "nobody"});
    let (_, body) = bench.call("POST", "/data/connections", &body);
    let id = body["params"]["data_connection_id"].as_str().unwrap();
    let (path, status) = (
        format!("/data/connections/{id}"),
        format!("/data/connections/{id}/status"),
    );
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(bench.call("DELETE", &path, &Value::Null).0, 404);
    bench.pass(Duration::from_secs(29));
    let (code, body) = bench.call("GET", &status, &Value::Null);
    assert_eq!((code, &body["open"]), (200, &json!(false)));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.call("GET", &status, &Value::Null).0, 404);
}

#[test]
fn connections_that_are_over_make_room() {
    let mut bench = Bench::new("[limits]\nsessions = 1\n");
    let token = bench.peer("a");
    let body = json!({"peer_id": "a", "token": token, "target_id": "nobody"});
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (status, body) = bench.call("POST", "/data/connections", &body);
        assert_eq!(status, 202, "{body}");
        let id = body["params"]["data_connection_id"].as_str().unwrap();
        ids.push(format!("/data/connections/{id}"));
    }
    assert_eq!(bench.call("POST", "/data/connections", &body).0, 403);
    for path in ids.iter().rev() {
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.call("DELETE", path, &Value::Null).0, 204);
    }
    assert_eq!(bench.call("POST", "/data/connections", &body).0, 202);
    // The one that ended last can still be asked about.
    let events = |path: &String| format!("{path}/events");
    assert_eq!(bench.call("GET", &events(&ids[1]), &Value::Null).0, 404);
    let (status, event) = bench.call("GET", &events(&ids[0]), &Value::Null);
    assert_eq!((status, &event["event"]), (200, &json!("CLOSE")));
}
