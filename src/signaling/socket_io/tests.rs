//! What clients of both revisions do, and what no client does.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::packet::PacketError;
use super::polling::{Packets, PayloadError};
use super::request::Refusal;
use super::*;

const SID: &str = "abcdefghijklmnopqrst";
const SOCKET: &str = "ABCDEFGHIJKLMNOPQRST";
const SECOND: Duration = Duration::from_secs(1);
const NOTHING: [Value; 0] = [];

fn start() -> Instant {
    Instant::now()
}

fn session(now: Instant, revision: Revision, transport: Transport) -> Session {
    let settings = Settings::new(revision);
    Session::new(now, revision, transport, SID, SOCKET, settings)
}

/// One of revision 4 that polls and is connected, with nothing left to be said.
fn connected(now: Instant) -> Session {
    let mut session = session(now, Revision::Four, Transport::Polling);
    get(&mut session).unwrap();
    session.handle_post(now, b"40").unwrap();
    get(&mut session).unwrap();
    assert_eq!(events(&mut session), ["connected"]);
    session
}

/// The same with a WebSocket from the beginning.
fn connected_by_websocket(now: Instant) -> Session {
    let mut session = session(now, Revision::Four, Transport::WebSocket);
    session.handle_websocket_message(now, "40");
    frames(&mut session);
    assert_eq!(events(&mut session), ["connected"]);
    session
}

/// What a GET gives at once.
fn get(session: &mut Session) -> Option<String> {
    session.handle_poll().unwrap();
    session.poll_answer()
}

fn frames(session: &mut Session) -> Vec<String> {
    let frame = || session.poll_frame();
    let text = |frame| match frame {
        Frame::Text(text) => text,
        Frame::Close => "close".to_owned(),
    };
    std::iter::from_fn(frame).map(text).collect()
}

fn events(session: &mut Session) -> Vec<String> {
    let event = || session.poll_event();
    let text = |event| match event {
        Event::Connected => "connected".to_owned(),
        Event::Received {
            name,
            arguments,
            ack,
        } => {
            let arguments: Vec<&str> = arguments.iter().map(|it| it.get()).collect();
            format!("{name} {ack:?} {}", arguments.join(" "))
        }
        Event::Closed { reason } => format!("closed {reason:?}"),
    };
    std::iter::from_fn(event).map(text).collect()
}

fn closed(session: &mut Session) -> Option<Reason> {
    std::iter::from_fn(|| session.poll_event()).find_map(|event| match event {
        Event::Closed { reason } => Some(reason),
        Event::Connected | Event::Received { .. } => None,
    })
}

#[test]
fn the_first_get_of_each_revision() {
    let mut four = session(start(), Revision::Four, Transport::Polling);
    let open = format!(
        r#"0{{"sid":"{SID}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}}"#
    );
    assert_eq!(get(&mut four), Some(open));
    assert!(events(&mut four).is_empty());

    let mut three = session(start(), Revision::Three, Transport::Polling);
    let open = format!(
        r#"96:0{{"sid":"{SID}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":5000}}2:40"#
    );
    assert_eq!(get(&mut three), Some(open));
    assert_eq!(events(&mut three), ["connected"]);
    assert_eq!((three.sid(), three.socket()), (SID, SID));
}

