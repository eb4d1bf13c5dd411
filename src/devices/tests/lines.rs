//! Scripts at serial lines, and discards by peers.

use super::*;
use crate::endpoint::line::{FlowControl, Format, LineFault, LineStatus};
use crate::endpoint::script::Script;
use crate::ids::RequestId;

fn rig() -> (Rig, RouteId) {
    let mut rig = Rig::with_window(SERIAL, 64 * 1024);
    let route = rig.open(1, "arm");
    rig.events();
    (rig, route)
}

fn peer(number: u64) -> Asker {
    Asker::Peer {
        session: session(number),
        id: None,
    }
}

fn request(number: u32) -> RequestId {
    RequestId {
        connection: Id::from_bits(0),
        number,
    }
}

fn run(rig: &mut Rig, asker: Asker, script: &str, after: After) {
    let (arm, script) = (
        rig.endpoint("arm"),
        Script::parse(script).expect("a script"),
    );
    rig.with(|devices, cx| devices.run_script(cx, arm, asker, script, after));
}

fn status() -> LineStatus {
    LineStatus {
        baud: 9600,
        format: Format::default(),
        flow: FlowControl::None,
        modem: None,
        counters: None,
        unsent: 0,
    }
}

/// Returns the commands for the line.
fn asked(rig: &mut Rig) -> Vec<Command> {
    let commands = rig.open_sources().into_iter();
    commands
        .filter(|it| matches!(it, Command::Line { .. } | Command::CountUnsent { .. }))
        .collect()
}

fn answer(rig: &mut Rig, result: Result<LineStatus, LineFault>) {
    let arm = rig.endpoint("arm");
    rig.with(|devices, cx| devices.handle_line(cx, arm, result));
}

fn unsent(rig: &mut Rig, bytes: usize) {
    let arm = rig.endpoint("arm");
    rig.with(|devices, cx| devices.handle_unsent(cx, arm, bytes));
}

/// Returns how scripts ended: each asker with the fault, if any.
fn done(rig: &mut Rig) -> Vec<(Asker, Option<LineFault>)> {
    let events = rig.events().into_iter();
    let done = events.filter_map(|event| match event {
        DeviceEvent::ScriptDone { asker, outcome, .. } => {
            Some((asker, outcome.err().map(|(_, fault)| fault)))
        }
        _ => None,
    });
    done.collect()
}

const RESET: &str = "[{\"dtr\":false},{\"wait_ms\":50},{\"dtr\":true}]";

#[test]
fn the_steps_of_a_script_are_done_one_by_one_with_their_pauses() {
    let (mut rig, route) = rig();
    run(&mut rig, peer(1), RESET, After::Now);
    assert_eq!(asked(&mut rig).len(), 1, "the first step");
    rig.send(route, b"behind");
    answer(&mut rig, Ok(status()));
    assert_eq!(asked(&mut rig), [], "it pauses");
    assert_eq!(rig.take_output("arm"), b"", "bytes stay behind it");
    rig.pass(Duration::from_millis(50));
    assert_eq!(asked(&mut rig).len(), 1, "the second step");
    answer(&mut rig, Ok(status()));
    assert_eq!(asked(&mut rig).len(), 1, "the last look");
    answer(&mut rig, Ok(status()));
    assert_eq!(done(&mut rig), [(peer(1), None)]);
    assert_eq!(rig.take_output("arm"), b"behind");
}

#[test]
fn a_script_waits_for_its_byte_and_for_the_driver() {
    let (mut rig, route) = rig();
    let after = After::Route { route, offset: 5 };
    run(&mut rig, peer(1), "[{\"baud\":9600}]", after);
    rig.send(route, b"1234567890");
    assert_eq!(
        rig.take_output("arm"),
        b"12345",
        "up to the byte and no further"
    );
    assert!(matches!(asked(&mut rig)[..], [Command::CountUnsent { .. }]));
    unsent(&mut rig, 3);
    assert_eq!(asked(&mut rig), [], "the driver still holds some");
    rig.pass(Duration::from_millis(2));
    assert!(matches!(asked(&mut rig)[..], [Command::CountUnsent { .. }]));
    unsent(&mut rig, 0);
    assert!(matches!(asked(&mut rig)[..], [Command::Line { .. }]));
    answer(&mut rig, Ok(status()));
    answer(&mut rig, Ok(status()));
    assert_eq!(done(&mut rig), [(peer(1), None)]);
    assert_eq!(rig.take_output("arm"), b"67890");
}

#[test]
fn a_byte_that_never_comes_is_waited_for_half_a_minute() {
    let (mut rig, route) = rig();
    let after = After::Route { route, offset: 5 };
    run(&mut rig, peer(1), RESET, after);
    rig.pass(Duration::from_secs(29));
    assert_eq!(done(&mut rig), []);
    rig.pass(Duration::from_secs(1));
    assert!(matches!(
        &done(&mut rig)[..],
        [(_, Some(LineFault::Failed(_)))]
    ));
    // A closed channel cannot deliver the byte either.
    run(&mut rig, peer(1), RESET, after);
    rig.with(|devices, cx| devices.unbind(cx, route));
    rig.pass(Duration::from_secs(30));
    let ended = done(&mut rig);
    let Some((_, Some(LineFault::Failed(why)))) = ended.first() else {
        panic!("{ended:?}");
    };
    assert_eq!(why, "its channel has closed");
}

