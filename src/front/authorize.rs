//! The check of a request: first its names and origins, then its token, then the token's rights.

use std::net::IpAddr;
use std::time::Duration;

use super::Front;
use super::connection::Asked;
use super::connection::Reach;
use crate::access::locality::Locality;
use crate::access::scope::{Grant, Verb};
use crate::access::tries::Guess;
use crate::access::visitors::Right;
use crate::access::{BOOT, TokenRefusal, secret};
use crate::api::origin::{Caller, check_fetch_site, check_fetch_site_of};
use crate::api::problem::Problem;
use crate::api::{Action, Resource};
use crate::http::{self, RequestHead};
use crate::ids::RequestId;
use crate::sources::Context;

/// Why a request of a dialect is refused here.
#[derive(Debug)]
pub(crate) enum NotLocal {
    /// The connection was closed.
    Closed,
    /// The client speaks plain HTTP at a listener that requires TLS.
    NoTls,
}

impl Front {
    /// Checks a request for one of our own resources. Answers a refused request, and returns `None` then.
    pub(crate) fn check(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        head: &RequestHead,
    ) -> Option<Asked> {
        match self.check_own(cx, request, head) {
            Ok(asked) => {
                if let Some(open) = self.connections.open_request(request) {
                    open.token = asked.grant.token.as_ref().map(|token| token.id.clone());
                }
                Some(asked)
            }
            Err(problem) => {
                self.refuse(cx, request, &problem);
                None
            }
        }
    }

    fn check_own(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        head: &RequestHead,
    ) -> Result<Asked, Problem> {
        self.check_origin(cx, request, head, std::iter::empty())?;
        let resource = Resource::resolve(head)?;
        check_fetch_site(head, &resource)?;
        let action = resource.action(&head.method)?;
        // A preflight cannot have a token (Fetch standard).
        let grant = if action == Action::Options {
            Grant::default()
        } else {
            self.authorize(cx, request, head, &resource)?
        };
        if grant != Grant::default() {
            self.connections
                .show_right(request.connection, Right::Token);
        }
        permit(&grant, &resource, action)?;
        Ok(Asked {
            resource,
            action,
            grant,
            if_match: head.header("If-Match").map(str::to_owned),
            query: head.query.clone(),
        })
    }

