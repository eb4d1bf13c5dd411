//! Names of this machine and origins of pages.

use super::*;
use crate::access::locality::Locality;
use crate::api::origin::Caller;

const CONFIG: &str =
    "[http]\nhosts = [\"board.example\"]\nallowed_origins = [\"https://ok.example\"]\n";

fn with_host(rig: &mut Rig, remote: &str, host: &str) -> u16 {
    let client = rig.connect(remote);
    rig.send(
        client,
        format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    );
    rig.serve();
    rig.response(client).0
}

#[test]
fn a_name_that_is_not_ours_is_misdirected() {
    let mut rig = Rig::new(CONFIG);
    for host in ["board", "board.example:8000", "localhost", "192.0.2.1"] {
        assert_eq!(with_host(&mut rig, THERE, host), 200, "{host}");
    }
    for host in ["evil.example", "192.0.2.2"] {
        assert_eq!(with_host(&mut rig, THERE, host), 421, "{host}");
    }
    let config = CONFIG.replace("board.example", "other.example");
    let config = Config::parse(&config).expect("a configuration");
    rig.with(|front, cx| front.configure(cx, &config));
    assert_eq!(with_host(&mut rig, THERE, "board.example"), 421);
    assert_eq!(with_host(&mut rig, THERE, "other.example"), 200);
    assert_eq!(
        with_host(&mut rig, THERE, "board"),
        200,
        "its own name stays"
    );
}

#[test]
fn a_page_of_a_foreign_origin_is_refused_and_one_of_an_allowed_origin_may_read() {
    let mut rig = Rig::new(CONFIG);
    let client = rig.connect(HERE);
    let (status, text) = rig.ask(client, "GET /sessions", "Origin: https://ok.example\r\n");
    assert_eq!(status, 200);
    assert!(text.contains("Access-Control-Allow-Origin: https://ok.example\r\n"));
    let client = rig.connect(HERE);
    let (status, text) = rig.ask(client, "GET /sessions", "Origin: https://evil.example\r\n");
    assert_eq!(status, 403);
    assert!(!text.contains("Access-Control"), "{text}");
    for line in [
        "GET /sessions",
        "POST /tokens",
        "DELETE /setup",
        "OPTIONS /tokens",
    ] {
        let evil = "Origin: https://evil.example\r\n";
        assert_eq!(rig.ask_from(HERE, line, evil), 403, "{line}");
        let silent = "Sec-Fetch-Site: cross-site\r\n";
        assert_eq!(rig.ask_from(HERE, line, silent), 403, "{line}");
    }
    let config = Config::parse("").expect("a configuration");
    rig.with(|front, cx| front.configure(cx, &config));
    let before = "Origin: https://ok.example\r\n";
    assert_eq!(rig.ask_from(HERE, "GET /sessions", before), 403);
}

#[test]
fn a_preflight_needs_no_token_and_gives_none() {
    let mut rig = Rig::new(CONFIG);
    let page = "Origin: https://ok.example\r\nAccess-Control-Request-Method: POST\r\n";
    for line in [
        "OPTIONS /tokens",
        "OPTIONS /setup",
        "OPTIONS /endpoints/arm",
    ] {
        assert_eq!(rig.ask_from(THERE, line, page), 200, "{line}");
    }
    let client = rig.connect(THERE);
    rig.send(client, request("OPTIONS /tokens", page));
    let (asked, head) = rig.head();
    let asked = rig.with(|front, cx| front.check(cx, asked, &head));
    assert_eq!(asked.expect("it may").grant, Grant::default());
}

