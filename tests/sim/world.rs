//! The whole daemon under a virtual clock, with peers behind emulated links and simulated devices.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use str0m_netem::{Input, Netem, NetemConfig, Output};
use thingway::config::Config;
use thingway::datagram::Meta;
use thingway::endpoint::line::{FlowControl, Format, LineFault, LineStatus, LineStep, ModemLines};
use thingway::endpoint::{Failure, FailureKind};
use thingway::gateway::Gateway;
use thingway::gateway::source::{Command, Exit};
use thingway::ids::SourceId;
use thingway::ports::Port;
use thingway::session::crypto::Identity;

use crate::peer::Peer;

/// A serial line that may be there or not.
#[derive(Default)]
pub struct Tty {
    pub present: bool,
    source: Option<SourceId>,
    /// What the device has been sent.
    pub written: Vec<u8>,
    /// Bytes per millisecond that the line takes; 0: it is stuck.
    pub rate: usize,
    next_write: Option<Instant>,
    pub opened: usize,
    /// What the driver says that it has not sent yet.
    pub driver_holds: usize,
    /// What was done at the line: when, after how many bytes, and what.
    pub steps: Vec<(Instant, usize, LineStep)>,
    /// Its driver has no modem lines.
    pub is_pty: bool,
    baud: u32,
}

impl Tty {
    pub fn source(&self) -> Option<SourceId> {
        self.source
    }

    fn step(&mut self, step: LineStep) -> Result<LineStatus, LineFault> {
        match step {
            LineStep::Modem { .. } if self.is_pty => return Err(LineFault::Unsupported),
            LineStep::Baud(baud) => self.baud = baud,
            LineStep::Flush(_) => self.driver_holds = 0,
            _ => {}
        }
        Ok(LineStatus {
            baud: self.baud,
            format: Format::default(),
            flow: FlowControl::None,
            modem: (!self.is_pty).then(ModemLines::default),
            counters: None,
            unsent: self.driver_holds,
        })
    }
}

/// A peer with its two links.
pub struct Client {
    pub peer: Peer,
    pub addr: SocketAddr,
    up: Netem<Vec<u8>>,
    down: Netem<Vec<u8>>,
    /// A page that does nothing: neither reads nor answers.
    pub frozen: bool,
    arrived: VecDeque<Vec<u8>>,
    pub session: String,
    /// The gateway's, which its entity tag is.
    pub ufrag: String,
}

pub struct World {
    pub gateway: Gateway,
    pub now: Instant,
    start: Instant,
    pub clients: Vec<Client>,
    pub ttys: BTreeMap<PathBuf, Tty>,
    /// UDP devices that echo, by their address.
    udp: BTreeMap<SocketAddr, SourceId>,
    pub echoed: usize,
    ice: Option<SourceId>,
    ice_addr: SocketAddr,
    pub http: BTreeMap<SourceId, Vec<u8>>,
    pub exit: Option<Exit>,
    /// What `GET /ports` finds.
    pub ports: Vec<Port>,
    /// What the API wrote to `conf.d`.
    pub files: BTreeMap<String, Option<String>>,
    /// The last few events, for a failure's report.
    trace: VecDeque<String>,
}

pub const GATEWAY: &str = "192.0.2.1";

impl World {
    pub fn new(seed: u64, config: &str) -> Self {
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
            ice: None,
            ice_addr: SocketAddr::new(GATEWAY.parse().unwrap(), 5000),
            http: BTreeMap::new(),
            exit: None,
            ports: Vec::new(),
            files: BTreeMap::new(),
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

    // ---- HTTP, without a network ----

    /// Sends raw bytes on a new connection and returns what comes back at once.
    pub fn request(&mut self, bytes: &[u8]) -> String {
        let local = "127.0.0.1:8000".parse().unwrap();
        let remote = "192.0.2.9:40000".parse().unwrap();
        let source = self
            .gateway
            .handle_accept(self.now, local, remote)
            .expect("accepted");
        self.http.insert(source, Vec::new());
        self.gateway.handle_data(self.now, source, bytes);
        self.settle();
        let output = self.http.get(&source).cloned().unwrap_or_default();
        self.gateway.handle_closed(self.now, source);
        self.settle();
        String::from_utf8_lossy(&output).into_owned()
    }

    /// The number after a name (with its labels) in `/metrics`; 0 if it is not there.
    pub fn metric(&mut self, name: &str) -> u64 {
        let answer = self.request(b"GET /metrics HTTP/1.1\r\nHost: board\r\n\r\n");
        let numbers = answer
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        numbers.map(|n| n.parse::<u64>().expect("a number")).sum()
    }

    /// Bytes from peers that were dropped for this reason.
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

    /// Lets a peer send up to `bytes` within its credit, in messages of `piece` bytes. Returns how
    /// many it could.
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

    pub fn get(&mut self, path: &str) -> serde_json::Value {
        let answer = self.request(format!("GET {path} HTTP/1.1\r\nHost: board\r\n\r\n").as_bytes());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}"))
    }

