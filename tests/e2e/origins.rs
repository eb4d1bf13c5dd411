//! The check of `Host` and `Origin` on every route, over a real socket.

use thingway::testing::api::ROUTES;

use crate::daemon::Daemon;
use crate::http::{Answer, Http, request};
use crate::peer::{Peer, reliable};
use crate::routes::{self, Route};

const CONFIG: &str = "[api]\nconfigure = true\n[http]\nhosts = [\"board.example\"]\n\
                      allowed_origins = [\"https://panel.example:8443\"]\n\
                      [[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

/// Returns every route of our own with each of its methods, and a path that is no route.
fn own() -> Vec<Route> {
    let mut all = routes::own();
    all.extend(ROUTES.iter().map(|(template, _)| {
        let path = template.replace("{id}", "0").replace("{name}", "demo");
        ("OPTIONS", path)
    }));
    all.push(("GET", "/nowhere".to_owned()));
    all.push(("DELETE", "/endpoints".to_owned()));
    all
}

/// Returns the same routes and those of the hub.
fn everything() -> Vec<Route> {
    let mut all = own();
    all.extend(routes::hub());
    all
}

/// Returns only the head of the answer, because an event stream has no end. Checks that no answer sets a
/// cookie.
fn ask(daemon: &Daemon, method: &str, path: &str, lines: &str) -> Answer {
    let mut http = Http::connect(daemon.addr);
    http.send(routes::request(method, path, lines));
    let answer = http.head();
    assert_eq!(answer.header("Set-Cookie"), None, "{method} {path}");
    answer
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn a_foreign_page_gets_nothing_on_any_route() {
    let daemon = Daemon::start(CONFIG);
    for origin in [
        "https://evil.example",
        "null",
        "http://panel.example:8443",
        "http://localhost:1",
    ] {
        for (method, path) in everything() {
            let lines = format!("Host: localhost\r\nOrigin: {origin}\r\n");
            let answer = ask(&daemon, method, &path, &lines);
            assert_eq!(answer.status, 403, "{origin} {method} {path}");
            assert_eq!(
                answer.header("Access-Control-Allow-Origin"),
                None,
                "{origin} {method} {path}"
            );
        }
        // A preflight is refused in one way or another, and allows no origin.
        for (_, path) in routes::hub() {
            let lines = format!("Host: localhost\r\nOrigin: {origin}\r\n");
            let answer = ask(&daemon, "OPTIONS", &path, &lines);
            assert!(matches!(answer.status, 403 | 405), "{origin} {path}");
            let allowed = answer.header("Access-Control-Allow-Origin");
            assert_eq!(allowed, None, "{origin} {path}");
        }
        let lines = format!("Host: localhost\r\nOrigin: {origin}\r\n{UPGRADE}");
        assert_eq!(
            ask(&daemon, "GET", "/events", &lines).status,
            403,
            "{origin}: the WebSocket"
        );
    }
    let sessions = daemon.get("/sessions");
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_name_that_is_not_ours_is_refused_on_every_route() {
    let daemon = Daemon::start(CONFIG);
    let hub = routes::hub();
    for (method, path) in everything() {
        // Clients written for other servers do not know the status 421.
        let is_of_hub = hub.iter().any(|(_, other)| *other == path);
        let status = if is_of_hub { 403 } else { 421 };
        for host in ["evil.example", "203.0.113.1", "localhost.evil.example:8000"] {
            let answer = ask(&daemon, method, &path, &format!("Host: {host}\r\n"));
            assert_eq!(answer.status, status, "{host} {method} {path}");
        }
    }
    // A page whose name was rebound to this gateway believes that the gateway is its own origin.
    let lines = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
    assert_eq!(ask(&daemon, "GET", "/sessions", lines).status, 421);
    let lines = format!("{lines}{UPGRADE}");
    assert_eq!(ask(&daemon, "GET", "/events", &lines).status, 421);
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]:1",
        "board.example",
        "BOARD.example.:80",
    ] {
        let answer = ask(&daemon, "GET", "/healthz", &format!("Host: {host}\r\n"));
        assert_eq!(answer.status, 200, "{host}");
    }
    // A page whose request has no `Origin` is recognised by its Fetch Metadata.
    for (method, path) in routes::hub() {
        let lines = "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n";
        assert_eq!(
            ask(&daemon, method, &path, lines).status,
            403,
            "{method} {path}"
        );
    }
    for lines in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: local host\r\n",
    ] {
        assert_eq!(
            ask(&daemon, "GET", "/healthz", lines).status,
            400,
            "{lines:?}"
        );
    }
}

#[test]
fn our_own_page_needs_no_cors_headers() {
    let daemon = Daemon::start(CONFIG);
    for host in [daemon.addr.to_string(), "board.example".to_owned()] {
        for scheme in ["http", "https"] {
            let lines = format!("Host: {host}\r\nOrigin: {scheme}://{host}\r\n");
            let answer = ask(&daemon, "GET", "/endpoints", &lines);
            assert_eq!(answer.status, 200, "{lines}");
            assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
        }
    }
}

#[test]
fn an_allowed_page_may_ask_and_read_the_headers_it_needs() {
    let daemon = Daemon::start(CONFIG);
    let origin = "https://panel.example:8443";
    let lines = format!("Host: localhost\r\nOrigin: {origin}\r\n");
    for (method, path) in own() {
        let answer = ask(&daemon, method, &path, &lines);
        // The set-up is only for the control socket, whatever the token.
        if path != "/setup" {
            assert_ne!(answer.status, 403, "{method} {path}");
        }
        let allowed = answer.header("Access-Control-Allow-Origin");
        assert_eq!(
            allowed,
            Some(origin),
            "{method} {path}: errors can be read, too"
        );
        let mut headers = answer.headers.iter();
        let varies =
            headers.any(|(name, value)| name.eq_ignore_ascii_case("Vary") && value == "Origin");
        assert!(varies, "{method} {path}");
    }
    for (method, path) in routes::hub() {
        let answer = ask(&daemon, method, &path, &lines);
        let allowed = answer.header("Access-Control-Allow-Origin");
        assert_eq!(allowed, Some(origin), "{method} {path}");
    }
    let preflight = format!(
        "{lines}Access-Control-Request-Method: PATCH\r\nAccess-Control-Request-Headers: \
         content-type,if-match\r\n"
    );
    let answer = ask(&daemon, "OPTIONS", "/sessions/0", &preflight);
    assert_eq!(answer.status, 204);
    let methods = answer
        .header("Access-Control-Allow-Methods")
        .expect("methods");
    assert!(
        methods.contains("PATCH") && methods.contains("DELETE"),
        "{methods}"
    );
    let headers = answer
        .header("Access-Control-Allow-Headers")
        .expect("headers");
    assert_eq!(headers, "authorization, content-type, if-match");

    let local = "127.0.0.1:9".parse().expect("an address");
    let (_, offer) = Peer::offer(std::time::Instant::now(), local, &[reliable("demo")]);
    let lines = format!("{lines}Content-Type: application/sdp\r\n");
    let answer = request(daemon.addr, "POST", "/sessions", &lines, &offer);
    assert_eq!(answer.status, 201);
    let exposed = answer
        .header("Access-Control-Expose-Headers")
        .expect("exposed");
    for name in ["Location", "ETag", "Link"] {
        assert!(exposed.split(", ").any(|other| other == name), "{exposed}");
    }
    assert!(answer.header("Location").is_some() && answer.header("ETag").is_some());
}
