//! All HTTP and WebSocket connections: their streams, requests and readers. Rights are checked elsewhere.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::connection::Connection;
use super::event::{FrontEvent, FrontStats, TimerKey};
use super::subscribers::Readers;
use crate::access::visitors::Visitors;
use crate::http;
use crate::ids::{ConnectionId, ConnectionKind};
use crate::limits;
use crate::tls::TlsIdentity;
use crate::util::slab::Slab;
use crate::util::timers::Timers;

/// All connections.
pub(crate) struct Connections {
    pub(super) list: Slab<ConnectionKind, Connection>,
    pub(super) visitors: Visitors<ConnectionId>,
    /// The most connections that may exist, not counting those of the control socket.
    pub(super) most: usize,
    pub(super) http_limits: http::Limits,
    pub(super) readers: Readers,
    /// The certificate for new TLS connections.
    pub(super) tls: Option<TlsIdentity>,
    /// The decrypted bytes of the TLS connection that is being read.
    pub(super) plain: Vec<u8>,
    pub(super) timers: Timers<TimerKey>,
    pub(super) events: VecDeque<FrontEvent>,
    pub(super) stats: FrontStats,
}

impl Connections {
    /// Returns a collection without connections. `most` is the most that may exist.
    pub(super) fn new(most: usize) -> Self {
        Self {
            list: Slab::new(),
            visitors: Visitors::default(),
            most,
            http_limits: http::Limits {
                body: limits::SDP,
                ..Default::default()
            },
            readers: Readers::default(),
            tls: None,
            plain: Vec::new(),
            timers: Timers::default(),
            events: VecDeque::new(),
            stats: FrontStats::default(),
        }
    }

    /// Returns a connection, if it still exists.
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.list.get(id)
    }

    /// Returns how many connections exist.
    pub(crate) fn len(&self) -> usize {
        self.visitors.len()
    }
}

/// Unwraps an IPv4-mapped IPv6 address so that limits and logs see one form.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
