//! The gateway's core, connected in the simulated world and then driven step by step, so that its own work can be measured
//! without that of its peer.

use std::net::SocketAddr;
use std::time::Duration;

use str0m::channel::ChannelConfig;
use str0m_netem::NetemConfig;
use thingway::testing::datagram::Meta;
use thingway::testing::gateway::Gateway;
use thingway::testing::ids::SourceId;

use crate::peer::Peer;
use crate::world::World;

pub const DEVICE: &str = "/dev/device";
pub const PROGRAM: &str = "127.0.0.1:7000";
const CONFIG: &str = r#"
    [[endpoint]]
    name = "echo"
    kind = "echo"
    [[endpoint]]
    name = "sink"
    kind = "sink"
    [[endpoint]]
    name = "serial"
    kind = "serial"
    path = "/dev/device"
    scrollback = 0
    [[endpoint]]
    name = "udp"
    kind = "udp"
    remote = "127.0.0.1:7000"
"#;

/// Runs something and says what it cost.
pub type Meter = fn(&mut dyn FnMut()) -> u64;

pub struct Direct {
    pub world: World,
    meter: Meter,
    /// Datagrams on their way out, end to end, with where to and how long.
    out: Vec<u8>,
    ends: Vec<(SocketAddr, usize)>,
    /// Bytes that the device has taken, datagrams that the program has.
    pub to_device: usize,
    pub to_program: usize,
    /// By the meter, so far.
    pub cost: u64,
}

impl Direct {
    /// Connected, with one channel open.
    pub fn connect(meter: Meter, channel: ChannelConfig) -> Self {
        let label = channel.label.clone();
        let mut world = World::new(1, CONFIG);
        let peer = world.connect(&[channel], NetemConfig::new(), 1);
        world.until("the channel is open", Duration::from_secs(5), |world| {
            world.peer(peer).channels[&label].open
        });
        world.run(Duration::from_secs(1));
        Self::over(meter, world)
    }

    /// Not connected, but offered and answered, which is in the cost.
    #[allow(dead_code, reason = "only one of the two measures this")]
    pub fn answered(meter: Meter, channel: ChannelConfig) -> Self {
        let mut world = World::new(1, CONFIG);
        let addr: SocketAddr = "198.51.100.1:6000".parse().expect("an address");
        let (peer, offer) = Peer::offer(world.now, addr, &[channel]);
        let mut answer = String::new();
        let cost = meter(&mut || {
            answer = world.ask("POST", "/sessions", "application/sdp", &offer);
        });
        world.join(peer, addr, &answer, NetemConfig::new(), 1);
        Self {
            cost,
            ..Self::over(meter, world)
        }
    }

    fn over(meter: Meter, world: World) -> Self {
        Self {
            world,
            meter,
            out: Vec::with_capacity(1 << 20),
            ends: Vec::with_capacity(1 << 12),
            to_device: 0,
            to_program: 0,
            cost: 0,
        }
    }

    /// A millisecond: what the peer sent goes in, what comes out goes to the peer.
    pub fn turn(&mut self) {
        self.world.now += Duration::from_millis(1);
        let now = self.world.now;
        let addr = self.world.clients[0].addr;
        let sent: Vec<_> = self.world.peer(0).out.drain(..).collect();
        let (ice, local) = (self.world.ice.expect("a socket"), self.world.ice_addr);
        self.measured(|gateway| {
            for (_, bytes) in &sent {
                let meta = meta(local, addr, bytes);
                gateway.handle_datagrams(now, ice, &meta, bytes);
            }
            if gateway.poll_timeout().is_some_and(|at| at <= now) {
                gateway.handle_timeout(now);
            }
        });
        if self.world.peer(0).timeout <= now {
            self.world.peer(0).handle_timeout(now);
        }
    }

    /// The serial device says something.
    pub fn device_sends(&mut self, bytes: &[u8]) {
        let now = self.world.now;
        let source = self.device();
        self.measured(|gateway| gateway.handle_data(now, source, bytes));
    }

    /// The program behind UDP does.
    #[allow(dead_code, reason = "only one of the two measures this")]
    pub fn program_sends(&mut self, bytes: &[u8]) {
        let (now, local) = (self.world.now, self.world.ice_addr);
        let remote: SocketAddr = PROGRAM.parse().expect("an address");
        let source = self.world.udp[&remote];
        self.measured(|gateway| {
            let meta = meta(local, remote, bytes);
            gateway.handle_datagrams(now, source, &meta, bytes);
        });
    }

    fn device(&mut self) -> SourceId {
        self.world.tty(DEVICE).source().expect("it is open")
    }

    fn measured(&mut self, what: impl FnOnce(&mut Gateway)) {
        let now = self.world.now;
        let device = self.device();
        let (out, ends) = (&mut self.out, &mut self.ends);
        let gateway = &mut self.world.gateway;
        let mut to_device = 0;
        let mut what = Some(what);
        self.cost += (self.meter)(&mut || {
            if let Some(what) = what.take() {
                what(gateway);
            }
            loop {
                gateway.settle(now);
                while let Some(batch) = gateway.poll_transmit() {
                    for datagram in batch.contents.chunks(batch.segment.max(1)) {
                        out.extend_from_slice(datagram);
                        ends.push((batch.destination, out.len()));
                    }
                }
                let mut busy = false;
                while let Some(source) = gateway.poll_touched() {
                    let n = gateway.output(source).len();
                    if source == device && n > 0 {
                        to_device += n;
                        gateway.consume(now, source, n);
                        busy = true;
                    }
                }
                if !busy {
                    return;
                }
            }
        });
        self.to_device += to_device;
        self.deliver();
    }

    fn deliver(&mut self) {
        let (now, local) = (self.world.now, self.world.ice_addr);
        let program: SocketAddr = PROGRAM.parse().expect("an address");
        let mut start = 0;
        for (destination, end) in self.ends.drain(..) {
            if destination == program {
                self.to_program += 1;
            } else {
                let peer = self.world.peer(0);
                peer.handle_datagram(now, local, &self.out[start..end]);
            }
            start = end;
        }
        self.out.clear();
    }
}

fn meta(local: SocketAddr, remote: SocketAddr, bytes: &[u8]) -> Meta {
    Meta {
        local,
        remote,
        stride: bytes.len().max(1),
    }
}
