//! Line control: scripts that run when their byte has left, and hold the bytes of all peers meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::endpoint::line::LineStep;

use crate::peer::reliable;
use crate::sessions::{ARM, DEMO, good};
use crate::world::World;

const SOON: Duration = Duration::from_secs(5);

fn at_a_line(seed: u64) -> (World, usize) {
    let mut world = World::new(seed, &format!("{ARM}{DEMO}"));
    let n = world.connect(&[reliable("thingway"), reliable("arm")], good(), seed);
    world.until("open", SOON, |w| w.peer(n).channels["arm"].credit.is_some());
    (world, n)
}

/// Sends a request on the control channel.
fn ask(world: &mut World, n: usize, request: &Value) {
    let now = world.now;
    let text = request.to_string();
    assert!(world.peer(n).send(now, "thingway", false, text.as_bytes()));
}

/// Returns the answer to the request with this id.
fn answer(world: &mut World, n: usize, id: u64) -> Value {
    let mut found = None;
    world.until("an answer", Duration::from_secs(40), |w| {
        let answers = w.peer(n).told("line");
        found = answers
            .into_iter()
            .find(|answer| answer["id"] == id)
            .cloned();
        found.is_some()
    });
    found.unwrap()
}

const RESET: &str = r#"[{"dtr":false},{"wait_ms":100},{"rts":true,"dtr":true},{"break_ms":50}]"#;

fn reset() -> Value {
    serde_json::from_str(RESET).unwrap()
}

#[test]
fn a_script_keeps_its_times_on_the_board() {
    let (mut world, n) = at_a_line(1);
    let request = json!({"type": "line", "id": 1, "endpoint": "arm", "do": reset()});
    ask(&mut world, n, &request);
    let answer = answer(&mut world, n, 1);
    assert_eq!(
        (&answer["ok"], &answer["endpoint"]),
        (&true.into(), &"arm".into())
    );
    assert_eq!(answer["line"]["modem"]["dtr"], false, "as the line says");
    assert_eq!(answer["line"]["counters"], "unsupported");
    let steps = world.tty("/dev/arm").steps.clone();
    let begun = steps[0].0;
    let told: Vec<_> = steps
        .iter()
        .map(|(at, _, step)| ((*at - begun).as_millis(), *step))
        .collect();
    let modem = |dtr, rts| LineStep::Modem { dtr, rts };
    let expected = [
        (0, modem(Some(false), None)),
        (100, modem(Some(true), Some(true))),
        (100, LineStep::Break(true)),
        (150, LineStep::Break(false)),
    ];
    assert_eq!(told, expected, "to the millisecond");
}

#[test]
fn a_script_waits_for_its_byte_and_holds_those_behind_it() {
    let (mut world, n) = at_a_line(2);
    world.tty("/dev/arm").rate = 10;
    // The request may overtake the bytes that it follows, because they use other channels.
    let request = json!({
        "type": "line", "id": 1, "endpoint": "arm", "after": 5_000, "do": [{"baud": 57_600}],
    });
    ask(&mut world, n, &request);
    for byte in 0..10 {
        world.until("room", SOON, |w| {
            let now = w.now;
            w.peer(n).send_within_credit(now, "arm", &[byte; 1_000])
        });
    }
    let answer = answer(&mut world, n, 1);
    assert_eq!(answer["line"]["baud"], 57_600);
    let [(_, written, LineStep::Baud(57_600))] = world.tty("/dev/arm").steps[..] else {
        panic!("{:?}", world.tty("/dev/arm").steps)
    };
    assert_eq!(written, 5_000, "after its byte and before the next");
    world.until("the rest", SOON, |w| {
        w.tty("/dev/arm").written.len() == 10_000
    });
}

