use serde_json::{Value, json};

use super::*;
use crate::limits;
use crate::payload::{Dialect, Serialization};
use crate::signaling::fault::{Fault, Wrong};
use crate::signaling::message::{
    Answer, Body, Candidate, Carries, Encoding, Failed, Offer, Signal, Why,
};

/// Messages as `peerjs` 1.5.5 sends them; the SDP is shortened.
const OFFER: &str = r#"{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_x1","metadata":{"b":[1,null]},"label":"dc_x1","reliable":false,"serialization":"raw"},"dst":"bob"}"#;
const CALL: &str = r#"{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"media","connectionId":"mc_x1"},"dst":"bob"}"#;
const ANSWER: &str = r#"{"type":"ANSWER","payload":{"sdp":{"type":"answer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_x1"},"dst":"bob"}"#;
const CANDIDATE: &str = r#"{"type":"CANDIDATE","payload":{"candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 5 typ host","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"},"type":"data","connectionId":"dc_x1"},"dst":"bob"}"#;

fn signal(text: &str) -> Signal {
    match parse(text) {
        Ok(ClientMessage::To { to, signal }) if to == "bob" => signal,
        other => panic!("{text}: {other:?}"),
    }
}

fn candidate() -> Candidate {
    Candidate {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        candidate: "candidate:1 1 udp 1 192.0.2.1 5 typ host".to_owned(),
        mid: Some("0".to_owned()),
        line: Some(0),
        ufrag: Some("abcd".to_owned()),
    }
}

/// Reads a message and writes it again without its verbatim form.
fn rewritten(text: &str) -> Option<String> {
    let signal = Signal {
        verbatim: None,
        ..signal(text)
    };
    write("alice", "bob", &signal)
}

