//! Requests that are refused, and the responses to them.

use super::refused::TABLE;
use super::*;

#[test]
fn malformed_heads_are_refused_and_the_connection_closed() {
    for &(input, status) in TABLE {
        let mut rig = Rig::new();
        rig.send(input).quiet();
        let text = rig.written();
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")),
            "{input:?}: {text}"
        );
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
        assert!(
            text.contains("\r\nContent-Type: application/problem+json\r\n"),
            "{text}"
        );
        rig.send(GET).quiet();
        assert_eq!(rig.written(), "", "{input:?}");
        rig.open().wait(secs(1)).finished();
    }
}

#[test]
fn what_looks_odd_and_is_right() {
    for input in [
        "\r\n\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nhOST:a:8000\t\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /ä?ö HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?a?b=/ HTTP/1.1\r\nHost: a\r\nX:\r\nY: \"\r\n\r\n",
        "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0001\r\n\r\n",
    ] {
        let mut rig = Rig::new();
        rig.send(input).head();
        rig.quiet();
    }
}

#[test]
fn answers_before_the_refusal_are_not_lost() {
    let mut rig = Rig::new();
    rig.send(GET).send("oops\r\n\r\n").head();
    rig.respond(200).quiet();
    let text = rig.written();
    assert!(
        text.starts_with(OK_EMPTY) && text.contains("HTTP/1.1 400 "),
        "{text}"
    );
}

#[test]
fn heads_are_bounded() {
    let head = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(n));
    let spare = Limits::default().head - head(0).len();
    let mut rig = Rig::new();
    rig.send(head(spare)).head();
    let mut rig = Rig::new();
    rig.send(head(spare + 1)).quiet();
    assert_eq!(rig.status(), 431);
    // The limit applies before the head is complete, and the input queue always has room to exceed the limit.
    let mut rig = Rig::new();
    rig.send(
        head(spare)
            .strip_suffix("\r\n")
            .unwrap()
            .replace("\r\nX", "\r\nXyz"),
    )
    .quiet();
    assert!(rig.http.wants_input());
    rig.send("x").quiet();
    assert_eq!(rig.status(), 431);
}

#[test]
fn header_lines_are_counted() {
    let head = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n));
    let mut rig = Rig::new();
    rig.send(head(63)).head();
    let mut rig = Rig::new();
    rig.send(head(64)).quiet();
    assert_eq!(rig.status(), 431);
}

#[test]
fn targets_are_bounded() {
    let head = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n));
    let mut rig = Rig::new();
    rig.send(head(8191)).head();
    let mut rig = Rig::new();
    rig.send(head(8192)).quiet();
    assert_eq!(rig.status(), 414);
}

#[test]
fn a_tls_hello_is_refused_at_its_first_byte() {
    let mut rig = Rig::new();
    rig.send([0x16]).quiet();
    assert_eq!(rig.status(), 400);
}