#[test]
fn what_the_driver_holds_has_not_left_yet() {
    let (mut world, n) = at_a_line(3);
    world.tty("/dev/arm").driver_holds = 3;
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"abc"));
    let request = json!({
        "type": "line", "id": 1, "endpoint": "arm", "after": 3, "do": [{"dtr": false}],
    });
    ask(&mut world, n, &request);
    world.run(Duration::from_secs(1));
    assert!(world.tty("/dev/arm").steps.is_empty());
    world.tty("/dev/arm").driver_holds = 0;
    let freed = world.now;
    assert_eq!(answer(&mut world, n, 1)["ok"], true);
    let (at, ..) = world.tty("/dev/arm").steps[0];
    assert!(at - freed <= Duration::from_millis(3), "{:?}", at - freed);
}

#[test]
fn requests_that_make_no_sense_are_told_why() {
    let (mut world, n) = at_a_line(4);
    world.tty("/dev/arm").is_pty = true;
    let cases = [
        (json!({"endpoint": "leg", "do": []}), "unknown-endpoint"),
        (json!({"endpoint": "demo", "do": []}), "unsupported"),
        (
            json!({"endpoint": "demo", "after": 1, "do": []}),
            "no-channel",
        ),
        (
            json!({"endpoint": "arm", "channel": 99, "after": 1}),
            "no-channel",
        ),
        (json!({"endpoint": "arm", "do": {}}), "bad-script"),
        (json!({"endpoint": "arm", "do": [{"fly": 1}]}), "bad-script"),
        (
            json!({"endpoint": "arm", "do": [{"baud": 9600}, {"dtr": true}]}),
            "unsupported",
        ),
    ];
    for (id, (mut request, reason)) in (1..).zip(cases) {
        request["type"] = "line".into();
        request["id"] = id.into();
        ask(&mut world, n, &request);
        let answer = answer(&mut world, n, id);
        assert_eq!(
            (&answer["ok"], &answer["reason"]),
            (&false.into(), &reason.into()),
            "{answer}"
        );
    }
    let last = answer(&mut world, n, 7);
    assert_eq!(last["step"], 1, "the first one was done: {last}");
    // The wait for a byte that never arrives ends, and the next script has its turn.
    let request = json!({"type": "line", "id": 8, "endpoint": "arm", "after": 1_000, "do": []});
    ask(&mut world, n, &request);
    let request = json!({"type": "line", "id": 9, "endpoint": "arm", "do": []});
    ask(&mut world, n, &request);
    let begun = world.now;
    assert_eq!(answer(&mut world, n, 8)["reason"], "failed");
    assert!(world.now - begun >= Duration::from_secs(29));
    assert_eq!(answer(&mut world, n, 9)["ok"], true);
}

#[test]
fn sixteen_scripts_wait_and_no_more() {
    let (mut world, n) = at_a_line(5);
    for id in 1..=17 {
        let request =
            json!({"type": "line", "id": id, "endpoint": "arm", "after": 1, "do": [{"rts": true}]});
        ask(&mut world, n, &request);
    }
    assert_eq!(answer(&mut world, n, 17)["reason"], "busy");
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", b"x"));
    assert_eq!(answer(&mut world, n, 16)["ok"], true);
    assert_eq!(world.tty("/dev/arm").steps.len(), 16);
}

#[test]
fn a_line_that_vanishes_fails_its_scripts() {
    let (mut world, n) = at_a_line(6);
    let request = json!({"type": "line", "id": 1, "endpoint": "arm", "do": reset()});
    ask(&mut world, n, &request);
    let request = json!({"type": "line", "id": 2, "endpoint": "arm", "after": 9, "do": []});
    ask(&mut world, n, &request);
    world.run(Duration::from_millis(50));
    world.unplug("/dev/arm");
    for id in [1, 2] {
        assert_eq!(answer(&mut world, n, id)["reason"], "absent");
    }
    let request = json!({"type": "line", "id": 3, "endpoint": "arm", "do": []});
    ask(&mut world, n, &request);
    assert_eq!(answer(&mut world, n, 3)["reason"], "absent");
}

