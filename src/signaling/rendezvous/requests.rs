//! The input of clients of the hub: requests and frames of WebSockets, each given to its dialect.

use super::{Rendezvous, RendezvousEvent};
use crate::access::locality::Locality;
use crate::access::visitors::Right;
use crate::http::RequestHead;
use crate::ids::{RequestId, SocketId};
use crate::signaling::dialect::{DialectRequest, RequestInput, Shown, SocketInput, SocketUse};
use crate::sources::Context;
use crate::websocket::WsMessage;

/// The close code of a WebSocket that does not read (RFC 6455 §7.4.1, "try again later").
const TOO_SLOW: u16 = 1013;

impl Rendezvous {
    /// Acts on a request whose host and origin were checked, or asks for its body.
    pub(crate) fn handle_head(
        &mut self,
        cx: &Context<'_>,
        request: DialectRequest,
        head: &RequestHead,
    ) {
        let id = request.id;
        if let Some(response) = request.claim.not_allowed() {
            return self.events.push_back(RendezvousEvent::Answer(id, response));
        }
        // The right gives a waiting connection a longer timeout, so it must be noted before the request is
        // handled.
        if request.locality == Locality::Local {
            let shown = RendezvousEvent::ShowRight(Shown::Request(id), Right::Token);
            self.events.push_back(shown);
        }
        if request.claim.takes_body() {
            self.bodies.insert(id, request);
            return self.events.push_back(RendezvousEvent::AcceptBody(id));
        }
        self.with(cx, request.claim.dialect, |dialect, lobby| {
            dialect.handle_request(lobby, &request, RequestInput::Head(head));
        });
        self.relay(cx);
    }

    /// Acts on a request whose body has arrived.
    pub(crate) fn handle_body(&mut self, cx: &Context<'_>, request: RequestId, body: &[u8]) {
        let Some(request) = self.bodies.remove(&request) else {
            return;
        };
        self.with(cx, request.claim.dialect, |dialect, lobby| {
            dialect.handle_request(lobby, &request, RequestInput::Body(body));
        });
        self.relay(cx);
    }

    /// Acts on a request whose client sends no more, while the request waits.
    pub(crate) fn handle_half_closed(&mut self, cx: &Context<'_>, request: RequestId) {
        self.each(cx, |dialect, lobby| {
            dialect.handle_half_closed(lobby, request);
        });
    }

    /// Acts on the closed connection of a request.
    pub(crate) fn handle_gone(&mut self, cx: &Context<'_>, request: RequestId) {
        self.bodies.remove(&request);
        self.asked.remove(&request);
        self.each(cx, |dialect, lobby| dialect.handle_gone(lobby, request));
    }

    /// Acts on a WebSocket that a dialect has asked for and that was opened.
    pub(crate) fn handle_socket_opened(
        &mut self,
        cx: &Context<'_>,
        socket: SocketId,
        purpose: SocketUse,
    ) {
        self.sockets.insert(socket, purpose.dialect);
        self.handle_socket(cx, socket, SocketInput::Opened(purpose.number));
    }

    /// Acts on a message of a WebSocket.
    pub(crate) fn handle_socket_message(
        &mut self,
        cx: &Context<'_>,
        socket: SocketId,
        message: &WsMessage,
    ) {
        self.handle_socket(cx, socket, SocketInput::Message(message));
    }

    /// Acts on a WebSocket that has written bytes; `waiting` bytes still wait.
    pub(crate) fn handle_socket_drained(
        &mut self,
        cx: &Context<'_>,
        socket: SocketId,
        waiting: usize,
    ) {
        self.handle_socket(cx, socket, SocketInput::Drained(waiting));
    }

    /// Acts on a text that did not fit into a WebSocket: closes it, because its client does not read.
    pub(crate) fn handle_socket_full(&mut self, socket: SocketId) {
        self.refused += 1;
        let why = "it does not read what it is told";
        let event = RendezvousEvent::Close(socket, TOO_SLOW, why);
        self.events.push_back(event);
    }

    /// Acts on a closed WebSocket.
    pub(crate) fn handle_socket_closed(&mut self, cx: &Context<'_>, socket: SocketId) {
        self.handle_socket(cx, socket, SocketInput::Closed);
        self.sockets.remove(&socket);
    }

    fn handle_socket(&mut self, cx: &Context<'_>, socket: SocketId, input: SocketInput<'_>) {
        if let Some(dialect) = self.sockets.get(&socket).copied() {
            self.with(cx, dialect, |dialect, lobby| {
                dialect.handle_socket(lobby, socket, input);
            });
            self.relay(cx);
        }
    }
}
