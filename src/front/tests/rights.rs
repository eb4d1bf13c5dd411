//! The rights of a request, by the connection it arrives on and by its token.

use super::*;
use crate::access::BOOT;

/// Requests with their expected statuses, one for each token.
const MATRIX: &[(&str, [u16; 4])] = &[
    // The tokens: for everything, for reading arm, for writing to arm, and for reading all endpoints.
    ("GET /healthz", [200, 200, 200, 200]),
    ("GET /sessions", [200, 200, 200, 200]),
    ("GET /endpoints", [200, 200, 200, 200]),
    ("GET /endpoints/arm", [200, 200, 200, 200]),
    ("GET /endpoints/leg", [200, 404, 404, 200]),
    ("POST /endpoints/arm/lease", [0, 403, 0, 403]),
    ("POST /endpoints/leg/lease", [0, 404, 404, 403]),
    ("POST /endpoints/arm/line", [0, 403, 403, 403]),
    ("PUT /endpoints/arm", [200, 403, 403, 403]),
    ("DELETE /endpoints/arm", [200, 403, 403, 403]),
    ("GET /endpoints/arm/config", [200, 403, 403, 403]),
    ("GET /ports", [200, 403, 403, 403]),
    ("GET /tokens", [200, 403, 403, 403]),
    ("POST /tokens", [0, 403, 403, 403]),
    ("DELETE /tokens/none", [404, 403, 403, 403]),
    ("POST /shares", [0, 403, 403, 403]),
    ("POST /setup", [0, 403, 403, 403]),
    ("DELETE /setup", [403, 403, 403, 403]),
    ("GET /metrics", [200, 403, 403, 200]),
    ("GET /events", [200, 403, 403, 200]),
    ("GET /access", [200, 200, 200, 200]),
    ("POST /tickets", [0, 0, 0, 0]),
];

#[test]
fn a_token_opens_what_its_scopes_name() {
    let mut rig = Rig::new("");
    let tokens = [
        rig.admin(),
        rig.limited("reads-arm", &["arm"], Verb::Read),
        rig.limited("writes-arm", &["arm"], Verb::Write),
        rig.limited("reads-all", &["*"], Verb::Read),
    ];
    for (line, expected) in MATRIX {
        for (token, status) in tokens.iter().zip(expected) {
            // The body never arrives. A status of 0 means that the gateway waits for the body.
            let headers = bearer(token) + "Content-Length: 9\r\n";
            let headers = match line.starts_with("POST") {
                true => headers,
                false => bearer(token),
            };
            let answered = rig.ask_from(THERE, line, &headers);
            assert_eq!(answered, *status, "{line} with {}", token.id);
        }
    }
}

#[test]
fn without_a_token_only_this_machine_and_public_resources_are_served() {
    let mut rig = Rig::new("");
    for line in [
        "GET /",
        "GET /assets/none",
        "GET /client/none",
        "GET /basic",
        "GET /player.js",
        "GET /ca",
        "GET /ca/ca.crt",
        "GET /healthz",
        "HEAD /readyz",
    ] {
        assert_eq!(rig.ask_from(THERE, line, ""), 200, "{line}");
    }
    for (template, methods) in crate::api::ROUTES {
        let path = template.replace("{name}", "arm").replace("{id}", "arm");
        let head = format!("{} {path}", methods[0]);
        let resolved = RequestHead::parse(request(&head, "").as_bytes()).expect("a head");
        if !Resource::resolve(&resolved).expect("a route").is_public() {
            assert_eq!(rig.ask_from(THERE, &head, ""), 401, "{head}");
            let status = rig.ask_from(HERE, &head, "Content-Length: 1\r\n");
            assert!(
                matches!(status, 0 | 200 | 404),
                "{head} on this machine: {status}"
            );
        }
    }
    let client = rig.connect(THERE);
    let (_, text) = rig.ask(client, "GET /sessions", "");
    assert!(text.contains("WWW-Authenticate: Bearer realm=\"thingway\"\r\n"));
}

