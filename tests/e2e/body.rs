//! HTTP as a client sees it over a real socket: connections, bodies, limits.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::http::{Http, get};
use crate::peer::{Peer, reliable};

const DEMO: &str = "[[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n";

fn offer() -> String {
    let local = "127.0.0.1:9".parse().expect("an address");
    Peer::offer(Instant::now(), local, &[reliable("demo")]).1
}

#[test]
fn one_connection_serves_many_requests() {
    let daemon = Daemon::start(DEMO);
    let mut http = Http::connect(daemon.addr);
    for _ in 0..3 {
        assert_eq!(
            http.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .answer()
                .text(),
            "ok\n"
        );
    }
    // Two pipelined requests are answered in order.
    http.send(
        "GET /endpoints HTTP/1.1\r\nHost: localhost\r\n\r\n\
         GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(http.answer().json()["endpoints"][0]["name"], "demo");
    let last = http.answer();
    assert_eq!(
        (last.text().as_str(), last.header("Connection")),
        ("ok\n", Some("close"))
    );
    assert!(http.is_closed());

    let mut old = Http::connect(daemon.addr);
    let answer = old.send("GET /healthz HTTP/1.0\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
    assert!(old.is_closed());
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    let daemon = Daemon::start(DEMO);
    for path in [
        "/",
        "/app.js",
        "/style.css",
        "/sessions",
        "/endpoints",
        "/endpoints/demo",
        "/readyz",
    ] {
        let got = get(daemon.addr, path);
        let mut http = Http::connect(daemon.addr);
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = http.send(head).head();
        assert_eq!(answer.status, got.status, "{path}");
        assert_eq!(
            answer.header("Content-Type"),
            got.header("Content-Type"),
            "{path}"
        );
        assert_eq!(
            answer.header("Content-Length"),
            got.header("Content-Length"),
            "{path}"
        );
        // The next answer begins directly behind the head.
        let next = http
            .send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .answer();
        assert_eq!(next.text(), "ok\n", "{path}");
    }
}

#[test]
fn an_offer_may_come_in_chunks_and_in_single_bytes() {
    let daemon = Daemon::start(DEMO);
    let offer = offer();
    let head = "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n";
    let mut http = Http::connect(daemon.addr);
    http.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    for piece in offer.as_bytes().chunks(100) {
        http.send(format!("{:x};ext=1\r\n", piece.len()))
            .send(piece)
            .send("\r\n");
    }
    let answer = http.send("0\r\nTrailer: x\r\n\r\n").answer();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.text().contains("a=setup:passive"));
    assert_eq!(answer.header("Content-Type"), Some("application/sdp"));
    assert!(
        answer
            .header("ETag")
            .is_some_and(|tag| tag.starts_with('"') && tag.ends_with('"'))
    );
    assert_eq!(
        answer.header("Accept-Patch"),
        Some("application/trickle-ice-sdpfrag")
    );
    let location = answer.header("Location").expect("where it is").to_owned();
    assert_eq!(get(daemon.addr, &location).json()["state"], "new");

    let whole = format!("{head}Content-Length: {}\r\n\r\n{offer}", offer.len());
    for byte in whole.as_bytes() {
        http.send([*byte]);
    }
    assert_eq!(http.answer().status, 201, "on the same connection");
}

#[test]
fn a_session_is_patched_and_deleted_over_http() {
    let daemon = Daemon::start(DEMO);
    let kind = "Content-Type: application/sdp\r\n";
    let answer = crate::http::request(daemon.addr, "POST", "/sessions", kind, &offer());
    let location = answer.header("Location").expect("where it is").to_owned();
    let etag = answer.header("ETag").expect("its tag").to_owned();
    let fragment =
        "a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\na=end-of-candidates\r\n";
    let patch = |lines: &str, body: &str| {
        let lines = format!("Content-Type: application/trickle-ice-sdpfrag\r\n{lines}");
        crate::http::request(daemon.addr, "PATCH", &location, &lines, body)
    };
    assert_eq!(patch("", fragment).status, 204);
    assert_eq!(
        patch(&format!("If-Match: {etag}\r\n"), fragment).status,
        204
    );
    assert_eq!(patch("If-Match: *\r\n", fragment).status, 204);
    let list = format!("If-Match: \"another\", {etag}\r\n");
    assert_eq!(patch(&list, fragment).status, 204);
    // RFC 8839 §5.1: an unusable candidate is ignored, and an error about a malformed one names its line.
    let unusable = "a=candidate:1 1 udp 1 board.example 5 typ host\r\na=candidate:1 1 udp 1 4A1E.LOCAL 5 typ host\r\n\
                    a=candidate:1 1 udp 1 fe80::1%eth0 5 typ host\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ future\r\n";
    assert_eq!(patch("", &(unusable.to_owned() + fragment)).status, 204);
    let broken = patch("", &format!("{unusable}a=candidate:1 1 udp\r\n"));
    assert_eq!(
        (broken.status, &broken.json()["where"]),
        (400, &"line 5".into())
    );
    assert_eq!(patch("If-Match: \"another\"\r\n", fragment).status, 412);
    let bad = patch("", "a=mid:0\r\nhello\r\n");
    assert_eq!((bad.status, &bad.json()["where"]), (400, &"line 2".into()));
    let empty = patch("", "");
    assert_eq!(empty.status, 400);
    let deleted = crate::http::request(daemon.addr, "DELETE", &location, "", "");
    assert_eq!(deleted.status, 200);
    assert_eq!(get(daemon.addr, &location).status, 404);
    assert_eq!(
        crate::http::request(daemon.addr, "DELETE", &location, "", "").status,
        404
    );
    assert_eq!(patch("", fragment).status, 404);
}

#[test]
fn expect_100_continue_is_answered_before_the_body() {
    let daemon = Daemon::start(DEMO);
    let offer = offer();
    let head = format!(
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        offer.len()
    );
    let mut http = Http::connect(daemon.addr);
    assert_eq!(http.send(&head).head().status, 100);
    assert_eq!(http.send(&offer).answer().status, 201);
    // The request is refused before its body was sent.
    let wrong = head.replace("application/sdp", "text/plain");
    assert_eq!(http.send(wrong).answer().status, 415);
}

#[test]
fn what_is_wrong_with_a_head_is_said_before_its_body() {
    let daemon = Daemon::start(DEMO);
    let long = "Content-Length: 60000\r\n";
    let sdp = "Content-Type: application/sdp\r\n";
    for (start, lines, status) in [
        ("POST /sessions", "Content-Type: application/json\r\n", 415),
        ("POST /sessions", "", 415),
        ("POST /nowhere", sdp, 404),
        (
            "PATCH /sessions/unknown",
            "Content-Type: application/trickle-ice-sdpfrag\r\n",
            404,
        ),
        ("POST /endpoints", sdp, 405),
        (
            "POST /sessions",
            "Origin: https://evil.example\r\nContent-Type: application/sdp\r\n",
            403,
        ),
        (
            "POST /sessions",
            "Expect: something\r\nContent-Type: application/sdp\r\n",
            417,
        ),
    ] {
        let mut http = Http::connect(daemon.addr);
        // No byte of the body is sent.
        http.send(format!(
            "{start} HTTP/1.1\r\nHost: localhost\r\n{lines}{long}\r\n"
        ));
        let answer = http.answer();
        assert_eq!(answer.status, status, "{start} {lines}");
        assert_eq!(
            answer.header("Content-Type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], status);
        assert!(
            !answer.json()["detail"]
                .as_str()
                .expect("a sentence")
                .is_empty()
        );
    }
    let too_large =
        format!("POST /sessions HTTP/1.1\r\nHost: localhost\r\n{sdp}Content-Length: 70000\r\n\r\n");
    assert_eq!(
        Http::connect(daemon.addr).send(too_large).answer().status,
        413
    );
    let junk = "x: ".to_owned() + &"y".repeat(20_000) + "\r\n";
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{junk}\r\n");
    assert_eq!(Http::connect(daemon.addr).send(head).answer().status, 431);
}

#[test]
fn a_body_that_nobody_wants_is_read_past_and_the_connection_goes_on() {
    let daemon = Daemon::start(DEMO);
    let mut http = Http::connect(daemon.addr);
    let body = "x".repeat(5000);
    http.send(format!(
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{body}"
    ));
    let answer = http.answer();
    assert_eq!(answer.status, 415);
    if answer.header("Connection") != Some("close") {
        let next = http
            .send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .answer();
        assert_eq!(next.text(), "ok\n");
    }
}

#[test]
fn lengths_that_contradict_each_other_are_refused_and_end_the_connection() {
    let daemon = Daemon::start(DEMO);
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
    ] {
        let mut http = Http::connect(daemon.addr);
        http.send(format!(
            "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n{lines}\r\n\
             0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let answer = http.answer();
        assert!(
            [400, 501].contains(&answer.status),
            "{lines}: {}",
            answer.status
        );
        assert!(
            http.is_closed(),
            "{lines}: what follows must not be taken for a request"
        );
    }
}

#[test]
fn bad_offers_are_told_what_and_where() {
    let daemon = Daemon::start(DEMO);
    let post = |body: &str| {
        let kind = "Content-Type: application/sdp; charset=utf-8\r\n";
        crate::http::request(daemon.addr, "POST", "/sessions", kind, body)
    };
    let good = offer();
    for (body, status, place) in [
        (String::new(), 400, None),
        ("v=1\r\n".to_owned(), 400, Some("line 1")),
        (good.replacen("s=", "hello\r\ns=", 1), 400, Some("line 3")),
        (good.replace("m=application", "m=audio"), 422, None),
        (good.replace("a=fingerprint", "a=nothing"), 400, None),
    ] {
        let answer = post(&body);
        assert_eq!(answer.status, status, "{body:?}: {}", answer.text());
        assert_eq!(
            answer.json()["where"].as_str(),
            place,
            "{body:?}: {}",
            answer.text()
        );
    }
    assert_eq!(post(&good).status, 201, "and the next one is fine");
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let daemon = Daemon::start(DEMO);
    let start = Instant::now();
    let mut http = Http::connect(daemon.addr);
    http.send("GET / HTTP/1.1\r\nHost: loc");
    // The daemon does not wait for a client that sends only one byte a second.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(1));
        http.send("a");
    }
    assert_eq!(http.answer().status, 408);
    let took = start.elapsed();
    assert!(took.as_secs() >= 9, "{took:?}");
    assert!(http.is_closed());
}

#[test]
fn the_connection_beyond_the_limit_is_closed_and_the_others_work() {
    let daemon = Daemon::start(DEMO);
    let mut idle: Vec<Http> = (0..256).map(|_| Http::connect(daemon.addr)).collect();
    let ask = |http: &mut Http| {
        let answer = http
            .send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .answer();
        assert_eq!(answer.text(), "ok\n");
    };
    idle.iter_mut().for_each(ask);
    // The connections are refused at once, without an answer, because nothing has been read.
    for _ in 0..2 {
        let mut extra = Http::connect(daemon.addr);
        assert!(extra.is_closed());
    }
    idle.iter_mut().for_each(ask);
    drop(idle);
    daemon.until("places free again", |d| {
        let mut http = Http::connect(d.addr);
        let sent = http
            .stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        sent.is_ok() && http.stream.read(&mut [0; 100]).is_ok_and(|n| n > 0)
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_nothing() {
    let daemon = Daemon::start(DEMO);
    let _warm = get(daemon.addr, "/");
    let before = daemon.descriptors();
    let offer = offer();
    let head = format!(
        "POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n",
        offer.len()
    );
    let whole = head + &offer;
    for at in [1, 10, 60, 120, whole.len() - 1, whole.len()] {
        let mut http = Http::connect(daemon.addr);
        http.send(&whole[..at]);
        drop(http);
        let mut http = Http::connect(daemon.addr);
        http.send(&whole[..at])
            .stream
            .shutdown(Shutdown::Write)
            .expect("half closed");
    }
    daemon.until("descriptors closed", |d| d.descriptors() <= before);
}
