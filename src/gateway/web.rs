//! HTTP requests become answers: who may ask, what is asked, and what comes back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Gateway;
use super::access::{Reach, permit};
use super::hub::{Foreign, ForeignRequest, Purpose};
use super::lease::Denied;
use super::line::Asker;
use super::source::{Command, Socket, Source};
use super::timers::TimerKey;
use crate::access::scope::Grant;
use crate::access::visitors::{Admission, From, Right};
use crate::api::authority;
use crate::api::origin::{Caller, check_fetch_site};
use crate::api::problem::Problem;
use crate::api::{Action, Resource, check_content_type};
use crate::http::{HttpConnection, HttpEvent, Method, RequestHead, Response};
use crate::ice::gatherer::Vantage as Peer;
use crate::ids::{PageId, SourceId};
use crate::limits;
use crate::signaling::whip;
use crate::websocket::{WebSocketConnection, accept_key};

/// An HTTP connection with the request that it is at.
pub(super) struct HttpSource {
    pub(super) connection: HttpConnection,
    local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// Where it comes from.
    pub(super) reach: Reach,
    /// Whose stream of events it is.
    pub(super) grant: Grant,
    /// A request whose body is still to come.
    request: Option<Request>,
    /// The same, of a client that was written for another server.
    pub(super) foreign: Option<Box<ForeignRequest>>,
    /// Whose packets it waits for.
    pub(super) page: Option<PageId>,
    /// It becomes a WebSocket for this as soon as its 101 is written.
    pub(super) upgrading: Option<Purpose>,
}

impl HttpSource {
    /// Our address.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
}

struct Request {
    resource: Resource,
    action: Action,
    caller: Caller,
    grant: Grant,
    if_match: Option<String>,
}

impl Gateway {
    pub(super) fn accept_connection(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        reach: Reach,
    ) -> Option<SourceId> {
        // Unwrap IPv4-mapped IPv6 addresses so that limits and logs see one form.
        let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let (local, remote) = (plain(local), plain(remote));
        let from = match reach {
            Reach::ControlSocket => From::Control,
            Reach::Loopback => From::Loopback,
            Reach::Network { .. } | Reach::Redirect => From::beyond(remote.ip()),
        };
        if !self.make_room(from) {
            self.stats.connections_refused += 1;
            return None;
        }
        let connection = HttpConnection::new(now, &self.http_limits);
        let http = HttpSource {
            connection,
            local,
            remote,
            reach,
            grant: Grant::default(),
            request: None,
            foreign: None,
            page: None,
            upgrading: None,
        };
        let source = self.sources.insert(Source::Http(Box::new(http)));
        self.visitors.insert(source, from);
        self.schedule_source(now, source);
        Some(source)
    }

    /// Whether one more connection may come from there. Where it has to, the oldest that has shown no right is closed.
    fn make_room(&mut self, from: From) -> bool {
        // The control socket may use what the others have to leave.
        let is_spare =
            from == From::Control || self.has_spare_descriptors(limits::SPARE_DESCRIPTORS / 2);
        let most = if is_spare {
            self.limits.connections
        } else {
            self.limits.connections.min(self.visitors.others())
        };
        match self.visitors.decide(from, most) {
            Admission::Free => true,
            Admission::Full => false,
            Admission::InPlaceOf(oldest) => {
                self.stats.connections_displaced += 1;
                self.remove_connection(oldest);
                true
            }
        }
    }

    /// A connection has shown a right, and may stay as long as others.
    pub(super) fn show_right(&mut self, source: SourceId, right: Right) {
        self.visitors.show_right(source, right);
        if let Some(Source::Http(http)) = self.sources.get_mut(source) {
            let usual = self.http_limits.idle_timeout;
            http.connection.set_idle_timeout(usual);
        }
    }

