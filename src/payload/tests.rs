//! Tests that hold for all serializations, and frames that no library makes.

use super::*;

const ALL: [Serialization; 5] = [
    Serialization::Raw,
    Serialization::PeerJsJson,
    Serialization::PeerJsBinary,
    Serialization::SkyWayJson,
    Serialization::SkyWayBinary,
];

/// Returns the bytes of the frames for a payload.
fn frames(codec: &mut Codec, payload: Payload<'_>) -> Result<Vec<Vec<u8>>, EncodeError> {
    let mut frames = Vec::new();
    codec.encode(payload, &mut |frame| {
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
        frames.push(bytes.to_vec());
    })?;
    Ok(frames)
}

fn codec(serialization: Serialization) -> Codec {
    Codec::new(serialization, Bounds::default())
}

/// Returns what a device receives from a frame.
fn device(codec: &mut Codec, frame: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let decoded = codec.decode(Frame::Binary(frame))?;
    Ok(decoded.map(|decoded| match decoded {
        Decoded::Payload(payload) => payload.as_bytes().to_vec(),
        Decoded::Close => b"closed".to_vec(),
    }))
}

#[test]
fn names_are_those_of_both_dialects_in_any_case() {
    use Dialect::{PeerJs, SkyWay};
    for (dialect, name, serialization) in [
        (PeerJs, "raw", Serialization::Raw),
        (PeerJs, "json", Serialization::PeerJsJson),
        (PeerJs, "binary", Serialization::PeerJsBinary),
        (PeerJs, "binary-utf8", Serialization::PeerJsBinary),
        (PeerJs, "default", Serialization::PeerJsBinary),
        (SkyWay, "none", Serialization::Raw),
        (SkyWay, "json", Serialization::SkyWayJson),
        (SkyWay, "binary", Serialization::SkyWayBinary),
        (SkyWay, "binary-utf8", Serialization::SkyWayBinary),
        (SkyWay, "BINARY_UTF8", Serialization::SkyWayBinary),
    ] {
        assert_eq!(Serialization::parse(dialect, name), Ok(serialization));
        let upper = name.to_uppercase();
        assert_eq!(Serialization::parse(dialect, &upper), Ok(serialization));
        let again = Serialization::parse(dialect, serialization.name(dialect));
        assert_eq!(again, Ok(serialization));
    }
    for (dialect, name) in [
        (PeerJs, "none"),
        (SkyWay, "raw"),
        (PeerJs, "MsgPack"),
        (SkyWay, ""),
    ] {
        assert_eq!(Serialization::parse(dialect, name), Err(Unknown));
    }
}

#[test]
fn each_has_a_namesake_in_the_other_dialect() {
    for serialization in ALL {
        for dialect in [Dialect::PeerJs, Dialect::SkyWay] {
            let name = serialization.name(dialect);
            assert_eq!(
                Ok(serialization.of(dialect)),
                Serialization::parse(dialect, name)
            );
        }
    }
}

#[test]
fn raw_is_handed_on_where_it_lies() {
    let mut codec = codec(Serialization::Raw);
    for frame in [Frame::Text(b"text"), Frame::Binary(b"\xff\x00")] {
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
        let Ok(Some(Decoded::Payload(payload))) = codec.decode(frame) else {
            panic!("{frame:?}");
        };
        assert_eq!(payload.as_bytes().as_ptr(), bytes.as_ptr());
        let mut sent = 0;
        let send = &mut |again: Frame<'_>| {
            assert_eq!(again, frame);
            sent += 1;
        };
        let payload = match frame {
            Frame::Text(_) => Payload::Text("text"),
            Frame::Binary(bytes) => Payload::Bytes(bytes),
        };
        assert_eq!(codec.encode(payload, send), Ok(()));
        assert_eq!(sent, 1);
    }
    let bad = codec.decode(Frame::Text(b"ok\xff"));
    assert_eq!(bad, Err(DecodeError::NotUtf8 { valid: 2 }));
}

