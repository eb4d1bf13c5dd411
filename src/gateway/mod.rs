//! The whole daemon as one sans-IO machine: a small wiring of components.
//!
//! Time and bytes enter through `handle_*`; commands, bytes and a deadline come out. Each component owns its
//! state and knows no other component. Only this folder names two of them: `wiring` polls their events, and its neighbors act on them.
#![allow(
    clippy::unnecessary_mut_passed,
    reason = "`cx!` lends the context to those who change sources and to those who do not"
)]

mod api;
mod channels;
mod clock;
mod configure;
mod control;
mod drain;
mod lend;
mod lookups;
mod media;
mod metrics;
mod news;
mod sessions;
#[cfg(test)]
mod tests;
mod ticket;
mod views;
mod wiring;

use lend::{controls, cx, figures, has_events, look, settle, tell, watching};
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::api::shapes;
use crate::config::Config;
use crate::configured::Configured;
use crate::datagram::{Meta, TransmitBatch};
use crate::devices::{Bounds, Devices};
use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::{Count, Failure};
use crate::front::Front;
use crate::ice::network::Network;
use crate::ids::SourceId;
use crate::limits::Limits;
use crate::media::Media;
use crate::ports::Port;
use crate::session::crypto::Identity;
use crate::session::set::Sessions;
use crate::signaling::rendezvous::Rendezvous;
use crate::sources::Owner::{
    Capture, Connection, ControlSocket, Device, DeviceListener, Ice, Listener, Track,
};
use crate::sources::{Command, Exit, Sources};
use crate::tls::TlsIdentity;
use crate::util::timers::sooner;
use clock::Clock;
use drain::Drain;
use ticket::Ticket;

/// The daemon. One owner drives it: `io::EventLoop` in the program, a simulated world in tests.
pub struct Gateway {
    config: Configured,
    limits: Limits,
    clock: Clock,
    sources: Sources,
    front: Front,
    devices: Devices,
    network: Network<Ticket>,
    sessions: Sessions,
    rendezvous: Rendezvous,
    media: Media,
    drain: Option<Drain>,
    exit: Option<Exit>,
    /// For the self-test: a session that opens a channel with this label panics.
    fault: Option<&'static str>,
}

impl Gateway {
    /// Returns the daemon as it starts. `hosts` are this machine's names; `seed` is for names and secrets
    /// that must not be guessable.
    pub fn new(
        now: Instant,
        config: Config,
        identity: Identity,
        hosts: Vec<String>,
        seed: [u8; 32],
    ) -> Self {
        let mut sources = Sources::new();
        let mut seeds = StdRng::from_seed(seed);
        let mut next_seed = || {
            let mut seed = [0; 32];
            seeds.fill_bytes(&mut seed);
            seed
        };
        let clock = Clock::new(now);
        let cx = &mut crate::sources::Context {
            now,
            time: clock.time,
            sources: &mut sources,
        };
        let (peers, sessions) = (config.limits.peers, config.limits.sessions);
        // ICE first: its sockets are opened before the listeners, so that they are open when the first
        // request arrives.
        let network = Network::new(cx, config.ice.port);
        let front = Front::new(cx, &config, hosts, next_seed());
        let rendezvous = Rendezvous::new(&config.hub, peers, sessions, next_seed());
        let mut gateway = Self {
            config: Configured::new(&config),
            limits: config.limits.clone(),
            clock,
            front,
            devices: Devices::new(Bounds {
                route_queue: config.limits.route_queue,
                sessions,
            }),
            network,
            sessions: Sessions::new(now, identity, config.limits.clone(), next_seed()),
            rendezvous,
            media: Media::new(now, config.limits.viewers, next_seed()),
            sources,
            drain: None,
            exit: None,
            fault: None,
        };
        for endpoint in config.endpoints {
            gateway.add_endpoint(now, endpoint);
        }
        gateway
            .rendezvous
            .configure(cx!(gateway, now), &config.hub, peers, sessions);
        gateway.config.start(cx!(gateway, now));
        gateway.settle_events(now);
        gateway
    }

    // ---- answers to commands ----

