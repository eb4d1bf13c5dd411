//! Requests, each stored here from its head until its answer, whichever component prepares the answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Connections;
use super::connection::{Asked, Connection, OpenRequest, Reach, SocketPurpose};
use super::event::FrontEvent;
use crate::access::scope::Grant;
use crate::access::visitors::Right;
use crate::api::origin::Caller;
use crate::http::{HttpConnection, Method, RequestHead, Response};
use crate::ids::{ConnectionId, RequestId, SocketUse};
use crate::sources::Context;
use crate::websocket::accept_key;

/// How long a connection may stay idle after a request without a valid token.
const IDLE_AFTER_401: Duration = Duration::from_secs(5);

impl Connections {
    /// Returns whether a request still waits for its answer.
    pub(crate) fn is_open(&self, request: RequestId) -> bool {
        let connection = self.list.get(request.connection);
        connection.is_some_and(|it| it.number == request.number && it.request.is_some())
    }

    pub(super) fn open_request(&mut self, request: RequestId) -> Option<&mut OpenRequest> {
        let connection = self.list.get_mut(request.connection)?;
        let open = connection.request.as_mut();
        open.filter(|_| connection.number == request.number)
    }

    /// Answers a request, unless its connection was closed. The next request of the connection becomes an event.
    #[inline(never)]
    pub(crate) fn answer(&mut self, cx: &mut Context<'_>, request: RequestId, response: Response) {
        self.count_response(response.status());
        let id = request.connection;
        let is_unknown = self.visitors.right(id) == Right::None;
        let Some((open, http)) = self.take_request(request) else {
            return;
        };
        if response.status() == 401 && is_unknown {
            // A client with a token repeats the request with the token at once.
            http.set_idle_timeout(IDLE_AFTER_401);
        }
        let caller = open.caller.unwrap_or(Caller::Own);
        http.respond(cx.now, caller.dress(response));
        self.service(cx, id);
    }

    pub(super) fn count_response(&mut self, status: u16) {
        *self.stats.requests.entry(status / 100).or_default() += 1;
    }

    /// Takes a request out to be answered, together with the connection for the answer.
    fn take_request(&mut self, request: RequestId) -> Option<(OpenRequest, &mut HttpConnection)> {
        let connection = self.list.get_mut(request.connection)?;
        if connection.number != request.number {
            return None;
        }
        let open = connection.request.take()?;
        Some((open, connection.http_mut()?))
    }

    /// Accepts the body of a request, which then arrives as a [`FrontEvent::Body`]. [`super::Front::resume`]
    /// returns `asked` again.
    pub(crate) fn accept_body(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        asked: Option<Asked>,
    ) {
        if let Some(open) = self.open_request(request) {
            open.asked = asked.map(Box::new);
            let connection = self.list.get_mut(request.connection);
            if let Some(http) = connection.and_then(Connection::http_mut) {
                http.accept_body(cx.now);
            }
            self.service(cx, request.connection);
        }
    }

    /// Closes the connection of a request after the pending output was written.
    pub(crate) fn hang_up(&mut self, cx: &mut Context<'_>, request: RequestId) {
        if !self.is_open(request) {
            return;
        }
        let connection = self.list.get_mut(request.connection);
        if let Some(http) = connection.and_then(Connection::http_mut) {
            http.close_after_output();
            self.service(cx, request.connection);
        }
    }

    // ---- streams and WebSockets ----

    /// Starts a stream of server-sent events, or a WebSocket for events.
    pub(crate) fn start_events(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        head: &RequestHead,
        grant: Grant,
    ) {
        let key = match head.wants_websocket() {
            Ok(key) => key.map(str::to_owned),
            Err(error) => return self.answer(cx, request, error.response()),
        };
        if let Some(key) = key {
            self.set_grant(request.connection, grant);
            return self.start_upgrade(cx, request, &key, SocketPurpose::Events);
        }
        let response = Response::new(200)
            .header("Cache-Control", "no-store")
            .header("X-Accel-Buffering", "no")
            .header("Content-Type", "text/event-stream");
        if head.method == Method::Head {
            return self.answer(cx, request, response);
        }
        self.set_grant(request.connection, grant);
        if let Some((open, http)) = self.take_request(request) {
            let caller = open.caller.unwrap_or(Caller::Own);
            http.start_stream(cx.now, caller.dress(response));
            self.count_response(200);
            let reader = FrontEvent::ReaderOpened(request.connection);
            self.events.push_back(reader);
        }
    }

    fn set_grant(&mut self, id: ConnectionId, grant: Grant) {
        if let Some(connection) = self.list.get_mut(id) {
            connection.grant = grant;
        }
    }

    /// Upgrades a request to a WebSocket of a dialect. `key` is the request's `Sec-WebSocket-Key`.
    pub(crate) fn upgrade(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        key: &str,
        purpose: SocketUse,
    ) {
        self.start_upgrade(cx, request, key, SocketPurpose::Dialect(purpose));
    }

    fn start_upgrade(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        key: &str,
        purpose: SocketPurpose,
    ) {
        let id = request.connection;
        let response = Response::new(101)
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Accept", &accept_key(key));
        if let Some((_, http)) = self.take_request(request) {
            http.upgrade(cx.now, response);
            self.count_response(101);
            if let Some(connection) = self.list.get_mut(id) {
                connection.purpose = Some(purpose);
            }
            self.service(cx, id);
        }
    }

    // ---- what is known of a request ----

    /// Returns our address and the client's address of a request's connection.
    pub(crate) fn addresses_of(&self, request: RequestId) -> Option<(SocketAddr, SocketAddr)> {
        let connection = self.get(request.connection)?;
        Some((connection.local, connection.remote))
    }

    /// Returns the client's address.
    pub(crate) fn remote_of(&self, request: RequestId) -> Option<IpAddr> {
        Some(self.addresses_of(request)?.1.ip())
    }

    /// Returns whether a request came over the control socket, and whether it came over TLS.
    pub(crate) fn way_of(&self, request: RequestId) -> Way {
        let connection = self.get(request.connection);
        let reach = connection.map_or(Reach::Loopback, |it| it.reach);
        Way {
            is_control: reach == Reach::ControlSocket,
            is_loopback: matches!(reach, Reach::Loopback | Reach::ControlSocket),
            is_tls: connection.is_some_and(|it| it.guard.is_some()),
        }
    }

    /// Returns the page that sent the request, for the CORS headers.
    pub(crate) fn caller_of(&self, request: RequestId) -> Caller {
        let connection = self.get(request.connection);
        let open = connection.and_then(|it| it.request.as_ref());
        let caller = open.and_then(|open| open.caller.clone());
        caller.unwrap_or(Caller::Own)
    }

    /// Returns whether a request came with this token.
    pub(crate) fn is_of_token(&self, request: RequestId, token: &str) -> bool {
        let connection = self.get(request.connection);
        let connection = connection.filter(|it| it.number == request.number);
        let open = connection.and_then(|it| it.request.as_ref());
        open.is_some_and(|open| open.token.as_deref() == Some(token))
    }
}

/// How a request reached the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) is_control: bool,
    pub(crate) is_loopback: bool,
    pub(crate) is_tls: bool,
}
