//! Links without a hub: signals in, events out.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::config::{Config, PeerConfig};
use crate::payload::Dialect;
use crate::session::channels::Reliability;
use crate::signaling::call::Wish;
use crate::signaling::message::{Answer, Candidate, Carries, Encoding, Failed, Offer, Why};
use crate::util::slab::Id;

const OURS: u64 = 1;

fn links() -> Links {
    Links::new(8, [1; 32])
}

fn peer(n: u64) -> PeerId {
    Id::from_bits(n)
}

fn wish(target: &str) -> Wish {
    Wish {
        peer: peer(OURS),
        target: target.to_owned(),
        channel: ChannelWish::reliable(String::new()),
        serialization: Serialization::SkyWayJson,
        metadata: Some(json!("hello")),
        transcodes: true,
        feed: Feed::Port(Id::from_bits(5)),
        redirect: None,
        scopes: Vec::new(),
    }
}

fn offer(connection: &str) -> Offer {
    Offer {
        connection: connection.to_owned(),
        carries: Carries::Data,
        sdp: "v=0".to_owned(),
        label: Some("joy".to_owned()),
        serialization: Some(Encoding::Known(Serialization::PeerJsJson)),
        metadata: None,
        reliable: true,
    }
}

fn terms() -> Terms {
    let config = "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n[[endpoint]]\nname = \"leg\"\nkind = \"echo\"\n\
         [[peer]]\nid = \"robot\"\nendpoint = \"arm\"\nlabels = { second = \"leg\" }\n";
    let config = Config::parse(config).expect("good").hub;
    let peer: &PeerConfig = config.peers.first().expect("a peer");
    terms_of(peer, None)
}

fn signal(body: Body) -> Signal {
    let verbatim = None;
    Signal { body, verbatim }
}

fn events(links: &mut Links) -> Vec<LinkEvent> {
    std::iter::from_fn(|| links.poll_event()).collect()
}

fn kinds(links: &mut Links) -> Vec<&'static str> {
    let kind = |event: &LinkEvent| match event {
        LinkEvent::Say { body, .. } => body.as_str(),
        LinkEvent::Gather(_) => "gather",
        LinkEvent::AcceptAnswer { .. } => "accept",
        LinkEvent::AddCandidates { .. } => "add",
        LinkEvent::CloseSession { .. } => "close session",
        LinkEvent::SetScopes { .. } => "scopes",
        LinkEvent::Rebind { .. } => "rebind",
        LinkEvent::Redirect { .. } => "redirect",
        LinkEvent::Transcode { .. } => "transcode",
        LinkEvent::CloseBridge(_) => "close bridge",
        LinkEvent::News { news, .. } => match news {
            LinkNews::Called(_) => "called",
            LinkNews::Open => "opened",
            LinkNews::Failed(_) => "failed news",
            LinkNews::Ended(_) => "ended",
            LinkNews::Made(..) | LinkNews::NotMade(_) | LinkNews::Status(..) => "answer",
        },
        LinkEvent::Failed { .. } => "log",
    };
    events(links).iter().map(kind).collect()
}

fn candidate(connection: &str) -> Body {
    Body::Candidate(Candidate {
        connection: connection.to_owned(),
        carries: Carries::Data,
        candidate: "candidate:1".to_owned(),
        mid: None,
        line: None,
        ufrag: None,
    })
}

/// Calls a page; returns the link and the id of the connection.
fn called(links: &mut Links, dialect: Dialect) -> (LinkId, String) {
    assert!(links.is_quiet());
    let link = links.call(Instant::now(), wish("page"), None, true);
    let link = link.expect("room");
    assert!(!links.is_quiet());
    assert_eq!(events(links), [LinkEvent::Gather(link)]);
    let start = links.start(link).expect("once");
    assert!(matches!(start.how, Beginning::Offer(_)));
    assert!(links.start(link).is_none(), "a second list changes nothing");
    let begun = Ok((Id::from_bits(70), "sdp".to_owned()));
    links.handle_begun(link, begun, Some(dialect));
    let said = events(links);
    let [
        LinkEvent::Say {
            body: Body::Offer(offer),
            to,
            ..
        },
    ] = said.as_slice()
    else {
        panic!("{said:?}")
    };
    assert_eq!((to.as_str(), offer.sdp.as_str()), ("page", "sdp"));
    assert_eq!(offer.label.as_ref(), Some(&offer.connection));
    let written = Serialization::SkyWayJson.of(dialect);
    assert_eq!(offer.serialization, Some(Encoding::Known(written)));
    (link, offer.connection.clone())
}

