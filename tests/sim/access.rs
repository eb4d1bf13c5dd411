//! Sessions with tokens: what they can see and do, and what ends them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::reliable;
use crate::sessions::{ARM, ROVER, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

/// Makes a token, and sends it with all requests from now on.
pub fn with_token(world: &mut World, body: &Value) -> String {
    world.token = None;
    let (status, made) = world.ask_json("POST", "/tokens", body);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token").to_owned();
    let kept = world.stored.clone().expect("kept before it is answered");
    assert!(!kept.contains(token.splitn(3, '_').nth(2).unwrap()));
    world.token = Some(token.clone());
    token
}

pub fn token(name: &str, endpoint: &str, verbs: &[&str]) -> Value {
    json!({"name": name, "scopes": [{"endpoints": [endpoint], "verbs": verbs}]})
}

pub fn tell(world: &mut World, n: usize, request: &Value) {
    let now = world.now;
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
    world.run(Duration::from_millis(50));
}

pub fn reasons(world: &mut World, n: usize, kind: &str) -> Vec<String> {
    let told = world.peer(n).told(kind);
    let reasons = told
        .iter()
        .map(|m| m["reason"].as_str().unwrap_or("-").to_owned());
    reasons.collect()
}

#[test]
fn a_token_shows_and_opens_what_it_is_for() {
    let mut world = World::new(1, &format!("{ARM}{ROVER}"));
    with_token(&mut world, &token("lab", "arm", &["read"]));
    let labels = [reliable("thingway"), reliable("arm"), reliable("rover")];
    let n = world.connect(&labels, good(), 1);
    world.until("refused", SOON, |w| !w.peer(n).told("refused").is_empty());
    assert_eq!(reasons(&mut world, n, "refused"), ["unknown-endpoint"]);
    let hello = world.peer(n).told("hello")[0].clone();
    let names: Vec<_> = hello["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].clone())
        .collect();
    assert_eq!(names, ["arm"]);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());

    // The session receives, but cannot write.
    world.device_sends("/dev/arm", b"hello");
    world.until("bytes", SOON, |w| {
        w.peer(n).channels["arm"].bytes == b"hello"
    });
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"go"));
    world.until("dropped", SOON, |w| !w.peer(n).told("dropped").is_empty());
    assert_eq!(reasons(&mut world, n, "dropped"), ["forbidden"]);
    tell(
        &mut world,
        n,
        &json!({"type": "line", "id": 1, "endpoint": "arm", "do": [{"dtr": true}]}),
    );
    tell(
        &mut world,
        n,
        &json!({"type": "line", "id": 2, "endpoint": "arm", "do": []}),
    );
    tell(
        &mut world,
        n,
        &json!({"type": "line", "id": 3, "endpoint": "rover", "do": []}),
    );
    assert_eq!(
        reasons(&mut world, n, "line"),
        ["forbidden", "-", "unknown-endpoint"]
    );
    tell(
        &mut world,
        n,
        &json!({"type": "lease", "endpoint": "arm", "do": "take"}),
    );
    tell(
        &mut world,
        n,
        &json!({"type": "heartbeat", "endpoint": "rover"}),
    );
    assert_eq!(
        reasons(&mut world, n, "error"),
        ["forbidden", "unknown-endpoint"]
    );
    tell(&mut world, n, &json!({"type": "endpoints"}));
    assert_eq!(
        world.peer(n).told("endpoints")[0]["endpoints"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.tty("/dev/arm").written, b"");

    // The session learns nothing of the other endpoint.
    world.unplug("/dev/arm");
    world.run(Duration::from_secs(1));
    let heard = world.peer(n).told("endpoint");
    assert!(
        !heard.is_empty() && heard.iter().all(|m| m["name"] == "arm"),
        "{heard:?}"
    );
}