#[test]
fn a_websocket_from_the_beginning() {
    let mut four = session(start(), Revision::Four, Transport::WebSocket);
    let open = format!(
        r#"0{{"sid":"{SID}","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}}"#
    );
    assert_eq!(frames(&mut four), [open]);
    four.handle_websocket_message(start(), r#"40{"token":"x"}"#);
    assert_eq!(frames(&mut four), [format!(r#"40{{"sid":"{SOCKET}"}}"#)]);
    assert_eq!(events(&mut four), ["connected"]);
    assert_eq!(four.socket(), SOCKET);

    let mut three = session(start(), Revision::Three, Transport::WebSocket);
    let open =
        format!(r#"0{{"sid":"{SID}","upgrades":[],"pingInterval":25000,"pingTimeout":5000}}"#);
    assert_eq!(frames(&mut three), [open, "40".to_owned()]);
    assert_eq!(three.handle_poll(), Err(Refusal::Request));
    let refused = three.handle_websocket_opened(start());
    assert_eq!(refused, Err(Refusal::Request));
}

/// The whole session that was captured of socket.io-client 4.7.4.
#[test]
fn a_captured_session_of_revision_four() {
    let now = start();
    let mut session = session(now, Revision::Four, Transport::Polling);
    assert!(get(&mut session).unwrap().starts_with("0{"));
    assert_eq!(session.handle_post(now, b"40"), Ok(()));
    session.handle_websocket_opened(now).unwrap();
    session.handle_websocket_message(now, "2probe");
    assert_eq!(frames(&mut session), ["3probe"]);
    let connect = format!(r#"40{{"sid":"{SOCKET}"}}"#);
    assert_eq!(get(&mut session), Some(connect));
    session.handle_websocket_message(now, "5");
    session.handle_websocket_message(now, r#"420["create host","room1"]"#);
    session.handle_websocket_message(now, r#"421["list hosts"]"#);
    session.handle_websocket_message(now, r#"42["message",{"type":"join","to":"x"}]"#);
    assert_eq!(
        events(&mut session),
        [
            "connected",
            r#"create host Some(0) "room1""#,
            "list hosts Some(1) ",
            r#"message None {"type":"join","to":"x"}"#,
        ]
    );
    session.acknowledge(0, &[json!({ "status": 200 })]).unwrap();
    session.acknowledge(1, &[json!({ "status": 200 })]).unwrap();
    let answers = [r#"430[{"status":200}]"#, r#"431[{"status":200}]"#];
    assert_eq!(frames(&mut session), answers);
    session.handle_timeout(now + 25 * SECOND);
    assert_eq!(frames(&mut session), ["2"]);
    session.handle_websocket_message(now + 25 * SECOND, "3");
    session.handle_websocket_message(now + 26 * SECOND, "41");
    session.handle_websocket_closed(now + 26 * SECOND);
    assert_eq!(events(&mut session), ["closed Client"]);
    assert!(session.is_finished());
    assert_eq!(
        (frames(&mut session).len(), session.poll_timeout()),
        (0, None)
    );
}

#[test]
fn skyway_js_over_polling_alone() {
    let now = start();
    let mut settings = Settings::new(Revision::Three);
    settings.upgrades = false;
    let polling = Transport::Polling;
    let mut session = Session::new(now, Revision::Three, polling, SID, SOCKET, settings);
    assert!(get(&mut session).unwrap().contains(r#""upgrades":[]"#));
    assert_eq!(get(&mut session), None);
    session
        .emit("OPEN", &[json!({ "peerId": "\u{1f600}" })])
        .unwrap();
    let open = "26:42[\"OPEN\",{\"peerId\":\"\u{1f600}\"}]";
    assert_eq!(session.poll_answer().as_deref(), Some(open));
    session
        .handle_post(now, "10:42[\"PING\"]4:2\u{e9}\u{1f600}".as_bytes())
        .unwrap();
    assert_eq!(events(&mut session), ["connected", "PING None "]);
    // The client's ping is answered with what it said.
    assert_eq!(get(&mut session), Some("4:3\u{e9}\u{1f600}".to_owned()));
    assert_eq!(session.handle_websocket_opened(now), Err(Refusal::Request));
    assert_eq!(session.handle_post(now, b"2:41"), Ok(()));
    assert_eq!(events(&mut session), ["closed Client"]);
}

#[test]
fn revision_three_upgrades_too() {
    let now = start();
    let mut session = session(now, Revision::Three, Transport::Polling);
    get(&mut session).unwrap();
    assert_eq!(get(&mut session), None);
    session.handle_websocket_opened(now).unwrap();
    assert_eq!(session.poll_answer(), None);
    session.handle_websocket_message(now, "2probe");
    assert_eq!(session.poll_answer().as_deref(), Some("1:6"));
    assert_eq!(frames(&mut session), ["3probe"]);
    session.handle_websocket_message(now, "5");
    session.handle_websocket_message(now, "2");
    assert_eq!(frames(&mut session), ["3"]);
    session.emit("PING", &NOTHING).unwrap();
    assert_eq!(frames(&mut session), [r#"42["PING"]"#]);
}

#[test]
fn a_second_get_is_refused_and_the_first_one_stays() {
    let mut session = connected(start());
    assert_eq!(get(&mut session), None);
    assert_eq!(session.handle_poll(), Err(Refusal::Request));
    session.emit("a", &NOTHING).unwrap();
    session.emit("b", &NOTHING).unwrap();
    let both = "42[\"a\"]\u{1e}42[\"b\"]";
    assert_eq!(session.poll_answer().as_deref(), Some(both));
    assert_eq!(session.poll_answer(), None);
}

#[test]
fn gets_are_let_go_until_the_upgrade() {
    let now = start();
    let mut session = connected(now);
    assert_eq!(get(&mut session), None);
    session.handle_websocket_opened(now).unwrap();
    assert_eq!(session.handle_websocket_opened(now), Err(Refusal::Request));
    session.handle_websocket_message(now, "2probe");
    assert_eq!(session.poll_answer().as_deref(), Some("6"));
    assert_eq!(get(&mut session).as_deref(), Some("6"));
    session.emit("a", &NOTHING).unwrap();
    assert_eq!(get(&mut session).as_deref(), Some(r#"42["a"]"#));
    assert_eq!(session.handle_post(now, br#"42["b"]"#), Ok(()));
    session.handle_poll().unwrap();
    assert_eq!(frames(&mut session), ["3probe"]);
    // What was said in between goes over the WebSocket, and the last GET is let go.
    session.emit("c", &NOTHING).unwrap();
    session.handle_websocket_message(now, "5");
    assert_eq!(session.poll_answer().as_deref(), Some("6"));
    assert_eq!(frames(&mut session), [r#"42["c"]"#]);
    assert_eq!(session.handle_poll(), Err(Refusal::Request));
    assert_eq!(session.handle_post(now, b"3"), Err(Refusal::Request));
}

#[test]
fn polling_goes_on_when_an_upgrade_fails() {
    let now = start();
    for failure in [
        "closed",
        "timeout",
        "5",
        "2",
        "42[\"a\"]",
        "binary",
        "2probe 2probe",
    ] {
        let mut session = connected(now);
        session.handle_websocket_opened(now).unwrap();
        match failure {
            "closed" => session.handle_websocket_closed(now),
            "timeout" => {
                assert_eq!(session.poll_timeout(), Some(now + 10 * SECOND));
                session.handle_timeout(now + 10 * SECOND);
            }
            "binary" => session.handle_websocket_binary(now),
            texts => {
                for text in texts.split(' ') {
                    session.handle_websocket_message(now, text);
                }
            }
        }
        let expected: &[&str] = if failure == "closed" { &[] } else { &["close"] };
        assert_eq!(frames(&mut session), expected, "{failure}");
        session.handle_websocket_message(now, r#"42["late"]"#);
        session.handle_websocket_closed(now);
        assert_eq!(get(&mut session), None);
        session.emit("a", &NOTHING).unwrap();
        assert_eq!(session.poll_answer().as_deref(), Some(r#"42["a"]"#));
        assert!(events(&mut session).is_empty());
        assert_eq!(session.handle_websocket_opened(now), Ok(()));
    }
}

#[test]
fn a_client_that_dies_in_an_upgrade_is_noticed() {
    let now = start();
    let mut session = connected(now);
    session.handle_websocket_opened(now).unwrap();
    session.handle_websocket_message(now, "2probe");
    frames(&mut session);
    let mut reason = None;
    while let Some(at) = session.poll_timeout() {
        session.handle_timeout(at);
        reason = reason.or_else(|| closed(&mut session));
    }
    assert_eq!(reason, Some(Reason::Silent));
    assert!(session.is_finished());
}

#[test]
fn revision_four_pings_and_misses_the_answer() {
    let now = start();
    let mut session = connected(now);
    assert_eq!(session.poll_timeout(), Some(now + 25 * SECOND));
    assert_eq!(get(&mut session), None);
    session.handle_timeout(now + 25 * SECOND);
    assert_eq!(session.poll_answer().as_deref(), Some("2"));
    session.handle_post(now + 26 * SECOND, b"3").unwrap();
    session.handle_timeout(now + 50 * SECOND);
    assert_eq!(get(&mut session).as_deref(), Some("2"));
    assert_eq!(get(&mut session), None);
    assert_eq!(session.poll_timeout(), Some(now + 70 * SECOND));
    session.handle_timeout(now + 70 * SECOND);
    assert_eq!(events(&mut session), ["closed Silent"]);
    assert_eq!(session.poll_answer().as_deref(), Some("1"));
}

#[test]
fn a_client_of_revision_three_that_says_nothing() {
    let now = start();
    let mut session = session(now, Revision::Three, Transport::WebSocket);
    session.handle_websocket_message(now + 20 * SECOND, "2");
    assert_eq!(session.poll_timeout(), Some(now + 50 * SECOND));
    session.handle_timeout(now + 50 * SECOND);
    assert_eq!(closed(&mut session), Some(Reason::Silent));
    assert_eq!(frames(&mut session), ["close"]);
    assert!(session.is_finished());
}

#[test]
fn a_client_that_never_connects() {
    let now = start();
    let mut session = session(now, Revision::Four, Transport::WebSocket);
    assert_eq!(session.emit("a", &NOTHING), Err(NotSent::NotConnected));
    session.handle_timeout(now + 25 * SECOND);
    session.handle_websocket_message(now + 25 * SECOND, "3");
    assert_eq!(session.poll_timeout(), Some(now + 45 * SECOND));
    session.handle_timeout(now + 45 * SECOND);
    assert_eq!(events(&mut session), ["closed NeverConnected"]);
}

#[test]
fn disconnect_comes_after_what_waits() {
    let now = start();
    let mut polling = connected(now);
    polling.emit("a", &NOTHING).unwrap();
    polling.disconnect(now);
    assert_eq!(polling.emit("b", &NOTHING), Err(NotSent::NotConnected));
    assert_eq!(events(&mut polling), ["closed Server"]);
    assert_eq!(
        get(&mut polling).as_deref(),
        Some("42[\"a\"]\u{1e}41\u{1e}1")
    );
    // A POST on its way has its place, and one more GET its answer.
    assert_eq!(polling.handle_post(now, br#"42["late"]"#), Ok(()));
    assert_eq!(get(&mut polling).as_deref(), Some("1"));
    polling.handle_poll().unwrap();
    assert_eq!(polling.handle_post(now, b"1"), Ok(()));
    assert_eq!(polling.poll_answer().as_deref(), Some("1"));
    assert!(polling.is_finished());
    assert_eq!(polling.handle_poll(), Err(Refusal::Session));
    assert_eq!(polling.handle_post(now, b"3"), Err(Refusal::Session));

    let mut websocket = connected_by_websocket(now);
    websocket.emit("a", &NOTHING).unwrap();
    websocket.disconnect(now);
    assert_eq!(frames(&mut websocket), [r#"42["a"]"#, "41", "close"]);
    assert!(websocket.is_finished());

    let mut gone = connected(now);
    gone.disconnect(now);
    gone.disconnect(now);
    assert_eq!(events(&mut gone), ["closed Server"]);
    assert_eq!(gone.poll_timeout(), Some(now + 20 * SECOND));
    gone.handle_timeout(now + 20 * SECOND);
    assert!(gone.is_finished());
}

#[test]
fn disconnect_in_an_upgrade() {
    let now = start();
    let mut session = connected(now);
    assert_eq!(get(&mut session), None);
    session.handle_websocket_opened(now).unwrap();
    session.disconnect(now);
    assert_eq!(session.poll_answer().as_deref(), Some("41\u{1e}1"));
    assert_eq!(frames(&mut session), ["close"]);
    assert_eq!(session.handle_websocket_opened(now), Err(Refusal::Request));
}

#[test]
fn clients_leave_in_several_ways() {
    let now = start();
    let mut by_post = connected(now);
    assert_eq!(get(&mut by_post), None);
    by_post.handle_post(now, b"1\x1e42[\"late\"]").unwrap();
    assert_eq!(events(&mut by_post), ["closed Client"]);
    assert_eq!(by_post.poll_answer().as_deref(), Some("1"));

    let mut by_frame = connected_by_websocket(now);
    by_frame.handle_websocket_message(now, "1");
    assert_eq!(events(&mut by_frame), ["closed Client"]);
    assert_eq!(frames(&mut by_frame), ["close"]);

    let mut vanished = connected_by_websocket(now);
    vanished.handle_websocket_closed(now);
    assert_eq!(events(&mut vanished), ["closed Transport"]);
    assert!(vanished.is_finished());

    let mut hung_up = connected(now);
    hung_up.handle_poll_closed(now);
    assert!(events(&mut hung_up).is_empty());
    assert_eq!(get(&mut hung_up), None);
    hung_up.handle_poll_closed(now);
    assert_eq!(events(&mut hung_up), ["closed Transport"]);
}

#[test]
fn malformed_input_ends_the_session() {
    let now = start();
    let long = vec![b'6'; 65_537];
    for (body, reason) in [
        (&b"\xff"[..], Reason::NotUtf8),
        (&long, Reason::TooLong),
        (b"", Reason::Packet(PacketError::Empty)),
        (b"9", Reason::Packet(PacketError::Kind('9'))),
        (b"bAAEC", Reason::Packet(PacketError::Binary)),
        (b"451-[\"a\"]", Reason::Packet(PacketError::Binary)),
        (b"42[", Reason::Packet(PacketError::Json)),
    ] {
        let mut session = connected(now);
        assert_eq!(session.handle_post(now, body), Err(Refusal::Request));
        assert_eq!(closed(&mut session), Some(reason));
        if let Ok(text) = std::str::from_utf8(body) {
            let mut session = connected_by_websocket(now);
            session.handle_websocket_message(now, text);
            assert_eq!(closed(&mut session), Some(reason));
            assert_eq!(frames(&mut session), ["close"]);
        }
    }
    let mut three = session(now, Revision::Three, Transport::Polling);
    assert_eq!(three.handle_post(now, b"40"), Err(Refusal::Request));
    let reason = Reason::Payload(PayloadError::Length);
    assert_eq!(closed(&mut three), Some(reason));
    let mut early = session(now, Revision::Four, Transport::Polling);
    assert_eq!(early.handle_post(now, b"42[\"a\"]"), Err(Refusal::Request));
    assert_eq!(closed(&mut early), Some(Reason::TooEarly));
    let mut binary = connected_by_websocket(now);
    binary.handle_websocket_binary(now);
    let reason = Reason::Packet(PacketError::Binary);
    assert_eq!(closed(&mut binary), Some(reason));
}

#[test]
fn other_namespaces_are_refused() {
    let now = start();
    let mut four = connected(now);
    four.handle_post(now, b"40/chat,{\"a\":1}").unwrap();
    let refusal = r#"44/chat,{"message":"Invalid namespace"}"#;
    assert_eq!(get(&mut four).as_deref(), Some(refusal));
    let mut three = session(now, Revision::Three, Transport::WebSocket);
    frames(&mut three);
    three.handle_websocket_message(now, "40/chat?a=1");
    assert_eq!(frames(&mut three), [r#"44/chat,"Invalid namespace""#]);
    // The default one may be named.
    three.handle_websocket_message(now, r#"42/,["a"]"#);
    assert_eq!(events(&mut three), ["connected", "a None "]);
}

#[test]
fn a_client_that_never_polls_misses_the_oldest() {
    let now = start();
    let mut settings = Settings::new(Revision::Three);
    settings.queue_packets = 4;
    let polling = Transport::Polling;
    let mut session = Session::new(now, Revision::Three, polling, SID, SOCKET, settings);
    for i in 0..100 {
        session.emit("n", &[i]).unwrap();
    }
    let dropped = session.dropped();
    assert_eq!(dropped.packets, 98);
    let body = get(&mut session).unwrap();
    assert!(
        body.ends_with(r#"2:4010:42["n",98]10:42["n",99]"#),
        "{body}"
    );
    let long = "x".repeat(300 * 1024);
    assert_eq!(session.emit("n", &[long]), Err(NotSent::TooLong));
    assert_eq!(session.dropped(), dropped);
}

#[test]
fn pings_do_not_pile_up_before_a_client_that_never_polls() {
    let now = start();
    let mut session = connected(now);
    for i in 1..10 {
        session.handle_timeout(now + i * 25 * SECOND);
        session.handle_post(now + i * 25 * SECOND, b"3").unwrap();
    }
    assert_eq!(get(&mut session).as_deref(), Some("2"));
}

/// Anything that can happen to a session.
#[derive(Debug, Clone)]
enum Step {
    Get,
    GetClosed,
    Post(Vec<u8>),
    Opened,
    Text(String),
    Binary,
    WebSocketClosed,
    Emit,
    Disconnect,
    Time(u64),
    Frames,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("2probe".to_owned()),
        Just("5".to_owned()),
        Just("40".to_owned()),
        Just("3".to_owned()),
        Just("41".to_owned()),
        Just("1".to_owned()),
        Just("420[\"a\",1]".to_owned()),
        Just("40/b,".to_owned()),
        "\\PC{0,12}",
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Get),
        1 => Just(Step::GetClosed),
        2 => prop::collection::vec(any::<u8>(), 0..16).prop_map(Step::Post),
        3 => text().prop_map(|it| Step::Post(it.into_bytes())),
        3 => text().prop_map(|it| {
            Step::Post(format!("{}:{it}", it.encode_utf16().count()).into_bytes())
        }),
        2 => Just(Step::Opened),
        5 => text().prop_map(Step::Text),
        1 => Just(Step::Binary),
        1 => Just(Step::WebSocketClosed),
        3 => Just(Step::Emit),
        1 => Just(Step::Disconnect),
        2 => (0u64..40).prop_map(Step::Time),
        3 => Just(Step::Frames),
    ]
}

proptest! {
    #[test]
    fn nothing_panics_and_every_session_ends(
        three in any::<bool>(),
        websocket in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut now = start();
        let revision = if three { Revision::Three } else { Revision::Four };
        let transport = if websocket { Transport::WebSocket } else { Transport::Polling };
        let mut session = session(now, revision, transport);
        let mut ends = 0;
        for step in steps {
            let parked = session.get_is_parked();
            match step {
                Step::Get => prop_assert!(session.handle_poll().is_err() || !parked),
                Step::GetClosed => session.handle_poll_closed(now),
                Step::Post(body) => drop(session.handle_post(now, &body)),
                Step::Opened => drop(session.handle_websocket_opened(now)),
                Step::Text(text) => session.handle_websocket_message(now, &text),
                Step::Binary => session.handle_websocket_binary(now),
                Step::WebSocketClosed => session.handle_websocket_closed(now),
                Step::Emit => drop(session.emit("a", &[1])),
                Step::Disconnect => session.disconnect(now),
                Step::Time(seconds) => {
                    now += Duration::from_secs(seconds);
                    session.handle_timeout(now);
                }
                Step::Frames => drop(frames(&mut session)),
            }
            session.poll_answer();
            for event in events(&mut session) {
                prop_assert_eq!(ends, 0, "{} after the end", event);
                ends += u32::from(event.starts_with("closed"));
            }
        }
        // Left alone, it ends, and in few steps.
        for _ in 0..8 {
            let Some(at) = session.poll_timeout() else { break };
            now = now.max(at);
            session.handle_timeout(now);
            ends += u32::from(closed(&mut session).is_some());
        }
        prop_assert!(session.is_finished());
        prop_assert_eq!(ends, 1);
        session.poll_answer();
        prop_assert!(!session.get_is_parked());
    }

    #[test]
    fn events_split_over_polls_and_an_upgrade_are_all_there(
        three in any::<bool>(),
        max_payload in 6usize..60,
        upgrade_at in 0usize..40,
        words in prop::collection::vec("[a\u{e9}\u{1f600}\\PC]{0,12}", 1..40),
        polls in prop::collection::vec(any::<bool>(), 40),
    ) {
        let now = start();
        let revision = if three { Revision::Three } else { Revision::Four };
        let mut settings = Settings::new(revision);
        settings.max_payload = max_payload;
        let polling = Transport::Polling;
        let mut session = Session::new(now, revision, polling, SID, SOCKET, settings);
        if !three {
            session.handle_post(now, b"40").unwrap();
        }
        let mut packets: Vec<String> = Vec::new();
        let take = |session: &mut Session, packets: &mut Vec<String>| {
            let Some(body) = get(session) else { return };
            let before = packets.len();
            for packet in Packets::new(revision, &body, 1_024) {
                packets.push(packet.unwrap().to_owned());
            }
            assert!(body.len() <= max_payload || packets.len() == before + 1, "{body}");
        };
        let mut polling = true;
        for (i, (word, poll)) in words.iter().zip(polls).enumerate() {
            session.emit("word", &[word]).unwrap();
            if i == upgrade_at && !session.get_is_parked() {
                session.handle_websocket_opened(now).unwrap();
                session.handle_websocket_message(now, "2probe");
                prop_assert_eq!(session.poll_frame(), Some(Frame::Text("3probe".to_owned())));
                session.handle_websocket_message(now, "5");
                polling = false;
            }
            if poll && polling {
                take(&mut session, &mut packets);
            }
        }
        for _ in 0..50 {
            if polling && !session.get_is_parked() {
                take(&mut session, &mut packets);
            }
        }
        packets.extend(frames(&mut session));
        let said: Vec<String> = packets.iter().filter_map(|packet| {
            let json = packet.strip_prefix("42")?;
            let (_, word): (String, String) = serde_json::from_str(json).unwrap();
            Some(word)
        }).collect();
        prop_assert_eq!(said, words);
        prop_assert_eq!(session.dropped(), Dropped::default());
    }
}
