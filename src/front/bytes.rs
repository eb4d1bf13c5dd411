//! Bytes of connections, and the events of their protocols.

use super::Connections;
use super::connection::{OpenRequest, Protocol, Reach, SocketPurpose};
use super::event::{FrontEvent, TimerKey};
use super::guard::Guard;
use crate::http::HttpEvent;
use crate::ids::{ConnectionId, RequestId, SocketId};
use crate::sources::Context;
use crate::tls::{FIRST_BYTE, Tls};
use crate::websocket::WebSocketConnection;

/// An event of a protocol.
enum ProtocolEvent {
    Http(HttpEvent),
    Message(crate::websocket::WsMessage),
}

impl Connections {
    /// Handles bytes of a connection.
    pub(crate) fn handle_input(&mut self, cx: &mut Context<'_>, id: ConnectionId, bytes: &[u8]) {
        if self.unwrap_input(cx, id, bytes) {
            return;
        }
        if let Some(connection) = self.list.get_mut(id) {
            connection.protocol_mut().handle_input(cx.now, bytes);
            self.service(cx, id);
        }
    }

    /// Handles the end of a connection's input: the client sends no more.
    pub(crate) fn handle_closed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        if let Some(connection) = self.list.get_mut(id) {
            connection.protocol_mut().handle_closed(cx.now);
            self.service(cx, id);
        }
    }

    /// Removes a connection that has failed.
    pub(crate) fn handle_failed(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        self.remove_connection(cx, id);
    }

    /// Returns the bytes to be written to a connection.
    pub(crate) fn output(&self, id: ConnectionId) -> &[u8] {
        let connection = self.list.get(id);
        connection.map_or(&[], |connection| match &connection.guard {
            Some(guard) => guard.output(),
            None => connection.protocol().output(),
        })
    }

    /// Removes the first `n` bytes of [`Self::output`], which were written.
    pub(crate) fn consume(&mut self, cx: &mut Context<'_>, id: ConnectionId, n: usize) {
        let Some(connection) = self.list.get_mut(id) else {
            return;
        };
        match &mut connection.guard {
            Some(guard) => guard.consume(cx.now, n),
            None => connection.protocol_mut().consume(n),
        }
        self.service(cx, id);
        let connection = self.list.get_mut(id);
        if let Some(connection) = connection.filter(|it| it.is_dialect_socket())
            && let Some(socket) = connection.socket_mut()
        {
            let drained = FrontEvent::SocketDrained(SocketId(id), socket.waiting());
            self.events.push_back(drained);
        }
    }

    /// Returns how many bytes of a connection may be read now. With 0 the loop reads nothing until the source
    /// is touched.
    pub(crate) fn input_room(&self, id: ConnectionId) -> usize {
        let connection = self.list.get(id);
        match connection.is_none_or(|connection| connection.protocol().wants_input()) {
            true => usize::MAX,
            false => 0,
        }
    }

    pub(super) fn handle_connection_timeout(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(connection) = self.list.get_mut(id) else {
            return;
        };
        let guard = connection.guard.as_ref().and_then(|guard| guard.deadline());
        if guard.is_some_and(|at| at <= cx.now) {
            return self.remove_connection(cx, id);
        }
        connection.protocol_mut().handle_timeout(cx.now);
        self.service(cx, id);
    }

    /// Turns a connection's protocol events into events of this component. HTTP handles one request at a
    /// time: the next request follows when this one is answered.
    pub(super) fn service(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        loop {
            let Some(connection) = self.list.get_mut(id) else {
                return;
            };
            let said = match &mut connection.protocol {
                Protocol::Http(http) => http.poll_event().map(ProtocolEvent::Http),
                Protocol::WebSocket(socket) => socket.poll_message().map(ProtocolEvent::Message),
            };
            match said {
                Some(ProtocolEvent::Http(event)) => self.handle_http_event(id, event),
                Some(ProtocolEvent::Message(message)) if connection.is_dialect_socket() => {
                    let message = FrontEvent::SocketMessage(SocketId(id), message);
                    self.events.push_back(message);
                }
                // Readers of events have no messages for us, so their messages are read and ignored.
                Some(ProtocolEvent::Message(_)) => {}
                // A frame may have arrived directly behind the request that became a WebSocket.
                None if self.finish_upgrade(cx, id) => {}
                None => return self.schedule(cx, id),
            }
        }
    }

    fn handle_http_event(&mut self, id: ConnectionId, event: HttpEvent) {
        let Some(connection) = self.list.get_mut(id) else {
            return;
        };
        match event {
            HttpEvent::Head(head) => {
                connection.number = connection.number.wrapping_add(1);
                connection.request = Some(OpenRequest::default());
                let request = RequestId {
                    connection: id,
                    number: connection.number,
                };
                let head = FrontEvent::Head(request, Box::new(head));
                self.events.push_back(head);
            }
            HttpEvent::Body(body) => {
                let request = RequestId {
                    connection: id,
                    number: connection.number,
                };
                self.events.push_back(FrontEvent::Body(request, body));
            }
            HttpEvent::Gone => self.handle_half_closed(id),
        }
    }

    /// Handles a client that has closed its sending side. Whether the client still reads is not known. An
    /// event stream has no end of its own, so it is ended here. A request's response has an end, so the
    /// request's owner decides.
    fn handle_half_closed(&mut self, id: ConnectionId) {
        let is_reader = self.readers.remove(id);
        let Some(connection) = self.list.get_mut(id) else {
            return;
        };
        if is_reader && let Some(http) = connection.http_mut() {
            http.close_after_output();
        }
        if connection.request.is_some() {
            let request = RequestId {
                connection: id,
                number: connection.number,
            };
            self.events.push_back(FrontEvent::HalfClosed(request));
        }
    }

    /// Turns a connection into a WebSocket once its 101 response is written. Returns false if the connection
    /// has no finished upgrade.
    fn finish_upgrade(&mut self, cx: &Context<'_>, id: ConnectionId) -> bool {
        let Some(connection) = self.list.get_mut(id) else {
            return false;
        };
        let Protocol::Http(http) = &mut connection.protocol else {
            return false;
        };
        let Some(purpose) = connection.purpose.filter(|_| http.is_upgraded()) else {
            return false;
        };
        let received = http.take_upgraded_input();
        let socket = WebSocketConnection::new(cx.now, &received);
        connection.protocol = Protocol::WebSocket(Box::new(socket));
        self.events.push_back(match purpose {
            SocketPurpose::Events => FrontEvent::ReaderOpened(id),
            SocketPurpose::Dialect(purpose) => FrontEvent::SocketOpened(SocketId(id), purpose),
        });
        true
    }

    /// Sets a connection's deadline. Removes the connection if it is finished.
    pub(super) fn schedule(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(connection) = self.list.get_mut(id) else {
            return;
        };
        if connection.wrap_output(cx.now) {
            return self.remove_connection(cx, id);
        }
        let deadline = connection.protocol().poll_timeout();
        let guard = connection.guard.as_ref().and_then(|guard| guard.deadline());
        let first = [deadline, guard].into_iter().flatten().min();
        self.timers.set(TimerKey::Connection(id), first);
        cx.sources.touch(connection.source);
    }

    // ---- TLS ----

    /// Decrypts the bytes of a guarded stream. Returns false if the stream is not guarded.
    pub(super) fn unwrap_input(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        bytes: &[u8],
    ) -> bool {
        let Some(connection) = self.list.get_mut(id) else {
            return true;
        };
        if let Some(guard @ Guard::Waiting) = &mut connection.guard {
            let is_tls = bytes.first() == Some(&FIRST_BYTE);
            match self
                .tls
                .as_ref()
                .filter(|_| is_tls)
                .map(|it| Tls::new(cx.now, it))
            {
                Some(Ok(tls)) => *guard = Guard::Tls(Box::new(tls)),
                Some(Err(fault)) => {
                    log::error!("TLS: {fault}");
                    self.remove_connection(cx, id);
                    return true;
                }
                // The client speaks plain HTTP at a TLS listener, so it gets a redirection to `https`.
                None => {
                    connection.guard = None;
                    connection.reach = Reach::Redirect;
                    return false;
                }
            }
        }
        let Some(Guard::Tls(tls)) = &mut connection.guard else {
            return false;
        };
        self.plain.clear();
        let result = tls.handle_input(cx.now, bytes, &mut self.plain);
        if !self.plain.is_empty() {
            connection.protocol_mut().handle_input(cx.now, &self.plain);
        }
        if let Err(fault) = result {
            log::debug!("TLS: {fault}");
            connection.protocol_mut().handle_closed(cx.now);
        }
        self.service(cx, id);
        true
    }

    /// Removes a connection, and tells the owner of its request or WebSocket.
    pub(super) fn remove_connection(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(removed) = self.list.remove(id) else {
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
