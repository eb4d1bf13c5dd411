//! Our own REST API: turns a request into calls into components, and their results into its response.

use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::lookups::Denied;
use super::metrics::Figures;
use super::ticket::{Offer, Ticket};
use super::views::endpoint_state;
use super::{Gateway, cx, look};
use crate::access::locality::Locality;
use crate::access::scope::Grant;
use crate::access::visitors::Right;
use crate::api::bodies::{JSON, LeaseBody, LineBody, options, parse, text};
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::api::shapes::fresh_json;
use crate::api::{Action, Resource, authority, check_content_type};
use crate::devices::{After, Asker};
use crate::endpoint::script::Script;
use crate::front::{Asked, NotLocal};
use crate::http::{Method, RequestHead, Response};
use crate::ice::gatherer::Vantage;
use crate::ids::{ConnectionId, RequestId, SessionId};
use crate::session::Session;
use crate::session::control::Wish;
use crate::session::set::{Begin, BeginError, Bye, Candidates, Description, SessionOwner};
use crate::signaling::door::{PageOrigin, Standing};
use crate::signaling::rendezvous::{Claim, DialectRequest, Rendezvous};
use crate::signaling::whip::{self, Fragment};

/// The response to a request, or `None` if the response comes later.
type Done = Result<Option<Response>, Problem>;

impl Gateway {
    /// Handles the head of a request, and decides whether the request's body is read at all.
    pub(super) fn handle_head(&mut self, now: Instant, request: RequestId, head: &RequestHead) {
        if let Some(claim) = Rendezvous::claims(head) {
            return self.handle_dialect(now, request, head, claim);
        }
        let Some(asked) = self.front.check(cx!(self, now), request, head) else {
            return;
        };
        let done = match asked.action {
            Action::Get => self.get(now, request, head, &asked),
            Action::Delete => self.delete(now, request, &asked),
            Action::Options => Ok(Some(options(
                &asked.resource,
                &self.front.connections().caller_of(request),
            ))),
            Action::Post | Action::Put | Action::Patch => {
                self.check_before_body(request, head, &asked).map(|()| {
                    let cx = cx!(self, now);
                    self.front
                        .connections_mut()
                        .accept_body(cx, request, Some(asked));
                    None
                })
            }
        };
        self.finish(now, request, done);
    }

    fn finish(&mut self, now: Instant, request: RequestId, done: Done) {
        let cx = cx!(self, now);
        match done {
            Ok(Some(response)) => self.front.connections_mut().answer(cx, request, response),
            Ok(None) => {}
            Err(problem) => self.front.refuse(cx, request, &problem),
        }
    }

    /// Checks what can be checked of a request before its body has arrived.
    fn check_before_body(
        &mut self,
        request: RequestId,
        head: &RequestHead,
        asked: &Asked,
    ) -> Result<(), Problem> {
        match (&asked.resource, asked.action) {
            (Resource::Sessions, Action::Post) => {
                check_content_type(head, whip::SDP, "Accept-Post")?;
                let claimant = look!(self).claimant(request, &asked.grant);
                let (grant, owner) = (&asked.grant, SessionOwner::Api);
                let room = self.sessions.check_room(grant, &claimant, owner);
                room.map(|_| ()).map_err(|why| refused_session(&why))
            }
            (Resource::Session(name), Action::Patch) => {
                look!(self).find_session(name, &asked.grant)?;
                check_content_type(head, whip::FRAGMENT, "Accept-Patch")
            }
            (Resource::Line(name) | Resource::Lease(name), Action::Post) => {
                look!(self).find_endpoint(name)?;
                check_content_type(head, JSON, "Accept-Post")
            }
            (Resource::Endpoint(name), Action::Put) => {
                look!(self).check_configurable(name)?;
                check_content_type(head, JSON, "Accept")
            }
            _ => Ok(()),
        }
    }

