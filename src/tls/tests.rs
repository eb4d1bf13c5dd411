use super::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

fn pair() -> (TlsIdentity, ClientConnection) {
    pair_with(2)
}

/// Returns a server and a client. `tickets`: how many session tickets the server sends after the handshake of
/// TLS 1.3.
fn pair_with(tickets: usize) -> (TlsIdentity, ClientConnection) {
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
    server.send_tls13_tickets = tickets;
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

/// Carries everything both ways, in pieces of `cut` bytes, until nothing moves.
fn carry(tls: &mut Tls, client: &mut ClientConnection, cut: usize) -> Vec<u8> {
    let (now, mut plain) = (Instant::now(), Vec::new());
    loop {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).expect("memory");
        }
        let down = tls.output().to_vec();
        tls.consume(now, down.len());
        if up.is_empty() && down.is_empty() {
            return plain;
        }
        for piece in up.chunks(cut) {
            tls.handle_input(now, piece, &mut plain)
                .expect("well-formed");
        }
        let mut down = down.as_slice();
        while !down.is_empty() {
            client.read_tls(&mut down).expect("memory");
            client.process_new_packets().expect("well-formed");
        }
    }
}

fn received(client: &mut ClientConnection) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = client.reader().read(&mut buffer) {
        all.extend_from_slice(&buffer[..n]);
    }
    all
}

#[test]
fn bytes_pass_both_ways_however_they_are_cut() {
    for cut in [1, 7, 100_000] {
        let now = Instant::now();
        let (identity, mut client) = pair();
        let mut tls = Tls::new(now, &identity).expect("a connection");
        assert_eq!(tls.push(now, b"early"), 0, "not before the handshake");
        assert!(tls.deadline().is_some());
        carry(&mut tls, &mut client, cut);
        assert_eq!(tls.deadline(), None);
        client.writer().write_all(b"GET /").expect("memory");
        assert_eq!(carry(&mut tls, &mut client, cut), b"GET /");
        let page: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let (mut pushed, mut came) = (0, Vec::new());
        while pushed < page.len() {
            let taken = tls.push(now, &page[pushed..]);
            assert!(taken <= MAX_WAITING && (taken > 0 || !tls.output().is_empty()));
            pushed += taken;
            carry(&mut tls, &mut client, cut);
            came.extend(received(&mut client));
        }
        assert!(came == page);
        tls.close(now);
        assert!(!tls.is_finished());
        carry(&mut tls, &mut client, cut);
        assert!(tls.is_finished());
    }
}

#[test]
fn the_deadline_of_the_handshake_ends_with_the_handshake() {
    let now = Instant::now();
    // The client sends the last flight, and the server has nothing left to write.
    let (identity, mut client) = pair_with(0);
    let mut tls = Tls::new(now, &identity).expect("a connection");
    assert_eq!(tls.deadline(), Some(now + HANDSHAKE));
    carry(&mut tls, &mut client, 1000);
    assert!(!client.is_handshaking() && tls.output().is_empty());
    assert_eq!(tls.deadline(), None);
    // Output after the handshake has the deadline for output that a peer does not read.
    let (identity, mut client) = pair_with(2);
    let mut tls = Tls::new(now, &identity).expect("a connection");
    let (mut plain, mut up) = (Vec::new(), Vec::new());
    client.write_tls(&mut up).expect("memory");
    tls.handle_input(now, &up, &mut plain).expect("well-formed");
    let flight = tls.output().to_vec();
    tls.consume(now, flight.len());
    client.read_tls(&mut flight.as_slice()).expect("memory");
    client.process_new_packets().expect("well-formed");
    up.clear();
    while client.wants_write() {
        client.write_tls(&mut up).expect("memory");
    }
    let later = now + Duration::from_secs(3);
    tls.handle_input(later, &up, &mut plain)
        .expect("well-formed");
    assert!(!tls.output().is_empty(), "tickets");
    assert_eq!(tls.deadline(), Some(later + STALLED));
}

#[test]
fn who_does_not_read_has_a_deadline() {
    let now = Instant::now();
    let (identity, mut client) = pair();
    let mut tls = Tls::new(now, &identity).expect("a connection");
    carry(&mut tls, &mut client, 1000);
    while tls.push(now, &[7; 1000]) > 0 {}
    assert!(tls.output().len() < 2 * MAX_WAITING);
    assert_eq!(tls.deadline(), Some(now + STALLED));
    let later = now + Duration::from_secs(20);
    tls.consume(later, 1);
    assert_eq!(tls.deadline(), Some(later + STALLED), "it moves");
}

#[test]
fn rubbish_is_answered_with_an_alert_and_the_end() {
    let now = Instant::now();
    let (identity, _) = pair();
    let mut tls = Tls::new(now, &identity).expect("a connection");
    let rubbish: Vec<u8> = std::iter::once(FIRST_BYTE)
        .chain((0..200).map(|n| n as u8))
        .collect();
    let mut plain = Vec::new();
    assert!(tls.handle_input(now, &rubbish, &mut plain).is_err());
    assert_eq!(tls.output().first(), Some(&0x15), "an alert");
    tls.consume(now, tls.output().len());
    assert!(tls.is_finished() && plain.is_empty());
}

#[test]
fn who_reads_slowly_costs_no_more_than_what_waits() {
    let now = Instant::now();
    let (identity, mut client) = pair();
    let mut tls = Tls::new(now, &identity).expect("a connection");
    carry(&mut tls, &mut client, 1000);
    for _ in 0..200 {
        tls.push(now, &[7; MAX_WAITING]);
        // The system never accepts the last byte.
        let n = tls.output().len() - 1;
        tls.consume(now, n);
    }
    assert!(tls.output.len() < 8 * MAX_WAITING, "{}", tls.output.len());
}