    /// Checks the names and origins of a request. Pages of the `more` origins are allowed, too.
    fn check_origin<'a>(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        head: &RequestHead,
        more: impl Iterator<Item = &'a String>,
    ) -> Result<Caller, Problem> {
        let Some((local, _)) = self.connections.addresses_of(request) else {
            return Ok(Caller::Own);
        };
        match self.policy.check_with(head, local, more) {
            Ok(caller) => {
                if let Some(open) = self.connections.open_request(request) {
                    open.caller = Some(caller.clone());
                }
                Ok(caller)
            }
            Err(problem) => {
                self.log_foreign_origin(cx, request, &problem);
                Err(problem)
            }
        }
    }

    /// Checks the names and origins of a request of a dialect whose keys allow `origins`. Returns the page
    /// that sends the request, and whether the page is one of ours or of an allowed origin.
    pub(crate) fn check_dialect<'a>(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        head: &RequestHead,
        origins: impl Iterator<Item = &'a String>,
    ) -> Result<(Caller, bool), Problem> {
        let caller = self.check_origin(cx, request, head, origins)?;
        if let Err(problem) = check_fetch_site_of(head, false) {
            if let Some(open) = self.connections.open_request(request) {
                open.caller = None;
            }
            self.log_foreign_origin(cx, request, &problem);
            return Err(problem);
        }
        let is_trusted = match &caller {
            Caller::Own => true,
            Caller::Allowed(origin) | Caller::WithCredentials(origin) => self.policy.allows(origin),
        };
        if let Some(open) = self.connections.open_request(request) {
            open.caller = Some(caller.clone().with_credentials());
        }
        Ok((caller, is_trusted))
    }

    /// Logs that a name or origin is foreign.
    fn log_foreign_origin(&mut self, cx: &Context<'_>, request: RequestId, problem: &Problem) {
        let Some((_, remote)) = self.connections.addresses_of(request) else {
            return;
        };
        // Log refusals from the network once per address and minute, so that one noisy client does not hide
        // another.
        let passed = match self.connections.network_of(request.connection) {
            Some(address) => self.access.tries.note(cx.now, address),
            None => self.refusals.pass(cx.now),
        };
        if let Some(held_back) = passed {
            let detail = problem.detail();
            log::warn!("{remote}: refused: {detail} ({held_back} more before)");
        }
    }

    /// Returns the locality of the client that sent a dialect's request.
    pub(crate) fn locality(
        &self,
        request: RequestId,
        head: &RequestHead,
    ) -> Result<Locality, NotLocal> {
        let connection = self
            .connections
            .get(request.connection)
            .ok_or(NotLocal::Closed)?;
        let remote = connection.remote.ip();
        let is_local = match connection.reach {
            Reach::ControlSocket => true,
            Reach::Loopback => self.trust_loopback && !is_forwarded(head),
            Reach::Network { .. } => false,
            Reach::Redirect => return Err(NotLocal::NoTls),
        };
        Ok(if is_local {
            Locality::Local
        } else {
            Locality::Network(remote)
        })
    }

    /// Returns the rights of a request's client. The problem says why the request is refused.
    fn authorize(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
        head: &RequestHead,
        resource: &Resource,
    ) -> Result<Grant, Problem> {
        let Some(connection) = self.connections.get(request.connection) else {
            return Ok(Grant::default());
        };
        let (reach, remote) = (connection.reach, connection.remote.ip());
        let ticket = check_query(head, resource)?;
        if reach == Reach::Redirect {
            return Err(redirect(head));
        }
        let authorization = head.header("Authorization");
        if authorization.is_none() && ticket.is_none() {
            // A request forwarded by a proxy is for another client, so it does not count as this machine's,
            // although its connection is local.
            let is_local = match reach {
                Reach::ControlSocket => true,
                Reach::Loopback => self.trust_loopback && !is_forwarded(head),
                Reach::Network { .. } | Reach::Redirect => false,
            };
            if is_local {
                return Ok(Grant::everything());
            }
            if resource.is_public() {
                return Ok(Grant::default());
            }
            return Err(refused(TokenRefusal::Missing));
        }
        let (now, time) = (cx.now, cx.unix_time());
        let allowed = self.access.tries.check(now, remote, Guess::Token);
        let checked = match (ticket, authorization) {
            (Some(ticket), _) => {
                let grant = self.access.tickets.redeem(now, ticket, remote);
                grant.ok_or(TokenRefusal::Unknown)
            }
            (None, Some(value)) => bearer(value)
                .ok_or(TokenRefusal::Unknown)
                .and_then(|token| self.access.check(time, token)),
            (None, None) => Err(TokenRefusal::Missing),
        };
        match (checked, allowed) {
            // A secret of 256 bits cannot be guessed, so failed tries from the same address do not block a
            // client that has one. The boot token is different, because a person has chosen its secret.
            (Ok(grant), Ok(())) => Ok(grant),
            (Ok(grant), Err(_)) if !grant.is_of(BOOT) => Ok(grant),
            (_, Err(wait)) => Err(too_many_tries(wait)),
            (Err(refusal), Ok(())) => {
                if refusal == TokenRefusal::Unknown {
                    self.note_failed_try(cx, remote);
                } else {
                    self.log_refusal(cx, remote, refusal);
                }
                Err(refused(refusal))
            }
        }
    }

    /// Logs a refusal that was not a guess, at a limited rate per address.
    fn log_refusal(&mut self, cx: &Context<'_>, remote: IpAddr, refusal: TokenRefusal) {
        if let Some(untold) = self.access.tries.note(cx.now, remote) {
            let why = refusal.as_str();
            log::warn!("{remote}: refused: {why} ({untold} more before)");
        }
    }

    /// Counts a token, ticket or code that does not exist.
    pub(super) fn note_failed_try(&mut self, cx: &Context<'_>, remote: IpAddr) {
        self.connections.stats.tries_failed += 1;
        if let Some(untold) = self.access.tries.fail(cx.now, remote, Guess::Token) {
            log::warn!("{remote}: refused: an unknown token ({untold} more before)");
        }
    }

    /// Returns the resource and the rights of a request whose body has arrived, or `None` if the request is
    /// not one of our own API. The error says that the request's token is no longer valid.
    pub(crate) fn resume(
        &mut self,
        cx: &Context<'_>,
        request: RequestId,
    ) -> Result<Option<Asked>, Problem> {
        let open = self.connections.open_request(request);
        let Some(asked) = open.and_then(|open| open.asked.take()) else {
            return Ok(None);
        };
        self.check_still(cx, &asked.grant)?;
        Ok(Some(*asked))
    }

    /// Returns an error if the token of a request is no longer valid.
    pub(crate) fn check_still(&self, cx: &Context<'_>, grant: &Grant) -> Result<(), Problem> {
        let still = self.access.still_holds(cx.unix_time(), grant);
        still.map_err(refused)
    }
}

