//! Secrets in a URL: a ticket is allowed at the event stream, and a token or share code nowhere.

use serde_json::{Value, json};

use crate::access::with_token;
use crate::routes::{self, request};
use crate::sessions::ARM;
use crate::world::World;

const STRANGER: &str = "198.51.100.9:40000";

/// Makes a ticket of an administrator, for requests from [`STRANGER`].
fn ticket(world: &mut World) -> String {
    let token = with_token(world, &json!({"name": "boss", "admin": true}));
    world.token = None;
    let lines = format!("Host: board\r\nAuthorization: Bearer {token}\r\n");
    let answer = world.request_from(STRANGER, request("POST", "/tickets", &lines).as_bytes());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let made: Value = serde_json::from_str(body).expect("JSON");
    made["ticket"].as_str().expect("a ticket").to_owned()
}

#[test]
fn a_ticket_opens_the_event_stream_and_nothing_else() {
    let mut world = World::new(1, ARM);
    let ticket = ticket(&mut world);
    let asked = |world: &mut World, method: &str, path: &str| {
        let head = request(method, path, "Host: board\r\n");
        let answer = world.request_from(STRANGER, head.as_bytes());
        answer.get(9..12).expect("a status").to_owned()
    };
    let mut refused = 0;
    for (method, path) in routes::own() {
        if path == "/events" {
            continue;
        }
        let without = asked(&mut world, method, &path);
        let with = asked(&mut world, method, &format!("{path}?ticket={ticket}"));
        assert_eq!(with, without, "{method} {path}: the ticket changes nothing");
        refused += usize::from(with == "401");
    }
    assert!(refused >= 20, "only {refused} routes are not public");
    let path = format!("/events?ticket={ticket}");
    assert_eq!(asked(&mut world, "GET", &path), "200", "it was not used up");
}

#[test]
fn a_token_or_share_code_in_a_query_is_refused_under_any_name() {
    let mut world = World::new(2, ARM);
    for (method, path) in routes::own() {
        for query in [
            "x=tw_1_2",
            "x=ts_1_0123456789abcdef",
            "ticket=ts_1_0123456789abcdef",
            "a=1&q=ts_1_0123456789abcdef",
        ] {
            let head = request(method, &format!("{path}?{query}"), "Host: board\r\n");
            let answer = world.request(head.as_bytes());
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            assert!(
                answer.starts_with("HTTP/1.1 400 "),
                "{method} {path} {query}: {answer}"
            );
            // The answer to HEAD has no body.
            assert!(
                body.contains("token-in-query") || method == "HEAD",
                "{method} {path} {query}: {answer}"
            );
        }
    }
}