    /// Handles a listener that was opened; `local` is its real address.
    pub fn handle_listening(&mut self, now: Instant, source: SourceId, local: SocketAddr) {
        self.sources.note_opened(source);
        self.front.handle_listening(cx!(self, now), source, local);
        settle!(self, now);
    }

    /// Handles a stream or socket that was opened; `local` is the real address of a socket.
    pub fn handle_opened(&mut self, now: Instant, source: SourceId, local: Option<SocketAddr>) {
        self.sources.note_opened(source);
        match (self.sources.owner(source), local) {
            (Some(Device(id) | DeviceListener(id)), local) => {
                self.devices.handle_opened(cx!(self, now), id, local);
            }
            (Some(Capture(id)), _) => {
                self.devices.handle_capture_opened(cx!(self, now), id);
            }
            (Some(Ice), Some(local)) => {
                self.network.handle_opened(cx!(self, now), source, local);
                self.rendezvous.set_own_ports(look!(self).own_ports());
            }
            (Some(Track(id, socket)), _) => self.media.handle_opened(id, socket),
            (Some(Ice | Listener | ControlSocket | Connection(_)) | None, _) => {}
        }
        settle!(self, now);
    }

    /// Handles a source that could not be opened, or that failed and is closed.
    pub fn handle_failed(&mut self, now: Instant, source: SourceId, failure: &Failure) {
        self.sources.note_opened(source);
        let cx = cx!(self, now);
        match cx.sources.owner(source) {
            Some(Device(id) | DeviceListener(id)) => {
                self.devices.handle_failed(cx, id, source, failure);
            }
            Some(Capture(id)) => self.devices.handle_capture_failed(cx, id, failure),
            Some(Listener) => self.front.handle_listener_failed(cx, source, failure),
            Some(ControlSocket) => self.front.handle_control_failed(cx, source, failure),
            Some(Connection(id)) => self.front.connections_mut().handle_failed(cx, id),
            Some(Track(id, socket)) => self.media.handle_failed(cx, id, socket, failure),
            Some(Ice) => {
                if let Err(failure) = self.network.handle_failed(cx, source, failure) {
                    self.exit = Some(Exit::Failed(failure));
                }
            }
            None => {}
        }
        settle!(self, now);
    }

    /// Handles the result of [`Command::CountUnsent`].
    pub fn handle_unsent(&mut self, now: Instant, source: SourceId, bytes: usize) {
        if let Some(id) = self.sources.device(source) {
            self.devices.handle_unsent(cx!(self, now), id, bytes);
            settle!(self, now);
        }
    }

    /// Handles the result of [`Command::Line`].
    pub fn handle_line(
        &mut self,
        now: Instant,
        source: SourceId,
        result: Result<LineStatus, LineFault>,
    ) {
        if let Some(id) = self.sources.device(source) {
            self.devices.handle_line(cx!(self, now), id, result);
            settle!(self, now);
        }
    }

    /// Handles the result of [`Command::LoadTls`] and of the other commands that load a certificate.
    pub fn handle_tls(&mut self, now: Instant, result: Result<TlsIdentity, String>) {
        self.front.handle_tls(cx!(self, now), result);
        settle!(self, now);
    }

    /// Handles the result of [`Command::StoreAccess`].
    pub fn handle_access_stored(&mut self, now: Instant, result: Result<(), String>) {
        self.front.handle_stored(cx!(self, now), result);
        settle!(self, now);
    }

    /// Handles this machine's addresses with the prefix lengths of their networks. The caller passes these
    /// before [`Self::handle_addresses`].
    pub fn handle_networks(&mut self, networks: Vec<(IpAddr, u8)>) {
        self.network.handle_networks(networks.clone());
        self.front
            .set_addresses(self.network.own_addresses().collect());
        self.rendezvous.set_networks(networks);
    }

    /// Handles the result of [`Command::ListAddresses`].
    pub fn handle_addresses(&mut self, now: Instant, addresses: &[IpAddr]) {
        self.network.handle_addresses(addresses);
        settle!(self, now);
    }

    // ---- configuration ----

