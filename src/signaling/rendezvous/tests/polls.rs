//! Requests that wait for events.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::Bench;
use crate::ids::RequestId;
use crate::signaling::rendezvous::RendezvousEvent;

/// Makes a peer whose OPEN was polled; returns its token and the path of its events.
fn opened(bench: &mut Bench) -> (String, String) {
    let token = bench.peer("a");
    let path = format!("/peers/a/events?token={token}");
    assert_eq!(bench.get(&path).1["event"], "OPEN");
    (token, path)
}

#[test]
fn a_poll_is_answered_in_time_and_the_newer_one_of_two_wins() {
    let mut bench = Bench::new("");
    let (token, path) = opened(&mut bench);
    let first = bench.ask("GET", &path, &Value::Null);
    bench.pass(Duration::from_secs(27));
    assert_eq!(bench.answer(first), None);
    bench.pass(Duration::from_secs(2));
    let (status, body) = bench.answer(first).expect("after 28 s");
    assert_eq!(
        (status, &body["command_type"]),
        (408, &json!("PEERS_EVENTS"))
    );
    assert!(body["params"]["errors"][0]["message"].is_string());
    let older = bench.ask("GET", &path, &Value::Null);
    let newer = bench.ask("GET", &path, &Value::Null);
    assert_eq!(bench.answer(older).expect("it makes way").0, 408);
    assert_eq!(bench.stats().parked_polls, 1);
    assert_eq!(bench.delete(&format!("/peers/a?token={token}")), 204);
    let (status, body) = bench.answer(newer).expect("it is told");
    assert_eq!((status, &body["event"]), (200, &json!("CLOSE")));
    assert_eq!(bench.stats().parked_polls, 0);
}

/// Pipelines two requests on one connection, and replaces the first by a request on another connection. The
/// second request of the first connection is then read at once, and polls the same subject.
#[test]
fn a_poll_behind_one_that_gives_way_takes_no_answer_from_another() {
    let mut bench = Bench::new("");
    let (token, path) = opened(&mut bench);
    let first = bench.ask("GET", &path, &Value::Null);
    let other = bench.ask("GET", &path, &Value::Null);
    assert_eq!(bench.answer(first).expect("it makes way").0, 408);
    let behind = RequestId { number: 1, ..first };
    bench.ask_as(behind, "GET", &path, &Value::Null);
    assert_eq!(bench.answer(other).expect("it makes way").0, 408);
    bench.with(|hub, cx| hub.handle_gone(cx, behind));
    bench.settle();
    assert_eq!(bench.stats().parked_polls, 0);
    let last = bench.ask("GET", &path, &Value::Null);
    bench.delete(&format!("/peers/a?token={token}"));
    assert_eq!(bench.answer(last).expect("told").1["event"], "CLOSE");
    assert_eq!(bench.answer(behind), None);
}

#[test]
fn two_events_of_one_moment_are_told_one_after_the_other() {
    let mut bench = Bench::new("");
    let (_, path) = opened(&mut bench);
    let caller = bench.peer("b");
    let waiting = bench.ask("GET", &path, &Value::Null);
    // Two calls arrive before the turn ends, so the hub delivers both in one turn.
    bench.is_held = true;
    let body = json!({"peer_id": "b", "token": caller, "target_id": "a"});
    let offers = [0; 2].map(|_| {
        let path = "/data/connections";
        bench.call("POST", path, &body).0
    });
    assert_eq!(offers, [202, 202]);
    let (status, first) = bench.answer(waiting).expect("told");
    assert_eq!((status, &first["event"]), (200, &json!("CONNECTION")));
    let (status, second) = bench.get(&path);
    assert_eq!((status, &second["event"]), (200, &json!("CONNECTION")));
    assert_ne!(first["data_params"], second["data_params"]);
}

/// Checks that an event is taken only for a request that waits: two events occur in one turn, and the waiting
/// request takes one.
#[test]
fn an_event_is_not_taken_when_nobody_waits() {
    let mut bench = Bench::new("");
    let (token, path) = opened(&mut bench);
    let other = bench.peer("b");
    let waiting = bench.ask("GET", &path, &Value::Null);
    let call = |bench: &mut Bench| bench.dial("b", &other, "a", &json!({})).0;
    assert_eq!(call(&mut bench), 202);
    assert_eq!(
        bench.answer(waiting).expect("told").1["event"],
        "CONNECTION"
    );
    assert_eq!(call(&mut bench), 202);
    bench.pass(Duration::from_secs(1));
    // No request waited for the second event; the next request receives it, and then the end.
    assert_eq!(bench.get(&path).1["event"], "CONNECTION");
    bench.delete(&format!("/peers/a?token={token}"));
    assert_eq!(bench.get(&path).1["event"], "CLOSE");
    assert_eq!(
        bench.get(&path).1["event"],
        "CLOSE",
        "everybody who asks hears of the end"
    );
    bench.pass(Duration::from_secs(6));
    assert_eq!(
        bench.get(&path).0,
        404,
        "it need not be remembered for long"
    );
}

#[test]
fn a_client_that_sends_no_more_is_told_that_nothing_has_happened() {
    let mut bench = Bench::new("");
    let (_, path) = opened(&mut bench);
    let waiting = bench.ask("GET", &path, &Value::Null);
    bench.with(|hub, cx| hub.handle_half_closed(cx, waiting));
    bench.settle();
    assert_eq!(bench.answer(waiting).expect("an answer").0, 408);
    let hung_up = |event: &RendezvousEvent| matches!(event, RendezvousEvent::HangUp(_));
    assert!(!bench.events.iter().any(hung_up));
    let peek = bench.call("HEAD", &path, &Value::Null);
    assert_eq!(peek.0, 200);
}

#[test]
fn stopping_answers_polls_and_lets_no_peer_in() {
    let mut bench = Bench::new("");
    let (_, path) = opened(&mut bench);
    let waiting = bench.ask("GET", &path, &Value::Null);
    bench.with(|hub, cx| hub.stop(cx));
    bench.settle();
    assert_eq!(bench.answer(waiting).expect("an answer").0, 408);
    let (status, body) = bench.call("POST", "/peers", &json!({"key": "k", "domain": "d"}));
    assert_eq!(status, 403);
    assert!(body.to_string().contains("shutting down"), "{body}");
}