#[test]
fn requests_are_held_to_the_token() {
    let mut world = World::new(2, &format!("[api]\nconfigure = true\n{ARM}{ROVER}"));
    let admin = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    with_token(&mut world, &token("lab", "arm", &["read", "write"]));
    let looks = json!({"do": []});
    for (method, target, body, wanted) in [
        ("GET", "/endpoints/arm", &Value::Null, 200),
        ("GET", "/endpoints/rover", &Value::Null, 404),
        ("POST", "/endpoints/rover/line", &looks, 404),
        ("POST", "/endpoints/arm/line", &looks, 403),
        ("GET", "/endpoints/arm/config", &Value::Null, 403),
        ("PUT", "/endpoints/arm", &json!({"kind": "echo"}), 403),
        ("PUT", "/endpoints/new", &json!({"kind": "echo"}), 403),
        ("DELETE", "/endpoints/rover", &Value::Null, 403),
        ("GET", "/ports", &Value::Null, 403),
        ("GET", "/metrics", &Value::Null, 403),
        ("GET", "/events", &Value::Null, 403),
        ("GET", "/tokens", &Value::Null, 403),
        ("POST", "/tokens", &json!({"name": "x", "admin": true}), 403),
        ("DELETE", "/tokens/boss", &Value::Null, 403),
        ("POST", "/shares", &json!({"name": "x", "admin": true}), 403),
        ("POST", "/setup", &json!({}), 403),
        ("GET", "/access", &Value::Null, 200),
        ("GET", "/healthz", &Value::Null, 200),
        ("GET", "/", &Value::Null, 200),
    ] {
        let (status, answer) = world.ask_json(method, target, body);
        assert_eq!(status, wanted, "{method} {target}: {answer}");
    }
    let (_, list) = world.ask_json("GET", "/endpoints", &Value::Null);
    assert_eq!(list["endpoints"].as_array().unwrap().len(), 1);
    let (_, access) = world.ask_json("GET", "/access", &Value::Null);
    assert_eq!(
        (access["token"].as_str(), access["admin"].as_bool()),
        (Some("lab"), Some(false))
    );

    // A token may see its own sessions, and no others.
    let own = world.connect(&[reliable("arm")], good(), 1);
    world.token = Some(admin);
    let other = world.connect(&[reliable("arm")], good(), 2);
    let names = [own, other].map(|n| world.clients[n].session.clone());
    let (_, all) = world.ask_json("GET", "/sessions", &Value::Null);
    assert_eq!(all["sessions"].as_array().unwrap().len(), 2);
    let again = json!({"name": "lab2", "scopes": [{"endpoints": ["*"], "verbs": ["read"]}]});
    let (_, made) = world.ask_json("POST", "/tokens", &again);
    world.token = made["token"].as_str().map(str::to_owned);
    let (_, none) = world.ask_json("GET", "/sessions", &Value::Null);
    assert_eq!(none["sessions"], json!([]));
    for name in &names {
        let target = format!("/sessions/{name}");
        assert_eq!(world.ask_json("DELETE", &target, &Value::Null).0, 404);
        assert_eq!(world.ask_json("GET", &target, &Value::Null).0, 404);
    }
    assert_eq!(
        world.ask_json("GET", "/metrics", &Value::Null).0,
        200,
        "it reads all"
    );
}

#[test]
fn a_revoked_token_ends_its_sessions_and_no_others() {
    let mut world = World::new(3, ARM);
    with_token(&mut world, &token("one", "arm", &["read", "write"]));
    let one = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    with_token(&mut world, &token("two", "arm", &["read", "write"]));
    let two = world.connect(&[reliable("thingway"), reliable("arm")], good(), 2);
    world.until("open", SOON, |w| {
        [one, two]
            .iter()
            .all(|n| w.peer(*n).channels["arm"].credit.is_some())
    });
    world.token = None;
    assert_eq!(world.ask_json("DELETE", "/tokens/one", &Value::Null).0, 200);
    world.until("gone", SOON, |w| w.peer(one).closed);
    assert_eq!(reasons(&mut world, one, "bye"), ["token-revoked"]);
    world.run(Duration::from_secs(1));
    assert!(!world.peer(two).closed);
    assert_eq!(world.ask_json("DELETE", "/tokens/one", &Value::Null).0, 404);
    // The operator ends the session by hand.
    let target = format!("/sessions/{}", world.clients[two].session);
    assert_eq!(world.ask_json("DELETE", &target, &Value::Null).0, 200);
    world.until("gone", SOON, |w| w.peer(two).closed);
    assert_eq!(reasons(&mut world, two, "bye"), ["disconnected"]);
}

