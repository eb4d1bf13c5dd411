//! Tests of the paths that dialects claim, and of the limits of a dialect.

use serde_json::{Value, json};

use super::bench::Bench;
use crate::api::ROUTES;
use crate::http::{Method, RequestHead};
use crate::signaling::dialect::Claim;
use crate::signaling::rendezvous::Rendezvous;
use crate::signaling::rendezvous::table::ROWS;

fn head(method: &str, path: &str) -> RequestHead {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    RequestHead::parse(text.as_bytes()).expect("a head")
}

fn claim(method: &str, path: &str) -> Option<Claim> {
    Rendezvous::claims(&head(method, path))
}

/// Returns a path with a word in place of each variable segment.
fn filled(path: &str, word: &str) -> String {
    let segments = path.split('/');
    let filled = segments.map(|it| if it.starts_with('{') { word } else { it });
    filled.collect::<Vec<_>>().join("/")
}

#[test]
fn every_path_of_a_dialect_is_claimed_by_that_dialect_alone() {
    for (n, row) in ROWS.iter().enumerate() {
        for route in (row.paths.routes)() {
            for word in ["robot", "id-1", "a+b c", "sdp"] {
                let path = filled(route, word);
                let segments: Vec<&str> = path.split('/').skip(1).collect();
                let claimed = ROWS.iter().map(|row| (row.paths.claims)(&segments));
                let claimed: Vec<usize> = claimed
                    .enumerate()
                    .filter_map(|(n, claims)| claims.then_some(n))
                    .collect();
                assert_eq!(claimed, [n], "{path}");
                for path in [
                    path.replace(' ', "%20"),
                    format!("{}/", path.replace(' ', "%20")),
                ] {
                    let claim = claim("GET", &path).expect("it is claimed");
                    assert_eq!(usize::from(claim.dialect.0), n, "{path}");
                }
            }
        }
    }
}

#[test]
fn a_path_of_our_own_is_claimed_by_no_dialect_whatever_an_endpoint_is_called() {
    for (route, methods) in ROUTES {
        for word in ["arm", "id", "peers", "sdp", "data", "media", "socket.io"] {
            for method in *methods {
                let path = filled(route, word);
                assert_eq!(claim(method, &path), None, "{method} {path}");
            }
        }
    }
    for path in [
        "/endpoints/id",
        "/endpoints/peers",
        "/sessions/id",
        "/events/id",
        "/",
        "*",
    ] {
        if path != "*" {
            assert_eq!(claim("GET", path), None, "{path}");
        }
    }
}

#[test]
fn the_order_decides_where_two_could_claim() {
    // `/{key}/peers` of PeerJS with the key `data` or `media` is a port or a connection of SkyWay's gateway.
    for (path, dialect) in [
        ("/data/id", 0),
        ("/peers/id", 0),
        ("/peerjs/id", 2),
        ("/api/id", 2),
    ] {
        let claimed = claim("GET", path).map(|claim| claim.dialect.0);
        assert_eq!(claimed, Some(dialect), "{path}");
    }
}

#[test]
fn a_claim_has_the_errors_of_its_dialect() {
    let call = claim("POST", "/peers").expect("claimed");
    assert!(call.takes_body() && call.not_allowed().is_none());
    let body = |claim: &Claim, status| {
        let response = claim.error(status, "Host", "no");
        let body: Value = serde_json::from_slice(response.content()).expect("JSON");
        (response.status(), body)
    };
    assert_eq!(body(&call, 403).1["command_type"], "PEERS_CREATE");
    let wrong = claim("PATCH", "/peers").expect("claimed");
    assert_eq!(wrong.not_allowed().expect("refused").status(), 405);
    assert_eq!(body(&wrong, 405).1["command_type"], "PEERS_CREATE");
    assert_eq!(body(&wrong, 403).1["detail"], "no");
    assert_eq!(wrong.allow(&head("PATCH", "/peers")), "POST, OPTIONS");
    let io = claim("POST", "/socket.io/?EIO=3").expect("claimed");
    assert!(io.takes_body());
    assert!(!claim("GET", "/socket.io/").expect("claimed").takes_body());
    let allow = io.allow(&head("POST", "/socket.io/"));
    assert_eq!(allow, "GET, POST, OPTIONS");
    let list = claim("GET", "/peerjs/peers").expect("claimed");
    let allow = list.allow(&head("GET", "/peerjs/peers"));
    assert_eq!(allow, "GET, HEAD, OPTIONS");
    assert_eq!(body(&list, 401), (401, body(&list, 401).1));
}

#[test]
fn lists_are_read_and_nothing_else() {
    let mut bench = Bench::new("");
    for path in ["/peerjs/id", "/peerjs", "/api/apikeys/k/clients/"] {
        assert_eq!(bench.call("DELETE", path, &Value::Null).0, 405, "{path}");
    }
    assert_eq!(bench.get("/peerjs/peers"), (200, json!([])));
    assert_eq!(bench.get("/peerjs").0, 426, "it takes a WebSocket");
}

#[test]
fn a_throw_away_dialect_takes_a_folder_a_field_and_a_row() {
    let mut bench = Bench::new("");
    assert_eq!(claim("GET", "/echo").map(|it| it.method), Some(Method::Get));
    let said = json!({"a": 1});
    assert_eq!(bench.call("POST", "/echo", &said), (200, said));
    assert_eq!(bench.get("/echo").0, 204);
    let socket = bench.open_socket("/echo");
    bench.send(socket, "hello");
    assert_eq!(bench.heard(socket), ["hello"]);
    bench.close_socket(socket);
    bench.send(socket, "is anybody there");
    assert!(bench.heard(socket).is_empty());
}
