//! All HTTP and WebSocket connections: their streams, requests and readers. Rights are checked elsewhere.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Connections;
use super::connection::Connection;
use super::event::FrontStats;
use super::subscribers::Readers;
use crate::access::visitors::Visitors;
use crate::http;
use crate::ids::ConnectionId;
use crate::limits;
use crate::util::slab::Slab;
use crate::util::timers::Timers;

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
