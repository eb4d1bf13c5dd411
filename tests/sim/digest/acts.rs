//! The acts of sessions and devices in a scenario.

use serde_json::{Value, json};

use super::config::ENDPOINTS;
use super::http::{From, typed};
use super::scenario::{PLC, ROVER_ADDRESS, SSH, Scenario};
use crate::peer::{Peer, reliable, unreliable};
use crate::sessions::good;

/// The most peers of the API in one scenario, and the most that may be connected at one time. More would take
/// too long.
const PEERS: usize = 20;
const CONNECTED: usize = 4;

impl Scenario {
    /// Makes a session of a page, perhaps with a token, and perhaps sends the page's candidates later.
    pub fn connect(&mut self) {
        let peers = self.peers.iter();
        let alive = peers.filter(|n| !self.world.clients[**n].peer.closed);
        if self.peers.len() >= PEERS || alive.count() >= CONNECTED {
            return;
        }
        let number = self.peers.len() as u8 + 1;
        let addr = ([198, 51, 100, number], 6000).into();
        let mut channels = Vec::new();
        if self.draw.below(5) != 0 {
            channels.push(reliable("thingway"));
        }
        channels.push(reliable("arm"));
        for label in ENDPOINTS {
            if label != "arm" && self.draw.below(3) == 0 {
                let is_reliable = label != "rover" || self.flip();
                channels.push(if is_reliable {
                    reliable(label)
                } else {
                    unreliable(label)
                });
            }
        }
        let (peer, offer) = Peer::offer(self.world.now, addr, &channels);
        let (trickles, token) = (self.flip(), self.a_token());
        let is_candidate = |line: &&str| line.starts_with("a=candidate:");
        let candidates: Vec<&str> = offer.lines().filter(is_candidate).collect();
        let mut sent = offer.clone();
        if trickles {
            let lines = offer.lines().filter(|line| !is_candidate(line));
            sent = lines.map(|line| format!("{line}\r\n")).collect();
        }
        let head = typed("POST", "/sessions", &token, ("application/sdp", &sent));
        let answer = self.send(place(&token), &[head]);
        if !answer.starts_with("HTTP/1.1 201") {
            return;
        }
        let name = format!("p{}", self.peers.len());
        let n = self.world.join(peer, addr, &answer, good(), 0);
        self.peers.push(n);
        self.admit(n, name);
        if trickles {
            let fragment = candidates.concat() + "\r\n";
            self.patch(n, &token, &fragment);
        }
        self.rest(1);
    }

    fn patch(&mut self, n: usize, token: &str, fragment: &str) {
        let path = format!("/sessions/{}", self.world.clients[n].session);
        let kind = "application/trickle-ice-sdpfrag";
        let head = typed("PATCH", &path, token, (kind, fragment));
        self.send(place(token), &[head]);
    }

    /// Ends a session from one side, or sends a request about a session that is refused.
    pub fn disconnect(&mut self) {
        let Some(n) = self.a_peer() else { return };
        let path = format!("/sessions/{}", self.world.clients[n].session);
        match self.draw.below(4) {
            0 => {
                let now = self.world.now;
                self.world.peer(n).close(now);
            }
            1 => {
                self.ask("DELETE", "/sessions/nobody", &Value::Null);
            }
            2 => self.patch(n, "", "a=ice-ufrag:other\r\n"),
            _ => {
                self.ask("DELETE", &path, &Value::Null);
            }
        }
    }

    /// Opens another channel, or closes one.
    pub fn change_channels(&mut self) {
        let Some(n) = self.a_peer() else { return };
        let now = self.world.now;
        if let Some(label) = self.a_channel(n).filter(|_| self.draw.below(3) == 0) {
            return self.world.peer(n).close_channel(now, &label);
        }
        let endpoint = self.pick(&ENDPOINTS).expect("an endpoint");
        let count = self.world.peer(n).channels.len();
        let name = format!("{endpoint}-{count}");
        self.world.peer(n).open_as(now, &name, reliable(endpoint));
    }