#[test]
fn loopback_is_trusted_as_the_configuration_says_and_the_control_socket_always() {
    let mut rig = Rig::new("");
    assert_eq!(rig.ask_from(HERE, "GET /tokens", ""), 200);
    let config = Config::parse("[access]\ntrust_loopback = false\n").expect("a configuration");
    rig.with(|front, cx| front.configure(cx, &config));
    assert_eq!(rig.ask_from(HERE, "GET /tokens", ""), 401);
    let control = rig.connect_control();
    assert_eq!(rig.ask(control, "GET /tokens", "").0, 200);
    let admin = rig.admin();
    assert_eq!(rig.ask_from(HERE, "GET /tokens", &bearer(&admin)), 200);
}

#[test]
fn a_request_that_a_proxy_forwards_is_not_of_this_machine() {
    let mut rig = Rig::new("");
    for header in [
        "Forwarded: for=192.0.2.9",
        "X-Forwarded-For: \u{e9}",
        "x-forwarded-host: board",
        "X-Real-IP: 192.0.2.9",
        "Via: 1.1 proxy",
        "CF-Connecting-IP: 192.0.2.9",
        "Fly-Client-IP: 192.0.2.9",
        "X-Appengine-User-IP: 192.0.2.9",
    ] {
        let status = rig.ask_from(HERE, "GET /tokens", &format!("{header}\r\n"));
        assert_eq!(status, 401, "{header}");
    }
    assert_eq!(rig.ask_from(HERE, "GET /tokens", "Referer: /\r\n"), 200);
}

#[test]
fn a_token_that_does_not_exist_is_answered_half_a_second_later() {
    let mut rig = Rig::new("");
    let client = rig.connect(THERE);
    let wrong = "Authorization: Bearer tw_a_b\r\n";
    assert_eq!(rig.ask(client, "GET /tokens", wrong).0, 0);
    assert_eq!(rig.front.stats().tries_failed, 1);
    rig.pass(Duration::from_millis(499));
    assert_eq!(rig.response(client).0, 0);
    rig.pass(Duration::from_millis(1));
    let (status, text) = rig.response(client);
    assert_eq!(status, 401);
    assert!(text.contains("error=\"invalid_token\""), "{text}");
    // Credentials of another scheme are no token, even on this machine.
    for scheme in ["Basic YTpi", "Bearer", "tw_a_b"] {
        let client = rig.connect(HERE);
        let header = format!("Authorization: {scheme}\r\n");
        assert_eq!(rig.ask(client, "GET /tokens", &header).0, 0, "{scheme}");
        rig.pass(Duration::from_millis(500));
        assert_eq!(rig.response(client).0, 401, "{scheme}");
    }
}

#[test]
fn a_client_that_is_held_back_leaves_nothing_behind() {
    let mut rig = Rig::new("");
    let clients = [rig.connect(THERE), rig.connect(THERE)];
    for client in clients {
        rig.ask(client, "GET /tokens", "Authorization: Bearer tw_a_b\r\n");
    }
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, clients[0].id));
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.response(clients[1]).0, 401);
    assert!(rig.front.delayed.is_empty());
    assert!(!rig.front.connections.timers.is_set(TimerKey::Delayed));
}

#[test]
fn only_so_many_responses_are_held_back() {
    let mut rig = Rig::new("[limits]\nconnections = 1000\n");
    let wrong = "Authorization: Bearer tw_a_b\r\n";
    for n in 0..256 {
        let remote = format!("192.0.{}.{}", 3 + n / 32, 1 + n % 32);
        assert_eq!(rig.ask_from(&remote, "GET /tokens", wrong), 0, "{n}");
    }
    assert_eq!(rig.ask_from(THERE, "GET /tokens", wrong), 401);
}