    /// Handles a configuration that was read again. A configuration with faults changes nothing.
    pub fn handle_reload(&mut self, now: Instant, result: Result<Config, Vec<String>>) {
        let event = self.reload(now, result);
        settle!(self, now);
        self.front.connections_mut().publish("config", &event);
    }

    /// Handles the result of [`Command::ReadEndpoint`].
    pub fn handle_endpoint_read(
        &mut self,
        now: Instant,
        name: &str,
        result: Result<serde_json::Value, String>,
    ) {
        let Some(request) = self.config.take_reader(name) else {
            return;
        };
        let response = shapes::file_response(result);
        let cx = cx!(self, now);
        self.front.connections_mut().answer(cx, request, response);
        settle!(self, now);
    }

    /// Handles the result of [`Command::WriteEndpoint`].
    pub fn handle_endpoint_written(
        &mut self,
        now: Instant,
        name: &str,
        result: Result<(), String>,
    ) {
        self.use_written(now, name, result);
        settle!(self, now);
    }

    /// Handles the result of [`Command::ListPorts`].
    pub fn handle_ports(&mut self, now: Instant, ports: &[Port]) {
        self.use_ports(now, ports);
        settle!(self, now);
    }

    /// Handles device files that have appeared or vanished.
    pub fn handle_devices_changed(&mut self, now: Instant) {
        self.devices.look_again(cx!(self, now));
        self.config.handle_devices_changed(now);
        settle!(self, now);
    }

    // ---- streams ----

    /// Handles a connection that a listener accepted. Returns `None` if there are too many; the caller then
    /// closes it.
    #[cfg(any(test, feature = "testing"))]
    pub fn handle_accept(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let accepted = self
            .front
            .connections_mut()
            .accept(cx!(self, now), local, remote);
        settle!(self, now);
        accepted
    }

    /// Handles a connection that a listener of ours, or the control socket, accepted. Returns `None` if there
    /// are too many; the caller then closes it.
    pub fn handle_accept_at(
        &mut self,
        now: Instant,
        listener: SourceId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let cx = cx!(self, now);
        let accepted = match cx.sources.owner(listener) {
            Some(Listener) => self.front.accept_at(cx, listener, local, remote),
            Some(ControlSocket) => self
                .front
                .connections_mut()
                .accept_control(cx, local, remote),
            Some(Connection(_) | Device(_) | DeviceListener(_) | Capture(_) | Ice | Track(..))
            | None => None,
        };
        settle!(self, now);
        accepted
    }

    /// Handles a connection that a device's listener accepted. Returns `None` if the device has a connection
    /// already; the caller then closes the new one.
    pub fn handle_device_accept(&mut self, now: Instant, listener: SourceId) -> Option<SourceId> {
        let Some(DeviceListener(id)) = self.sources.owner(listener) else {
            return None;
        };
        let accepted = self.devices.accept(cx!(self, now), id);
        settle!(self, now);
        accepted
    }

    /// Handles bytes of a stream.
    pub fn handle_data(&mut self, now: Instant, source: SourceId, bytes: &[u8]) {
        let cx = cx!(self, now);
        match cx.sources.owner(source) {
            Some(Device(id)) => self.devices.handle_input(cx, id, bytes),
            Some(Connection(id)) => self.front.connections_mut().handle_input(cx, id, bytes),
            Some(Listener | ControlSocket | DeviceListener(_) | Capture(_) | Ice | Track(..))
            | None => return,
        }
        settle!(self, now);
    }

    /// Handles the end of a stream's input: the other side will send no more.
    pub fn handle_closed(&mut self, now: Instant, source: SourceId) {
        let cx = cx!(self, now);
        match cx.sources.owner(source) {
            Some(Device(id)) => self.devices.handle_closed(cx, id, source),
            Some(Connection(id)) => self.front.connections_mut().handle_closed(cx, id),
            Some(Listener | ControlSocket | DeviceListener(_) | Capture(_) | Ice | Track(..))
            | None => return,
        }
        settle!(self, now);
    }

