//! Bodies: lengths, chunks, expectations, early answers, limits.

use super::*;

#[test]
fn a_body_of_known_length_and_a_chunked_one() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "abc"));
    assert_eq!(rig.body(), b"abc");
    rig.respond(200).send(post(
        "Transfer-Encoding: chunked\r\n",
        "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ));
    assert_eq!(rig.body(), b"abc");
    rig.respond(200).send(GET).head();
    assert_eq!(rig.written(), OK_EMPTY.repeat(2));
}

#[test]
fn without_either_header_there_is_no_body() {
    let mut rig = Rig::new();
    rig.send(post("", "")).send(GET);
    assert_eq!(rig.body(), b"");
    rig.respond(200).head();
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""))
        .head();
    assert_eq!(rig.written(), "");
    rig.accept().quiet();
    assert_eq!(rig.written(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.send("abc");
    assert_eq!(rig.received(), b"abc");
    rig.respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
}

#[test]
fn nobody_is_told_to_continue_who_cannot_or_does_not_wait() {
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    ] {
        let mut rig = Rig::new();
        rig.send(head).head();
        rig.accept();
        assert_eq!(rig.written(), "", "{head}");
    }
}

#[test]
fn a_client_that_was_not_told_to_continue_cannot_go_on() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""))
        .head();
    rig.respond(403);
    let text = rig.written();
    assert!(
        text.contains("403") && text.contains("Connection: close"),
        "{text}"
    );
    rig.send(format!("abc{GET}"))
        .quiet()
        .open()
        .wait(secs(1))
        .finished();
}

#[test]
fn an_early_answer_discards_a_short_body_and_goes_on() {
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    for (lines, body) in [
        ("Content-Length: 3\r\n", "abc"),
        ("Transfer-Encoding: chunked\r\n", chunks),
    ] {
        let mut rig = Rig::new();
        rig.send(post(lines, "")).head();
        rig.respond(200).quiet();
        assert_eq!(rig.written(), OK_EMPTY);
        rig.send(body).quiet().send(GET).head();
        let mut rig = Rig::new();
        rig.send(post(lines, body) + GET).head();
        rig.respond(200).head();
    }
}

#[test]
fn an_early_answer_to_a_long_body_closes_after_the_client_could_read_it() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 65537\r\n", "some")).head();
    rig.respond(200);
    let half = OK_CLOSE.len() / 2;
    rig.http.consume(half);
    rig.send(vec![b'x'; 100_000]).quiet().wait(secs(5)).open();
    assert!(rig.http.wants_input());
    assert_eq!(rig.written().len(), OK_CLOSE.len() - half);
    // The second of lingering begins when the last byte is written, whenever that is.
    rig.wait(Duration::from_millis(999)).open();
    rig.send(vec![b'x'; 100_000])
        .quiet()
        .wait(Duration::from_millis(1))
        .finished();
}

#[test]
fn the_longest_body_that_is_discarded() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 65536\r\n", "")).head();
    rig.respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
    rig.send(vec![b'x'; 65_536]).quiet().send(GET).head();
}

#[test]
fn a_client_that_was_told_to_continue_can_go_on_after_an_early_answer() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""))
        .head();
    rig.accept().written();
    rig.respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
    rig.send(format!("abc{GET}")).head();
}

#[test]
fn a_client_that_has_read_the_early_answer_ends_the_linger() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 65537\r\n", "")).head();
    rig.respond(200);
    assert_eq!(rig.written(), OK_CLOSE);
    rig.open().close().finished();
}

#[test]
fn an_early_answer_to_a_chunked_body_discards_up_to_the_bound() {
    let mut rig = Rig::new();
    rig.send(post("Transfer-Encoding: chunked\r\n", "")).head();
    rig.respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
    rig.send("10000\r\n")
        .send(vec![b'x'; 0x10000])
        .send("\r\n")
        .open();
    rig.send("1\r\nx\r\n0\r\n\r\n").quiet();
    // The connection does not send a second answer.
    assert_eq!(rig.written(), "");
    rig.send(GET).quiet().wait(secs(1)).finished();
}

#[test]
fn an_answer_in_the_middle_of_the_body() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "a")).head();
    rig.accept().quiet().respond(200);
    assert_eq!(rig.written(), OK_EMPTY);
    rig.send(format!("bc{GET}")).head();
}

#[test]
fn a_body_that_nobody_polled_is_forgotten_with_its_answer() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "abc")).head();
    rig.accept().respond(200).quiet();
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_without_asking() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 262145\r\n", "x")).quiet();
    assert_eq!(rig.status(), 413);
    rig.send("more").quiet().wait(secs(1)).finished();
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 262144\r\n", ""))
        .send(vec![b'x'; 262_144]);
    assert_eq!(rig.body().len(), 262_144);
}

#[test]
fn a_body_that_grows_too_large_is_refused_and_the_owner_told() {
    let mut rig = Rig::with(&Limits {
        body: 10,
        ..Limits::default()
    });
    rig.send(post(
        "Transfer-Encoding: chunked\r\n",
        "a\r\n0123456789\r\n",
    ))
    .head();
    rig.accept().quiet().send("1\r\n").gone();
    assert_eq!(rig.status(), 413);
    rig.respond(200).quiet();
    assert_eq!(rig.written(), "");
    rig.wait(secs(1)).finished();
}

#[test]
fn a_spoilt_body_is_refused_and_the_owner_told() {
    let mut rig = Rig::new();
    rig.send(post("Transfer-Encoding: chunked\r\n", "x\r\n"))
        .head();
    rig.accept().gone();
    assert_eq!(rig.status(), 400);
}

#[test]
fn a_refusal_in_answer_to_head_has_no_body() {
    let mut rig = Rig::new();
    rig.send("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
        .quiet();
    let text = rig.written();
    assert!(
        text.starts_with("HTTP/1.1 413 ") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
}