    /// Sends bytes from a page.
    pub fn page_sends(&mut self) {
        let Some(n) = self.a_client() else { return };
        let Some(label) = self.a_channel(n) else {
            return;
        };
        let endpoint = label.split('-').next().unwrap_or_default().to_owned();
        let bytes = match endpoint.as_str() {
            "source" => b"send 300 4".to_vec(),
            "sink" if self.flip() => b"end".to_vec(),
            "demo" => {
                let lines = [
                    "led on\n",
                    "led\n",
                    "temp\n",
                    "V 0.5 0\n",
                    "stop\n",
                    "what\n",
                ];
                self.pick(&lines).expect("a line").into()
            }
            "talk" if self.flip() => b"\"hello\"".to_vec(),
            _ => {
                // Whether an unreliable message of several pieces arrives depends on timing, and so does when
                // a message arrives that arms the dead-man switch.
                let is_short = ["arm", "rover"].contains(&endpoint.as_str());
                let most = if is_short { 900 } else { 3_000 };
                let len = 1 + self.draw.below(most);
                self.draw.bytes(len)
            }
        };
        let now = self.world.now;
        let binary = !["source", "sink", "demo"].contains(&endpoint.as_str());
        let limited = self.world.peer(n).channels[&label].credit.is_some();
        let sent = if limited && binary {
            self.world.peer(n).send_within_credit(now, &label, &bytes)
        } else {
            self.world.peer(n).send(now, &label, binary, &bytes)
        };
        let object = format!("{} channel {label}", self.names[&n]);
        self.log
            .note(&object, &format!("sends {}: {sent}", bytes.len()));
    }

    /// Sends from a page to a line that takes nothing, up to the page's credit. Then the page perhaps ignores
    /// its credit, or discards everything.
    pub fn fill(&mut self) {
        let Some(n) = self.a_peer() else { return };
        let channel = self.world.peer(n).channels.get("arm");
        let Some((stream, true)) = channel.map(|it| (it.stream, it.open && it.credit.is_some()))
        else {
            return;
        };
        self.world.tty("/dev/arm").rate = 0;
        let mut rounds = 0;
        while rounds < 12 {
            let now = self.world.now;
            let bytes = self.draw.bytes(30_000);
            if !self.world.peer(n).send_within_credit(now, "arm", &bytes) {
                break;
            }
            rounds += 1;
            self.rest(1);
        }
        let now = self.world.now;
        let sent = self.world.peer(n).channels["arm"].sent;
        match self.draw.below(3) {
            0 => {
                self.log.note(
                    &format!("{} channel arm", self.names[&n]),
                    "ignores its credit",
                );
                for _ in 0..3 {
                    let bytes = self.draw.bytes(50_000);
                    self.world.peer(n).send(now, "arm", true, &bytes);
                }
            }
            1 => {
                let discard = json!({"type": "line", "id": 900, "endpoint": "arm", "channel": stream,
                    "discard": sent, "do": []});
                self.tell(n, &discard);
            }
            _ => {}
        }
        self.rest(1);
        self.world.tty("/dev/arm").rate = 20_000;
    }

    /// Sends bytes from a device.
    pub fn device_sends(&mut self) {
        let len = 1 + self.draw.below(1_000);
        let mut bytes = self.draw.bytes(len);
        match self.draw.below(4) {
            0 if self.world.udp.contains_key(&ROVER_ADDRESS.parse().unwrap()) => {
                self.world.udp_device_sends(ROVER_ADDRESS, &bytes);
            }
            1 if self.is_there(PLC) => self.world.device_sends(PLC, &bytes),
            2 if self.is_there(SSH) => self.world.device_sends(SSH, &bytes),
            _ => {
                bytes.push(b'\n');
                self.world.device_sends("/dev/arm", &bytes);
            }
        }
    }

    /// Unplugs a device, closes its connection, makes its datagrams fail, or brings it back.
    pub fn device_fails(&mut self) {
        match self.draw.below(5) {
            0 => self.world.unplug("/dev/arm"),
            1 if self.is_there(PLC) => self.hang_up_on_us(PLC),
            2 if self.is_there(SSH) => self.hang_up_on_us(SSH),
            3 => self.world.unsendable = 1 + self.draw.below(3) as usize,
            _ => {
                self.world.tty("/dev/arm").present = true;
                // The next try comes after at most 5 s.
                self.rest(14);
            }
        }
    }

    fn hang_up_on_us(&mut self, path: &str) {
        let source = self.world.tty(path).source().expect("it is there");
        let now = self.world.now;
        self.world.gateway.handle_closed(now, source);
        self.world.settle();
        self.rest(14);
    }

    fn is_there(&self, path: &str) -> bool {
        let tty = self.world.ttys.get(std::path::Path::new(path));
        tty.is_some_and(|tty| tty.source().is_some())
    }

    /// Sends a request of a page on the control channel.
    pub fn control(&mut self) {
        let Some(n) = self.a_peer() else { return };
        let request = self.control_request(n);
        self.tell(n, &request);
    }

