//! Who asks, and what they may: the checks that stand before every route, after those of the
//! names and origins.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::Gateway;
use super::source::{Command, Source};
use super::timers::TimerKey;
use crate::access::scope::{Grant, Verb};
use crate::access::secret;
use crate::access::tries::Guess;
use crate::access::{self, Access, BOOT, Refusal, UnixTime};
use crate::api::origin::Caller;
use crate::api::problem::Problem;
use crate::api::{Action, Resource};
use crate::http::{self, RequestHead, Response};
use crate::ids::{SessionId, SourceId};

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The file's mode has let it in.
    ControlSocket,
    /// This machine.
    Loopback,
    /// Anywhere else; `tls`: nobody on the way can read it.
    Network { tls: bool },
    /// Plain HTTP where TLS is spoken.
    Redirect,
}

/// How long an answer to a wrong token takes.
const DELAY: Duration = Duration::from_millis(500);
/// How long after a failure what is known of tokens is stored again.
const STORE_AGAIN: Duration = Duration::from_secs(10);
/// More wait for that only if somebody guesses from many places at once.
const MAX_DELAYED: usize = 256;

/// An answer that takes its time.
pub(super) struct Delayed {
    at: Instant,
    source: SourceId,
    caller: Caller,
    response: Response,
}

impl Gateway {
    /// Uses what is known of tokens, and lets the network in where that was set up.
    pub fn use_access(&mut self, access: Access) {
        let lan = access.lan;
        self.access = access;
        if self.access.next_expiry(0).is_some() {
            // What time it is will be known by then.
            let soon = self.started + Duration::from_secs(1);
            self.timers.set(TimerKey::Expiry, Some(soon));
        }
        if let Some(addr) = lan {
            self.open_lan(addr);
        }
        if self.access.is_empty() && self.serves_network {
            log::warn!(
                "no token exists, so other machines cannot connect: run thingway setup or thingway token add"
            );
        }
        if self.http_plain && self.serves_network {
            log::warn!(
                "http.plain: tokens are sent unencrypted, and anyone on the network path can read and use them"
            );
        }
    }

    /// Whether [`Self::handle_clock`] is wanted.
    pub fn wants_clock(&self) -> bool {
        self.routing.captures > 0
            || !self.visitors.is_empty()
            || self.timers.is_set(TimerKey::Expiry)
    }

    /// The time of day, for capture files and for what expires; told before the inputs of a turn. Everything else goes by
    /// `now`, which never jumps.
    pub fn handle_clock(&mut self, now: Instant, time: SystemTime) {
        let (before, at) = (self.routing.time, self.time_read);
        self.routing.time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.time_read = now;
        let was_set = before.is_zero() || access::is_clock_set(before.as_secs());
        if was_set || !access::is_clock_set(self.unix_time()) {
            return;
        }
        let expected = before + now.saturating_duration_since(at);
        let by = self.routing.time.saturating_sub(expected);
        log::info!("the clock has been set");
        if self.access.handle_clock_set(by.as_secs()) {
            self.storing.push_back(None);
            let text = self.access.to_text();
            self.commands.push_back(Command::StoreAccess { text });
        }
        self.schedule_expiry(now);
    }

    /// What is said to who makes something that expires while the clock is not set.
    pub(super) fn doubt_expiry(&self, expires: bool, response: Response) -> Response {
        if !expires || access::is_clock_set(self.unix_time()) {
            return response;
        }
        let warning =
            "the clock of this machine is not set: it ends with the daemon, if not before";
        with_warning(response, warning)
    }

    /// The time of day, in whole seconds.
    pub(super) fn unix_time(&self) -> UnixTime {
        self.routing.time.as_secs()
    }

