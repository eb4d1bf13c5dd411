//! The gateway with programs that call it over HTTP, without a network between them.

use super::*;
use crate::config::Config;

/// The gateway, and a program that sends requests over one connection.
pub(super) struct Bench {
    pub(super) gateway: Gateway,
    pub(super) now: Instant,
    pub(super) http: SourceId,
    /// The header lines of each request.
    pub(super) headers: String,
    host: &'static str,
    /// The sockets that were opened, and the datagrams that were sent from them.
    pub(super) sockets: Vec<(SourceId, SocketAddr)>,
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
    /// The commands that wait for a result, while results are withheld.
    pub(super) kept: Vec<Command>,
    /// Whether this machine's addresses are passed in as soon as the gateway asks for them.
    pub(super) tells_addresses: bool,
}

impl Bench {
    pub(super) fn new(config: &str) -> Self {
        let identity = Identity::generate().expect("an identity");
        let now = Instant::now();
        let config = Config::parse(config).expect("a configuration");
        let mut gateway = Gateway::new(now, config, identity, Vec::new(), [7; 32]);
        let local = "127.0.0.1:8000".parse().expect("an address");
        let http = gateway.handle_accept(now, local, local).expect("accepted");
        let mut bench = Self {
            gateway,
            now,
            http,
            headers: String::new(),
            host: "localhost",
            sockets: Vec::new(),
            sent: Vec::new(),
            kept: Vec::new(),
            tells_addresses: true,
        };
        bench.settle();
        bench
    }

    /// Settles everything that takes no time.
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

    fn act(&mut self, command: Command) {
        match command {
            Command::OpenUdp { source, udp } => {
                let bind = udp.bind.expect("ports are bound");
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
            Command::ListAddresses if self.tells_addresses => self.tell_addresses(),
            Command::StoreAccess { .. } => self.gateway.handle_access_stored(self.now, Ok(())),
            Command::Close { source } => self.sockets.retain(|(id, _)| *id != source),
            other => self.kept.push(other),
        }
    }

    pub(super) fn tell_addresses(&mut self) {
        let networks = vec![("192.0.2.1".parse().expect("an address"), 24)];
        self.gateway.handle_networks(networks);
        let loopback = "127.0.0.1".parse().expect("an address");
        self.gateway.handle_addresses(self.now, &[loopback]);
    }

    /// Advances the time from one deadline to the next.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.gateway.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.gateway.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Sets the address from which the program connects from now on.
    pub(super) fn visit(&mut self, remote: &str) {
        let remote = SocketAddr::new(remote.parse().expect("an address"), 40_000);
        let (local, host) = match remote.ip().is_loopback() {
            true => ("127.0.0.1:8000", "localhost"),
            false => ("192.0.2.1:8000", "192.0.2.1"),
        };
        self.host = host;
        let local = local.parse().expect("an address");
        let accepted = self.gateway.handle_accept(self.now, local, remote);
        self.http = accepted.expect("room");
        self.settle();
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.host,
            self.headers,
            body.len()
        );
        self.gateway
            .handle_data(self.now, self.http, request.as_bytes());
        self.settle();
    }

    /// Returns the bytes that were written to the program.
    pub(super) fn read(&mut self) -> String {
        let mut all = String::new();
        loop {
            let text = String::from_utf8_lossy(self.gateway.output(self.http)).into_owned();
            if text.is_empty() {
                return all;
            }
            self.gateway.consume(self.now, self.http, text.len());
            self.settle();
            all += &text;
        }
    }

    /// Returns the response, if it has arrived.
    pub(super) fn response(&mut self) -> Option<(u16, Value)> {
        let text = self.read();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Some((status.expect("a status"), body))
    }

    pub(super) fn call(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = match body.is_null() {
            true => String::new(),
            false => body.to_string(),
        };
        self.ask(method, path, &body);
        // A handshake within the process takes no time except for its timers.
        for _ in 0..100 {
            if let Some(response) = self.response() {
                return response;
            }
            self.pass(Duration::from_millis(10));
        }
        panic!("{method} {path} was not answered in a second");
    }

    // ---- peers ----

    pub(super) fn peer(&mut self, name: &str) -> String {
        let body = json!({"key": "k", "domain": "d", "peer_id": name});
        let (status, body) = self.call("POST", "/peers", &body);
        assert_eq!(status, 201, "{body}");
        body["params"]["token"].as_str().expect("one").to_owned()
    }

    /// Calls the peer `to`, and returns the status and the id of the connection.
    pub(super) fn dial(
        &mut self,
        from: &str,
        token: &str,
        to: &str,
        more: &Value,
    ) -> (u16, String) {
        let mut body = json!({"peer_id": from, "token": token, "target_id": to});
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        let (status, body) = self.call("POST", "/data/connections", &body);
        let id = body["params"]["data_connection_id"].as_str();
        (status, id.unwrap_or_default().to_owned())
    }

    pub(super) fn event(&mut self, id: &str) -> Value {
        let path = format!("/data/connections/{id}/events");
        self.call("GET", &path, &Value::Null).1["event"].clone()
    }

    /// Makes a content port, and returns its name and its number.
    pub(super) fn port(&mut self) -> (String, u16) {
        let (status, body) = self.call("POST", "/data", &json!({}));
        assert_eq!(status, 201, "{body}");
        let port = body["port"].as_u64().expect("a number");
        (
            body["data_id"].as_str().expect("an id").to_owned(),
            u16::try_from(port).expect("a port"),
        )
    }

    pub(super) fn datagram(&mut self, port: u16, bytes: &[u8]) {
        let found = self.sockets.iter().find(|(_, bind)| bind.port() == port);
        let (socket, local) = *found.expect("an open port");
        let meta = Meta {
            local,
            remote: "127.0.0.1:9999".parse().expect("an address"),
            stride: bytes.len().max(1),
        };
        self.gateway
            .handle_datagrams(self.now, socket, &meta, bytes);
        self.settle();
    }

    /// Returns the datagrams that were sent to a port of this machine.
    pub(super) fn sent_to(&self, port: u16) -> Vec<&[u8]> {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let sent = self.sent.iter().filter(|(at, _)| *at == to);
        sent.map(|(_, bytes)| bytes.as_slice()).collect()
    }

    pub(super) fn metric(&self, name: &str) -> u64 {
        let gateway = &self.gateway;
        let text = figures!(gateway, self.now).text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.trim().parse().expect("a number")
    }
}
