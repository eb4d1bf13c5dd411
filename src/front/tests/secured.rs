//! TLS between a stream and its protocol, tested with a client that speaks TLS.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::*;

/// Returns a certificate for `board`, and a client that trusts it.
pub(super) fn identity() -> (TlsIdentity, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(vec!["board".to_owned()]).expect("made");
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("they fit");
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
        fingerprint: "AB:CD".to_owned(),
        authority: None,
    };
    (identity, client)
}

const CONFIG: &str = "[http]\nlisten = [\"192.0.2.1:8443\"]\n";

/// Returns a gateway with a TLS listener, and a client for it.
fn rig() -> (Rig, SourceId, ClientConnection) {
    let mut rig = Rig::new(CONFIG);
    let commands = rig.commands();
    let [Command::LoadTls { .. }, Command::Listen { source, addr }] = commands[..] else {
        panic!("{commands:?}");
    };
    rig.with(|front, cx| front.handle_listening(cx, source, addr));
    let (identity, tls) = identity();
    rig.with(|front, cx| front.handle_tls(cx, Ok(identity)));
    (rig, source, tls)
}

fn connect(rig: &mut Rig, listener: SourceId) -> Client {
    let local = "192.0.2.1:8443".parse().expect("an address");
    let remote = SocketAddr::new(THERE.parse().expect("an address"), 40_000);
    let source = rig.with(|front, cx| front.accept_at(cx, listener, local, remote));
    rig.client(source.expect("there is room"))
}

/// Carries records in both directions until nothing moves, and returns what the client has read.
fn carry(rig: &mut Rig, client: Client, tls: &mut ClientConnection) -> String {
    let mut plain = Vec::new();
    loop {
        let mut up = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut up).expect("memory");
        }
        rig.send(client, &up);
        let down = rig.read_bytes(client);
        let mut down = down.as_slice();
        if up.is_empty() && down.is_empty() {
            return String::from_utf8_lossy(&plain).into_owned();
        }
        while !down.is_empty() {
            tls.read_tls(&mut down).expect("memory");
            tls.process_new_packets().expect("well-formed");
        }
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = tls.reader().read(&mut buffer) {
            plain.extend_from_slice(&buffer[..n]);
        }
    }
}

#[test]
fn a_request_inside_tls_is_answered_inside_tls() {
    let (mut rig, listener, mut tls) = rig();
    let admin = rig.admin();
    let client = connect(&mut rig, listener);
    carry(&mut rig, client, &mut tls);
    assert!(!tls.is_handshaking());
    tls.writer()
        .write_all(request("GET /tokens", &bearer(&admin)).as_bytes())
        .expect("memory");
    assert_eq!(carry(&mut rig, client, &mut tls), "");
    let (asked, head) = rig.head();
    assert!(
        rig.front.connections().way_of(asked).is_tls
            && !rig.front.connections().way_of(asked).is_loopback
    );
    assert!(
        rig.with(|front, cx| front.check(cx, asked, &head))
            .is_some()
    );
    rig.answer(asked, Response::new(200));
    assert!(carry(&mut rig, client, &mut tls).starts_with("HTTP/1.1 200"));
    // The connection stays open beyond the time limit of a handshake.
    rig.pass(Duration::from_secs(11));
    assert!(rig.is_connected(client));
    tls.writer()
        .write_all(request("GET /tokens", "").as_bytes())
        .expect("memory");
    carry(&mut rig, client, &mut tls);
    rig.serve();
    assert!(carry(&mut rig, client, &mut tls).starts_with("HTTP/1.1 401"));
}

#[test]
fn a_handshake_has_ten_seconds() {
    let (mut rig, listener, mut tls) = rig();
    let client = connect(&mut rig, listener);
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).expect("memory");
    rig.send(client, &hello);
    assert!(!rig.read_bytes(client).is_empty());
    rig.pass(Duration::from_millis(9_999));
    assert!(rig.is_connected(client));
    rig.pass(Duration::from_millis(1));
    assert!(!rig.is_connected(client));
    // The limit also applies to a client that sends nothing at all.
    let client = connect(&mut rig, listener);
    rig.pass(Duration::from_secs(11));
    assert!(!rig.is_connected(client));
}

