//! Messages of control channels, and requests for leases and lines.

use std::time::Instant;

use serde_json::json;

use super::lookups::{Denied, no_endpoint};
use super::views::endpoint_state;
use super::{Gateway, cx, look};
use crate::access::scope::Verb;
use crate::api::problem::Problem;
use crate::api::shapes::{self, fresh_json};
use crate::channel::ChannelKey;
use crate::devices::{After, Asker, Heartbeat, LeaseWish, NoRoute, Outcome};
use crate::endpoint::line::{LineFault, LineStatus};
use crate::endpoint::script::Script;
use crate::ids::{EndpointId, RequestId, SessionId};
use crate::session::control::{self, BadRequest, LineRequest, Reply, Request, Wish};

impl Gateway {
    /// Makes a channel the control channel of its session.
    pub(super) fn open_control(&mut self, now: Instant, id: SessionId, key: ChannelKey) {
        let channel = self.sessions.channel(id, key);
        if !channel.is_some_and(|channel| channel.is_reliable() && channel.ordered) {
            let detail = "the control channel must be reliable and ordered";
            return self.refuse_channel(now, id, key, "bad-control-channel", detail);
        }
        if !self.sessions.set_control(id, key) {
            let detail = "the session has a control channel already";
            return self.refuse_channel(now, id, key, "duplicate-control-channel", detail);
        }
        let name = self.sessions.name(id).unwrap_or_default().to_owned();
        let states = look!(self).endpoint_states(&look!(self).grant_of(id));
        self.sessions.tell(
            id,
            &Reply::Hello {
                v: control::VERSION,
                session: &name,
                server: concat!("thingway/", env!("CARGO_PKG_VERSION")),
                endpoints: states.iter().map(endpoint_state).collect(),
            },
        );
        self.devices.set_hears(id, true);
        // Repeat the channels that opened before the control channel.
        for (channel, label, limit, endpoint) in self.devices.repeat_credits(id) {
            let opened = Reply::Opened {
                channel,
                label: &label,
                endpoint: &label,
            };
            self.sessions.tell(id, &opened);
            self.sessions.tell(id, &Reply::Credit { channel, limit });
            self.devices.tell_lease(id, endpoint);
        }
        log::debug!("session {name}: control channel open");
    }

    /// Acts on a message of a control channel.
    pub(super) fn handle_control(
        &mut self,
        now: Instant,
        id: SessionId,
        key: ChannelKey,
        data: &[u8],
    ) {
        match Request::parse(data) {
            Ok(Request::Hello) => {}
            Ok(Request::Ping { id: ping }) => {
                self.sessions.answer(id, &Reply::Pong { id: ping });
            }
            Ok(Request::Endpoints) => {
                let states = look!(self).endpoint_states(&look!(self).grant_of(id));
                let endpoints = states.iter().map(endpoint_state).collect();
                self.sessions.answer(id, &Reply::Endpoints { endpoints });
            }
            Ok(Request::Line(request)) => self.handle_line_request(now, id, &request),
            Ok(Request::Lease { endpoint, wish }) => {
                let found = look!(self).find_allowed(id, &endpoint, Verb::Write);
                let done = found.and_then(|it| self.wish_lease(now, Some(id), it, &wish));
                self.tell_denied(id, done);
            }
            Ok(Request::Heartbeat {
                endpoint,
                stop,
                fired,
            }) => {
                let only = endpoint.map(|name| look!(self).find_allowed(id, &name, Verb::Read));
                let done = only.transpose().map(|only| {
                    let heartbeat = Heartbeat { only, stop, fired };
                    self.devices.handle_heartbeat(cx!(self, now), id, heartbeat);
                });
                self.tell_denied(id, done);
            }
            Err(BadRequest {
                reason,
                detail,
                fatal,
            }) => {
                let detail = detail.as_str();
                self.sessions.answer(id, &Reply::Error { reason, detail });
                if fatal {
                    self.end_channel(now, id, key, reason, detail);
                }
            }
        }
        self.sessions.touch(id);
    }

    fn tell_denied(&mut self, id: SessionId, done: Result<(), Denied>) {
        if let Err(Denied { reason, detail }) = done {
            let detail = detail.as_str();
            self.sessions.answer(id, &Reply::Error { reason, detail });
        }
    }

    // ---- leases ----

    /// Grants or denies a wish about a lease. `asker` is `None` for a request over HTTP, which acts for any
    /// session.
    pub(super) fn wish_lease(
        &mut self,
        now: Instant,
        asker: Option<SessionId>,
        endpoint: EndpointId,
        wish: &Wish,
    ) -> Result<(), Denied> {
        let wish = match wish {
            Wish::Take { force } => LeaseWish::Take { force: *force },
            Wish::Ask => LeaseWish::Ask,
            Wish::Keep => LeaseWish::Keep,
            Wish::Release => LeaseWish::Release,
            Wish::Give { to } => {
                let to = self.sessions.find(to);
                let grant = to.and_then(|to| self.sessions.grant(to));
                let name = self.devices.table().name(endpoint).unwrap_or_default();
                let may_write = grant.is_some_and(|grant| grant.allows(name, Verb::Write));
                LeaseWish::Give { to, may_write }
            }
        };
        let wished = self
            .devices
            .wish_lease(cx!(self, now), asker, endpoint, wish);
        wished.map_err(|why| look!(self).describe(why))
    }

