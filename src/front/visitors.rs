//! The limit of connections, and the choice of a connection that is closed for a newer one.

use std::net::{IpAddr, SocketAddr};

use super::Connections;
use super::connection::{Connection, Protocol, Reach};
use super::connections::canonical;
use super::guard::Guard;
use crate::access::scope::Grant;
use crate::access::visitors::{Admission, From, Right};
use crate::http::HttpConnection;
use crate::ids::{ConnectionId, SourceId};
use crate::limits;
use crate::sources::{Context, Owner};

impl Connections {
    /// Accepts a connection at a listener without TLS. Returns `None` if there are too many connections; the
    /// caller then closes the new one.
    pub(crate) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let reach = reach(remote, false);
        self.add_connection(cx, local, remote, reach, None)
    }

    /// Accepts a connection at a TLS listener. Returns `None` if there are too many connections; the caller
    /// then closes the new one.
    pub(super) fn accept_secure(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let guard = Some(Guard::Waiting);
        self.add_connection(cx, local, remote, reach(remote, true), guard)
    }

    /// Accepts a connection at the control socket. Returns `None` if there are too many connections; the
    /// caller then closes the new one.
    pub(crate) fn accept_control(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        self.add_connection(cx, local, remote, Reach::ControlSocket, None)
    }

    fn add_connection(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
        reach: Reach,
        guard: Option<Guard>,
    ) -> Option<SourceId> {
        let (local, remote) = (canonical(local), canonical(remote));
        let from = match reach {
            Reach::ControlSocket => From::Control,
            Reach::Loopback => From::Loopback,
            Reach::Network { .. } | Reach::Redirect => From::beyond(remote.ip()),
        };
        if !self.make_room(cx, from) {
            self.stats.connections_refused += 1;
            return None;
        }
        let http = Box::new(HttpConnection::new(cx.now, &self.http_limits));
        let sources = &mut *cx.sources;
        let id = self.list.insert_with(|id| Connection {
            source: sources.adopt(Owner::Connection(id)),
            guard,
            protocol: Protocol::Http(http),
            local,
            remote,
            reach,
            number: 0,
            request: None,
            purpose: None,
            grant: Grant::default(),
        });
        self.visitors.insert(id, from);
        self.schedule(cx, id);
        self.list.get(id).map(|connection| connection.source)
    }

    /// Returns whether one more connection may come from there. If necessary, closes the oldest connection
    /// that has not proven a right.
    fn make_room(&mut self, cx: &mut Context<'_>, from: From) -> bool {
        // The control socket may use the descriptors that other connections must leave free.
        let spare = limits::SPARE_DESCRIPTORS / 2;
        let is_spare = from == From::Control || cx.sources.has_spare_descriptors(spare);
        let most = if is_spare {
            self.most
        } else {
            self.most.min(self.visitors.others())
        };
        match self.visitors.decide(from, most) {
            Admission::Free => true,
            Admission::Full => false,
            Admission::InPlaceOf(oldest) => {
                self.stats.connections_displaced += 1;
                self.remove_connection(cx, oldest);
                true
            }
        }
    }

    /// Notes that a connection has proven a right, and gives it the usual idle time-out.
    pub(crate) fn show_right(&mut self, id: ConnectionId, right: Right) {
        self.visitors.show_right(id, right);
        let usual = self.http_limits.idle_timeout;
        let connection = self.list.get_mut(id);
        if let Some(http) = connection.and_then(Connection::http_mut) {
            http.set_idle_timeout(usual);
        }
    }

    /// Returns the network of a connection from another machine.
    pub(super) fn network_of(&self, id: ConnectionId) -> Option<IpAddr> {
        self.visitors.network(id)
    }
}

fn reach(remote: SocketAddr, tls: bool) -> Reach {
    if remote.ip().to_canonical().is_loopback() {
        Reach::Loopback
    } else {
        Reach::Network { tls }
    }
}
