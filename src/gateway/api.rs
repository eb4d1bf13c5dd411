//! Our own REST API: turns a request into calls into components, and their results into its response.

use std::time::Instant;

use serde_json::Value;

use super::ticket::{Offer, Ticket};
use super::{Gateway, controls, cx, figures, look, watching};
use crate::access::locality::Locality;
use crate::access::visitors::Right;
use crate::api::bodies::{JSON, metrics, options, ready};
use crate::api::media::MediaWish;
use crate::api::offers::{answered, description, etag, patch_session, refused_session};
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::api::shapes::{fresh_json, nothing_here};
use crate::api::whip::{self};
use crate::api::{Action, Resource, check_content_type};
use crate::configured::PendingWrite;
use crate::front::{Asked, NotLocal};
use crate::http::{Method, RequestHead, Response};
use crate::ids::RequestId;
use crate::session::set::{Begin, BeginError, Bye, Candidates, Description, SessionOwner};
use crate::signaling::door::PageOrigin;
use crate::signaling::rendezvous::{Claim, DialectRequest, Rendezvous};

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
        self.front.respond(cx!(self, now), request, done);
    }

    /// Checks what can be checked of a request before its body has arrived.
    fn check_before_body(
        &mut self,
        request: RequestId,
        head: &RequestHead,
        asked: &Asked,
    ) -> Result<(), Problem> {
        match (&asked.resource, asked.action) {
            (Resource::Sessions | Resource::Whep(_) | Resource::Whip(_), Action::Post) => {
                check_content_type(head, whip::SDP, "Accept-Post")?;
                let wish = MediaWish::of(&asked.resource, asked.query.as_deref());
                look!(self).check_wish(&wish, &asked.grant)?;
                let claimant = look!(self).claimant(request, &asked.grant);
                let (grant, owner) = (&asked.grant, SessionOwner::Api);
                let room = self.sessions.check_room(grant, &claimant, owner);
                room.map(|_| ()).map_err(|why| refused_session(&why))
            }
            (Resource::Session(name), Action::Patch) => {
                look!(self).find_session(name, &asked.grant)?;
                if check_content_type(head, whip::SDP, "Accept-Patch").is_ok() {
                    let wish = MediaWish::of(&asked.resource, asked.query.as_deref());
                    return look!(self).check_wish(&wish, &asked.grant);
                }
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
            Err(problem) => {
                let cx = cx!(self, now);
                return self.front.respond(cx, request, Err(problem));
            }
        };
        let done = self.post(now, request, asked, body);
        self.front.respond(cx!(self, now), request, done);
    }

    /// Acts on a request with its body.
    fn post(&mut self, now: Instant, request: RequestId, asked: Asked, body: Vec<u8>) -> Done {
        match (&asked.resource, asked.action) {
            (Resource::Sessions | Resource::Whep(_) | Resource::Whip(_), Action::Post) => {
                let remote = self.front.connections().remote_of(request);
                let media = MediaWish::of(&asked.resource, asked.query.as_deref());
                let offer = Offer::new(request, asked.grant, remote, body, media);
                let ticket = Ticket::Offer(Box::new(offer));
                self.network.gather(cx!(self, now), ticket);
                Ok(None)
            }
            (Resource::Session(name), Action::Patch) => {
                let id = look!(self).find_session(name, &asked.grant)?;
                if whip::is_description(&body) {
                    let cx = cx!(self, now);
                    return watching!(self).reoffer(cx, id, &asked, &body).map(Some);
                }
                let (cx, tag) = (cx!(self, now), asked.if_match.as_deref());
                patch_session(&mut self.sessions, cx, id, tag, &body)
            }
            (Resource::Line(name), Action::Post) => {
                let endpoint = look!(self).find_endpoint(name)?;
                controls!(self).post_line(cx!(self, now), request, endpoint, &body)
            }
            (Resource::Lease(name), Action::Post) => {
                let endpoint = look!(self).find_endpoint(name)?;
                controls!(self).post_lease(cx!(self, now), endpoint, &body)
            }
            (Resource::Endpoint(name), Action::Put) => {
                let (endpoint, text, replace) = look!(self).read_endpoint(name, &body)?;
                let write = PendingWrite::of(request, endpoint);
                self.config
                    .write_file(cx!(self, now), write, Some(text), replace);
                Ok(None)
            }
            (Resource::Tickets, Action::Post) => {
                let (cx, grant) = (cx!(self, now), asked.grant);
                self.front.post_ticket(cx, request, grant).map(Some)
            }
            (resource, _) => {
                let changed =
                    self.front
                        .change_access(cx!(self, now), request, resource, Some(&body));
                changed.map(|()| None)
            }
        }
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
            Resource::EndpointFile(name) => {
                look!(self).check_own_file(name)?;
                self.config.read_file(cx!(self, now), request, name);
                Ok(None)
            }
            Resource::EndpointSdp(name) => {
                let sdp = (self.media).describe(name, look!(self).find_endpoint(name)?);
                sdp.map(description).map(Some)
            }
            Resource::Ports => {
                self.config.ask_ports(cx!(self, now), request);
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
            | Resource::Whep(_)
            | Resource::Whip(_)
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
            Resource::Ready => ready(self.is_ready()).map(Some),
            Resource::Metrics => Ok(Some(metrics(figures!(self, now).text()))),
            Resource::Page(_)
            | Resource::Authority(_)
            | Resource::Health
            | Resource::Everything => look!(self).file(head, &asked.resource).map(Some),
        }
    }

    fn delete(&mut self, now: Instant, request: RequestId, asked: &Asked) -> Done {
        if let Resource::Session(name) = &asked.resource {
            let id = look!(self).find_session(name, &asked.grant)?;
            self.sessions.say_bye(cx!(self, now), id, Bye::Disconnected);
            self.take_news(now, id);
            return Ok(Some(Response::new(200)));
        }
        if let Resource::Endpoint(name) = &asked.resource {
            look!(self).check_own_file(name)?;
            let removal = PendingWrite::removal(request, name);
            self.config.write_file(cx!(self, now), removal, None, true);
            return Ok(None);
        }
        let (cx, resource) = (cx!(self, now), &asked.resource);
        self.front.change_access(cx, request, resource, None)?;
        Ok(None)
    }

    // ---- sessions ----

    /// Makes the session of an offer over HTTP, now that this machine's addresses are known.
    pub(super) fn create_session(
        &mut self,
        now: Instant,
        offer: Offer,
    ) -> Result<Response, Problem> {
        // Check again, because many heads may have been accepted before the first body arrived.
        if let Err(problem) = self.front.check_still(cx!(self, now), &offer.grant) {
            self.sessions.count_refused();
            return Err(problem);
        }
        let claimant = look!(self).claimant(offer.request, &offer.grant);
        let find = |name: &str| self.devices.table().find(name);
        let (tracks, wishes) = self.media.take_wish(&offer.media, &offer.grant, find)?;
        let begin = Begin {
            how: Description::Answer(&offer.body),
            owner: SessionOwner::Api,
            rights: offer.grant,
            claimant,
            remote: offer.remote,
            candidates: Candidates::Hosts(self.network.candidates(offer.vantage)),
            tracks: &wishes,
            may_get_tracks: self.media.has_any(),
        };
        let begun = self.begin_session(now, begin).map_err(|why| {
            // A refusal for lack of room was already counted where it was found.
            if !why.is_busy() && why != BeginError::Collision {
                self.sessions.count_refused();
            }
            refused_session(&why)
        })?;
        let outcomes = tracks.into_iter().zip(begun.tracks);
        self.media.join(cx!(self, now), begun.id, false, outcomes);
        let session = self.sessions.get(begun.id);
        let (name, etag) = session.map(|it| (it.name(), etag(it))).unwrap_or_default();
        Ok(answered(name, &etag, begun.sdp))
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
        let (caller, is_trusted, locality) = match self.check_dialect(now, request, head, &claim) {
            Ok(checked) => checked,
            Err(response) => {
                let cx = cx!(self, now);
                return self.front.connections_mut().answer(cx, request, response);
            }
        };
        if locality == Locality::Local {
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
            locality,
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
    ) -> Result<(Caller, bool, Locality), Response> {
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
        let locality = match self.front.locality(request, head) {
            Ok(Locality::Local) => Ok(Locality::Local),
            Ok(Locality::Network(remote)) if self.rendezvous.is_exposed() => {
                Ok(Locality::Network(remote))
            }
            Ok(Locality::Network(_)) => {
                Err("from beyond this machine it is open only where skyway.expose is true")
            }
            Err(NotLocal::Closed) => Err("the connection was closed"),
            Err(NotLocal::NoTls) => Err("this port speaks TLS: use https"),
        };
        let locality = locality.map_err(|detail| claim.error(403, "address", detail))?;
        Ok((caller, is_trusted, locality))
    }
}
