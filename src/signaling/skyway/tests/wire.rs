use serde_json::{Value, json};

use crate::limits;
use crate::payload::{Dialect, Serialization};
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::message::{
    Answer, Body, Candidate, Carries, Encoding, Failed, Offer, Signal, Why,
};
use crate::signaling::peerjs;
use crate::signaling::skyway::{ClientMessage, Handshake, error, expires_in, open, parse, write};
use crate::signaling::socket_io::packet;
use crate::util::halves;

/// Returns an offer as `skyway-js` 4.4.5 sends it; the SDP is shortened.
fn offer() -> Value {
    json!({
        "offer": { "type": "offer", "sdp": "v=0\r\n" },
        "dst": "bob",
        "connectionId": "dc_x1",
        "connectionType": "data",
        "metadata": { "b": [1, null] },
        "serialization": "none",
        "label": "dc_x1",
        "dcInit": {},
    })
}

fn call() -> Value {
    json!({
        "offer": { "type": "offer", "sdp": "v=0\r\n" },
        "dst": "bob",
        "connectionId": "mc_x1",
        "connectionType": "media",
        "roomName": "r",
    })
}

fn answer() -> Value {
    json!({
        "answer": { "type": "answer", "sdp": "v=0\r\n" },
        "dst": "bob",
        "connectionId": "dc_x1",
        "connectionType": "data",
    })
}

fn candidate() -> Value {
    json!({
        "candidate": {
            "candidate": "candidate:1 1 udp 1 192.0.2.1 5 typ host",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
            "usernameFragment": "abcd",
        },
        "dst": "bob",
        "connectionId": "dc_x1",
        "connectionType": "data",
    })
}

fn force_close() -> Value {
    json!({ "dst": "bob", "connectionId": "dc_x1" })
}

fn signal(name: &str, argument: &Value) -> Signal {
    match parse(name, Some(argument)) {
        Ok(ClientMessage::To { to, signal }) if to == "bob" => signal,
        other => panic!("{name} {argument}: {other:?}"),
    }
}

fn unspoken(body: Body) -> Signal {
    Signal {
        body,
        verbatim: None,
    }
}

#[test]
fn what_the_server_says_by_itself() {
    assert_eq!(open("bob"), ("OPEN", json!({ "peerId": "bob" })));
    let refused = json!({ "type": "unavailable-id", "message": "it is taken" });
    assert_eq!(error("unavailable-id", "it is taken"), ("ERROR", refused));
    assert_eq!(expires_in(300), ("AUTH_EXPIRES_IN", json!(300)));
}

