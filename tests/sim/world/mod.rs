//! The whole daemon under a virtual clock, with peers behind emulated links and simulated devices.

mod devices;
mod http;
mod panics;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use str0m::channel::ChannelConfig;
use str0m_netem::{Input, Netem, NetemConfig, Output};
use thingway::testing::config::Config;
use thingway::testing::datagram::Meta;
use thingway::testing::endpoint::Count;
use thingway::testing::gateway::Gateway;
use thingway::testing::ids::SourceId;
use thingway::testing::ports::Port;
use thingway::testing::session::crypto::Identity;
use thingway::testing::sources::Exit;
use thingway::testing::tls::TlsIdentity;

use crate::peer::Peer;
pub use devices::Tty;

/// A peer with its two links.
pub struct Client {
    pub peer: Peer,
    pub addr: SocketAddr,
    up: Netem<Vec<u8>>,
    down: Netem<Vec<u8>>,
    /// Whether the page is frozen: it neither reads nor answers.
    pub frozen: bool,
    arrived: VecDeque<Vec<u8>>,
    pub session: String,
    /// The gateway's ufrag, which is the session's entity tag.
    pub ufrag: String,
}

pub struct World {
    pub gateway: Gateway,
    pub now: Instant,
    start: Instant,
    pub clients: Vec<Client>,
    pub ttys: BTreeMap<PathBuf, Tty>,
    /// UDP devices that echo, by their address.
    pub udp: BTreeMap<SocketAddr, SourceId>,
    pub echoed: usize,
    /// Whether UDP devices keep their datagrams and send nothing back.
    pub keeps_datagrams: bool,
    pub kept_datagrams: Vec<Vec<u8>>,
    /// The destination of each kept datagram.
    pub kept_for: Vec<SocketAddr>,
    /// How many of the next datagrams to UDP devices cannot be sent.
    pub unsendable: usize,
    pub ice: Option<SourceId>,
    pub ice_addr: SocketAddr,
    pub http: BTreeMap<SourceId, Vec<u8>>,
    /// The bytes that arrived on HTTP connections that the gateway has closed.
    pub ended_http: BTreeMap<SourceId, Vec<u8>>,
    /// HTTP listeners with their addresses.
    pub listeners: Vec<(SourceId, SocketAddr)>,
    /// The certificate that `LoadTls` returns.
    tls: Option<TlsIdentity>,
    /// How often the certificate's files were checked.
    pub renewals: usize,
    /// Whether the list of addresses is held back. It is passed in when this is false again.
    pub holds_addresses: bool,
    /// The stored tokens.
    pub stored: Option<String>,
    /// Whether tokens cannot be stored.
    pub disk_is_full: bool,
    /// The token of all requests.
    pub token: Option<String>,
    /// The time of day at the start, in seconds since 1970.
    pub epoch: u64,
    pub exit: Option<Exit>,
    /// The sources that the gateway has closed.
    pub closed: Vec<SourceId>,
    /// The ports that `GET /ports` finds.
    pub ports: Vec<Port>,
    /// The files that the API wrote to `conf.d`.
    pub files: BTreeMap<String, Option<String>>,
    /// How many panics of sessions the test expects, if any.
    wanted_panics: Option<usize>,
    /// The last few events, for the report of a failure.
    trace: VecDeque<String>,
}

pub const GATEWAY: &str = "192.0.2.1";

/// The most rounds after which everything must have settled.
const ROUNDS: usize = 1_000;

impl World {
    pub fn new(seed: u64, config: &str) -> Self {
        Self::secured(seed, config, None)
    }

    /// Makes a world with a certificate, for listeners that other machines reach.
    pub fn secured(seed: u64, config: &str, tls: Option<TlsIdentity>) -> Self {
        panics::watch();
        let config = Config::parse(config).expect("a config");
        let identity = Identity::generate().expect("an identity");
        let now = Instant::now();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let gateway = Gateway::new(now, config, identity, vec!["board".into()], bytes);
        let mut world = Self {
            gateway,
            now,
            start: now,
            clients: Vec::new(),
            ttys: BTreeMap::new(),
            udp: BTreeMap::new(),
            echoed: 0,
            keeps_datagrams: false,
            kept_datagrams: Vec::new(),
            kept_for: Vec::new(),
            unsendable: 0,
            ice: None,
            ice_addr: SocketAddr::new(GATEWAY.parse().unwrap(), 5000),
            http: BTreeMap::new(),
            ended_http: BTreeMap::new(),
            listeners: Vec::new(),
            tls,
            renewals: 0,
            holds_addresses: false,
            stored: None,
            disk_is_full: false,
            token: None,
            epoch: 1_800_000_000,
            exit: None,
            closed: Vec::new(),
            ports: Vec::new(),
            files: BTreeMap::new(),
            wanted_panics: None,
            trace: VecDeque::new(),
        };
        world.settle();
        world
    }

