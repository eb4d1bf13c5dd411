//! A small world around a gateway, in which everything that can be counted is bounded.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::programs::{Known, certificate};
use thingway::testing::config::Config;
use thingway::testing::datagram::Meta;
use thingway::testing::endpoint::line::{FlowControl, Format, LineFault, LineStatus};
use thingway::testing::endpoint::{Failure, FailureKind};
use thingway::testing::gateway::Gateway;
use thingway::testing::ids::SourceId;
use thingway::testing::limits;
use thingway::testing::session::crypto::Identity;
use thingway::testing::sources::{Command, Exit};

const CONFIG: &str = "[http]\nlisten = [\"127.0.0.1:8000\", \"192.0.2.1:8443\"]\n\
    allowed_origins = [\"https://a.example\"]\n[api]\nconfigure = true\n\
    [skyway]\nexpose = true\n[[skyway.key]]\nkey = \"k\"\n[[peerjs.key]]\nkey = \"k\"\n\
    [content]\nports = 4\n[[peer]]\nid = \"robot\"\nendpoint = \"echo\"\n\
    [limits]\nsessions = 6\npeers = 8\nchannels_per_session = 4\nconnect_timeout_s = 5\n\
    disconnected_timeout_s = 5\n\
    [[endpoint]]\nname = \"demo\"\nkind = \"demo\"\n\
    [[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"/dev/arm\"\nbaud = 9600\n\
    writers = \"one\"\ndeadman = { timeout_ms = 400, send = \"stop\" }\n\
    [[endpoint]]\nname = \"echo\"\nkind = \"echo\"\n\
    [[endpoint]]\nname = \"leg\"\nkind = \"serial\"\npath = \"/dev/leg\"\nframing = \"slip\"\n\
    messages = \"text\"\n\
    [[endpoint]]\nname = \"rover\"\nkind = \"udp\"\nremote = \"127.0.0.1:9\"\n";

/// Rounds of anything that must come to rest by itself.
const ROUNDS: usize = 2_000;

/// Output that waits on one connection: a stream's limit and one whole answer.
const MAX_OUTPUT: usize = 512 * 1024;

/// An HTTP client.
pub(super) struct Client {
    pub(super) source: SourceId,
    /// One that does not read.
    pub(super) stuck: bool,
    pub(super) received: Vec<u8>,
}

pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) now: Instant,
    pub(super) clients: Vec<Client>,
    pub(super) peers: Vec<Peer>,
    ice: Option<SourceId>,
    rover: Option<SourceId>,
    arm: Option<SourceId>,
    leg: Option<SourceId>,
    /// Content ports and the sockets of endpoints.
    sockets: Vec<(SourceId, SocketAddr)>,
    secure: Option<SourceId>,
    pub(super) known: Known,
    /// Whether scripts find a line that does what they say, and tokens can be stored.
    pub(super) line_works: bool,
    pub(super) disk_is_full: bool,
    /// Whether the line is there, and takes bytes.
    pub(super) plugged: bool,
    pub(super) blocked: bool,
}

impl World {
    pub(super) fn new(now: Instant) -> Self {
        let config = Config::parse(CONFIG).expect("a good config");
        let identity = Identity::generate().expect("an identity");
        let gateway = Gateway::new(now, config, identity, Vec::new(), [7; 32]);
        let mut world = Self {
            gateway,
            now,
            clients: Vec::new(),
            peers: Vec::new(),
            ice: None,
            rover: None,
            arm: None,
            leg: None,
            sockets: Vec::new(),
            secure: None,
            known: Known::default(),
            line_works: false,
            disk_is_full: false,
            plugged: true,
            blocked: false,
        };
        world.settle();
        assert!(world.gateway.is_ready());
        world
    }

