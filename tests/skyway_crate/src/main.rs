//! Two peers that the crate `skyway-webrtc-gateway-caller` makes, with a data connection between them.
//!
//! `thingway-skyway-crate URL`: against the gateway there. The crate holds every answer against its own types and polls
//! for events by itself, as the programs do that were written with it. It ends with 0 if all went as it should.

mod program;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use program::Program;

/// For each step.
const SOON: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).expect("the address of a gateway");
    // One program for both peers: the crate has one address for a process.
    let mut program = Program::new(&url).await;
    let caller = program.peer("data_caller").await;
    let callee = program.peer("data_callee").await;
    refused(&program).await;

    // The caller has its port and where it wants to hear before it calls.
    let (caller_port, caller_feeds) = program.port().await;
    let caller_hears = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let connect = json!({
        "peer_id": "data_caller", "token": caller, "target_id": "data_callee",
        "params": { "data_id": caller_port }, "redirect_params": address(&caller_hears),
    });
    let connected = program.ask("DATA", "CONNECT", connect).await;
    let calling = text(&connected, "data_connection_id");

    // The callee is told, and says the same afterwards.
    let event = program.event("CONNECTION").await;
    assert_eq!(event["params"]["peer_id"], "data_callee");
    let called = text(&event["data_params"], "data_connection_id");
    let (callee_port, callee_feeds) = program.port().await;
    let callee_hears = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let redirect = json!({
        "data_connection_id": called,
        "feed_params": { "data_id": callee_port }, "redirect_params": address(&callee_hears),
    });
    let redirected = program.ask("DATA", "REDIRECT", redirect).await;
    assert_eq!(text(&redirected, "data_connection_id"), called);
    // The crate asks for the events of a connection that somebody else made from here on.
    program.opened(&[&calling, &called]).await;

    let status = program
        .ask("DATA", "STATUS", json!({ "data_connection_id": called }))
        .await;
    assert_eq!(
        (
            &status["remote_id"],
            &status["open"],
            &status["serialization"]
        ),
        (&json!("data_caller"), &json!(true), &json!("BINARY")),
        "{status}"
    );

    let program_socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for (feeds, hears) in [(caller_feeds, &callee_hears), (callee_feeds, &caller_hears)] {
        for message in [&b"hello"[..], &[0, 0xff, 0x80], &[7; 1_200]] {
            program_socket.send_to(message, feeds).await.expect("sent");
            assert_eq!(heard(hears).await, message);
        }
    }

    // The end, from the caller's side; both are told.
    program
        .ask(
            "DATA",
            "DISCONNECT",
            json!({ "data_connection_id": calling }),
        )
        .await;
    program.closed(&[&called]).await;
    program
        .ask("DATA", "DELETE", json!({ "data_id": callee_port }))
        .await;
    for (name, token) in [("data_caller", caller), ("data_callee", callee)] {
        let params = json!({ "peer_id": name, "token": token });
        let deleted = program.ask("PEER", "DELETE", params).await;
        assert_eq!(text(&deleted, "peer_id"), name);
    }
    println!("the crate and the gateway understand each other");
}

/// What the crate makes of errors: it reads the body of a 400 and knows 403 and 404.
async fn refused(program: &Program) {
    let same =
        json!({ "key": "any", "domain": "localhost", "peer_id": "data_caller", "turn": true });
    let why = program.refused("PEER", "CREATE", same).await;
    assert!(why.contains("Forbidden"), "{why}");
    let nobody = json!({ "data_connection_id": "dc-4995f372-fb6a-4196-b30a-ce11e5c7f56c" });
    let why = program.refused("DATA", "STATUS", nobody).await;
    assert!(why.contains("Not Found"), "{why}");
    let why = program
        .refused("MEDIA", "CONTENT_CREATE", json!({ "is_video": true }))
        .await;
    assert!(why.contains("media connections are not there yet"), "{why}");
}

fn address(socket: &UdpSocket) -> Value {
    let at = socket.local_addr().expect("its address");
    json!({ "ip_v4": at.ip(), "port": at.port() })
}

fn text(value: &Value, key: &str) -> String {
    let found = value[key].as_str();
    found
        .unwrap_or_else(|| panic!("no {key}: {value}"))
        .to_owned()
}

async fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2_000];
    let received = timeout(SOON, socket.recv_from(&mut buffer)).await;
    let (length, _): (usize, SocketAddr) = received.expect("a datagram in time").expect("received");
    buffer[..length].to_vec()
}