    // ---- lines ----

    fn handle_line_request(&mut self, now: Instant, id: SessionId, request: &LineRequest<'_>) {
        match self.begin_line_request(now, id, request) {
            Ok((endpoint, script, after)) => {
                let asker = Asker::Peer {
                    session: id,
                    id: request.id.map(|id| id.get().to_owned()),
                };
                self.devices
                    .run_script(cx!(self, now), endpoint, asker, script, after);
            }
            Err(Denied { reason, detail }) => {
                let endpoint = request.endpoint.as_str();
                let line = Reply::Line {
                    id: request.id,
                    endpoint,
                    ok: false,
                    line: None,
                    step: None,
                    reason: Some(reason),
                    detail: Some(&detail),
                };
                self.sessions.answer(id, &line);
            }
        }
    }

    /// Checks a request for a line, and discards the bytes that the request names.
    fn begin_line_request(
        &mut self,
        now: Instant,
        id: SessionId,
        request: &LineRequest<'_>,
    ) -> Result<(EndpointId, Script, After), Denied> {
        let endpoint = look!(self).find_allowed(id, &request.endpoint, Verb::Read)?;
        let script = Script::parse(request.script).map_err(|bad| {
            let place = bad.step.map(|step| format!("do[{step}]: "));
            Denied::new("bad-script", format!("{}{bad}", place.unwrap_or_default()))
        })?;
        let table = self.devices.table();
        let own = table.own_route(id, endpoint, request.channel);
        let after = match request.after {
            Some(offset) => {
                let route = own.map_err(no_route)?;
                After::Route { route, offset }
            }
            // A script without steps only reads the line's state, so it needs no place in the queue.
            None if request.overtake && !script.steps.is_empty() => After::Ahead,
            None => After::Now,
        };
        if let Some(until) = request.discard {
            // The channel may have closed meanwhile while its last bytes still wait to be delivered.
            let left = table.lingering_route(id, endpoint, request.channel);
            let route = own.or_else(|why| left.ok_or(why)).map_err(no_route)?;
            self.devices.discard(cx!(self, now), route, until);
        }
        // A script that waits for a byte blocks all other writers, so it needs the `line` right even without steps.
        if !script.steps.is_empty() || request.after.is_some() {
            look!(self).find_allowed(id, &request.endpoint, Verb::Line)?;
        }
        Ok((endpoint, script, after))
    }

    /// Tells a peer how its script ended.
    pub(super) fn answer_script(
        &mut self,
        session: SessionId,
        id: Option<&str>,
        endpoint: &str,
        outcome: &Outcome,
    ) {
        let status = outcome.as_ref().ok().map(shapes::line);
        let (step, fault) = match outcome {
            Ok(_) => (None, None),
            Err((step, fault)) => (*step, Some(fault)),
        };
        let detail = fault.map(ToString::to_string);
        let line = Reply::Line {
            id: id.and_then(|id| serde_json::from_str(id).ok()),
            endpoint,
            ok: fault.is_none(),
            line: status.as_ref(),
            step,
            reason: fault.map(LineFault::as_str),
            detail: detail.as_deref(),
        };
        self.sessions.answer(session, &line);
    }

    /// Answers a request whose script has ended.
    pub(super) fn answer_line(&mut self, now: Instant, request: RequestId, outcome: Outcome) {
        let done = match outcome {
            Ok(status) => Ok(fresh_json(&json!({"line": shapes::line(&status)}))),
            Err((step, fault)) => Err(line_problem(step, &fault)),
        };
        let response = done.unwrap_or_else(|problem| problem.response());
        self.front
            .connections_mut()
            .answer(cx!(self, now), request, response);
    }

    /// Answers `GET /endpoints/{name}` after the line's state was read.
    pub(super) fn answer_endpoint(
        &mut self,
        now: Instant,
        request: RequestId,
        endpoint: EndpointId,
        line: Option<&LineStatus>,
    ) {
        let view = look!(self).endpoint(endpoint);
        let done = view.ok_or_else(no_endpoint).map(|mut json| {
            if let (Some(status), Some(fields)) = (line, json.as_object_mut()) {
                fields.insert("line".to_owned(), shapes::line(status));
            }
            fresh_json(&json)
        });
        let response = done.unwrap_or_else(|problem| problem.response());
        self.front
            .connections_mut()
            .answer(cx!(self, now), request, response);
    }
}

fn no_route(why: NoRoute) -> Denied {
    match why {
        NoRoute::None => {
            let detail = "the bytes of a channel are meant, and there is none";
            Denied::new("no-channel", detail)
        }
        NoRoute::Several => {
            let detail = "there are several channels: say which, \"channel\"";
            Denied::new("which-channel", detail)
        }
    }
}

fn line_problem(step: Option<usize>, fault: &LineFault) -> Problem {
    let status = match fault {
        LineFault::Unsupported | LineFault::NoLine => 422,
        LineFault::Absent | LineFault::Denied(_) => 409,
        LineFault::Busy => 503,
        LineFault::Failed(_) => 502,
    };
    let problem = Problem::new(status, &fault.to_string());
    match step {
        Some(step) => problem.at(&format!("do[{step}]")),
        None => problem,
    }
}
