//! The session that a datagram belongs to, and the deadlines of sessions.

use super::super::turn::round_up;
use super::*;
use crate::session::event::SessionEvent;

/// Returns a binding request as ICE sends it (RFC 8445 §7.2.2), with an integrity that proves nothing.
fn stun(user: &str) -> Vec<u8> {
    let padded = user.len().div_ceil(4) * 4;
    let length = u8::try_from(4 + padded + 8 + 24).expect("short");
    let mut bytes = vec![0, 1, 0, length, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([7; 12]);
    bytes.extend([0, 6, 0, u8::try_from(user.len()).expect("short")]); // USERNAME
    bytes.extend(user.as_bytes());
    bytes.resize(20 + 4 + padded, 0);
    bytes.extend([0, 0x24, 0, 4, 1, 2, 3, 4]); // PRIORITY
    bytes.extend([0, 8, 0, 20]); // MESSAGE-INTEGRITY
    bytes.extend([9; 20]);
    bytes
}

fn strays(rig: &Rig) -> Vec<(Stray, u64)> {
    let strays = rig.sessions.stats().strays.iter();
    strays.map(|(kind, count)| (*kind, *count)).collect()
}

#[test]
fn datagrams_of_no_session_are_counted_by_kind() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm"]);
    assert_eq!(strays(&rig), []);
    let before = rig.sessions.stats().datagrams_received;
    let stranger = "203.0.113.9:9".parse().unwrap();
    let ufrag = rig
        .sessions
        .get(id)
        .expect("it exists")
        .local_ufrag()
        .to_owned();
    let known = rig.peers[n].local;
    for (remote, bytes) in [
        (stranger, b"rubbish".to_vec()),
        (stranger, stun("nobody:zzzz")),
        (stranger, stun(&format!("{ufrag}:zzzz"))),
        (known, b"\xffrubbish".to_vec()),
    ] {
        assert_eq!(rig.datagram(remote, &bytes), None);
    }
    let expected = [
        (Stray::Stranger, 2),
        (Stray::Unauthenticated, 1),
        (Stray::Malformed, 1),
    ];
    assert_eq!(strays(&rig), expected);
    assert_eq!(
        expected.map(|(kind, _)| kind.as_str()),
        ["stranger", "unauthenticated", "malformed"]
    );
    let after = rig.sessions.stats().datagrams_received;
    assert_eq!(after.messages, before.messages + 4);
    assert_eq!(
        rig.sessions.get(id).expect("unharmed").state(),
        ConnectionState::Connected
    );
}

#[test]
fn learned_pairs_are_capped_and_the_chosen_one_stays() {
    let mut rig = Rig::new();
    let id = rig.offer(&["arm"], Grant::everything()).expect("room");
    let chosen: SocketAddr = "198.51.100.1:1".parse().unwrap();
    let entry = rig.sessions.entries.get_mut(id).expect("it exists");
    entry.session.assume_path(local(), chosen);
    for port in 1..=100 {
        let remote = SocketAddr::new(chosen.ip(), port);
        entry.session.learn_for_test(local(), remote);
    }
    let pairs: Vec<_> = entry.session.pairs().collect();
    assert_eq!(pairs.len(), limits::PAIRS_PER_SESSION);
    assert!(pairs.contains(&(local(), chosen)));
    rig.take_news(id);
    assert_eq!(rig.sessions.pairs(), limits::PAIRS_PER_SESSION);
    assert_eq!(rig.sessions.demux.by_pair(local(), chosen), Some(id));
    rig.sessions.end(id, EndReason::PeerClosed);
    assert!(rig.sessions.demux.is_empty());
}

fn learn(rig: &mut Rig, id: SessionId, remote: SocketAddr, proved: bool) {
    let entry = rig.sessions.entries.get_mut(id).expect("it exists");
    entry.session.learn_for_test(local(), remote);
    while entry.session.poll_event().is_some() {}
    entry
        .session
        .push_event_for_test(SessionEvent::PairLearned {
            local: local(),
            remote,
            proved,
        });
    rig.take_news(id);
}

#[test]
fn a_pair_moves_only_to_a_session_that_has_proved_its_password() {
    let mut rig = Rig::new();
    let [first, second] = [0; 2].map(|_| rig.offer(&["arm"], Grant::everything()).expect("room"));
    let remote: SocketAddr = "198.51.100.1:1".parse().unwrap();
    let owner = |rig: &Rig| rig.sessions.demux.by_pair(local(), remote);
    let knows = |rig: &Rig, id| {
        let session = rig.sessions.get(id).expect("it exists");
        session.pairs().any(|(_, it)| it == remote)
    };
    learn(&mut rig, first, remote, false);
    assert_eq!(owner(&rig), Some(first), "it was vacant");
    learn(&mut rig, second, remote, false);
    assert_eq!(owner(&rig), Some(first));
    assert!(
        knows(&rig, first) && !knows(&rig, second),
        "the loser forgets it"
    );
    learn(&mut rig, second, remote, true);
    assert_eq!(owner(&rig), Some(second));
    assert!(!knows(&rig, first) && knows(&rig, second));
    rig.sessions.end(first, EndReason::PeerClosed);
    assert_eq!(
        owner(&rig),
        Some(second),
        "the end of the other changes nothing"
    );
}

