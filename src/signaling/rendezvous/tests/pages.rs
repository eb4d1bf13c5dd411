//! Pages of PeerJS and of SkyWay-JS, with each other and with the gateway's own peers.

use std::time::Duration;

use serde_json::{Value, json};

use super::bench::Bench;
use crate::ids::SocketId;
use crate::signaling::links::Target;
use crate::signaling::rendezvous::RendezvousEvent;

/// Opens a page of PeerJS that has joined.
fn peerjs(bench: &mut Bench, id: &str) -> SocketId {
    let socket = bench.open_socket(&format!("/peerjs?key=peerjs&id={id}&token=t-{id}"));
    assert_eq!(bench.heard(socket), [r#"{"type":"OPEN"}"#]);
    socket
}

/// Opens a page of SkyWay-JS that begins with its WebSocket, and has joined.
fn skyway(bench: &mut Bench, id: &str) -> SocketId {
    let path = format!("/socket.io/?EIO=3&transport=websocket&apiKey=k&peerId={id}&token=t-{id}");
    let socket = bench.open_socket(&path);
    let heard = bench.heard(socket);
    assert!(
        heard.iter().any(|frame| frame.contains("OPEN")),
        "{heard:?}"
    );
    socket
}

fn offer(to: &str, serialization: &str) -> String {
    let payload = json!({
        "sdp": {"type": "offer", "sdp": "1 joy"}, "type": "data", "connectionId": "dc_1",
        "label": "joy", "serialization": serialization, "reliable": true,
    });
    json!({"type": "OFFER", "dst": to, "payload": payload}).to_string()
}

#[test]
fn pages_of_one_library_hear_each_other_word_for_word() {
    let mut bench = Bench::new("");
    let [a, b] = ["a", "b"].map(|id| peerjs(&mut bench, id));
    bench.send(a, &offer("b", "binary"));
    let heard = bench.heard(b);
    let said: Value = serde_json::from_str(&heard[0]).expect("JSON");
    assert_eq!(
        (&said["type"], &said["src"]),
        (&json!("OFFER"), &json!("a"))
    );
    assert_eq!(bench.stats().links, 0, "it is none of ours");
    bench.send(b, r#"{"type":"LEAVE"}"#);
    bench.close_socket(b);
    assert_eq!(bench.stats().peers, 1);
}

#[test]
fn a_page_calls_a_peer_of_the_configuration() {
    let mut bench = Bench::new(
        "[[endpoint]]\nname = \"arm\"\nkind = \"echo\"\n[[peer]]\nid = \"robot\"\nendpoint = \"arm\"\n",
    );
    let page = peerjs(&mut bench, "a");
    bench.send(page, &offer("robot", "raw"));
    let heard = bench.heard(page);
    assert!(
        heard.iter().any(|frame| frame.contains("ANSWER")),
        "{heard:?}"
    );
    assert_eq!((bench.stats().links, bench.sessions.len()), (1, 1));
    let close = json!({"type": "LEAVE", "dst": "robot", "payload": {"connectionId": "dc_1"}});
    bench.send(page, &close.to_string());
    assert_eq!(bench.stats().links, 0);
}

#[test]
fn two_libraries_are_bridged_in_json_and_refused_otherwise() {
    let mut bench = Bench::new("");
    let page = peerjs(&mut bench, "a");
    let other = skyway(&mut bench, "b");
    bench.send(page, &offer("b", "binary"));
    let heard = bench.heard(page);
    assert!(
        heard.iter().all(|frame| !frame.contains("ANSWER")),
        "{heard:?}"
    );
    assert_eq!(bench.stats().links, 0);
    bench.send(page, &offer("b", "json"));
    assert!(
        bench
            .heard(page)
            .iter()
            .any(|frame| frame.contains("ANSWER"))
    );
    let heard = bench.heard(other);
    let called: Vec<&String> = heard.iter().filter(|it| it.contains("OFFER")).collect();
    assert!(
        called.len() == 1 && called[0].contains("\"a\""),
        "in the other's name: {heard:?}"
    );
    assert_eq!(bench.stats().links, 2);
    for session in bench.sessions.keys().copied().collect::<Vec<_>>() {
        bench.open_channel(session);
    }
    bench.settle();
    let targets: Vec<Target> = bench.plans.values().map(|plan| plan.target).collect();
    assert_eq!(targets.len(), 2);
    assert_eq!(targets[0], targets[1]);
    let as_text: Vec<bool> = bench.plans.values().map(|plan| plan.as_text).collect();
    assert!(as_text.contains(&true) && as_text.contains(&false));
    let session = *bench.sessions.keys().next().expect("a session");
    bench.end_session(session);
    bench.settle();
    assert_eq!(
        bench.stats().links,
        0,
        "one half has ended, so has the other"
    );
    let closed = |event: &RendezvousEvent| matches!(event, RendezvousEvent::CloseBridge(_));
    assert_eq!(bench.events.iter().filter(|event| closed(event)).count(), 1);
}

#[test]
fn a_page_that_says_nothing_for_long_is_sent_away() {
    let mut bench = Bench::new("");
    let page = peerjs(&mut bench, "a");
    bench.pass(Duration::from_secs(80));
    bench.send(page, r#"{"type":"HEARTBEAT"}"#);
    bench.pass(Duration::from_secs(80));
    assert_eq!((bench.stats().peers, bench.closed.len()), (1, 0));
    bench.pass(Duration::from_secs(11));
    assert_eq!(
        (bench.stats().peers, bench.closed.as_slice()),
        (0, &[(page, 1000)][..])
    );
}

#[test]
fn an_id_in_use_is_probed_and_a_page_that_comes_back_keeps_it() {
    let mut bench = Bench::new("");
    let first = peerjs(&mut bench, "a");
    let stranger = bench.open_socket("/peerjs?key=peerjs&id=a&token=other");
    assert!(bench.heard(stranger)[0].contains("ID-TAKEN"));
    assert_eq!(bench.closed, [(stranger, 1000)]);
    let probed =
        |event: &RendezvousEvent| matches!(event, RendezvousEvent::Probe(to, _) if *to == first);
    assert!(bench.events.iter().any(probed));
    let again = bench.open_socket("/peerjs?key=peerjs&id=a&token=t-a");
    assert!(bench.heard(again).is_empty(), "it is told nothing of it");
    assert_eq!(bench.closed.last(), Some(&(first, 1000)));
    bench.close_socket(first);
    assert_eq!(bench.stats().peers, 1, "the old WebSocket is nobody's");
    bench.close_socket(again);
    assert_eq!(bench.stats().peers, 0);
}

#[test]
fn a_page_that_does_not_read_is_sent_away_and_counted() {
    let mut bench = Bench::new("");
    let page = peerjs(&mut bench, "a");
    bench.hub.handle_socket_full(page);
    bench.settle();
    assert_eq!(bench.closed, [(page, 1013)]);
    assert_eq!(bench.stats().signals_refused, 1);
}

#[test]
fn clients_of_socket_io_that_never_come_back_are_bounded_and_missed() {
    let mut bench = Bench::new("[limits]\npeers = 3\n");
    let open = "/socket.io/?EIO=3&transport=polling&apiKey=k";
    for _ in 0..3 {
        assert_eq!(bench.get(open).0, 200);
    }
    assert_eq!(bench.get(open).0, 403);
    assert_eq!(bench.stats().peers_refused, 1);
    bench.pass(Duration::from_secs(50));
    assert_eq!(bench.stats().peers, 0);
    assert_eq!(bench.get(open).0, 200);
}

/// Opens a page that polls; returns the path of its packets.
fn polling(bench: &mut Bench, id: &str) -> String {
    let open = format!("/socket.io/?EIO=3&transport=polling&apiKey=k&peerId={id}&token=t-{id}");
    let (status, body) = bench.get(&open);
    assert_eq!(status, 200);
    let body = body.as_str().expect("text");
    assert!(body.contains("OPEN"), "{body}");
    let sid = body
        .split("\"sid\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    format!(
        "/socket.io/?EIO=3&transport=polling&sid={}",
        sid.expect("a sid")
    )
}

#[test]
fn a_page_that_polls_hears_what_waits_and_then_what_comes() {
    let mut bench = Bench::new("");
    let path = polling(&mut bench, "a");
    assert_eq!(bench.stats().peers, 1);
    let waiting = bench.ask("GET", &path, &Value::Null);
    assert_eq!(bench.answer(waiting), None);
    let other = skyway(&mut bench, "b");
    let say = json!(["SEND_OFFER", {"dst": "a", "offer": {"type": "offer", "sdp": "v=0"},
        "connectionId": "dc_1", "connectionType": "data", "label": "x", "serialization": "binary"}]);
    bench.send(other, &format!("42{say}"));
    let (status, body) = bench.answer(waiting).expect("it is told");
    assert!(
        status == 200 && body.to_string().contains("OFFER"),
        "{body}"
    );
    // A waiting request whose client sends no more ends the page.
    let waiting = bench.ask("GET", &path, &Value::Null);
    bench.with(|hub, cx| hub.handle_half_closed(cx, waiting));
    bench.settle();
    let hung_up =
        |event: &RendezvousEvent| matches!(event, RendezvousEvent::HangUp(it) if *it == waiting);
    assert!(bench.events.iter().any(hung_up));
    assert_eq!(bench.stats().peers, 1);
}

#[test]
fn frames_wait_while_much_is_to_be_written() {
    let mut bench = Bench::new("");
    let page = skyway(&mut bench, "a");
    let other = skyway(&mut bench, "b");
    let long = "x".repeat(8 * 1024);
    let say = json!(["SEND_OFFER", {"dst": "a", "offer": {"type": "offer", "sdp": long},
        "connectionId": "dc_1", "connectionType": "data", "label": "x", "serialization": "binary"}]);
    for _ in 0..4 {
        bench.send(other, &format!("42{say}"));
    }
    let heard = bench.heard(page).len();
    assert!((2..4).contains(&heard), "{heard}");
    bench.with(|hub, cx| hub.handle_socket_drained(cx, page, 0));
    bench.settle();
    assert_eq!(heard + bench.heard(page).len(), 4);
}

#[test]
fn a_page_of_skyway_that_comes_back_is_the_peer_that_it_was() {
    let mut bench = Bench::new("");
    let first = skyway(&mut bench, "a");
    let again = skyway(&mut bench, "a");
    assert_eq!(bench.stats().peers, 1);
    assert!(bench.closed.contains(&(first, 1000)));
    bench.close_socket(first);
    assert_eq!(bench.stats().peers, 1);
    let stranger =
        bench.open_socket("/socket.io/?EIO=3&transport=websocket&apiKey=k&peerId=a&token=another");
    let heard = bench.heard(stranger);
    assert!(
        heard.iter().any(|it| it.contains("unavailable-id")),
        "{heard:?}"
    );
    bench.close_socket(again);
    assert_eq!(bench.stats().peers, 0);
}
