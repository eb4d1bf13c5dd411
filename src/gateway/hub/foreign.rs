//! Requests of clients that were written for somebody else's server: which they are, and what is
//! checked before anything is done about them.

use std::time::Instant;

use crate::access::visitors::Right;
use crate::api::ROUTES;
use crate::api::origin::{Caller, check_fetch_site_of};
use crate::api::problem::Problem;
use crate::api::skyway::{self, Call, FieldError};
use crate::gateway::Gateway;
use crate::gateway::source::Source;
use crate::http::{Method, RequestHead, Response};
use crate::ids::SourceId;
use crate::payload::Dialect;
use crate::signaling::door::{PageOrigin, Standing};

/// What such a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) enum Foreign {
    /// The REST API of SkyWay's gateway.
    Call(Call),
    /// The same, with a method that it does not take.
    NotAllowed(skyway::NotAllowed),
    /// Socket.IO, of SkyWay-JS.
    SocketIo,
    /// `GET /api/apikeys/{key}/clients/` of SkyWay-JS: the ids of all peers.
    Clients { key: String },
    /// `GET /api/apikeys/{key}/peers/{id}/exists`
    Exists { key: String, peer: String },
    /// `GET /peerjs` with a WebSocket.
    PeerJs,
    /// `GET /{key}/id` of PeerJS: an id that is free.
    FreeId { key: String },
    /// `GET /{key}/peers`: the ids of all peers.
    PeerJsPeers { key: String },
}

/// A request whose body is still to come.
#[derive(Debug)]
pub(in crate::gateway) struct ForeignRequest {
    pub(super) foreign: Foreign,
    pub(super) caller: Caller,
    pub(super) standing: Standing,
    pub(super) origin: PageOrigin,
    pub(super) query: String,
}

impl Foreign {
    /// Which it is, if it is one.
    pub(in crate::gateway) fn of(head: &RequestHead) -> Option<Self> {
        if !may_be_foreign(&head.path) {
            return None;
        }
        let segments = head.segments().ok()?;
        let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let [.., ""] = segments.as_slice() {
            segments.pop();
        }
        let path = segments.as_slice();
        match skyway::resolve(&head.method, path) {
            Some(Ok(call)) => return Some(Self::Call(call)),
            Some(Err(other)) => return Some(Self::NotAllowed(other)),
            None => {}
        }
        let key = |key: &&str| (*key).to_owned();
        match path {
            ["socket.io"] => Some(Self::SocketIo),
            ["api", "apikeys", name, "clients"] => Some(Self::Clients { key: key(name) }),
            ["api", "apikeys", name, "peers", peer, "exists"] => Some(Self::Exists {
                key: key(name),
                peer: key(peer),
            }),
            ["peerjs"] => Some(Self::PeerJs),
            // What is ours is no key: an endpoint may be called so.
            [name, "id"] if !is_ours(name) => Some(Self::FreeId { key: key(name) }),
            [name, "peers"] if !is_ours(name) => Some(Self::PeerJsPeers { key: key(name) }),
            _ => None,
        }
    }

    /// The dialect whose keys count.
    fn dialect(&self) -> Dialect {
        match self {
            Self::Call(_)
            | Self::NotAllowed(_)
            | Self::SocketIo
            | Self::Clients { .. }
            | Self::Exists { .. } => Dialect::SkyWay,
            Self::PeerJs | Self::FreeId { .. } | Self::PeerJsPeers { .. } => Dialect::PeerJs,
        }
    }

    /// An error as its client wants it.
    pub(super) fn error(&self, status: u16, field: &'static str, detail: &str) -> Response {
        match self {
            Self::Call(call) => {
                let fault = FieldError::new(field, detail.to_owned());
                skyway::error(status, call.command(), &[fault])
            }
            Self::NotAllowed(other) if status == 405 => other.response(),
            Self::NotAllowed(_)
            | Self::SocketIo
            | Self::Clients { .. }
            | Self::Exists { .. }
            | Self::PeerJs
            | Self::FreeId { .. }
            | Self::PeerJsPeers { .. } => Problem::new(status, detail).at(field).response(),
        }
    }

    /// The value of `Allow`.
    fn allow(&self, head: &RequestHead) -> String {
        let segments = head.segments().unwrap_or_default();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match self {
            Self::Call(_) | Self::NotAllowed(_) => {
                skyway::allow(&segments).unwrap_or_else(|| "OPTIONS".to_owned())
            }
            Self::SocketIo => "GET, POST, OPTIONS".to_owned(),
            Self::Clients { .. }
            | Self::Exists { .. }
            | Self::PeerJs
            | Self::FreeId { .. }
            | Self::PeerJsPeers { .. } => "GET, HEAD, OPTIONS".to_owned(),
        }
    }
}