    pub(super) fn ice_addr() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5000))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.gateway.poll_exit().is_some()
    }

    // ---- HTTP ----

    pub(super) fn connect(&mut self, stuck: bool) {
        self.connect_from(SocketAddr::from(([127, 0, 0, 1], 40_000)), stuck);
    }

    fn connect_from(&mut self, remote: SocketAddr, stuck: bool) {
        let local = SocketAddr::from(([127, 0, 0, 1], 8000));
        if let Some(source) = self.gateway.handle_accept(self.now, local, remote) {
            self.clients.push(Client {
                source,
                stuck,
                received: Vec::new(),
            });
        }
        assert!(self.clients.len() <= limits::Limits::default().connections);
    }

    /// Bytes of a client, if its connection may be read.
    pub(super) fn feed(&mut self, client: usize, bytes: &[u8]) {
        if let Some(client) = self.clients.get(client)
            && self.gateway.input_room(client.source) > 0
        {
            self.gateway.handle_data(self.now, client.source, bytes);
        }
        self.settle();
    }

    /// A request on a connection of its own, and all that comes back.
    pub(super) fn request(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.request_from(SocketAddr::from(([127, 0, 0, 1], 40_000)), bytes)
    }

    /// Sends a request from another address, and returns the response.
    pub(super) fn request_from(&mut self, remote: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        self.connect_from(remote, false);
        // Another connection may have made room for it.
        self.settle();
        let last = self.clients.len().checked_sub(1)?;
        let source = self.clients.get(last)?.source;
        self.feed(last, bytes);
        let at = self
            .clients
            .iter()
            .position(|client| client.source == source)?;
        let client = self.clients.remove(at);
        self.gateway.handle_closed(self.now, source);
        self.settle();
        Some(client.received)
    }

    /// A connection at the listener that speaks TLS, from beyond this machine.
    pub(super) fn accept_secure(&mut self) -> Option<SourceId> {
        let local = SocketAddr::from(([192, 0, 2, 1], 8443));
        let remote = SocketAddr::from(([203, 0, 113, 7], 4001));
        let listener = self.secure?;
        self.gateway
            .handle_accept_at(self.now, listener, local, remote)
    }

    /// Bytes up, and those that come down.
    pub(super) fn exchange_secure(&mut self, source: SourceId, up: &[u8]) -> Vec<u8> {
        if !up.is_empty() && self.gateway.input_room(source) > 0 {
            self.gateway.handle_data(self.now, source, up);
        }
        self.settle();
        let down = self.gateway.output(source).to_vec();
        if !down.is_empty() {
            self.gateway.consume(self.now, source, down.len());
            self.settle();
        }
        down
    }

    /// Closes a client's connection from its side.
    pub(super) fn leave(&mut self, source: SourceId) {
        self.gateway.handle_closed(self.now, source);
        let failure = Failure::new(FailureKind::Absent, "reset");
        self.gateway.handle_failed(self.now, source, &failure);
        self.settle();
    }

    /// Another configuration is read, or a faulty one.
    pub(super) fn reload(&mut self, which: u8) {
        let text = match which % 5 {
            0 => CONFIG.to_owned(),
            1 => CONFIG.replace("key = \"k\"", "key = \"another\""),
            2 => CONFIG.replace("expose = true", "expose = false"),
            3 => CONFIG.replace("framing = \"slip\"", "framing = \"cobs\""),
            _ => CONFIG.replace("timeout_ms = 400", "timeout_ms = 500"),
        };
        let result = if which < 128 {
            Config::parse(&text).map_err(|_| Vec::new())
        } else {
            Err(vec!["line 1: faulty".to_owned()])
        };
        self.gateway.handle_reload(self.now, result);
        self.settle();
    }

    // ---- datagrams and devices ----

    /// A program sends to one of our sockets.
    pub(super) fn socket_receives(&mut self, which: usize, bytes: &[u8]) {
        let count = self.sockets.len().max(1);
        if let Some((source, local)) = self.sockets.get(which % count).copied() {
            let meta = Meta {
                local,
                remote: SocketAddr::from(([127, 0, 0, 1], 7001)),
                stride: bytes.len().max(1),
            };
            self.gateway
                .handle_datagrams(self.now, source, &meta, bytes);
        }
        self.settle();
    }

    pub(super) fn leg_sends(&mut self, bytes: &[u8]) {
        if let Some(source) = self.leg {
            self.gateway.handle_data(self.now, source, bytes);
        }
        self.settle();
    }

    pub(super) fn datagram(&mut self, remote: SocketAddr, bytes: &[u8]) {
        if let Some(ice) = self.ice {
            let meta = Meta {
                local: Self::ice_addr(),
                remote,
                stride: bytes.len().max(1),
            };
            self.gateway.handle_datagrams(self.now, ice, &meta, bytes);
        }
    }

    pub(super) fn rover_sends(&mut self, bytes: &[u8]) {
        if let Some(source) = self.rover {
            let (local, remote) = (Self::ice_addr(), SocketAddr::from(([127, 0, 0, 1], 9)));
            let meta = Meta {
                local,
                remote,
                stride: bytes.len().max(1),
            };
            self.gateway
                .handle_datagrams(self.now, source, &meta, bytes);
        }
        self.settle();
    }

    pub(super) fn arm_sends(&mut self, bytes: &[u8]) {
        if let Some(source) = self.arm {
            self.gateway.handle_data(self.now, source, bytes);
        }
        self.settle();
    }

    pub(super) fn unplug(&mut self) {
        self.plugged = false;
        if let Some(source) = self.arm.take() {
            let failure = Failure::new(FailureKind::Absent, "it vanished");
            self.gateway.handle_failed(self.now, source, &failure);
        }
        self.settle();
    }

    // ---- time ----

    /// Lets time pass, stopping wherever somebody wants to be woken.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..20 * ROUNDS {
            let peers = self
                .peers
                .iter()
                .filter(|peer| !peer.ended)
                .map(|peer| peer.timeout);
            let next = peers
                .chain(self.gateway.poll_timeout())
                .min()
                .unwrap_or(end);
            // The last step may have gone a little too far.
            self.now = next.min(end).max(self.now);
            self.gateway.handle_timeout(self.now);
            let later = self.gateway.poll_timeout().is_none_or(|at| at >= self.now);
            assert!(later, "a deadline that has passed is kept");
            let now = self.now;
            for peer in self
                .peers
                .iter_mut()
                .filter(|peer| !peer.ended && peer.timeout <= now)
            {
                peer.handle_timeout(now);
            }
            self.settle();
            if self.now >= end || self.has_ended() {
                return;
            }
            // Deadlines of now, again and again, would be a loop that spins.
            self.now += Duration::from_millis(1);
        }
        panic!("no rest within {time:?}");
    }

    /// Does everything that wants to be done, until nothing does.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            self.gateway.settle(self.now);
            let mut busy = self.run_commands();
            busy |= self.write();
            busy |= self.exchange();
            if !busy {
                return self.check();
            }
        }
        panic!("it does not come to rest");
    }

    fn check(&self) {
        for client in &self.clients {
            let waiting = self.gateway.output(client.source).len();
            assert!(waiting <= MAX_OUTPUT, "{waiting} bytes wait for a client");
        }
        if let Some(arm) = self.arm {
            assert!(self.gateway.output(arm).len() <= limits::STREAM_OUTPUT);
        }
    }

    fn write(&mut self) -> bool {
        let mut busy = false;
        for _ in 0..ROUNDS {
            if self.gateway.poll_touched().is_none() {
                break;
            }
            busy = true;
        }
        assert_eq!(
            self.gateway.poll_touched(),
            None,
            "sources are touched without end"
        );
        for client in self.clients.iter_mut().filter(|client| !client.stuck) {
            let output = self.gateway.output(client.source);
            let n = output.len();
            if n > 0 {
                client.received.extend_from_slice(output);
                self.gateway.consume(self.now, client.source, n);
                busy = true;
            }
        }
        let devices = [self.arm.filter(|_| !self.blocked), self.leg];
        for device in devices.into_iter().flatten() {
            let n = self.gateway.output(device).len();
            if n > 0 {
                self.gateway.consume(self.now, device, n);
                busy = true;
            }
        }
        busy
    }

    /// Datagrams both ways.
    fn exchange(&mut self) -> bool {
        let mut busy = false;
        while let Some(batch) = self.gateway.poll_transmit() {
            for datagram in batch.contents.chunks(batch.segment.max(1)) {
                let mut peers = self.peers.iter_mut();
                if let Some(peer) = peers.find(|peer| peer.local == batch.destination)
                    && !peer.ended
                {
                    peer.handle_datagram(self.now, Self::ice_addr(), datagram);
                    busy = true;
                }
            }
        }
        for n in 0..self.peers.len() {
            while let Some(peer) = self.peers.get_mut(n)
                && let Some(datagram) = peer.out.pop_front()
            {
                let remote = peer.local;
                self.datagram(remote, &datagram);
                busy = true;
            }
        }
        busy
    }

    fn run_commands(&mut self) -> bool {
        for round in 0..ROUNDS {
            let Some(command) = self.gateway.poll_command() else {
                return round > 0;
            };
            self.run_command(command);
        }
        panic!("commands without end");
    }

    fn run_command(&mut self, command: Command) {
        let absent = Failure::new(FailureKind::Absent, "not here");
        match command {
            Command::Listen { source, addr } => {
                if addr.port() == 8443 {
                    self.secure = Some(source);
                }
                self.gateway.handle_listening(self.now, source, addr);
            }
            Command::OpenIce { source, addr } if addr.is_ipv4() => {
                self.ice = Some(source);
                self.gateway
                    .handle_opened(self.now, source, Some(Self::ice_addr()));
            }
            Command::OpenIce { source, .. } => {
                self.gateway.handle_failed(self.now, source, &absent);
            }
            Command::OpenUdp { source, udp } => {
                let local = udp.bind.unwrap_or_else(|| {
                    self.rover = Some(source);
                    SocketAddr::from(([127, 0, 0, 1], 6_001))
                });
                self.sockets.push((source, local));
                self.gateway.handle_opened(self.now, source, Some(local));
            }
            Command::Open { source, target } if self.plugged => {
                match target.to_string().as_str() {
                    "/dev/arm" => self.arm = Some(source),
                    "/dev/leg" => self.leg = Some(source),
                    _ => {}
                }
                self.gateway.handle_opened(self.now, source, None);
            }
            Command::Open { source, .. } => {
                self.gateway.handle_failed(self.now, source, &absent);
            }
            Command::CountUnsent { source } => self.gateway.handle_unsent(self.now, source, 0),
            Command::Line { source, .. } => {
                let result = if self.line_works {
                    Ok(status())
                } else {
                    Err(LineFault::Unsupported)
                };
                self.gateway.handle_line(self.now, source, result);
            }
            Command::RenewTls { .. } => {}
            Command::LoadTls { .. } | Command::MakeAuthority { .. } => {
                let identity = certificate().0.clone();
                self.gateway.handle_tls(self.now, Ok(identity));
            }
            Command::StoreAccess { .. } => {
                let result = if self.disk_is_full {
                    Err("no space left on device".to_owned())
                } else {
                    Ok(())
                };
                self.gateway.handle_access_stored(self.now, result);
            }
            Command::ListPorts => self.gateway.handle_ports(self.now, &[]),
            Command::ReadEndpoint { name } => {
                let read = Err("no such file".to_owned());
                self.gateway.handle_endpoint_read(self.now, &name, read);
            }
            Command::WriteEndpoint { name, .. } => {
                self.gateway
                    .handle_endpoint_written(self.now, &name, Ok(()));
            }
            Command::OpenCapture { source, .. } => {
                self.gateway.handle_failed(self.now, source, &absent);
            }
            Command::ListenControl { .. } | Command::WatchDevices => {}
            Command::Close { source } => {
                self.clients.retain(|client| client.source != source);
                self.sockets.retain(|(id, _)| *id != source);
                for device in [&mut self.arm, &mut self.leg, &mut self.rover] {
                    device.take_if(|id| *id == source);
                }
            }
            Command::ListAddresses => {
                let addresses: [IpAddr; 2] = [[127, 0, 0, 1].into(), [192, 0, 2, 1].into()];
                self.gateway.handle_addresses(self.now, &addresses);
            }
        }
    }

    /// Ends every session, connection and peer, as nothing more than time does.
    pub(super) fn come_to_an_end(&mut self) -> Option<Exit> {
        self.peers.clear();
        for client in std::mem::take(&mut self.clients) {
            self.gateway.handle_closed(self.now, client.source);
            // Stuck or not: its socket is gone.
            let failure = Failure::new(FailureKind::Absent, "reset");
            self.gateway
                .handle_failed(self.now, client.source, &failure);
        }
        self.settle();
        self.run(Duration::from_secs(120));
        self.gateway.poll_exit().cloned()
    }
}

/// What a line says of itself that does whatever it is told.
fn status() -> LineStatus {
    LineStatus {
        baud: 9600,
        format: Format::default(),
        flow: FlowControl::None,
        modem: None,
        counters: None,
        unsent: 0,
    }
}
