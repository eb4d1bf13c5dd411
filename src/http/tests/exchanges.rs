//! Keep-alive, pipelining, HEAD, parked answers, half-closed peers, upgrades, shutting down.

use super::*;
use crate::http::{Method, Version};

#[test]
fn a_request_and_its_answer() {
    let mut rig = Rig::new();
    rig.send("GET /a?b HTTP/1.1\r\nHost: c\r\n\r\n");
    let head = rig.head();
    assert_eq!(
        (head.method.clone(), head.path.as_str()),
        (Method::Get, "/a")
    );
    assert_eq!((head.query.as_deref(), head.host()), (Some("b"), Some("c")));
    rig.quiet().respond_text("hi").quiet();
    assert_eq!(
        rig.written(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
    );
    rig.open();
}

#[test]
fn the_connection_is_kept_and_requests_wait_for_each_other() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(3));
    for _ in 0..2 {
        rig.head();
        rig.quiet().respond(200);
        assert_eq!(rig.written(), OK_EMPTY);
    }
    assert_eq!(rig.body(), b"");
    rig.quiet().respond(200).quiet();
    rig.send("\r\n\r\n").quiet().send(GET).respond(200);
    assert_eq!(rig.written(), [OK_EMPTY, OK_EMPTY].concat());
}

#[test]
fn close_is_honoured_without_delay() {
    let mut rig = Rig::new();
    rig.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .send(GET);
    rig.head();
    rig.respond(200).quiet().open();
    assert_eq!(rig.written(), OK_CLOSE);
    rig.finished();
}

#[test]
fn http_1_0_closes_unless_asked() {
    let mut rig = Rig::new();
    rig.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(rig.head().version, Version::Http10);
    rig.respond(200);
    assert_eq!(
        rig.written(),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    );
    rig.open().send("GET / HTTP/1.0\r\n\r\n").head();
    rig.respond(200);
    assert_eq!(rig.written(), OK_CLOSE);
    rig.finished();
}

#[test]
fn head_is_answered_without_a_body_and_with_its_length() {
    let mut rig = Rig::new();
    rig.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        .send(GET)
        .head();
    rig.respond_text("four");
    let text = rig.written();
    assert!(text.ends_with("Content-Length: 4\r\n\r\n"), "{text}");
    rig.head();
}

#[test]
fn options_for_the_server_as_a_whole() {
    let mut rig = Rig::new();
    rig.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = rig.head();
    assert_eq!(
        (head.method.clone(), head.path.as_str()),
        (Method::Options, "*")
    );
    rig.respond(204);
    assert_eq!(rig.written(), "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn a_parked_answer_may_take_minutes_and_stops_a_flood() {
    let mut rig = Rig::new();
    rig.send(GET);
    rig.body();
    rig.wait(secs(600)).quiet().open();
    assert!(rig.http.wants_input());
    rig.send(GET.repeat(16 * 1024 / GET.len() + 1)).quiet();
    assert!(!rig.http.wants_input());
    rig.respond(200);
    rig.head();
    assert!(rig.http.wants_input());
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_written() {
    let mut rig = Rig::new();
    rig.respond(200).accept();
    rig.http.end_stream(rig.now);
    rig.http.start_stream(rig.now, Response::new(200));
    rig.http.upgrade(rig.now, Response::new(101));
    assert_eq!(rig.http.push(rig.now, b"x"), Ok(()));
    rig.send(GET).head();
    rig.respond(200).respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
}

#[test]
fn a_slow_reader_is_not_asked_for_more_requests() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(3)).head();
    rig.respond_text(&"x".repeat(70_000)).quiet();
    assert!(rig.http.output().len() > 64 * 1024);
    rig.send(GET.repeat(1000));
    assert!(!rig.http.wants_input());
    rig.http.consume(10_000);
    rig.head();
}

#[test]
fn a_peer_that_half_closes_is_still_answered() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).close();
    rig.head();
    rig.respond(200).head();
    rig.respond(200).quiet().open();
    assert_eq!(rig.written(), [OK_EMPTY, OK_EMPTY].concat());
    rig.finished();
}

#[test]
fn a_parked_owner_is_told_once_that_the_peer_left_and_may_still_answer() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.close().gone().close().quiet().open().respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
    rig.quiet().finished();
}

#[test]
fn each_parked_request_of_a_peer_that_left_is_told_of() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).head();
    rig.close().gone().respond(200).head();
    rig.gone().respond(200);
    assert_eq!(rig.written(), OK_EMPTY.repeat(2));
    rig.finished();
}

#[test]
fn an_owner_that_gives_up_ends_the_connection() {
    let mut rig = Rig::new();
    rig.send(GET).body();
    rig.close().gone();
    rig.http.close_after_output();
    rig.finished();
}

#[test]
fn an_owner_that_forgets_does_not_keep_the_connection() {
    let mut rig = Rig::new();
    rig.send(GET).body();
    rig.close()
        .gone()
        .wait(secs(59))
        .open()
        .wait(secs(1))
        .quiet()
        .finished();
}

#[test]
fn a_peer_that_leaves_between_requests_or_in_a_head_is_just_gone() {
    for input in ["", "\r", "\r\n", "GET / HTTP/1.1\r\nHo"] {
        let mut rig = Rig::new();
        rig.send(input).close().quiet().finished();
    }
}

#[test]
fn a_peer_that_leaves_in_a_body_leaves_its_owner_alone() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "ab")).head();
    rig.accept().close().gone().finished();
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "ab")).close().head();
    rig.accept().gone().finished();
}

#[test]
fn an_upgrade_hands_over_what_follows_the_head() {
    let mut rig = Rig::new();
    rig.send(format!("{GET}raw")).head();
    rig.http
        .upgrade(rig.now, Response::new(101).header("Upgrade", "websocket"));
    rig.send("\0bytes").quiet();
    assert!(!rig.http.is_upgraded());
    assert_eq!(
        rig.written(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    );
    assert!(rig.http.is_upgraded());
    assert_eq!(rig.http.take_upgraded_input(), b"raw\0bytes");
    assert_eq!(rig.http.take_upgraded_input(), b"");
    assert_eq!(rig.http.poll_timeout(), None);
    rig.send(vec![0; 16 * 1024]);
    assert!(!rig.http.wants_input());
    rig.close().finished();
}

#[test]
fn a_request_with_a_body_cannot_be_upgraded() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "")).head();
    rig.http.upgrade(rig.now, Response::new(101));
    assert_eq!(rig.status(), 400);
    assert!(!rig.http.is_upgraded());
}

#[test]
fn raw_input_belongs_to_upgraded_connections_only() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).head();
    assert_eq!(rig.http.take_upgraded_input(), b"");
    rig.respond(200).head();
}

#[test]
fn shutting_down_ends_idle_connections_at_once() {
    for input in ["", "\r\n"] {
        let mut rig = Rig::new();
        rig.send(input);
        rig.http.close_after_output();
        rig.finished();
    }
}

#[test]
fn shutting_down_writes_what_is_there_and_begins_nothing() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.respond(200);
    rig.http.close_after_output();
    rig.send(GET).quiet().open();
    assert_eq!(rig.written(), OK_EMPTY);
    rig.finished();
}

#[test]
fn shutting_down_lets_a_parked_request_be_answered() {
    let mut rig = Rig::new();
    rig.send(GET).body();
    rig.http.close_after_output();
    rig.quiet().open().respond(200);
    assert_eq!(rig.written(), OK_CLOSE);
    // The client wanted to keep the connection and may have sent more.
    rig.open().wait(secs(1)).finished();
}
