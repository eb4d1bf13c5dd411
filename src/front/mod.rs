//! HTTP and WebSocket connections: requests, the rights of their clients, and the responses.
//!
//! No other component sees a source or a byte of HTTP. A request is a [`crate::ids::RequestId`]. The next
//! request of a connection becomes an event when the request before it is answered, never a call inside that
//! answer. The id of a request whose connection was closed finds nothing, so a component that answers late
//! needs no special rule.

mod authorize;
mod bytes;
mod connection;
mod connections;
mod entry;
mod event;
mod expiry;
mod guard;
mod held;
mod listeners;
mod readers;
mod requests;
mod secured;
mod setup;
mod sockets;
mod subscribers;
#[cfg(test)]
mod tests;
mod tokens;
mod visitors;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::access::Access;
use crate::access::visitors::Visitors;
use crate::api::origin::Policy;
use crate::config::{Config, TlsFiles};
use crate::http;
use crate::ids::{ConnectionId, ConnectionKind, SourceId};
use crate::sources::Context;
use crate::tls::TlsIdentity;
use crate::util::rate_limit::RateLimit;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
pub(crate) use authorize::{NotLocal, refused};
pub(crate) use connection::Asked;
use connection::Connection;
pub(crate) use event::{FrontEvent, TokenEnd};
use event::{FrontStats, TimerKey};
use expiry::Stored;
use held::Delayed;
use listeners::Listener;
use setup::Setup;
use subscribers::Readers;
pub(crate) use tokens::rfc3339;

/// All HTTP and WebSocket connections: their streams, requests and readers.
pub(crate) struct Connections {
    list: Slab<ConnectionKind, Connection>,
    visitors: Visitors<ConnectionId>,
    /// The most connections that may exist, not counting those of the control socket.
    most: usize,
    http_limits: http::Limits,
    readers: Readers,
    /// The certificate for new TLS connections.
    tls: Option<TlsIdentity>,
    /// The decrypted bytes of the TLS connection that is being read.
    plain: Vec<u8>,
    timers: Timers<TimerKey>,
    events: VecDeque<FrontEvent>,
    stats: FrontStats,
}

/// All HTTP and WebSocket connections, and the state that decides about their rights.
pub(crate) struct Front {
    connections: Connections,
    policy: Policy,
    /// Whether a client on this machine needs no token.
    trust_loopback: bool,
    access: Access,
    random: StdRng,
    listeners: Vec<Listener>,
    /// The control sockets' paths.
    control: Vec<PathBuf>,
    /// The listener of `thingway setup`, and the set-up that waits for the listener.
    lan: Option<SourceId>,
    setup: Option<Setup>,
    tls_files: Option<TlsFiles>,
    names: Names,
    /// Responses to failed token checks, held back to slow down guessing.
    delayed: VecDeque<Delayed>,
    /// Responses that wait until the tokens are stored, in the order of the commands; `None`: no response waits.
    storing: VecDeque<Option<Stored>>,
    /// Limits the log lines about pages of foreign origins.
    refusals: RateLimit,
}

/// The names of this machine, and its openness to the network.
struct Names {
    /// This machine's own names.
    own: Vec<String>,
    /// The names from the configuration (`http.hosts`).
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Whether a listener is reachable from other machines, and whether the configuration switches TLS off
    /// there.
    serves_network: bool,
    is_plain: bool,
}

impl Front {
    /// Opens the listeners of the configuration. `own_names` are this machine's names; `seed` is for secrets.
    pub(crate) fn new(
        cx: &mut Context<'_>,
        config: &Config,
        own_names: Vec<String>,
        seed: [u8; 32],
    ) -> Self {
        let mut hosts = own_names.clone();
        hosts.extend(config.http.hosts.iter().cloned());
        let is_beyond = |addr: &SocketAddr| !addr.ip().is_loopback();
        let mut front = Self {
            connections: Connections::new(config.limits.connections),
            policy: Policy::new(hosts, config.http.allowed_origins.clone()),
            trust_loopback: config.access.trust_loopback,
            access: Access::default(),
            random: StdRng::from_seed(seed),
            listeners: Vec::new(),
            control: Vec::new(),
            lan: None,
            setup: None,
            tls_files: config.http.tls.clone(),
            names: Names {
                own: own_names,
                hosts: config.http.hosts.clone(),
                addresses: Vec::new(),
                serves_network: config.http.listen.iter().any(is_beyond),
                is_plain: config.http.plain,
            },
            delayed: VecDeque::new(),
            storing: VecDeque::new(),
            refusals: RateLimit::new(5, Duration::from_secs(60)),
        };
        front.open_listeners(cx, &config.http.listen);
        front
    }

    /// Applies a new configuration. Listeners stay unchanged.
    pub(crate) fn configure(&mut self, cx: &mut Context<'_>, config: &Config) {
        self.connections.most = config.limits.connections;
        let mut hosts = self.names.own.clone();
        hosts.extend(config.http.hosts.iter().cloned());
        self.policy = Policy::new(hosts, config.http.allowed_origins.clone());
        self.names.hosts.clone_from(&config.http.hosts);
        self.trust_loopback = config.access.trust_loopback;
        let before = std::mem::replace(&mut self.tls_files, config.http.tls.clone());
        // A certificate of our own does not change, and may be one that could not be stored.
        let is_own = before.is_none() && self.tls_files.is_none();
        if self.connections.tls.is_some() && !is_own {
            self.load_tls(cx);
        }
    }

    /// Sets this machine's addresses.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<IpAddr>) {
        self.names.addresses = addresses;
    }

    /// Returns the connections.
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Returns the connections for input and for answers to their requests.
    pub(crate) fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }

    /// Accepts a connection at one of our listeners. Returns `None` if there are too many connections; the
    /// caller then closes the new one.
    pub(crate) fn accept_at(
        &mut self,
        cx: &mut Context<'_>,
        listener: SourceId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        if self.listener(listener)?.is_secure {
            self.connections.accept_secure(cx, local, remote)
        } else {
            self.connections.accept(cx, local, remote)
        }
    }

    /// Adds a reader of events, unless the reader's token has ended while the WebSocket was being opened.
    pub(crate) fn subscribe(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        current: &[(&'static str, serde_json::Value)],
    ) {
        let grant = self.connections.reader_grant(id).unwrap_or_default();
        if self.check_still(cx, &grant).is_err() {
            return self.connections.remove_connection(cx, id);
        }
        self.connections.subscribe(cx, id, current);
    }

    /// Handles the deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.connections.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Connection(id) => self.connections.handle_connection_timeout(cx, id),
                TimerKey::KeepAlive => self.connections.keep_event_streams_alive(cx),
                TimerKey::Delayed => self.answer_delayed(cx),
                TimerKey::Tls => self.renew_tls(cx),
                TimerKey::Lan => self.retry_lan(cx),
                TimerKey::Listener(source) => self.retry_listener(cx, source),
                TimerKey::Expiry => self.expire_tokens(cx),
                TimerKey::Store => self.store_again(cx),
            }
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.connections.timers.next()
    }

    /// Removes and returns the next event.
    pub(crate) fn poll_event(&mut self) -> Option<FrontEvent> {
        self.connections.events.pop_front()
    }

    /// Returns the counters.
    pub(crate) fn stats(&self) -> &FrontStats {
        &self.connections.stats
    }

    /// Returns whether this component needs the time of day, because requests may need it and tokens expire.
    pub(crate) fn wants_clock(&self) -> bool {
        !self.connections.visitors.is_empty() || self.connections.timers.is_set(TimerKey::Expiry)
    }
}