    // ---- peers ----

    /// A peer offers over HTTP and is answered; both links behave as told.
    pub fn connect(
        &mut self,
        channels: &[str0m::channel::ChannelConfig],
        link: NetemConfig,
        seed: u64,
    ) -> usize {
        let n = self.clients.len() + 1;
        let addr = SocketAddr::new(IpAddr::from([198, 51, 100, n as u8]), 6000);
        self.connect_from(addr, channels, link, seed)
    }

    /// The peer is killed, and another one has its address from now on.
    pub fn replace(&mut self, n: usize, channels: &[str0m::channel::ChannelConfig]) -> usize {
        let client = &mut self.clients[n];
        client.frozen = true;
        let addr = std::mem::replace(&mut client.addr, "0.0.0.0:0".parse().unwrap());
        self.connect_from(addr, channels, NetemConfig::new(), 0)
    }

    /// Somebody makes an offer that names an address, and is never heard of again.
    pub fn offer_only(&mut self, addr: SocketAddr) -> String {
        let channels = [crate::peer::reliable("demo")];
        let (_, offer) = Peer::offer(self.now, addr, &channels);
        self.request(post(&offer).as_bytes())
    }

    fn connect_from(
        &mut self,
        addr: SocketAddr,
        channels: &[str0m::channel::ChannelConfig],
        link: NetemConfig,
        seed: u64,
    ) -> usize {
        self.connect_with(addr, channels, link, seed, str::to_owned)
    }

    /// As [`Self::connect`], with an offer that says something else than the peer.
    pub fn connect_editing(
        &mut self,
        addr: SocketAddr,
        channels: &[str0m::channel::ChannelConfig],
        edit: impl FnOnce(&str) -> String,
    ) -> usize {
        self.connect_with(addr, channels, NetemConfig::new(), 0, edit)
    }

    /// Many connections send their heads, then all their bodies.
    pub fn heads_then_bodies(&mut self, n: usize, head: &[u8], body: &[u8]) -> Vec<String> {
        let local = "127.0.0.1:8000".parse().unwrap();
        let remote = "192.0.2.9:40000".parse().unwrap();
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
        channels: &[str0m::channel::ChannelConfig],
        link: NetemConfig,
        seed: u64,
        edit: impl FnOnce(&str) -> String,
    ) -> usize {
        let (mut peer, offer) = Peer::offer(self.now, addr, channels);
        let offer = edit(&offer);
        let answer = self.request(post(&offer).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let mut lines = head.lines();
        let location = lines.find_map(|line| line.strip_prefix("Location: /sessions/"));
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: "));
        peer.answer(self.now, body);
        self.clients.push(Client {
            peer,
            addr,
            up: Netem::new(link.seed(seed)),
            down: Netem::new(link.seed(seed ^ 0xffff)),
            frozen: false,
            arrived: VecDeque::new(),
            session: location.expect("a location").to_owned(),
            ufrag: etag.expect("an entity tag").trim_matches('"').to_owned(),
        });
        self.clients.len() - 1
    }

    pub fn peer(&mut self, n: usize) -> &mut Peer {
        &mut self.clients[n].peer
    }

    /// A datagram of somebody nobody knows.
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

    /// Jumps to the next thing that happens.
    pub fn step(&mut self) {
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
        // A quiet world still moves, a little at a time.
        let limit = self.now + Duration::from_millis(50);
        let at = next
            .unwrap_or(limit)
            .clamp(self.now + Duration::from_micros(1), limit);
        self.now = at;
        self.deliver();
        self.gateway.handle_timeout(self.now);
        self.settle();
    }

    /// Steps until it is so, or fails after so much virtual time.
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

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
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
        for _ in 0..50 {
            self.gateway.settle(self.now);
            let mut busy = self.run_commands();
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
        self.exit = self.gateway.poll_exit().cloned();
    }

    fn transmit(&mut self) {
        let mut echoes = Vec::new();
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
                } else if self.udp.contains_key(&batch.destination) {
                    echoes.push((batch.socket, batch.destination, datagram.to_vec()));
                }
            }
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

    // ---- devices ----

    /// Bytes from a device.
    pub fn device_sends(&mut self, path: &str, bytes: &[u8]) {
        if let Some(source) = self.tty(path).source {
            self.gateway.handle_data(self.now, source, bytes);
        }
        self.settle();
    }

    /// A datagram from a UDP device.
    pub fn udp_device_sends(&mut self, remote: &str, bytes: &[u8]) {
        self.udp_device_sends_from(remote, remote, bytes);
    }

    /// A datagram to the socket of the endpoint with this address, from anywhere.
    pub fn udp_device_sends_from(&mut self, endpoint: &str, from: &str, bytes: &[u8]) {
        let endpoint: SocketAddr = endpoint.parse().expect("an address");
        let meta = Meta {
            local: self.ice_addr,
            remote: from.parse().expect("an address"),
            stride: bytes.len().max(1),
        };
        let source = self.udp[&endpoint];
        self.gateway
            .handle_datagrams(self.now, source, &meta, bytes);
        self.settle();
    }

