//! Access to the hub: which host names, pages, keys and addresses are admitted.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::routes::{self, request};
use crate::sessions::ARM;
use crate::world::World;

const ONE: &str = "198.51.100.9:40000";
const OTHER: &str = "198.51.100.10:40000";

const P: &str = "https://p.example";
const Q: &str = "https://q.example";
const SECRET: &str = "a long secret of one key";

/// Returns a configuration whose hub is open to the network, for pages of two origins and for programs.
fn config() -> String {
    let dialect = |name: &str| {
        format!(
            "[[{name}.key]]\nkey = \"p\"\norigins = [\"{P}\"]\n\
             [[{name}.key]]\nkey = \"q\"\norigins = [\"{Q}\"]\n"
        )
    };
    format!(
        "[skyway]\nexpose = true\n{}{}[[skyway.key]]\nkey = \"domain\"\ndomain = \"d.example\"\n\
         [[skyway.key]]\nkey = \"ids\"\npeers = [\"arm-*\", \"leg\"]\n\
         [[skyway.key]]\nkey = \"signed\"\nsecret = \"{SECRET}\"\n{ARM}",
        dialect("skyway"),
        dialect("peerjs")
    )
}

#[test]
fn name_origin_and_fetch_site_are_checked_on_every_route() {
    let mut world = World::new(1, ARM);
    let cases = [
        ("Host: evil.example\r\n", "is not a name of this gateway"),
        (
            "Host: board\r\nOrigin: https://evil.example\r\n",
            "may not use this gateway",
        ),
        (
            "Host: board\r\nSec-Fetch-Site: cross-site\r\n",
            "may not use this gateway",
        ),
        (
            "Host: board\r\nSec-Fetch-Site: same-site\r\n",
            "may not use this gateway",
        ),
    ];
    let pages = [
        "/",
        "/basic",
        "/app.js",
        "/style.css",
        "/player.js",
        "/assets/demo",
        "/client/demo",
        "/ca",
        "/ca/demo",
    ];
    let hub = routes::hub().into_iter();
    for (method, path) in hub.chain(routes::own()) {
        for (lines, why) in cases {
            // Any site may link to a page of ours.
            if lines.contains("Sec-Fetch-Site") && pages.contains(&path.as_str()) {
                continue;
            }
            let answer = world.request(request(method, &path, lines).as_bytes());
            let status = answer.get(9..12).unwrap_or_default();
            assert!(
                matches!(status, "403" | "421"),
                "{method} {path} {lines:?}: {answer}"
            );
            assert!(
                answer.contains(why) || method == "HEAD",
                "{method} {path} {lines:?}: {answer}"
            );
            assert!(
                !answer.contains("Access-Control-Allow-Origin"),
                "{method} {path} {lines:?}: {answer}"
            );
        }
    }
    assert_eq!(world.metric("thingway_peers"), 0);
    for (method, path) in routes::hub() {
        let lines = "Host: board\r\nSec-Fetch-Site: same-origin\r\n";
        let answer = world.request(request(method, &path, lines).as_bytes());
        assert!(!answer.contains("may not use"), "{method} {path}: {answer}");
    }
}

/// Sends a request with a JSON body from another machine, and returns the status.
fn post(world: &mut World, from: &str, path: &str, origin: Option<&str>, body: &Value) -> u16 {
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n"));
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: board\r\n{}Content-Length: {}\r\n\r\n{body}",
        origin.unwrap_or_default(),
        body.len()
    );
    let answer = world.request_from(from, head.as_bytes());
    answer[9..12].parse().expect("a status")
}

/// Returns the credential that a server signs for a peer.
fn credential(secret: &str, peer: &str, timestamp: u64, ttl: u64) -> Value {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}:{ttl}:{peer}").as_bytes());
    json!({"timestamp": timestamp, "ttl": ttl, "authToken": BASE64.encode(tag.as_ref())})
}

#[test]
fn a_key_opens_what_its_configuration_says() {
    let mut world = World::new(2, &config());
    let now = world.epoch;
    let signed = |secret: &str, peer: &str, at: u64| Some(credential(secret, peer, at, 600));
    // Key, domain, origin, peer, credential, and whether the request is admitted.
    let table = [
        ("p", "x", Some(P), "one", None, true),
        ("p", "x", Some(Q), "one", None, false),
        ("p", "x", Some("https://evil.example"), "one", None, false),
        ("p", "x", None, "one", None, true),
        ("q", "x", Some(Q), "one", None, true),
        ("q", "x", Some(P), "one", None, false),
        ("none", "x", None, "one", None, false),
        ("", "x", None, "one", None, false),
        ("domain", "d.example", None, "one", None, true),
        ("domain", "other.example", None, "one", None, false),
        ("ids", "x", None, "arm-1", None, true),
        ("ids", "x", None, "leg", None, true),
        ("ids", "x", None, "leg-1", None, false),
        ("ids", "x", None, "other", None, false),
        ("signed", "x", None, "one", None, false),
        ("signed", "x", None, "one", signed(SECRET, "one", now), true),
        (
            "signed",
            "x",
            None,
            "one",
            signed(SECRET, "two", now),
            false,
        ),
        (
            "signed",
            "x",
            None,
            "one",
            signed("guessed", "one", now),
            false,
        ),
        (
            "signed",
            "x",
            None,
            "one",
            signed(SECRET, "one", now - 601),
            false,
        ),
        (
            "signed",
            "x",
            None,
            "one",
            signed(SECRET, "one", now + 9_999),
            false,
        ),
    ];
    for (n, (key, domain, origin, peer, credential, is_good)) in table.into_iter().enumerate() {
        let mut body = json!({"key": key, "domain": domain, "peer_id": peer});
        if let Some(credential) = &credential {
            body["credential"] = credential.clone();
        }
        // Each row uses its own address, because wrong keys are counted per address.
        let from = format!("198.51.100.{}:40000", 100 + n);
        let status = post(&mut world, &from, "/peers", origin, &body);
        // A wrong key is refused with 403, an empty key with 400.
        let got = status == 201;
        assert_eq!(got, is_good, "{status}: {origin:?} {body}");
        if got {
            world = World::new(2, &config());
        }
    }
}

#[test]
fn a_page_sees_peers_with_a_key_of_its_own_origin_only() {
    let mut world = World::new(3, &config());
    let mut n = 100;
    for (key, origin, is_good) in [("p", P, true), ("p", Q, false), ("q", P, false)] {
        for path in [
            format!("/api/apikeys/{key}/clients/"),
            format!("/api/apikeys/{key}/peers/x/exists"),
            format!("/{key}/peers"),
        ] {
            n += 1;
            let lines = format!("Host: board\r\nOrigin: {origin}\r\n");
            let head = request("GET", &path, &lines);
            let answer = world.request_from(&format!("198.51.100.{n}:4000"), head.as_bytes());
            assert_eq!(
                answer.starts_with("HTTP/1.1 200 "),
                is_good,
                "{origin} {path}: {answer}"
            );
        }
    }
}

#[test]
fn a_port_is_opened_for_the_address_that_has_a_peer_and_for_no_other() {
    let mut world = World::new(4, &config());
    assert_eq!(post(&mut world, ONE, "/data", None, &json!({})), 403);
    let body = json!({"key": "p", "domain": "x", "peer_id": "one"});
    assert_eq!(post(&mut world, ONE, "/peers", None, &body), 201);
    assert_eq!(post(&mut world, OTHER, "/data", None, &json!({})), 403);
    assert_eq!(world.metric("thingway_content_ports"), 0);
    assert_eq!(post(&mut world, ONE, "/data", None, &json!({})), 201);
}