    /// The client has closed its sending side; whether it still reads is not known. What has an end is answered: a request
    /// that waits for an event is told that there is none, because an event sent to nobody would be lost. What has no
    /// end is over.
    fn handle_half_closed(&mut self, now: Instant, source: SourceId) {
        let is_poll = self.end_poll(now, source);
        let is_stream = self.events.remove(source) | self.forget_page_poll(source);
        if let Some(Source::Http(http)) = self.sources.get_mut(source)
            && is_stream
            && !is_poll
        {
            http.connection.close_after_output();
        }
    }

    /// Acts on what a connection has to say.
    pub(super) fn service(&mut self, now: Instant, source: SourceId) {
        loop {
            match self.sources.get_mut(source) {
                Some(Source::Http(http)) => match http.connection.poll_event() {
                    Some(HttpEvent::Head(head)) => self.handle_head(now, source, &head),
                    Some(HttpEvent::Body(body)) => self.handle_body(now, source, body),
                    Some(HttpEvent::Gone) => self.handle_half_closed(now, source),
                    None => break,
                },
                Some(Source::WebSocket(socket)) => match socket.connection.poll_message() {
                    Some(message) => self.handle_socket_message(now, source, &message),
                    None => break,
                },
                Some(
                    Source::Listener { .. }
                    | Source::ControlSocket
                    | Source::Device(_)
                    | Source::DeviceListener(_)
                    | Source::Capture(_)
                    | Source::Ice,
                )
                | None => break,
            }
        }
        if self.finish_upgrade(now, source) {
            // A frame may have come right behind the request.
            return self.service(now, source);
        }
        self.schedule_source(now, source);
    }

    /// Sets a connection's timer, and ends it when it is finished.
    pub(super) fn schedule_source(&mut self, now: Instant, source: SourceId) {
        let Some(connection) = self.sources.get(source).and_then(Source::connection) else {
            return;
        };
        let deadline = connection.poll_timeout();
        if self.wrap_output(now, source) {
            self.remove_connection(source);
        } else {
            let guard = self.guard_deadline(source);
            let first = [deadline, guard].into_iter().flatten().min();
            self.timers.set(TimerKey::Source(source), first);
            self.touch_source(source);
        }
    }

    pub(super) fn remove_connection(&mut self, source: SourceId) {
        self.forget_poll(source);
        if let Some(gone) = self.sources.remove(source) {
            if let Source::WebSocket(socket) = gone {
                self.rendezvous.note_closed(socket.purpose);
            }
            self.visitors.remove(source);
            self.guards.remove(&source);
            self.events.remove(source);
            self.offers.retain(|offer| offer.is_not_of(source));
            self.timers.set(TimerKey::Source(source), None);
            self.commands.push_back(Command::Close { source });
        }
    }