#[test]
fn a_session_that_ends_lets_its_script_end_and_its_waiting_ones_go() {
    let (mut world, n) = at_a_line(7);
    ask(
        &mut world,
        n,
        &json!({"type": "line", "endpoint": "arm", "do": reset()}),
    );
    ask(
        &mut world,
        n,
        &json!({"type": "line", "endpoint": "arm", "after": 9, "do": reset()}),
    );
    world.run(Duration::from_millis(50));
    world.delete(n);
    world.run(Duration::from_secs(1));
    let steps = &world.tty("/dev/arm").steps;
    assert_eq!(steps.len(), 4, "a board is not left in reset: {steps:?}");
    // The line is free again.
    let other = world.connect(&[reliable("thingway"), reliable("arm")], good(), 8);
    world.until("open", SOON, |w| {
        w.peer(other).channels["arm"].credit.is_some()
    });
    let now = world.now;
    assert!(world.peer(other).send_within_credit(now, "arm", b"hi"));
    world.until("bytes", SOON, |w| w.tty("/dev/arm").written == b"hi");
}

#[test]
fn over_http_it_is_the_same() {
    let (mut world, n) = at_a_line(8);
    let mut post = |body: &str| {
        let request = format!(
            "POST /endpoints/arm/line HTTP/1.1\r\nHost: board\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world.request(request.as_bytes())
    };
    let answer = post(r#"{"do":[{"dtr":true},{"baud":19200}]}"#);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""baud":19200"#), "{answer}");
    for (body, status, place) in [
        ("", 400, "body"),
        ("{\"does\":[]}", 400, "body"),
        (r#"{"do":[{"dtr":true},{"dtr":1}]}"#, 400, "do[1]"),
    ] {
        let answer = post(body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("\"where\":\"{place}\"")),
            "{answer}"
        );
    }
    assert_eq!(world.get("/endpoints/arm")["line"]["baud"], 19_200);
    world.unplug("/dev/arm");
    let answer = world.request(
        b"POST /endpoints/arm/line HTTP/1.1\r\nHost: board\r\nContent-Type: application/json\r\n\
          Content-Length: 2\r\n\r\n{}",
    );
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    assert!(
        world.peer(n).told("line").is_empty(),
        "the answer is the asker's"
    );
}

#[test]
fn a_script_runs_at_its_very_byte_even_in_the_middle_of_a_message() {
    let (mut world, n) = at_a_line(9);
    world.tty("/dev/arm").rate = 10;
    for (id, after) in [(1, 61_050), (2, 61_051), (3, 100_000)] {
        let steps = json!([{"baud": 9_600 + id}]);
        let request =
            json!({"type": "line", "id": id, "endpoint": "arm", "after": after, "do": steps});
        ask(&mut world, n, &request);
    }
    world.run(Duration::from_millis(50));
    let now = world.now;
    assert!(world.peer(n).send_within_credit(now, "arm", &[0; 60_000]));
    for _ in 0..100 {
        let now = world.now;
        assert!(world.peer(n).send_within_credit(now, "arm", &[1; 20]));
    }
    world.until("room", SOON, |w| {
        let now = w.now;
        w.peer(n).send_within_credit(now, "arm", &[2; 60_000])
    });
    for id in [1, 2, 3] {
        assert_eq!(answer(&mut world, n, id)["ok"], true, "{id}");
    }
    let at: Vec<usize> = world
        .tty("/dev/arm")
        .steps
        .iter()
        .map(|(_, at, _)| *at)
        .collect();
    assert_eq!(at, [61_050, 61_051, 100_000]);
    world.until("all of it", Duration::from_secs(30), |w| {
        w.tty("/dev/arm").written.len() == 122_000
    });
    let written = &world.tty("/dev/arm").written;
    assert!(written.is_sorted(), "in its order");
    assert!(world.peer(n).told("dropped").is_empty());
}
