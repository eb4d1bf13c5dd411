//! PeerJS and SkyWay-JS: no input causes a panic, and written signals can be read.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use thingway::testing::payload::Serialization;
use thingway::testing::signaling::message::{
    Answer, Body, Candidate, Carries, Encoding, Failed, Offer, Signal, Why,
};
use thingway::testing::signaling::peerjs;
use thingway::testing::signaling::skyway::{self, ClientMessage, Handshake};

/// Names and words that have a meaning in one of the dialects.
const WORDS: [&str; 34] = [
    "type",
    "dst",
    "payload",
    "sdp",
    "connectionId",
    "connectionType",
    "label",
    "serialization",
    "reliable",
    "metadata",
    "candidate",
    "sdpMid",
    "sdpMLineIndex",
    "usernameFragment",
    "offer",
    "answer",
    "dcInit",
    "maxRetransmits",
    "roomName",
    "roomType",
    "data",
    "media",
    "mesh",
    "sfu",
    "raw",
    "none",
    "OFFER",
    "ANSWER",
    "CANDIDATE",
    "LEAVE",
    "EXPIRE",
    "timestamp",
    "ttl",
    "authToken",
];

const EVENTS: [&str; 16] = [
    "SEND_OFFER",
    "SEND_ANSWER",
    "SEND_CANDIDATE",
    "SEND_LEAVE",
    "SEND_FORCE_CLOSE",
    "ROOM_JOIN",
    "ROOM_LEAVE",
    "ROOM_GET_LOGS",
    "ROOM_GET_USERS",
    "ROOM_SEND_DATA",
    "SFU_GET_OFFER",
    "SFU_ANSWER",
    "SFU_CANDIDATE",
    "PING",
    "UPDATE_CREDENTIAL",
    "",
];

fn a_word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(WORDS.as_slice()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => a_word().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(|it| json!(it)),
        1 => any::<f64>().prop_map(|it| json!(it)),
        1 => Just(Value::Null),
        1 => (0..70_000_usize).prop_map(|len| json!("x".repeat(len))),
    ];
    leaf.prop_recursive(4, 40, 10, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            6 => prop::collection::btree_map(a_word(), inner, 0..10)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Returns a frame or argument that is valid except for one thing.
fn nearly() -> impl Strategy<Value = Value> {
    let init =
        json!({ "candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "u" });
    let description = json!({ "type": "offer", "sdp": "v=0" });
    let fields = json!({
        "type": "data", "connectionType": "data", "connectionId": "dc_1", "label": "l",
        "serialization": "json", "reliable": true, "metadata": { "a": [1] }, "dst": "bob",
        "sdp": description, "offer": description, "answer": description, "candidate": init,
        "dcInit": {}, "roomName": "r", "roomType": "mesh", "data": "d",
    });
    let wrap = |kind: &str, fields: Value| json!({ "type": kind, "dst": "bob", "payload": fields });
    (
        a_word(),
        a_value(),
        any::<bool>(),
        prop::sample::select(WORDS.as_slice()),
    )
        .prop_map(move |(name, value, is_inner, kind)| {
            let mut fields = fields.clone();
            let inner = fields["candidate"].as_object().cloned().unwrap_or_default();
            if is_inner && inner.contains_key(&name) {
                fields["candidate"][name] = value;
            } else {
                fields[name] = value;
            }
            let mut both = fields.as_object().cloned().unwrap_or_default();
            if let Value::Object(frame) = wrap(kind, fields) {
                both.extend(frame);
            }
            Value::Object(both)
        })
}

fn text(bound: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), bound).prop_map(|it| it.into_iter().collect())
}

fn a_name() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text(0..30))
}

fn carries() -> impl Strategy<Value = Carries> {
    prop_oneof![Just(Carries::Data), Just(Carries::Media)]
}

fn an_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(text(0..5), text(0..5), 0..4).prop_map(|map| {
        map.into_iter()
            .map(|(k, v)| (k, json!(v)))
            .collect::<Map<_, _>>()
            .into()
    })
}

fn a_body() -> impl Strategy<Value = Body> {
    let offer = (
        text(1..30),
        carries(),
        text(1..200),
        text(0..60),
        prop::option::of(an_object()),
        any::<bool>(),
    )
        .prop_map(|(connection, carries, sdp, label, metadata, reliable)| {
            let is_data = carries == Carries::Data;
            Body::Offer(Offer {
                connection,
                carries,
                sdp,
                label: is_data.then_some(label),
                serialization: is_data.then_some(Encoding::Known(Serialization::Raw)),
                metadata,
                reliable: is_data && reliable,
            })
        });
    let answer = (text(1..30), carries(), text(1..200)).prop_map(|(connection, carries, sdp)| {
        Body::Answer(Answer {
            connection,
            carries,
            sdp,
        })
    });
    let candidate = (
        text(1..30),
        carries(),
        text(0..200),
        a_name(),
        any::<Option<u32>>(),
        a_name(),
    )
        .prop_map(|(connection, carries, candidate, mid, line, ufrag)| {
            Body::Candidate(Candidate {
                connection,
                carries,
                candidate,
                mid,
                line,
                ufrag,
            })
        });
    let failed = (text(0..30), text(0..30)).prop_map(|(connection, detail)| {
        Body::Failed(Failed {
            connection,
            why: Why::Refused,
            detail,
        })
    });
    prop_oneof![
        offer,
        answer,
        candidate,
        text(1..30).prop_map(|connection| Body::Close { connection }),
        Just(Body::Leave),
        failed,
    ]
}