    /// Returns the bytes to be written to a stream, or no bytes if nothing is to be written.
    pub fn output(&self, source: SourceId) -> &[u8] {
        match self.sources.owner(source) {
            Some(Device(id)) => self.devices.table().output(id),
            Some(Capture(id)) => self.devices.table().capture_output(id),
            Some(Connection(id)) => self.front.connections().output(id),
            Some(Listener | ControlSocket | DeviceListener(_) | Ice | Track(..)) | None => &[],
        }
    }

    /// Removes the first `n` bytes of [`Self::output`], which have been written.
    pub fn consume(&mut self, now: Instant, source: SourceId, n: usize) {
        let cx = cx!(self, now);
        match cx.sources.owner(source) {
            Some(Device(id)) => self.devices.consume(cx, id, n),
            Some(Capture(id)) => return self.devices.consume_capture(id, n),
            Some(Connection(id)) => self.front.connections_mut().consume(cx, id, n),
            Some(Listener | ControlSocket | DeviceListener(_) | Ice | Track(..)) | None => return,
        }
        settle!(self, now);
    }

    /// Returns how many bytes of a stream may be read now. With 0 the loop reads nothing until the stream is
    /// touched. A tty may always be read.
    pub fn input_room(&self, source: SourceId) -> usize {
        match self.sources.owner(source) {
            Some(Device(id)) => self.devices.input_room(id),
            Some(Connection(id)) => self.front.connections().input_room(id),
            Some(Listener | ControlSocket | DeviceListener(_) | Capture(_) | Ice | Track(..))
            | None => usize::MAX,
        }
    }

    /// Returns whether the loop still reads a stream that accepts no more bytes, because a program may have
    /// sent its last bytes before it closed.
    pub fn reads_to_the_end(&self, source: SourceId) -> bool {
        let device = self.sources.device(source);
        device.is_some_and(|id| self.devices.table().reads_to_the_end(id))
    }

    // ---- datagrams ----

    /// Handles datagrams of one flow, `meta.stride` bytes each.
    pub fn handle_datagrams(&mut self, now: Instant, socket: SourceId, meta: &Meta, buf: &[u8]) {
        // `chunks` yields nothing for an empty datagram, but the empty datagram counts as one.
        let whole = [buf];
        let mut chunks = buf.chunks(meta.stride.max(1));
        let datagrams: &mut dyn Iterator<Item = &[u8]> = if buf.is_empty() {
            &mut whole.into_iter()
        } else {
            &mut chunks
        };
        match self.sources.owner(socket) {
            Some(Device(id)) => {
                for datagram in datagrams {
                    let (cx, from) = (cx!(self, now), meta.remote);
                    self.devices.handle_datagram(cx, id, from, datagram);
                }
            }
            Some(Ice) => {
                for datagram in datagrams {
                    let (cx, local, remote) = (cx!(self, now), meta.local, meta.remote);
                    if let Some(id) = self.sessions.handle_datagram(cx, local, remote, datagram) {
                        self.take_news(now, id);
                    }
                }
            }
            Some(Track(id, socket)) => {
                for datagram in datagrams {
                    let cx = cx!(self, now);
                    self.media
                        .handle_datagram(cx, id, socket, meta.remote, datagram);
                }
            }
            Some(Listener | ControlSocket | Connection(_) | DeviceListener(_) | Capture(_))
            | None => {}
        }
        settle!(self, now);
    }

    /// Counts datagrams of [`Self::poll_transmit`] that the operating system did not send.
    pub fn handle_send_failed(&mut self, socket: SourceId, count: Count) {
        self.network.count_send_failed(count);
        if let Some(id) = self.sources.device(socket) {
            self.devices.handle_send_failed(id, count);
        }
    }

    // ---- time ----

