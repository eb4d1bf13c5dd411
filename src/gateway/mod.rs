//! The whole daemon as one sans-IO machine: it owns every part and routes between them.
//!
//! Time and bytes go in through `handle_*`, commands, bytes and a deadline come out. This file
//! holds the order of calls; what happens in them is in the files beside it.

mod access;
mod capture;
mod channels;
mod configure;
mod control;
mod delivery;
mod demux;
mod descriptors;
mod devices;
mod discard;
mod drain;
mod events;
mod hub;
mod instances;
mod internal;
mod lease;
mod line;
mod line_answers;
mod listeners;
mod offers;
mod pump;
mod routes;
mod secured;
mod sessions;
mod setup;
pub mod source;
mod stats;
mod status;
mod streams;
#[cfg(test)]
mod tests;
mod timers;
mod tokens;
mod transcode;
mod views;
mod waiting;
mod web;
mod web_bodies;
mod writers;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::access::Access;
use crate::access::visitors::Visitors;
use crate::api::origin::{Caller, Policy};
use crate::config::{Config, TlsFiles};
use crate::datagram::{Meta, TransmitBatch, TransmitQueue};
use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::{Count, DropReason, Failure};
use crate::http::Response;
use crate::ice::gatherer::Ports;
use crate::ids::{
    EndpointId, EndpointKind, RouteKind, SessionId, SessionKind, SourceId, SourceKind,
};
use crate::limits::{self, Limits};
use crate::session::Session;
use crate::session::crypto::Identity;
use crate::tls::TlsIdentity;
use crate::util::rate_limit::{RateLimit, RateLimits};
use crate::util::slab::Slab;
use access::Delayed;
use configure::Configured;
use demux::Demux;
use devices::Device;
use drain::Drain;
use hub::Rendezvous;
use offers::PendingOffer;
use routes::Route;
use secured::Guard;
use sessions::Entry;
use setup::Setup;
use source::{Command, Exit, Source};
use stats::{Direction, Stats};
use timers::{TimerKey, Timers};