fn is_end(body: &Body) -> bool {
    matches!(body, Body::Candidate(it)
        if it.candidate.is_empty() || (it.mid.is_none() && it.line.is_none()))
}

/// Writes a signal for either dialect, once verbatim and once from its fields.
fn write_all(signal: &Signal) {
    let unspoken = Signal {
        body: signal.body.clone(),
        verbatim: None,
    };
    for signal in [signal, &unspoken] {
        if let Some(frame) = peerjs::write("alice", "bob", signal) {
            let frame: Value = serde_json::from_str(&frame).expect("JSON");
            assert_eq!(
                (&frame["src"], &frame["dst"]),
                (&json!("alice"), &json!("bob"))
            );
        }
        if let Some((name, argument)) = skyway::write("alice", signal) {
            assert!(name == "LEAVE" || name == "ERROR" || argument["src"] == "alice");
        }
    }
}

fn check_peerjs(text: &str) {
    match peerjs::parse(text) {
        Ok(peerjs::ClientMessage::To { signal, .. }) => {
            assert!(peerjs::write("a", "b", &signal).is_some());
            write_all(&signal);
        }
        Ok(_) => {}
        Err(fault) => assert!(fault.to_string().starts_with(fault.field)),
    }
}

fn check_skyway(name: &str, argument: Option<&Value>) {
    match skyway::parse(name, argument) {
        Ok(ClientMessage::To { signal, .. }) => {
            assert!(skyway::write("a", &signal).is_some());
            write_all(&signal);
        }
        Ok(_) => {}
        Err(fault) => assert!(fault.to_string().starts_with(fault.field)),
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in any::<String>(), value in a_value()) {
        check_peerjs(&text);
        check_peerjs(&value.to_string());
        let percent = format!("id={text}&token={text}&key={text}&peerId={text}&credential={text}");
        for query in [&text, &percent] {
            drop((peerjs::Query::parse(query), Handshake::parse(query)));
        }
    }

    #[test]
    fn no_value_is_a_panic(
        name in prop::sample::select(EVENTS.as_slice()),
        value in a_value(),
        nearly in nearly(),
    ) {
        check_skyway(name, None);
        check_skyway(name, Some(&value));
        check_skyway(name, Some(&nearly));
        check_peerjs(&nearly.to_string());
    }

    #[test]
    fn what_is_written_for_peerjs_can_be_read(body in a_body()) {
        let signal = Signal { body: body.clone(), verbatim: None };
        let frame = peerjs::write("alice", "bob", &signal);
        prop_assert_eq!(frame.is_none(), is_end(&body) || matches!(body, Body::Close { .. }));
        if let Some(frame) = frame {
            let Ok(peerjs::ClientMessage::To { to, signal }) = peerjs::parse(&frame) else {
                return Err(TestCaseError::fail(frame));
            };
            prop_assert_eq!(to, "bob");
            match (signal.body, body) {
                // The reason and its text are not told to clients.
                (Body::Failed(ours), Body::Failed(theirs)) => {
                    prop_assert_eq!(ours.connection, theirs.connection);
                }
                (ours, theirs) => prop_assert_eq!(ours, theirs),
            }
        }
    }

    #[test]
    fn what_is_written_for_skyway_can_be_read(body in a_body()) {
        let signal = Signal { body: body.clone(), verbatim: None };
        let Some((name, mut argument)) = skyway::write("alice", &signal) else {
            prop_assert!(is_end(&body));
            return Ok(());
        };
        match body {
            Body::Leave => prop_assert_eq!((name, argument), ("LEAVE", json!("alice"))),
            Body::Failed(_) => prop_assert_eq!((name, &argument["type"]), ("ERROR", &json!("refused"))),
            mut body => {
                argument["dst"] = json!("bob");
                let read = skyway::parse(&format!("SEND_{name}"), Some(&argument));
                let Ok(ClientMessage::To { signal, .. }) = read else {
                    return Err(TestCaseError::fail(argument.to_string()));
                };
                if let Body::Offer(offer) = &mut body {
                    // The signal does not contain this value, see `dcInit`.
                    offer.reliable = offer.carries == Carries::Data;
                }
                prop_assert_eq!(signal.body, body);
            }
        }
    }
}