    /// The adapter is pulled.
    pub fn unplug(&mut self, path: &str) {
        let tty = self.tty(path);
        tty.present = false;
        tty.next_write = None;
        if let Some(source) = tty.source.take() {
            let gone = Failure::new(FailureKind::Absent, "it vanished");
            self.gateway.handle_failed(self.now, source, &gone);
        }
        self.settle();
    }

    fn write(&mut self, source: SourceId) -> bool {
        let output = self.gateway.output(source).to_vec();
        if let Some(http) = self.http.get_mut(&source)
            && !output.is_empty()
        {
            http.extend_from_slice(&output);
            self.gateway.consume(self.now, source, output.len());
            return true;
        }
        false
    }

    fn write_tty(&mut self, path: &PathBuf) -> bool {
        let Some(tty) = self.ttys.get_mut(path) else {
            return false;
        };
        let Some(source) = tty.source else {
            return false;
        };
        let waiting = self.gateway.output(source);
        if waiting.is_empty() || tty.rate == 0 {
            tty.next_write = None;
            return false;
        }
        if tty.next_write.is_some_and(|at| at > self.now) {
            return false;
        }
        let n = waiting.len().min(tty.rate);
        tty.written.extend_from_slice(&waiting[..n]);
        tty.next_write = Some(self.now + Duration::from_millis(1));
        self.gateway.consume(self.now, source, n);
        true
    }

    fn run_commands(&mut self) -> bool {
        let mut any = false;
        while let Some(command) = self.gateway.poll_command() {
            any = true;
            self.trace
                .push_back(format!("{:?} {command:?}", self.elapsed()));
            self.trace.truncate(40);
            match command {
                Command::Listen { source, addr } => self.gateway.handle_listening(source, addr),
                Command::OpenIce { source, addr } if addr.is_ipv4() => {
                    self.ice = Some(source);
                    self.gateway
                        .handle_opened(self.now, source, Some(self.ice_addr));
                }
                Command::OpenIce { source, .. } => {
                    let failure = Failure::new(FailureKind::Absent, "no IPv6 here");
                    self.gateway.handle_failed(self.now, source, &failure);
                }
                Command::OpenUdp { source, udp } => {
                    let addr = udp.remote.or(udp.bind).expect("one of the two");
                    self.udp.insert(addr, source);
                    self.gateway
                        .handle_opened(self.now, source, Some(self.ice_addr));
                }
                Command::Open { source, target } => {
                    let path = PathBuf::from(target.to_string());
                    let fresh = Tty {
                        present: true,
                        rate: 1_000,
                        ..Tty::default()
                    };
                    let tty = self.ttys.entry(path).or_insert(fresh);
                    if tty.present {
                        tty.source = Some(source);
                        tty.opened += 1;
                        self.gateway.handle_opened(self.now, source, None);
                    } else {
                        let failure = Failure::new(FailureKind::Absent, "no such file");
                        self.gateway.handle_failed(self.now, source, &failure);
                    }
                }
                Command::CountUnsent { source } => {
                    let tty = self.ttys.values().find(|tty| tty.source == Some(source));
                    let unsent = tty.map_or(0, |tty| tty.driver_holds);
                    self.gateway.handle_unsent(self.now, source, unsent);
                }
                Command::Line { source, step } => {
                    let now = self.now;
                    let mut ttys = self.ttys.values_mut();
                    let tty = ttys.find(|tty| tty.source == Some(source));
                    // It may have gone since it was asked.
                    let status = tty.map_or(Err(LineFault::Absent), |tty| {
                        if step != LineStep::Look {
                            tty.steps.push((now, tty.written.len(), step));
                        }
                        tty.step(step)
                    });
                    self.gateway.handle_line(now, source, status);
                }
                Command::Close { source } => {
                    self.http.remove(&source);
                    for tty in self.ttys.values_mut() {
                        tty.source = tty.source.filter(|other| *other != source);
                    }
                }
                Command::OpenCapture { source, .. } => {
                    let failure = Failure::new(FailureKind::Absent, "no files here");
                    self.gateway.handle_failed(self.now, source, &failure);
                }
                Command::ListPorts => self.gateway.handle_ports(self.now, &self.ports.clone()),
                Command::WriteEndpoint { name, text } => {
                    self.files.insert(name.clone(), text);
                    self.gateway
                        .handle_endpoint_written(self.now, &name, Ok(()));
                }
                Command::ListenControl { .. } | Command::WatchDevices => {}
                Command::ListAddresses => {
                    self.gateway
                        .handle_addresses(self.now, &[GATEWAY.parse().unwrap()]);
                }
            }
        }
        any
    }
}

/// The request that makes a session.
pub fn post(offer: &str) -> String {
    format!(
        "POST /sessions HTTP/1.1\r\nHost: board\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{offer}",
        offer.len()
    )
}