#[test]
fn a_reset_goes_ahead_of_scripts_that_have_not_begun_and_not_of_one_that_has() {
    let (mut rig, route) = rig();
    let after = After::Route { route, offset: 9 };
    run(&mut rig, peer(1), RESET, after);
    run(&mut rig, peer(2), RESET, After::Ahead);
    assert_eq!(asked(&mut rig).len(), 1, "the second has its turn at once");
    run(&mut rig, peer(3), RESET, After::Ahead);
    assert_eq!(asked(&mut rig), [], "and is not interrupted");
    answer(&mut rig, Err(LineFault::Unsupported));
    assert_eq!(done(&mut rig), [(peer(2), Some(LineFault::Unsupported))]);
    assert_eq!(asked(&mut rig).len(), 1, "then the third");
}

#[test]
fn looks_wait_for_no_script_and_too_many_scripts_are_refused() {
    let (mut rig, route) = rig();
    let after = After::Route { route, offset: 9 };
    for _ in 0..16 {
        run(&mut rig, peer(1), RESET, after);
    }
    run(&mut rig, peer(2), RESET, after);
    assert_eq!(done(&mut rig), [(peer(2), Some(LineFault::Busy))]);
    let (mut rig, route) = self::rig();
    let after = After::Route { route, offset: 9 };
    run(&mut rig, peer(1), RESET, after);
    run(&mut rig, peer(2), "[]", After::Now);
    answer(&mut rig, Ok(status()));
    assert_eq!(done(&mut rig), [(peer(2), None)]);
    let arm = rig.endpoint("arm");
    assert!(rig.with(|devices, cx| devices.look(cx, arm, request(1))));
    answer(&mut rig, Ok(status()));
    let viewed = rig.events();
    assert!(matches!(
        &viewed[..],
        [DeviceEvent::Viewed { line: Some(_), .. }]
    ));
}

#[test]
fn scripts_end_with_their_session_their_token_and_their_device() {
    let (mut rig, route) = rig();
    let after = After::Route { route, offset: 9 };
    run(&mut rig, Asker::Request(request(1)), RESET, after);
    run(&mut rig, Asker::Request(request(2)), RESET, after);
    run(&mut rig, peer(2), RESET, after);
    let cancelled = rig.devices.cancel_requests(|it| it == request(2));
    assert_eq!(cancelled, [request(2)]);
    rig.with(|devices, cx| devices.remove_session(cx, session(2)));
    let arm = rig.endpoint("arm");
    let source = rig.opened[&arm];
    let why = Failure::new(endpoint::FailureKind::Absent, "unplugged");
    rig.with(|devices, cx| devices.handle_failed(cx, arm, source, &why));
    let expected = [(Asker::Request(request(1)), Some(LineFault::Absent))];
    assert_eq!(done(&mut rig), expected);
    run(&mut rig, peer(1), RESET, After::Now);
    assert_eq!(done(&mut rig), [(peer(1), Some(LineFault::Absent))]);
}

#[test]
fn a_script_that_has_begun_leaves_no_reset_behind() {
    let (mut rig, _) = rig();
    run(&mut rig, peer(1), RESET, After::Now);
    asked(&mut rig);
    answer(&mut rig, Ok(status()));
    rig.with(|devices, cx| devices.remove_session(cx, session(1)));
    rig.with(Devices::finish_scripts);
    assert_eq!(asked(&mut rig).len(), 1, "dtr is set, without the pause");
}

#[test]
fn what_a_peer_discards_waits_no_more_and_what_is_still_to_come_is_dropped() {
    let (mut rig, route) = rig();
    for byte in 0..200 {
        rig.send(route, &[byte; 1000]);
    }
    let waiting = rig.devices.table().waiting().1;
    assert!(waiting > 0, "the device's queue is full");
    rig.with(|devices, cx| devices.discard(cx, route, 250_000));
    assert_eq!(rig.devices.table().waiting().1, 0);
    assert!(
        matches!(asked(&mut rig)[..], [Command::Line { .. }]),
        "the driver is flushed"
    );
    answer(&mut rig, Ok(status()));
    assert_eq!(rig.take_output("arm"), b"");
    rig.send(route, &[1; 50_000]);
    assert_eq!(rig.take_output("arm"), b"", "it was sent before");
    rig.send(route, b"new");
    assert_eq!(rig.take_output("arm"), b"new");
    let on_route: u64 = rig.drops(route).iter().map(|(_, bytes)| bytes).sum();
    let report = rig.devices.table().report(rig.endpoint("arm")).unwrap();
    let at_device = report.drops.total().bytes;
    assert_eq!(on_route + at_device, 250_000, "every byte is counted");
}