/// How often an idle event stream gets a comment, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The daemon. One owner drives it: `io::EventLoop` for real, a simulated world in tests.
pub struct Gateway {
    limits: Limits,
    identity: Identity,
    policy: Policy,
    random: StdRng,
    http_limits: crate::http::Limits,
    ports: Ports,
    started: Instant,
    /// When the time of day was read.
    time_read: Instant,
    sources: Slab<SourceKind, Source>,
    /// HTTP and WebSocket connections among the sources.
    visitors: Visitors<SourceId>,
    /// How many file descriptors the process may have.
    descriptors: usize,
    /// Listeners and ICE sockets that have not been opened yet.
    opening: Vec<SourceId>,
    sessions: Slab<SessionKind, Entry>,
    /// Sessions by their name in the API.
    names: HashMap<String, SessionId>,
    routing: Routing,
    demux: Demux,
    timers: Timers,
    commands: VecDeque<Command>,
    /// Sources whose output or interest may have changed.
    touched_sources: VecDeque<SourceId>,
    /// Sessions that have had input or may be written to.
    touched_sessions: VecDeque<SessionId>,
    offers: Vec<PendingOffer>,
    /// Sessions that have ended, and when and why their associations are closed.
    farewells: VecDeque<(Instant, &'static str, Session)>,
    /// Connections whose channels have gone in this turn.
    orphans: Vec<EndpointId>,
    /// Devices that lost a script in this turn, because its session has gone.
    halted: Vec<EndpointId>,
    events: events::Hub,
    stats: Stats,
    configured: Configured,
    /// For the log lines about pages that may not use us.
    refusals: RateLimit,
    /// For the log lines about sessions and peers, by whose they are.
    lives: RateLimits<String>,
    access: Access,
    /// Whether who comes over loopback needs no token.
    trust_loopback: bool,
    /// Answers to who guesses tokens.
    delayed: VecDeque<Delayed>,
    /// Answers that wait for what they say to be stored.
    /// `None`: nobody waits.
    storing: VecDeque<Option<(SourceId, Caller, Response)>>,
    /// The listener of `thingway setup`, and the set-up that waits for it.
    lan: Option<SourceId>,
    setup: Option<Setup>,
    /// Whether anything listens beyond loopback, and whether it does so without TLS.
    serves_network: bool,
    http_plain: bool,
    tls: Option<TlsIdentity>,
    tls_files: Option<TlsFiles>,
    /// What is between streams from the network and their protocols.
    guards: HashMap<SourceId, Guard>,
    /// Bytes of the stream that is read now.
    plain: Vec<u8>,
    /// Who can be called, and by whom.
    rendezvous: Rendezvous,
    /// Sessions of this process have more to say to each other than one turn had room for.
    internal_waits: bool,
    drain: Option<Drain>,
    exit: Option<Exit>,
    /// The self-test's: a session that opens a channel of this label panics.
    fault: Option<&'static str>,
}

/// What a session's turn needs beside the session itself.
struct Routing {
    endpoints: Slab<EndpointKind, Device>,
    endpoint_names: BTreeMap<String, EndpointId>,
    routes: Slab<RouteKind, Route>,
    transmits: TransmitQueue,
    /// Bytes that wait for devices, on all routes.
    queued: usize,
    /// Bytes of messages in parts that are not whole yet, on all routes.
    held: usize,
    /// Endpoints that are captured, and the time of day for them, since 1970.
    captures: usize,
    time: Duration,
}

impl Gateway {
    /// The daemon at its start. `hosts`: this machine's names; `seed`: for ids that nobody may
    /// guess.
    pub fn new(
        now: Instant,
        config: Config,
        identity: Identity,
        hosts: Vec<String>,
        seed: [u8; 32],
    ) -> Self {
        let peers = config.limits.peers;
        let configured = Configured::new(&config, hosts.clone());
        let mut names = hosts;
        names.extend(config.http.hosts);
        let mut gateway = Self {
            configured,
            limits: config.limits,
            identity,
            policy: Policy::new(names, config.http.allowed_origins),
            random: StdRng::from_seed(seed),
            http_limits: crate::http::Limits {
                body: limits::SDP,
                ..Default::default()
            },
            ports: Ports::default(),
            started: now,
            time_read: now,
            sources: Slab::new(),
            visitors: Visitors::default(),
            descriptors: usize::MAX,
            opening: Vec::new(),
            sessions: Slab::new(),
            names: HashMap::new(),
            routing: Routing {
                endpoints: Slab::new(),
                endpoint_names: BTreeMap::new(),
                routes: Slab::new(),
                transmits: TransmitQueue::new(),
                queued: 0,
                held: 0,
                captures: 0,
                time: Duration::ZERO,
            },
            demux: Demux::default(),
            timers: Timers::default(),
            commands: VecDeque::new(),
            touched_sources: VecDeque::new(),
            touched_sessions: VecDeque::new(),
            offers: Vec::new(),
            farewells: VecDeque::new(),
            orphans: Vec::new(),
            halted: Vec::new(),
            events: events::Hub::default(),
            stats: Stats::default(),
            refusals: RateLimit::new(5, Duration::from_secs(60)),
            lives: RateLimits::new(
                limits::LOGGED_LIVES,
                limits::LOG_INTERVAL,
                limits::LOGGED_NAMES,
            ),
            access: Access::default(),
            trust_loopback: config.access.trust_loopback,
            delayed: VecDeque::new(),
            storing: VecDeque::new(),
            lan: None,
            setup: None,
            serves_network: config.http.listen.iter().any(|a| !a.ip().is_loopback()),
            http_plain: config.http.plain,
            tls: None,
            tls_files: config.http.tls,
            guards: HashMap::new(),
            plain: Vec::new(),
            rendezvous: Rendezvous::new(&config.hub, peers),
            internal_waits: false,
            drain: None,
            exit: None,
            fault: None,
        };
        gateway.open_ice(config.ice.port);
        let is_secure = |addr: &SocketAddr| !config.http.plain && !addr.ip().is_loopback();
        if config.http.listen.iter().any(is_secure) {
            gateway.load_tls();
        }
        for addr in config.http.listen {
            let secure = !config.http.plain && !addr.ip().is_loopback();
            let listener = Source::Listener {
                addr,
                local: None,
                secure,
                is_late: false,
            };
            let source = gateway.sources.insert(listener);
            gateway.opening.push(source);
            gateway.commands.push_back(Command::Listen { source, addr });
        }
        for endpoint in config.endpoints {
            gateway.add_endpoint(endpoint);
        }
        gateway.use_hub_config(now, &config.hub);
        if gateway.configured.discover {
            gateway.commands.push_back(Command::WatchDevices);
            gateway.commands.push_back(Command::ListPorts);
        }
        gateway
    }