#[test]
fn what_the_server_says_by_itself() {
    assert_eq!(open(), r#"{"type":"OPEN"}"#);
    let taken = r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#;
    assert_eq!(
        (id_taken(), QueryRefusal::Taken.frame().as_str()),
        (taken, taken)
    );
    assert_eq!(
        expire("bob", "alice"),
        r#"{"type":"EXPIRE","src":"bob","dst":"alice"}"#
    );
    for (refusal, message) in [
        (
            QueryRefusal::Missing,
            "No id, token, or key supplied to websocket server",
        ),
        (QueryRefusal::Key, "Invalid key provided"),
        (
            QueryRefusal::Full,
            "Server has reached its concurrent user limit",
        ),
        (
            QueryRefusal::Fault(Fault::new("id", Wrong::Encoding)),
            "id is not percent-encoded UTF-8",
        ),
    ] {
        let frame = format!(r#"{{"type":"ERROR","payload":{{"msg":"{message}"}}}}"#);
        assert_eq!(refusal.frame(), frame);
    }
    let frame: Value = serde_json::from_str(&error("\"\n\u{e9}")).expect("JSON");
    assert_eq!(frame["payload"]["msg"], "\"\n\u{e9}");
}

#[test]
fn queries() {
    let query = Query::parse("key=peerjs&id=a%20b&token=q+9&version=1.5.5").expect("good");
    let Query { key, id, token } = &query;
    assert_eq!((&**key, &**id, &**token), ("peerjs", "a b", "q+9"));
    let shown = format!("{query:?}");
    assert!(
        shown.contains("peerjs") && !shown.contains("q+9"),
        "{shown}"
    );
    for query in [
        "",
        "key=peerjs&id=&token=t",
        "key=k&id=a",
        "id=a&token=t",
        "key=k&token=t",
    ] {
        assert_eq!(Query::parse(query), Err(QueryRefusal::Missing), "{query}");
    }
    let long = "a".repeat(limits::SIGNAL_ID + 1);
    let longer = "a".repeat(limits::SIGNAL_NAME + 1);
    for (id, token, key, field, wrong) in [
        ("a+b", "t", "k", "id", Wrong::NotAnId),
        ("%", "t", "k", "id", Wrong::Encoding),
        (&long, "t", "k", "id", Wrong::TooLong(limits::SIGNAL_ID)),
        (
            "a",
            &longer,
            "k",
            "token",
            Wrong::TooLong(limits::SIGNAL_NAME),
        ),
        (
            "a",
            "t",
            &longer,
            "key",
            Wrong::TooLong(limits::SIGNAL_NAME),
        ),
        ("a", "%ff", "k", "token", Wrong::Encoding),
    ] {
        let query = format!("key={key}&id={id}&token={token}");
        let refusal = QueryRefusal::Fault(Fault::new(field, wrong));
        assert_eq!(Query::parse(&query), Err(refusal), "{query}");
    }
}

#[test]
fn frames_of_the_client() {
    assert_eq!(
        parse(r#"{"type":"HEARTBEAT"}"#),
        Ok(ClientMessage::Heartbeat)
    );
    assert_eq!(parse(r#"{"type":"LEAVE"}"#), Ok(ClientMessage::Left));
    assert_eq!(
        parse(r#"{"type":"PING","dst":"bob"}"#),
        Ok(ClientMessage::Unknown)
    );
    let offer = Offer {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        sdp: "v=0\r\n".to_owned(),
        label: Some("dc_x1".to_owned()),
        serialization: Some(Encoding::Known(Serialization::Raw)),
        metadata: Some(json!({ "b": [1, null] })),
        reliable: false,
    };
    assert_eq!(signal(OFFER).body, Body::Offer(offer));
    let call = Offer {
        connection: "mc_x1".to_owned(),
        carries: Carries::Media,
        sdp: "v=0\r\n".to_owned(),
        label: None,
        serialization: None,
        metadata: None,
        reliable: false,
    };
    assert_eq!(signal(CALL).body, Body::Offer(call));
    let answer = Answer {
        connection: "dc_x1".to_owned(),
        carries: Carries::Data,
        sdp: "v=0\r\n".to_owned(),
    };
    assert_eq!(signal(ANSWER).body, Body::Answer(answer));
    assert_eq!(signal(CANDIDATE).body, Body::Candidate(candidate()));
    assert_eq!(signal(r#"{"type":"LEAVE","dst":"bob"}"#).body, Body::Leave);
    let failed = Failed {
        connection: String::new(),
        why: Why::Unavailable,
        detail: String::new(),
    };
    let expire = r#"{"type":"EXPIRE","dst":"bob","payload":{"msg":"<b>"}}"#;
    assert_eq!(signal(expire).body, Body::Failed(failed));
}

#[test]
fn a_client_of_peerjs_gets_it_verbatim() {
    let payload = r#"{"connectionId":"dc_x1","extra":{"é":1.5},"label":"x","reliable":true,"sdp":{"sdp":"v=0","type":"offer"},"serialization":"MsgPack","type":"data"}"#;
    let text = format!(r#"{{"dst":"bob","payload":{payload},"src":"mallory","type":"OFFER"}}"#);
    let signal = signal(&text);
    let Body::Offer(offer) = &signal.body else {
        panic!("{signal:?}");
    };
    assert_eq!(
        offer.serialization,
        Some(Encoding::Other("MsgPack".to_owned()))
    );
    let wire = format!(r#"{{"type":"OFFER","src":"alice","dst":"bob","payload":{payload}}}"#);
    assert_eq!(write("alice", "bob", &signal), Some(wire));
    // An offer of another dialect has no such serialization.
    assert_eq!(rewritten(&text), None);
    let leave = r#"{"type":"LEAVE","dst":"bob"}"#;
    let wire = r#"{"type":"LEAVE","src":"alice","dst":"bob"}"#;
    assert_eq!(
        write("alice", "bob", &self::signal(leave)).as_deref(),
        Some(wire)
    );
}

/// Checks that messages of another dialect have exactly the fields that the client itself would have sent.
#[test]
fn frames_for_the_client() {
    for text in [OFFER, CALL, ANSWER, CANDIDATE] {
        let frame = rewritten(text).expect("something to say");
        let mut theirs: Value = serde_json::from_str(text).expect("JSON");
        theirs["src"] = json!("alice");
        let ours: Value = serde_json::from_str(&frame).expect("JSON");
        assert_eq!(ours, theirs);
    }
    assert_eq!(
        rewritten(OFFER).as_deref(),
        Some(
            r#"{"type":"OFFER","src":"alice","dst":"bob","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"data","connectionId":"dc_x1","metadata":{"b":[1,null]},"label":"dc_x1","reliable":false,"serialization":"raw"}}"#
        )
    );
}

fn say(body: Body) -> Option<String> {
    let signal = Signal {
        body,
        verbatim: None,
    };
    write("alice", "bob", &signal)
}

#[test]
fn what_happened_to_peers_and_connections() {
    let connection = "dc_x1".to_owned();
    assert_eq!(say(Body::Close { connection }), None);
    assert_eq!(
        say(Body::Leave).as_deref(),
        Some(r#"{"type":"LEAVE","src":"alice","dst":"bob"}"#)
    );
    let failed = |connection: &str| {
        say(Body::Failed(Failed {
            connection: connection.to_owned(),
            why: Why::Refused,
            detail: "no".to_owned(),
        }))
    };
    assert_eq!(
        failed("").as_deref(),
        Some(r#"{"type":"EXPIRE","src":"alice","dst":"bob","payload":{"msg":"no"}}"#)
    );
    let frame: Value = serde_json::from_str(&failed("dc_x1").expect("a frame")).expect("JSON");
    assert_eq!(
        frame["payload"],
        json!({ "msg": "no", "connectionId": "dc_x1" })
    );
}

#[test]
fn the_end_of_candidates_is_not_said() {
    for end in [
        Candidate {
            candidate: String::new(),
            ..candidate()
        },
        Candidate {
            mid: None,
            line: None,
            ..candidate()
        },
    ] {
        assert_eq!(say(Body::Candidate(end)), None);
    }
    let text = CANDIDATE.replace(r#""candidate":{"#, r#""candidate":null,"x":{"#);
    let Body::Candidate(end) = signal(&text).body else {
        panic!("{text}");
    };
    assert_eq!((end.candidate.as_str(), end.mid), ("", None));
}

#[test]
fn a_label_and_a_serialization_are_always_said() {
    let Body::Offer(offer) = signal(OFFER).body else {
        panic!("{OFFER}");
    };
    for (serialization, name) in [
        (None, "raw"),
        (Some(Serialization::PeerJsJson), "json"),
        (Some(Serialization::PeerJsBinary), "binary"),
    ] {
        let frame = say(Body::Offer(Offer {
            label: None,
            serialization: serialization.map(Encoding::Known),
            metadata: None,
            ..offer.clone()
        }));
        let frame: Value = serde_json::from_str(&frame.expect("a frame")).expect("JSON");
        let payload = &frame["payload"];
        assert_eq!(payload["label"], "dc_x1");
        assert_eq!(payload["serialization"], name);
        assert_eq!(payload.get("metadata"), None);
    }
}

#[test]
fn every_fault_names_its_field() {
    let whole = |text| parse(text).expect_err("a fault");
    assert_eq!(whole("{"), Fault::new(Fault::WHOLE, Wrong::NotJson));
    assert_eq!(whole("[]"), Fault::new(Fault::WHOLE, Wrong::NotAnObject));
    assert_eq!(whole("{}"), Fault::new("type", Wrong::Missing));
    assert_eq!(whole(r#"{"type":1}"#), Fault::new("type", Wrong::NotText));
    // The path, a value in its place, and the expected message; `None` removes the field.
    let faults = [
        (OFFER, "dst", None, "dst is missing"),
        (OFFER, "dst", Some(json!("")), "dst is missing"),
        (OFFER, "dst", Some(json!(7)), "dst is not a string"),
        (
            OFFER,
            "dst",
            Some(json!("a".repeat(129))),
            "dst has more than 128 bytes",
        ),
        (OFFER, "payload", None, "payload is missing"),
        (
            OFFER,
            "payload",
            Some(json!([])),
            "payload is not an object",
        ),
        (
            OFFER,
            "payload.type",
            Some(json!("x")),
            "payload.type is none of: data, media",
        ),
        (
            OFFER,
            "payload.sdp",
            Some(json!("v=0")),
            "payload.sdp is not an object",
        ),
        (OFFER, "payload.sdp.sdp", None, "payload.sdp.sdp is missing"),
        (
            OFFER,
            "payload.sdp.sdp",
            Some(json!({})),
            "payload.sdp.sdp is not a string",
        ),
        (
            CALL,
            "payload.sdp.sdp",
            Some(json!("a".repeat(limits::SDP + 1))),
            "payload.sdp.sdp has more than 65536 bytes",
        ),
        (
            OFFER,
            "payload.connectionId",
            None,
            "payload.connectionId is missing",
        ),
        (
            ANSWER,
            "payload.connectionId",
            Some(json!("a".repeat(129))),
            "payload.connectionId has more than 128 bytes",
        ),
        (
            OFFER,
            "payload.label",
            Some(json!("a".repeat(257))),
            "payload.label has more than 256 bytes",
        ),
        (
            OFFER,
            "payload.serialization",
            None,
            "payload.serialization is missing",
        ),
        (
            OFFER,
            "payload.serialization",
            Some(json!(["raw"])),
            "payload.serialization is not a string",
        ),
        (
            OFFER,
            "payload.reliable",
            Some(json!(1)),
            "payload.reliable is neither true nor false",
        ),
        (
            CALL,
            "payload.metadata",
            Some(json!("a".repeat(limits::METADATA))),
            "payload.metadata has more than 16384 bytes",
        ),
        (ANSWER, "payload.type", None, "payload.type is missing"),
        (ANSWER, "payload.sdp", None, "payload.sdp is missing"),
        (
            CANDIDATE,
            "payload.candidate",
            None,
            "payload.candidate is missing",
        ),
        (
            CANDIDATE,
            "payload.candidate.candidate",
            Some(json!("a".repeat(1025))),
            "payload.candidate.candidate has more than 1024 bytes",
        ),
        (
            CANDIDATE,
            "payload.candidate.sdpMid",
            Some(json!(0)),
            "payload.candidate.sdpMid is not a string",
        ),
        (
            CANDIDATE,
            "payload.candidate.sdpMLineIndex",
            Some(json!(-1)),
            "payload.candidate.sdpMLineIndex is not a number that can be there",
        ),
        (
            CANDIDATE,
            "payload.candidate.usernameFragment",
            Some(json!("a".repeat(257))),
            "payload.candidate.usernameFragment has more than 256 bytes",
        ),
    ];
    for (text, path, value, message) in faults {
        let mut frame: Value = serde_json::from_str(text).expect("JSON");
        let pointer = format!("/{}", path.replace('.', "/"));
        let (parent, name) = pointer.rsplit_once('/').expect("a slash");
        let parent = frame.pointer_mut(parent).and_then(Value::as_object_mut);
        let parent = parent.expect("an object");
        parent.remove(name);
        parent.extend(value.map(|value| (name.to_owned(), value)));
        let fault = parse(&frame.to_string()).expect_err(message);
        assert_eq!((fault.field, fault.to_string().as_str()), (path, message));
    }
}

#[test]
fn serializations_are_those_of_this_dialect() {
    let none = Encoding::parse(Dialect::PeerJs, "none");
    assert_eq!(none, Encoding::Other("none".to_owned()));
}
