//! Payloads: the receiver gets what was sent, whatever the order of the frames, and no bytes cause a panic.

use proptest::prelude::*;
use thingway::testing::payload::binarypack::{self, Value};
use thingway::testing::payload::{Bounds, Codec, Decoded, Dropped, Frame, Payload, Serialization};

const ALL: [Serialization; 5] = [
    Serialization::Raw,
    Serialization::PeerJsJson,
    Serialization::PeerJsBinary,
    Serialization::SkyWayJson,
    Serialization::SkyWayBinary,
];

const BOUNDS: binarypack::Bounds = binarypack::Bounds {
    depth: 8,
    elements: 1_000,
    size: 100_000,
};

/// The words in the objects of the libraries.
const WORDS: &[&[u8]] = &[
    b"\xba__peerData",
    b"\xb1n",
    b"\xb5total",
    b"\xb4data",
    b"\xb4type",
    b"\xb5close",
    b"\xb2id",
    b"\xb1x",
    b"\xb4size",
    b"\xbatotalParts",
    b"\xb5index",
    b"\xa1.",
];

fn a_serialization() -> impl Strategy<Value = Serialization> {
    prop::sample::select(ALL.as_slice())
}

/// Returns a value in the form in which it is read.
fn a_value() -> impl Strategy<Value = Value> {
    let has_a_fraction = |number: &f64| number.is_finite() && number.fract() != 0.0;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::Unsigned),
        (0..70_000_u64).prop_map(Value::Unsigned),
        (i64::MIN..0).prop_map(Value::Signed),
        (-70_000..0_i64).prop_map(Value::Signed),
        any::<f64>()
            .prop_filter("it is an integer", has_a_fraction)
            .prop_map(Value::Float),
        ".{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(6, 200, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            prop::collection::vec((".{0,17}", inner), 0..20).prop_map(Value::Map),
        ]
    })
}

/// Returns bytes of which many have a meaning in BinaryPack.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => any::<u8>().prop_map(|byte| vec![byte]),
        4 => (0..4_u8).prop_map(|byte| vec![byte]),
        2 => (0x80..=0xbf_u8).prop_map(|byte| vec![byte]),
        2 => prop::sample::select(WORDS)
        .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Returns an owned payload: text, or bytes.
fn a_payload() -> impl Strategy<Value = (bool, Vec<u8>)> {
    prop_oneof![
        ".{0,40}".prop_map(|text| (true, text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| (false, bytes)),
        (0..70_000_usize, any::<u8>()).prop_map(|(len, byte)| (false, vec![byte; len])),
        (0..20_000_usize).prop_map(|len| (true, "a\u{1f600}".repeat(len).into_bytes())),
    ]
}

fn borrow(payload: &(bool, Vec<u8>)) -> Payload<'_> {
    match payload {
        (true, text) => Payload::Text(std::str::from_utf8(text).unwrap()),
        (false, bytes) => Payload::Bytes(bytes),
    }
}

/// A frame that owns its bytes: whether it is text, and the bytes.
type Owned = (bool, Vec<u8>);

fn frame(frame: &Owned) -> Frame<'_> {
    match frame {
        (true, text) => Frame::Text(text),
        (false, bytes) => Frame::Binary(bytes),
    }
}

fn send(codec: &mut Codec, payload: Payload<'_>) -> Vec<Owned> {
    let mut frames = Vec::new();
    let sent = codec.encode(payload, &mut |frame| {
        frames.push(match frame {
            Frame::Text(bytes) => (true, bytes.to_vec()),
            Frame::Binary(bytes) => (false, bytes.to_vec()),
        });
    });
    assert_eq!(sent.is_ok(), !frames.is_empty());
    frames
}

proptest! {
    #[test]
    fn a_value_comes_back(value in a_value()) {
        let mut wire = Vec::new();
        prop_assert_eq!(binarypack::encode(&value, &BOUNDS, &mut wire), Ok(()));
        let again = binarypack::decode(&wire, &BOUNDS);
        prop_assert_eq!(again, Ok(value));
        // A missing end is always noticed.
        for len in 0..wire.len() {
            let whole = binarypack::decode(&wire[..len], &BOUNDS);
            prop_assert!(whole.is_err(), "{} of {}", len, wire.len());
        }
    }

    #[test]
    fn a_payload_comes_back(serialization in a_serialization(), payload in a_payload()) {
        let mut page = Codec::new(serialization, Bounds::default());
        let mut us = Codec::new(serialization, Bounds::default());
        for frame in send(&mut us, borrow(&payload)) {
            match page.decode(self::frame(&frame)) {
                Ok(Some(Decoded::Payload(received))) => {
                    prop_assert!(received.as_bytes() == payload.1);
                    let is_text = matches!(received, Payload::Text(_));
                    let is_json = matches!(
                        serialization, Serialization::PeerJsJson | Serialization::SkyWayJson);
                    prop_assert_eq!(is_text, payload.0 || is_json);
                }
                Ok(None) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!((page.held(), page.dropped()), (0, Dropped::default()));
    }

    /// Checks frames in any order, because PeerJS opens unordered channels.
    #[test]
    fn frames_of_several_payloads_come_in_any_order(
        peerjs in any::<bool>(),
        lens in prop::collection::vec(0..60_000_usize, 1..6),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
    ) {
        let serialization = match peerjs {
            true => Serialization::PeerJsBinary,
            false => Serialization::SkyWayBinary,
        };
        let mut us = Codec::new(serialization, Bounds::default());
        let mut page = Codec::new(serialization, Bounds::default());
        let payloads: Vec<Vec<u8>> = lens
            .iter()
            .zip(0..)
            .map(|(len, first)| (0..=252).cycle().take(*len).map(|it: u8| it ^ first).collect())
            .collect();
        let mut frames: Vec<Owned> = payloads
            .iter()
            .flat_map(|payload| send(&mut us, Payload::Bytes(payload)))
            .collect();
        for (one, two) in swaps {
            let (one, two) = (one.index(frames.len()), two.index(frames.len()));
            frames.swap(one, two);
        }
        let mut received = Vec::new();
        for frame in &frames {
            match page.decode(self::frame(frame)) {
                Ok(Some(Decoded::Payload(payload))) => received.push(payload.as_bytes().to_vec()),
                Ok(None) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        let mut payloads = payloads;
        payloads.sort();
        received.sort();
        prop_assert!(received == payloads);
        prop_assert_eq!((page.held(), page.dropped()), (0, Dropped::default()));
    }

    #[test]
    fn no_frame_is_a_panic(
        serialization in a_serialization(),
        frames in prop::collection::vec((any::<bool>(), rubbish()), 1..20),
    ) {
        let bounds = Bounds { message: 40, held: 60, groups: 3 };
        let mut codec = Codec::new(serialization, bounds);
        for it in &frames {
            if let Err(error) = codec.decode(frame(it)) {
                prop_assert!(!error.to_string().is_empty());
            }
            prop_assert!(codec.held() <= 60 + 5);
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in rubbish()) {
        match binarypack::decode(&bytes, &BOUNDS) {
            Ok(value) => {
                let mut wire = Vec::new();
                prop_assert_eq!(binarypack::encode(&value, &BOUNDS, &mut wire), Ok(()));
                // Our encodings are the shortest, except that a number of four bytes has eight.
                prop_assert!(wire.len() <= 2 * bytes.len());
            }
            Err(error) => prop_assert!(error.offset <= bytes.len(), "{}", error),
        }
    }
}
