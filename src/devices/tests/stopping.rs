//! The dead-man switch: a machine whose writer falls silent is stopped.

use super::*;
use crate::endpoint::line::LineFault;

const SWITCH: &str = "deadman = { timeout_ms = 500, send = \"STOP\" }\n";

fn rig() -> (Rig, RouteId) {
    let mut rig = Rig::new(&format!("{SERIAL}{SWITCH}"));
    rig.devices.set_hears(session(1), true);
    let route = rig.open(1, "arm");
    rig.events();
    (rig, route)
}

fn stops(rig: &mut Rig) -> Vec<(Option<SessionId>, u64)> {
    let events = rig.events().into_iter();
    let stops = events.filter_map(|event| match event {
        DeviceEvent::Stopped(stop) => Some((stop.writer, stop.fired)),
        _ => None,
    });
    stops.collect()
}

fn beat(rig: &mut Rig, stop: bool, fired: Option<u64>) {
    let heartbeat = Heartbeat {
        only: None,
        stop,
        fired,
    };
    rig.with(|devices, cx| devices.handle_heartbeat(cx, session(1), heartbeat));
}

/// Sends a heartbeat for one endpoint.
fn beat_for(rig: &mut Rig, name: &str) {
    let heartbeat = Heartbeat {
        only: Some(rig.endpoint(name)),
        stop: false,
        fired: None,
    };
    rig.with(|devices, cx| devices.handle_heartbeat(cx, session(1), heartbeat));
}

/// Answers every question to the line.
fn answer_lines(rig: &mut Rig) -> usize {
    let arm = rig.endpoint("arm");
    let commands = rig.open_sources().into_iter();
    let asked = commands
        .filter(|it| matches!(it, Command::Line { .. }))
        .count();
    for _ in 0..asked {
        let fault = LineFault::Unsupported;
        rig.with(|devices, cx| devices.handle_line(cx, arm, Err(fault)));
    }
    asked
}

#[test]
fn silence_stops_the_machine_before_everything_that_was_on_its_way() {
    let (mut rig, route) = rig();
    rig.send(route, b"forward");
    rig.pass(Duration::from_millis(499));
    assert_eq!(stops(&mut rig), []);
    rig.pass(Duration::from_millis(1));
    assert_eq!(stops(&mut rig), [(Some(session(1)), 1)]);
    assert_eq!(rig.take_output("arm"), b"", "the driver is flushed first");
    assert_eq!(answer_lines(&mut rig), 1);
    assert_eq!(rig.take_output("arm"), b"STOP");
    let report = rig.devices.table().report(rig.endpoint("arm")).unwrap();
    let drops: Vec<_> = report.drops.iter().collect();
    let expected = ((Direction::FromPeer, DropReason::Deadman), Count::one(7));
    assert_eq!(drops, [expected]);
}

#[test]
fn messages_of_a_stopped_session_are_stale_until_it_knows_of_the_stop() {
    let (mut rig, route) = rig();
    rig.send(route, b"a");
    rig.pass(Duration::from_millis(500));
    answer_lines(&mut rig);
    rig.take_output("arm");
    rig.send(route, b"b");
    beat(&mut rig, false, None);
    rig.send(route, b"c");
    assert_eq!(rig.drops(route), [(DropReason::Deadman, 2)]);
    beat(&mut rig, false, Some(1));
    rig.send(route, b"d");
    assert_eq!(rig.take_output("arm"), b"d");
}

#[test]
fn a_heartbeat_moves_the_deadline_and_one_that_says_stop_ends_the_watch() {
    let (mut rig, route) = rig();
    rig.send(route, b"a");
    for _ in 0..5 {
        rig.pass(Duration::from_millis(400));
        beat(&mut rig, false, None);
    }
    assert_eq!(stops(&mut rig), []);
    beat(&mut rig, true, None);
    rig.pass(Duration::from_secs(60));
    assert_eq!(stops(&mut rig), []);
    rig.send(route, b"a");
    rig.pass(Duration::from_millis(500));
    assert_eq!(stops(&mut rig).len(), 1, "a message begins the watch again");
}

