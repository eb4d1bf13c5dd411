//! HTTP and WebSocket connections: who asks what, with which right, and the answers.
//!
//! Nobody outside this component sees a source or a byte of HTTP. A request is a [`RequestId`]; the next request of a connection
//! becomes an event when the one before is answered, never a call inside that answer. An id whose connection was closed finds
//! nothing, so a component that answers late needs no rule for it.

mod authorize;
mod bytes;
mod connection;
mod expiry;
mod listeners;
mod readers;
mod requests;
mod secured;
mod setup;
mod sockets;
#[cfg(test)]
mod tests;
mod tokens;
mod visitors;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::access::Access;
use crate::access::visitors::Visitors;
use crate::api::origin::Policy;
use crate::api::{Action, Resource};
use crate::config::{Config, TlsFiles};
use crate::endpoint::Failure;
use crate::http::{self, RequestHead};
use crate::ids::{ConnectionId, ConnectionKind, RequestId, SocketId, SocketUse, SourceId};
use crate::limits;
use crate::sources::Context;
use crate::tls::TlsIdentity;
use crate::util::rate_limit::RateLimit;
use crate::util::slab::Slab;
use crate::util::timers::Timers;
use crate::websocket::WsMessage;
pub(crate) use authorize::{NotLocal, refused};
use connection::Connection;
use expiry::{Delayed, Stored};
use listeners::Listener;
use readers::Readers;
pub(crate) use requests::Asked;
use setup::Setup;
pub(crate) use tokens::rfc3339;

/// What a deadline of this component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TimerKey {
    /// A connection.
    Connection(ConnectionId),
    /// The comment that keeps event streams open.
    KeepAlive,
    /// Responses to failed token checks.
    Delayed,
    /// A look at the files of the TLS certificate.
    Tls,
    /// Another try at the listener of `thingway setup`.
    Lan,
    /// Another try at a listener of the configuration.
    Listener(SourceId),
    /// The end of a token's time.
    Expiry,
    /// Another try to store the tokens.
    Store,
}

/// What the owner of this component is to act on.
#[derive(Debug)]
pub(crate) enum FrontEvent {
    /// The head of a request has come. The owner answers it, or has its body come.
    Head(RequestId, Box<RequestHead>),
    /// The body of a request has come.
    Body(RequestId, Vec<u8>),
    /// The client of a request sends no more. Whether it still reads is not known.
    HalfClosed(RequestId),
    /// The connection of a request was closed before the request was answered.
    Gone(RequestId),
    /// A token has ended, and with it everything that was done with it.
    TokenEnded { id: String, why: TokenEnd },
    /// A client reads the event stream from now on, and is to be told first how things are.
    ReaderOpened(ConnectionId),
    /// A WebSocket of a dialect was opened.
    SocketOpened(SocketId, SocketUse),
    /// A WebSocket of a dialect has brought a message.
    SocketMessage(SocketId, WsMessage),
    /// A WebSocket of a dialect has taken bytes. So many still wait.
    SocketDrained(SocketId, usize),
    /// A WebSocket of a dialect was closed.
    SocketClosed(SocketId),
    /// The daemon cannot run without something that has failed.
    Failed(Failure),
}

/// Why a token has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenEnd {
    Revoked,
    Expired,
}

/// Counters of this component.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrontStats {
    /// Responses by status class (2 for 2xx …).
    pub(crate) requests: BTreeMap<u16, u64>,
    /// Connections that were refused because there were too many.
    pub(crate) connections_refused: u64,
    /// Connections that had shown no right and made room for newer ones.
    pub(crate) connections_displaced: u64,
    /// Tokens, tickets and codes that do not exist.
    pub(crate) tries_failed: u64,
    /// Events that a slow reader missed.
    pub(crate) events_lost: u64,
}

/// All HTTP and WebSocket connections, and what decides about them.
pub(crate) struct Front {
    connections: Slab<ConnectionKind, Connection>,
    visitors: Visitors<ConnectionId>,
    /// How many connections there may be, those of the control socket aside.
    most: usize,
    http_limits: http::Limits,
    policy: Policy,
    /// Whether a client on this machine needs no token.
    trust_loopback: bool,
    access: Access,
    random: StdRng,
    readers: Readers,
    listeners: Vec<Listener>,
    /// The control sockets' paths.
    control: Vec<PathBuf>,
    /// The listener of `thingway setup`, and the set-up that waits for it.
    lan: Option<SourceId>,
    setup: Option<Setup>,
    tls: Option<TlsIdentity>,
    tls_files: Option<TlsFiles>,
    /// The bytes of the TLS connection that is read now.
    plain: Vec<u8>,
    names: Names,
    /// Responses to failed token checks, held back to slow down guessing.
    delayed: VecDeque<Delayed>,
    /// Responses that wait until the tokens are stored, in the order of the commands; `None`: no response waits.
    storing: VecDeque<Option<Stored>>,
    /// Limits the log lines about pages of foreign origins.
    refusals: RateLimit,
    timers: Timers<TimerKey>,
    events: VecDeque<FrontEvent>,
    stats: FrontStats,
}

