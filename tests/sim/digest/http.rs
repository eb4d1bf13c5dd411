//! Requests of a scenario, which are answered at once, later, or never, and the log of their answers.

use serde_json::Value;
use thingway::testing::ids::SourceId;

use super::log::{Log, hash};
use super::mask;
use super::scenario::Scenario;

/// A request whose answer has not come yet.
pub struct Waiting {
    object: String,
    source: SourceId,
    /// How many answers are expected on this connection; 0 for a stream of events.
    answers: usize,
    head_only: bool,
}

/// The origin of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    Local,
    Network,
}

/// Returns a request with a JSON body, or without a body.
pub fn request(method: &str, path: &str, lines: &str, body: &Value) -> String {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    typed(method, path, lines, ("application/json", &body))
}

pub fn typed(method: &str, path: &str, lines: &str, (kind, body): (&str, &str)) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: board\r\nContent-Type: {kind}\r\n{lines}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Scenario {
    /// Sends requests on one new connection. Returns the bytes that arrive at once.
    pub fn send(&mut self, from: From, requests: &[String]) -> String {
        let (local, remote) = match from {
            From::Local => ("127.0.0.1:8000", "127.0.0.1:40000"),
            From::Network => ("192.0.2.1:8000", "198.51.100.200:40000"),
        };
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let now = self.world.now;
        let accepted = self.world.gateway.handle_accept(now, local, remote);
        let source = accepted.expect("room for a connection");
        self.world.http.insert(source, Vec::new());
        let first = requests[0].lines().next().expect("a request");
        let object = format!("request {:03} {first}", self.requests);
        self.requests += 1;
        let all = requests.concat();
        self.world.gateway.handle_data(now, source, all.as_bytes());
        self.world.settle();
        let is_stream = first.starts_with("GET /events");
        self.waiting.push(Waiting {
            object,
            source,
            answers: if is_stream { 0 } else { requests.len() },
            head_only: first.starts_with("HEAD"),
        });
        let text = String::from_utf8_lossy(self.world.came(source)).into_owned();
        self.learn(&text);
        self.collect_answers();
        text
    }

    /// Sends one request with JSON from this machine, like [`Self::send`]. Returns the JSON of the answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let text = self.send(From::Local, &[request(method, path, "", body)]);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_default()
    }

    /// Logs the answers that are complete, and closes their connections.
    pub fn collect_answers(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for request in waiting {
            let came = String::from_utf8_lossy(self.world.came(request.source)).into_owned();
            let answers = split(&came, request.head_only);
            let is_closed = !self.world.http.contains_key(&request.source);
            let is_complete = request.answers > 0 && answers.len() >= request.answers;
            if !is_closed && !is_complete {
                self.waiting.push(request);
                continue;
            }
            self.note_answers(&request, &came);
            if is_closed {
                self.log.note(&request.object, "closed by the gateway");
            } else {
                let now = self.world.now;
                self.world.gateway.handle_closed(now, request.source);
                self.world.settle();
            }
        }
    }

    /// Closes the connection of one of the waiting requests.
    pub fn hang_up(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let n = self.draw.below(self.waiting.len() as u64) as usize;
        let request = self.waiting.remove(n);
        let came = String::from_utf8_lossy(self.world.came(request.source)).into_owned();
        self.note_answers(&request, &came);
        self.log.note(&request.object, "given up by the program");
        let now = self.world.now;
        self.world.gateway.handle_closed(now, request.source);
        self.world.settle();
    }

    /// Logs what has arrived for requests without a complete answer, at the end.
    pub fn end_waiting(&mut self) {
        for request in std::mem::take(&mut self.waiting) {
            let came = String::from_utf8_lossy(self.world.came(request.source)).into_owned();
            self.note_answers(&request, &came);
            self.log.note(&request.object, "open at the end");
        }
    }

    fn note_answers(&mut self, request: &Waiting, came: &str) {
        if request.answers == 0 {
            return note_stream(&mut self.log, &request.object, came);
        }
        for (head, body) in split(came, request.head_only) {
            note_head(&mut self.log, &request.object, head);
            note_body(&mut self.log, &request.object, head, body);
        }
    }
}

/// Splits a text into complete answers, each with its head and its body.
fn split(mut text: &str, head_only: bool) -> Vec<(&str, &str)> {
    let mut answers = Vec::new();
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.and_then(|length| length.parse().ok());
        let length = if head_only { 0 } else { length.unwrap_or(0) };
        let Some(body) = rest.get(..length) else {
            break;
        };
        answers.push((head, body));
        text = &rest[length..];
    }
    answers
}

fn note_head(log: &mut Log, object: &str, head: &str) {
    let mut lines = head.lines();
    let status = lines.next().expect("a status line");
    let mut headers: Vec<String> = lines
        .filter(|line| !line.starts_with("Content-Length: ") && !line.starts_with("Date: "))
        .map(|line| match line.split_once(": ") {
            Some((name @ "ETag", _)) => format!("{name}: *"),
            _ => line.to_owned(),
        })
        .collect();
    // The order of headers has no meaning (RFC 9110 §5.3).
    headers.sort();
    log.note(object, &format!("{status} | {}", headers.join(" | ")));
}

fn note_body(log: &mut Log, object: &str, head: &str, body: &str) {
    if body.starts_with("v=0") {
        log.note(object, &mask::sdp(body));
    } else if let Ok(json) = serde_json::from_str::<Value>(body) {
        log.note_json(object, &json);
    } else if head.contains("openmetrics") || body.contains("# TYPE") {
        for line in body.lines().filter(|line| is_steady(line)) {
            log.note(object, line);
        }
    } else if object.contains("/id ") {
        log.note(object, &format!("an id of {} letters", body.len()));
    } else if !body.is_empty() {
        let text = format!("{} bytes, {:016x}", body.len(), hash(body.as_bytes()));
        log.note(object, if body.len() < 200 { body } else { &text });
    }
}

/// Returns whether a counter is the same in each run. Counters of datagrams and of times differ.
fn is_steady(line: &str) -> bool {
    let unsteady = ["uptime", "datagram", "version", "build"];
    !line.starts_with('#') && !unsteady.iter().any(|word| line.contains(word))
}

/// Logs events for each object that they concern. The ids of events only grow.
fn note_stream(log: &mut Log, object: &str, came: &str) {
    let (head, body) = came.split_once("\r\n\r\n").unwrap_or((came, ""));
    note_head(log, object, head);
    let (mut kind, mut last) = ("", 0);
    for line in body.lines() {
        if let Some(name) = line.strip_prefix("event: ") {
            kind = name;
        } else if let Some(id) = line.strip_prefix("id: ") {
            let id = id.parse::<u64>().expect("a number");
            assert!(id > last, "the ids of events grow");
            last = id;
        } else if let Some(data) = line.strip_prefix("data: ") {
            let mut data: Value = serde_json::from_str(data).expect("JSON");
            // Whether a session first learns that its peer closes, or first fails to send, depends on its
            // timers.
            if data["reason"] == "protocol error: DTLS error: connection closed" {
                data["reason"] = "closed by the peer".into();
                data["state"] = "closed".into();
            }
            let about: Vec<String> = ["session", "id", "name", "endpoint", "channel", "label"]
                .iter()
                .map(|field| data[*field].to_string())
                .filter(|text| text != "null")
                .collect();
            log.note_json(&format!("{object} {kind} {}", about.join(" ")), &data);
        }
    }
}