#[test]
fn handshakes() {
    let query = "apiKey=01234567-89ab-cdef-0123-456789abcdef&token=x&platform=javascript&sdk_version=4.4.5&peerId=al%20ice&EIO=3&transport=polling&t=N&b64=1";
    let handshake = Handshake::parse(query).expect("good");
    assert_eq!(handshake.api_key, "01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(handshake.peer_id.as_deref(), Some("al ice"));
    assert_eq!(handshake.token, "x");
    assert_eq!(handshake.credential, None);
    let nobody = Handshake {
        api_key: String::new(),
        peer_id: None,
        token: String::new(),
        credential: None,
    };
    assert_eq!(Handshake::parse("apiKey=&peerId=&EIO=3"), Ok(nobody));
    let once =
        "%7B%22timestamp%22%3A1600000000%2C%22ttl%22%3A3600%2C%22authToken%22%3A%22AAAA%22%7D";
    for credential in [once.to_owned(), once.replace('%', "%25")] {
        let handshake = Handshake::parse(&format!("peerId=a&credential={credential}"));
        let credential = handshake.expect("good").credential.expect("a credential");
        assert_eq!(
            (credential.timestamp, credential.ttl),
            (1_600_000_000, 3600)
        );
    }
    let long = "a".repeat(limits::SIGNAL_ID + 1);
    for (query, field, wrong) in [
        (
            format!("peerId={long}"),
            "peerId",
            Wrong::TooLong(limits::SIGNAL_ID),
        ),
        ("peerId=a+b".to_owned(), "peerId", Wrong::NotAnId),
        ("peerId=%zz".to_owned(), "peerId", Wrong::Encoding),
        (
            format!("apiKey={long}{long}"),
            "apiKey",
            Wrong::TooLong(limits::SIGNAL_NAME),
        ),
        ("credential=x".to_owned(), "credential", Wrong::NotJson),
        ("credential=%25z".to_owned(), "credential", Wrong::Encoding),
        ("credential=1".to_owned(), "credential", Wrong::NotAnObject),
        ("credential={}".to_owned(), "authToken", Wrong::Missing),
    ] {
        assert_eq!(
            Handshake::parse(&query),
            Err(Fault::new(field, wrong)),
            "{query}"
        );
    }
}

#[test]
fn events_of_the_client() {
    assert_eq!(parse("PING", None), Ok(ClientMessage::Ping));
    assert_eq!(
        parse("message", Some(&json!({}))),
        Ok(ClientMessage::Unknown)
    );
    let renewed = json!({ "timestamp": 1, "ttl": 600, "authToken": "AAAA" });
    let renewed = parse("UPDATE_CREDENTIAL", Some(&renewed));
    assert!(matches!(renewed, Ok(ClientMessage::UpdateCredential(it)) if it.ttl == 600));
    let offered = Offer {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        sdp: "v=0\r\n".to_owned(),
        label: Some("dc_x1".to_owned()),
        serialization: Some(Encoding::Known(Serialization::Raw)),
        metadata: Some(json!({ "b": [1, null] })),
        reliable: true,
    };
    assert_eq!(signal("SEND_OFFER", &offer()).body, Body::Offer(offered));
    let called = Offer {
        connection: "mc_x1".to_owned(),
        carries: Carries::Media,
        sdp: "v=0\r\n".to_owned(),
        label: None,
        serialization: None,
        metadata: None,
        reliable: false,
    };
    assert_eq!(signal("SEND_OFFER", &call()).body, Body::Offer(called));
    let answered = Answer {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        sdp: "v=0\r\n".to_owned(),
    };
    assert_eq!(
        signal("SEND_ANSWER", &answer()).body,
        Body::Answer(answered)
    );
    let found = Candidate {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        candidate: "candidate:1 1 udp 1 192.0.2.1 5 typ host".to_owned(),
        mid: Some("0".to_owned()),
        line: Some(0),
        ufrag: Some("abcd".to_owned()),
    };
    assert_eq!(
        signal("SEND_CANDIDATE", &candidate()).body,
        Body::Candidate(found)
    );
    let connection = "dc_x1".to_owned();
    assert_eq!(
        signal("SEND_FORCE_CLOSE", &force_close()).body,
        Body::Close { connection }
    );
    assert_eq!(
        signal("SEND_LEAVE", &json!({ "dst": "bob" })).body,
        Body::Leave
    );
}

#[test]
fn what_an_offer_says_of_its_channel() {
    for (name, value, reliable, written) in [
        (
            "dcInit",
            json!({ "maxRetransmits": 0 }),
            false,
            Serialization::Raw,
        ),
        (
            "dcInit",
            json!({ "maxPacketLifeTime": 9 }),
            false,
            Serialization::Raw,
        ),
        (
            "dcInit",
            json!({ "ordered": false }),
            false,
            Serialization::Raw,
        ),
        (
            "dcInit",
            json!({ "ordered": true }),
            true,
            Serialization::Raw,
        ),
        (
            "dcInit",
            json!({ "maxRetransmits": null }),
            true,
            Serialization::Raw,
        ),
        ("dcInit", Value::Null, true, Serialization::Raw),
        (
            "serialization",
            json!("json"),
            true,
            Serialization::SkyWayJson,
        ),
        (
            "serialization",
            json!("BINARY_UTF8"),
            true,
            Serialization::SkyWayBinary,
        ),
        (
            "serialization",
            Value::Null,
            true,
            Serialization::SkyWayBinary,
        ),
    ] {
        let mut argument = offer();
        argument[name] = value;
        let Body::Offer(offer) = signal("SEND_OFFER", &argument).body else {
            panic!("{argument}");
        };
        let expected = (reliable, Some(Encoding::Known(written)));
        assert_eq!(
            (offer.reliable, offer.serialization),
            expected,
            "{argument}"
        );
    }
}

/// Checks that the verbatim form has everything that a client wrote: the name of a room, and unknown keys.
#[test]
fn a_client_of_skyway_gets_it_verbatim() {
    let mut offer = offer();
    offer["dcInit"] = json!({ "maxRetransmits": 0, "x": [1.5] });
    offer["serialization"] = json!("new");
    offer["src"] = json!("mallory");
    for (name, heard, argument) in [
        ("SEND_OFFER", "OFFER", offer),
        ("SEND_OFFER", "OFFER", call()),
        ("SEND_ANSWER", "ANSWER", answer()),
        ("SEND_CANDIDATE", "CANDIDATE", candidate()),
        ("SEND_FORCE_CLOSE", "FORCE_CLOSE", force_close()),
    ] {
        let written = write("alice", &signal(name, &argument));
        let mut expected = argument;
        expected["src"] = json!("alice");
        expected.as_object_mut().map(|it| it.remove("dst"));
        assert_eq!(written, Some((heard, expected)));
    }
}

/// Checks text that was cut within a character, as JSON.stringify writes it.
#[test]
fn half_an_emoji_is_passed_on_as_it_was() {
    let text = offer()
        .to_string()
        .replace("\"label\":\"", "\"label\":\"half \\ud83d");
    assert!(text.contains("half"));
    let argument = halves::parse(&text).expect("JSON");
    let Some((_, heard)) = write("alice", &signal("SEND_OFFER", &argument)) else {
        panic!("an offer");
    };
    let packet = packet::event("OFFER", &[heard], None).expect("JSON");
    assert!(packet.contains("\"label\":\"half \\ud83d"), "{packet}");
}

/// Checks that events from another dialect have exactly the fields that a client would have received from
/// another client.
#[test]
fn events_for_the_client() {
    for (name, heard, argument) in [
        ("SEND_OFFER", "OFFER", offer()),
        ("SEND_ANSWER", "ANSWER", answer()),
        ("SEND_CANDIDATE", "CANDIDATE", candidate()),
        ("SEND_FORCE_CLOSE", "FORCE_CLOSE", force_close()),
    ] {
        let signal = unspoken(signal(name, &argument).body);
        let mut expected = argument;
        expected["src"] = json!("alice");
        expected.as_object_mut().map(|it| it.remove("dst"));
        assert_eq!(write("alice", &signal), Some((heard, expected)));
    }
    let left = write("alice", &unspoken(Body::Leave));
    assert_eq!(left, Some(("LEAVE", json!("alice"))));
    let failed = |why, detail: &str| {
        let connection = String::new();
        let detail = detail.to_owned();
        write(
            "alice",
            &unspoken(Body::Failed(Failed {
                connection,
                why,
                detail,
            })),
        )
    };
    let event = error("peer-unavailable", "could not connect to alice");
    assert_eq!(failed(Why::Unavailable, ""), Some(event));
    let event = error("incompatible", "binary against json");
    assert_eq!(
        failed(Why::Incompatible, "binary against json"),
        Some(event)
    );
}

#[test]
fn what_peerjs_offers() {
    let frame = r#"{"type":"OFFER","dst":"bob","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_x1","metadata":{"b":1},"label":"l","reliable":false,"serialization":"raw","browser":"chrome"}}"#;
    let Ok(peerjs::ClientMessage::To {
        signal: offered, ..
    }) = peerjs::parse(frame)
    else {
        panic!("{frame}");
    };
    let expected = json!({
        "src": "alice",
        "offer": { "type": "offer", "sdp": "v=0\r\n" },
        "connectionId": "dc_x1",
        "connectionType": "data",
        "metadata": { "b": 1 },
        "serialization": "none",
        "label": "l",
        // The event does not say that the channel is unordered, because the library would take all messages
        // for BinaryPack.
        "dcInit": {},
    });
    assert_eq!(write("alice", &offered), Some(("OFFER", expected)));
    let msgpack = frame.replace("\"raw\"", "\"MsgPack\"");
    let Ok(peerjs::ClientMessage::To {
        signal: offered, ..
    }) = peerjs::parse(&msgpack)
    else {
        panic!("{msgpack}");
    };
    assert_eq!(write("alice", &offered), None);
}

#[test]
fn what_peerjs_is_offered() {
    let mut argument = offer();
    argument["dcInit"] = json!({ "maxRetransmits": 0 });
    let frame = peerjs::write("bob", "alice", &signal("SEND_OFFER", &argument));
    assert_eq!(
        frame.as_deref(),
        Some(
            r#"{"type":"OFFER","src":"bob","dst":"alice","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_x1","metadata":{"b":[1,null]},"label":"dc_x1","reliable":false,"serialization":"raw"}}"#
        )
    );
    let frame = peerjs::write("bob", "alice", &signal("SEND_CANDIDATE", &candidate()));
    let frame: Value = serde_json::from_str(&frame.expect("a frame")).expect("JSON");
    assert_eq!(frame["payload"]["candidate"], candidate()["candidate"]);
    let close = signal("SEND_FORCE_CLOSE", &force_close());
    assert_eq!(peerjs::write("bob", "alice", &close), None);
}

#[test]
fn every_fault_names_its_field() {
    let fault = |argument: Option<&Value>| parse("SEND_OFFER", argument).expect_err("a fault");
    assert_eq!(fault(None), Fault::new(Fault::WHOLE, Wrong::Missing));
    assert_eq!(
        fault(Some(&json!("x"))),
        Fault::new(Fault::WHOLE, Wrong::NotAnObject)
    );
    let fault = parse("UPDATE_CREDENTIAL", None).expect_err("a fault");
    assert_eq!(fault, Fault::new("credential", Wrong::NotAnObject));
    let long = |len| json!("a".repeat(len));
    let join = || json!({ "roomName": "r", "roomType": "mesh", "type": "data" });
    for (name, argument, path, value, message) in [
        ("SEND_OFFER", offer(), "dst", Value::Null, "dst is missing"),
        (
            "SEND_OFFER",
            offer(),
            "dst",
            long(129),
            "dst has more than 128 bytes",
        ),
        ("SEND_LEAVE", join(), "dst", Value::Null, "dst is missing"),
        (
            "SEND_OFFER",
            offer(),
            "offer",
            Value::Null,
            "offer is missing",
        ),
        (
            "SEND_OFFER",
            offer(),
            "offer.sdp",
            json!(1),
            "offer.sdp is not a string",
        ),
        (
            "SEND_OFFER",
            call(),
            "offer.sdp",
            long(limits::SDP + 1),
            "offer.sdp has more than 65536 bytes",
        ),
        (
            "SEND_OFFER",
            offer(),
            "connectionId",
            Value::Null,
            "connectionId is missing",
        ),
        (
            "SEND_OFFER",
            offer(),
            "connectionType",
            json!("x"),
            "connectionType is none of: data, media",
        ),
        (
            "SEND_OFFER",
            offer(),
            "label",
            long(257),
            "label has more than 256 bytes",
        ),
        (
            "SEND_OFFER",
            offer(),
            "serialization",
            json!(1),
            "serialization is not a string",
        ),
        (
            "SEND_OFFER",
            offer(),
            "dcInit",
            json!([]),
            "dcInit is not an object",
        ),
        (
            "SEND_OFFER",
            offer(),
            "metadata",
            long(limits::METADATA),
            "metadata has more than 16384 bytes",
        ),
        (
            "SEND_ANSWER",
            answer(),
            "answer",
            json!("v=0"),
            "answer is not an object",
        ),
        (
            "SEND_ANSWER",
            answer(),
            "answer.sdp",
            json!(""),
            "answer.sdp is missing",
        ),
        (
            "SEND_ANSWER",
            answer(),
            "connectionId",
            json!({}),
            "connectionId is not a string",
        ),
        (
            "SEND_CANDIDATE",
            candidate(),
            "connectionType",
            json!(""),
            "connectionType is missing",
        ),
        (
            "SEND_CANDIDATE",
            candidate(),
            "candidate",
            json!(1),
            "candidate is not an object",
        ),
        (
            "SEND_CANDIDATE",
            candidate(),
            "candidate.sdpMLineIndex",
            json!("0"),
            "candidate.sdpMLineIndex is not a number that can be there",
        ),
        (
            "SEND_FORCE_CLOSE",
            force_close(),
            "connectionId",
            long(129),
            "connectionId has more than 128 bytes",
        ),
        (
            "ROOM_JOIN",
            join(),
            "roomName",
            long(129),
            "roomName has more than 128 bytes",
        ),
        (
            "ROOM_JOIN",
            join(),
            "roomType",
            json!("p2p"),
            "roomType is none of: mesh, sfu",
        ),
        (
            "ROOM_GET_USERS",
            join(),
            "type",
            json!("x"),
            "type is none of: data, media",
        ),
        (
            "ROOM_SEND_DATA",
            join(),
            "data",
            long(limits::ROOM_DATA),
            "data has more than 16384 bytes",
        ),
    ] {
        let mut argument = argument;
        match path.split_once('.') {
            Some((outer, inner)) => argument[outer][inner] = value,
            None => argument[path] = value,
        }
        let fault = parse(name, Some(&argument)).expect_err(message);
        assert_eq!((fault.field, fault.to_string().as_str()), (path, message));
    }
}

#[test]
fn serializations_are_those_of_this_dialect() {
    let raw = Encoding::parse(Dialect::SkyWay, "raw");
    assert_eq!(raw, Encoding::Other("raw".to_owned()));
}
