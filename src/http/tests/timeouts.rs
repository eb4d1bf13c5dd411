//! Timeouts: clients that are too slow, and waits that have no limit.

use super::*;

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut rig = Rig::new();
    rig.wait(secs(9)).open().wait(secs(1)).quiet().finished();
    let mut rig = Rig::new();
    rig.wait(secs(9)).send(GET).head();
    rig.respond(200).written();
    rig.wait(secs(59)).open().wait(secs(1)).quiet().finished();
}

#[test]
fn line_ends_do_not_keep_an_idle_connection() {
    let mut rig = Rig::new();
    for _ in 0..9 {
        rig.wait(secs(1)).send("\r\n").open();
    }
    rig.wait(secs(1)).finished();
}

#[test]
fn an_idle_time_of_its_own_begins_with_the_next_response() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.http.set_idle_timeout(secs(5));
    rig.respond(401).written();
    rig.wait(secs(4)).open().send(GET).head();
    rig.http.set_idle_timeout(secs(60));
    rig.respond(200).written();
    rig.wait(secs(59)).open().wait(secs(1)).finished();
}

#[test]
fn a_slow_head_is_refused_however_it_trickles() {
    let mut rig = Rig::new();
    rig.wait(secs(5)).send("G");
    for _ in 0..9 {
        rig.wait(secs(1)).send("E").quiet();
    }
    assert_eq!(rig.written(), "");
    rig.wait(secs(1)).quiet();
    assert_eq!(rig.status(), 408);
    rig.open().wait(secs(1)).finished();
}

#[test]
fn a_head_in_time_is_fine_and_the_next_one_has_its_own_time() {
    let mut rig = Rig::new();
    rig.send("GET / HTTP/1.1\r\n")
        .wait(secs(9))
        .send("Host: a\r\n\r\nG")
        .head();
    rig.wait(secs(100)).respond(200).written();
    rig.wait(secs(9)).quiet();
    assert_eq!(rig.written(), "");
    rig.wait(secs(1)).quiet();
    assert_eq!(rig.status(), 408);
}

#[test]
fn a_slow_body_is_refused_and_the_owner_told() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "a")).head();
    rig.wait(secs(60)).accept().wait(secs(9)).send("b").quiet();
    rig.wait(secs(1)).gone();
    assert_eq!(rig.status(), 408);
    rig.respond(200).wait(secs(1)).quiet().finished();
}

#[test]
fn a_body_that_nobody_wants_cannot_be_slow_either() {
    let mut rig = Rig::new();
    rig.send(post("Content-Length: 3\r\n", "a")).head();
    rig.respond(200).written();
    rig.wait(secs(9)).open().wait(secs(2)).quiet().finished();
}

#[test]
fn a_writer_without_progress_is_dropped() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.respond_text(&"x".repeat(1000)).wait(secs(29)).open();
    rig.http.consume(1);
    // From here on at least thirty seconds, and never more than twice that.
    rig.wait(secs(30)).open().wait(secs(1));
    rig.wait(secs(29)).quiet().finished();
}

#[test]
fn a_slow_reader_is_given_time_as_long_as_it_reads() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.respond_text(&"x".repeat(1000));
    for _ in 0..10 {
        rig.wait(secs(29)).open().http.consume(1);
    }
    rig.http.consume(10_000);
    // The time between requests begins with the end of the answer.
    rig.wait(secs(59)).open().wait(secs(1)).finished();
}

#[test]
fn a_stream_without_a_reader_is_lost_and_the_owner_told() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.http.start_stream(rig.now, Response::new(200));
    rig.wait(secs(29)).quiet().wait(secs(1)).gone().finished();
}

#[test]
fn a_pipelined_head_is_not_late_because_the_reader_was() {
    let mut rig = Rig::new();
    rig.send(GET.to_owned() + "GET /").head();
    rig.respond_text(&"x".repeat(70_000)).wait(secs(20)).quiet();
    rig.http.consume(10_000);
    // No call has passed in the time since.
    rig.now += secs(9);
    rig.http.handle_timeout(rig.now);
    rig.wait(secs(9))
        .quiet()
        .send(" HTTP/1.1\r\nHost: a\r\n\r\n")
        .head();
}

#[test]
fn asking_too_early_does_no_harm() {
    let mut rig = Rig::new();
    for byte in GET.bytes() {
        rig.http.handle_timeout(rig.now);
        rig.send([byte]);
    }
    rig.http.handle_timeout(rig.now);
    rig.head();
    rig.http.handle_timeout(rig.now);
    rig.respond(200);
    rig.http.handle_timeout(rig.now);
    assert_eq!(rig.written(), OK_EMPTY);
}

#[test]
fn a_parked_request_has_no_deadline() {
    let mut rig = Rig::new();
    rig.send(GET).body();
    assert_eq!(rig.http.poll_timeout(), None);
}

#[test]
fn progress_made_with_an_earlier_answer_does_not_count() {
    let mut rig = Rig::new();
    rig.send(GET).head();
    rig.respond(200).written();
    rig.send(GET).head();
    rig.respond(200).wait(secs(30)).finished();
}

#[test]
fn an_owner_is_not_told_of_the_end_of_a_request_that_it_has_not_seen() {
    let mut rig = Rig::new();
    rig.send(GET.repeat(2)).head();
    rig.respond(200).wait(secs(30)).quiet().finished();
}
