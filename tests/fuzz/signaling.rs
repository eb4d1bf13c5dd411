//! What clients of PeerJS and SkyWay-JS say: nothing panics, what is taken keeps its bounds, and what
//! is written of it for either dialect can be read there again.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use thingway::testing::limits;
use thingway::testing::signaling::fault::Fault;
use thingway::testing::signaling::message::{Body, Signal};
use thingway::testing::signaling::peerjs::{self, Query, QueryRefusal};
use thingway::testing::signaling::skyway::{self, Emit, Handshake, RoomCall, Rooms};

/// Reads a text with one of the parsers. The first byte picks it, as a digit: 0 a query and 1 a frame
/// of PeerJS, 2 a query and 3 an event of SkyWay-JS (its name, a space, its argument), else lines of a
/// peer's name, a space and such an event about rooms.
pub fn signaling(data: &[u8]) {
    let Some((pick, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match pick % 8 {
        0 => match Query::parse(text) {
            Ok(query) => assert!(query.id.len() <= limits::SIGNAL_ID),
            Err(QueryRefusal::Fault(fault)) => check_fault(fault),
            Err(refusal) => assert_eq!(refusal, QueryRefusal::Missing),
        },
        1 => match peerjs::parse(text) {
            Ok(peerjs::ClientMessage::To { to, signal }) => {
                let frame = peerjs::write("a", &to, &signal).expect("its own dialect has the word");
                check_same(&signal, &read_frame(&frame, &to));
                check_signal(&signal);
            }
            Ok(
                peerjs::ClientMessage::Heartbeat
                | peerjs::ClientMessage::Left
                | peerjs::ClientMessage::Unknown,
            ) => {}
            Err(fault) => check_fault(fault),
        },
        2 => match Handshake::parse(text) {
            Ok(handshake) => {
                let id = handshake.peer_id.unwrap_or_default();
                assert!(id.len() <= limits::SIGNAL_ID);
                let verified = handshake.credential.map(|it| it.verify("secret", &id, NOW));
                assert!(!matches!(verified, Some(Ok(expiry)) if expiry.at_unix <= NOW));
            }
            Err(fault) => check_fault(fault),
        },
        3 => check_event(text),
        _ => check_rooms(text),
    }
}

/// In seconds since 1970.
const NOW: u64 = 1_600_000_000;

fn check_fault(fault: Fault) {
    let text = fault.to_string();
    assert!(
        text.starts_with(fault.field) && text.len() <= 200,
        "{fault:?}"
    );
}

/// The name of an event and its argument; what is not JSON never comes so far.
fn event(text: &str) -> Option<(&str, Option<Value>)> {
    let Some((name, argument)) = text.split_once(' ') else {
        return Some((text, None));
    };
    Some((name, Some(serde_json::from_str(argument).ok()?)))
}

fn check_event(text: &str) {
    let Some((name, argument)) = event(text) else {
        return;
    };
    match skyway::parse(name, argument.as_ref()) {
        Ok(skyway::ClientMessage::To { signal, .. }) => {
            let written = skyway::write("a", &signal).expect("its own dialect has the word");
            if let Some(again) = read_event(written) {
                check_same(&signal, &again);
            }
            check_signal(&signal);
        }
        Ok(
            skyway::ClientMessage::Ping
            | skyway::ClientMessage::UpdateCredential(_)
            | skyway::ClientMessage::Room(_)
            | skyway::ClientMessage::Unknown,
        ) => {}
        Err(fault) => check_fault(fault),
    }
}

/// Its bounds, and what both dialects make of it when it comes from another one.
fn check_signal(signal: &Signal) {
    let (connection, sdp) = match &signal.body {
        Body::Offer(it) => (it.connection.as_str(), it.sdp.as_str()),
        Body::Answer(it) => (it.connection.as_str(), it.sdp.as_str()),
        Body::Candidate(it) => (it.connection.as_str(), it.candidate.as_str()),
        Body::Close { connection } => (connection.as_str(), ""),
        Body::Failed(it) => (it.connection.as_str(), it.detail.as_str()),
        Body::Leave => ("", ""),
    };
    assert!(connection.len() <= limits::SIGNAL_ID && sdp.len() <= limits::SDP);
    let unspoken = Signal {
        body: signal.body.clone(),
        verbatim: None,
    };
    if let Some(frame) = peerjs::write("a", "b", &unspoken) {
        read_frame(&frame, "b");
    }
    if let Some(written) = skyway::write("a", &unspoken) {
        read_event(written);
    }
}

/// As if the client that gets it had sent it.
fn read_frame(frame: &str, receiver: &str) -> Signal {
    match peerjs::parse(frame) {
        Ok(peerjs::ClientMessage::To { to, signal }) if to == receiver => signal,
        other => panic!("{frame}: {other:?}"),
    }
}

/// The same; a client cannot say everything that it can be told.
fn read_event((name, mut argument): skyway::Event) -> Option<Signal> {
    match name {
        "LEAVE" | "ERROR" => return None,
        "FORCE_CLOSE" | "OFFER" | "ANSWER" | "CANDIDATE" => {}
        other => panic!("{other} is for no peer"),
    }
    let Value::Object(object) = &mut argument else {
        panic!("{name}: {argument}");
    };
    assert_eq!(object.remove("src"), Some(json!("a")));
    object.insert("dst".to_owned(), json!("b"));
    match skyway::parse(&format!("SEND_{name}"), Some(&argument)) {
        Ok(skyway::ClientMessage::To { signal, .. }) => Some(signal),
        other => panic!("{argument}: {other:?}"),
    }
}

/// Numbers with a fraction are read to the last digit but one, and metadata may have some.
fn check_same(one: &Signal, other: &Signal) {
    let body = |signal: &Signal| {
        let mut body = signal.body.clone();
        if let Body::Offer(offer) = &mut body {
            offer.metadata = None;
        }
        body
    };
    assert_eq!(body(one), body(other));
}

fn check_rooms(text: &str) {
    let mut rooms = Rooms::new();
    let (mut peers, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (line, now) in text.lines().zip(NOW..) {
        let Some((peer, (name, Some(argument)))) = line
            .split_once(' ')
            .and_then(|(peer, text)| Some((peer, event(text)?)))
        else {
            continue;
        };
        let Ok(skyway::ClientMessage::Room(call)) = skyway::parse(name, Some(&argument)) else {
            continue;
        };
        if let RoomCall::Join { room, .. } = &call {
            names.insert(room.clone());
        }
        peers.insert(peer);
        check_emits(&rooms.handle(now, peer, call));
        let mine = names
            .iter()
            .filter(|name| rooms.members(name).iter().any(|it| it == peer));
        assert!(mine.count() <= limits::ROOMS_PER_PEER);
    }
    for peer in peers {
        check_emits(&rooms.leave_all(NOW, peer));
    }
    assert!(names.iter().all(|name| rooms.members(name).is_empty()));
}

fn check_emits(emits: &[Emit]) {
    for Emit { to, event } in emits {
        let once: BTreeSet<_> = to.iter().collect();
        assert!((1..=limits::ROOM_MEMBERS).contains(&to.len()) && once.len() == to.len());
        assert!(event.1.to_string().len() <= limits::SOCKET_IO_QUEUE / 2);
    }
}
