//! Content ports, senders and bridges.

use std::net::SocketAddr;

use super::*;
use crate::endpoint::{Failure, FailureKind};
use crate::ids::BridgeId;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Returns the results of opening ports.
fn ports(rig: &mut Rig) -> Vec<Result<EndpointId, Failure>> {
    let events = rig.events().into_iter();
    let ports = events.filter_map(|event| match event {
        DeviceEvent::Port { result, .. } => Some(result),
        _ => None,
    });
    ports.collect()
}

#[test]
fn a_content_port_feeds_its_routes_and_sends_where_each_is_redirected() {
    let mut rig = Rig::new("");
    rig.with(|devices, cx| devices.open_port(cx, addr("127.0.0.1:10000")));
    rig.open_sources();
    let opened = ports(&mut rig);
    let [Ok(port)] = opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(
        rig.devices.table().local_ports().collect::<Vec<_>>(),
        [10_000]
    );
    assert!(!rig.devices.table().named().any(|id| id == port));
    let route = rig.open_as(1, port, |_| {});
    let from = addr("127.0.0.1:7");
    rig.with(|devices, cx| devices.handle_datagram(cx, port, from, b"picture"));
    assert_eq!(rig.turn(1, 1000), [b"picture"]);
    rig.devices.redirect(route, Some(addr("127.0.0.1:9")));
    rig.send(route, b"command");
    let socket = rig.opened[&port];
    let batch = rig.sources.transmits().pop().expect("a datagram");
    let sent = (batch.socket, batch.destination, batch.contents);
    assert_eq!(sent, (socket, addr("127.0.0.1:9"), &b"command"[..]));
}

#[test]
fn a_port_of_loopback_sends_beyond_it_by_the_sender_of_that_family() {
    let mut rig = Rig::new("");
    rig.with(|devices, cx| devices.open_port(cx, addr("127.0.0.1:10000")));
    rig.open_sources();
    let Some(Ok(port)) = ports(&mut rig).pop() else {
        panic!("no port");
    };
    let route = rig.open_as(1, port, |_| {});
    for to in ["192.0.2.1:9", "[2001:db8::1]:9"] {
        let to = addr(to);
        let sender = rig.with(|devices, cx| devices.sender_to(cx, to.ip()));
        let again = rig.with(|devices, cx| devices.sender_to(cx, to.ip()));
        assert_eq!(sender, again, "it is made once");
        rig.open_sources();
        rig.devices.redirect(route, Some(to));
        rig.send(route, b"x");
        let socket = rig.opened[&sender];
        let batch = rig.sources.transmits().pop().expect("a datagram");
        assert_eq!((batch.socket, batch.destination), (socket, to));
    }
}

#[test]
fn a_port_that_another_program_has_is_removed_and_one_that_breaks_is_told() {
    let mut rig = Rig::new("");
    let why = Failure::new(FailureKind::Other, "in use");
    rig.with(|devices, cx| devices.open_port(cx, addr("127.0.0.1:10000")));
    let Some(Command::OpenUdp { source, .. }) = rig.sources.poll_command() else {
        panic!("no socket");
    };
    let Some(Owner::Device(port)) = rig.sources.owner(source) else {
        panic!("no device");
    };
    rig.with(|devices, cx| devices.handle_failed(cx, port, source, &why));
    assert_eq!(ports(&mut rig), [Err(why.clone())]);
    assert_eq!(rig.devices.table().len(), 0);
    rig.with(|devices, cx| devices.open_port(cx, addr("127.0.0.1:10001")));
    rig.open_sources();
    let Some(Ok(port)) = ports(&mut rig).pop() else {
        panic!("no port");
    };
    let source = rig.opened[&port];
    rig.with(|devices, cx| devices.handle_failed(cx, port, source, &why));
    assert_eq!(ports(&mut rig), [Err(why)]);
    assert_eq!(rig.devices.table().len(), 1, "its owner decides");
}

#[test]
fn a_route_that_is_bound_to_something_else_leaves_nothing_behind() {
    let mut rig = Rig::new(SERIAL);
    let arm = rig.endpoint("arm");
    let route = rig.open(1, "arm");
    while rig.devices.table().waiting().1 == 0 {
        rig.send(route, &[7; 1000]);
    }
    let sender = rig.with(|devices, cx| devices.sender(cx));
    rig.with(|devices, cx| devices.rebind(cx, route, sender));
    assert_eq!(rig.devices.table().waiting(), (1, 0));
    assert_eq!(rig.drops(route), [(DropReason::Closed, 1000)]);
    assert!(rig.devices.table().sessions_at(arm).is_empty());
    assert_eq!(rig.devices.table().sessions_at(sender).len(), 1);
    rig.with(|devices, cx| devices.rebind(cx, route, sender));
    assert_eq!(
        rig.devices.table().sessions_at(sender).len(),
        1,
        "the same again"
    );
}

#[test]
fn what_one_page_says_over_a_bridge_reaches_the_other_and_nobody_else() {
    let mut rig = Rig::new("");
    let bridge = rig.devices.bridge(BridgeId(7));
    assert_eq!(rig.devices.bridge(BridgeId(7)), bridge);
    assert_ne!(rig.devices.bridge(BridgeId(8)), bridge);
    let first = rig.open_as(1, bridge, |_| {});
    rig.send(first, b"early");
    assert_eq!(
        rig.devices.table().waiting().1,
        5,
        "it waits for the other page"
    );
    let second = rig.open_as(2, bridge, |_| {});
    rig.send(second, b"hello");
    rig.turn(2, 0);
    assert_eq!(rig.turn(1, 1000), [b"hello"]);
    assert_eq!(rig.turn(2, 1000), [b"early"]);
    rig.with(|devices, cx| devices.remove_session(cx, session(1)));
    rig.with(|devices, cx| devices.remove_session(cx, session(2)));
    rig.with(|devices, cx| devices.remove_bridge(cx, BridgeId(7)));
    assert!(rig.devices.table().view(bridge).is_none());
}