    pub fn tty(&mut self, path: &str) -> &mut Tty {
        self.ttys
            .get_mut(&PathBuf::from(path))
            .expect("a tty of the config")
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Connects a peer by an offer over HTTP; both links behave as given.
    pub fn connect(&mut self, channels: &[ChannelConfig], link: NetemConfig, seed: u64) -> usize {
        let n = self.clients.len() + 1;
        let addr = SocketAddr::new(IpAddr::from([198, 51, 100, n as u8]), 6000);
        self.connect_from(addr, channels, link, seed)
    }

    /// Ends a peer without notice, and gives its address to a new peer.
    pub fn replace(&mut self, n: usize, channels: &[ChannelConfig]) -> usize {
        let client = &mut self.clients[n];
        client.frozen = true;
        let addr = std::mem::replace(&mut client.addr, "0.0.0.0:0".parse().unwrap());
        self.connect_from(addr, channels, NetemConfig::new(), 0)
    }

    /// Makes an offer that names an address; its peer never sends anything.
    pub fn offer_only(&mut self, addr: SocketAddr) -> String {
        let channels = [crate::peer::reliable("demo")];
        let (_, offer) = Peer::offer(self.now, addr, &channels);
        self.request(post(&offer).as_bytes())
    }

    /// Connects a peer from its own address, over a perfect link.
    #[allow(dead_code, reason = "only the benchmark needs so many addresses")]
    pub fn connect_at(&mut self, addr: SocketAddr, channels: &[ChannelConfig]) -> usize {
        self.connect_from(addr, channels, NetemConfig::new(), 0)
    }

    fn connect_from(
        &mut self,
        addr: SocketAddr,
        channels: &[ChannelConfig],
        link: NetemConfig,
        seed: u64,
    ) -> usize {
        self.connect_with(addr, channels, link, seed, str::to_owned)
    }

    /// Connects a peer like [`Self::connect`], with an edited offer.
    pub fn connect_editing(
        &mut self,
        addr: SocketAddr,
        channels: &[ChannelConfig],
        edit: impl FnOnce(&str) -> String,
    ) -> usize {
        self.connect_with(addr, channels, NetemConfig::new(), 0, edit)
    }

    /// Connects a peer like [`Self::connect`], with an edited answer.
    pub fn connect_misreading(
        &mut self,
        addr: SocketAddr,
        channels: &[ChannelConfig],
        edit: impl FnOnce(&str) -> String,
    ) -> usize {
        let (peer, offer) = Peer::offer(self.now, addr, channels);
        let answer = self.ask("POST", "/sessions", "application/sdp", &offer);
        self.join(peer, addr, &edit(&answer), NetemConfig::new(), 0)
    }

    /// Sends the heads of requests on many connections, then all their bodies.
    pub fn heads_then_bodies(&mut self, n: usize, head: &[u8], body: &[u8]) -> Vec<String> {
        let local = "127.0.0.1:8000".parse().unwrap();
        let remote = "127.0.0.1:40000".parse().unwrap();
        let mut sources = Vec::new();
        for _ in 0..n {
            let source = self
                .gateway
                .handle_accept(self.now, local, remote)
                .expect("accepted");
            self.http.insert(source, Vec::new());
            self.gateway.handle_data(self.now, source, head);
            sources.push(source);
        }
        for source in &sources {
            self.gateway.handle_data(self.now, *source, body);
        }
        self.settle();
        let answers = sources
            .iter()
            .map(|source| String::from_utf8_lossy(&self.http[source]));
        answers.map(|answer| answer.into_owned()).collect()
    }

    fn connect_with(
        &mut self,
        addr: SocketAddr,
        channels: &[ChannelConfig],
        link: NetemConfig,
        seed: u64,
        edit: impl FnOnce(&str) -> String,
    ) -> usize {
        let (peer, offer) = Peer::offer(self.now, addr, channels);
        let offer = edit(&offer);
        let answer = self.ask("POST", "/sessions", "application/sdp", &offer);
        self.join(peer, addr, &answer, link, seed)
    }

    /// Adds a peer whose offer the gateway has answered.
    pub fn join(
        &mut self,
        mut peer: Peer,
        addr: SocketAddr,
        answer: &str,
        link: NetemConfig,
        seed: u64,
    ) -> usize {
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let mut lines = head.lines();
        let location = lines.find_map(|line| line.strip_prefix("Location: /sessions/"));
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: "));
        peer.answer(self.now, body);
        let n = self.add(peer, addr, link, seed);
        if let Some(client) = self.clients.get_mut(n) {
            location
                .expect("a location")
                .clone_into(&mut client.session);
            let tag = etag.expect("an entity tag").trim_matches('"');
            tag.clone_into(&mut client.ufrag);
        }
        n
    }

    /// Adds a peer that was answered, or has answered, in another way.
    pub fn add(&mut self, peer: Peer, addr: SocketAddr, link: NetemConfig, seed: u64) -> usize {
        self.clients.push(Client {
            peer,
            addr,
            up: Netem::new(link.seed(seed)),
            down: Netem::new(link.seed(seed ^ 0xffff)),
            frozen: false,
            arrived: VecDeque::new(),
            session: String::new(),
            ufrag: String::new(),
        });
        self.clients.len() - 1
    }

    pub fn peer(&mut self, n: usize) -> &mut Peer {
        &mut self.clients[n].peer
    }

    /// Passes in a datagram from an unknown address.
    pub fn stranger(&mut self, remote: SocketAddr, bytes: &[u8]) {
        let meta = Meta {
            local: self.ice_addr,
            remote,
            stride: bytes.len().max(1),
        };
        let ice = self.ice.expect("an ICE socket");
        self.gateway.handle_datagrams(self.now, ice, &meta, bytes);
        self.settle();
    }

    // ---- time ----

    /// Advances the time to the next event.
    pub fn step(&mut self) {
        // Without events the time still advances, a little at a time.
        self.step_within(Duration::from_millis(50));
    }

    /// Advances the time like [`Self::step`], by this time at most.
    fn step_within(&mut self, most: Duration) {
        self.check_panics();
        self.settle();
        let mut next = self.gateway.poll_timeout();
        let mut sooner = |at: Option<Instant>| {
            next = match (next, at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        for client in &self.clients {
            for link in [&client.up, &client.down] {
                sooner((!link.is_empty()).then(|| link.poll_timeout()));
            }
            if !client.frozen && !client.peer.closed {
                sooner(Some(client.peer.timeout));
            }
        }
        for tty in self.ttys.values() {
            sooner(tty.next_write);
        }
        let limit = self.now + most;
        let at = next
            .unwrap_or(limit)
            .clamp(self.now + Duration::from_micros(1), limit);
        self.now = at;
        self.deliver();
        self.gateway.handle_timeout(self.now);
        self.settle();
    }

    /// Steps until a condition is true, or fails after a limit of virtual time.
    pub fn until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            if self.now >= end {
                let sessions = self.get("/sessions");
                let trace: Vec<String> = self.trace.iter().cloned().collect();
                panic!(
                    "not within {limit:?}: {what}\n{sessions:#}\n{}",
                    trace.join("\n")
                );
            }
            self.step();
        }
    }

    /// Advances the time like [`Self::run`], and not a moment longer, however many timers the gateway has.
    #[allow(dead_code, reason = "only the digest needs it")]
    pub fn run_exactly(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step_within((end - self.now).min(Duration::from_millis(50)));
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Expects this many sessions to end by a panic before the world ends.
    #[allow(dead_code, reason = "only the simulation wants one")]
    pub fn wants_panics(&mut self, count: usize) {
        self.wanted_panics = Some(count);
    }

    /// Fails if a session has ended by a panic that the gateway caught.
    fn check_panics(&self) {
        let seen = panics::seen();
        assert!(
            self.wanted_panics.is_some() || seen == 0,
            "the gateway has caught a panic"
        );
    }

    fn deliver(&mut self) {
        let now = self.now;
        let ice_addr = self.ice_addr;
        for n in 0..self.clients.len() {
            let client = &mut self.clients[n];
            let addr = client.addr;
            client.up.handle_input(Input::Timeout(now));
            let mut up = Vec::new();
            while let Some(output) = client.up.poll_output() {
                match output {
                    Output::Packet(bytes) => up.push(bytes),
                    Output::Timeout(_) => break,
                }
            }
            client.down.handle_input(Input::Timeout(now));
            while let Some(output) = client.down.poll_output() {
                match output {
                    Output::Packet(bytes) => client.arrived.push_back(bytes),
                    Output::Timeout(_) => break,
                }
            }
            if client.frozen {
                // A frozen page's socket buffer overflows like any other.
                client.arrived.truncate(200);
            } else {
                while let Some(bytes) = client.arrived.pop_front() {
                    client.peer.handle_datagram(now, ice_addr, &bytes);
                }
                if client.peer.timeout <= now && !client.peer.closed {
                    client.peer.handle_timeout(now);
                }
            }
            for bytes in up {
                let meta = Meta {
                    local: ice_addr,
                    remote: addr,
                    stride: bytes.len().max(1),
                };
                if let Some(ice) = self.ice {
                    self.gateway.handle_datagrams(now, ice, &meta, &bytes);
                }
            }
        }
    }

    pub fn settle(&mut self) {
        let time = Duration::from_secs(self.epoch) + self.elapsed();
        let time = std::time::UNIX_EPOCH + time;
        self.gateway.handle_clock(self.now, time);
        let mut busy = true;
        for _ in 0..ROUNDS {
            while self.gateway.settle(self.now) {
                self.transmit();
            }
            busy = self.run_commands();
            while let Some(source) = self.gateway.poll_touched() {
                busy |= self.write(source);
            }
            busy |= self.run_commands();
            let paths: Vec<PathBuf> = self.ttys.keys().cloned().collect();
            for path in paths {
                busy |= self.write_tty(&path);
            }
            self.transmit();
            self.transmit_peers();
            if !busy {
                break;
            }
        }
        assert!(!busy, "not at rest after {ROUNDS} rounds: {:?}", self.trace);
        self.exit = self.gateway.poll_exit().cloned();
    }

    fn transmit(&mut self) {
        let (mut echoes, mut unsent) = (Vec::new(), Vec::new());
        while let Some(batch) = self.gateway.poll_transmit() {
            for datagram in batch.contents.chunks(batch.segment.max(1)) {
                if let Some(client) = self
                    .clients
                    .iter_mut()
                    .find(|c| c.addr == batch.destination)
                {
                    client
                        .down
                        .handle_input(Input::Packet(self.now, datagram.to_vec()));
                } else if !self.udp.contains_key(&batch.destination) {
                } else if self.unsendable > 0 {
                    self.unsendable -= 1;
                    unsent.push((batch.socket, Count::one(datagram.len())));
                } else if self.keeps_datagrams {
                    self.kept_datagrams.push(datagram.to_vec());
                    self.kept_for.push(batch.destination);
                } else {
                    echoes.push((batch.socket, batch.destination, datagram.to_vec()));
                }
            }
        }
        for (socket, count) in unsent {
            self.gateway.handle_send_failed(socket, count);
        }
        for (socket, remote, bytes) in echoes {
            self.echoed += 1;
            let meta = Meta {
                local: self.ice_addr,
                remote,
                stride: bytes.len().max(1),
            };
            self.gateway
                .handle_datagrams(self.now, socket, &meta, &bytes);
        }
    }

    fn transmit_peers(&mut self) {
        for client in &mut self.clients {
            while let Some((_, bytes)) = client.peer.out.pop_front() {
                if !client.frozen {
                    client.up.handle_input(Input::Packet(self.now, bytes));
                }
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let wanted = self.wanted_panics.unwrap_or(0);
            assert_eq!(panics::seen(), wanted, "the gateway has caught a panic");
        }
    }
}

/// Returns the request that makes a session.
pub fn post(offer: &str) -> String {
    format!(
        "POST /sessions HTTP/1.1\r\nHost: board\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{offer}",
        offer.len()
    )
}
