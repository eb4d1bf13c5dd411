//! The event stream.

use super::*;

/// Makes a client that reads events, and sends it the current state first.
fn read_events(rig: &mut Rig, headers: &str) -> Client {
    let client = rig.connect(THERE);
    rig.send(client, request("GET /events", headers));
    open_reader(rig, client);
    client
}

fn open_reader(rig: &mut Rig, client: Client) {
    let events = rig.serve();
    assert!(matches!(events[..], [FrontEvent::ReaderOpened(id)] if id == client.id));
    let current = [("endpoint", json!({"name": "arm"}))];
    rig.with(|front, cx| front.subscribe(cx, client.id, &current));
}

fn publish(rig: &mut Rig, kind: &'static str, data: &Value) {
    rig.front.connections_mut().publish(kind, data);
    rig.with(|front, cx| front.connections_mut().flush_events(cx));
}

#[test]
fn a_reader_is_told_how_things_are_and_then_what_happens() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = read_events(&mut rig, &bearer(&admin));
    let text = rig.read(client);
    assert!(text.contains("text/event-stream"), "{text}");
    assert!(text.contains("event: endpoint\nid: 1\ndata: {\"name\":\"arm\"}\n\n"));
    rig.front.connections_mut().publish("session", &json!(1));
    assert_eq!(rig.read(client), "", "at the end of the turn");
    rig.with(|front, cx| front.connections_mut().flush_events(cx));
    assert!(
        rig.read(client)
            .contains("event: session\nid: 2\ndata: 1\n\n")
    );
    rig.with(|front, cx| front.connections_mut().flush_events(cx));
    assert_eq!(rig.read(client), "", "once");
}

#[test]
fn a_head_of_the_event_stream_makes_no_reader() {
    let mut rig = Rig::new("");
    let client = rig.connect(HERE);
    assert_eq!(rig.ask(client, "HEAD /events", "").0, 200);
    assert_eq!(rig.front.connections().readers(), 0);
    assert_eq!(rig.ask(client, "GET /healthz", "").0, 200, "it may go on");
}

#[test]
fn a_reader_that_is_no_administrator_hears_of_endpoints_only() {
    let mut rig = Rig::new("");
    let reads_all = rig.limited("reads-all", &["*"], Verb::Read);
    let admin = rig.admin();
    let limited = read_events(&mut rig, &bearer(&reads_all));
    let full = read_events(&mut rig, &bearer(&admin));
    let [_, _] = [limited, full].map(|client| rig.read(client));
    for kind in ["session", "config", "channel", "lease", "deadman"] {
        publish(&mut rig, kind, &json!({}));
        assert_eq!(rig.read(limited), "", "{kind}");
        assert!(rig.read(full).contains(kind));
    }
    publish(&mut rig, "endpoint", &json!({}));
    assert!(rig.read(limited).contains("event: endpoint\n"));
}

#[test]
fn events_are_counted_with_readers_and_without() {
    let mut rig = Rig::new("");
    publish(&mut rig, "endpoint", &json!(1));
    assert_eq!(rig.front.connections().published(), 1);
    let client = rig.connect(HERE);
    rig.send(client, request("GET /events", ""));
    open_reader(&mut rig, client);
    assert!(!rig.read(client).contains("data: 1\n"), "it came too late");
    publish(&mut rig, "endpoint", &json!(2));
    assert_eq!(rig.front.connections().published(), 2);
}

/// Returns how many events of this kind arrived, and how many events the reader was told it had lost.
fn tally(text: &str, kind: &str) -> (u64, u64) {
    let came = text.matches(&format!("event: {kind}\n")).count();
    let lost = text.split("data: {\"events\":").skip(1);
    let lost = lost.filter_map(|rest| rest.split('}').next()?.parse::<u64>().ok());
    (came as u64, lost.sum())
}

#[test]
fn a_slow_reader_is_told_how_many_events_it_lost() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let slow = read_events(&mut rig, &bearer(&admin));
    let quick = read_events(&mut rig, &bearer(&admin));
    let [_, _] = [slow, quick].map(|client| rig.read(client));
    let filler = "x".repeat(1000);
    let mut quickly = String::new();
    for _ in 0..100 {
        publish(&mut rig, "session", &json!(filler));
        quickly += &rig.read(quick);
    }
    assert_eq!(tally(&quickly, "session"), (100, 0));
    let lost = rig.front.stats().events_lost;
    assert!(
        (30..50).contains(&lost),
        "64 KiB wait for it, not {lost} less"
    );
    let mut slowly = rig.read(slow);
    assert_eq!(tally(&slowly, "session").0, 100 - lost);
    for _ in 0..2 {
        publish(&mut rig, "session", &json!("next"));
        slowly += &rig.read(slow);
    }
    assert_eq!(
        tally(&slowly, "session"),
        (102 - lost, lost),
        "each one once"
    );
    assert_eq!(rig.front.stats().events_lost, lost);
}

