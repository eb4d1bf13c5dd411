//! Properties that hold for every sequence of inputs to a session.

use proptest::prelude::*;

use super::super::polling::Packets;
use super::*;

/// One input to a session.
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
        // Without further input the session ends, in few steps.
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
        let mut settings = Settings::new();
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