    /// What whoever made this request may do. The problem says why it is nothing at all.
    pub(super) fn authorize(
        &mut self,
        now: Instant,
        source: SourceId,
        head: &RequestHead,
        resource: &Resource,
    ) -> Result<Grant, Problem> {
        let Some(Source::Http(http)) = self.sources.get(source) else {
            return Ok(Grant::default());
        };
        let (reach, remote) = (http.reach, http.remote.ip());
        let ticket = check_query(head, resource)?;
        if reach == Reach::Redirect {
            return Err(redirect(head));
        }
        let authorization = head.header("Authorization");
        if authorization.is_none() && ticket.is_none() {
            // Whoever asks for somebody else is not this machine, wherever the connection is from.
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
            return Err(refused(Refusal::Missing));
        }
        let allowed = self.access.tries.check(now, remote, Guess::Token);
        let time = self.unix_time();
        let checked = match (ticket, authorization) {
            (Some(ticket), _) => {
                let grant = self.access.tickets.redeem(now, ticket, remote);
                grant.ok_or(Refusal::Unknown)
            }
            (None, Some(value)) => bearer(value)
                .ok_or(Refusal::Unknown)
                .and_then(|token| self.access.check(time, token)),
            (None, None) => Err(Refusal::Missing),
        };
        match (checked, allowed) {
            // Nobody guesses 256 bits, so a neighbour who tries keeps out nobody; a secret that
            // somebody has chosen is another matter.
            (Ok(grant), Ok(())) => Ok(grant),
            (Ok(grant), Err(_)) if !grant.is_of(BOOT) => Ok(grant),
            (_, Err(wait)) => Err(too_many_tries(wait)),
            (Err(refusal), Ok(())) => {
                if refusal == Refusal::Unknown {
                    self.note_failed_try(now, remote, Guess::Token);
                } else {
                    self.note_refusal(now, remote, refusal);
                }
                Err(refused(refusal))
            }
        }
    }

    /// A refusal that is no guess, once per address and while in the log.
    fn note_refusal(&mut self, now: Instant, remote: IpAddr, refusal: Refusal) {
        if let Some(untold) = self.access.tries.note(now, remote) {
            log::warn!(
                "{remote}: refused: {} ({untold} more before)",
                refusal.as_str()
            );
        }
    }

    /// Whether the token of a request that was begun still holds when it goes on.
    pub(super) fn check_still(&self, grant: &Grant) -> Result<(), Problem> {
        self.access
            .still_holds(self.unix_time(), grant)
            .map_err(refused)
    }

    pub(super) fn note_failed_try(&mut self, now: Instant, remote: IpAddr, guess: Guess) {
        self.stats.tries_failed += 1;
        if let Some(untold) = self.access.tries.fail(now, remote, guess) {
            let what = match guess {
                Guess::Token => "an unknown token",
                Guess::Key => "an unknown key or a wrong credential",
            };
            log::warn!("{remote}: refused: {what} ({untold} more before)");
        }
    }

    /// Answers somebody who guesses, later.
    pub(super) fn answer_later(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        response: Response,
    ) {
        if self.delayed.len() >= MAX_DELAYED {
            return self.answer(now, source, caller, response);
        }
        self.delayed.push_back(Delayed {
            at: now + DELAY,
            source,
            caller: caller.clone(),
            response,
        });
        if !self.timers.is_set(TimerKey::Delayed) {
            self.timers.set(TimerKey::Delayed, Some(now + DELAY));
        }
    }

    pub(super) fn answer_delayed(&mut self, now: Instant) {
        while self
            .delayed
            .front()
            .is_some_and(|delayed| delayed.at <= now)
        {
            let Some(delayed) = self.delayed.pop_front() else {
                return;
            };
            self.answer(now, delayed.source, &delayed.caller, delayed.response);
            self.service(now, delayed.source);
        }
        let next = self.delayed.front().map(|delayed| delayed.at);
        self.timers.set(TimerKey::Delayed, next);
    }

    /// Ends what hangs on a token.
    pub(super) fn end_token(&mut self, now: Instant, id: &str, reason: &'static str) {
        let sessions = self.sessions.iter();
        let ours = sessions.filter(|(_, entry)| entry.grant.is_of(id));
        let ours: Vec<SessionId> = ours.map(|(id, _)| id).collect();
        for session in ours {
            self.say_bye(now, session, reason);
        }
        self.forget_requests_of(now, id);
        // Streams of events are open for as long as they like.
        self.end_event_streams_of(now, id);
    }

    /// Ends a session, after telling it why.
    pub(super) fn say_bye(&mut self, now: Instant, session: SessionId, reason: &'static str) {
        self.with_session(session, |entry, routing| {
            let bye = crate::session::control::Reply::Bye { reason };
            entry.session.tell(&bye);
            entry.session.write_control();
            entry.session.flush(now, &mut routing.transmits);
        });
        let why = match reason {
            "token-revoked" => "its token was revoked",
            "token-expired" => "its token has expired",
            _ => "closed over the API",
        };
        self.end_after_farewell(now, session, why);
    }

    /// Tokens that have expired take their sessions along.
    pub(super) fn expire_tokens(&mut self, now: Instant) {
        for id in self.access.expire(self.unix_time()) {
            self.end_token(now, &id, "token-expired");
        }
        self.schedule_expiry(now);
    }

