//! Connections come and go: how many there may be, and which of them makes room.

use std::net::{IpAddr, SocketAddr};

use super::connection::{Connection, Protocol, Reach};
use super::secured::Guard;
use super::{Front, FrontEvent, TimerKey};
use crate::access::scope::Grant;
use crate::access::visitors::{Admission, From, Right};
use crate::http::HttpConnection;
use crate::ids::{ConnectionId, RequestId, SocketId, SourceId};
use crate::limits;
use crate::sources::{Context, Owner};

impl Front {
    /// A client has connected, to a listener without TLS. Returns `None` if there are too many: the caller closes it.
    pub(crate) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let reach = reach(remote, false);
        self.add_connection(cx, local, remote, reach, None)
    }

    /// A client has connected to this listener of ours. Returns `None` if there are too many: the caller closes it.
    pub(crate) fn accept_at(
        &mut self,
        cx: &mut Context<'_>,
        listener: SourceId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SourceId> {
        let is_secure = self.listener(listener)?.is_secure;
        let guard = is_secure.then_some(Guard::Waiting);
        self.add_connection(cx, local, remote, reach(remote, is_secure), guard)
    }

    /// A client has connected to the control socket. Returns `None` if there are too many: the caller closes it.
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
        // Unwrap IPv4-mapped IPv6 addresses so that limits and logs see one form.
        let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let (local, remote) = (plain(local), plain(remote));
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
        let id = self.connections.insert_with(|id| Connection {
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
        self.connections.get(id).map(|connection| connection.source)
    }

    /// Returns whether one more connection may come from there. Where it has to, the oldest that has shown no right is closed.
    fn make_room(&mut self, cx: &mut Context<'_>, from: From) -> bool {
        // The control socket may use what the others have to leave.
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

    /// Notes that a connection has shown a right: it may stay as long as others.
    pub(crate) fn show_right(&mut self, id: ConnectionId, right: Right) {
        self.visitors.show_right(id, right);
        let usual = self.http_limits.idle_timeout;
        let connection = self.connections.get_mut(id);
        if let Some(http) = connection.and_then(Connection::http_mut) {
            http.set_idle_timeout(usual);
        }
    }

    /// Returns the network of a connection from beyond this machine.
    pub(super) fn network_of(&self, id: ConnectionId) -> Option<IpAddr> {
        self.visitors.network(id)
    }

    /// Removes a connection, and tells whoever was at work for it.
    pub(super) fn remove_connection(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(removed) = self.connections.remove(id) else {
            return;
        };
        self.visitors.remove(id);
        self.readers.remove(id);
        self.timers.set(TimerKey::Connection(id), None);
        cx.sources.close(removed.source);
        if removed.is_dialect_socket() {
            self.events
                .push_back(FrontEvent::SocketClosed(SocketId(id)));
        }
        // A dialect also waits for the WebSocket of a request that was answered with 101.
        let is_upgrading = removed.purpose.is_some() && !removed.is_socket();
        if removed.request.is_some() || is_upgrading {
            let request = RequestId {
                connection: id,
                number: removed.number,
            };
            self.events.push_back(FrontEvent::Gone(request));
        }
    }
}

fn reach(remote: SocketAddr, tls: bool) -> Reach {
    if remote.ip().to_canonical().is_loopback() {
        Reach::Loopback
    } else {
        Reach::Network { tls }
    }
}