#[test]
fn a_heartbeat_for_one_endpoint_keeps_no_other_going() {
    let leg = SERIAL.replace("arm", "leg").replace("/dev/", "/dev/other-");
    let mut rig = Rig::new(&format!("{SERIAL}{SWITCH}{leg}{SWITCH}"));
    let (arm, leg) = (rig.open(1, "arm"), rig.open(1, "leg"));
    rig.send(arm, b"a");
    rig.send(leg, b"b");
    rig.events();
    rig.pass(Duration::from_millis(400));
    beat_for(&mut rig, "leg");
    rig.pass(Duration::from_millis(100));
    let stopped: Vec<_> = (rig.events().into_iter())
        .filter_map(|event| match event {
            DeviceEvent::Stopped(stop) => Some(stop.endpoint),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, [rig.endpoint("arm")]);
}

#[test]
fn a_heartbeat_for_an_endpoint_is_meant_for_all_its_connections() {
    let each = "[[endpoint]]\nname = \"each\"\nkind = \"tcp\"\nremote = \"127.0.0.1:1\"\nconnection = \"channel\"\n";
    let mut rig = Rig::new(&format!("{each}{SWITCH}"));
    for _ in 0..2 {
        let route = rig.open(1, "each");
        rig.send(route, b"a");
    }
    rig.events();
    rig.pass(Duration::from_millis(400));
    beat_for(&mut rig, "each");
    rig.pass(Duration::from_millis(400));
    assert_eq!(stops(&mut rig), []);
    rig.pass(Duration::from_millis(100));
    assert_eq!(stops(&mut rig).len(), 2);
}

#[test]
fn the_end_of_the_writer_is_no_reason_not_to_stop_its_machine() {
    let (mut rig, route) = rig();
    rig.send(route, b"a");
    rig.with(|devices, cx| devices.remove_session(cx, session(1)));
    rig.pass(Duration::from_millis(500));
    assert_eq!(stops(&mut rig), [(Some(session(1)), 1)]);
}

#[test]
fn an_endpoint_that_is_configured_anew_is_watched_on() {
    let (mut rig, route) = rig();
    rig.send(route, b"a");
    let arm = rig.endpoint("arm");
    let before = rig.devices.take_writing(arm);
    rig.with(|devices, cx| devices.remove(cx, arm));
    let text = format!("{SERIAL}{SWITCH}").replace("STOP", "HALT");
    let config = Config::parse(&text).unwrap().endpoints.remove(0);
    let new = rig.with(|devices, cx| devices.add(cx, config));
    rig.open_sources();
    rig.with(|devices, cx| devices.keep_watching(cx, new, before));
    rig.events();
    rig.pass(Duration::from_millis(500));
    assert_eq!(stops(&mut rig), [(Some(session(1)), 1)]);
    answer_lines(&mut rig);
    assert_eq!(rig.take_output("arm"), b"HALT");
}

#[test]
fn an_absent_machine_cannot_be_stopped_and_a_draining_daemon_stops_the_others() {
    let (mut rig, route) = rig();
    rig.send(route, b"a");
    assert!(rig.with(Devices::stop_machines));
    assert_eq!(stops(&mut rig).len(), 1);
    assert!(
        !rig.with(Devices::stop_machines),
        "its writer is not watched any more"
    );
    let (mut rig, route) = self::rig();
    rig.send(route, b"a");
    let (arm, why) = (
        rig.endpoint("arm"),
        Failure::new(endpoint::FailureKind::Absent, "unplugged"),
    );
    let source = rig.opened[&arm];
    rig.with(|devices, cx| devices.handle_failed(cx, arm, source, &why));
    rig.pass(Duration::from_millis(500));
    assert_eq!(stops(&mut rig), []);
}