#[test]
fn a_channel_is_called_reliable_only_if_it_is_ordered_too() {
    let lossy = Reliability::MaxRetransmits { retransmits: 0 };
    for (ordered, reliability, reliable) in [
        (true, Reliability::Reliable, true),
        (false, Reliability::Reliable, false),
        (true, lossy, false),
    ] {
        let mut links = links();
        let mut wish = wish("page");
        (wish.channel.ordered, wish.channel.reliability) = (ordered, reliability);
        let link = links.call(Instant::now(), wish, None, true).expect("room");
        links.start(link).expect("once");
        let begun = Ok((Id::from_bits(70), "sdp".to_owned()));
        links.handle_begun(link, begun, Some(Dialect::PeerJs));
        let said = events(&mut links)
            .into_iter()
            .find_map(|event| match event {
                LinkEvent::Say {
                    body: Body::Offer(offer),
                    ..
                } => Some(offer.reliable),
                _ => None,
            });
        assert_eq!(said, Some(reliable));
    }
}

#[test]
fn a_call_is_answered_and_candidates_wait_for_that() {
    let mut links = links();
    let (link, connection) = called(&mut links, Dialect::PeerJs);
    links.handle_signal(peer(OURS), "page", signal(candidate(&connection)));
    assert_eq!(
        events(&mut links),
        [],
        "the session knows no description yet"
    );
    let answer = Body::Answer(Answer {
        connection: connection.clone(),
        carries: Carries::Data,
        sdp: "answer".to_owned(),
    });
    links.handle_signal(peer(OURS), "page", signal(answer));
    assert_eq!(kinds(&mut links), ["accept"]);
    links.handle_answered(link, Ok(()));
    assert_eq!(kinds(&mut links), ["add"]);
    links.handle_signal(peer(OURS), "page", signal(candidate(&connection)));
    assert_eq!(kinds(&mut links), ["add"]);
    links.handle_signal(peer(OURS), "other", signal(candidate(&connection)));
    assert_eq!(
        events(&mut links),
        [],
        "another peer has no such connection"
    );
}

#[test]
fn an_answer_that_is_not_understood_ends_the_link() {
    let mut links = links();
    let (link, _) = called(&mut links, Dialect::SkyWay);
    links.handle_answered(link, Err("no fingerprint".to_owned()));
    let ended = ["failed", "log", "failed news", "close session", "ended"];
    assert_eq!(kinds(&mut links), ended);
    links.handle_session_ended(link, true, None);
    assert_eq!(
        events(&mut links),
        [],
        "the link has ended before its session"
    );
    assert_eq!(links.len(), 0);
}

#[test]
fn a_peer_that_never_joins_is_given_up() {
    let (mut links, now) = (links(), Instant::now());
    links.call(now, wish("late"), None, false).expect("room");
    links.call(now, wish("never"), None, false).expect("room");
    assert_eq!(events(&mut links), []);
    links.handle_joined("late");
    assert_eq!(kinds(&mut links), ["gather"]);
    let at = now + Duration::from_secs(5);
    assert_eq!(links.poll_timeout(), Some(at));
    links.handle_timeout(at);
    assert_eq!(kinds(&mut links), ["failed", "log", "failed news", "ended"]);
    assert_eq!((links.len(), links.poll_timeout()), (1, None));
}

#[test]
fn an_offer_is_taken_up_and_a_second_one_replaces_it() {
    let mut links = links();
    let first = links.handle_offer(peer(OURS), "page", offer("dc_1"), terms());
    let first = first.expect("room");
    assert_eq!(kinds(&mut links), ["called", "gather"]);
    assert_eq!(
        links.start(first).expect("once").how,
        Beginning::Answer("v=0".to_owned())
    );
    links.handle_signal(peer(OURS), "page", signal(candidate("dc_1")));
    links.handle_begun(first, Ok((Id::from_bits(70), "sdp".to_owned())), None);
    assert_eq!(
        kinds(&mut links),
        ["answer", "add"],
        "the answer comes first"
    );
    links.handle_offer(peer(OURS), "page", offer("dc_1"), terms());
    let replaced = ["close", "close session", "ended", "called", "gather"];
    assert_eq!(kinds(&mut links), replaced);
    assert_eq!(links.len(), 1);
}

