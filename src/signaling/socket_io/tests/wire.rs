//! Packets of clients and of the server, as they are on the wire.

use serde_json::json;

use super::*;

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
        r#"97:0{{"sid":"{SID}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}}2:40"#
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
        format!(r#"0{{"sid":"{SID}","upgrades":[],"pingInterval":25000,"pingTimeout":20000}}"#);
    assert_eq!(frames(&mut three), [open, "40".to_owned()]);
    assert_eq!(three.handle_poll(), Err(TransportRefusal::Request));
    let refused = three.handle_websocket_opened(start());
    assert_eq!(refused, Err(TransportRefusal::Request));
}

/// Replays a complete capture of a session of socket.io-client 4.7.4.
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
    let mut settings = Settings::new();
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
    // The pong repeats the text of the client's ping.
    assert_eq!(get(&mut session), Some("4:3\u{e9}\u{1f600}".to_owned()));
    assert_eq!(
        session.handle_websocket_opened(now),
        Err(TransportRefusal::Request)
    );
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
    assert_eq!(session.handle_poll(), Err(TransportRefusal::Request));
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
    assert_eq!(
        session.handle_websocket_opened(now),
        Err(TransportRefusal::Request)
    );
    session.handle_websocket_message(now, "2probe");
    assert_eq!(session.poll_answer().as_deref(), Some("6"));
    assert_eq!(get(&mut session).as_deref(), Some("6"));
    session.emit("a", &NOTHING).unwrap();
    assert_eq!(get(&mut session).as_deref(), Some(r#"42["a"]"#));
    assert_eq!(session.handle_post(now, br#"42["b"]"#), Ok(()));
    session.handle_poll().unwrap();
    assert_eq!(frames(&mut session), ["3probe"]);
    // Packets that were sent in between go over the WebSocket, and the last GET is answered.
    session.emit("c", &NOTHING).unwrap();
    session.handle_websocket_message(now, "5");
    assert_eq!(session.poll_answer().as_deref(), Some("6"));
    assert_eq!(frames(&mut session), [r#"42["c"]"#]);
    assert_eq!(session.handle_poll(), Err(TransportRefusal::Request));
    assert_eq!(
        session.handle_post(now, b"3"),
        Err(TransportRefusal::Request)
    );
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
