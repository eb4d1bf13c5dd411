//! The gateway with a program that asks over one connection, and no network between the two.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Config;
use crate::datagram::Meta;
use crate::gateway::Gateway;
use crate::gateway::source::Command;
use crate::ids::SourceId;
use crate::session::crypto::Identity;

/// The gateway with a program that asks over one connection.
pub(super) struct Bench {
    pub(super) gateway: Gateway,
    pub(super) now: Instant,
    pub(super) http: SourceId,
    /// The page that asks, if it is one.
    pub(super) origin: Option<String>,
    host: &'static str,
    /// With which peers are made.
    pub(super) key: &'static str,
    /// Sockets that were opened, and what was sent from them.
    pub(super) sockets: Vec<(SourceId, SocketAddr)>,
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
    /// Another program has this port.
    pub(super) occupied: Option<u16>,
}

impl Bench {
    pub(super) fn new(config: &str) -> Self {
        let identity = Identity::generate().expect("an identity");
        let now = Instant::now();
        let config = Config::parse(config).expect("a configuration");
        let mut gateway = Gateway::new(now, config, identity, Vec::new(), [7; 32]);
        let local = "127.0.0.1:8000".parse().unwrap();
        let http = gateway.handle_accept(now, local, local).expect("accepted");
        let mut bench = Self {
            gateway,
            now,
            http,
            origin: None,
            host: "localhost",
            key: "k",
            sockets: Vec::new(),
            sent: Vec::new(),
            occupied: None,
        };
        bench.settle();
        bench
    }

    /// Lets everything happen that needs no time.
    pub(super) fn settle(&mut self) {
        loop {
            self.gateway.settle(self.now);
            let mut idle = true;
            while let Some(command) = self.gateway.poll_command() {
                idle = false;
                self.act(command);
            }
            while let Some(batch) = self.gateway.poll_transmit() {
                self.sent.push((batch.destination, batch.contents.to_vec()));
            }
            if idle {
                break;
            }
        }
    }

