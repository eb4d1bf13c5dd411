//! Answers whose bodies arrive piece by piece.

use super::*;
use crate::http::Full;

fn start(rig: &mut Rig) {
    rig.http.start_stream(
        rig.now,
        Response::new(200).header("Content-Type", "text/event-stream"),
    );
}

fn push(rig: &mut Rig, text: &str) -> Result<(), Full> {
    rig.http.push(rig.now, text.as_bytes())
}

fn end(rig: &mut Rig) {
    rig.http.end_stream(rig.now);
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

#[test]
fn chunks_on_1_1() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).head();
    start(&mut rig);
    assert_eq!(
        rig.written(),
        format!("{STREAM}Transfer-Encoding: chunked\r\n\r\n")
    );
    assert_eq!(push(&mut rig, "a: 1\n\n, and more"), Ok(()));
    assert_eq!(rig.written(), "10\r\na: 1\n\n, and more\r\n");
    assert_eq!(push(&mut rig, ""), Ok(()));
    assert_eq!(rig.written(), "");
    rig.wait(secs(600)).quiet();
    end(&mut rig);
    assert_eq!(rig.written(), "0\r\n\r\n");
    rig.head();
}

#[test]
fn until_the_end_on_1_0() {
    let mut rig = Rig::new();
    rig.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .head();
    start(&mut rig);
    assert_eq!(push(&mut rig, "a"), Ok(()));
    assert_eq!(rig.written(), format!("{STREAM}Connection: close\r\n\r\na"));
    end(&mut rig);
    // A client that waits for the end of the stream must see the end at once.
    rig.finished();
}

#[test]
fn head_gets_the_head() {
    let mut rig = Rig::new();
    rig.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        .send(GET)
        .head();
    start(&mut rig);
    assert_eq!(push(&mut rig, "a"), Ok(()));
    end(&mut rig);
    assert_eq!(
        rig.written(),
        format!("{STREAM}Transfer-Encoding: chunked\r\n\r\n")
    );
    rig.head();
    let mut rig = Rig::new();
    rig.send("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .head();
    start(&mut rig);
    end(&mut rig);
    assert_eq!(
        rig.written(),
        format!("{STREAM}Connection: keep-alive\r\n\r\n")
    );
    rig.open();
}

#[test]
fn a_push_fits_whole_or_not_at_all() {
    let mut rig = Rig::with(&Limits {
        output: 100,
        ..Limits::default()
    });
    rig.send(GET).head();
    start(&mut rig);
    rig.written();
    // Two digits of size and two line ends, six bytes together.
    assert_eq!(push(&mut rig, &"x".repeat(95)), Err(Full));
    assert_eq!(rig.written(), "");
    assert_eq!(push(&mut rig, &"x".repeat(94)), Ok(()));
    assert_eq!(push(&mut rig, "y"), Err(Full));
    rig.http.consume(6);
    assert_eq!(push(&mut rig, "y"), Ok(()));
    assert_eq!(push(&mut rig, "z"), Err(Full));
    end(&mut rig);
    assert!(rig.written().ends_with("x\r\n1\r\ny\r\n0\r\n\r\n"));
}

#[test]
fn the_owner_learns_that_the_peer_left() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    start(&mut rig);
    rig.written();
    rig.close().gone();
    end(&mut rig);
    assert_eq!(rig.written(), "0\r\n\r\n");
    rig.finished();
}

#[test]
fn a_stream_can_be_an_early_answer() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "a")).head();
    start(&mut rig);
    end(&mut rig);
    rig.written();
    rig.quiet().send(format!("bc{GET}")).head();
}

#[test]
fn shutting_down_ends_a_stream() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).head();
    start(&mut rig);
    rig.http.close_after_output();
    assert!(rig.written().ends_with("\r\n\r\n0\r\n\r\n"));
    // The client wanted to keep the connection, and may still be sending.
    rig.quiet().open().wait(secs(1)).finished();
}
