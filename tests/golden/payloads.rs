//! What the real PeerJS and SkyWay-JS send is understood, and what we send is what they would.

use serde_json::Value;
use thingway::testing::payload::binarypack;
use thingway::testing::payload::{Bounds, Codec, Decoded, Dialect, Frame, Payload, Serialization};

const GOLDEN: &str = include_str!("payloads.json");

/// What a library sends for a value.
struct Golden {
    name: String,
    serialization: Serialization,
    /// The value's constructor.
    kind: String,
    payload: Value,
    frames: Vec<Owned>,
    /// The library understands it itself.
    reads: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

impl Owned {
    fn of(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Text(bytes) => Self::Text(bytes.to_vec()),
            Frame::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }

    fn as_frame(&self) -> Frame<'_> {
        match self {
            Self::Text(bytes) => Frame::Text(bytes),
            Self::Binary(bytes) => Frame::Binary(bytes),
        }
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

fn pattern(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn frame(frame: &Value) -> Owned {
    if let Some(text) = frame["text"].as_str() {
        return Owned::Text(text.as_bytes().to_vec());
    }
    let pieces = frame["binary"].as_array().expect("pieces").iter();
    let piece = |piece: &Value| match piece.as_str() {
        Some(digits) => unhex(digits),
        None => pattern(piece[0].as_u64().unwrap(), piece[1].as_u64().unwrap()),
    };
    Owned::Binary(pieces.flat_map(piece).collect())
}

fn golden() -> Vec<Golden> {
    let all: Vec<Value> = serde_json::from_str(GOLDEN).expect("JSON");
    let golden = all.iter().map(|it| {
        let (library, serialization) = (text(&it["library"]), text(&it["serialization"]));
        let dialect = match library.as_str() {
            "peerjs 1.5.5" => Dialect::PeerJs,
            "skyway-js 4.4.5" => Dialect::SkyWay,
            other => panic!("{other}"),
        };
        let payload = it["payload"].clone();
        Golden {
            name: format!("{library} {serialization} {payload}"),
            serialization: Serialization::parse(dialect, &serialization).expect("a known name"),
            kind: text(&it["kind"]),
            payload,
            frames: it["frames"].as_array().unwrap().iter().map(frame).collect(),
            reads: it["reads"].as_bool().unwrap(),
        }
    });
    golden.collect()
}

/// Both as JSON: a number may be written in several ways.
fn assert_same_json(ours: &str, theirs: &str, name: &str) {
    fn with_doubles(value: &mut Value) {
        match value {
            Value::Number(number) => *value = Value::from(number.as_f64().unwrap()),
            Value::Array(items) => items.iter_mut().for_each(with_doubles),
            Value::Object(entries) => entries.values_mut().for_each(with_doubles),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    let mut both = [ours, theirs].map(|text| serde_json::from_str(text).expect("JSON"));
    both.iter_mut().for_each(with_doubles);
    assert_eq!(both[0], both[1], "{name}: {ours}");
}

fn check_decoded(it: &Golden, decoded: Decoded<'_>) {
    let name = &it.name;
    let payload = match decoded {
        Decoded::Payload(payload) => payload,
        Decoded::Close => return assert_eq!(it.payload["close"], true, "{name}"),
    };
    match (&it.payload, payload) {
        (expected, Payload::Text(text)) if expected["text"].is_string() => {
            assert_eq!(text, expected["text"], "{name}");
        }
        (expected, Payload::Text(text)) if expected["repeat"].is_array() => {
            assert_eq!(text, repeated(expected), "{name}");
        }
        (expected, Payload::Text(text)) if expected["json"].is_string() => {
            assert_same_json(text, expected["json"].as_str().unwrap(), name);
        }
        (expected, Payload::Bytes(bytes)) if expected["bytes"].is_string() => {
            assert_eq!(bytes, unhex(expected["bytes"].as_str().unwrap()), "{name}");
        }
        (expected, Payload::Bytes(bytes)) => {
            let len = expected["pattern"].as_u64().expect("bytes");
            assert_eq!(bytes, pattern(0, len), "{name}");
        }
        (_, other) => panic!("{name}: {other:?}"),
    }
}

fn repeated(payload: &Value) -> String {
    let times = payload["repeat"][1].as_u64().unwrap();
    let text = payload["repeat"][0].as_str().unwrap();
    text.repeat(usize::try_from(times).unwrap())
}

#[test]
fn what_the_libraries_send_is_understood_in_any_order() {
    let mut in_parts = 0;
    for it in golden() {
        let mut orders = vec![it.frames.clone(), it.frames.clone()];
        orders[1].reverse();
        let mut codec = Codec::new(it.serialization, Bounds::default());
        for order in orders {
            let (last, others) = order.split_last().expect("a frame");
            for frame in others {
                let decoded = codec.decode(frame.as_frame());
                assert_eq!(decoded, Ok(None), "{}", it.name);
                in_parts += 1;
            }
            let decoded = codec.decode(last.as_frame());
            check_decoded(&it, decoded.expect("is understood").expect("is complete"));
            assert_eq!(codec.held(), 0);
        }
    }
    assert!(in_parts > 20);
}

#[test]
fn what_we_send_is_what_the_libraries_send() {
    let mut compared = 0;
    for it in golden() {
        let expected = &it.payload;
        // A page has other values, too. And some it sends in vain.
        if !["String", "ArrayBuffer"].contains(&it.kind.as_str()) || !it.reads {
            continue;
        }
        let text = match expected["repeat"].is_array() {
            true => Some(repeated(expected)),
            false => expected["text"].as_str().map(str::to_owned),
        };
        let bytes = match expected["pattern"].as_u64() {
            Some(len) => pattern(0, len),
            None => unhex(expected["bytes"].as_str().unwrap_or_default()),
        };
        let payload = match &text {
            Some(text) => Payload::Text(text),
            None => Payload::Bytes(&bytes),
        };
        let mut codec = Codec::new(it.serialization, Bounds::default());
        let mut frames = Vec::new();
        let sent = codec.encode(payload, &mut |frame| frames.push(Owned::of(frame)));
        assert_eq!(sent, Ok(()), "{}", it.name);
        let theirs: Vec<_> = it
            .frames
            .iter()
            .map(|frame| anonymous(&it, frame))
            .collect();
        let ours: Vec<_> = frames.iter().map(|frame| anonymous(&it, frame)).collect();
        assert_eq!(ours.len(), theirs.len(), "{}", it.name);
        assert!(ours == theirs, "{}", it.name);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

/// SkyWay-JS calls each message as it likes.
fn anonymous(it: &Golden, frame: &Owned) -> Owned {
    let mut frame = frame.clone();
    if let (Serialization::SkyWayBinary, Owned::Binary(bytes)) = (it.serialization, &mut frame) {
        assert_eq!(bytes[1..7], *b"\xb2id\xd8\x00\x10", "{}", it.name);
        bytes[7..23].fill(b'-');
    }
    frame
}

#[test]
fn every_value_is_packed_as_by_the_library() {
    let bounds = binarypack::Bounds {
        depth: 8,
        elements: 100,
        size: 100_000,
    };
    let mut packed = 0;
    for it in golden() {
        if it.serialization != Serialization::PeerJsBinary {
            continue;
        }
        for frame in &it.frames {
            let Owned::Binary(theirs) = frame else {
                panic!("{}: a text frame", it.name);
            };
            let value = binarypack::decode(theirs, &bounds).expect("BinaryPack");
            let mut ours = Vec::new();
            assert_eq!(binarypack::encode(&value, &bounds, &mut ours), Ok(()));
            assert!(ours == *theirs, "{}: {value:?}", it.name);
            packed += 1;
        }
    }
    assert!(packed > 30);
}
