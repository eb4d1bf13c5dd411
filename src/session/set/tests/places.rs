//! The limit of sessions, and the choice of a session that is displaced.

use super::*;
use crate::access::places::Fullness;

fn rig(sessions: usize) -> Rig {
    Rig::with_limits(Limits {
        sessions,
        ..Limits::default()
    })
}

fn offer(rig: &mut Rig, rights: Grant) -> Result<SessionId, BeginError> {
    rig.offer(&["arm"], rights)
}

/// Makes a session of the hub for a client at this address.
fn link(rig: &mut Rig, address: Option<&str>, is_within: bool) -> Result<SessionId, BeginError> {
    let wish = ChannelWish::reliable("data".to_owned());
    let address = address.map(|it| it.parse().expect("an address"));
    let begin = Begin {
        owner: SessionOwner::Link(Id::from_bits(3)),
        claimant: Claimant::default().at(address),
        candidates: match is_within {
            true => Candidates::Within,
            false => Candidates::Hosts(vec![local()]),
        },
        ..begin(Description::Offer(wish), Grant::default())
    };
    let begun = rig.with(|sessions, cx| sessions.begin(cx, begin));
    begun.map(|begun| begun.id)
}

#[test]
fn there_are_as_many_sessions_as_there_may_be() {
    let mut rig = rig(4);
    for _ in 0..4 {
        offer(&mut rig, Grant::everything()).expect("there is room");
    }
    let full = BeginError::Full {
        what: Fullness::All,
        places: 4,
    };
    assert!(full.is_busy());
    assert_eq!(full.to_string(), "there are 4 sessions, which is the limit");
    assert_eq!(offer(&mut rig, Grant::everything()), Err(full));
    assert_eq!(rig.sessions.len(), 4);
    assert_eq!(
        (rig.sessions.stats().created, rig.sessions.stats().refused),
        (4, 1)
    );
    rig.sessions.set_limits(Limits {
        sessions: 5,
        ..Limits::default()
    });
    assert!(offer(&mut rig, Grant::everything()).is_ok());
}

#[test]
fn some_places_are_kept_for_administrators() {
    let mut rig = rig(8);
    for n in 0..7 {
        offer(&mut rig, token(&format!("t{n}"))).expect("there is room");
    }
    let refused = BeginError::Reserved { all: 8, kept: 1 };
    assert_eq!(offer(&mut rig, token("t7")), Err(refused));
    assert!(offer(&mut rig, Grant::everything()).is_ok());
}

#[test]
fn a_token_has_as_many_sessions_as_it_may() {
    let mut rig = rig(64);
    let mut rights = token("guest");
    rights.limits.sessions = Some(2);
    for _ in 0..2 {
        offer(&mut rig, rights.clone()).expect("there is room");
    }
    assert_eq!(offer(&mut rig, rights.clone()), Err(BeginError::Token(2)));
    let mut other = token("other");
    other.limits.sessions = Some(1);
    assert!(
        offer(&mut rig, other).is_ok(),
        "another token's do not count"
    );
    let first = rig.sessions.ids_of_token("guest")[0];
    rig.sessions.end(first, EndReason::PeerClosed);
    assert!(offer(&mut rig, rights).is_ok());
}

#[test]
fn the_hub_has_half_and_one_network_half_of_that() {
    let mut rig = rig(16);
    let network = |n: usize| BeginError::Full {
        what: Fullness::Network,
        places: n,
    };
    for _ in 0..4 {
        let id = link(&mut rig, Some("192.0.2.1"), true);
        id.expect("there is room");
    }
    let refused = link(&mut rig, Some("192.0.2.1"), true);
    assert_eq!(refused, Err(network(4)));
    for n in 2..4 {
        let address = format!("192.0.2.{n}");
        link(&mut rig, Some(&address), true).expect("there is room");
    }
    let hub = BeginError::Full {
        what: Fullness::Hub,
        places: 8,
    };
    assert_eq!(link(&mut rig, Some("192.0.2.9"), true), Err(hub));
    for _ in 0..2 {
        link(&mut rig, None, true).expect("a program of this machine");
    }
    assert!(link(&mut rig, None, true).is_err());
    assert!(
        offer(&mut rig, token("api")).is_ok(),
        "the API has the other half"
    );
}