/// Returns an error if a grant does not allow a request. Rights that depend on a session's token are checked
/// later.
fn permit(grant: &Grant, resource: &Resource, action: Action) -> Result<(), Problem> {
    if action == Action::Options || resource.is_public() {
        return Ok(());
    }
    let unseen = || Err(Problem::new(404, "no endpoint has this name").at("path"));
    let needs = |verb: Verb, name: &str| match (grant.allows(name, Verb::Read), verb) {
        (false, _) if !grant.admin => unseen(),
        _ if grant.allows(name, verb) => Ok(()),
        _ => Err(forbidden(
            "this token does not allow that for this endpoint",
        )),
    };
    let admin = || {
        if grant.admin {
            Ok(())
        } else {
            Err(forbidden("only a token with admin may do this"))
        }
    };
    match (resource, action) {
        (Resource::Endpoint(name), Action::Get)
        | (Resource::Whep(name) | Resource::EndpointSdp(name), _) => needs(Verb::Read, name),
        (Resource::Whip(name), _) => needs(Verb::Write, name),
        (Resource::Line(name), _) => needs(Verb::Line, name),
        (Resource::Lease(name), _) => needs(Verb::Write, name),
        (Resource::Events | Resource::Metrics, _) if !grant.reads_all() => Err(forbidden(
            "only a token that reads all endpoints (\"*\") may see this",
        )),
        (
            Resource::Endpoint(_)
            | Resource::EndpointFile(_)
            | Resource::Ports
            | Resource::Tokens
            | Resource::Token(_)
            | Resource::Shares
            | Resource::Setup,
            _,
        ) => admin(),
        // These resources depend on a session's token, or show each token only what it may see. A new
        // resource must not come here by default.
        (
            Resource::Sessions
            | Resource::Session(_)
            | Resource::Endpoints
            | Resource::Events
            | Resource::Metrics
            | Resource::Access
            | Resource::Tickets
            | Resource::Page(_)
            | Resource::Authority(_)
            | Resource::Health
            | Resource::Ready
            | Resource::Redeem
            | Resource::Everything,
            _,
        ) => Ok(()),
    }
}

pub(crate) fn forbidden(detail: &str) -> Problem {
    Problem::new(403, detail).kind("forbidden")
}

pub(crate) fn refused(refusal: TokenRefusal) -> Problem {
    let error = if refusal == TokenRefusal::Missing {
        ""
    } else {
        ", error=\"invalid_token\""
    };
    let challenge = format!("Bearer realm=\"thingway\"{error}");
    Problem::new(401, &refusal.to_string())
        .kind(refusal.as_str())
        .at("Authorization")
        .header("WWW-Authenticate", &challenge)
}

pub(super) fn too_many_tries(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    let detail = format!("too many wrong tokens came from this address: wait {seconds} s");
    Problem::new(429, &detail)
        .kind("too-many-tries")
        .header("Retry-After", &seconds.to_string())
}

/// Returns the token of `Authorization: Bearer …` (RFC 6750 §2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim_matches(' '))
}

/// Returns the ticket in a query. A URL ends up in histories and logs (RFC 6750 §5.3), so a token in a query
/// is refused even where no token is needed. A ticket is allowed, for clients that cannot send a header.
fn check_query<'h>(head: &'h RequestHead, resource: &Resource) -> Result<Option<&'h str>, Problem> {
    let mut ticket = None;
    let query = head.query.as_deref().unwrap_or_default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = http::decode_leniently(name);
        let is_token = matches!(plain.as_str(), "token" | "access_token" | "share")
            || secret::is_in(&http::decode_leniently(pair));
        if is_token {
            let detail = "a token does not belong into a URL, where others read it: send \
                          Authorization: Bearer, and have this one revoked";
            return Err(Problem::new(400, detail).kind("token-in-query").at("query"));
        }
        if name == "ticket" && *resource == Resource::Events {
            ticket = Some(value);
        }
    }
    Ok(ticket)
}

/// Returns whether a proxy forwarded the request of another client.
fn is_forwarded(head: &RequestHead) -> bool {
    // Only the header names count, because a client may have put bytes into the value that are not text.
    const NAMES: [&str; 4] = ["via", "cdn-loop", "cf-ray", "x-envoy-external-address"];
    // Each provider uses its own header for the client's address.
    const PARTS: [&str; 10] = [
        "forwarded",
        "client-ip",
        "clientip",
        "client-connection-ip",
        "real-ip",
        "remote-ip",
        "remote-addr",
        "connecting-ip",
        "originating-ip",
        "viewer-address",
    ];
    const MORE: [&str; 2] = ["x-appengine-user-ip", "x-proxyuser-ip"];
    head.headers.iter().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        let is_one = NAMES.contains(&name.as_str()) || MORE.contains(&name.as_str());
        is_one || PARTS.iter().any(|part| name.contains(part))
    })
}

/// Returns the redirection to `https`. Only pages follow it. What a script has sent was already readable on
/// the network.
fn redirect(head: &RequestHead) -> Problem {
    let target = format!("https://{}{}", head.host().unwrap_or_default(), head.path);
    let problem = Problem::new(308, "this port speaks TLS: use https").at("scheme");
    if head.host().is_some() {
        problem.header("Location", &target)
    } else {
        problem
    }
}