    pub(super) fn act(&mut self, command: Command) {
        match command {
            Command::OpenUdp { source, udp } => {
                let bind = udp.bind.expect("content ports are bound");
                if Some(bind.port()) == self.occupied {
                    let failure = crate::endpoint::Failure::new(
                        crate::endpoint::FailureKind::Other,
                        "address in use",
                    );
                    return self.gateway.handle_failed(self.now, source, &failure);
                }
                self.sockets.push((source, bind));
                self.gateway.handle_opened(self.now, source, Some(bind));
            }
            Command::OpenIce { source, addr } => {
                let local = SocketAddr::new(addr.ip(), 5000);
                self.gateway.handle_opened(self.now, source, Some(local));
            }
            Command::Listen { source, addr } => {
                self.gateway.handle_listening(self.now, source, addr);
            }
            Command::ListAddresses => {
                self.gateway
                    .handle_networks(vec![("192.0.2.1".parse().unwrap(), 24)]);
                self.gateway
                    .handle_addresses(self.now, &["127.0.0.1".parse().unwrap()]);
            }
            Command::Close { source } => self.sockets.retain(|(id, _)| *id != source),
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, a timer at a time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.gateway.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.gateway.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, body: &Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let origin = self.origin.as_ref();
        let origin = origin.map_or_else(String::new, |it| format!("Origin: {it}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{origin}Content-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.gateway
            .handle_data(self.now, self.http, request.as_bytes());
        self.settle();
    }

    /// From now on the program asks from this address.
    pub(super) fn visit(&mut self, remote: &str) {
        let remote: SocketAddr = remote.parse().expect("an address");
        let is_local = remote.ip().is_loopback();
        let local = if is_local {
            "127.0.0.1:8000"
        } else {
            "192.0.2.1:8000"
        };
        self.host = if is_local { "localhost" } else { "192.0.2.1" };
        let local = local.parse().expect("an address");
        let accepted = self.gateway.handle_accept(self.now, local, remote);
        self.http = accepted.expect("room");
        self.settle();
    }

    /// Sends a request as it is, on a connection of its own from where the program is, and waits for nothing.
    pub(super) fn raw(&mut self, request: &str) {
        let local = "192.0.2.1:8000".parse().expect("an address");
        let remote = "192.0.2.9:50000".parse().expect("an address");
        let accepted = self.gateway.handle_accept(self.now, local, remote);
        let source = accepted.expect("room");
        self.gateway
            .handle_data(self.now, source, request.as_bytes());
        self.settle();
    }

    /// The answer, if it has come.
    pub(super) fn answer(&mut self) -> Option<(u16, Value)> {
        let text = String::from_utf8_lossy(self.gateway.output(self.http)).into_owned();
        if text.is_empty() {
            return None;
        }
        self.gateway.consume(self.now, self.http, text.len());
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Some((status.expect("a status"), body))
    }

    pub(super) fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask(method, path, body);
        // A handshake within the process takes no time but its timers.
        for _ in 0..100 {
            if let Some(answer) = self.answer() {
                return answer;
            }
            self.pass(Duration::from_millis(10));
        }
        panic!("{method} {path} was not answered in a second");
    }

    pub(super) fn peer(&mut self, name: &str) -> String {
        let body = json!({"key": self.key, "domain": "d", "peer_id": name});
        let (status, body) = self.call("POST", "/peers", &body);
        assert_eq!(status, 201, "{body}");
        body["params"]["token"].as_str().unwrap().to_owned()
    }

    pub(super) fn port(&mut self) -> (String, u16) {
        let (status, body) = self.call("POST", "/data", &json!({}));
        assert_eq!(status, 201, "{body}");
        let port = body["port"].as_u64().unwrap();
        (
            body["data_id"].as_str().unwrap().to_owned(),
            u16::try_from(port).unwrap(),
        )
    }

    pub(super) fn datagram(&mut self, port: u16, bytes: &[u8]) {
        let found = self.sockets.iter().find(|(_, bind)| bind.port() == port);
        let (socket, local) = *found.expect("an open port");
        let meta = Meta {
            local,
            remote: "127.0.0.1:9999".parse().unwrap(),
            stride: bytes.len().max(1),
        };
        self.gateway
            .handle_datagrams(self.now, socket, &meta, bytes);
        self.settle();
    }

    /// Two peers and a connection between them; the ids of both its ends.
    pub(super) fn connected(&mut self, a: &str, b: &str, port: &str) -> [String; 2] {
        let (token_a, token_b) = (self.peer(a), self.peer(b));
        let body = json!({
            "peer_id": a, "token": token_a, "target_id": b, "params": {"data_id": port},
            "redirect_params": {"ip_v4": "127.0.0.1", "port": 7001},
            "options": {"serialization": "NONE", "metadata": "hello"},
        });
        let (status, body) = self.call("POST", "/data/connections", &body);
        assert_eq!(status, 202, "{body}");
        let ours = body["params"]["data_connection_id"].as_str().unwrap();
        let ours = ours.to_owned();
        let events = format!("/peers/{b}/events?token={token_b}");
        assert_eq!(self.call("GET", &events, &Value::Null).1["event"], "OPEN");
        let (_, event) = self.call("GET", &events, &Value::Null);
        assert_eq!(event["event"], "CONNECTION");
        let theirs = event["data_params"]["data_connection_id"].as_str().unwrap();
        let theirs = theirs.to_owned();
        for id in [&ours, &theirs] {
            let path = format!("/data/connections/{id}/events");
            let (_, event) = self.call("GET", &path, &Value::Null);
            assert_eq!(event, json!({"event": "OPEN"}));
        }
        self.call(
            "DELETE",
            &format!("/peers/{a}x?token={token_a}"),
            &Value::Null,
        );
        self.tokens(a, b, token_a, token_b);
        [ours, theirs]
    }

    pub(super) fn tokens(&mut self, a: &str, b: &str, token_a: String, token_b: String) {
        for (name, token) in [(a, token_a), (b, token_b)] {
            let path = format!("/peers/{name}/status?token={token}");
            let (status, body) = self.call("GET", &path, &Value::Null);
            assert_eq!((status, &body["disconnected"]), (200, &json!(false)));
        }
    }
}
