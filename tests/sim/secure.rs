//! A TLS listener: its answers to plain text, and a stream that stays open over TLS.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use thingway::testing::ids::SourceId;
use thingway::testing::tls::TlsIdentity;

use crate::access::with_token;
use crate::routes::{self, request};
use crate::sessions::ARM;
use crate::world::World;

const STRANGER: &str = "198.51.100.9:40000";
const LOOPBACK: &str = "127.0.0.1:40000";

const CONFIG: &str = "[http]\nlisten = [\"192.0.2.1:8443\"]\n[skyway]\nexpose = true\n\
                      [[skyway.key]]\nkey = \"k\"\n[[peerjs.key]]\nkey = \"k\"\n";

/// Makes a certificate, and a client that trusts it. The server sends no session tickets, so the client sends
/// the last flight of the handshake.
fn certificate() -> (TlsIdentity, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(vec!["board".to_owned()]).expect("made");
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("they fit");
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("board").expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let identity = TlsIdentity {
        config: Arc::new(server),
        fingerprint: String::new(),
        authority: None,
    };
    (identity, client)
}

fn world(seed: u64) -> (World, ClientConnection) {
    let (identity, client) = certificate();
    let world = World::secured(seed, &format!("{CONFIG}{ARM}"), Some(identity));
    (world, client)
}

#[test]
fn no_token_and_no_ticket_is_taken_in_clear_text() {
    let (mut world, _) = world(1);
    let token = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    world.token = None;
    let bearer = format!("Host: board\r\nAuthorization: Bearer {token}\r\n");
    for remote in [STRANGER, LOOPBACK] {
        for (method, path) in routes::own() {
            let head = request(method, &path, &bearer);
            let answer = world.request_at_listener(remote, head.as_bytes());
            assert!(
                answer.starts_with("HTTP/1.1 308 "),
                "{remote} {method} {path}: {answer}"
            );
            let location = format!("Location: https://board{path}\r\n");
            assert!(answer.contains(&location), "{method} {path}: {answer}");
        }
    }
    let (_, list) = world.ask_json("GET", "/tokens", &Value::Null);
    assert_eq!(
        list["tokens"][0]["last_used"],
        Value::Null,
        "a token that was not taken was not used: {list}"
    );

    let head = request("POST", "/tickets", &bearer);
    let made = world.request_from(STRANGER, head.as_bytes());
    let (_, body) = made.split_once("\r\n\r\n").expect("a body");
    let made: Value = serde_json::from_str(body).expect("JSON");
    let ticket = made["ticket"].as_str().expect("a ticket");
    let head = request(
        "GET",
        &format!("/events?ticket={ticket}"),
        "Host: board\r\n",
    );
    let answer = world.request_at_listener(STRANGER, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(!answer.contains(ticket), "{answer}");
    let answer = world.request_from(STRANGER, head.as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "the ticket was not used up: {answer}"
    );
}

#[test]
fn no_key_of_the_hub_is_taken_in_clear_text() {
    let (mut world, _) = world(2);
    for remote in [STRANGER, LOOPBACK] {
        for (method, path) in routes::hub() {
            let head = request(method, &path, "Host: board\r\n");
            let answer = world.request_at_listener(remote, head.as_bytes());
            assert!(
                answer.starts_with("HTTP/1.1 403 ") && answer.contains("use https"),
                "{remote} {method} {path}: {answer}"
            );
        }
    }
    assert_eq!(world.metric("thingway_peers"), 0);
}

/// A TLS connection to the listener.
struct Secured {
    source: SourceId,
    client: ClientConnection,
    /// How much of the received bytes has been read.
    read: usize,
    text: String,
}

impl Secured {
    fn exchange(&mut self, world: &mut World) {
        loop {
            let mut up = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut up).expect("memory");
            }
            if !up.is_empty() {
                world.gateway.handle_data(world.now, self.source, &up);
                world.settle();
            }
            let came = world.http.get(&self.source).expect("it is open");
            let mut down = &came[self.read..];
            self.read = came.len();
            if up.is_empty() && down.is_empty() {
                return;
            }
            while !down.is_empty() {
                self.client.read_tls(&mut down).expect("memory");
                self.client.process_new_packets().expect("well-formed");
            }
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = self.client.reader().read(&mut piece) {
                self.text.push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        }
    }
}

#[test]
fn a_stream_over_tls_outlives_the_limit_of_the_handshake() {
    let (mut world, client) = world(3);
    let token = with_token(&mut world, &json!({"name": "boss", "admin": true}));
    world.token = None;
    let source = world.accept_at_listener(STRANGER);
    let mut stream = Secured {
        source,
        client,
        read: 0,
        text: String::new(),
    };
    stream.exchange(&mut world);
    assert!(!stream.client.is_handshaking());
    // After its first request the connection is idle for longer than a handshake or an unread answer may take.
    let lines = format!("Host: board\r\nAuthorization: Bearer {token}\r\n");
    let head = request("GET", "/endpoints", &lines);
    let mut writer = stream.client.writer();
    writer.write_all(head.as_bytes()).expect("memory");
    stream.exchange(&mut world);
    world.run(Duration::from_secs(11));
    assert!(world.http.contains_key(&source), "it was closed");
    let head = request("GET", "/events", &lines);
    let mut writer = stream.client.writer();
    writer.write_all(head.as_bytes()).expect("memory");
    stream.exchange(&mut world);
    assert!(stream.text.contains("\"open\""), "{}", stream.text);
    for _ in 0..8 {
        world.run(Duration::from_secs(10));
        stream.exchange(&mut world);
    }
    world.unplug("/dev/arm");
    stream.exchange(&mut world);
    assert!(stream.text.contains("\"absent\""), "{}", stream.text);
}

#[test]
fn a_handshake_that_is_not_finished_is_given_up_after_ten_seconds() {
    let (mut world, _) = world(4);
    let source = world.accept_at_listener(STRANGER);
    // The head of a client hello that never becomes complete, byte by byte.
    for byte in [0x16, 3, 1, 2, 0, 1, 0, 0, 0] {
        assert!(world.http.contains_key(&source), "not before that");
        world.gateway.handle_data(world.now, source, &[byte]);
        world.run(Duration::from_millis(1_100));
    }
    assert!(world.http.contains_key(&source), "9.9 s");
    world.run(Duration::from_millis(200));
    assert!(!world.http.contains_key(&source), "it is closed");
}
