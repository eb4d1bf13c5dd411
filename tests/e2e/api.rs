//! The routes: their answers to valid requests and to invalid ones.

use thingway::testing::api::ROUTES;

use crate::daemon::Daemon;
use crate::http::{Http, get, request};
use crate::page::Page;

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

#[test]
fn every_route_says_what_it_allows_and_refuses_the_rest() {
    let daemon = Daemon::start(DEMO);
    for (template, methods) in ROUTES {
        let path = template.replace("{id}", "0").replace("{name}", "demo");
        let answer = request(daemon.addr, "OPTIONS", &path, "", "");
        assert_eq!(answer.status, 204, "{path}");
        let allow = answer.header("Allow").expect("what is allowed").to_owned();
        let allowed: Vec<&str> = allow.split(", ").collect();
        for method in [
            "GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "BREW",
        ] {
            let has = match method {
                "HEAD" => methods.contains(&"GET"),
                "OPTIONS" => true,
                other => methods.contains(&other),
            };
            assert_eq!(allowed.contains(&method), has, "{path} {method}: {allow}");
            if !has {
                let answer = request(daemon.addr, method, &path, "", "");
                assert_eq!(answer.status, 405, "{path} {method}");
                assert_eq!(
                    answer.header("Allow"),
                    Some(allow.as_str()),
                    "{path} {method}"
                );
            }
        }
    }
    let answer = request(daemon.addr, "OPTIONS", "/sessions", "", "");
    assert_eq!(answer.header("Accept-Post"), Some("application/sdp"));
    for path in [
        "/nowhere",
        "/sessions/",
        "/sessions/0/1",
        "/endpoints/nobody",
        "/sessions/0",
        "//",
    ] {
        let answer = get(daemon.addr, path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["status"], 404);
        assert_eq!(answer.json()["title"], "Not Found");
    }
}

#[test]
fn the_first_page_comes_under_a_strict_policy() {
    let daemon = Daemon::start(DEMO);
    for (path, kind) in [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/style.css", "text/css"),
    ] {
        let answer = get(daemon.addr, path);
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .header("Content-Type")
                .is_some_and(|have| have.starts_with(kind))
        );
        let policy = answer.header("Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            answer.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
    }
}

#[test]
fn a_session_is_shown_with_its_path_its_channels_and_their_counters() {
    let daemon = Daemon::start(DEMO);
    let mut page = Page::demo(&daemon);
    page.send("demo", b"led on\n");
    page.until("answer", |page| {
        page.peer.text("demo").contains("led is on")
    });
    page.until("a measured round trip", |page| {
        page.shown(&daemon)["round_trip_time_ms"].is_number()
    });
    let shown = page.shown(&daemon);
    assert_eq!(
        (&shown["state"], &shown["control"]),
        (&"connected".into(), &true.into())
    );
    assert_eq!(shown["id"], page.session.as_str());
    let pair = &shown["candidate_pair"];
    assert!(
        pair["remote"]
            .as_str()
            .is_some_and(|addr| addr.starts_with("127.0.0.1:")),
        "{pair}"
    );
    let round_trip = shown["round_trip_time_ms"].as_f64().expect("a number");
    assert!((0.0..1000.0).contains(&round_trip), "{round_trip}");
    assert!(
        shown["bytes_sent"].as_u64() > Some(500) && shown["bytes_received"].as_u64() > Some(500)
    );
    let channels = shown["channels"].as_array().expect("channels");
    let demo = channels
        .iter()
        .find(|channel| channel["label"] == "demo")
        .expect("demo");
    assert_eq!(
        demo["from_peer"],
        serde_json::json!({"messages": 1, "bytes": 7})
    );
    assert_eq!(
        demo["to_peer"]["bytes"],
        page.peer.channels["demo"].bytes.len()
    );
    assert_eq!(demo["queued_bytes"], 0);
    assert_eq!(
        demo["id"].as_u64(),
        page.peer.channels["demo"].stream.map(u64::from)
    );

    let metrics = get(daemon.addr, "/metrics");
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    assert!(
        text.lines().any(|line| line == "thingway_sessions 1"),
        "{text}"
    );
    assert!(
        !text.contains(&page.session),
        "a session's name is a secret"
    );
}

#[test]
fn a_session_over_ipv6_works_as_well() {
    let daemon = Daemon::start(DEMO);
    let channels = [crate::peer::reliable("demo")];
    let mut page = Page::try_connect(&daemon, "[::1]:0", &channels).expect("a session");
    page.until("greeting", |page| page.peer.text("demo").ends_with("> "));
    page.until("a chosen pair", |page| {
        !page.shown(&daemon)["candidate_pair"].is_null()
    });
    let local = page.shown(&daemon)["candidate_pair"]["local"].clone();
    assert!(
        local
            .as_str()
            .is_some_and(|addr| addr.starts_with("[::1]:")),
        "{local}"
    );
}

#[test]
fn who_connects_over_ipv6_is_served_there() {
    let config = format!("[http]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\n{DEMO}");
    let folder = std::sync::Arc::new(crate::daemon::Folder::new());
    let daemon = Daemon::start_in(folder, &config, &[]);
    daemon.until("both", |d| {
        d.log().matches("listening on http://").count() == 2
    });
    let log = daemon.log();
    let (_, rest) = log.split_once("http://[::1]:").expect("a second address");
    let (port, _) = rest.split_once('/').expect("its end");
    let addr = format!("[::1]:{port}").parse().expect("an address");
    assert_eq!(get(addr, "/healthz").status, 200);
    let mut http = Http::connect(addr);
    http.send(format!(
        "GET /endpoints HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\n\r\n"
    ));
    assert_eq!(http.answer().status, 200);
}
