//! Random acts in any order, over good links and bad ones: peers that join, leave, stall and flood, a line
//! that stalls and vanishes, a UDP program, scripts, leases, heartbeats and reloads. Three things must hold:
//! every byte is delivered whole and in order, or counted as dropped; nothing grows; and in the end
//! everything works again. The bytes are numbered (`ledger`), and `balance` adds them up.

use std::time::Duration;

use serde_json::{Value, json};
use thingway::testing::config::Config;
use thingway::testing::ids::SourceId;

use crate::balance::Balance;
use crate::ledger::{self, DEVICE, SHORTEST};
use crate::links::{Aborted, Draw, connect_over};
use crate::peer::{Peer, reliable};
use crate::seeds;
use crate::sessions::{ARM, ROVER, good};
use crate::world::World;

const SEEDS: u64 = 200;
const SOON: Duration = Duration::from_secs(5);

/// The bytes of the dead-man switch's stop, which are below those of any sender.
pub const STOP: &[u8] = &[1, 2];
const PROGRAM: &str = "127.0.0.1:14550";

/// A channel of a peer to one of the two endpoints.
pub struct Sender {
    pub peer: usize,
    /// The peer's own name for the channel.
    pub name: String,
    pub endpoint: &'static str,
    /// The sender's number, in the upper bits of its bytes.
    pub who: u8,
    /// How many bytes the gateway had received at the last look.
    pub arrived: u64,
    /// How many bytes the device had sent before the channel was opened.
    pub said: u64,
}

/// The output of a device, with the position of each message in the stream of all its bytes.
#[derive(Default)]
pub struct Said {
    pub starts: Vec<u64>,
    pub total: u64,
}

impl Said {
    /// Returns the next message of the device, with this many bytes.
    fn next(&mut self, len: usize, end: &[u8]) -> Vec<u8> {
        let number = self.starts.len();
        let message = [&ledger::message(DEVICE, number, len), end].concat();
        self.starts.push(self.total);
        self.total += message.len() as u64;
        message
    }
}

pub struct Storm {
    pub seed: u64,
    pub world: World,
    pub draw: Draw,
    pub senders: Vec<Sender>,
    /// The sender and the length of each message, by the message's number.
    pub sent: Vec<(usize, usize)>,
    pub arm: Said,
    pub rover: Said,
    /// A reader of events, which receives every stop of the dead-man switch.
    pub events: SourceId,
    peers: Vec<usize>,
    is_bad: bool,
}

/// The most channels to one endpoint that the bytes can tell apart.
const SENDERS: usize = 6;

/// Returns a configuration with a line and a program, and some of their keys.
fn config(draw: &mut Draw) -> String {
    let mut config = ARM.to_owned();
    for (odds, line) in [
        (2, "writers = \"one\"\n"),
        (2, "lag = \"skip\"\n"),
        (2, "framing = \"line\"\n"),
        (3, "scrollback = 0\n"),
        // The bytes are those of [`STOP`].
        (
            3,
            "deadman = { timeout_ms = 300, send = \"\\u0001\\u0002\" }\n",
        ),
    ] {
        if draw.below(odds) == 0 {
            config += line;
        }
    }
    config += ROVER;
    if draw.below(8) == 0 {
        config += "scrollback = 0\n";
    }
    config
}

fn request(draw: &mut Draw) -> Value {
    let flip = draw.below(2) == 0;
    match draw.below(10) {
        0 => json!({"type": "line", "endpoint": "arm", "do": [{"dtr": flip}, {"wait_ms": 50}]}),
        1 => json!({"type": "line", "endpoint": "arm", "after": draw.below(100_000), "do": []}),
        2 => json!({"type": "line", "endpoint": "arm", "do": [{"break_ms": 20}, {"baud": 9600}]}),
        3 => json!({"type": "lease", "endpoint": "arm", "do": "take", "force": flip}),
        4 => json!({"type": "lease", "endpoint": "arm", "do": "release"}),
        5 => json!({"type": "heartbeat", "stop": flip}),
        6 => json!({"type": "heartbeat"}),
        8 => {
            json!({"type": "line", "endpoint": "arm", "discard": draw.below(100_000), "overtake": flip, "do": []})
        }
        7 => json!({"type": "lease", "endpoint": "arm", "do": if flip { "ask" } else { "keep" }}),
        _ => json!({"type": "ping", "id": 1}),
    }
}

/// Returns the gateway's view of a channel while the channel is bound.
pub fn shown<'a>(
    sessions: &'a Value,
    session: &str,
    peer: &Peer,
    sender: &Sender,
) -> Option<&'a Value> {
    // The stream id of a closed channel is used again.
    let channel = &peer.channels[&sender.name];
    let stream = Some(u64::from(channel.stream.filter(|_| channel.open)?));
    let mut list = sessions["sessions"].as_array()?.iter();
    let session = list.find(|shown| shown["id"] == session)?;
    let mut channels = session["channels"].as_array()?.iter();
    channels.find(|shown| shown["id"].as_u64() == stream && shown["endpoint"] == sender.endpoint)
}

