//! HTTP without a network.

use std::time::Duration;

use serde_json::Value;
use thingway::testing::ids::SourceId;

use super::World;

impl World {
    // ---- HTTP, without a network ----

    /// Sends raw bytes on a new connection, and returns the bytes that arrive at once.
    pub fn request(&mut self, bytes: &[u8]) -> String {
        let local = "127.0.0.1:8000".parse().unwrap();
        let remote = "127.0.0.1:40000".parse().unwrap();
        let source = self.gateway.handle_accept(self.now, local, remote);
        self.exchange(source, bytes)
    }

    /// Sends raw bytes from another machine, to a listener without TLS, like [`Self::request`].
    pub fn request_from(&mut self, remote: &str, bytes: &[u8]) -> String {
        let local = "192.0.2.1:8000".parse().unwrap();
        let remote = remote.parse().expect("an address");
        let source = self.gateway.handle_accept(self.now, local, remote);
        self.exchange(source, bytes)
    }

    /// Sends raw bytes to the only listener, like [`Self::request`].
    pub fn request_at_listener(&mut self, remote: &str, bytes: &[u8]) -> String {
        let source = self.accept_at_listener(remote);
        self.exchange(Some(source), bytes)
    }

    /// Opens a connection to the only listener, without sending anything.
    pub fn accept_at_listener(&mut self, remote: &str) -> SourceId {
        let (listener, local) = self.listeners[0];
        let remote = remote.parse().expect("an address");
        let source = self
            .gateway
            .handle_accept_at(self.now, listener, local, remote);
        let source = source.expect("accepted");
        self.http.insert(source, Vec::new());
        source
    }

    /// Passes in the list of addresses that was held back.
    pub fn release_addresses(&mut self) {
        self.holds_addresses = false;
        let addresses = [super::GATEWAY.parse().unwrap()];
        self.gateway.handle_addresses(self.now, &addresses);
        self.settle();
    }

    fn exchange(&mut self, source: Option<SourceId>, bytes: &[u8]) -> String {
        let source = source.expect("accepted");
        self.http.insert(source, Vec::new());
        self.gateway.handle_data(self.now, source, bytes);
        self.settle();
        let output = self.http.get(&source).cloned().unwrap_or_default();
        self.gateway.handle_closed(self.now, source);
        self.settle();
        String::from_utf8_lossy(&output).into_owned()
    }

    /// Opens a connection that stays open, and sends these bytes.
    pub fn open(&mut self, bytes: &[u8]) -> SourceId {
        let local = "127.0.0.1:8000".parse().unwrap();
        let remote = "127.0.0.1:40000".parse().unwrap();
        let source = self.gateway.handle_accept(self.now, local, remote);
        let source = source.expect("accepted");
        self.http.insert(source, Vec::new());
        self.gateway.handle_data(self.now, source, bytes);
        self.settle();
        source
    }

    /// Returns the text that has arrived on a connection.
    pub fn http_text(&self, source: SourceId) -> String {
        String::from_utf8_lossy(&self.http[&source]).into_owned()
    }

    /// Returns the bytes that have arrived on a connection, even if the gateway has closed it.
    pub fn came(&self, source: SourceId) -> &[u8] {
        let open = self.http.get(&source);
        open.or_else(|| self.ended_http.get(&source))
            .map_or(&[], Vec::as_slice)
    }

    /// Sends a request with the token of [`World::token`], if there is one.
    pub fn ask(&mut self, method: &str, target: &str, kind: &str, body: &str) -> String {
        let bearer = self.token.as_ref();
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: board\r\nContent-Type: {kind}\r\n{}\
             Content-Length: {}\r\n\r\n{body}",
            bearer.unwrap_or_default(),
            body.len()
        );
        self.request(head.as_bytes())
    }

    /// Sends a request with a JSON body. Returns the status and the JSON of the answer.
    pub fn ask_json(&mut self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.ask(method, target, "application/json", &body);
        let status = answer.get(9..12).and_then(|text| text.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        let json = serde_json::from_str(body.unwrap_or_default());
        (status.expect("an answer"), json.unwrap_or_default())
    }

    /// Returns the number behind a name (with its labels) in `/metrics`, or 0 if the name is missing.
    pub fn metric(&mut self, name: &str) -> u64 {
        let answer = self.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
        let numbers = answer
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        numbers.map(|n| n.parse::<u64>().expect("a number")).sum()
    }

    /// Returns how many bytes from peers were dropped for this reason.
    pub fn dropped(&mut self, reason: &str) -> u64 {
        let labels = format!("{{direction=\"from_peer\",reason=\"{reason}\"}}");
        self.metric(&format!("thingway_dropped_bytes_total{labels}"))
    }

    pub fn delete(&mut self, n: usize) {
        let session = &self.clients[n].session;
        let request = format!("DELETE /sessions/{session} HTTP/1.1\r\nHost: board\r\n\r\n");
        let answer = self.request(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    /// Sends up to `bytes` bytes of a peer within its credit, in messages of `piece` bytes. Returns how many
    /// were sent.
    pub fn fill(&mut self, n: usize, label: &str, piece: usize, bytes: usize) -> usize {
        let message = vec![7; piece];
        let (mut sent, mut last) = (0, self.now);
        while sent < bytes && self.now < last + Duration::from_secs(4) {
            let now = self.now;
            if self.peer(n).send_within_credit(now, label, &message) {
                (sent, last) = (sent + piece, now);
            } else {
                self.step();
            }
        }
        self.run(Duration::from_millis(500));
        sent
    }

    pub fn get(&mut self, path: &str) -> Value {
        let answer = self.request(format!("GET {path} HTTP/1.1\r\nHost: board\r\n\r\n").as_bytes());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    // ---- peers ----
}
