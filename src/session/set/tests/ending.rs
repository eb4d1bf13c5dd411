//! The ends of sessions.

use super::*;

const CONTROL: &str = control::LABEL;

#[test]
fn a_panic_costs_one_session() {
    let mut rig = Rig::new();
    let (first, _) = rig.connect(&["arm"]);
    let (second, n) = rig.connect(&["arm"]);
    let outcome: Option<()> =
        rig.with(|sessions, cx| sessions.with(cx, first, |_, _| panic!("as str0m does")));
    assert!(outcome.is_none());
    let ended = rig.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].id, ended[0].state, &ended[0].reason),
        (first, ConnectionState::Failed, &EndReason::Panicked)
    );
    assert_eq!(rig.sessions.ids(), [second]);
    assert_eq!(rig.sessions.stats().panicked, 1);
    let now = rig.now;
    rig.peers[n].send(now, "arm", b"still here");
    rig.news.clear();
    rig.settle();
    assert_eq!(rig.messages(second), ["still here"]);
    rig.with(|sessions, cx| sessions.panic_in(cx, second));
    assert_eq!(rig.sessions.stats().panicked, 2);
    assert!(rig.sessions.demux.is_empty() && rig.sessions.names.is_empty());
    let (third, _) = rig.connect(&["arm"]);
    assert_eq!(rig.sessions.ids(), [third], "new ones may begin");
}

#[test]
fn a_session_that_panicked_takes_nothing_more() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm"]);
    let at = rig.peers[n].local;
    rig.with(|sessions, cx| sessions.panic_in(cx, id));
    assert_eq!(rig.sessions.begin_turn(id), None);
    assert!(rig.sessions.poll_news(id).is_none());
    assert_eq!(rig.datagram(at, &[22; 40]), None);
    assert_eq!(rig.sessions.stats().strays[&Stray::Stranger], 1);
    let accepted = rig.with(|sessions, cx| sessions.accept_answer(cx, id, ""));
    assert!(accepted.is_none());
}

#[test]
fn a_description_that_panics_makes_no_session() {
    use super::super::begin::guarded;
    assert_eq!(guarded(|| 7), Some(7));
    let made: Option<()> = guarded(|| panic!("as str0m does"));
    assert_eq!(made, None);
}

#[test]
fn a_peer_that_is_told_bye_hears_why_and_then_the_association_is_closed() {
    for (bye, word, why) in [
        (Bye::TokenRevoked, "token-revoked", "its token was revoked"),
        (Bye::TokenExpired, "token-expired", "its token has expired"),
        (Bye::Disconnected, "disconnected", "closed over the API"),
    ] {
        let mut rig = Rig::new();
        let (id, n) = rig.connect(&[CONTROL]);
        rig.control(id);
        rig.pass(Duration::from_secs(1));
        rig.with(|sessions, cx| sessions.say_bye(cx, id, bye));
        let ended = rig.ended();
        assert_eq!(ended.len(), 1, "at once");
        assert_eq!(ended[0].reason, EndReason::Closed(why));
        assert_eq!(ended[0].state, ConnectionState::Closed);
        assert!(rig.sessions.is_empty());
        rig.settle();
        let told = format!("{{\"type\":\"bye\",\"reason\":\"{word}\"}}");
        assert_eq!(rig.peers[n].texts(CONTROL), [told]);
        rig.pass(Duration::from_millis(49));
        assert!(!rig.peers[n].ended);
        rig.pass(Duration::from_millis(1));
        assert!(rig.peers[n].ended);
        assert_eq!(rig.sessions.poll_timeout(), None);
        assert!(rig.ended().is_empty(), "once");
    }
}

#[test]
fn several_farewells_have_each_their_own_time() {
    let mut rig = Rig::new();
    let [first, second] = [0; 2].map(|_| rig.connect(&[CONTROL]));
    rig.with(|sessions, cx| sessions.say_bye(cx, first.0, Bye::Disconnected));
    rig.pass(Duration::from_millis(30));
    rig.with(|sessions, cx| sessions.say_bye(cx, second.0, Bye::Disconnected));
    rig.pass(Duration::from_millis(20));
    let ended = |rig: &Rig| [first.1, second.1].map(|n| rig.peers[n].ended);
    assert_eq!(ended(&rig), [true, false]);
    rig.pass(Duration::from_millis(30));
    assert_eq!(ended(&rig), [true, true]);
}

#[test]
fn farewells_are_no_more_than_sessions_may_be() {
    let mut rig = Rig::with_limits(Limits {
        sessions: 1,
        ..Limits::default()
    });
    let (first, _) = rig.connect(&[CONTROL]);
    rig.with(|sessions, cx| sessions.say_bye(cx, first, Bye::Disconnected));
    let (second, n) = rig.connect_after(Duration::ZERO);
    rig.with(|sessions, cx| sessions.say_bye(cx, second, Bye::Disconnected));
    rig.take_news(second);
    rig.settle();
    assert_eq!(rig.sessions.farewells.len(), 1);
    assert!(rig.peers[n].ended, "it is closed without a farewell");
}

impl Rig {
    /// Offers a session and waits for `time`. Returns the session and the number of its peer.
    fn connect_after(&mut self, time: Duration) -> (SessionId, usize) {
        let id = self.offer(&[CONTROL], Grant::everything()).expect("room");
        self.pass(time);
        (id, self.peers.len() - 1)
    }
}

#[test]
fn a_session_that_is_closed_says_so_to_its_peer() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm"]);
    rig.news.clear();
    rig.with(|sessions, cx| sessions.close(cx, id, "it is over"));
    assert!(rig.ended().is_empty(), "its last news comes first");
    rig.take_news(id);
    assert_eq!(rig.states(id), [ConnectionState::Closed]);
    let ended = rig.ended();
    assert_eq!(ended[0].reason, EndReason::Closed("it is over"));
    rig.settle();
    assert!(rig.peers[n].ended);
    // A second close has nothing to close.
    rig.with(|sessions, cx| sessions.close(cx, id, "again"));
    assert!(rig.ended().is_empty());
}

#[test]
fn a_session_that_its_peer_closes_ends() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm"]);
    let now = rig.now;
    rig.peers[n].close(now);
    rig.settle();
    let ended = rig.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].id, ended[0].state, &ended[0].reason),
        (id, ConnectionState::Closed, &EndReason::PeerClosed)
    );
    assert_eq!(ended[0].name.len(), 32);
    assert_eq!(ended[0].displaced, None);
}
