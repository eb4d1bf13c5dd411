//! A scenario: the world, its participants, and the log of what they see.
//!
//! The scenario advances in beats. All effects of an act end before the next beat, so what is seen at the end
//! of a beat depends neither on how often the gateway settles nor on which of two timers fires first.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use thingway::testing::config::Config;

use super::http::Waiting;
use super::log::Log;
use super::pages::HubPage;
use crate::links::Draw;
use crate::world::World;

/// The length of a beat, which is longer than the 250 ms for which the gateway collects news. No other time
/// of the gateway (900 ms of the dead-man switch, 1 s, 5 s, 10 s, 28 s) ends near the moment of an act, even
/// if the message that began it took 250 ms.
pub const BEAT: Duration = Duration::from_millis(410);

/// The address of a program that receives datagrams of content ports.
pub const RECEIVER: &str = "127.0.0.1:7001";
pub const ROVER_ADDRESS: &str = "127.0.0.1:14550";
pub const PLC: &str = "192.0.2.7:502";
pub const SSH: &str = "192.0.2.7:22";

/// The last state of a channel: whether it is open, whether it has closed, and its credit.
type Seen = (bool, bool, Option<u64>);

pub struct Scenario {
    pub world: World,
    /// The current configuration.
    pub config: String,
    pub draw: Draw,
    pub log: Log,
    /// How many requests were sent.
    pub requests: usize,
    pub waiting: Vec<Waiting>,
    /// The sessions of the API that were made, by the number of their peer.
    pub peers: Vec<usize>,
    /// The names of peers, by the number of their client.
    pub names: BTreeMap<usize, String>,
    /// How many control messages of each peer are in the log.
    heard: BTreeMap<usize, usize>,
    seen: BTreeMap<(usize, String), Seen>,
    /// The last totals of `dropped`. How many messages report them depends on timing.
    dropped: BTreeMap<String, Value>,
    pub tokens: Vec<(String, String)>,
    pub pages: Vec<HubPage>,
    /// The peers of the REST API, with their tokens.
    pub programs: Vec<(String, String)>,
    /// The content ports: id and address.
    pub ports: Vec<(String, String)>,
    /// The connections of the REST API.
    pub connections: Vec<String>,
    /// How many addresses pages have used for their peers.
    pub addresses: usize,
    pub beats: usize,
}

impl Scenario {
    pub fn new(seed: u64) -> Self {
        let mut draw = Draw(seed ^ 0xd1_6e57);
        let text = super::config::draw(&mut draw);
        let mut world = World::new(seed, &text);
        world.keeps_datagrams = true;
        // The simulator records only datagrams to addresses that it knows.
        let ice = world.ice.expect("an ICE socket");
        world.udp.insert(RECEIVER.parse().unwrap(), ice);
        let mut scenario = Self {
            world,
            config: text.clone(),
            draw,
            log: Log::default(),
            requests: 0,
            waiting: Vec::new(),
            peers: Vec::new(),
            names: BTreeMap::new(),
            heard: BTreeMap::new(),
            seen: BTreeMap::new(),
            dropped: BTreeMap::new(),
            tokens: Vec::new(),
            pages: Vec::new(),
            programs: Vec::new(),
            ports: Vec::new(),
            connections: Vec::new(),
            addresses: 0,
            beats: 0,
        };
        scenario.log.note("configuration", &text);
        scenario
    }