/// A look that costs nothing, for the many requests that are not.
fn may_be_foreign(path: &str) -> bool {
    const FIRST: [&str; 6] = ["peers", "data", "media", "socket.io", "api", "peerjs"];
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    FIRST.contains(&first) || matches!(segments.next(), Some("id" | "peers"))
}

/// Whether paths of our own API begin so.
fn is_ours(segment: &str) -> bool {
    let mut routes = ROUTES.iter();
    routes.any(|(path, _)| path.split('/').nth(1) == Some(segment))
}

impl Gateway {
    /// Acts on such a request, or lets its body come.
    pub(in crate::gateway) fn handle_foreign_head(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        foreign: Foreign,
    ) {
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return;
        };
        let local = http.local();
        // Origins of one dialect's keys mean nothing to the other dialect.
        let keys = self.keys(foreign.dialect());
        let origins = keys.iter().flat_map(|key| &key.origins);
        let checked = self.policy.check_with(head, local, origins);
        let checked = checked.and_then(|caller| {
            check_fetch_site_of(head, false)?;
            Ok(caller)
        });
        let caller = match checked {
            Ok(caller) => caller,
            Err(problem) => {
                self.note_refused(now, source, &problem);
                let field = if problem.status() == 421 {
                    "Host"
                } else {
                    "Origin"
                };
                let response = foreign.error(403, field, problem.detail());
                return self.answer(now, source, &Caller::Own, response);
            }
        };
        let origin = match (&caller, head.header("Origin")) {
            (Caller::Own, Some(own)) => PageOrigin::of_page(own, true),
            (Caller::Own, None) => PageOrigin::default(),
            (Caller::Allowed(origin) | Caller::WithCredentials(origin), _) => {
                PageOrigin::of_page(origin, self.policy.allows(origin))
            }
        };
        let caller = caller.with_credentials();
        if head.method == Method::Options {
            let allow = foreign.allow(head);
            let response = Response::new(204).header("Allow", &allow);
            let response = caller.dress_preflight(response, &allow);
            return self.answer(now, source, &caller, response);
        }
        if let Foreign::NotAllowed(other) = &foreign {
            return self.answer(now, source, &caller, other.response());
        }
        let standing = match self.standing(source, head) {
            Ok(standing) => standing,
            Err(detail) => {
                let response = foreign.error(403, "address", &detail);
                return self.answer(now, source, &caller, response);
            }
        };
        if standing == Standing::Local {
            self.show_right(source, Right::Token);
        }
        let request = ForeignRequest {
            caller,
            standing,
            origin,
            query: head.query.clone().unwrap_or_default(),
            foreign,
        };
        let takes_body = match &request.foreign {
            Foreign::Call(call) => call.wants_body(),
            Foreign::SocketIo => head.method == Method::Post,
            Foreign::NotAllowed(_)
            | Foreign::Clients { .. }
            | Foreign::Exists { .. }
            | Foreign::PeerJs
            | Foreign::FreeId { .. }
            | Foreign::PeerJsPeers { .. } => false,
        };
        if takes_body {
            if let Some(Source::Http(http)) = self.sources.get_mut(source) {
                http.foreign = Some(Box::new(request));
                http.connection.accept_body(now);
            }
            return;
        }
        self.begin_foreign(now, source, head, &request);
    }

    /// Those that have no body.
    fn begin_foreign(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        request: &ForeignRequest,
    ) {
        let caller = &request.caller;
        let is_get = matches!(head.method, Method::Get | Method::Head);
        let takes_others = matches!(request.foreign, Foreign::Call(_) | Foreign::SocketIo);
        if !is_get && !takes_others {
            let allow = request.foreign.allow(head);
            let detail = format!("this path takes {allow}");
            let response = request.foreign.error(405, "method", &detail);
            let response = response.header("Allow", &allow);
            return self.answer(now, source, caller, response);
        }
        match &request.foreign {
            Foreign::Call(_) => {
                let peek = head.method == Method::Head;
                self.handle_call(now, source, request, &[], peek);
            }
            Foreign::SocketIo => self.handle_socket_io(now, source, head, request),
            Foreign::PeerJs => self.begin_peerjs(now, source, head, request),
            other @ (Foreign::NotAllowed(_)
            | Foreign::Clients { .. }
            | Foreign::Exists { .. }
            | Foreign::FreeId { .. }
            | Foreign::PeerJsPeers { .. }) => {
                let response = self.list_peers(now, other, request);
                let response = response.header("Cache-Control", "no-store");
                self.answer(now, source, caller, response);
            }
        }
    }

    /// The body of one has come.
    pub(in crate::gateway) fn handle_foreign_body(
        &mut self,
        now: Instant,
        source: SourceId,
        request: &ForeignRequest,
        body: &[u8],
    ) {
        if request.foreign == Foreign::SocketIo {
            self.handle_socket_io_post(now, source, request, body);
        } else {
            self.handle_call(now, source, request, body, false);
        }
    }
}
