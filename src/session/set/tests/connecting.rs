//! The beginnings of sessions, and their connects.

use super::*;

#[test]
fn a_peer_connects_and_its_channels_are_news() {
    let mut rig = Rig::new();
    let (id, n) = rig.connect(&["arm", "leg"]);
    assert_eq!(
        rig.states(id),
        [ConnectionState::Connecting, ConnectionState::Connected]
    );
    let opened = |news: &&(SessionId, SessionNews)| matches!(news.1, SessionNews::ChannelOpen(_));
    assert_eq!(rig.news.iter().filter(opened).count(), 2);
    assert_eq!(rig.sessions.open_channels(id), 2);
    let now = rig.now;
    rig.peers[n].send(now, "arm", b"forward");
    rig.settle();
    assert_eq!(rig.messages(id), ["forward"]);
    let arm = rig.channel(id, "arm");
    rig.turn(id, |writer| {
        assert_eq!(writer.write(arm, false, b"done"), Written::Accepted);
    });
    rig.settle();
    assert_eq!(rig.peers[n].texts("arm"), ["done"]);
    assert_eq!(rig.peers[n].texts("leg"), [""; 0]);
}

#[test]
fn two_sessions_of_this_process_connect_to_each_other() {
    let mut rig = Rig::new();
    let [first, second] = rig.connect_within("data");
    for (id, other) in [(first, second), (second, first)] {
        assert_eq!(
            rig.sessions.get(id).expect("it exists").state(),
            ConnectionState::Connected
        );
        let key = rig.channel(id, "data");
        rig.news.clear();
        rig.turn(id, |writer| {
            writer.write(key, true, b"over");
        });
        rig.settle();
        assert_eq!(rig.messages(other), ["over"]);
    }
    assert!(
        rig.sources.transmits().pop().is_none(),
        "nothing left the process"
    );
    let accepted = rig.with(|sessions, cx| sessions.accept_answer(cx, first, "v=0"));
    assert!(matches!(accepted, Some(Err(_))), "it has its answer");
}

#[test]
fn many_pairs_within_do_not_mix_up_their_datagrams() {
    let mut rig = Rig::new();
    let pairs: Vec<_> = (0..4).map(|_| rig.connect_within("data")).collect();
    rig.news.clear();
    for (n, [first, _]) in pairs.iter().enumerate() {
        let key = rig.channel(*first, "data");
        let text = n.to_string();
        rig.turn(*first, |writer| {
            writer.write(key, false, text.as_bytes());
        });
    }
    rig.settle();
    for (n, [_, second]) in pairs.iter().enumerate() {
        let came = rig.news.iter().filter(|(id, _)| id == second);
        let came: Vec<_> = came.collect();
        assert!(
            matches!(&came[..], [(_, SessionNews::Message { data, .. })] if *data == n.to_string().into_bytes()),
            "{came:?}"
        );
    }
}

#[test]
fn names_are_long_and_differ() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..3)
        .map(|_| rig.offer(&["arm"], Grant::everything()).expect("room"))
        .collect();
    let names: std::collections::BTreeSet<String> = ids
        .iter()
        .map(|id| rig.sessions.name(*id).expect("it exists").to_owned())
        .collect();
    assert_eq!(names.len(), 3);
    for name in &names {
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(ids.contains(&rig.sessions.find(name).expect("by its name")));
    }
    // Another seed gives other names.
    let mut other = Rig::new();
    other.sessions.random = StdRng::from_seed([8; 32]);
    let id = other.offer(&["arm"], Grant::everything()).expect("room");
    assert!(!names.contains(other.sessions.name(id).expect("it exists")));
}

#[test]
fn a_session_is_known_by_its_name_and_its_ufrag_until_it_ends() {
    let mut rig = Rig::new();
    let (id, _) = rig.connect(&["arm"]);
    let session = rig.sessions.get(id).expect("it exists");
    let (name, ufrag) = (session.name().to_owned(), session.local_ufrag().to_owned());
    assert_eq!(rig.sessions.find(&name), Some(id));
    assert_eq!(rig.sessions.demux.by_ufrag(&ufrag), Some(id));
    assert!(rig.sessions.pairs() > 0);
    rig.with(|sessions, cx| sessions.close(cx, id, "test"));
    rig.take_news(id);
    assert_eq!(rig.sessions.find(&name), None);
    assert!(rig.sessions.demux.is_empty() && rig.sessions.is_empty());
    assert_eq!(rig.sessions.poll_timeout(), None);
}

#[test]
fn an_offer_that_makes_no_sense_makes_no_session() {
    let mut rig = Rig::new();
    for text in ["", "v=0\r\n", "not SDP at all"] {
        let begin = begin(Description::Answer(text.as_bytes()), Grant::everything());
        let begun = rig.with(|sessions, cx| sessions.begin(cx, begin));
        let error = begun.expect_err("it is refused");
        assert!(matches!(error, BeginError::Sdp(_)) && !error.is_busy());
    }
    assert!(rig.sessions.is_empty() && rig.sessions.demux.is_empty());
    assert_eq!(rig.sessions.stats().created, 0);
}

#[test]
fn what_is_known_of_a_session_is_what_it_began_with() {
    let mut rig = Rig::new();
    let (_, offer) = Peer::offer(rig.now, "127.0.0.1:1".parse().unwrap(), &["arm"]);
    let remote = "192.0.2.9".parse().ok();
    let begin = Begin {
        remote,
        ..begin(Description::Answer(offer.as_bytes()), token("guest"))
    };
    let begun = rig.with(|sessions, cx| sessions.begin(cx, begin));
    let id = begun.expect("there is room").id;
    let origin = rig.sessions.origin(id).expect("it exists");
    assert_eq!((origin.remote, origin.created), (remote, 1_772_000_000));
    assert_eq!(rig.sessions.owner(id), Some(SessionOwner::Api));
    assert_eq!(rig.sessions.ids_of_token("guest"), [id]);
    assert_eq!(rig.sessions.ids_of_token("other"), []);
    let scope = Scope {
        endpoints: vec!["arm".to_owned()],
        verbs: vec![crate::access::scope::Verb::Read],
    };
    rig.sessions.set_scopes(id, vec![scope.clone()]);
    assert_eq!(rig.sessions.grant(id).expect("it exists").scopes, [scope]);
}