    /// Handles the body of a request.
    pub(super) fn handle_body(&mut self, now: Instant, request: RequestId, body: Vec<u8>) {
        let asked = match self.front.resume(cx!(self, now), request) {
            Ok(Some(asked)) => asked,
            Ok(None) => return self.rendezvous.handle_body(cx!(self, now), request, &body),
            Err(problem) => return self.finish(now, request, Err(problem)),
        };
        let done = match (&asked.resource, asked.action) {
            (Resource::Sessions, Action::Post) => {
                self.park_offer(now, request, asked.grant, body);
                Ok(None)
            }
            (Resource::Session(name), Action::Patch) => {
                let found = look!(self).find_session(name, &asked.grant);
                found.and_then(|id| self.patch_session(now, id, asked.if_match.as_deref(), &body))
            }
            (Resource::Line(name), Action::Post) => self.post_line(now, request, name, &body),
            (Resource::Lease(name), Action::Post) => self.post_lease(now, name, &body),
            (Resource::Endpoint(name), Action::Put) => {
                self.put_endpoint(request, name, &body).map(|()| None)
            }
            (Resource::Tickets, Action::Post) => {
                let (cx, grant) = (cx!(self, now), asked.grant);
                self.front.post_ticket(cx, request, grant).map(Some)
            }
            (resource, _) => {
                let changed = self
                    .front
                    .change_access(cx!(self, now), request, resource, &body);
                changed.map(|()| None)
            }
        };
        self.finish(now, request, done);
    }

    fn get(&mut self, now: Instant, request: RequestId, head: &RequestHead, asked: &Asked) -> Done {
        let grant = &asked.grant;
        let fresh = |value: Value| Ok(Some(fresh_json(&value)));
        match &asked.resource {
            Resource::Sessions => fresh(look!(self).sessions(now, grant)),
            Resource::Session(name) => {
                let id = look!(self).find_session(name, grant)?;
                fresh(look!(self).session(now, id).unwrap_or_default())
            }
            Resource::Endpoints => fresh(look!(self).endpoints(grant)),
            Resource::Endpoint(name) => {
                let id = look!(self).find_endpoint(name)?;
                // Ask the serial line for its state first; the response is sent when the line has answered.
                if self.devices.look(cx!(self, now), id, request) {
                    return Ok(None);
                }
                fresh(look!(self).endpoint(id).unwrap_or_default())
            }
            Resource::EndpointFile(name) => self.ask_endpoint_file(request, name).map(|()| None),
            Resource::Ports => {
                self.ask_ports(request);
                Ok(None)
            }
            Resource::Access => {
                if grant.admin {
                    // List the addresses again for the next request, because the machine may have got a new
                    // one.
                    self.network.list(cx!(self, now));
                }
                fresh(look!(self).access(request, grant))
            }
            Resource::Tokens => fresh(self.front.tokens_json()),
            Resource::Line(_)
            | Resource::Lease(_)
            | Resource::Token(_)
            | Resource::Tickets
            | Resource::Shares
            | Resource::Redeem
            | Resource::Setup => Err(nothing_here()),
            Resource::Events => {
                let (cx, grant) = (cx!(self, now), grant.clone());
                self.front
                    .connections_mut()
                    .start_events(cx, request, head, grant);
                Ok(None)
            }
            Resource::Page(_)
            | Resource::Authority(_)
            | Resource::Health
            | Resource::Ready
            | Resource::Metrics
            | Resource::Everything => self.get_open(now, head, &asked.resource).map(Some),
        }
    }

    /// `GET` of what depends on no right: pages, and how the daemon does.
    fn get_open(
        &self,
        now: Instant,
        head: &RequestHead,
        resource: &Resource,
    ) -> Result<Response, Problem> {
        match resource {
            Resource::Page(asset) => asset.response(head),
            Resource::Authority(file) => {
                let tls = self.front.tls();
                let authority = tls.and_then(|tls| tls.authority.as_ref());
                let authority = authority.ok_or_else(authority::none)?;
                file.response(authority)
            }
            Resource::Health => Ok(text("ok\n")),
            Resource::Ready if self.sources.is_ready() && self.drain.is_none() => {
                Ok(text("ready\n"))
            }
            Resource::Ready => Err(Problem::new(503, "starting or shutting down")),
            Resource::Metrics => {
                let body = self.figures(now).text().into_bytes();
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Ok(Response::new(200).body(kind, body))
            }
            Resource::Everything => Ok(Response::new(204)),
            Resource::Sessions
            | Resource::Session(_)
            | Resource::Endpoints
            | Resource::Endpoint(_)
            | Resource::EndpointFile(_)
            | Resource::Line(_)
            | Resource::Lease(_)
            | Resource::Ports
            | Resource::Access
            | Resource::Tokens
            | Resource::Token(_)
            | Resource::Tickets
            | Resource::Shares
            | Resource::Redeem
            | Resource::Setup
            | Resource::Events => Err(nothing_here()),
        }
    }