#[test]
fn refusals_of_one_network_are_logged_once_a_minute_and_hide_no_other() {
    let mut rig = Rig::new(CONFIG);
    for _ in 0..3 {
        assert_eq!(with_host(&mut rig, THERE, "evil.example"), 421);
    }
    let now = rig.now;
    let mut note = |address: &str| {
        let address = address.parse().expect("an address");
        rig.front.access.tries.note(now, address)
    };
    assert_eq!(note(THERE), None, "its line of this minute is written");
    assert_eq!(note("192.0.2.10"), Some(0));
    assert_eq!(
        rig.front.refusals.pass(now),
        Some(0),
        "those of this machine"
    );
    for _ in 0..6 {
        assert_eq!(with_host(&mut rig, HERE, "evil.example"), 421);
    }
    assert_eq!(rig.front.refusals.pass(now), None);
}

/// Checks a request of a dialect whose keys allow pages of one more origin.
fn dialect(rig: &mut Rig, headers: &str) -> Result<(Caller, bool), u16> {
    let client = rig.connect(HERE);
    rig.send(client, request("GET /peerjs/id", headers));
    let (request, head) = rig.head();
    let more = ["https://key.example".to_owned()];
    let checked = rig.with(|front, cx| front.check_dialect(cx, request, &head, more.iter()));
    checked.map_err(|problem| problem.status())
}

#[test]
fn a_dialect_knows_pages_of_its_keys_from_pages_that_may_do_everything() {
    let mut rig = Rig::new(CONFIG);
    assert_eq!(dialect(&mut rig, ""), Ok((Caller::Own, true)));
    let page = |origin: &str| Caller::Allowed(origin.to_owned());
    let ok = dialect(&mut rig, "Origin: https://ok.example\r\n");
    assert_eq!(ok, Ok((page("https://ok.example"), true)));
    let of_key = dialect(&mut rig, "Origin: https://key.example\r\n");
    assert_eq!(of_key, Ok((page("https://key.example"), false)));
    assert_eq!(
        dialect(&mut rig, "Origin: https://evil.example\r\n"),
        Err(403)
    );
    assert_eq!(dialect(&mut rig, "Sec-Fetch-Site: same-site\r\n"), Err(403));
    // For our own resources that origin is foreign.
    let of_key = "Origin: https://key.example\r\n";
    assert_eq!(rig.ask_from(HERE, "GET /sessions", of_key), 403);
}

#[test]
fn a_dialect_is_answered_with_the_headers_that_its_pages_need() {
    let mut rig = Rig::new(CONFIG);
    let client = rig.connect(HERE);
    rig.send(
        client,
        request("GET /peerjs/id", "Origin: https://ok.example\r\n"),
    );
    let (request, head) = rig.head();
    let none: [String; 0] = [];
    rig.with(|front, cx| front.check_dialect(cx, request, &head, none.iter()))
        .expect("it may");
    rig.answer(request, Response::new(200));
    let text = rig.read(client);
    assert!(
        text.contains("Access-Control-Allow-Credentials: true"),
        "{text}"
    );
}

#[test]
fn a_client_of_a_dialect_is_local_by_its_way_and_its_headers() {
    let mut rig = Rig::new("");
    let network = Locality::Network(THERE.parse().expect("an address"));
    let loopback = Locality::Network(HERE.parse().expect("an address"));
    for (remote, headers, expected) in [
        (HERE, "", Locality::Local),
        (HERE, "Via: 1.1 proxy\r\n", loopback),
        (THERE, "", network),
    ] {
        let client = rig.connect(remote);
        rig.send(client, request("GET /peerjs/id", headers));
        let (asked, head) = rig.head();
        let found = rig.front.locality(asked, &head).expect("it is connected");
        assert_eq!(found, expected, "{remote} {headers}");
        rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
        rig.events();
        let closed = rig.front.locality(asked, &head);
        assert!(matches!(closed, Err(NotLocal::Closed)));
    }
    let control = rig.connect_control();
    rig.send(control, request("GET /peerjs/id", "Via: 1.1 proxy\r\n"));
    let (asked, head) = rig.head();
    let found = rig.front.locality(asked, &head).expect("it is connected");
    assert_eq!(found, Locality::Local);
}