    /// Handles the deadlines that have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.sessions.handle_timeout(cx!(self, now)) {
            self.take_news(now, id);
        }
        self.devices.handle_timeout(cx!(self, now));
        self.front.handle_timeout(cx!(self, now));
        self.media.handle_timeout(cx!(self, now));
        self.rendezvous.handle_timeout(cx!(self, now));
        self.config.handle_timeout(cx!(self, now));
        settle!(self, now);
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let messages = sooner(self.sessions.poll_timeout(), self.devices.poll_timeout());
        let requests = sooner(self.front.poll_timeout(), self.rendezvous.poll_timeout());
        let drain = self.drain.as_ref().and_then(Drain::poll_timeout);
        let own = sooner(self.config.poll_timeout(), drain);
        let own = sooner(self.media.poll_timeout(), own);
        sooner(messages, sooner(requests, own))
    }

    /// Starts a drain at the first call, and ends at once at the second.
    pub fn handle_shutdown(&mut self, now: Instant) {
        if self.drain.is_some() {
            log::warn!("told to stop a second time: stopping at once");
            self.devices.table().log_unwritten();
            self.devices.finish_scripts(cx!(self, now));
            self.exit = Some(Exit::Done);
            return;
        }
        self.start_drain(now);
        settle!(self, now);
    }

    /// Handles the time of day, which capture files and expiries use. The caller passes it before the other
    /// inputs of a turn. Everything else uses `now`, which never jumps.
    pub fn handle_clock(&mut self, now: Instant, time: SystemTime) {
        if let Some(by) = self.clock.read(now, time) {
            log::info!("the clock has been set");
            self.front.handle_clock_set(cx!(self, now), by.as_secs());
            settle!(self, now);
        }
    }

    /// Returns whether the caller must call [`Self::handle_clock`].
    pub fn wants_clock(&self) -> bool {
        self.devices.is_capturing() || self.front.wants_clock()
    }

    /// Settles every component that was touched. The loop calls this once per turn, after all inputs, so that
    /// a session's writes for many inputs are combined.
    pub fn settle(&mut self, now: Instant) {
        self.settle_sessions(now);
        settle!(self, now);
        // Most turns carry only messages and no signaling between peers.
        if !self.rendezvous.is_quiet() {
            self.rendezvous.settle(cx!(self, now));
            settle!(self, now);
        }
        self.devices.settle(cx!(self, now));
        self.media.end_turn();
        // Send in the same turn what peers, requests and devices have caused. Most turns have caused nothing.
        let has_turns = self.devices.has_readable()
            || self.media.has_readable()
            || self.sessions.has_touched()
            || self.sources.has_internal_mail();
        if has_turns || has_events!(self) {
            settle!(self, now);
            self.settle_sessions(now);
            settle!(self, now);
        }
        if self.front.connections().has_news() {
            self.front.connections_mut().flush_events(cx!(self, now));
            settle!(self, now);
        }
        if self.drain.is_some() {
            self.step_drain(now);
        }
    }

    // ---- outputs ----

    /// Returns the next command for the loop.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.sources.poll_command()
    }

    /// Returns the next datagrams to send, and counts them as sent.
    pub fn poll_transmit(&mut self) -> Option<TransmitBatch<'_>> {
        self.sources.transmits().pop()
    }

    /// Returns the next source whose output or interest may have changed.
    pub fn poll_touched(&mut self) -> Option<SourceId> {
        self.sources.poll_touched()
    }

    /// Returns how the process must end, or `None` while it must go on.
    pub fn poll_exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Returns whether every listener and socket is open, so that the daemon is ready.
    pub fn is_ready(&self) -> bool {
        self.sources.is_ready() && self.exit.is_none() && self.drain.is_none()
    }

    /// Returns whether the daemon is shutting down.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Returns the summary for `systemctl status`: "1 session; 2 of 3 endpoints open, arm absent".
    pub fn status(&self) -> String {
        let sessions = self.sessions.len();
        let plural = if sessions == 1 { "" } else { "s" };
        format!(
            "{sessions} session{plural}; {}",
            self.devices.table().summary()
        )
    }

    /// Returns a number that changes whenever a session or an endpoint changes.
    pub fn revision(&self) -> u64 {
        self.front.connections().published()
    }

    /// Makes every session panic that opens a channel with this label, for the self-test.
    #[doc(hidden)]
    pub fn panic_at_label(&mut self, label: &'static str) {
        self.fault = Some(label);
    }
}