impl Storm {
    fn new(seed: u64, aborted: &mut Aborted) -> Self {
        let mut draw = Draw(seed ^ 0x570a);
        let config = config(&mut draw);
        let mut world = World::new(seed, &config);
        world.keeps_datagrams = true;
        let events = world.open(b"GET /events HTTP/1.1\r\nHost: board\r\n\r\n");
        let mut storm = Self {
            seed,
            world,
            is_bad: draw.below(2) == 0,
            draw,
            senders: Vec::new(),
            sent: Vec::new(),
            arm: Said::default(),
            rover: Said::default(),
            events,
            peers: Vec::new(),
        };
        storm.connect(aborted);
        storm.connect(aborted);
        storm
    }

    /// Connects a peer with a channel to each of the two endpoints, and a control channel.
    fn connect(&mut self, aborted: &mut Aborted) -> usize {
        let link = if self.is_bad {
            self.draw.bad_link()
        } else {
            good()
        };
        let labels = ["thingway", "arm", "rover"].map(reliable);
        let seed = self.seed + 1_000 * self.draw.below(1_000);
        let n = connect_over(&mut self.world, &labels, link, (seed, aborted));
        self.peers.push(n);
        for endpoint in ["arm", "rover"] {
            self.add_sender(n, endpoint.to_owned(), endpoint);
        }
        n
    }

    fn add_sender(&mut self, peer: usize, name: String, endpoint: &'static str) {
        let others = self.senders.iter().filter(|it| it.endpoint == endpoint);
        let who = others.count() + 1;
        assert!(who <= SENDERS);
        let said = match endpoint {
            "arm" => self.arm.total,
            _ => self.rover.total,
        };
        self.senders.push(Sender {
            peer,
            name,
            endpoint,
            who: who as u8,
            arrived: 0,
            said,
        });
    }

    fn has_room(&self) -> bool {
        let at_arm = self.senders.iter().filter(|it| it.endpoint == "arm");
        // One place is reserved for the peer that connects at the end.
        at_arm.count() < SENDERS - 1
    }

    /// Sends the next message if the channel accepts it. Returns whether it did.
    fn say(&mut self, sender: usize, len: usize, keeps_to_credit: bool) -> bool {
        let Sender {
            peer, name, who, ..
        } = &self.senders[sender];
        let now = self.world.now;
        let message = ledger::message(*who, self.sent.len(), len);
        let peer = self.world.peer(*peer);
        let was_sent = if keeps_to_credit {
            peer.send_within_credit(now, name, &message)
        } else {
            peer.send(now, name, true, &message)
        };
        if was_sent {
            self.sent.push((sender, len));
        }
        was_sent
    }

    /// Returns how many messages a device sends at once; now and then more than a slow reader may miss.
    fn how_many(&mut self) -> u64 {
        match self.draw.below(5) {
            0 => 300 + self.draw.below(200),
            _ => self.draw.below(20),
        }
    }

    fn arm_says(&mut self) {
        if self.world.tty("/dev/arm").source().is_none() {
            return;
        }
        let mut bytes = Vec::new();
        for _ in 0..self.how_many() {
            let len = SHORTEST + self.draw.below(1_500) as usize;
            // A message of the line ends like a text line.
            bytes.extend(self.arm.next(len, b"\n"));
        }
        self.world.device_sends("/dev/arm", &bytes);
    }

    fn rover_says(&mut self) {
        for _ in 0..self.how_many() {
            let len = SHORTEST + self.draw.below(1_400) as usize;
            let datagram = self.rover.next(len, b"");
            self.world.udp_device_sends(PROGRAM, &datagram);
        }
    }

    fn reload(&mut self) {
        let config = Config::parse(&config(&mut self.draw)).expect("a config");
        let now = self.world.now;
        self.world.gateway.handle_reload(now, Ok(config));
        self.world.settle();
    }

    fn act(&mut self, aborted: &mut Aborted) {
        let sender = self.draw.below(self.senders.len() as u64) as usize;
        let n = self.peers[self.draw.below(self.peers.len() as u64) as usize];
        let now = self.world.now;
        match self.draw.below(20) {
            0..=5 => {
                let len = SHORTEST + self.draw.below(20_000) as usize;
                self.say(sender, len, true);
            }
            6 => {
                for _ in 0..20 {
                    self.say(sender, 10_000, false);
                }
            }
            7..=8 => {
                let text = request(&mut self.draw).to_string();
                let peer = self.world.peer(n);
                peer.send(now, "thingway", false, text.as_bytes());
            }
            9 => self.world.tty("/dev/arm").rate = [0, 1, 100, 5_000][self.draw.below(4) as usize],
            10 => self.arm_says(),
            11 => self.rover_says(),
            12 => self.world.unplug("/dev/arm"),
            13 => self.world.tty("/dev/arm").present = true,
            14 => self.world.clients[n].frozen = !self.world.clients[n].frozen,
            15 => self.close_or_open(sender),
            16 if self.draw.below(3) == 0 && self.has_room() => {
                self.connect(aborted);
            }
            16 => self.world.tty("/dev/arm").driver_holds = self.draw.below(3) as usize,
            17 => self.world.unsendable = self.draw.below(4) as usize,
            18 if self.draw.below(4) == 0 => self.delete(n),
            _ => self.reload(),
        }
        let time = Duration::from_millis(self.draw.below(120));
        self.world.run(time);
    }