    pub(super) fn figures(&self, now: Instant) -> Figures<'_> {
        Figures {
            uptime: now.saturating_duration_since(self.clock.started),
            sources: &self.sources,
            front: &self.front,
            table: self.devices.table(),
            network: &self.network,
            sessions: &self.sessions,
            rendezvous: &self.rendezvous,
        }
    }

    fn delete(&mut self, now: Instant, request: RequestId, asked: &Asked) -> Done {
        match &asked.resource {
            Resource::Session(name) => {
                let id = look!(self).find_session(name, &asked.grant)?;
                self.sessions.say_bye(cx!(self, now), id, Bye::Disconnected);
                self.take_news(now, id);
                Ok(Some(Response::new(200)))
            }
            Resource::Endpoint(name) => self.delete_endpoint(request, name).map(|()| None),
            Resource::Token(name) => {
                let deleted = self.front.delete_token(cx!(self, now), request, name);
                deleted.map(|()| None)
            }
            Resource::Setup => {
                let deleted = self.front.delete_setup(cx!(self, now), request);
                deleted.map(|()| None)
            }
            Resource::Page(_)
            | Resource::Authority(_)
            | Resource::Sessions
            | Resource::Endpoints
            | Resource::EndpointFile(_)
            | Resource::Line(_)
            | Resource::Lease(_)
            | Resource::Ports
            | Resource::Access
            | Resource::Tokens
            | Resource::Tickets
            | Resource::Shares
            | Resource::Redeem
            | Resource::Events
            | Resource::Health
            | Resource::Ready
            | Resource::Metrics
            | Resource::Everything => Err(nothing_here()),
        }
    }

    // ---- sessions ----

    fn park_offer(&mut self, now: Instant, request: RequestId, grant: Grant, body: Vec<u8>) {
        let remote = self.front.connections().remote_of(request);
        let is_local = remote.is_some_and(|remote| remote.is_loopback());
        let offer = Offer {
            request,
            grant,
            vantage: if is_local {
                Vantage::Local
            } else {
                Vantage::Remote
            },
            remote,
            body,
        };
        let ticket = Ticket::Offer(Box::new(offer));
        self.network.gather(cx!(self, now), ticket);
    }

    /// Answers an offer over HTTP, now that this machine's addresses are known.
    pub(super) fn answer_offer(&mut self, now: Instant, offer: Offer) {
        // A session that no client learns of would take a place until it times out.
        if !self.front.connections().is_open(offer.request) {
            return;
        }
        let request = offer.request;
        let done = self.create_session(now, offer);
        self.finish(now, request, done.map(Some));
    }

    fn create_session(&mut self, now: Instant, offer: Offer) -> Result<Response, Problem> {
        // Check again, because many heads may have been accepted before the first body arrived.
        if let Err(problem) = self.front.check_still(cx!(self, now), &offer.grant) {
            self.sessions.count_refused();
            return Err(problem);
        }
        let claimant = look!(self).claimant(offer.request, &offer.grant);
        let begin = Begin {
            how: Description::Answer(&offer.body),
            owner: SessionOwner::Api,
            rights: offer.grant,
            claimant,
            remote: offer.remote,
            candidates: Candidates::Hosts(self.network.candidates(offer.vantage)),
        };
        let begun = self.begin_session(now, begin).map_err(|why| {
            // A refusal for lack of room was already counted where it was found.
            if !why.is_busy() && why != BeginError::Collision {
                self.sessions.count_refused();
            }
            refused_session(&why)
        })?;
        let session = self.sessions.get(begun.id);
        let (name, etag) = session.map(|it| (it.name(), etag(it))).unwrap_or_default();
        Ok(Response::new(201)
            .header("Location", &format!("/sessions/{name}"))
            .header("ETag", &etag)
            .header("Accept-Patch", whip::FRAGMENT)
            .header("Cache-Control", "no-store")
            .body(whip::SDP, begun.sdp.into_bytes()))
    }

    /// Adds trickled candidates (RFC 8838).
    fn patch_session(
        &mut self,
        now: Instant,
        id: SessionId,
        if_match: Option<&str>,
        body: &[u8],
    ) -> Done {
        let fragment = Fragment::parse(body)?;
        let Some(session) = self.sessions.get(id) else {
            return Err(Problem::new(404, "the session has ended").at("path"));
        };
        // RFC 9725 §4.3.1: the entity tag names the ICE session that a fragment is for.
        if if_match.is_some_and(|tag| !whip::matches(tag, &etag(session))) {
            let detail = "the fragment is for another ICE session than the current one";
            return Err(Problem::new(412, detail).at("If-Match"));
        }
        let remote = session.remote_ufrag();
        if fragment.ufrag.is_some_and(|ufrag| ufrag != remote) {
            // RFC 9725 §4.3: 422 where only trickle is supported.
            let detail = "an ICE restart is not supported yet; make a new session";
            return Err(Problem::new(422, detail).at("a=ice-ufrag"));
        }
        let candidates = fragment.candidates.iter().copied();
        self.sessions
            .add_candidates(cx!(self, now), id, candidates)?;
        Ok(Some(Response::new(204)))
    }

    // ---- endpoints ----

    fn post_line(&mut self, now: Instant, request: RequestId, name: &str, body: &[u8]) -> Done {
        let endpoint = look!(self).find_endpoint(name)?;
        let fields: LineBody<'_> = parse(body)?;
        let script = Script::parse(fields.script.map_or("[]", RawValue::get)).map_err(|bad| {
            let place = bad.step.map(|step| format!("do[{step}]"));
            let place = place.as_deref().unwrap_or("do");
            Problem::new(400, &bad.to_string()).at(place)
        })?;
        let after = fields.after;
        let after = after.map_or(After::Now, |offset| After::Device { offset });
        let asker = Asker::Request(request);
        self.devices
            .run_script(cx!(self, now), endpoint, asker, script, after);
        Ok(None)
    }

    fn post_lease(&mut self, now: Instant, name: &str, body: &[u8]) -> Done {
        let endpoint = look!(self).find_endpoint(name)?;
        let fields: LeaseBody = parse(body)?;
        let wish = Wish::parse(&fields.what, false, fields.to)
            .map_err(|detail| Problem::new(400, &detail).at("do"))?;
        let is_give = matches!(wish, Wish::Give { .. });
        let done = self.wish_lease(now, None, endpoint, &wish);
        done.map_err(|Denied { reason, detail }| {
            let is_receiver = is_give && reason == "unknown-session";
            Problem::new(409, &detail).at(if is_receiver { "to" } else { "do" })
        })?;
        Ok(Some(Response::new(200)))
    }

    // ---- the gateway itself ----

    /// Sends a new reader of events the current states.
    pub(super) fn show_state(&mut self, now: Instant, reader: ConnectionId) {
        let Some(grant) = self.front.connections().reader_grant(reader) else {
            return;
        };
        let mut current = Vec::new();
        for view in look!(self).endpoint_states(&grant) {
            current.push(("endpoint", json!(endpoint_state(&view))));
        }
        let ids = self.sessions.ids();
        for id in ids.into_iter().filter(|_| grant.admin) {
            if let Some(session) = self.sessions.get(id) {
                let (name, state) = (session.name(), session.state().as_str());
                current.push(("session", json!({"id": name, "state": state})));
            }
        }
        self.front.subscribe(cx!(self, now), reader, &current);
    }

    // ---- dialects ----

    /// Checks a request that a dialect claims, and hands the request to the rendezvous.
    fn handle_dialect(
        &mut self,
        now: Instant,
        request: RequestId,
        head: &RequestHead,
        claim: Claim,
    ) {
        let (caller, is_trusted, standing) = match self.check_dialect(now, request, head, &claim) {
            Ok(checked) => checked,
            Err(response) => {
                let cx = cx!(self, now);
                return self.front.connections_mut().answer(cx, request, response);
            }
        };
        if standing == Standing::Local {
            self.front
                .connections_mut()
                .show_right(request.connection, Right::Token);
        }
        let origin = match (&caller, head.header("Origin")) {
            (Caller::Own, Some(own)) => PageOrigin::of_page(own, true),
            (Caller::Own, None) => PageOrigin::default(),
            (Caller::Allowed(origin) | Caller::WithCredentials(origin), _) => {
                PageOrigin::of_page(origin, is_trusted)
            }
        };
        let Some((local, _)) = self.front.connections().addresses_of(request) else {
            return;
        };
        let dialect_request = DialectRequest {
            id: request,
            claim,
            standing,
            origin,
            local,
            query: head.query.clone().unwrap_or_default(),
        };
        let cx = cx!(self, now);
        self.rendezvous.handle_head(cx, dialect_request, head);
    }

    /// Returns which page asks, whether its origin has all rights, and where its client is; or a response that ends the request.
    fn check_dialect(
        &mut self,
        now: Instant,
        request: RequestId,
        head: &RequestHead,
        claim: &Claim,
    ) -> Result<(Caller, bool, Standing), Response> {
        // Origins of one dialect's keys mean nothing to the other dialects.
        let origins = self.rendezvous.origins(claim);
        let checked = (self.front).check_dialect(cx!(self, now), request, head, origins);
        let (caller, is_trusted) = checked.map_err(|problem| {
            let is_host = problem.status() == 421;
            let field = if is_host { "Host" } else { "Origin" };
            claim.error(403, field, problem.detail())
        })?;
        if head.method == Method::Options {
            let allow = claim.allow(head);
            let response = Response::new(204).header("Allow", &allow);
            let caller = caller.with_credentials();
            return Err(caller.dress_preflight(response, &allow));
        }
        if let Some(response) = claim.not_allowed() {
            return Err(response);
        }
        let standing = self.standing(request, head);
        let standing = standing.map_err(|detail| claim.error(403, "address", detail))?;
        Ok((caller, is_trusted, standing))
    }

    /// Returns the standing of a dialect's client. The error says why the client's request is refused.
    fn standing(&self, request: RequestId, head: &RequestHead) -> Result<Standing, &'static str> {
        match self.front.locality(request, head) {
            Ok(Locality::Local) => Ok(Standing::Local),
            Ok(Locality::Network(remote)) if self.rendezvous.is_exposed() => {
                Ok(Standing::Network(remote))
            }
            Ok(Locality::Network(_)) => {
                Err("from beyond this machine it is open only where skyway.expose is true")
            }
            Err(NotLocal::Closed) => Err("the connection was closed"),
            Err(NotLocal::NoTls) => Err("this port speaks TLS: use https"),
        }
    }
}

/// Returns the entity tag of a session. Each ICE session has one tag.
fn etag(session: &Session) -> String {
    format!("\"{}\"", session.local_ufrag())
}

fn refused_session(why: &BeginError) -> Problem {
    match why {
        BeginError::Sdp(error) => error.clone().into(),
        BeginError::Panicked => Problem::new(400, "the offer is not understood"),
        BeginError::Collision => Problem::new(503, "please try again").header("Retry-After", "0"),
        BeginError::Draining
        | BeginError::Token(_)
        | BeginError::Full { .. }
        | BeginError::Reserved { .. } => {
            Problem::new(503, &why.to_string()).header("Retry-After", "5")
        }
    }
}

fn nothing_here() -> Problem {
    Problem::new(404, "there is nothing at this path").at("path")
}