#[test]
fn a_peer_that_comes_back_from_the_same_port_meets_its_new_session() {
    let mut rig = Rig::new();
    let (old, n) = rig.connect(&["arm"]);
    let at = rig.peers[n].local;
    // The peer was killed and sends nothing more.
    rig.peers[n].ended = true;
    let new = rig
        .offer_from(at, &["arm"], Grant::everything())
        .expect("room");
    rig.pass(Duration::from_secs(2));
    let session = rig.sessions.get(new).expect("it exists");
    assert_eq!(session.state(), ConnectionState::Connected);
    assert_eq!(rig.sessions.demux.by_pair(local(), at), Some(new));
    let lost: Vec<_> = std::iter::repeat_with(|| {
        rig.pass(Duration::from_secs(20));
        rig.ended()
    })
    .take(4)
    .flatten()
    .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].id, &lost[0].reason),
        (old, &EndReason::DisconnectedTimeout)
    );
}

#[test]
fn a_session_that_does_not_connect_fails_in_time() {
    let mut rig = Rig::new();
    let id = rig.offer(&["arm"], Grant::everything()).expect("room");
    rig.peers[0].ended = true;
    rig.peers[0].out.clear();
    rig.pass(Duration::from_secs(29));
    assert!(rig.ended().is_empty());
    rig.pass(Duration::from_secs(2));
    let ended = rig.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].id, ended[0].state, &ended[0].reason),
        (id, ConnectionState::Failed, &EndReason::ConnectTimeout)
    );
    assert!(rig.sessions.is_empty() && rig.sessions.demux.is_empty());
}

/// Returns how far a deadline is from a multiple of this many milliseconds since the start.
fn off(rig: &Rig, step: u128) -> u128 {
    let at = rig.sessions.poll_timeout().expect("a deadline");
    at.duration_since(rig.sessions.started).as_nanos() % (step * 1_000_000)
}

#[test]
fn idle_sessions_wake_together() {
    let mut rig = Rig::new();
    rig.connect(&["arm"]);
    rig.now += Duration::from_millis(13);
    rig.connect(&["arm"]);
    rig.pass(Duration::from_secs(10));
    let mut wakes = 0;
    for _ in 0..200 {
        let at = rig.sessions.poll_timeout().expect("a deadline");
        if at >= rig.now + Duration::from_millis(250) {
            assert_eq!(off(&rig, 250), 0);
            wakes += 1;
        }
        rig.pass(Duration::from_millis(100));
    }
    assert!(wakes > 100, "{wakes}");
}

#[test]
fn what_may_have_to_be_sent_again_waits_for_no_other_session() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm"]);
    rig.pass(Duration::from_secs(10));
    let key = rig.channel(id, "arm");
    // A datagram gives the session the current time, which is no multiple of the step.
    let now = rig.now;
    rig.peers[n].send(now, "arm", b"x");
    rig.settle();
    rig.peers[n].ended = true;
    rig.turn(id, |writer| {
        writer.write(key, true, b"is lost");
    });
    assert!(rig.with(|sessions, cx| sessions.unacknowledged_bytes(cx, id)) > 0);
    let sent = rig.now;
    let mut odd = 0;
    while rig.now < sent + Duration::from_secs(8) {
        let at = rig.sessions.poll_timeout().expect("a deadline");
        if at >= rig.now + Duration::from_millis(250) {
            assert_eq!(off(&rig, 50), 0);
            odd += usize::from(off(&rig, 250) > 0);
        }
        rig.pass(at.max(rig.now + Duration::from_millis(1)) - rig.now);
    }
    assert!(
        odd > 0,
        "some retransmission is between the multiples of 250 ms"
    );
    assert!(!rig.with(Sessions::is_flushed));
}

#[test]
fn deadlines_are_rounded_up_and_never_down() {
    let start = Instant::now();
    let ms = Duration::from_millis;
    for (at, step, expected) in [
        (ms(0), ms(250), ms(0)),
        (ms(1), ms(250), ms(250)),
        (ms(250), ms(250), ms(250)),
        (ms(251), ms(50), ms(300)),
    ] {
        assert_eq!(round_up(start, start + at, step), start + expected);
    }
}

#[test]
fn mail_between_sessions_that_waits_is_a_deadline_that_has_passed() {
    let mut rig = Rig::new();
    rig.with(|sessions, cx| sessions.set_internal_mail(cx, true));
    assert_eq!(rig.sessions.poll_timeout(), Some(rig.now));
    assert_eq!(rig.with(Sessions::handle_timeout), None);
    assert_eq!(rig.sessions.poll_timeout(), None);
    rig.with(|sessions, cx| sessions.set_internal_mail(cx, true));
    rig.with(|sessions, cx| sessions.set_internal_mail(cx, false));
    assert_eq!(rig.sessions.poll_timeout(), None);
}