/// What this machine is called, and how it is open to the network.
struct Names {
    /// This machine's own names.
    own: Vec<String>,
    /// The names that the configuration gives it (`http.hosts`).
    hosts: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Whether a listener is reachable beyond loopback, and whether the configuration wants no TLS there.
    serves_network: bool,
    is_plain: bool,
}

impl Front {
    /// Opens the listeners of the configuration. `own_names`: this machine's names; `seed`: for secrets.
    pub(crate) fn new(
        cx: &mut Context<'_>,
        config: &Config,
        own_names: Vec<String>,
        seed: [u8; 32],
    ) -> Self {
        let mut hosts = own_names.clone();
        hosts.extend(config.http.hosts.iter().cloned());
        let is_beyond = |addr: &std::net::SocketAddr| !addr.ip().is_loopback();
        let mut front = Self {
            connections: Slab::new(),
            visitors: Visitors::default(),
            most: config.limits.connections,
            http_limits: http::Limits {
                body: limits::SDP,
                ..Default::default()
            },
            policy: Policy::new(hosts, config.http.allowed_origins.clone()),
            trust_loopback: config.access.trust_loopback,
            access: Access::default(),
            random: StdRng::from_seed(seed),
            readers: Readers::default(),
            listeners: Vec::new(),
            control: Vec::new(),
            lan: None,
            setup: None,
            tls: None,
            tls_files: config.http.tls.clone(),
            plain: Vec::new(),
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
            timers: Timers::default(),
            events: VecDeque::new(),
            stats: FrontStats::default(),
        };
        front.open_listeners(cx, &config.http.listen);
        front
    }

    /// Uses a new configuration. Listeners stay as they are.
    pub(crate) fn configure(&mut self, cx: &mut Context<'_>, config: &Config) {
        self.most = config.limits.connections;
        let mut hosts = self.names.own.clone();
        hosts.extend(config.http.hosts.iter().cloned());
        self.policy = Policy::new(hosts, config.http.allowed_origins.clone());
        self.names.hosts.clone_from(&config.http.hosts);
        self.trust_loopback = config.access.trust_loopback;
        let before = std::mem::replace(&mut self.tls_files, config.http.tls.clone());
        // A certificate of our own does not change, and may be one that could not be stored.
        let is_own = before.is_none() && self.tls_files.is_none();
        if self.tls.is_some() && !is_own {
            self.load_tls(cx);
        }
    }

    /// Notes this machine's addresses.
    pub(crate) fn set_addresses(&mut self, addresses: Vec<IpAddr>) {
        self.names.addresses = addresses;
    }

    /// Acts on the deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some(key) = self.timers.pop_expired(cx.now) {
            match key {
                TimerKey::Connection(id) => self.handle_connection_timeout(cx, id),
                TimerKey::KeepAlive => self.keep_event_streams_alive(cx),
                TimerKey::Delayed => self.answer_delayed(cx),
                TimerKey::Tls => self.renew_tls(cx),
                TimerKey::Lan => self.retry_lan(cx),
                TimerKey::Listener(source) => self.retry_listener(cx, source),
                TimerKey::Expiry => self.expire_tokens(cx),
                TimerKey::Store => self.store_again(cx),
            }
        }
    }

    /// Returns when [`Self::handle_timeout`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes out the next event.
    pub(crate) fn poll_event(&mut self) -> Option<FrontEvent> {
        self.events.pop_front()
    }

    /// Returns the counters.
    pub(crate) fn stats(&self) -> &FrontStats {
        &self.stats
    }

    /// Returns how many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.visitors.len()
    }

    /// Returns whether the time of day is wanted: requests may need it, and tokens expire.
    pub(crate) fn wants_clock(&self) -> bool {
        !self.visitors.is_empty() || self.timers.is_set(TimerKey::Expiry)
    }
}