#[test]
fn plain_http_where_tls_is_spoken_is_sent_to_https_whatever_it_shows() {
    let (mut rig, listener, _) = rig();
    let admin = rig.admin();
    let client = connect(&mut rig, listener);
    for headers in [String::new(), bearer(&admin)] {
        for line in [
            "GET /tokens",
            "GET /",
            "DELETE /tokens/admin",
            "POST /tokens",
        ] {
            let client = connect(&mut rig, listener);
            let (status, text) = rig.ask(client, line, &headers);
            assert_eq!(status, 308, "{line} {headers}");
            let path = line.split(' ').nth(1).expect("a path");
            assert!(text.contains(&format!("Location: https://board{path}\r\n")));
        }
    }
    let used = rig
        .front
        .access
        .tokens()
        .next()
        .expect("the token")
        .last_used;
    assert_eq!(
        used, None,
        "a token that anybody could read counts for nothing"
    );
    let grant = Grant::everything();
    let address = THERE.parse().expect("an address");
    let (now, random) = (rig.now, &mut rig.random);
    let tickets = &mut rig.front.access.tickets;
    let ticket = tickets.issue(now, grant, address, random).expect("room");
    let line = format!("GET /events?ticket={ticket}");
    assert_eq!(rig.ask(client, &line, "").0, 308);
    let unused = rig.front.access.tickets.redeem(now, &ticket, address);
    assert!(unused.is_some());
}

#[test]
fn a_dialect_over_plain_http_where_tls_is_spoken_gets_nothing() {
    let (mut rig, listener, _) = rig();
    let client = connect(&mut rig, listener);
    rig.send(client, request("GET /peerjs/id", ""));
    let (request, head) = rig.head();
    let locality = rig.front.locality(request, &head);
    assert!(matches!(locality, Err(NotLocal::NoTls)));
}

#[test]
fn rubbish_instead_of_a_handshake_is_answered_with_an_alert_and_the_end() {
    let (mut rig, listener, _) = rig();
    let client = connect(&mut rig, listener);
    let rubbish: Vec<u8> = std::iter::once(0x16).chain(0..200).collect();
    rig.send(client, rubbish);
    let alert = rig.read_bytes(client);
    assert_eq!(alert.first(), Some(&0x15));
    assert!(!rig.is_connected(client));
    assert_eq!(names(&rig.events()), [""; 0]);
}

#[test]
fn a_client_of_tls_that_dies_leaves_a_request_that_is_gone() {
    let (mut rig, listener, mut tls) = rig();
    let client = connect(&mut rig, listener);
    carry(&mut rig, client, &mut tls);
    tls.writer()
        .write_all(request("GET /a", "").as_bytes())
        .expect("memory");
    carry(&mut rig, client, &mut tls);
    rig.head();
    rig.with(|front, cx| front.connections_mut().handle_failed(cx, client.id));
    assert_eq!(names(&rig.events()), ["gone"]);
}

#[test]
fn without_a_certificate_the_daemon_cannot_serve_the_network() {
    let mut rig = Rig::new(CONFIG);
    rig.commands();
    rig.with(|front, cx| front.handle_tls(cx, Err("no file".to_owned())));
    let events = rig.events();
    let [FrontEvent::Failed(why)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(why.detail.contains("no file"));
    // An existing certificate is kept when the next one is bad.
    let (mut rig, ..) = self::rig();
    rig.with(|front, cx| front.handle_tls(cx, Err("no file".to_owned())));
    assert_eq!(names(&rig.events()), [""; 0]);
    assert_eq!(rig.front.tls().expect("it is kept").fingerprint, "AB:CD");
}

#[test]
fn the_files_of_a_certificate_are_looked_at_and_one_that_signs_itself_is_not() {
    let (mut rig, ..) = rig();
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.commands(), []);
    let files = "[http.tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
    let config = Config::parse(&format!("{CONFIG}{files}")).expect("a configuration");
    let files = config.http.tls.clone();
    rig.with(|front, cx| front.configure(cx, &config));
    let load = Command::LoadTls {
        files: files.clone(),
    };
    assert_eq!(rig.commands(), [load]);
    rig.with(|front, cx| front.handle_tls(cx, Ok(identity().0)));
    for _ in 0..2 {
        rig.pass(Duration::from_secs(15));
        let renew = Command::RenewTls {
            files: files.clone(),
        };
        assert_eq!(rig.commands(), [renew]);
    }
}
