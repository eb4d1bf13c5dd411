//! Tests of the life and the end of sessions.

use super::super::packet::PacketError;
use super::super::polling::PayloadError;
use super::*;

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
    assert_eq!(session.poll_timeout(), Some(now + 65 * SECOND));
    session.handle_timeout(now + 65 * SECOND);
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
    assert_eq!(get(&mut polling).as_deref(), Some("42[\"a\"]\u{1e}41"));
    // A POST on its way is still accepted, and one more GET is answered.
    assert_eq!(polling.handle_post(now, br#"42["late"]"#), Ok(()));
    assert_eq!(get(&mut polling).as_deref(), Some("1"));
    polling.handle_poll().unwrap();
    assert_eq!(polling.handle_post(now, b"1"), Ok(()));
    assert_eq!(polling.poll_answer().as_deref(), Some("1"));
    assert!(polling.is_finished());
    assert_eq!(polling.handle_poll(), Err(TransportRefusal::Session));
    assert_eq!(
        polling.handle_post(now, b"3"),
        Err(TransportRefusal::Session)
    );

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
    assert_eq!(session.poll_answer().as_deref(), Some("41"));
    assert_eq!(frames(&mut session), ["close"]);
    assert_eq!(
        session.handle_websocket_opened(now),
        Err(TransportRefusal::Request)
    );
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
        assert_eq!(
            session.handle_post(now, body),
            Err(TransportRefusal::Request)
        );
        assert_eq!(closed(&mut session), Some(reason));
        if let Ok(text) = std::str::from_utf8(body) {
            let mut session = connected_by_websocket(now);
            session.handle_websocket_message(now, text);
            assert_eq!(closed(&mut session), Some(reason));
            assert_eq!(frames(&mut session), ["close"]);
        }
    }
    let mut three = session(now, Revision::Three, Transport::Polling);
    assert_eq!(
        three.handle_post(now, b"40"),
        Err(TransportRefusal::Request)
    );
    let reason = Reason::Payload(PayloadError::Length);
    assert_eq!(closed(&mut three), Some(reason));
    let mut early = session(now, Revision::Four, Transport::Polling);
    assert_eq!(
        early.handle_post(now, b"42[\"a\"]"),
        Err(TransportRefusal::Request)
    );
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
    // A client may name the default namespace.
    three.handle_websocket_message(now, r#"42/,["a"]"#);
    assert_eq!(events(&mut three), ["connected", "a None "]);
}

#[test]
fn a_client_that_never_polls_misses_the_oldest() {
    let now = start();
    let mut settings = Settings::new();
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