    /// At the next expiry, and once an hour: the clock may be set meanwhile.
    pub(super) fn schedule_expiry(&mut self, now: Instant) {
        let time = self.unix_time();
        let next = self.access.next_expiry(time);
        let wait = next.map(|at| Duration::from_secs((at - time).min(3600)));
        self.timers
            .set(TimerKey::Expiry, wait.map(|wait| now + wait));
    }

    /// Keeps what has changed, and gives an answer when that is done.
    pub(super) fn store_access(
        &mut self,
        now: Instant,
        source: SourceId,
        caller: &Caller,
        response: Response,
    ) {
        self.storing
            .push_back(Some((source, caller.clone(), response)));
        let text = self.access.to_text();
        self.commands.push_back(Command::StoreAccess { text });
        self.schedule_expiry(now);
    }

    /// What could not be stored is stored as soon as it can be: a revocation must not end with a restart.
    fn note_stored(&mut self, now: Instant, result: &Result<(), String>) {
        let was_unstored = self.timers.is_set(TimerKey::Store);
        match result {
            Ok(()) if was_unstored => {
                log::info!("tokens: stored");
                self.timers.set(TimerKey::Store, None);
            }
            Ok(()) => {}
            Err(why) => {
                if !was_unstored {
                    log::error!("tokens: not stored, and tried again until they are: {why}");
                }
                self.timers.set(TimerKey::Store, Some(now + STORE_AGAIN));
            }
        }
    }

    /// Another try to store what is known of tokens.
    pub(super) fn store_again(&mut self, now: Instant) {
        self.storing.push_back(None);
        let text = self.access.to_text();
        self.commands.push_back(Command::StoreAccess { text });
        // Until the answer has come.
        self.timers.set(TimerKey::Store, Some(now + STORE_AGAIN));
    }

    /// The answer to [`Command::StoreAccess`].
    pub fn handle_access_stored(&mut self, now: Instant, result: Result<(), String>) {
        let asked = self.storing.pop_front().flatten();
        self.note_stored(now, &result);
        let Some((source, caller, response)) = asked else {
            return;
        };
        let response = match result {
            Ok(()) => response,
            // A secret that was made is told all the same: it cannot be had again.
            Err(why) if response.status() == 201 => with_warning(
                response,
                &format!(
                    "this holds until the next start only, unless it can be stored before: {why}"
                ),
            ),
            Err(why) => {
                let detail = format!(
                    "this holds now, but could not be stored, and a restart would undo it: {why}; the gateway goes on trying"
                );
                Problem::new(507, &detail).kind("not-stored").response()
            }
        };
        self.answer(now, source, &caller, response);
        self.service(now, source);
    }
}

fn with_warning(response: Response, warning: &str) -> Response {
    let mut body = serde_json::from_slice(response.content()).unwrap_or_else(|_| json!({}));
    if let Some(fields) = body.as_object_mut() {
        fields.insert("warning".to_owned(), warning.into());
    }
    response.body("application/json", body.to_string().into_bytes())
}

/// What a grant must have for a request, apart from what depends on whose session it is.
pub(super) fn permit(grant: &Grant, resource: &Resource, action: Action) -> Result<(), Problem> {
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
        (Resource::Endpoint(name), Action::Get) => needs(Verb::Read, name),
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
        // What depends on whose session it is, or shows each token what it may see. No resource is here by default.
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

pub(super) fn forbidden(detail: &str) -> Problem {
    Problem::new(403, detail).kind("forbidden")
}

pub(super) fn refused(refusal: Refusal) -> Problem {
    let error = if refusal == Refusal::Missing {
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

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim_matches(' '))
}

/// A URL ends up in histories and logs (RFC 6750 §5.3), so a token in one is refused even where
/// none is needed. A ticket may be there, for what cannot send a header.
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

/// Whether a proxy hands on what somebody else asked.
pub(super) fn is_forwarded(head: &RequestHead) -> bool {
    // The names alone: a client may have put bytes into the value that are no text.
    const NAMES: [&str; 4] = ["via", "cdn-loop", "cf-ray", "x-envoy-external-address"];
    // Each provider has a name of its own for the address of the client.
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

/// The same at `https`. Nothing but pages follows: what a script has sent was readable already.
fn redirect(head: &RequestHead) -> Problem {
    let target = format!("https://{}{}", head.host().unwrap_or_default(), head.path);
    let problem = Problem::new(308, "this port speaks TLS: use https").at("scheme");
    if head.host().is_some() {
        problem.header("Location", &target)
    } else {
        problem
    }
}
