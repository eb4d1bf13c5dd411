//! Listeners: addresses that appear later, and failures that end the daemon.

use super::*;

const TWO: &str = "[http]\nplain = true\nlisten = [\"127.0.0.1:8000\", \"192.0.2.1:8000\"]\n";

fn fail(rig: &mut Rig, source: SourceId, kind: FailureKind) {
    let failure = Failure::new(kind, "192.0.2.1:8000");
    rig.with(|front, cx| front.handle_listener_failed(cx, source, &failure));
}

fn listening(rig: &mut Rig, source: SourceId, local: &str) {
    let local = local.parse().expect("an address");
    rig.with(|front, cx| front.handle_listening(cx, source, local));
}

#[test]
fn the_addresses_are_the_real_ones_as_soon_as_they_are_known() {
    let mut rig = Rig::new("[http]\nlisten = [\"127.0.0.1:0\"]\n");
    let (source, addr) = rig.listens()[0];
    let addresses = |rig: &Rig| rig.front.addresses().collect::<Vec<_>>();
    assert_eq!(addresses(&rig), [addr]);
    listening(&mut rig, source, "127.0.0.1:4711");
    assert_eq!(addresses(&rig), ["127.0.0.1:4711".parse().unwrap()]);
    assert_eq!(rig.front.network_port(), None, "loopback only");
    rig.with(Front::stop_listening);
    assert_eq!(rig.commands(), [Command::Close { source }]);
}

#[test]
fn an_address_that_does_not_exist_yet_is_tried_every_five_seconds() {
    let mut rig = Rig::new(TWO);
    let listens = rig.listens();
    let (source, addr) = listens[1];
    listening(&mut rig, listens[0].0, "127.0.0.1:8000");
    for _ in 0..3 {
        fail(&mut rig, source, FailureKind::Absent);
        assert_eq!(names(&rig.events()), [""; 0]);
        rig.pass(Duration::from_millis(4_999));
        assert_eq!(rig.listens(), []);
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.listens(), [(source, addr)]);
    }
    // The address appears while another program uses the port. This is tried again, too.
    fail(&mut rig, source, FailureKind::Other);
    assert_eq!(names(&rig.events()), [""; 0]);
    rig.pass(Duration::from_secs(5));
    listening(&mut rig, source, "192.0.2.1:8000");
    rig.commands();
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.commands(), []);
    assert_eq!(rig.front.network_port(), Some(8000));
}

#[test]
fn the_failure_of_the_only_listener_ends_the_daemon() {
    let mut rig = Rig::new("[http]\nlisten = [\"127.0.0.1:8000\"]\n");
    let source = rig.listens()[0].0;
    fail(&mut rig, source, FailureKind::Absent);
    let events = rig.events();
    assert!(matches!(&events[..], [FrontEvent::Failed(why)] if why.kind == FailureKind::Absent));
    // A failure of the last reachable listener also ends the daemon.
    let mut rig = Rig::new(TWO);
    let listens = rig.listens();
    fail(&mut rig, listens[0].0, FailureKind::Absent);
    assert_eq!(names(&rig.events()), [""; 0]);
    fail(&mut rig, listens[1].0, FailureKind::Absent);
    assert_eq!(names(&rig.events()), ["failed"]);
}

#[test]
fn a_failure_that_waiting_does_not_mend_ends_the_daemon() {
    for kind in [FailureKind::Denied, FailureKind::Other] {
        let mut rig = Rig::new(TWO);
        let source = rig.listens()[1].0;
        fail(&mut rig, source, kind);
        assert_eq!(names(&rig.events()), ["failed"], "{kind:?}");
    }
}

#[test]
fn a_listener_that_is_not_ours_is_nothing() {
    let mut rig = Rig::new(TWO);
    let other = rig.sources.adopt(Owner::Ice);
    fail(&mut rig, other, FailureKind::Other);
    assert_eq!(names(&rig.events()), [""; 0]);
    let there = THERE.parse().map(|ip| SocketAddr::new(ip, 1)).unwrap();
    let accepted = rig.with(|front, cx| front.accept_at(cx, other, there, there));
    assert_eq!(accepted, None);
}

#[test]
fn the_daemon_runs_without_its_control_socket() {
    let mut rig = Rig::new("");
    rig.listens();
    let path = PathBuf::from("/run/thingway/control");
    rig.with(|front, cx| front.listen_control(cx, path.clone()));
    let commands = rig.commands();
    let [Command::ListenControl { source, .. }] = commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(rig.front.control_paths(), [path]);
    let failure = Failure::new(FailureKind::Denied, "no");
    rig.with(|front, cx| front.handle_control_failed(cx, source, &failure));
    assert_eq!(names(&rig.events()), [""; 0]);
    assert_eq!(rig.sources.owner(source), None);
}
