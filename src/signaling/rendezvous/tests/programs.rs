//! Peers of programs and of the configuration.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::bench::{Bench, text};
use crate::limits;
use crate::signaling::rendezvous::RendezvousEvent;

#[test]
fn what_is_not_there_or_not_allowed_is_said_with_its_field() {
    let mut bench = Bench::new("[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n");
    let token = bench.peer("a");
    let call = |params: Value| {
        let mut body = json!({"peer_id": "a", "token": token, "target_id": "b"});
        for (key, value) in params.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    };
    let nothing = Value::Null;
    let leg = call(json!({"params": {"endpoint": "leg"}}));
    let far = call(json!({"redirect_params": {"ip_v4": "8.8.8.8", "port": 53}}));
    let taken = json!({"key": "k", "domain": "d", "peer_id": "a"});
    let other = format!("/peers/b/status?token={token}");
    let cases = [
        ("GET", "/peers/a/status?token=pt-1", &nothing, 403, "token"),
        ("GET", "/peers/a/status", &nothing, 400, "token"),
        ("GET", &other, &nothing, 404, "peer_id"),
        ("POST", "/peers", &taken, 403, "peer_id"),
        ("POST", "/data/connections", &leg, 404, "params.endpoint"),
        ("POST", "/data/connections", &far, 403, "redirect_params"),
        ("DELETE", "/data/da-1", &nothing, 404, "data_id"),
        (
            "GET",
            "/data/connections/dc-1/status",
            &nothing,
            404,
            "data_connection_id",
        ),
        ("PATCH", "/data", &nothing, 405, "method"),
        ("POST", "/media", &json!({"is_video": true}), 400, "media"),
    ];
    for (method, path, body, status, field) in cases {
        let (got, body) = bench.call(method, path, body);
        assert_eq!(got, status, "{method} {path}: {body}");
        assert_eq!(
            body["params"]["errors"][0]["field"], field,
            "{path}: {body}"
        );
    }
    // Redirects may lead to a link of this machine; the socket that sends there is prepared.
    let near = call(json!({"redirect_params": {"ip_v4": "192.0.2.200", "port": 53}}));
    assert_eq!(bench.call("POST", "/data/connections", &near).0, 202);
    let prepared = |event: &RendezvousEvent| matches!(event, RendezvousEvent::PrepareSender(_));
    assert!(bench.events.iter().any(prepared));
}

#[test]
fn only_so_many_deleted_peers_are_remembered() {
    let mut bench = Bench::new("[limits]\npeers = 4\n");
    let tokens: Vec<String> = (0..12)
        .map(|n| {
            let token = bench.peer(&format!("p{n}"));
            assert_eq!(bench.delete(&format!("/peers/p{n}?token={token}")), 204);
            bench.pass(Duration::from_millis(1));
            token
        })
        .collect();
    for (n, token) in tokens.iter().enumerate() {
        let status = if n < 8 { 404 } else { 200 };
        let path = format!("/peers/p{n}/events?token={token}");
        assert_eq!(bench.get(&path).0, status, "{n}");
    }
    assert_eq!(bench.stats().peers, 0);
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
    assert_eq!(bench.get("/peerjs/peers").1, json!(["one"]));
    bench.events.clear();
    bench.use_config(&config("two", 52_000));
    assert_eq!(bench.get("/peerjs/peers").1, json!(["two"]));
    assert_eq!(bench.port().1, 51_000, "the ports need a restart");
    let published = bench.events.iter().filter_map(|event| match event {
        RendezvousEvent::Publish("peer", what) => Some((text(&what["id"]), text(&what["state"]))),
        _ => None,
    });
    let pair = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    let expected = [pair("one", "left"), pair("two", "joined")];
    assert_eq!(published.collect::<Vec<_>>(), expected);
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
fn a_credential_is_told_before_its_end_and_ends_its_peer() {
    let mut bench = Bench::new("[[skyway.key]]\nkey = \"k\"\nsecret = \"a long secret\"\n");
    let signed = |start: u64| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a long secret");
        let tag = hmac::sign(&key, format!("{start}:600:a").as_bytes());
        let token = BASE64.encode(tag.as_ref());
        json!({"timestamp": start, "ttl": 600, "authToken": token})
    };
    let start = 1_700_000_000;
    let options = json!({"key": "k", "domain": "d", "peer_id": "a", "credential": signed(start)});
    let (status, body) = bench.call("POST", "/peers", &options);
    assert_eq!(status, 201, "{body}");
    let token = text(&body["params"]["token"]);
    let path = format!("/peers/a/events?token={token}");
    assert_eq!(bench.get(&path).1["event"], "OPEN");
    bench.pass(Duration::from_secs(301));
    let (_, event) = bench.get(&path);
    assert_eq!(
        (&event["event"], &event["remainingSec"]),
        (&json!("EXPIRESIN"), &json!(300))
    );
    let renew = format!("/peers/a/credential?token={token}");
    assert_eq!(bench.call("PUT", &renew, &signed(start + 301)).0, 200);
    bench.pass(Duration::from_secs(400));
    assert_eq!(bench.get(&path).1["event"], "EXPIRESIN");
    bench.pass(Duration::from_secs(210));
    assert_eq!(bench.get(&path).1["event"], "CLOSE");
    assert_eq!(bench.stats().peers, 0);
}

#[test]
fn a_deleted_peer_is_deleted_once() {
    let mut bench = Bench::new("");
    let token = bench.peer("a");
    let path = format!("/peers/a?token={token}");
    assert_eq!(bench.delete(&path), 204);
    assert_eq!(bench.delete(&path), 404);
    let credential = json!({"timestamp": 0, "ttl": 600, "authToken": ""});
    let renew = format!("/peers/a/credential?token={token}");
    assert_eq!(bench.call("PUT", &renew, &credential).0, 404);
    let path = format!("/peers/a/status?token={token}");
    let (status, body) = bench.get(&path);
    assert_eq!((status, &body["disconnected"]), (200, &json!(true)));
    bench.pass(Duration::from_secs(29));
    assert_eq!(bench.get(&path).0, 200);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.get(&path).0, 404);
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
    assert_eq!(bench.stats().content_ports, 1);
}

#[test]
fn ports_leave_descriptors_for_the_others() {
    let mut bench = Bench::new("");
    bench.sources.set_descriptors(limits::SPARE_DESCRIPTORS);
    let (status, body) = bench.call("POST", "/data", &json!({}));
    assert_eq!(status, 403);
    assert!(body.to_string().contains("LimitNOFILE"), "{body}");
}