#[test]
fn a_token_expires_with_its_sessions() {
    let mut world = World::new(4, ARM);
    let mut short = token("short", "arm", &["read"]);
    short["expires_in_s"] = json!(60);
    with_token(&mut world, &short);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.run(Duration::from_secs(58));
    assert!(world.peer(n).connected && !world.peer(n).closed);
    world.until("gone", SOON, |w| w.peer(n).closed);
    assert_eq!(reasons(&mut world, n, "bye"), ["token-expired"]);
    let (status, problem) = world.ask_json("GET", "/endpoints", &Value::Null);
    assert_eq!(
        (status, problem["type"].as_str()),
        (401, Some("about:blank#token-expired"))
    );
}

#[test]
fn a_token_with_limits_is_held_to_them() {
    let mut world = World::new(5, ARM);
    let mut limited = token("limited", "arm", &["write"]);
    limited["limits"] = json!({"sessions": 1, "messages_per_second": 10});
    with_token(&mut world, &limited);
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    let second = world.ask("POST", "/sessions", "application/sdp", "v=0");
    assert!(
        second.starts_with("HTTP/1.1 503") && second.contains("its limit"),
        "{second}"
    );
    for _ in 0..25 {
        let now = world.now;
        assert!(world.peer(n).send_within_credit(now, "arm", b"x"));
        world.run(Duration::from_millis(1));
    }
    world.run(Duration::from_secs(2));
    let written = world.tty("/dev/arm").written.len();
    assert!((10..=12).contains(&written), "{written}");
    assert_eq!(world.dropped("rate-limited"), 25 - written as u64);
}

#[test]
fn guesses_take_their_time_and_then_are_not_heard() {
    let mut world = World::new(6, ARM);
    let good = with_token(&mut world, &token("lab", "arm", &["read"]));
    world.token = Some("tw_000000000000_guess".to_owned());
    for _ in 0..10 {
        // The answer does not come at once.
        let answer = world.ask("GET", "/endpoints", "application/json", "");
        assert_eq!(answer, "");
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(1));
    let (status, problem) = world.ask_json("GET", "/endpoints", &Value::Null);
    assert_eq!(
        (status, problem["type"].as_str()),
        (429, Some("about:blank#too-many-tries"))
    );
    world.token = Some(good);
    let (status, answer) = world.ask_json("GET", "/endpoints", &Value::Null);
    assert_eq!(status, 200, "who has one is not kept out: {answer}");
    world.token = None;
    assert_eq!(
        world.ask_json("GET", "/endpoints", &Value::Null).0,
        200,
        "this machine needs none"
    );
    world.run(Duration::from_secs(6));
    assert_eq!(world.metric("thingway_tries_failed_total"), 10);
}