#[test]
fn a_session_that_is_made_too_late_is_closed() {
    let mut links = links();
    let link = links.handle_offer(peer(OURS), "page", offer("dc_1"), terms());
    let link = link.expect("room");
    links.start(link);
    links.close(link, "its peer was removed");
    events(&mut links);
    links.handle_begun(link, Ok((Id::from_bits(70), "sdp".to_owned())), None);
    assert_eq!(kinds(&mut links), ["close session"]);
}

#[test]
fn a_channel_is_bound_by_its_label_and_once() {
    let mut links = links();
    let link = links.handle_offer(peer(OURS), "page", offer("dc_1"), terms());
    let link = link.expect("room");
    let (arm, leg) = (Id::from_bits(10), Id::from_bits(11));
    let find = |name: &str| match name {
        "arm" => Some(arm),
        "leg" => Some(leg),
        _ => None,
    };
    let plan = links.plan(link, "any", find).expect("a plan");
    assert_eq!((plan.target, plan.may_write), (Target::Endpoint(arm), true));
    assert_eq!(
        (plan.serialization, plan.as_text),
        (Some(Serialization::PeerJsJson), false)
    );
    let plan = links.plan(link, "second", find).expect("a plan");
    assert_eq!(plan.target, Target::Endpoint(leg));
    let gone = links.plan(link, "any", |_| None);
    assert_eq!(gone, Err(ChannelRefusal::NoEndpoint));
    links.handle_bound(link, Id::from_bits(9), "any".to_owned(), false);
    assert_eq!(kinds(&mut links)[2..], ["opened"]);
    let status = links.status(link).expect("a status").0;
    assert_eq!(
        (status.open, status.reliable, status.label.as_str()),
        (true, false, "any")
    );
    let second = links.plan(link, "any", find);
    assert_eq!(second, Err(ChannelRefusal::SecondChannel));
}

#[test]
fn a_link_may_use_what_its_scopes_name() {
    let mut links = links();
    let id = Id::from_bits(10);
    let feed = Feed::Endpoint {
        id,
        name: "arm".to_owned(),
    };
    let terms = Terms { feed, ..terms() };
    let allowed = links.handle_offer(peer(OURS), "a", offer("dc_1"), terms.clone());
    let scopes = Vec::new();
    let none = links.handle_offer(peer(OURS), "b", offer("dc_1"), Terms { scopes, ..terms });
    let plan = |link: Option<LinkId>, found| {
        let found = move |_: &str| found;
        links
            .plan(link.expect("room"), "x", found)
            .map(|plan| plan.target)
    };
    assert_eq!(plan(allowed, Some(id)), Ok(Target::Endpoint(id)));
    assert_eq!(plan(none, Some(id)), Err(ChannelRefusal::Forbidden));
    // The name belongs to another endpoint now.
    assert_eq!(plan(none, None), Ok(Target::Endpoint(id)));
}

#[test]
fn a_program_changes_what_feeds_a_link_and_where_messages_go() {
    let mut links = links();
    let (link, _) = called(&mut links, Dialect::SkyWay);
    let route = Id::from_bits(9);
    links.handle_bound(link, route, "joy".to_owned(), true);
    events(&mut links);
    let to = "192.0.2.7:9".parse().expect("an address");
    links.set_feed(link, Feed::Nothing, Vec::new());
    links.set_redirect(link, Some(to));
    links.set_redirect(link, None);
    let expected = |to| LinkEvent::Redirect { route, to };
    let changed = events(&mut links);
    assert_eq!(
        changed[1..],
        [
            LinkEvent::Rebind {
                route,
                target: Target::Sender
            },
            expected(Some(to)),
            expected(Some(to)),
        ]
    );
    assert_eq!(
        links.redirected().collect::<Vec<_>>(),
        [(link, peer(OURS), to)]
    );
    links.drop_redirect(link);
    assert_eq!(events(&mut links), [expected(None)]);
    links.set_transcoding(link, true);
    assert_eq!(events(&mut links), [], "nothing changes");
    links.set_transcoding(link, false);
    let serialization = None;
    assert_eq!(
        events(&mut links),
        [LinkEvent::Transcode {
            route,
            serialization
        }]
    );
}

#[test]
fn one_network_has_a_quarter_of_what_is_not_open() {
    let (mut links, now) = (links(), Instant::now());
    let network = Some("192.0.2.9".parse().expect("an address"));
    let call = |links: &mut Links, network| links.call(now, wish("x"), network, true);
    let first = call(&mut links, network).expect("room");
    assert!(call(&mut links, network).is_some());
    assert!(call(&mut links, network).is_none(), "a quarter of 8");
    links.handle_bound(first, Id::from_bits(9), String::new(), true);
    assert!(call(&mut links, network).is_some(), "one of them is open");
    for _ in 0..5 {
        assert!(call(&mut links, None).is_some());
    }
    events(&mut links);
    assert!(call(&mut links, None).is_none());
    assert_eq!(kinds(&mut links), ["failed"]);
    assert_eq!((links.len(), links.refused()), (8, 2));
}

