//! Programs that connect to us, connections of single channels, and captures.

use super::*;
use crate::endpoint::{Failure, FailureKind};

const EACH: &str = "[[endpoint]]\nname = \"each\"\nkind = \"tcp\"\nremote = \"127.0.0.1:1\"\nconnection = \"channel\"\n";

fn gone() -> Failure {
    Failure::new(FailureKind::Absent, "it has closed the connection")
}

#[test]
fn each_channel_has_a_connection_of_its_own_which_ends_with_it() {
    let mut rig = Rig::new(EACH);
    let (first, second) = (rig.open(1, "each"), rig.open(2, "each"));
    let of = |rig: &Rig, route| rig.devices.table().route(route).unwrap().endpoint;
    let (a, b) = (of(&rig, first), of(&rig, second));
    assert_ne!(a, b);
    rig.send(first, b"one");
    assert_eq!(
        (rig.devices.table().output(a), rig.devices.table().output(b)),
        (&b"one"[..], &b""[..])
    );
    let report = rig.devices.table().report(rig.endpoint("each")).unwrap();
    assert_eq!((report.routes, report.to_device.bytes), (2, 3));
    rig.with(|devices, cx| devices.unbind(cx, second));
    rig.with(Devices::settle);
    assert!(
        rig.devices.table().view(b).is_none(),
        "it had nothing to send any more"
    );
    rig.with(|devices, cx| devices.unbind(cx, first));
    rig.with(Devices::settle);
    assert!(rig.devices.table().view(a).is_some(), "it still sends");
    rig.with(|devices, cx| devices.consume(cx, a, 3));
    assert!(rig.devices.table().view(a).is_none());
    let report = rig.devices.table().report(rig.endpoint("each")).unwrap();
    assert_eq!(report.to_device.bytes, 3, "its counters are the endpoint's");
}

#[test]
fn a_connection_that_takes_nothing_is_given_up_after_a_minute() {
    let mut rig = Rig::new(EACH);
    let route = rig.open(1, "each");
    let instance = rig.devices.table().route(route).unwrap().endpoint;
    rig.send(route, b"one");
    rig.with(|devices, cx| devices.unbind(cx, route));
    rig.with(Devices::settle);
    rig.pass(Duration::from_secs(59));
    assert!(rig.devices.table().view(instance).is_some());
    rig.pass(Duration::from_secs(1));
    assert!(rig.devices.table().view(instance).is_none());
    let closed = std::iter::from_fn(|| rig.sources.poll_command());
    assert!(
        closed
            .into_iter()
            .any(|it| matches!(it, Command::Close { .. }))
    );
}

#[test]
fn a_channel_is_closed_once_it_has_what_its_connection_had_sent() {
    let mut rig = Rig::new(EACH);
    let route = rig.open(1, "each");
    let instance = rig.devices.table().route(route).unwrap().endpoint;
    let source = rig.opened[&instance];
    rig.with(|devices, cx| devices.handle_input(cx, instance, b"bye"));
    rig.with(|devices, cx| devices.handle_failed(cx, instance, source, &gone()));
    rig.turn(1, 0);
    assert_eq!(rig.failures(), [], "its bytes come first");
    assert_eq!(rig.turn(1, 1000), [b"bye"]);
    assert_eq!(rig.failures(), [(session(1), "ended")]);
}

#[test]
fn one_program_at_a_time_connects_to_a_listener() {
    let config = "[[endpoint]]\nname = \"in\"\nkind = \"tcp\"\nlisten = \"127.0.0.1:1\"\n";
    let mut rig = Rig::new(config);
    let id = rig.endpoint("in");
    let first = rig
        .with(|devices, cx| devices.accept(cx, id))
        .expect("taken");
    assert_eq!(rig.sources.owner(first), Some(Owner::Device(id)));
    assert_eq!(rig.with(|devices, cx| devices.accept(cx, id)), None);
    let route = rig.open(1, "in");
    rig.send(route, b"hello");
    assert_eq!(rig.take_output("in"), b"hello");
    rig.with(|devices, cx| devices.handle_closed(cx, id, first));
    assert!(rig.with(|devices, cx| devices.accept(cx, id)).is_some());
}

#[test]
fn bytes_queued_for_a_device_that_vanishes_are_told_and_counted() {
    let mut rig = Rig::new(SERIAL);
    let route = rig.open(1, "arm");
    rig.send(route, b"12345");
    let arm = rig.endpoint("arm");
    let source = rig.opened[&arm];
    rig.with(|devices, cx| devices.handle_failed(cx, arm, source, &gone()));
    let lost = rig.events().into_iter().find_map(|event| match event {
        DeviceEvent::Lost { count, .. } => Some(count.bytes),
        _ => None,
    });
    assert_eq!(lost, Some(5));
    // An event of the device's old source does not affect its new source.
    rig.pass(Duration::from_secs(60));
    rig.open_sources();
    let state = rig.devices.table().view(arm).unwrap().state;
    rig.with(|devices, cx| devices.handle_failed(cx, arm, source, &gone()));
    assert_eq!(rig.devices.table().view(arm).unwrap().state, state);
}

#[test]
fn a_capture_that_fails_hurts_no_device_and_is_tried_again() {
    let config = format!("{SERIAL}capture = {{ path = \"/tmp/x.log\" }}\n");
    let mut rig = Rig {
        devices: Devices::new(Bounds {
            route_queue: 1000,
            sessions: 4,
        }),
        ..Rig::new("")
    };
    let endpoint = Config::parse(&config).unwrap().endpoints.remove(0);
    let arm = rig.with(|devices, cx| devices.add(cx, endpoint));
    let files = |rig: &mut Rig| {
        let commands = rig.open_sources().into_iter();
        let opens = commands.filter(|it| matches!(it, Command::OpenCapture { .. }));
        opens.count()
    };
    assert_eq!(files(&mut rig), 1);
    assert!(rig.devices.is_capturing());
    rig.with(|devices, cx| devices.handle_capture_opened(cx, arm));
    rig.receive("arm", b"ok");
    let line = String::from_utf8(rig.devices.table().capture_output(arm).to_vec()).unwrap();
    assert!(line.ends_with("< ok\n"), "{line}");
    let why = Failure::new(FailureKind::Other, "the disk is full");
    rig.with(|devices, cx| devices.handle_capture_failed(cx, arm, &why));
    rig.receive("arm", b"ok");
    rig.pass(Duration::from_secs(10));
    assert_eq!(files(&mut rig), 1, "another try");
    rig.with(|devices, cx| devices.remove(cx, arm));
    assert!(!rig.devices.is_capturing());
}