#[test]
fn tokens_in_urls_and_requests_for_others_are_refused() {
    let mut world = World::new(7, ARM);
    for target in [
        "/endpoints?token=x",
        "/events?x=tw_1_2",
        "/?access_token=a",
        "/?share=ts_1_2",
        "/endpoints?auth=Bearer%20tw_1_2",
        "/endpoints?auth=Bearer+tw_1_2",
        "/endpoints?x=%74w_1_2",
        "/endpoints?%74oken=x",
        "/endpoints?tw_1_2",
    ] {
        let (status, problem) = world.ask_json("GET", target, &Value::Null);
        assert_eq!(
            (status, problem["type"].as_str()),
            (400, Some("about:blank#token-in-query"))
        );
    }
    for header in [
        "Forwarded: for=192.0.2.9",
        "X-Forwarded-For: 192.0.2.9",
        "Via: 1.1 proxy",
        "X-Real-IP: 1.2.3.4",
        "X-Cluster-Client-IP: 1.2.3.4",
        "Fastly-Client-IP: 1.2.3.4",
        "Fly-Client-IP: 1.2.3.4",
        "X-Original-Forwarded-For: 1.2.3.4",
        "X-Envoy-External-Address: 1.2.3.4",
        "CDN-Loop: cloud",
    ] {
        let request = format!("GET /endpoints HTTP/1.1\r\nHost: board\r\n{header}\r\n\r\n");
        let answer = world.request(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 401"), "{header}: {answer}");
        assert!(
            answer.contains("WWW-Authenticate: Bearer realm=\"thingway\"\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_ticket_opens_one_stream_that_ends_with_its_token() {
    let mut world = World::new(8, ARM);
    with_token(&mut world, &token("watch", "*", &["read"]));
    let ticket = |world: &mut World| {
        let (status, made) = world.ask_json("POST", "/tickets", &Value::Null);
        assert_eq!(status, 201, "{made}");
        made["ticket"].as_str().unwrap().to_owned()
    };
    let one = ticket(&mut world);
    world.token = None;
    let target = format!("/events?ticket={one}");
    let head = format!("GET {target} HTTP/1.1\r\nHost: board\r\n\r\n");
    let source = world.open(head.as_bytes());
    assert!(world.http_text(source).starts_with("HTTP/1.1 200"));
    let again = world.open(head.as_bytes());
    world.run(Duration::from_secs(1));
    assert!(
        world.http_text(again).starts_with("HTTP/1.1 401"),
        "a second time"
    );
    assert_eq!(
        world.ask_json("DELETE", "/tokens/watch", &Value::Null).0,
        200
    );
    world.settle();
    assert!(
        world.http_text(source).ends_with("0\r\n\r\n"),
        "the stream has ended"
    );
}

/// Sends the head of a request; the body follows later.
fn begin(
    world: &mut World,
    target: &str,
    token: &str,
    kind: &str,
    length: usize,
) -> thingway::testing::ids::SourceId {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    );
    world.open(head.as_bytes())
}

fn go_on(world: &mut World, source: thingway::testing::ids::SourceId, body: &str) -> String {
    world
        .gateway
        .handle_data(world.now, source, body.as_bytes());
    world.settle();
    world.http_text(source)
}

#[test]
fn who_began_a_request_with_a_token_that_was_then_revoked_gets_nothing() {
    let mut world = World::new(20, ARM);
    let boss = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    let evil = json!({"name": "evil", "admin": true}).to_string();
    let one = begin(&mut world, "/tokens", &boss, "application/json", evil.len());
    let two = begin(&mut world, "/tickets", &boss, "application/json", 2);
    let addr = "192.0.2.77:5000".parse().unwrap();
    let (_peer, offer) = crate::peer::Peer::offer(world.now, addr, &[reliable("arm")]);
    let three = begin(
        &mut world,
        "/sessions",
        &boss,
        "application/sdp",
        offer.len(),
    );
    world.token = None;
    assert_eq!(
        world.ask_json("DELETE", "/tokens/boss", &Value::Null).0,
        200
    );
    let answers = [
        go_on(&mut world, one, &evil),
        go_on(&mut world, two, "{}"),
        go_on(&mut world, three, &offer),
    ];
    world.run(Duration::from_secs(1));
    let refused: Vec<_> = answers
        .iter()
        .map(|a| a.starts_with("HTTP/1.1 401"))
        .collect();
    assert_eq!(refused, [true; 3], "{answers:?}");
}

#[test]
fn a_script_of_a_revoked_token_is_not_run() {
    let mut world = World::new(21, ARM);
    let line = with_token(&mut world, &token("line", "arm", &["line"]));
    world.token = None;
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    let body = json!({"after": 5, "do": [{"baud": 57600}]}).to_string();
    let source = begin(
        &mut world,
        "/endpoints/arm/line",
        &line,
        "application/json",
        body.len(),
    );
    go_on(&mut world, source, &body);
    assert_eq!(
        world.ask_json("DELETE", "/tokens/line", &Value::Null).0,
        200
    );
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"12345"));
    world.run(Duration::from_secs(3));
    let answer = world.http_text(source);
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn who_only_reads_cannot_keep_a_line_busy() {
    let mut world = World::new(22, ARM);
    with_token(&mut world, &token("look", "arm", &["read"]));
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    for id in 0..16 {
        tell(
            &mut world,
            n,
            &json!({"type": "line", "id": id, "endpoint": "arm", "after": 1000, "do": []}),
        );
    }
    world.token = None;
    let (status, answer) = world.ask_json(
        "POST",
        "/endpoints/arm/line",
        &json!({"do": [{"dtr": true}]}),
    );
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn other_peoples_sessions_are_not_told_to_who_only_reads() {
    let mut world = World::new(23, ARM);
    let other = world.connect(&[reliable("arm")], good(), 1);
    let session = world.clients[other].session.clone();
    let watch = with_token(&mut world, &token("watch", "*", &["read"]));
    let (_, list) = world.ask_json("GET", "/sessions", &Value::Null);
    assert_eq!(list["sessions"], json!([]));
    let head =
        format!("GET /events HTTP/1.1\r\nHost: board\r\nAuthorization: Bearer {watch}\r\n\r\n");
    let source = world.open(head.as_bytes());
    assert!(
        !world.http_text(source).contains(&session),
        "the id of somebody else's session"
    );
}

#[test]
fn nobody_has_all_the_tickets() {
    let mut world = World::new(24, ARM);
    let other = with_token(&mut world, &token("other", "arm", &["read"]));
    with_token(&mut world, &token("hog", "arm", &["read"]));
    for _ in 0..256 {
        world.ask_json("POST", "/tickets", &Value::Null);
    }
    world.token = Some(other);
    assert_eq!(world.ask_json("POST", "/tickets", &Value::Null).0, 201);
}

#[test]
fn one_ipv6_network_cannot_hold_all_connections() {
    let mut world = World::new(25, ARM);
    let local = "[2001:db8::1]:8443".parse().unwrap();
    for n in 2..200 {
        let remote = format!("[2001:db8::{n:x}]:40000").parse().unwrap();
        world.gateway.handle_accept(world.now, local, remote);
    }
    let other = "[2001:db8:0:1::1]:40000".parse().unwrap();
    assert!(
        world
            .gateway
            .handle_accept(world.now, local, other)
            .is_some()
    );
}

#[test]
fn a_guesser_does_not_keep_out_who_has_a_token() {
    let mut world = World::new(26, ARM);
    let good = with_token(&mut world, &token("lab", "arm", &["read"]));
    let ask = |world: &mut World, from: &str, token: &str| {
        let (local, remote) = (
            "[2001:db8::1]:8443".parse().unwrap(),
            format!("[{from}]:40000").parse().unwrap(),
        );
        let source = world
            .gateway
            .handle_accept(world.now, local, remote)
            .unwrap();
        let head = format!(
            "GET /endpoints HTTP/1.1\r\nHost: board\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        world
            .gateway
            .handle_data(world.now, source, head.as_bytes());
        let text = String::from_utf8_lossy(world.gateway.output(source)).into_owned();
        world.gateway.handle_failed(
            world.now,
            source,
            &thingway::testing::endpoint::Failure::new(
                thingway::testing::endpoint::FailureKind::Other,
                "gone",
            ),
        );
        text
    };
    for _ in 0..10 {
        ask(&mut world, "2001:db8::bad", "tw_000000000000_guess");
    }
    let answer = ask(&mut world, "2001:db8::900d", &good);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_lease_cannot_be_given_to_who_may_not_write() {
    let mut world = World::new(27, &format!("{ARM}writers = \"one\"\n"));
    with_token(&mut world, &token("look", "arm", &["read"]));
    let reader = world.connect(&[reliable("thingway"), reliable("arm")], good(), 1);
    with_token(&mut world, &token("lab", "arm", &["write"]));
    let writer = world.connect(&[reliable("thingway"), reliable("arm")], good(), 2);
    world.until("open", SOON, |w| {
        [reader, writer]
            .iter()
            .all(|n| w.peer(*n).channels["arm"].credit.is_some())
    });
    let to = world.clients[reader].session.clone();
    let (status, answer) = world.ask_json(
        "POST",
        "/endpoints/arm/lease",
        &json!({"do": "give", "to": to}),
    );
    assert_eq!(status, 409, "{answer}");
}
