//! The sums of a storm: the bytes that peers and devices sent must equal the bytes that arrived or were
//! counted as dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{self, DEVICE, Piece};
use crate::storms::{STOP, Said, Sender, Storm, shown};

/// The most bytes of the past that a later reader receives.
const SCROLLBACK: u64 = 65_536;

/// The final state of one channel.
struct Channel {
    /// The gateway's view of the channel, if the channel is still open on both sides.
    shown: Option<Value>,
    /// The bytes that the peer sent, and how many of them may have been under way when the channel ended.
    sent: u64,
    under_way: u64,
    /// Bytes that the peer received.
    received: Vec<u8>,
}

pub struct Balance {
    channels: Vec<Channel>,
    /// Dropped bytes by direction and reason, and the bytes of messages by direction.
    dropped: BTreeMap<(String, String), u64>,
    messages: BTreeMap<String, u64>,
}

/// Returns the value of a label in a line of `/metrics`.
fn label(line: &str, name: &str) -> String {
    let (_, rest) = line.split_once(&format!("{name}=\"")).expect("a label");
    rest.split('"').next().expect("a value").to_owned()
}

fn number(line: &str) -> u64 {
    let (_, number) = line.rsplit_once(' ').expect("a number");
    number.parse().expect("a number")
}

fn bytes(value: &Value) -> u64 {
    value["bytes"].as_u64().expect("a number")
}

impl Channel {
    fn of(storm: &Storm, sessions: &Value, sender: &Sender) -> Self {
        let client = &storm.world.clients[sender.peer];
        let channel = &client.peer.channels[&sender.name];
        let shown = shown(sessions, &client.session, &client.peer, sender);
        let is_open = channel.open && !client.peer.closed;
        let shown = shown.filter(|_| is_open).cloned();
        let under_way = if shown.is_some() {
            0
        } else {
            channel.sent - sender.arrived
        };
        Self {
            shown,
            sent: channel.sent,
            under_way,
            received: channel.bytes.clone(),
        }
    }

    /// Returns whether everything that was sent on the channel, in both directions, has arrived.
    fn is_quiet(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| {
            bytes(&shown["from_peer"]) == self.sent
                && bytes(&shown["to_peer"]) == self.received.len() as u64
        })
    }
}

