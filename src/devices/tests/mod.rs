//! Tests of all devices without sessions, sockets or HTTP: messages go in; events and commands come out.

mod delivering;
mod instances;
mod lines;
mod nameless;
mod serving;
mod stopping;
mod writing;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::*;
use crate::access::scope::{Grant, Holder};
use crate::channel::{ChannelKey, PeerWriter, Written};
use crate::config::Config;
use crate::ids::SourceId;
use crate::sources::{Command, Owner, Sources};
use crate::util::slab::Id;

/// A peer that takes a number of bytes per turn and keeps what it receives.
struct Peer {
    room: usize,
    longest: usize,
    taken: Vec<(ChannelKey, bool, Vec<u8>)>,
}

impl PeerWriter for Peer {
    fn is_writable(&self) -> bool {
        self.room > 0
    }

    fn write(&mut self, channel: ChannelKey, binary: bool, bytes: &[u8]) -> Written {
        if bytes.is_empty() {
            return Written::Empty;
        }
        if bytes.len() > self.longest {
            return Written::TooLarge;
        }
        if bytes.len() > self.room {
            self.room = 0;
            return Written::Blocked;
        }
        self.room -= bytes.len();
        self.taken.push((channel, binary, bytes.to_vec()));
        Written::Accepted
    }
}

/// All devices of a configuration, with their sources.
struct Rig {
    devices: Devices,
    sources: Sources,
    now: Instant,
    /// The newest source of each endpoint.
    opened: HashMap<EndpointId, SourceId>,
    channels: u64,
}

/// Returns a session's id.
fn session(number: u64) -> SessionId {
    Id::from_bits(number)
}

impl Rig {
    fn new(config: &str) -> Self {
        Self::with_window(config, 1000)
    }

    fn with_window(config: &str, route_queue: usize) -> Self {
        let bounds = Bounds {
            route_queue,
            sessions: 4,
        };
        let mut rig = Self {
            devices: Devices::new(bounds),
            sources: Sources::new(),
            now: Instant::now(),
            opened: HashMap::new(),
            channels: 0,
        };
        let config = Config::parse(config).expect("a configuration");
        for endpoint in config.endpoints {
            rig.with(|devices, cx| devices.add(cx, endpoint));
        }
        rig.open_sources();
        for number in 1..=3 {
            rig.devices
                .add_session(session(number), &Grant::everything());
        }
        rig.events();
        rig
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Devices, &mut Context<'_>) -> R) -> R {
        let cx = &mut Context {
            now: self.now,
            time: Duration::from_secs(1),
            sources: &mut self.sources,
        };
        f(&mut self.devices, cx)
    }

    /// Opens the sources that were asked for, and returns all other commands.
    fn open_sources(&mut self) -> Vec<Command> {
        let mut others = Vec::new();
        while let Some(command) = self.sources.poll_command() {
            match command {
                Command::Open { source, .. } => self.note_opened(source, None),
                Command::OpenUdp { source, ref udp } => {
                    let local = udp.bind.unwrap_or_else(|| "0.0.0.0:0".parse().unwrap());
                    self.note_opened(source, Some(local));
                }
                other => others.push(other),
            }
        }
        others
    }

    fn note_opened(&mut self, source: SourceId, local: Option<std::net::SocketAddr>) {
        if let Some(Owner::Device(id) | Owner::DeviceListener(id)) = self.sources.owner(source) {
            self.opened.insert(id, source);
            self.with(|devices, cx| devices.handle_opened(cx, id, local));
        }
    }

    fn endpoint(&self, name: &str) -> EndpointId {
        self.devices
            .table()
            .find(name)
            .expect("an endpoint of this name")
    }

    /// Opens a channel of a session to an endpoint.
    fn open(&mut self, number: u64, name: &str) -> RouteId {
        let endpoint = self.endpoint(name);
        self.open_as(number, endpoint, |_| {})
    }

    fn open_as(
        &mut self,
        number: u64,
        endpoint: EndpointId,
        change: impl FnOnce(&mut Bind),
    ) -> RouteId {
        self.channels += 1;
        let mut bind = Bind {
            session: session(number),
            channel: Id::from_bits(self.channels),
            stream: u16::try_from(self.channels).unwrap(),
            label: "x".to_owned(),
            reliable: true,
            may_write: true,
            endpoint,
            serialization: None,
            as_text: false,
        };
        change(&mut bind);
        let route = self.with(|devices, cx| devices.bind(cx, bind));
        self.open_sources();
        route
    }

    fn send(&mut self, route: RouteId, bytes: &[u8]) {
        let data = bytes.to_vec();
        self.with(|devices, cx| devices.handle_message(cx, route, true, data));
    }

    /// Takes everything that is written to a device, and returns it.
    fn take_output(&mut self, name: &str) -> Vec<u8> {
        let id = self.endpoint(name);
        let mut taken = Vec::new();
        loop {
            let output = self.devices.table().output(id).to_vec();
            if output.is_empty() {
                return taken;
            }
            self.with(|devices, cx| devices.consume(cx, id, output.len()));
            taken.extend_from_slice(&output);
        }
    }

    /// Passes bytes from a device in. Small reads in close succession are merged, so this lets some time
    /// pass.
    fn receive(&mut self, name: &str, bytes: &[u8]) {
        let id = self.endpoint(name);
        self.with(|devices, cx| devices.handle_input(cx, id, bytes));
        self.pass(Duration::from_millis(20));
    }

    /// Runs one turn of a session whose peer takes `room` bytes. Returns the messages that were sent.
    fn turn(&mut self, number: u64, room: usize) -> Vec<Vec<u8>> {
        let mut peer = Peer {
            room,
            longest: 64 * 1024,
            taken: Vec::new(),
        };
        self.turn_of(number, &mut peer);
        peer.taken.into_iter().map(|(.., bytes)| bytes).collect()
    }

    fn turn_of(&mut self, number: u64, peer: &mut Peer) {
        let id = session(number);
        self.devices.begin_turn(id);
        self.devices.serve(id, peer);
        self.with(|devices, cx| devices.end_turn(cx, id));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.with(Devices::handle_timeout);
    }

    fn events(&mut self) -> Vec<DeviceEvent> {
        std::iter::from_fn(|| self.devices.poll_event()).collect()
    }

    /// Returns the channels that must be closed, with the reason.
    fn failures(&mut self) -> Vec<(SessionId, &'static str)> {
        let events = self.events().into_iter();
        let failures = events.filter_map(|event| match event {
            DeviceEvent::ChannelFailed { session, fault, .. } => Some((session, fault.as_str())),
            _ => None,
        });
        failures.collect()
    }

    fn credits(&mut self) -> Vec<u64> {
        let events = self.events().into_iter();
        let credits = events.filter_map(|event| match event {
            DeviceEvent::Credit { limit, .. } => Some(limit),
            _ => None,
        });
        credits.collect()
    }

    /// Returns the drops of a route by reason.
    fn drops(&self, route: RouteId) -> Vec<(DropReason, u64)> {
        let route = self.devices.table().route(route).expect("it is open");
        let drops = route.drops.iter();
        drops
            .map(|((_, reason), count)| (reason, count.bytes))
            .collect()
    }

    fn readable(&mut self) -> Vec<SessionId> {
        std::iter::from_fn(|| self.devices.poll_readable()).collect()
    }
}

const SERIAL: &str = "[[endpoint]]\nname = \"arm\"\nkind = \"serial\"\npath = \"/dev/ttyUSB0\"\n";