#[test]
fn a_binary_that_is_whole_is_handed_on_where_it_lies() {
    for serialization in [Serialization::PeerJsBinary, Serialization::SkyWayBinary] {
        let mut codec = codec(serialization);
        for payload in [Payload::Bytes(b"bytes"), Payload::Text("text")] {
            let sent = frames(&mut codec, payload).unwrap();
            let decoded = codec.decode(Frame::Binary(&sent[0]));
            let Ok(Some(Decoded::Payload(received))) = decoded else {
                panic!("{decoded:?}");
            };
            assert_eq!(received, payload);
            assert!(
                sent[0]
                    .as_ptr_range()
                    .contains(&received.as_bytes().as_ptr())
            );
        }
    }
}

#[test]
fn what_is_too_long_is_refused_and_nothing_is_sent() {
    let longest = [65_536, 16_297, 262_144, 65_534, 262_144];
    for (serialization, longest) in ALL.into_iter().zip(longest) {
        let mut codec = codec(serialization);
        let text = "x".repeat(longest + 1);
        let sent = frames(&mut codec, Payload::Text(&text[1..])).unwrap();
        assert!(sent.iter().all(|frame| frame.len() <= limits::MAX_MESSAGE));
        let mut received = None;
        for frame in &sent {
            received = device(&mut codec, frame).unwrap();
        }
        assert!(received.as_deref() == Some(&text.as_bytes()[1..]));
        let refused = frames(&mut codec, Payload::Text(&text));
        assert!(
            matches!(refused, Err(EncodeError::TooLong { .. })),
            "{serialization:?}"
        );
    }
    let refused = frames(
        &mut codec(Serialization::PeerJsJson),
        Payload::Bytes(&[b'"'; 9000]),
    );
    let longest = EncodeError::TooLong { longest: 16_299 };
    assert_eq!(refused, Err(longest));
    assert_eq!(
        longest.to_string(),
        "the serialization takes at most 16299 bytes"
    );
}

#[test]
fn json_takes_text_alone() {
    for serialization in [Serialization::PeerJsJson, Serialization::SkyWayJson] {
        let mut codec = codec(serialization);
        let text = frames(&mut codec, Payload::Bytes("grüße".as_bytes()));
        assert_eq!(text, Ok(vec!["\"grüße\"".as_bytes().to_vec()]));
        let bytes = frames(&mut codec, Payload::Bytes(b"ab\xff"));
        assert_eq!(bytes, Err(EncodeError::NotUtf8 { valid: 2 }));
    }
}