impl Balance {
    /// Waits until nothing is under way, and collects the sums.
    pub fn of(storm: &mut Storm) -> Self {
        let end = storm.world.now + Duration::from_secs(100);
        let channels = loop {
            storm.world.run(Duration::from_millis(500));
            let sessions = storm.world.get("/sessions");
            let senders = storm.senders.iter();
            let channels: Vec<_> = senders
                .map(|sender| Channel::of(storm, &sessions, sender))
                .collect();
            let queued = ["arm", "rover"].map(|name| {
                let endpoint = storm.world.get(&format!("/endpoints/{name}"));
                endpoint["queued_bytes"].clone()
            });
            if queued == [0, 0] && channels.iter().all(Channel::is_quiet) {
                break channels;
            }
            let late = storm.world.now >= end;
            assert!(!late, "seed {}: {queued:?} {sessions:#}", storm.seed);
        };
        let text = storm
            .world
            .request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
        let (mut dropped, mut messages) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if line.starts_with("thingway_dropped_bytes_total{") {
                let key = (label(line, "direction"), label(line, "reason"));
                dropped.insert(key, number(line));
            } else if line.starts_with("thingway_message_bytes_total{") {
                messages.insert(label(line, "direction"), number(line));
            }
        }
        Self {
            channels,
            dropped,
            messages,
        }
    }

    fn dropped(&self, direction: &str) -> u64 {
        let all = self.dropped.iter();
        let ours = all.filter(|((way, _), _)| way == direction);
        ours.map(|(_, bytes)| bytes).sum()
    }

    /// Checks both directions. Returns whether the sums are exact to the byte. They are not if a channel
    /// ended in mid-stream, because its last bytes may or may not have arrived.
    pub fn holds(&self, storm: &Storm) -> bool {
        let is_exact = self.check_from_peers(storm);
        for (sender, channel) in storm.senders.iter().zip(&self.channels) {
            let said = match sender.endpoint {
                "arm" => &storm.arm,
                _ => &storm.rover,
            };
            channel.check_received(storm.seed, sender, said);
        }
        self.check_to_peers(storm.seed);
        is_exact
    }

    /// Checks that the devices received what the peers sent, in order, except what was counted as dropped.
    fn check_from_peers(&self, storm: &Storm) -> bool {
        let seed = storm.seed;
        let mut delivered = 0;
        for (n, sender) in storm.senders.iter().enumerate() {
            let (bytes, has_parts) = match sender.endpoint {
                "arm" => (arm_of(storm), true),
                _ => (storm.world.kept_datagrams.concat(), false),
            };
            let pieces = ledger::read(sender.who, bytes);
            delivered += ledger::bytes(&pieces);
            let numbers = ledger::numbers(&pieces);
            assert!(
                numbers.is_sorted_by(|a, b| a < b),
                "seed {seed}: {numbers:?} of {} were delivered out of order",
                sender.name
            );
            for piece in &pieces {
                match piece {
                    Piece::Whole(number, len) => {
                        assert_eq!(storm.sent.get(*number), Some(&(n, *len)), "seed {seed}");
                    }
                    Piece::Part(len) => {
                        assert!(has_parts, "seed {seed}: {len} bytes of {pieces:?}");
                    }
                }
            }
        }
        for datagram in &storm.world.kept_datagrams {
            let whole = ledger::read(datagram[0] >> 5, datagram.iter().copied());
            assert!(
                matches!(whole[..], [Piece::Whole(..)]),
                "seed {seed}: a datagram is one message, not {whole:?}"
            );
        }
        let dropped = self.dropped("from_peer");
        let arrived = self.messages["from_peer"];
        // No peer sends a stop. A stop that a line did not take before it vanished is counted.
        let stops = storm.world.http_text(storm.events);
        let stops = (stops.matches("event: deadman\n").count() * STOP.len()) as u64;
        let written = arm_of(storm)
            .iter()
            .filter(|byte| STOP.contains(byte))
            .count() as u64;
        assert_eq!(
            delivered + written + dropped,
            arrived + stops,
            "seed {seed}: {delivered} bytes of {arrived} delivered, {written} of {stops} for \
             stops, {dropped} dropped: {:?}",
            self.dropped
        );
        let sent: u64 = self.channels.iter().map(|channel| channel.sent).sum();
        let under_way: u64 = self.channels.iter().map(|it| it.under_way).sum();
        assert!(
            arrived <= sent && arrived + under_way >= sent,
            "seed {seed}: {sent} bytes were sent, {under_way} of them on channels that ended \
             meanwhile; {arrived} are in the books"
        );
        under_way == 0
    }

    /// Checks that the peers have received what the gateway has sent, on channels that are open.
    fn check_to_peers(&self, seed: u64) {
        let received: u64 = self
            .channels
            .iter()
            .map(|it| it.received.len() as u64)
            .sum();
        let sent = self.messages["to_peer"];
        assert!(received <= sent, "seed {seed}: {received} of {sent} bytes");
        if self.channels.iter().all(|channel| channel.shown.is_some()) {
            assert_eq!(received, sent, "seed {seed}");
        }
    }
}

/// Returns the bytes that the line has taken from peers.
fn arm_of(storm: &Storm) -> Vec<u8> {
    let path = std::path::Path::new("/dev/arm");
    storm.world.ttys[path].written.clone()
}

impl Channel {
    /// Checks that the bytes that a peer has from a device are a part of what the device sent, without a gap
    /// that was not counted.
    fn check_received(&self, seed: u64, sender: &Sender, said: &Said) {
        let name = &sender.name;
        let is_line = |byte: &u8| *byte == b'\n';
        let ends = self.received.iter().filter(|byte| is_line(byte)).count() as u64;
        let pieces = ledger::read(DEVICE, self.received.iter().copied());
        assert_eq!(
            ledger::bytes(&pieces) + ends,
            self.received.len() as u64,
            "seed {seed} {name}: bytes of no known sender"
        );
        let numbers = ledger::numbers(&pieces);
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "seed {seed} {name}: out of order: {numbers:?}"
        );
        assert!(numbers.iter().all(|number| *number < said.starts.len()));
        let Some(shown) = &self.shown else { return };
        let drops = shown["drops"].as_array().expect("a list").iter();
        let to_peer = drops.filter(|drop| drop["direction"] == "to_peer");
        let lost: u64 = to_peer.map(bytes).sum();
        let Some(first) = numbers.first() else { return };
        // The scrollback may begin within a message.
        let begun = match pieces[0] {
            Piece::Part(len) => len as u64 + 1,
            Piece::Whole(..) => 0,
        };
        let start = said.starts[*first] - begun;
        let (due, got) = (said.total - start, self.received.len() as u64);
        // A slow reader may also lose bytes before its first byte, from the scrollback on.
        let before = start.saturating_sub(sender.said.saturating_sub(SCROLLBACK));
        assert!(
            got + lost >= due && got + lost <= due + before,
            "seed {seed} {name}: from {start} on {got} of {due} bytes came, {lost} were lost"
        );
    }
}