    /// Lets one page take the lease and another ask for it. The first page then keeps it, gives it, closes
    /// its channel, or does not answer.
    pub fn lease_talk(&mut self) {
        let (Some(one), Some(other)) = (self.a_peer(), self.a_peer()) else {
            return;
        };
        let lease = |what: &str| json!({"type": "lease", "endpoint": "arm", "do": what});
        let mut take = lease("take");
        take["force"] = true.into();
        self.tell(one, &take);
        self.rest(1);
        self.tell(other, &lease("ask"));
        self.rest(1);
        match self.draw.below(5) {
            0 => self.tell(one, &lease("keep")),
            1 => self.tell(one, &lease("release")),
            2 => {
                let mut give = lease("give");
                give["to"] = self.world.clients[other].session.clone().into();
                self.tell(one, &give);
            }
            3 if self.world.peer(one).channels["arm"].open => {
                let now = self.world.now;
                self.world.peer(one).close_channel(now, "arm");
            }
            // The lease is handed over after 10 s.
            _ => self.rest(26),
        }
    }

    fn control_request(&mut self, n: usize) -> Value {
        let (flip, id) = (self.flip(), self.beats);
        let name = self.world.clients[n].session.clone();
        let other = self.a_peer().map(|n| self.world.clients[n].session.clone());
        let endpoint = self.pick(&["arm", "arm", "arm", "arm", "rover", "nope"]);
        let endpoint = endpoint.expect("an endpoint");
        let lease = |what: &str| json!({"type": "lease", "endpoint": endpoint, "do": what});
        match self.draw.below(19) {
            0 => json!({"type": "line", "id": id, "endpoint": endpoint,
                "do": [{"dtr": flip}, {"wait_ms": 50}, {"rts": flip}]}),
            1 => json!({"type": "line", "id": id, "endpoint": endpoint,
                "do": [{"break_ms": 20}, {"baud": 9600}, {"flush": "both"}]}),
            2 => {
                json!({"type": "line", "id": id, "endpoint": endpoint, "overtake": flip, "do": []})
            }
            3 => json!({"type": "line", "id": id, "endpoint": endpoint,
                "after": self.draw.below(2_000), "do": [{"dtr": flip}]}),
            4 => json!({"type": "line", "id": id, "endpoint": endpoint, "do": [{"fly": 1}]}),
            5 => json!({"type": "line", "id": id, "endpoint": endpoint,
                "discard": self.draw.below(2_000), "do": []}),
            6 => {
                let mut take = lease("take");
                take["force"] = flip.into();
                take
            }
            7 => lease("release"),
            8 | 9 => lease("ask"),
            10 => lease("keep"),
            11 => {
                let mut give = lease("give");
                give["to"] = other
                    .filter(|other| *other != name)
                    .unwrap_or_else(|| "nobody".into())
                    .into();
                give
            }
            12 => json!({"type": "heartbeat", "stop": flip}),
            13 | 14 => {
                json!({"type": "heartbeat", "endpoint": endpoint, "fired": self.draw.below(3)})
            }
            15 => json!({"type": "ping", "id": id}),
            16 => json!({"type": "endpoints"}),
            17 => json!({"type": "fly", "id": id}),
            // Another version closes the control channel.
            _ => json!({"v": if self.draw.below(6) == 0 { 2 } else { 1 }, "type": "hello"}),
        }
    }

    fn tell(&mut self, n: usize, request: &Value) {
        let now = self.world.now;
        let control = self.world.peer(n).channels.get("thingway");
        if control.is_some_and(|control| control.open) {
            let text = request.to_string();
            self.world
                .peer(n)
                .send(now, "thingway", false, text.as_bytes());
        }
    }

    /// Picks a peer of the API whose session may still exist.
    fn a_peer(&mut self) -> Option<usize> {
        let peers = self.peers.iter().copied();
        let alive: Vec<usize> = peers
            .filter(|n| !self.world.clients[*n].peer.closed)
            .collect();
        self.pick(&alive)
    }

    /// Picks a peer of the API, or a peer of a page.
    fn a_client(&mut self) -> Option<usize> {
        let clients = self.names.keys().copied();
        let clients = clients.filter(|n| {
            let peer = &self.world.clients[*n].peer;
            peer.connected && !peer.closed
        });
        let alive: Vec<usize> = clients.collect();
        self.pick(&alive)
    }

    fn a_channel(&mut self, n: usize) -> Option<String> {
        let channels = self.world.clients[n].peer.channels.iter();
        let open = channels.filter(|(label, channel)| channel.open && *label != "thingway");
        let open: Vec<String> = open.map(|(label, _)| label.clone()).collect();
        self.pick(&open)
    }
}

/// Returns the origin of a request. A request with a token comes over the network, because this machine needs
/// no token.
pub fn place(token: &str) -> From {
    if token.is_empty() {
        From::Local
    } else {
        From::Network
    }
}