    /// Closes a channel, or opens another one in place of a closed one.
    fn close_or_open(&mut self, sender: usize) {
        let now = self.world.now;
        let Sender {
            peer,
            name,
            endpoint,
            ..
        } = &self.senders[sender];
        let (n, name, endpoint) = (*peer, name.clone(), *endpoint);
        let peer = self.world.peer(n);
        if peer.channels[&name].open {
            peer.close_channel(now, &name);
        } else if peer.channels[&name].closed && !peer.closed && self.has_room() {
            let name = format!("{endpoint}-{}", self.senders.len());
            self.world.peer(n).open_as(now, &name, reliable(endpoint));
            self.add_sender(n, name, endpoint);
        }
    }

    fn delete(&mut self, n: usize) {
        let path = format!("/sessions/{}", self.world.clients[n].session);
        let (status, _) = self.world.ask_json("DELETE", &path, &Value::Null);
        assert!(matches!(status, 200 | 404), "{status}");
    }

    /// Checks what must hold at any moment.
    fn check(&mut self) {
        let seed = self.seed;
        let endpoint = self.world.get("/endpoints/arm");
        let sessions = self.world.get("/sessions");
        let list = sessions["sessions"].as_array().unwrap();
        if let Some(holder) = endpoint["lease"].as_str() {
            let holder = list.iter().find(|session| session["id"] == holder);
            let channels = holder.expect("a session")["channels"].as_array().unwrap();
            let has = channels.iter().any(|channel| channel["endpoint"] == "arm");
            assert!(has, "seed {seed}: who has the lease has a channel");
        }
        let queued = endpoint["queued_bytes"].as_u64().unwrap();
        let most = (list.len() as u64 + 1) * 2 * 262_144 + 131_072;
        assert!(queued <= most, "seed {seed}: {queued} bytes of {most}");
        for sender in &mut self.senders {
            let client = &self.world.clients[sender.peer];
            if let Some(shown) = shown(&sessions, &client.session, &client.peer, sender) {
                let arrived = shown["from_peer"]["bytes"].as_u64().expect("a number");
                sender.arrived = sender.arrived.max(arrived);
            }
        }
    }

    /// Checks that everything works again: a new peer reaches both endpoints, whatever happened before.
    fn calm(&mut self, aborted: &mut Aborted) {
        for n in self.peers.clone() {
            self.world.clients[n].frozen = false;
        }
        self.world.unsendable = 0;
        let tty = self.world.tty("/dev/arm");
        (tty.present, tty.rate, tty.driver_holds) = (true, 20_000, 0);
        let fresh = self.connect(aborted);
        self.world.until("open", Duration::from_secs(40), |w| {
            w.get("/endpoints/arm")["state"] == "open"
        });
        let take = json!({"type": "lease", "endpoint": "arm", "do": "take", "force": true});
        let now = self.world.now;
        let peer = self.world.peer(fresh);
        assert!(peer.send(now, "thingway", false, take.to_string().as_bytes()));
        self.world.run(Duration::from_millis(500));
        for sender in [self.senders.len() - 2, self.senders.len() - 1] {
            let (mut said, first) = (0, self.sent.len());
            let end = self.world.now + SOON * 20;
            while said < 50 {
                assert!(self.world.now < end, "seed {}: {said} sent", self.seed);
                if self.say(sender, 1_000, true) {
                    said += 1;
                } else {
                    self.world.step();
                }
            }
            self.world.run(Duration::from_secs(1));
            assert_eq!(self.sent.len(), first + 50);
        }
        self.arm_says();
        self.rover_says();
    }
}

#[test]
fn whatever_happens_every_byte_is_accounted_for() {
    let (mut aborted, mut exact) = (Aborted::default(), 0);
    for seed in 0..seeds(SEEDS) {
        let mut storm = Storm::new(seed, &mut aborted);
        for _ in 0..40 {
            storm.act(&mut aborted);
            storm.check();
        }
        storm.calm(&mut aborted);
        exact += u64::from(Balance::of(&mut storm).holds(&storm));
    }
    // For a channel that ends in mid-stream, the test does not know how many bytes had arrived. If all
    // channels ended like that, the sums would prove little.
    let all = seeds(SEEDS);
    assert!(exact * 4 + 8 > all, "{exact} of {all} seeds to the byte");
}
