//! Leases: which session may write, and how the lease changes hands.

use super::*;

const ONE: &str = "writers = \"one\"\n";

fn rig() -> Rig {
    let mut rig = Rig::new(&format!("{SERIAL}{ONE}"));
    for number in 1..=3 {
        rig.devices.set_hears(session(number), true);
        rig.open(number, "arm");
    }
    rig.events();
    rig
}

fn wish(rig: &mut Rig, asker: Option<u64>, wish: LeaseWish) -> Result<(), LeaseDenied> {
    let arm = rig.endpoint("arm");
    rig.with(|devices, cx| devices.wish_lease(cx, asker.map(session), arm, wish))
}

fn holder(rig: &mut Rig) -> Option<SessionId> {
    let arm = rig.endpoint("arm");
    rig.with(|devices, cx| devices.table().lease(cx, arm))
        .unwrap()
        .holder
}

/// Returns how many endpoints' leases must be reported to a session now.
fn hears(rig: &mut Rig, number: u64) -> usize {
    rig.with(|devices, cx| devices.take_lease_news(cx, session(number)).count())
}

const TAKE: LeaseWish = LeaseWish::Take { force: false };

#[test]
fn the_first_writer_gets_the_lease_and_messages_of_others_are_counted() {
    let mut rig = Rig::new(&format!("{SERIAL}{ONE}"));
    let (first, second) = (rig.open(1, "arm"), rig.open(2, "arm"));
    rig.send(first, b"a");
    rig.send(second, b"b");
    assert_eq!(rig.take_output("arm"), b"a");
    assert_eq!(rig.drops(second), [(DropReason::NoLease, 1)]);
    assert_eq!(holder(&mut rig), Some(session(1)));
}

#[test]
fn a_lease_is_taken_by_force_given_and_released() {
    let mut rig = rig();
    assert_eq!(wish(&mut rig, Some(1), TAKE), Ok(()));
    let held = Err(LeaseDenied::Held(Some(session(1))));
    assert_eq!(wish(&mut rig, Some(2), TAKE), held);
    assert_eq!(wish(&mut rig, Some(2), LeaseWish::Release), held);
    let force = LeaseWish::Take { force: true };
    assert_eq!(wish(&mut rig, Some(2), force), Ok(()));
    assert_eq!(holder(&mut rig), Some(session(2)));
    let give = |to, may_write| LeaseWish::Give { to, may_write };
    let unknown = Err(LeaseDenied::UnknownSession);
    assert_eq!(wish(&mut rig, Some(2), give(None, false)), unknown);
    assert_eq!(
        wish(&mut rig, Some(2), give(Some(session(9)), true)),
        unknown
    );
    let forbidden = Err(LeaseDenied::Forbidden);
    assert_eq!(
        wish(&mut rig, Some(2), give(Some(session(3)), false)),
        forbidden
    );
    assert_eq!(
        wish(&mut rig, Some(2), give(Some(session(3)), true)),
        Ok(())
    );
    assert_eq!(holder(&mut rig), Some(session(3)));
    assert_eq!(wish(&mut rig, Some(3), LeaseWish::Release), Ok(()));
    assert_eq!(holder(&mut rig), None);
    assert_eq!(wish(&mut rig, Some(3), LeaseWish::Release), Ok(()), "again");
}

#[test]
fn over_http_a_lease_is_released_and_given_but_not_taken() {
    let mut rig = rig();
    for wanted in [TAKE, LeaseWish::Ask, LeaseWish::Keep] {
        let denied = Err(LeaseDenied::NotASession);
        assert_eq!(wish(&mut rig, None, wanted), denied, "{wanted:?}");
    }
    let give = LeaseWish::Give {
        to: Some(session(2)),
        may_write: true,
    };
    assert_eq!(wish(&mut rig, None, give), Ok(()));
    assert_eq!(holder(&mut rig), Some(session(2)));
    assert_eq!(wish(&mut rig, None, LeaseWish::Release), Ok(()));
    assert_eq!(holder(&mut rig), None);
}

#[test]
fn a_session_that_asks_gets_the_lease_unless_the_holder_keeps_it() {
    let mut rig = rig();
    assert_eq!(wish(&mut rig, Some(1), TAKE), Ok(()));
    assert_eq!(wish(&mut rig, Some(2), LeaseWish::Ask), Ok(()));
    assert_eq!(wish(&mut rig, Some(2), LeaseWish::Ask), Ok(()), "again");
    let asked = Err(LeaseDenied::AskedAlready);
    assert_eq!(wish(&mut rig, Some(3), LeaseWish::Ask), asked);
    assert_eq!(wish(&mut rig, Some(1), LeaseWish::Keep), Ok(()));
    rig.pass(Duration::from_secs(10));
    assert_eq!(holder(&mut rig), Some(session(1)));
    assert_eq!(wish(&mut rig, Some(3), LeaseWish::Ask), Ok(()));
    rig.pass(Duration::from_millis(9_999));
    assert_eq!(holder(&mut rig), Some(session(1)));
    rig.pass(Duration::from_millis(1));
    assert_eq!(holder(&mut rig), Some(session(3)));
}

#[test]
fn a_lease_ends_with_the_last_channel_and_goes_to_the_session_that_asked() {
    let mut rig = rig();
    let second = rig.open(1, "arm");
    assert_eq!(wish(&mut rig, Some(1), TAKE), Ok(()));
    assert_eq!(wish(&mut rig, Some(2), LeaseWish::Ask), Ok(()));
    rig.with(|devices, cx| devices.unbind(cx, second));
    assert_eq!(holder(&mut rig), Some(session(1)), "it has another channel");
    rig.with(|devices, cx| devices.remove_session(cx, session(1)));
    assert_eq!(holder(&mut rig), Some(session(2)));
    rig.with(|devices, cx| devices.remove_session(cx, session(2)));
    assert_eq!(holder(&mut rig), None);
    let leased = rig.events().into_iter().filter_map(|event| match event {
        DeviceEvent::Leased { holder, .. } => Some(holder),
        _ => None,
    });
    let expected = [Some(session(1)), Some(session(2)), None];
    assert_eq!(leased.collect::<Vec<_>>(), expected);
}

#[test]
fn readers_hear_the_latest_state_of_a_lease_and_not_too_often() {
    let mut rig = rig();
    assert_eq!(hears(&mut rig, 2), 1, "its channel has opened");
    for _ in 0..10 {
        wish(&mut rig, Some(1), TAKE).unwrap();
        wish(&mut rig, Some(1), LeaseWish::Release).unwrap();
    }
    assert_eq!(hears(&mut rig, 2), 0, "within 20 ms");
    rig.devices.begin_turn(session(2));
    rig.readable();
    rig.pass(Duration::from_millis(20));
    assert!(rig.readable().contains(&session(2)), "it has another turn");
    assert_eq!(hears(&mut rig, 2), 1);
    assert_eq!(hears(&mut rig, 2), 0);
}

#[test]
fn an_endpoint_for_all_writers_has_no_lease() {
    let mut rig = Rig::new(SERIAL);
    rig.open(1, "arm");
    assert_eq!(wish(&mut rig, Some(1), TAKE), Err(LeaseDenied::NotLeased));
    assert_eq!(hears(&mut rig, 1), 0);
}