    /// Picks one of the values, or `None` if there are none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        let at = self.draw.below(from.len() as u64) as usize;
        from.get(at).cloned()
    }

    pub fn flip(&mut self) -> bool {
        self.draw.below(2) == 0
    }

    /// Lets a number of beats pass.
    pub fn rest(&mut self, beats: usize) {
        for _ in 0..beats {
            self.world.run_exactly(BEAT);
            self.beats += 1;
            self.collect();
        }
    }

    /// Adds a client to the scenario from now on.
    pub fn admit(&mut self, n: usize, name: String) {
        let session = self.world.clients[n].session.clone();
        if !session.is_empty() {
            self.log.mask.learn(&session, &name);
        }
        self.names.insert(n, name);
    }

    pub fn reload(&mut self, text: &str) {
        let config = Config::parse(text).map_err(|_| vec!["file:1: faulty".to_owned()]);
        if config.is_ok() {
            text.clone_into(&mut self.config);
        }
        let now = self.world.now;
        self.world.gateway.handle_reload(now, config);
        self.world.settle();
        self.log.note("configuration", text);
    }

    /// Registers masks for the secrets and ids of an answer.
    pub fn learn(&mut self, answer: &str) {
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let (token, name) = (body["token"].as_str(), body["name"].as_str());
        if let (Some(token), Some(name)) = (token, name) {
            self.log.mask.learn(token, &format!("token of {name}"));
        }
    }

    fn collect(&mut self) {
        self.collect_pages();
        self.collect_answers();
        for (n, name) in self.names.clone() {
            self.collect_control(n, &name);
            self.collect_channels(n, &name);
        }
    }

    fn collect_control(&mut self, n: usize, name: &str) {
        let from = self.heard.entry(n).or_insert(0);
        let control = &self.world.clients[n].peer.control;
        let (news, first) = (control[*from..].to_vec(), *from == 0);
        *from = control.len();
        for (at, message) in news.into_iter().enumerate() {
            let kind = message["type"].as_str().unwrap_or_default();
            assert_eq!(first && at == 0, kind == "hello", "hello comes first");
            let about = ["label", "endpoint", "name"].map(|field| message[field].as_str());
            let about = about.into_iter().flatten().next();
            let object = format!("{name} control {}", about.unwrap_or(kind));
            match kind {
                // The effect of a credit is logged with its channel.
                "credit" => {}
                "dropped" => {
                    let key = ["channel", "direction", "reason"].map(|it| message[it].to_string());
                    self.dropped
                        .insert(format!("{object} {}", key.join(" ")), message);
                }
                _ => self.log.note_json(&object, &message),
            }
        }
    }

    fn collect_channels(&mut self, n: usize, name: &str) {
        let peer = &self.world.clients[n].peer;
        for (label, channel) in &peer.channels {
            let seen = (channel.open, channel.closed, channel.credit);
            let before = self.seen.insert((n, label.clone()), seen);
            if before != Some(seen) {
                let (open, closed, credit) = seen;
                let line = format!("open {open}, closed {closed}, credit {credit:?}");
                self.log.note(&format!("{name} channel {label}"), &line);
            }
        }
    }

    /// Ends the scenario: logs the last numbers, the shutdown, and the bytes that every participant received.
    pub fn finish(mut self) -> String {
        // `dropped` is reported once a second.
        self.rest(3);
        for path in ["/endpoints", "/sessions", "/metrics", "/ports", "/tokens"] {
            self.ask("GET", path, &Value::Null);
        }
        self.rest(1);
        let now = self.world.now;
        self.world.gateway.handle_shutdown(now);
        self.world.settle();
        // The gateway waits 5 s for a device that takes nothing.
        self.rest(16);
        let exit = self.world.exit.clone();
        self.log.note("exit", &format!("{exit:?}"));
        self.end_waiting();
        for (object, totals) in std::mem::take(&mut self.dropped) {
            self.log.note_json(&object, &totals);
        }
        self.note_channels();
        self.note_devices();
        self.log.text()
    }

    /// Logs the bytes that each channel has brought to its peer.
    fn note_channels(&mut self) {
        for (n, name) in &self.names {
            let client = &self.world.clients[*n];
            // A peer that never connected gives up at a time of its own.
            if client.peer.connected {
                let closed = format!("session closed: {}", client.peer.closed);
                self.log.note(name, &closed);
            }
            for (label, channel) in &client.peer.channels {
                let object = format!("{name} channel {label}");
                let endpoint = label.split('-').next().unwrap_or_default();
                // How a stream of bytes is cut into messages has no meaning.
                if ["arm", "plc", "ssh"].contains(&endpoint) {
                    self.log.note_bytes(&object, "bytes", &channel.bytes);
                    continue;
                }
                for (binary, bytes) in &channel.received {
                    let kind = if *binary { "binary" } else { "text" };
                    self.log.note_bytes(&object, kind, bytes);
                }
            }
        }
    }

    fn note_devices(&mut self) {
        for (path, tty) in &self.world.ttys {
            let object = format!("device {}", path.display());
            let opened = format!("opened {} times, at {:?}", tty.opened, tty.returns);
            self.log.note(&object, &opened);
            self.log.note_bytes(&object, "written", &tty.written);
            for (_, written, step) in &tty.steps {
                self.log
                    .note(&object, &format!("after {written} bytes: {step:?}"));
            }
        }
        let datagrams = self.world.kept_for.iter().zip(&self.world.kept_datagrams);
        for (to, datagram) in datagrams {
            self.log
                .note_bytes(&format!("device {to}"), "datagram", datagram);
        }
    }
}
