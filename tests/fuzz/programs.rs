//! Programs and pages beside the peers: what they ask of the hub, of tokens and of endpoints, in clear text and over TLS, from this
//! machine and from beyond it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::input::Input;
use super::world::World;
use thingway::testing::session::crypto::self_signed;
use thingway::testing::tls::TlsIdentity;

/// What answers have told, to be used in later requests.
#[derive(Debug, Default)]
pub(super) struct Known {
    peer: String,
    data: String,
    link: String,
    token: String,
    share: String,
    ticket: String,
}

/// A method, a path and a body. `{name}` is one of a few names, the others are of [`Known`].
type Call = (&'static str, &'static str, &'static str);

const CALLS: &[Call] = &[
    (
        "POST",
        "/peers",
        r#"{"key":"k","domain":"d","peer_id":"{name}"}"#,
    ),
    ("POST", "/data", "{}"),
    (
        "POST",
        "/data/connections",
        r#"{"peer_id":"{name}","token":"{peer}","target_id":"robot","params":{"data_id":"{data}"},"redirect_params":{"ip_v4":"127.0.0.1","port":7001}}"#,
    ),
    (
        "POST",
        "/data/connections",
        r#"{"peer_id":"{name}","token":"{peer}","target_id":"p1","params":{"endpoint":"arm"}}"#,
    ),
    (
        "PUT",
        "/data/connections/{link}",
        r#"{"feed_params":{"data_id":"{data}","transcode":true},"redirect_params":{"ip_v4":"192.0.2.9","port":50001}}"#,
    ),
    ("GET", "/data/connections/{link}/events", ""),
    ("GET", "/data/connections/{link}/status", ""),
    ("DELETE", "/data/connections/{link}", ""),
    ("DELETE", "/data/{data}", ""),
    ("GET", "/peers/{name}/events?token={peer}", ""),
    ("DELETE", "/peers/{name}?token={peer}", ""),
    ("GET", "/peerjs/id", ""),
    ("GET", "/peerjs/peers", ""),
    ("GET", "/socket.io/?EIO=3&transport=polling&apiKey=k", ""),
    (
        "POST",
        "/tokens",
        r#"{"name":"{name}","scopes":[{"endpoints":["arm"],"verbs":["read"]}],"expires_in_s":60}"#,
    ),
    ("POST", "/tokens", r#"{"name":"{name}","admin":true}"#),
    ("DELETE", "/tokens/{name}", ""),
    ("POST", "/shares", r#"{"name":"{name}","admin":true}"#),
    ("POST", "/shares/redeem", r#"{"share":"{share}"}"#),
    ("POST", "/tickets", ""),
    ("GET", "/events?ticket={ticket}", ""),
    ("GET", "/access", ""),
    ("GET", "/sessions", ""),
    ("PUT", "/endpoints/new", r#"{"kind":"echo"}"#),
    (
        "PUT",
        "/endpoints/new",
        r#"{"kind":"tcp","remote":"127.0.0.1:8000"}"#,
    ),
    ("DELETE", "/endpoints/new", ""),
    (
        "POST",
        "/endpoints/arm/line",
        r#"{"do":[{"dtr":false},{"wait_ms":10},{"baud":19200},{"dtr":true}]}"#,
    ),
    (
        "POST",
        "/endpoints/leg/line",
        r#"{"do":[{"flush":"both"},{"wait_ms":300},{"rts":true}]}"#,
    ),
    (
        "GET",
        "/peerjs?key=k&id={name}&token={name}",
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
];

const NAMES: [&str; 4] = ["p1", "p2", "robot", "spare"];

/// From where a request comes.
const LOOPBACK: u8 = 1;
const OVER_TLS: u8 = 2;
/// It comes with the token that was made last.
const WITH_TOKEN: u8 = 4;
/// Its connection stays open.
const STAYS: u8 = 8;

/// Makes a request that the input chooses.
pub(super) fn call(world: &mut World, input: &mut Input<'_>) {
    let Some((method, path, body)) = CALLS.get(input.below(CALLS.len())) else {
        return;
    };
    let (name, flags) = (input.below(NAMES.len()), input.byte());
    let name = NAMES.get(name).copied().unwrap_or_default();
    let fill = |text: &str, known: &Known| {
        text.replace("{name}", name)
            .replace("{peer}", &known.peer)
            .replace("{data}", &known.data)
            .replace("{link}", &known.link)
            .replace("{share}", &known.share)
            .replace("{ticket}", &known.ticket)
    };
    let (path, body) = (fill(path, &world.known), fill(body, &world.known));
    // What begins with a line end are more headers.
    let (more, body) = match body.strip_prefix("\r\n") {
        Some(headers) => (format!("{headers}\r\n"), String::new()),
        None => (String::new(), body),
    };
    let token = &world.known.token;
    let token = if flags & WITH_TOKEN != 0 && !token.is_empty() {
        format!("Authorization: Bearer {token}\r\n")
    } else {
        String::new()
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}{token}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = if flags & OVER_TLS != 0 {
        over_tls(world, request.as_bytes(), input)
    } else if flags & STAYS != 0 {
        world.connect(false);
        let last = world.clients.len().saturating_sub(1);
        world.feed(last, request.as_bytes());
        world
            .clients
            .get(last)
            .map(|client| client.received.clone())
    } else if flags & LOOPBACK != 0 {
        world.request(request.as_bytes())
    } else {
        world.request_from(
            SocketAddr::from(([203, 0, 113, 9], 4000)),
            request.as_bytes(),
        )
    };
    if let Some(answer) = answer {
        world.known.learn(&String::from_utf8_lossy(&answer));
    }
}

impl Known {
    fn learn(&mut self, answer: &str) {
        let find = |prefix: &str| {
            let at = answer.find(prefix)?;
            let rest = answer.get(at + 1..)?;
            rest.split('"').next().map(str::to_owned)
        };
        for (prefix, place) in [
            ("\"pt-", &mut self.peer),
            ("\"da-", &mut self.data),
            ("\"dc-", &mut self.link),
            ("\"tw_", &mut self.token),
            ("\"ts_", &mut self.share),
        ] {
            if let Some(found) = find(prefix) {
                *place = found;
            }
        }
        if let Some((_, rest)) = answer.split_once("\"ticket\":\"") {
            self.ticket = rest.split('"').next().unwrap_or_default().to_owned();
        }
    }
}

/// A request over TLS; the input may spoil one byte of what the client sends.
fn over_tls(world: &mut World, request: &[u8], input: &mut Input<'_>) -> Option<Vec<u8>> {
    let source = world.accept_secure()?;
    let (_, config) = certificate();
    let name = ServerName::try_from("localhost").ok()?;
    let mut client = ClientConnection::new(Arc::clone(config), name).ok()?;
    client.writer().write_all(request).ok()?;
    let spoil = (input.byte(), input.byte());
    let (mut text, mut sent) = (Vec::new(), 0_usize);
    for _ in 0..10 {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).ok()?;
        }
        for byte in &mut up {
            // One in 256 inputs leaves everything as it is.
            if spoil.1 != 0 && sent == usize::from(spoil.0) * 8 {
                *byte ^= spoil.1;
            }
            sent += 1;
        }
        let down = world.exchange_secure(source, &up);
        if up.is_empty() && down.is_empty() {
            break;
        }
        let mut down = down.as_slice();
        let taken = client.read_tls(&mut down).is_ok() && client.process_new_packets().is_ok();
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = client.reader().read(&mut piece) {
            text.extend_from_slice(piece.get(..n).unwrap_or_default());
        }
        if !taken {
            break;
        }
    }
    world.leave(source);
    Some(text)
}

/// A certificate, and a client that trusts it. Made once: making keys is slow.
pub(super) fn certificate() -> &'static (TlsIdentity, Arc<ClientConfig>) {
    static MADE: OnceLock<(TlsIdentity, Arc<ClientConfig>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let (certificate, key) = self_signed(vec!["localhost".to_owned()]).expect("made");
        let certificate = certificate.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
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
        let identity = TlsIdentity {
            config: Arc::new(server),
            fingerprint: String::new(),
            authority: None,
        };
        (identity, Arc::new(client))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{gateway::gauge, start};
    use super::*;

    /// Makes calls by their numbers in [`CALLS`], and returns what is known then.
    fn made(world: &mut World, calls: &[[u8; 3]]) {
        for bytes in calls {
            call(world, &mut Input::new(bytes));
            world.settle();
        }
    }

    /// Without this, a fuzzer could be busy for hours in front of a closed door.
    #[test]
    fn programs_get_through_to_ports_links_and_tokens() {
        let mut world = World::new(start());
        made(
            &mut world,
            &[[0, 0, LOOPBACK], [1, 0, LOOPBACK], [2, 0, LOOPBACK]],
        );
        let known = &world.known;
        assert!(known.peer.starts_with("pt-") && known.data.starts_with("da-"));
        assert!(known.link.starts_with("dc-"), "{known:?}");
        let metrics = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let metrics = String::from_utf8(world.request(metrics).expect("an answer"));
        let metrics = metrics.expect("text");
        assert_eq!(gauge(&metrics, "links"), Some(2));
        assert_eq!(gauge(&metrics, "content_ports"), Some(1));
        // Over TLS only with a token.
        made(&mut world, &[[19, 0, OVER_TLS]]);
        assert!(world.known.ticket.is_empty());
        made(
            &mut world,
            &[[15, 3, LOOPBACK], [19, 0, OVER_TLS | WITH_TOKEN]],
        );
        assert!(!world.known.ticket.is_empty(), "{:?}", world.known);
    }

    #[test]
    fn scripts_run_where_there_is_a_line() {
        let mut world = World::new(start());
        world.line_works = true;
        made(&mut world, &[[26, 0, LOOPBACK | STAYS]]);
        world.run(std::time::Duration::from_millis(100));
        let answer = world.clients.last().expect("it stays").received.clone();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
