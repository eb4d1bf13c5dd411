//! Tests of single packets.

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::Revision;
use super::super::packet::*;

/// Returns the content of a packet, in one line.
fn read(revision: Revision, packet: &str) -> Result<String, PacketError> {
    let Packet { namespace, content } = Packet::parse(revision, packet)?;
    let list = |arguments: Vec<&RawValue>| {
        let texts: Vec<&str> = arguments.iter().map(|it| it.get()).collect();
        texts.join(" ")
    };
    Ok(match content {
        Content::Connect(auth) => format!("{namespace} connect {auth:?}"),
        Content::Disconnect => format!("{namespace} disconnect"),
        Content::Event {
            name,
            arguments,
            ack,
        } => format!("{namespace} event {name} {ack:?} {}", list(arguments)),
        Content::Ack { id, arguments } => format!("{namespace} ack {id} {}", list(arguments)),
        Content::ConnectError { message } => format!("{namespace} error {message}"),
    })
}

#[test]
fn engine_packets_read_as_they_are_written() {
    for (text, packet) in [
        ("0{}", EnginePacket::Open("{}")),
        ("1", EnginePacket::Close),
        ("2", EnginePacket::Ping("")),
        ("2probe", EnginePacket::Ping("probe")),
        ("3probe", EnginePacket::Pong("probe")),
        ("42[\"a\"]", EnginePacket::Message("2[\"a\"]")),
        ("5", EnginePacket::Upgrade),
        ("6", EnginePacket::Noop),
    ] {
        assert_eq!(EnginePacket::parse(text), Ok(packet));
        assert_eq!(packet.to_string(), text);
    }
    for (text, error) in [
        ("", PacketError::Empty),
        ("7", PacketError::Kind('7')),
        ("\u{1f600}", PacketError::Kind('\u{1f600}')),
        ("bAAEC", PacketError::Binary),
        ("b4AAEC", PacketError::Binary),
    ] {
        assert_eq!(EnginePacket::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn packets_of_both_revisions() {
    for (packet, said) in [
        ("0", "/ connect None"),
        ("0/chat", "/chat connect None"),
        ("0/chat?token=a", "/chat connect None"),
        ("1", "/ disconnect"),
        ("1/chat,", "/chat disconnect"),
        ("2[\"list hosts\"]", "/ event list hosts None "),
        (
            "20[\"create host\",\"room1\"]",
            "/ event create host Some(0) \"room1\"",
        ),
        (
            "2/chat,12[\"a\\n\",{\"b\": [1, 2]}, null]",
            "/chat event a\n Some(12) {\"b\": [1, 2]} null",
        ),
        ("2[\"a\",\"\\ud800\"]", "/ event a None \"\\ud800\""),
        ("30[{\"status\":200}]", "/ ack 0 {\"status\":200}"),
        ("37[]", "/ ack 7 "),
    ] {
        for revision in [Revision::Three, Revision::Four] {
            assert_eq!(read(revision, packet).as_deref(), Ok(said));
        }
    }
    assert_eq!(
        read(Revision::Three, "4\"no\"").as_deref(),
        Ok("/ error no")
    );
    assert_eq!(
        read(Revision::Four, "4/chat,{\"message\":\"no\"}").as_deref(),
        Ok("/chat error no")
    );
    let with_auth = Packet::parse(Revision::Four, "0{\"token\":1}").unwrap();
    let Content::Connect(Some(auth)) = with_auth.content else {
        panic!("no auth in {with_auth:?}");
    };
    assert_eq!(auth.get(), "{\"token\":1}");
}

#[test]
fn malformed_packets() {
    let long = format!("0/{}", "a".repeat(128));
    for (packet, error) in [
        ("", PacketError::Empty),
        ("7", PacketError::Kind('7')),
        (
            "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
            PacketError::Binary,
        ),
        ("61-0[]", PacketError::Binary),
        (long.as_str(), PacketError::Namespace),
        ("0/a\u{1e}b", PacketError::Namespace),
        ("0[]", PacketError::Json),
        ("0x", PacketError::Json),
        ("1x", PacketError::Json),
        ("2", PacketError::Json),
        ("2[]", PacketError::Name),
        ("2[1]", PacketError::Name),
        ("2[\"a\"", PacketError::Json),
        ("2[\"a\"]x", PacketError::Json),
        ("2{\"a\":1}", PacketError::Json),
        ("299999999999999999999[\"a\"]", PacketError::Number),
        ("3[]", PacketError::Number),
        ("4", PacketError::Json),
    ] {
        for revision in [Revision::Three, Revision::Four] {
            assert_eq!(read(revision, packet), Err(error), "{packet:?}");
        }
    }
}

#[test]
fn packets_are_written_as_servers_do() {
    let none: [Value; 0] = [];
    let message = json!({ "from": "b" });
    assert_eq!(
        event("message", &[&message], None).unwrap(),
        "42[\"message\",{\"from\":\"b\"}]"
    );
    assert_eq!(event("PING", &none, None).unwrap(), "42[\"PING\"]");
    assert_eq!(event("a", &["b"], Some(3)).unwrap(), "423[\"a\",\"b\"]");
    let answer = json!({ "status": 200 });
    assert_eq!(ack(0, &[answer]).unwrap(), "430[{\"status\":200}]");
    assert_eq!(connect(Revision::Three, "s"), "40");
    assert_eq!(connect(Revision::Four, "s"), "40{\"sid\":\"s\"}");
    assert_eq!(connect_error(Revision::Three, "/a", "no"), "44/a,\"no\"");
    assert_eq!(
        connect_error(Revision::Four, "/", "no"),
        "44{\"message\":\"no\"}"
    );
}

proptest! {
    #[test]
    fn events_come_back(name in ".{0,8}", arguments in prop::collection::vec(".{0,8}", 0..4),
                        id in prop::option::of(any::<u64>())) {
        let written = event(&name, &arguments, id).unwrap();
        let message = written.strip_prefix('4').unwrap();
        for revision in [Revision::Three, Revision::Four] {
            let Content::Event { name: read, arguments: values, ack } =
                Packet::parse(revision, message).unwrap().content else { panic!("no event") };
            prop_assert_eq!(&read, &name);
            prop_assert_eq!(ack, id);
            let texts: Vec<String> =
                values.iter().map(|it| serde_json::from_str(it.get()).unwrap()).collect();
            prop_assert_eq!(&texts, &arguments);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-6b][-0-9/,?\\[\\]{}\":a\\\\\\PC]{0,32}") {
        for revision in [Revision::Three, Revision::Four] {
            if let Ok(EnginePacket::Message(text)) = EnginePacket::parse(&text) {
                drop(Packet::parse(revision, text));
            }
            drop(Packet::parse(revision, &text));
        }
    }
}