#[test]
fn what_peers_say_ends_links() {
    let mut links = links();
    let calls = |links: &mut Links| {
        for (from, connection) in [("a", "dc_1"), ("a", "dc_2"), ("b", "dc_1")] {
            links.handle_offer(peer(OURS), from, offer(connection), terms());
        }
        events(links);
    };
    calls(&mut links);
    let connection = "dc_1".to_owned();
    links.handle_signal(peer(OURS), "a", signal(Body::Close { connection }));
    assert_eq!(
        (links.len(), kinds(&mut links)),
        (2, vec!["close", "ended"])
    );
    links.handle_signal(peer(OURS), "b", signal(Body::Leave));
    assert_eq!(links.len(), 1);
    calls(&mut links);
    let failed = |connection: &str| Failed {
        connection: connection.to_owned(),
        why: Why::Unavailable,
        detail: "there is no peer".to_owned(),
    };
    let of = |connection: &str| signal(Body::Failed(failed(connection)));
    links.handle_signal(peer(OURS), "a", of("dc_9"));
    assert_eq!(links.len(), 3, "a has no such connection");
    links.handle_signal(peer(OURS), "a", of("dc_2"));
    assert_eq!(links.len(), 2, "one of a's has failed");
    assert!(links.find(peer(OURS), "a", "dc_1").is_some());
    events(&mut links);
    links.handle_signal(peer(OURS), "a", of(""));
    assert_eq!(links.of_peer(peer(OURS)).len(), 1, "all of a's have failed");
    let left = kinds(&mut links);
    assert!(!left.contains(&"failed"), "the other peer knows: {left:?}");
}

#[test]
fn both_halves_of_a_bridge_end_together_and_the_bridge_with_them() {
    let (mut links, now) = (links(), Instant::now());
    let halves = Halves {
        caller: peer(2),
        caller_name: "page".to_owned(),
        callee: peer(3),
        callee_name: "other".to_owned(),
        network: None,
        serialization: Serialization::SkyWayJson,
    };
    links.bridge(now, halves.clone(), offer("dc_1"));
    assert_eq!(kinds(&mut links), ["called", "gather", "gather"]);
    let first = links.of_peer(peer(3))[0];
    let second = links.of_peer(peer(2))[0];
    let target = |links: &Links, link| links.plan(link, "x", |_| None).map(|plan| plan.target);
    let bridge = Target::Bridge(BridgeId(0));
    assert_eq!(target(&links, first), Ok(bridge));
    assert_eq!(target(&links, second), Ok(bridge));
    let said = Body::Close {
        connection: "dc_1".to_owned(),
    };
    assert_eq!(links.meant_by(peer(3), "page", &said), Some(first));
    links.handle_signal(peer(3), "page", signal(said));
    let ended = ["close", "ended", "close", "ended", "close bridge"];
    assert_eq!((links.len(), kinds(&mut links)), (0, ended.to_vec()));
    // Without room for the second half there is no bridge.
    links.set_most(1);
    links.bridge(now, halves, offer("dc_2"));
    let all = kinds(&mut links);
    assert_eq!(
        (links.len(), all.last()),
        (0, Some(&"close bridge")),
        "{all:?}"
    );
}

#[test]
fn a_session_that_made_room_fails_and_one_that_never_connected_says_so() {
    let mut links = links();
    let (link, _) = called(&mut links, Dialect::SkyWay);
    links.handle_session_ended(link, false, Some("a newer one needs its place"));
    assert_eq!(kinds(&mut links), ["failed", "log", "failed news", "ended"]);
    let (link, _) = called(&mut links, Dialect::SkyWay);
    links.handle_session_ended(link, true, None);
    let news = events(&mut links);
    let [
        LinkEvent::News {
            news: LinkNews::Failed(detail),
            ..
        },
        LinkEvent::News {
            news: LinkNews::Ended(_),
            ..
        },
    ] = news.as_slice()
    else {
        panic!("{news:?}")
    };
    assert!(detail.contains("did not connect"), "{detail}");
    assert_eq!(grant("page", Vec::new()).who(), "peer page");
}
