//! WebSockets of dialects.

use super::*;

const PURPOSE: SocketUse = SocketUse {
    dialect: DialectId(2),
    number: 77,
};

/// Makes a client whose request a dialect has answered with an upgrade that is not written yet. `behind` is
/// what the client sends directly after the request.
fn upgrading(rig: &mut Rig, behind: &[u8]) -> (Client, RequestId) {
    let client = rig.connect(HERE);
    let mut bytes = request("GET /socket", UPGRADE).into_bytes();
    bytes.extend(behind);
    rig.send(client, bytes);
    let (request, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().upgrade(cx, request, KEY, PURPOSE));
    (client, request)
}

fn opened(rig: &mut Rig) -> (Client, SocketId) {
    let (client, _) = upgrading(rig, b"");
    assert_eq!(rig.response(client).0, 101);
    assert_eq!(names(&rig.events()), ["opened", "drained"]);
    (client, SocketId(client.id))
}

fn send(rig: &mut Rig, socket: SocketId, text: &str) -> bool {
    rig.with(|front, cx| front.connections_mut().send(cx, socket, text))
        .is_ok()
}

#[test]
fn a_socket_is_opened_when_its_101_is_written() {
    let mut rig = Rig::new("");
    let (client, request) = upgrading(&mut rig, b"");
    assert!(!rig.front.connections().is_open(request));
    assert_eq!(names(&rig.events()), [""; 0]);
    assert_eq!(rig.response(client).0, 101);
    let events = rig.events();
    let FrontEvent::SocketOpened(socket, purpose) = events[0] else {
        panic!("{events:?}");
    };
    assert_eq!((socket, purpose), (SocketId(client.id), PURPOSE));
    assert!(matches!(events[1..], [FrontEvent::SocketDrained(it, 0)] if it == socket));
    assert_eq!(rig.front.stats().requests, BTreeMap::from([(1, 1)]));
}

#[test]
fn a_frame_right_behind_the_request_is_the_first_message() {
    let mut rig = Rig::new("");
    let (client, _) = upgrading(&mut rig, &frame(1, b"early"));
    rig.read(client);
    let events = rig.events();
    assert_eq!(names(&events), ["opened", "message", "drained"]);
    let FrontEvent::SocketMessage(_, message) = &events[1] else {
        panic!("{events:?}");
    };
    assert_eq!(*message, WsMessage::Text("early".to_owned()));
}

#[test]
fn messages_go_both_ways_and_written_bytes_are_told() {
    let mut rig = Rig::new("");
    let (client, socket) = opened(&mut rig);
    rig.send(client, frame(1, b"hello"));
    let events = rig.events();
    assert!(matches!(&events[..], [FrontEvent::SocketMessage(it, _)] if *it == socket));
    assert!(send(&mut rig, socket, "world"));
    assert!(send(&mut rig, socket, "again"));
    let output = rig.front.connections().output(client.id).to_vec();
    assert_eq!(output, b"\x81\x05world\x81\x05again");
    rig.with(|front, cx| front.connections_mut().consume(cx, client.id, 7));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::SocketDrained(it, 7)] if it == socket));
    rig.with(|front, cx| front.connections_mut().consume(cx, client.id, 7));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::SocketDrained(it, 0)] if it == socket));
}

#[test]
fn a_text_for_a_client_that_does_not_read_is_sent_whole_or_not_at_all() {
    let mut rig = Rig::new("");
    let (client, socket) = opened(&mut rig);
    let text = "x".repeat(10_000);
    let sent = (0..100).filter(|_| send(&mut rig, socket, &text)).count();
    assert!((10..20).contains(&sent), "{sent}");
    assert_eq!(rig.read(client).matches('x').count(), sent * text.len());
    assert!(send(&mut rig, socket, &text), "it has read");
    // Sending to the socket of a closed client succeeds, and the frame is discarded.
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    assert!(send(&mut rig, socket, &text));
}

#[test]
fn a_socket_is_closed_in_good_order_by_either_side() {
    let mut rig = Rig::new("");
    let (client, socket) = opened(&mut rig);
    rig.with(|front, cx| front.connections_mut().close(cx, socket, 4000, "bye"));
    assert_eq!(rig.read_bytes(client), b"\x88\x05\x0f\xa0bye");
    assert!(
        !names(&rig.events()).contains(&"closed"),
        "the client is to answer"
    );
    rig.send(client, frame(8, &4000_u16.to_be_bytes()));
    assert_eq!(names(&rig.events()), ["closed"]);
    assert!(!rig.is_connected(client));
    let (client, _) = opened(&mut rig);
    rig.send(client, frame(8, &1000_u16.to_be_bytes()));
    rig.read(client);
    assert_eq!(names(&rig.events()), ["closed"]);
    assert!(!rig.is_connected(client));
    // A connection that fails without a close frame is removed, too.
    let (client, socket) = opened(&mut rig);
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::SocketClosed(it)] if it == socket));
}

#[test]
fn a_client_that_dies_between_the_101_and_the_upgrade_leaves_a_request_that_is_gone() {
    let mut rig = Rig::new("");
    let (client, request) = upgrading(&mut rig, b"");
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    let events = rig.events();
    assert!(matches!(events[..], [FrontEvent::Gone(gone)] if gone == request));
}

#[test]
fn a_socket_that_does_not_answer_a_probe_is_closed() {
    let mut rig = Rig::new("");
    let (within, mut closed) = (Duration::from_secs(5), Vec::new());
    for answers in [true, false] {
        let (client, socket) = opened(&mut rig);
        rig.with(|front, cx| front.connections_mut().probe(cx, socket, within));
        assert_eq!(rig.read_bytes(client), [0x89, 0], "a ping");
        if answers {
            rig.send(client, frame(10, b""));
        }
        rig.pass(within);
        let is_closing = rig.read_bytes(client).first() == Some(&0x88);
        assert_eq!(is_closing, !answers);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.is_connected(client), answers);
        closed.extend(names(&rig.events()));
    }
    assert_eq!(closed.iter().filter(|it| **it == "closed").count(), 1);
}

#[test]
fn a_request_with_a_body_becomes_no_socket() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    let headers = format!("{UPGRADE}Content-Length: 5\r\n");
    rig.send(client, request("GET /socket", &headers));
    let (request, _) = rig.head();
    rig.with(|front, cx| front.connections_mut().upgrade(cx, request, KEY, PURPOSE));
    assert_eq!(rig.response(client).0, 400);
    assert!(!names(&rig.events()).contains(&"opened"));
    assert!(!rig.front.connections().is_open(request));
}

#[test]
fn a_request_that_was_answered_becomes_no_socket() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    rig.send(client, request("GET /socket", UPGRADE));
    let (request, _) = rig.head();
    rig.answer(request, Response::new(403));
    rig.with(|front, cx| front.connections_mut().upgrade(cx, request, KEY, PURPOSE));
    assert_eq!(rig.response(client).0, 403);
    assert_eq!(names(&rig.events()), [""; 0]);
}
