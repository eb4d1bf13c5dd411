//! Limits of tokens, each tested with the request that would break the limit.

use std::time::Duration;

use serde_json::{Value, json};

use crate::access::{reasons, tell, token, with_token};
use crate::peer::{Peer, reliable};
use crate::sessions::{ARM, ROVER, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn what_hangs_on_a_token_goes_with_it() {
    let mut world = World::new(40, ARM);
    with_token(&mut world, &token("watch", "*", &["read"]));
    let (_, made) = world.ask_json("POST", "/tickets", &Value::Null);
    let ticket = made["ticket"].as_str().unwrap().to_owned();
    world.token = None;
    assert_eq!(
        world.ask_json("DELETE", "/tokens/watch", &Value::Null).0,
        200
    );
    let head = format!("GET /events?ticket={ticket} HTTP/1.1\r\nHost: board\r\n\r\n");
    let source = world.open(head.as_bytes());
    world.run(Duration::from_secs(1));
    assert!(
        world.http_text(source).starts_with("HTTP/1.1 401"),
        "its ticket"
    );
    let kept = world.stored.clone().expect("stored");
    assert!(
        kept.contains("\"revoked\": true"),
        "also after a restart: {kept}"
    );
}

#[test]
fn verbs_are_kept_apart() {
    let mut world = World::new(41, &format!("{ARM}writers = \"one\"\n"));
    with_token(&mut world, &token("look", "arm", &["read"]));
    let release = json!({"do": "release"});
    assert_eq!(
        world.ask_json("POST", "/endpoints/arm/lease", &release).0,
        403
    );
    with_token(&mut world, &token("write", "arm", &["write"]));
    assert_eq!(
        world.ask_json("POST", "/endpoints/arm/lease", &release).0,
        200
    );
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    tell(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": [{"rts": true}]}),
    );
    assert_eq!(reasons(&mut world, n, "line"), ["forbidden"]);
    with_token(&mut world, &token("line", "arm", &["line"]));
    let (status, _) = world.ask_json("POST", "/endpoints/arm/line", &json!({"do": []}));
    assert_eq!(status, 200);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 2);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"x"));
    world.until("dropped", SOON, |w| !w.peer(n).told("dropped").is_empty());
    assert_eq!(reasons(&mut world, n, "dropped"), ["forbidden"]);
}

#[test]
fn of_other_endpoints_nothing_is_heard() {
    let second = ARM
        .replace("\"arm\"", "\"leg\"")
        .replace("/dev/arm", "/dev/leg");
    let mut world = World::new(42, &format!("{ARM}{second}{ROVER}"));
    with_token(&mut world, &token("lab", "arm", &["read"]));
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    world.unplug("/dev/leg");
    world.run(Duration::from_secs(1));
    let config = thingway::testing::config::Config::parse(ARM).map_err(|_| Vec::new());
    let now = world.now;
    world.gateway.handle_reload(now, config);
    world.run(Duration::from_secs(1));
    assert!(world.peer(n).told("endpoint").is_empty());
    assert!(!world.peer(n).closed);
}

#[test]
fn the_set_up_is_not_for_programs_over_loopback() {
    let mut world = World::new(43, ARM);
    for (method, body) in [("POST", json!({})), ("DELETE", Value::Null)] {
        let (status, answer) = world.ask_json(method, "/setup", &body);
        assert_eq!(
            (status, answer["type"].as_str()),
            (403, Some("about:blank#forbidden"))
        );
    }
}

#[test]
fn codes_of_links_are_guessed_as_slowly_as_tokens() {
    let mut world = World::new(44, ARM);
    let body = json!({"share": "ts_000000000000_guess"});
    for _ in 0..10 {
        assert_eq!(
            world.ask(
                "POST",
                "/shares/redeem",
                "application/json",
                &body.to_string()
            ),
            "",
            "not at once"
        );
    }
    let (status, answer) = world.ask_json("POST", "/shares/redeem", &body);
    assert_eq!(
        (status, answer["type"].as_str()),
        (429, Some("about:blank#too-many-tries"))
    );
}

#[test]
fn a_limit_of_sessions_holds_for_offers_that_come_at_once() {
    let mut world = World::new(45, ARM);
    let mut one = token("one", "arm", &["read"]);
    one["limits"] = json!({"sessions": 1});
    let text = with_token(&mut world, &one);
    let (_, offer) = Peer::offer(
        world.now,
        "198.51.100.9:6000".parse().unwrap(),
        &[reliable("arm")],
    );
    let head = format!(
        "POST /sessions HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {text}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
        offer.len()
    );
    let answers = world.heads_then_bodies(3, head.as_bytes(), offer.as_bytes());
    let made = answers
        .iter()
        .filter(|answer| answer.starts_with("HTTP/1.1 201"))
        .count();
    assert_eq!(made, 1, "{answers:?}");
}

#[test]
fn loopback_is_trusted_only_as_far_as_the_configuration_says() {
    let mut world = World::new(46, &format!("[access]\ntrust_loopback = false\n{ARM}"));
    let (status, answer) = world.ask_json("GET", "/endpoints", &Value::Null);
    assert_eq!(
        (status, answer["type"].as_str()),
        (401, Some("about:blank#token-missing"))
    );
    assert_eq!(world.ask_json("GET", "/healthz", &Value::Null).0, 200);
}

#[test]
fn a_forwarded_request_is_one_whatever_bytes_the_header_has() {
    let mut world = World::new(28, ARM);
    for header in [
        "X-Forwarded-For: \u{ff}, 192.0.2.9",
        "Forwarded: ",
        "x-forwarded-for: 1",
        "X-Forwarded-Proto: https",
        "CF-Connecting-IP: 192.0.2.9",
    ] {
        let mut request =
            format!("GET /tokens HTTP/1.1\r\nHost: board\r\n{header}\r\n\r\n").into_bytes();
        // The header is Latin-1, as a client may send it and a proxy may forward it.
        if let Some(at) = request.windows(2).position(|two| two == [0xc3, 0xbf]) {
            request.remove(at);
        }
        let answer = world.request(&request);
        println!("{header}: {}", answer.lines().next().unwrap_or_default());
        assert!(answer.starts_with("HTTP/1.1 401"), "{header}: {answer}");
    }
}

#[test]
fn a_stream_ends_when_its_token_expires_and_not_later() {
    let mut world = World::new(50, ARM);
    let mut short = token("short", "*", &["read"]);
    short["expires_in_s"] = json!(60);
    let short = with_token(&mut world, &short);
    let begun = world.now;
    let head =
        format!("GET /events HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {short}\r\n\r\n");
    let source = world.open(head.as_bytes());
    assert!(world.http_text(source).starts_with("HTTP/1.1 200"));
    world.until("its end", Duration::from_secs(70), |w| {
        w.http_text(source).ends_with("0\r\n\r\n")
    });
    let took = (world.now - begun).as_millis();
    // Times of day are in whole seconds.
    assert!((60_000..=61_000).contains(&took), "{took} ms");
}