#[test]
fn an_idle_stream_is_kept_open_by_a_comment() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = read_events(&mut rig, &bearer(&admin));
    rig.read(client);
    rig.pass(Duration::from_millis(14_999));
    assert_eq!(rig.read(client), "");
    for _ in 0..5 {
        rig.pass(Duration::from_secs(15));
        assert!(rig.read(client).contains(": still here\n\n"));
    }
    assert!(rig.is_connected(client), "75 s without a request");
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    rig.pass(Duration::from_secs(15));
    assert_eq!(rig.front.poll_timeout(), None, "no reader, no comment");
}

#[test]
fn the_end_of_a_token_ends_its_streams_and_no_other() {
    let mut rig = Rig::new("");
    let (admin, other) = (rig.admin(), rig.limited("other", &["*"], Verb::Read));
    let ended = read_events(&mut rig, &bearer(&admin));
    let stays = read_events(&mut rig, &bearer(&other));
    let [_, _] = [ended, stays].map(|client| rig.read(client));
    let control = rig.connect_control();
    rig.send(control, request("DELETE /tokens/admin", ""));
    let events = rig.serve();
    let revoked = |event: &FrontEvent| matches!(event, FrontEvent::TokenEnded { id, why: TokenEnd::Revoked } if *id == admin.id);
    assert!(
        matches!(&events[..], [event] if revoked(event)),
        "{events:?}"
    );
    assert_eq!(rig.read(ended), "0\r\n\r\n", "the last chunk");
    publish(&mut rig, "endpoint", &json!({}));
    assert_eq!(rig.read(ended), "");
    assert!(rig.read(stays).contains("endpoint"));
    assert_eq!(rig.front.connections().readers(), 1);
}

#[test]
fn a_reader_that_sends_no_more_is_ended() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = read_events(&mut rig, &bearer(&admin));
    rig.read(client);
    rig.with(|front, cx| front.connections_mut().handle_closed(cx, client.id));
    assert_eq!(rig.read(client), "0\r\n\r\n");
    assert!(!rig.is_connected(client));
    assert_eq!(rig.front.connections().readers(), 0);
}

#[test]
fn the_end_of_the_daemon_ends_all_streams() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let stream = read_events(&mut rig, &bearer(&admin));
    let socket = rig.connect(HERE);
    rig.ask(socket, "GET /events", UPGRADE);
    open_reader(&mut rig, socket);
    let [_, _] = [stream, socket].map(|client| rig.read(client));
    rig.with(|front, cx| front.connections_mut().end_event_streams(cx));
    assert_eq!(rig.read(stream), "0\r\n\r\n");
    let close = rig.read_bytes(socket);
    assert_eq!(close[..4], [0x88, 15, 3, 0xe9], "1001");
    assert_eq!(rig.front.connections().readers(), 0);
}

#[test]
fn events_come_over_a_websocket_too() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    rig.send(client, request("GET /events", &(bearer(&admin) + UPGRADE)));
    assert_eq!(
        names(&rig.serve()),
        [""; 0],
        "the 101 is still to be written"
    );
    let (status, text) = rig.response(client);
    assert_eq!(status, 101);
    assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    open_reader(&mut rig, client);
    let text = rig.read(client);
    assert!(
        text.contains(r#"{"data":{"name":"arm"},"event":"endpoint","id":1}"#),
        "{text}"
    );
    rig.send(client, frame(1, b"anything"));
    assert_eq!(names(&rig.events()), [""; 0], "readers have nothing to say");
    rig.front.access.revoke("admin");
    rig.with(|front, cx| front.end_token(cx, admin.id.clone(), TokenEnd::Revoked));
    let close = rig.read_bytes(client);
    assert_eq!(close[0], 0x88);
    assert_eq!(close[2..4], 1008_u16.to_be_bytes());
    rig.send(client, frame(8, &1008_u16.to_be_bytes()));
    assert!(!rig.is_connected(client));
}

#[test]
fn a_token_that_ends_before_the_upgrade_makes_no_reader() {
    let mut rig = Rig::new("");
    let admin = rig.admin();
    let client = rig.connect(THERE);
    rig.send(client, request("GET /events", &(bearer(&admin) + UPGRADE)));
    rig.serve();
    rig.front.access.revoke("admin");
    assert_eq!(rig.response(client).0, 101);
    open_reader(&mut rig, client);
    assert!(!rig.is_connected(client));
    assert_eq!(rig.front.connections().readers(), 0);
}