#[test]
fn the_oldest_session_that_does_not_connect_makes_room() {
    let mut rig = rig(8);
    let guest = token("guest");
    let first = offer(&mut rig, guest.clone()).expect("room");
    rig.now += Duration::from_millis(1);
    let second = offer(&mut rig, guest.clone()).expect("room");
    rig.now += Duration::from_millis(1);
    let third = offer(&mut rig, guest.clone()).expect("in place of the first");
    assert!(rig.sessions.get(first).is_none() && rig.sessions.len() == 2);
    let ended = rig.ended();
    assert_eq!(ended.len(), 1);
    let why = "it did not connect, and a newer one needs its place";
    assert_eq!((ended[0].id, ended[0].displaced), (first, Some(why)));
    assert_eq!(ended[0].reason, EndReason::Closed(why));
    assert_eq!(rig.sessions.stats().displaced, 1);
    // Connected sessions are not displaced.
    rig.pass(Duration::from_secs(1));
    rig.ended();
    for _ in 0..3 {
        offer(&mut rig, guest.clone()).expect("room");
        rig.now += Duration::from_millis(1);
    }
    let ended = rig.ended();
    assert!(ended.iter().all(|it| it.id != second && it.id != third));
    assert_eq!(ended.len(), 1);
}

#[test]
fn an_offer_that_is_refused_displaces_nothing() {
    let mut rig = rig(8);
    let guest = token("guest");
    for _ in 0..2 {
        offer(&mut rig, guest.clone()).expect("room");
    }
    let bad = begin(Description::Answer(b"v=0\r\n"), guest.clone());
    let begun = rig.with(|sessions, cx| sessions.begin(cx, bad));
    assert!(matches!(begun, Err(BeginError::Sdp(_))));
    let claimant = Claimant {
        token: Some("guest".to_owned()),
        ..Claimant::default()
    };
    let room = rig
        .sessions
        .check_room(&guest, &claimant, SessionOwner::Api);
    assert!(
        matches!(room, Ok(Some(_))),
        "asking displaces nothing either"
    );
    assert_eq!((rig.sessions.len(), rig.sessions.stats().displaced), (2, 0));
    assert!(rig.ended().is_empty());
}

#[test]
fn the_peers_of_a_link_hear_from_the_link_why_it_made_room() {
    let mut rig = rig(8);
    let first = link(&mut rig, Some("192.0.2.1"), false).expect("room");
    for _ in 0..2 {
        rig.now += Duration::from_millis(1);
        link(&mut rig, Some("192.0.2.1"), false).expect("room");
    }
    let ended = rig.ended();
    assert_eq!((ended.len(), ended[0].id), (1, first));
    assert_eq!(ended[0].owner, SessionOwner::Link(Id::from_bits(3)));
    assert_eq!(ended[0].reason, EndReason::Closed("it failed"));
    assert!(ended[0].displaced.is_some());
    // Sessions within the process count as connected from the start.
    let mut rig = self::rig(16);
    for _ in 0..4 {
        link(&mut rig, Some("192.0.2.1"), true).expect("room");
    }
    assert_eq!(rig.sessions.stats().displaced, 0);
}

#[test]
fn a_daemon_that_ends_begins_no_session() {
    let mut rig = Rig::new();
    let (id, _) = rig.connect(&["arm"]);
    rig.with(Sessions::start_draining);
    assert_eq!(
        offer(&mut rig, Grant::everything()),
        Err(BeginError::Draining)
    );
    assert!(BeginError::Draining.is_busy());
    assert_eq!(rig.sessions.ids(), [id], "those that exist go on");
    assert!(rig.with(Sessions::is_flushed));
}

#[test]
fn a_claimant_that_makes_many_sessions_fills_no_log() {
    let mut rig = Rig::new();
    let told = |rig: &mut Rig, name: &str, n: u32| {
        let mut told = 0;
        for _ in 0..n {
            let id = offer(rig, token(name)).expect("room");
            let entry = rig.sessions.entries.get(id).expect("it exists");
            told += u32::from(!entry.is_quiet);
            assert_eq!(entry.is_quiet, entry.log_lines == 0);
            rig.sessions.end(id, EndReason::PeerClosed);
        }
        told
    };
    assert_eq!(told(&mut rig, "loud", 50), limits::LOGGED_LIVES);
    assert_eq!(told(&mut rig, "other", 1), 1);
    rig.now += limits::LOG_INTERVAL;
    assert_eq!(told(&mut rig, "loud", 1), 1);
}