#[test]
fn a_client_that_guesses_is_told_to_wait_and_a_good_token_is_not() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let chosen = "a-secret-that-a-person-chose";
    rig.front
        .access
        .adopt(BOOT, chosen, 0)
        .expect("long enough");
    let boot = format!("Authorization: Bearer tw_{BOOT}_{chosen}\r\n");
    assert_eq!(rig.ask_from(THERE, "GET /tokens", &boot), 200);
    for _ in 0..10 {
        rig.ask_from(THERE, "GET /tokens", "Authorization: Bearer tw_a_b\r\n");
    }
    let client = rig.connect(THERE);
    let (status, text) = rig.ask(client, "GET /tokens", "Authorization: Bearer tw_a_b\r\n");
    assert_eq!(status, 429, "at once");
    assert!(text.contains("Retry-After: "), "{text}");
    assert_eq!(
        rig.ask_from(THERE, "GET /tokens", &boot),
        429,
        "a chosen secret"
    );
    assert_eq!(rig.ask_from(THERE, "GET /tokens", &bearer(&admin)), 200);
    assert_eq!(
        rig.ask_from("192.0.2.77", "GET /tokens", &boot),
        200,
        "elsewhere"
    );
    assert_eq!(
        rig.front.stats().tries_failed,
        10,
        "what is not looked at is no guess"
    );
    rig.pass(Duration::from_secs(6));
    assert_eq!(rig.ask_from(THERE, "GET /tokens", &boot), 200);
}

#[test]
fn revoked_and_expired_tokens_are_named_without_delay() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let short = rig.token(Wanted {
        name: "short".to_owned(),
        admin: true,
        lifetime: Some(10),
        ..Wanted::default()
    });
    rig.front.access.revoke("admin");
    rig.pass(Duration::from_secs(11));
    for (token, word) in [(&admin, "token-revoked"), (&short, "token-expired")] {
        let client = rig.connect(THERE);
        let (status, text) = rig.ask(client, "GET /tokens", &bearer(token));
        assert_eq!(status, 401);
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(rig.front.stats().tries_failed, 0, "these are no guesses");
}

#[test]
fn a_ticket_opens_the_event_stream_once_and_nothing_else() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    let (status, text) = rig.post(client, "/tickets", &bearer(&admin), &json!({}));
    assert_eq!(status, 201, "{text}");
    let ticket = field(&text, "ticket");
    for (template, methods) in crate::api::ROUTES {
        let path = template.replace("{name}", "arm").replace("{id}", "arm");
        let head = format!("{} {path}?ticket={ticket}", methods[0]);
        let parsed = RequestHead::parse(request(&head, "").as_bytes()).expect("a head");
        let resource = Resource::resolve(&parsed).expect("a route");
        if !resource.is_public() && resource != Resource::Events {
            assert_eq!(rig.ask_from(THERE, &head, ""), 401, "{head}");
        }
    }
    let events = format!("GET /events?ticket={ticket}");
    assert_eq!(rig.ask_from(THERE, &events, ""), 200, "it is still unused");
    let client = rig.connect(THERE);
    assert_eq!(rig.ask(client, &events, "").0, 0, "it is used up");
    rig.pass(Duration::from_millis(500));
    assert_eq!(rig.response(client).0, 401);
}

#[test]
fn a_token_in_a_url_is_refused_even_where_none_is_needed() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let token = admin.reveal().to_owned();
    let escaped = token.replacen('_', "%5F", 1);
    for query in [
        "token=x".to_owned(),
        "access_token=x".to_owned(),
        "a=b&share=x".to_owned(),
        "tok%65n=x".to_owned(),
        format!("ticket={token}"),
        format!("a={escaped}"),
        token.replacen("tw", "ts", 1),
    ] {
        let client = rig.connect(HERE);
        let (status, text) = rig.ask(client, &format!("GET /events?{query}"), "");
        assert_eq!(status, 400, "{query}");
        assert!(text.contains("token-in-query") && !text.contains(&token));
    }
    assert_eq!(rig.ask_from(HERE, "GET /healthz?tokens=1", ""), 200);
}