    /// Answers a request, unless its connection has gone.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        response: Response,
    ) {
        *self
            .stats
            .requests
            .entry(response.status() / 100)
            .or_default() += 1;
        if let Some(Source::Http(http)) = self.sources.get_mut(source) {
            if response.status() == 401 && self.visitors.right(source) == Right::None {
                // A client that has a token comes right back with it.
                http.connection.set_idle_timeout(IDLE_AFTER_401);
            }
            http.connection.respond(now, caller.dress(response));
            self.schedule_source(now, source);
        }
    }

    /// A head decides whether the body is read at all.
    fn handle_head(&mut self, now: Instant, source: SourceId, head: &RequestHead) {
        if let Some(foreign) = Foreign::of(head) {
            return self.handle_foreign_head(now, source, head, foreign);
        }
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return;
        };
        let caller = match self.policy.check(head, http.local) {
            Ok(caller) => caller,
            Err(problem) => {
                self.note_refused(now, source, &problem);
                return self.answer(now, source, &Caller::Own, problem.response());
            }
        };
        let begun = Resource::resolve(head).and_then(|resource| {
            check_fetch_site(head, &resource)?;
            resource
                .action(&head.method)
                .map(|action| (resource, action))
        });
        let begun = begun.and_then(|(resource, action)| {
            // A preflight cannot have a token (Fetch standard).
            let grant = if action == Action::Options {
                Grant::default()
            } else {
                self.authorize(now, source, head, &resource)?
            };
            if grant != Grant::default() {
                self.show_right(source, Right::Token);
            }
            permit(&grant, &resource, action)?;
            Ok((resource, action, grant))
        });
        let done = begun.and_then(|(resource, action, grant)| match action {
            Action::Get => self.get(now, source, &resource, head, &caller, &grant),
            Action::Delete => self.delete(now, source, &resource, &caller, &grant),
            Action::Options => Ok(Some(options(&resource, &caller))),
            Action::Post | Action::Put | Action::Patch => {
                self.check_body(source, &resource, action, head, &grant)?;
                let if_match = head.header("If-Match").map(str::to_owned);
                let caller = caller.clone();
                if let Some(Source::Http(http)) = self.sources.get_mut(source) {
                    http.request = Some(Request {
                        resource,
                        action,
                        caller,
                        grant,
                        if_match,
                    });
                    http.connection.accept_body(now);
                }
                Ok(None)
            }
        });
        match done {
            Ok(Some(response)) => self.answer(now, source, &caller, response),
            Ok(None) => {}
            Err(problem) if problem.is_guess() => {
                self.answer_later(now, source, &caller, problem.response());
            }
            Err(problem) => self.answer(now, source, &caller, problem.response()),
        }
    }

    /// Somebody's name or origin is not one of ours.
    pub(super) fn note_refused(&mut self, now: Instant, source: SourceId, problem: &Problem) {
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return;
        };
        // From the network once for each address and minute: nobody's noise hides another's.
        let passed = match self.visitors.network(source) {
            Some(address) => self.access.tries.note(now, address),
            None => self.refusals.pass(now),
        };
        if let Some(held_back) = passed {
            let (remote, detail) = (http.remote, problem.detail());
            log::warn!("{remote}: refused: {detail} ({held_back} more before)");
        }
    }

    /// What can be said against a request before its body has come.
    fn check_body(
        &mut self,
        source: SourceId,
        resource: &Resource,
        action: Action,
        head: &RequestHead,
        grant: &Grant,
    ) -> Result<(), Problem> {
        match (resource, action) {
            (Resource::Sessions, Action::Post) => {
                check_content_type(head, whip::SDP, "Accept-Post")?;
                let claimant = self.claimant(source, grant);
                let checked = self.check_session_limit(grant, &claimant, false);
                checked.map(|_| ())
            }
            (Resource::Session(name), Action::Patch) => {
                self.find_session(name, grant)?;
                check_content_type(head, whip::FRAGMENT, "Accept-Patch")
            }
            (Resource::Line(name) | Resource::Lease(name), Action::Post) => {
                self.find_endpoint(name).map_err(not_found)?;
                check_content_type(head, JSON, "Accept-Post")
            }
            (Resource::Endpoint(name), Action::Put) => {
                self.check_configurable(name)?;
                check_content_type(head, JSON, "Accept")
            }
            _ => Ok(()),
        }
    }

    fn handle_body(&mut self, now: Instant, source: SourceId, body: Vec<u8>) {
        let Some(Source::Http(http)) = self.sources.get_mut(source) else {
            return;
        };
        if let Some(foreign) = http.foreign.take() {
            return self.handle_foreign_body(now, source, &foreign, &body);
        }
        let Some(request) = http.request.take() else {
            return;
        };
        let is_local = http.remote.ip().is_loopback();
        http.grant = request.grant.clone();
        if let Err(problem) = self.check_still(&request.grant) {
            return self.answer(now, source, &request.caller, problem.response());
        }
        let result = match (&request.resource, request.action) {
            (Resource::Sessions, Action::Post) => {
                let peer = if is_local { Peer::Local } else { Peer::Remote };
                return self.park_offer(source, request.caller, peer, request.grant, body);
            }
            (Resource::Session(name), Action::Patch) => self
                .find_session(name, &request.grant)
                .and_then(|id| self.patch_session(id, request.if_match.as_deref(), &body)),
            (Resource::Line(name), Action::Post) => {
                let parsed = self.parse_line_body(name, &body);
                match parsed {
                    Ok((endpoint, script, after)) => {
                        let caller = request.caller;
                        let asker = Asker::Http { source, caller };
                        return self.run_script(now, endpoint, asker, script, after);
                    }
                    Err(problem) => Err(problem),
                }
            }
            (Resource::Lease(name), Action::Post) => self.post_lease(now, name, &body),
            (Resource::Endpoint(name), Action::Put) => {
                match self.put_endpoint(source, &request.caller, name, &body) {
                    Ok(()) => return,
                    Err(problem) => Err(problem),
                }
            }
            (Resource::Tickets, Action::Post) => self.post_ticket(now, source, request.grant),
            _ => match self.change_access(now, source, &request.resource, &request.caller, &body) {
                Ok(()) => return,
                Err(problem) if problem.is_guess() => {
                    let response = problem.response();
                    return self.answer_later(now, source, &request.caller, response);
                }
                Err(problem) => Err(problem),
            },
        };
        let response = result.unwrap_or_else(|problem| problem.response());
        self.answer(now, source, &request.caller, response);
    }

    fn get(
        &mut self,
        now: Instant,
        source: SourceId,
        resource: &Resource,
        head: &RequestHead,
        caller: &Caller,
        grant: &Grant,
    ) -> Result<Option<Response>, Problem> {
        let json = |value: serde_json::Value| {
            let body = value.to_string().into_bytes();
            let fresh = Response::new(200).header("Cache-Control", "no-store");
            Ok(Some(fresh.body("application/json", body)))
        };
        let text = |text: String| {
            Ok(Some(
                Response::new(200).body("text/plain; charset=utf-8", text.into_bytes()),
            ))
        };
        match resource {
            Resource::Page(asset) => asset.response(head).map(Some),
            Resource::Authority(file) => {
                let authority = self.tls.as_ref().and_then(|tls| tls.authority.as_ref());
                let authority = authority.ok_or_else(authority::none)?;
                file.response(authority).map(Some)
            }
            Resource::Sessions => json(self.sessions_json(now, grant)),
            Resource::Session(name) => {
                let id = self.find_session(name, grant)?;
                let entry = self.sessions.get(id).expect("entry for found id");
                json(self.session_json(now, entry))
            }
            Resource::Endpoints => json(self.endpoints_json(grant)),
            Resource::Endpoint(name) if self.look_at_line(name, source, caller) => Ok(None),
            Resource::Endpoint(name) => match self.endpoint_json(name) {
                Some(value) => json(value),
                None => Err(Problem::new(404, "no endpoint has this name").at("path")),
            },
            Resource::EndpointFile(name) => {
                self.ask_endpoint_file(source, caller, name)?;
                Ok(None)
            }
            Resource::Ports => {
                self.ask_ports(source, caller);
                Ok(None)
            }
            Resource::Access => json(self.access_json(source, grant)),
            Resource::Tokens => json(self.tokens_json()),
            Resource::Line(_)
            | Resource::Lease(_)
            | Resource::Token(_)
            | Resource::Tickets
            | Resource::Shares
            | Resource::Redeem
            | Resource::Setup => Err(Problem::new(404, "there is nothing at this path").at("path")),
            Resource::Events => self.get_events(now, source, head, caller, grant),
            Resource::Health => text("ok\n".to_owned()),
            Resource::Ready if self.is_ready() => text("ready\n".to_owned()),
            Resource::Ready => Err(Problem::new(503, "starting or shutting down")),
            Resource::Metrics => {
                let body = self.metrics_text(now).into_bytes();
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Ok(Some(Response::new(200).body(kind, body)))
            }
            Resource::Everything => Ok(Some(Response::new(204))),
        }
    }

    /// A stream of server-sent events, or the same over a WebSocket.
    fn get_events(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        caller: &Caller,
        grant: &Grant,
    ) -> Result<Option<Response>, Problem> {
        let key = match head.wants_websocket() {
            Ok(key) => key.map(str::to_owned),
            Err(error) => return Ok(Some(error.response())),
        };
        let Some(Source::Http(http)) = self.sources.get_mut(source) else {
            return Ok(None);
        };
        http.grant = grant.clone();
        let Some(key) = key else {
            let response = Response::new(200)
                .header("Cache-Control", "no-store")
                .header("X-Accel-Buffering", "no")
                .header("Content-Type", "text/event-stream");
            if head.method == Method::Head {
                return Ok(Some(response));
            }
            *self.stats.requests.entry(2).or_default() += 1;
            http.connection.start_stream(now, caller.dress(response));
            let grant = http.grant.clone();
            self.subscribe(now, source, grant);
            return Ok(None);
        };
        let response = Response::new(101)
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Accept", &accept_key(&key));
        *self.stats.requests.entry(1).or_default() += 1;
        http.connection.upgrade(now, response);
        http.upgrading = Some(Purpose::Events);
        Ok(None)
    }

    /// Once the 101 is written, the bytes of a connection are WebSocket frames.
    fn finish_upgrade(&mut self, now: Instant, source: SourceId) -> bool {
        let Some(place) = self.sources.get_mut(source) else {
            return false;
        };
        if let Source::Http(http) = place
            && http.connection.is_upgraded()
            && let Some(purpose) = http.upgrading.take()
        {
            let grant = std::mem::take(&mut http.grant);
            if purpose == Purpose::Events
                && self
                    .access
                    .still_holds(self.routing.time.as_secs(), &grant)
                    .is_err()
            {
                self.remove_connection(source);
                return false;
            }
            let received = http.connection.take_upgraded_input();
            let is_events = purpose == Purpose::Events;
            *place = Source::WebSocket(Box::new(Socket {
                connection: WebSocketConnection::new(now, &received),
                purpose,
            }));
            if is_events {
                self.subscribe(now, source, grant);
            } else {
                self.handle_socket_opened(now, source);
            }
            return true;
        }
        false
    }

    fn delete(
        &mut self,
        now: Instant,
        source: SourceId,
        resource: &Resource,
        caller: &Caller,
        grant: &Grant,
    ) -> Result<Option<Response>, Problem> {
        if let Resource::Session(name) = resource {
            let id = self.find_session(name, grant)?;
            self.say_bye(now, id, "disconnected");
            return Ok(Some(Response::new(200)));
        }
        if let Resource::Endpoint(name) = resource {
            self.delete_endpoint(source, caller, name)?;
            return Ok(None);
        }
        if let Resource::Token(name) = resource {
            self.delete_token(now, source, caller, name)?;
            return Ok(None);
        }
        if *resource == Resource::Setup {
            self.delete_setup(now, source, caller)?;
            return Ok(None);
        }
        Err(Problem::new(404, "there is nothing at this path").at("path"))
    }

    /// A session that whoever asks has a right to know of.
    fn find_session(&self, name: &str, grant: &Grant) -> Result<crate::ids::SessionId, Problem> {
        let found = self.names.get(name).copied();
        let found = found.filter(|id| {
            let entry = self.sessions.get(*id);
            entry.is_some_and(|entry| grant.may_see(&entry.grant))
        });
        found.ok_or_else(|| Problem::new(404, "there is no session with this id").at("path"))
    }
}

/// How long a connection may stay idle after a request without a valid token.
const IDLE_AFTER_401: Duration = Duration::from_secs(5);

const JSON: &str = "application/json";

pub(super) fn not_found((_, detail): Denied) -> Problem {
    Problem::new(404, &detail).at("path")
}

fn options(resource: &Resource, caller: &Caller) -> Response {
    let allow = resource.allow();
    let response = Response::new(204).header("Allow", &allow);
    let response = if *resource == Resource::Sessions {
        response.header("Accept-Post", whip::SDP)
    } else if matches!(resource, Resource::Line(_) | Resource::Lease(_)) {
        response.header("Accept-Post", JSON)
    } else if matches!(resource, Resource::Session(_)) {
        response.header("Accept-Patch", whip::FRAGMENT)
    } else {
        response
    };
    caller.dress_preflight(response, &allow)
}
