//! Simulated devices, and the gateway's commands to the operating system.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thingway::testing::datagram::Meta;
use thingway::testing::endpoint::line::{
    FlowControl, Format, LineCounters, LineFault, LineStatus, LineStep, ModemLines,
};
use thingway::testing::endpoint::{Failure, FailureKind};
use thingway::testing::ids::SourceId;
use thingway::testing::sources::Command;

use super::{GATEWAY, World};

/// A serial line that may be present or absent.
#[derive(Default)]
pub struct Tty {
    pub present: bool,
    pub(super) source: Option<SourceId>,
    /// The bytes that the device was sent.
    pub written: Vec<u8>,
    /// How many bytes per millisecond the line takes; with 0 it is stuck.
    pub rate: usize,
    pub(super) next_write: Option<Instant>,
    pub opened: usize,
    /// How many bytes the driver reports as not sent yet.
    pub driver_holds: usize,
    /// The steps at the line: when, after how many bytes, and which.
    pub steps: Vec<(Instant, usize, LineStep)>,
    /// Whether the driver has no modem lines.
    pub is_pty: bool,
    /// Whether connections stay pending, neither made nor refused.
    pub pending: bool,
    /// The sources of the pending connections.
    pub tried: Vec<SourceId>,
    baud: u32,
    /// The counters of the UART, if there is one.
    pub counters: Option<LineCounters>,
    /// The positions in [`Self::written`] at which the device returned.
    pub returns: Vec<usize>,
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
            counters: self.counters,
            unsent: self.driver_holds,
        })
    }
}

impl World {
    // ---- devices ----

    /// Passes in bytes from a device.
    pub fn device_sends(&mut self, path: &str, bytes: &[u8]) {
        if let Some(source) = self.tty(path).source {
            self.gateway.handle_data(self.now, source, bytes);
        }
        self.settle();
    }

    /// Passes in a datagram from a UDP device.
    pub fn udp_device_sends(&mut self, remote: &str, bytes: &[u8]) {
        self.udp_device_sends_from(remote, remote, bytes);
    }

    /// Passes in a datagram from any address to the socket of the endpoint with this address.
    pub fn udp_device_sends_from(&mut self, endpoint: &str, from: &str, bytes: &[u8]) {
        self.udp_device_sends_at_once(endpoint, from, bytes, bytes.len().max(1));
    }

    /// The same with several datagrams of this length, which the kernel has put together.
    pub fn udp_device_sends_at_once(
        &mut self,
        endpoint: &str,
        from: &str,
        bytes: &[u8],
        stride: usize,
    ) {
        let endpoint: SocketAddr = endpoint.parse().expect("an address");
        let meta = Meta {
            local: self.ice_addr,
            remote: from.parse().expect("an address"),
            stride,
        };
        let source = self.udp[&endpoint];
        self.gateway
            .handle_datagrams(self.now, source, &meta, bytes);
        self.settle();
    }

    /// Makes a device absent before the first try.
    pub fn absent(&mut self, path: &str) {
        self.ttys.insert(path.into(), Tty::default());
    }

    /// Unplugs the adapter.
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

    pub(super) fn write(&mut self, source: SourceId) -> bool {
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

    pub(super) fn write_tty(&mut self, path: &PathBuf) -> bool {
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

    pub(super) fn run_commands(&mut self) -> bool {
        let mut any = false;
        while let Some(command) = self.gateway.poll_command() {
            any = true;
            self.trace
                .push_back(format!("{:?} {command:?}", self.elapsed()));
            self.trace.truncate(40);
            match command {
                Command::Listen { source, addr } => {
                    self.listeners.push((source, addr));
                    self.gateway.handle_listening(self.now, source, addr);
                }
                Command::RenewTls { .. } => self.renewals += 1,
                Command::LoadTls { .. } | Command::MakeAuthority { .. } => {
                    let found = self.tls.clone();
                    let found = found.ok_or_else(|| "no files here".to_owned());
                    self.gateway.handle_tls(self.now, found);
                }
                Command::StoreAccess { text } => {
                    let result = if self.disk_is_full {
                        Err("no space left on device".to_owned())
                    } else {
                        self.stored = Some(text);
                        Ok(())
                    };
                    self.gateway.handle_access_stored(self.now, result);
                }
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
                    if tty.pending {
                        tty.tried.push(source);
                    } else if tty.present {
                        tty.source = Some(source);
                        tty.opened += 1;
                        tty.returns.push(tty.written.len());
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
                    // The line may have vanished since the command was sent.
                    let status = tty.map_or(Err(LineFault::Absent), |tty| {
                        if step != LineStep::Look {
                            tty.steps.push((now, tty.written.len(), step));
                        }
                        tty.step(step)
                    });
                    self.gateway.handle_line(now, source, status);
                }
                Command::Close { source } => {
                    if let Some(came) = self.http.remove(&source) {
                        self.ended_http.insert(source, came);
                    }
                    self.closed.push(source);
                    for tty in self.ttys.values_mut() {
                        tty.source = tty.source.filter(|other| *other != source);
                    }
                }
                Command::OpenCapture { source, .. } => {
                    let failure = Failure::new(FailureKind::Absent, "no files here");
                    self.gateway.handle_failed(self.now, source, &failure);
                }
                Command::ListPorts => self.gateway.handle_ports(self.now, &self.ports.clone()),
                Command::ReadEndpoint { name } => {
                    let text = self.files.get(&name).and_then(Option::as_deref);
                    let found =
                        text.and_then(|text| thingway::testing::config::endpoint_json(text, &name));
                    let read = found.ok_or_else(|| "no such file".to_owned());
                    self.gateway.handle_endpoint_read(self.now, &name, read);
                }
                Command::WriteEndpoint { name, text, .. } => {
                    self.files.insert(name.clone(), text);
                    self.gateway
                        .handle_endpoint_written(self.now, &name, Ok(()));
                }
                Command::ListenControl { .. } | Command::WatchDevices => {}
                Command::ListAddresses if self.holds_addresses => {}
                Command::ListAddresses => {
                    self.gateway
                        .handle_addresses(self.now, &[GATEWAY.parse().unwrap()]);
                }
            }
        }
        any
    }
}