    fn open_ice(&mut self, port: u16) {
        let v4 = SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, port));
        let v6 = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
        for addr in [v4, v6] {
            let source = self.sources.insert(Source::Ice);
            self.opening.push(source);
            self.commands.push_back(Command::OpenIce { source, addr });
        }
    }

    // ---- answers to commands ----

    /// A listener is there; `local` is its real address.
    pub fn handle_listening(&mut self, now: Instant, source: SourceId, local: SocketAddr) {
        self.opening.retain(|id| *id != source);
        let listener = self.sources.get_mut(source);
        if let Some(Source::Listener {
            local: known,
            secure,
            is_late,
            ..
        }) = listener
        {
            *known = Some(local);
            *is_late = false;
            let scheme = if *secure { "https" } else { "http" };
            log::info!("listening on {scheme}://{local}/");
        }
        if self.lan == Some(source) {
            self.finish_setup(now, Ok(local));
        }
    }

    /// A stream or socket is there; `local` is a socket's real address.
    pub fn handle_opened(&mut self, now: Instant, source: SourceId, local: Option<SocketAddr>) {
        self.opening.retain(|id| *id != source);
        match (self.sources.get(source), local) {
            (Some(Source::Device(endpoint) | Source::DeviceListener(endpoint)), local) => {
                let endpoint = *endpoint;
                if let Some(device) = self.routing.endpoints.get_mut(endpoint)
                    && local.is_some()
                {
                    device.local = local;
                    self.drop_own_redirects();
                }
                self.handle_device_opened(now, endpoint);
            }
            (Some(Source::Capture(endpoint)), _) => self.handle_tape_opened(*endpoint),
            (Some(Source::Ice), Some(local)) => {
                let ports = &mut self.ports;
                *(if local.is_ipv4() {
                    &mut ports.v4
                } else {
                    &mut ports.v6
                }) = Some(local.port());
                self.routing.transmits.set_ice_socket(local, source);
                log::info!("sessions use UDP port {} ({local})", local.port());
            }
            (Some(_) | None, _) => {}
        }
    }

    /// A source could not be opened, or has failed and is closed.
    pub fn handle_failed(&mut self, now: Instant, source: SourceId, failure: &Failure) {
        self.opening.retain(|id| *id != source);
        match self.sources.get(source) {
            Some(Source::Device(endpoint) | Source::DeviceListener(endpoint)) => {
                self.handle_device_failed(now, *endpoint, source, failure);
            }
            Some(Source::Listener { .. }) if self.lan == Some(source) => {
                self.handle_lan_failed(now, source, failure);
            }
            Some(Source::Listener { .. }) => self.handle_listener_failed(now, source, failure),
            Some(Source::Capture(endpoint)) => self.handle_tape_failed(now, *endpoint, failure),
            Some(Source::ControlSocket) => {
                self.sources.remove(source);
                log::warn!("no control socket: {failure}");
            }
            Some(Source::Ice) => self.handle_ice_failed(source, failure),
            Some(Source::Http(_) | Source::WebSocket(_)) => self.remove_connection(source),
            None => {}
        }
    }

    /// One family may be missing (a kernel without IPv6); both may not.
    fn handle_ice_failed(&mut self, source: SourceId, failure: &Failure) {
        self.sources.remove(source);
        let other_is_coming = self
            .opening
            .iter()
            .any(|id| matches!(self.sources.get(*id), Some(Source::Ice)));
        if other_is_coming || self.ports.v4.is_some() || self.ports.v6.is_some() {
            log::warn!("sessions over one address family only: {failure}");
        } else {
            self.exit = Some(Exit::Failed(failure.clone()));
        }
    }

    /// The answer to [`Command::CountUnsent`].
    pub fn handle_unsent(&mut self, now: Instant, source: SourceId, bytes: usize) {
        let Some(endpoint) = self.device_of(source) else {
            return;
        };
        if let Some(device) = self.routing.endpoints.get_mut(endpoint) {
            device.driver_is_empty = bytes == 0;
            let written = device.endpoint.written();
            device.stop_end = device.stop_end.filter(|end| bytes > 0 || written < *end);
        }
        self.handle_job_unsent(now, endpoint, bytes);
    }

    /// The answer to [`Command::Line`].
    pub fn handle_line(
        &mut self,
        now: Instant,
        source: SourceId,
        result: Result<LineStatus, LineFault>,
    ) {
        if let Some(endpoint) = self.device_of(source) {
            self.handle_line_result(now, endpoint, result);
        }
    }

    // ---- datagrams ----

    /// Datagrams of one flow, `meta.stride` bytes each.
    pub fn handle_datagrams(&mut self, now: Instant, socket: SourceId, meta: &Meta, buf: &[u8]) {
        // An empty datagram has no chunk, yet it is one.
        let whole = [buf];
        let mut chunks = buf.chunks(meta.stride.max(1));
        let datagrams: &mut dyn Iterator<Item = &[u8]> = if buf.is_empty() {
            &mut whole.into_iter()
        } else {
            &mut chunks
        };
        match self.sources.get(socket) {
            Some(Source::Device(endpoint)) => {
                let endpoint = *endpoint;
                for datagram in datagrams {
                    self.handle_device_datagram(now, endpoint, meta.remote, datagram);
                }
            }
            Some(Source::Ice) => {
                for datagram in datagrams {
                    self.handle_ice_datagram(now, meta, datagram);
                }
            }
            Some(
                Source::Listener { .. }
                | Source::ControlSocket
                | Source::DeviceListener(_)
                | Source::Capture(_)
                | Source::Http(_)
                | Source::WebSocket(_),
            )
            | None => {}
        }
    }

    /// The operating system would not send datagrams of [`Self::poll_transmit`].
    pub fn handle_send_failed(&mut self, socket: SourceId, count: Count) {
        self.stats.send_failed.add(count);
        if let Some(Source::Device(endpoint)) = self.sources.get(socket)
            && let Some(device) = self.routing.endpoints.get_mut(*endpoint)
        {
            device
                .drops
                .add(Direction::FromPeer, DropReason::SendFailed, count);
        }
    }

    // ---- time ----

    /// Deadlines have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop_expired(now) {
            match key {
                TimerKey::Session(session) => self.handle_session_timeout(now, session),
                TimerKey::Endpoint(endpoint) => self.handle_device_timeout(now, endpoint),
                TimerKey::Source(source)
                    if self.guard_deadline(source).is_some_and(|at| at <= now) =>
                {
                    self.remove_connection(source);
                }
                TimerKey::Source(source) => {
                    let connection = self
                        .sources
                        .get_mut(source)
                        .and_then(|s| s.connection_mut());
                    if let Some(connection) = connection {
                        connection.handle_timeout(now);
                        self.service(now, source);
                    }
                }
                TimerKey::Asked(endpoint) => self.hand_over_lease(endpoint),
                TimerKey::Lease(session) => self.touch_session(session),
                TimerKey::Deadman(endpoint) => self.fire_deadman(now, endpoint),
                TimerKey::Capture(endpoint) => self.open_tape(endpoint),
                TimerKey::Dispose(endpoint) => self.cancel_endpoint(now, endpoint),
                TimerKey::Line(endpoint) => self.go_on_with_jobs(now, endpoint),
                TimerKey::Linger(route) => self.remove_route(route, DropReason::Closed),
                TimerKey::Reports => self.report_drops(now),
                TimerKey::Ports => self.commands.push_back(Command::ListPorts),
                TimerKey::Delayed => self.answer_delayed(now),
                TimerKey::Tls => self.renew_tls(now),
                TimerKey::Lan => self.retry_lan(),
                TimerKey::Listener(source) => self.retry_listener(source),
                TimerKey::Expiry => self.expire_tokens(now),
                TimerKey::Store => self.store_again(now),
                TimerKey::Farewell => self.close_after_farewell(now),
                TimerKey::KeepAlive => self.keep_event_streams_alive(now),
                TimerKey::Hub => self.handle_hub_timeout(now),
                TimerKey::ContentPorts => self.expire_ports(now),
                TimerKey::Peer(peer) => self.handle_peer_timeout(now, peer),
                TimerKey::RestPeer(key) => self.handle_rest_peer_timeout(now, key),
                TimerKey::Link(link) => self.handle_link_timeout(now, link),
                TimerKey::Page(page) => self.handle_page_timeout(now, page),
                TimerKey::Poll(source) => self.handle_poll_timeout(now, source),
                TimerKey::Internal => {}
                TimerKey::Drain => self.step_drain(now),
            }
        }
    }

    /// The first call drains and ends; the second ends at once.
    pub fn handle_shutdown(&mut self, now: Instant) {
        if self.drain.is_some() {
            log::warn!("told to stop a second time: stopping at once");
            self.say_unwritten();
            self.finish_scripts();
            self.exit = Some(Exit::Done);
            return;
        }
        self.start_drain(now);
    }

    /// Brings everything that was touched to rest. The loop calls it once per turn, after all
    /// inputs, so that a session is written to once for many of them.
    pub fn settle(&mut self, now: Instant) {
        self.settle_sessions(now);
        // Most turns are about messages, and nobody calls anybody in them.
        if !self.rendezvous.is_quiet() {
            self.settle_hub(now);
            self.settle_sessions(now);
        }
        while let Some(instance) = self.orphans.pop() {
            self.dispose_instance(now, instance);
        }
        while let Some(device) = self.halted.pop() {
            self.go_on_with_jobs(now, device);
        }
        self.flush_events(now);
        if self.drain.is_some() {
            self.step_drain(now);
        }
    }

    // ---- outputs ----

    /// The next thing the loop is to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The next datagrams to send; they count as sent.
    pub fn poll_transmit(&mut self) -> Option<TransmitBatch<'_>> {
        self.routing.transmits.pop()
    }

    /// The next source whose output or interest may have changed.
    pub fn poll_touched(&mut self) -> Option<SourceId> {
        self.touched_sources.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether and how the process is to end.
    pub fn poll_exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Whether every listener and socket is there: the daemon is ready.
    pub fn is_ready(&self) -> bool {
        self.opening.is_empty() && self.exit.is_none() && self.drain.is_none()
    }

    /// For the self-test: lets every session panic that opens a channel of this label.
    #[doc(hidden)]
    pub fn panic_at_label(&mut self, label: &'static str) {
        self.fault = Some(label);
    }

    /// Whether it has been told to stop.
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Another number whenever a session or an endpoint has changed.
    pub fn news(&self) -> u64 {
        self.events.pushed()
    }

    fn touch_source(&mut self, source: SourceId) {
        // Twice in a row is common, twice in a turn harmless.
        if self.touched_sources.back() != Some(&source) {
            self.touched_sources.push_back(source);
        }
    }
}