#[test]
fn json_that_is_no_string_is_passed_on_as_it_was_written() {
    let mut codec = codec(Serialization::SkyWayJson);
    for (document, text) in [
        (&br#" "a\n\u00e9" "#[..], "a\n\u{e9}"),
        (br#"{ "a" : 1 }"#, r#"{ "a" : 1 }"#),
        (b" 1.50\n", "1.50"),
        (b"null", "null"),
    ] {
        let got = device(&mut codec, document);
        assert_eq!(got, Ok(Some(text.as_bytes().to_vec())));
    }
    let close = br#"{"__peerData":{"type":"close"}}"#;
    assert_eq!(
        device(&mut codec, close),
        Ok(Some(close.to_vec())),
        "is PeerJS'"
    );
    for (document, line, column) in [(&b"{\n\"a\":}"[..], 2, 5), (b"", 1, 0), (b"1 2", 1, 3)] {
        assert_eq!(
            device(&mut codec, document),
            Err(DecodeError::Json { line, column })
        );
    }
}

#[test]
fn half_an_emoji_in_a_string_is_a_replacement_character() {
    for serialization in [Serialization::SkyWayJson, Serialization::PeerJsJson] {
        let got = device(&mut codec(serialization), br#""half \ud83d""#);
        assert_eq!(got, Ok(Some("half \u{fffd}".as_bytes().to_vec())));
    }
}

#[test]
fn peerjs_closes_in_the_channel() {
    let mut json = codec(Serialization::PeerJsJson);
    let mut binary = codec(Serialization::PeerJsBinary);
    for close in [
        &br#"{"__peerData":{"type":"close"}}"#[..],
        br#"{"more":[1],"__peerData":{"more":{},"type":"close"}}"#,
    ] {
        assert_eq!(json.decode(Frame::Binary(close)), Ok(Some(Decoded::Close)));
    }
    for other in [
        &br#"{"__peerData":{"type":"other"}}"#[..],
        br#"{"__peerData":null}"#,
        br#"{"__peerData":["close"]}"#,
        br#"[{"type":"close"},"__peerData"]"#,
        br#"["__peerData"]"#,
    ] {
        assert_eq!(device(&mut json, other), Ok(Some(other.to_vec())));
    }
    let quoted = br#""{\"__peerData\":{\"type\":\"close\"}}""#;
    let text = br#"{"__peerData":{"type":"close"}}"#;
    assert_eq!(
        device(&mut json, quoted),
        Ok(Some(text.to_vec())),
        "a string"
    );
    let close = b"\x81\xba__peerData\x81\xb4type\xb5close";
    assert_eq!(
        binary.decode(Frame::Binary(close)),
        Ok(Some(Decoded::Close))
    );
    let other = b"\x81\xba__peerData\x81\xb4type\xb5other";
    assert!(matches!(
        device(&mut binary, other),
        Err(DecodeError::Part(_))
    ));
    // PeerJS ignores a `__peerData` of null.
    let other = b"\x81\xba__peerData\xc0";
    let text = br#"{"__peerData":null}"#;
    assert_eq!(device(&mut binary, other), Ok(Some(text.to_vec())));
}

#[test]
fn each_long_message_has_a_number_of_its_own() {
    for serialization in [Serialization::PeerJsBinary, Serialization::SkyWayBinary] {
        let mut codec = codec(serialization);
        let (one, two) = ([1; 20_000], [2; 20_000]);
        let first = frames(&mut codec, Payload::Bytes(&one)).unwrap();
        let second = frames(&mut codec, Payload::Bytes(&two)).unwrap();
        assert_eq!(device(&mut codec, &first[0]), Ok(None));
        assert_eq!(device(&mut codec, &second[1]), Ok(None));
        assert!(codec.held() > 16_000);
        assert_eq!(device(&mut codec, &first[1]), Ok(Some(one.to_vec())));
        assert_eq!(device(&mut codec, &second[0]), Ok(Some(two.to_vec())));
        assert_eq!((codec.held(), codec.dropped()), (0, Dropped::default()));
    }
}

#[test]
fn unfinished_messages_are_bounded_and_counted() {
    for serialization in [Serialization::PeerJsBinary, Serialization::SkyWayBinary] {
        let mut codec = codec(serialization);
        for _ in 0..20 {
            let sent = frames(&mut codec, Payload::Bytes(&[0; 200_000])).unwrap();
            for frame in &sent[1..] {
                assert_eq!(device(&mut codec, frame), Ok(None));
                assert!(codec.held() <= limits::PAYLOAD_PARTS + packed::HEADER);
            }
        }
        assert_eq!(codec.dropped().messages, 18);
        assert!(codec.dropped().bytes > 18 * 180_000);
    }
}

#[test]
fn there_is_room_for_one_message_at_least() {
    let bounds = Bounds {
        message: 20_000,
        held: 0,
        groups: 0,
    };
    for serialization in [Serialization::PeerJsBinary, Serialization::SkyWayBinary] {
        let mut codec = Codec::new(serialization, bounds);
        let sent = frames(&mut codec, Payload::Bytes(&[1; 20_000])).unwrap();
        assert_eq!(device(&mut codec, &sent[1]), Ok(None));
        assert_eq!(device(&mut codec, &sent[0]), Ok(Some(vec![1; 20_000])));
    }
}

#[test]
fn a_binary_channel_has_no_text_frames() {
    for serialization in [Serialization::PeerJsBinary, Serialization::SkyWayBinary] {
        let text = codec(serialization).decode(Frame::Text(b"\x01")).err();
        assert_eq!(text, Some(DecodeError::TextFrame));
    }
}

#[test]
fn a_part_that_makes_no_sense_is_said_to() {
    let mut peerjs = codec(Serialization::PeerJsBinary);
    for frame in [
        &b"\x81\xba__peerData\x01"[..],
        b"\x84\xba__peerData\x01\xb1n\x00\xb4data\xa1a\xb5total\x00",
        b"\x84\xba__peerData\x01\xb1n\x02\xb4data\xa1a\xb5total\x02",
        b"\x84\xba__peerData\x01\xb1n\x00\xb4data\xb1a\xb5total\x02",
        b"\x84\xba__peerData\xb1x\xb1n\x00\xb4data\xa1a\xb5total\x02",
        // A message of one part, which is the beginning of another message.
        b"\x84\xba__peerData\x01\xb1n\x00\xb5total\x01\xb4data\xda\x00\x1e\
          \x84\xba__peerData\x01\xb1n\x00\xb5total\x02\xb4data\xa1a",
    ] {
        let got = device(&mut peerjs, frame);
        assert!(matches!(got, Err(DecodeError::Part(_))), "{got:?}");
    }
    let mut skyway = codec(Serialization::SkyWayBinary);
    for frame in [
        &b"\xb3hey"[..],
        b"\x85\xb2id\xb1x\xb4size\x09\xbatotalParts\x01\xb5index\x00\xb4data\xa2\xb1a",
        b"\x84\xb2id\xb1x\xb4size\x02\xbatotalParts\x01\xb5index\x00",
        b"\x85\xb2id\xb1x\xb4size\x02\xbatotalParts\x01\xb5index\x01\xb4data\xa2\xb1a",
    ] {
        let got = device(&mut skyway, frame);
        assert!(matches!(got, Err(DecodeError::Part(_))), "{got:?}");
    }
    let huge =
        b"\x85\xb2id\xb1x\xb4size\xce\x7f\xff\xff\xff\xbatotalParts\x09\xb5index\x01\xb4data\xa1a";
    let longest = 256 * 1024;
    assert_eq!(
        device(&mut skyway, huge),
        Err(DecodeError::TooLong { longest })
    );
    assert_eq!((peerjs.held(), skyway.held()), (0, 0));
}

#[test]
fn a_wide_character_of_skyway_is_read_as_it_is_sent_and_as_it_is_meant() {
    let mut codec = codec(Serialization::SkyWayBinary);
    let envelope = |packed: &[u8]| {
        let head = b"\x85\xb2id\xb1x\xbatotalParts\x01\xb5index\x00\xb4size".as_slice();
        let len = packed.len() as u8;
        [head, &[len], b"\xb4data", &[0xa0 | len], packed].concat()
    };
    let wide = "\u{1f600}a".as_bytes().to_vec();
    // What the page sends, what another gateway sends, and what is right.
    for packed in [
        &b"\xb7\xf0\x9f\x98\x80a"[..],
        b"\xb7\xed\xa0\xbd\xed\xb8\x80a",
        b"\xb5\xf0\x9f\x98\x80a",
    ] {
        assert_eq!(
            device(&mut codec, &envelope(packed)),
            Ok(Some(wide.clone()))
        );
    }
    for packed in [
        &b"\xb6\xf0\x9f\x98\x80a"[..],
        b"\xb8\xf0\x9f\x98\x80a",
        b"\xb2a",
    ] {
        let got = device(&mut codec, &envelope(packed));
        assert!(matches!(got, Err(DecodeError::Pack(_))), "{got:?}");
    }
}
