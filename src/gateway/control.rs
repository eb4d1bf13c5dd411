//! Messages of control channels, and requests for leases and lines.

use super::lookups::Denied;
use super::views::{endpoint_state, endpoint_states};
use crate::access::scope::{Grant, Verb};
use serde_json::value::RawValue;

use crate::api::bodies::{LeaseBody, LineBody, parse};
use crate::api::problem::Problem;
use crate::api::shapes;
use crate::channel::ChannelKey;
use crate::devices::{After, Asker, Devices, Heartbeat, LeaseDenied, LeaseWish, NoRoute, Outcome};
use crate::endpoint::line::LineFault;
use crate::endpoint::script::Script;
use crate::http::Response;
use crate::ids::{EndpointId, RequestId, SessionId};
use crate::session::control::{self, ControlRequest, LineRequest, Reply, Wish};
use crate::session::set::Sessions;
use crate::sources::Context;

/// The components that control channels act on.
pub(super) struct Controls<'a> {
    pub(super) devices: &'a mut Devices,
    pub(super) sessions: &'a mut Sessions,
}

impl Controls<'_> {
    /// Makes a channel the control channel of its session, or returns why not: the reason's word on the wire, and
    /// a sentence.
    pub(super) fn open(&mut self, id: SessionId, key: ChannelKey) -> Result<(), Denied> {
        let channel = self.sessions.channel(id, key);
        if !channel.is_some_and(|channel| channel.is_reliable() && channel.ordered) {
            let detail = "the control channel must be reliable and ordered";
            return Err(Denied::new("bad-control-channel", detail));
        }
        if !self.sessions.set_control(id, key) {
            let detail = "the session has a control channel already";
            return Err(Denied::new("duplicate-control-channel", detail));
        }
        let name = self.sessions.name(id).unwrap_or_default().to_owned();
        let states = endpoint_states(self.devices.table(), &self.grant_of(id));
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
        Ok(())
    }

    /// Acts on a message of a control channel. Returns why the channel must be closed, if the message is fatal.
    pub(super) fn handle(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        data: &[u8],
    ) -> Option<Denied> {
        let mut fatal = None;
        match ControlRequest::parse(data) {
            Ok(ControlRequest::Hello) => {}
            Ok(ControlRequest::Ping { id: ping }) => {
                self.sessions.answer(id, &Reply::Pong { id: ping });
            }
            Ok(ControlRequest::Endpoints) => {
                let states = endpoint_states(self.devices.table(), &self.grant_of(id));
                let endpoints = states.iter().map(endpoint_state).collect();
                self.sessions.answer(id, &Reply::Endpoints { endpoints });
            }
            Ok(ControlRequest::Line(request)) => self.handle_line_request(cx, id, &request),
            Ok(ControlRequest::Lease { endpoint, wish }) => {
                let found = self.find_allowed(id, &endpoint, Verb::Write);
                let done = found.and_then(|it| self.wish_lease(cx, Some(id), it, &wish));
                self.tell_denied(id, done);
            }
            Ok(ControlRequest::Heartbeat {
                endpoint,
                stop,
                fired,
            }) => {
                let only = endpoint.map(|name| self.find_allowed(id, &name, Verb::Read));
                let done = only.transpose().map(|only| {
                    let heartbeat = Heartbeat { only, stop, fired };
                    self.devices.handle_heartbeat(cx, id, heartbeat);
                });
                self.tell_denied(id, done);
            }
            Err(bad) => {
                let (reason, detail) = (bad.reason, bad.detail.as_str());
                self.sessions.answer(id, &Reply::Error { reason, detail });
                fatal = bad.fatal.then(|| Denied::new(reason, detail));
            }
        }
        self.sessions.touch(id);
        fatal
    }

    fn grant_of(&self, id: SessionId) -> Grant {
        self.sessions.grant(id).cloned().unwrap_or_default()
    }

    /// Returns the endpoint of this name if the session may use it in this way. If the session may not even
    /// read the endpoint, the error does not reveal that the endpoint exists.
    fn find_allowed(&self, id: SessionId, name: &str, verb: Verb) -> Result<EndpointId, Denied> {
        let grant = self.sessions.grant(id);
        let may = |verb| grant.is_some_and(|grant| grant.allows(name, verb));
        let found = self.devices.table().find(name).filter(|_| may(Verb::Read));
        let endpoint = found.ok_or_else(Denied::unknown_endpoint)?;
        if may(verb) {
            return Ok(endpoint);
        }
        let detail = "the token of this session does not allow that";
        Err(Denied::new("forbidden", detail))
    }

    fn tell_denied(&mut self, id: SessionId, done: Result<(), Denied>) {
        if let Err(Denied { reason, detail }) = done {
            let detail = detail.as_str();
            self.sessions.answer(id, &Reply::Error { reason, detail });
        }
    }

    // ---- leases ----

    /// Returns why a wish about a lease is denied, for the peer.
    fn describe(&self, why: LeaseDenied) -> Denied {
        match why {
            LeaseDenied::UnknownEndpoint => Denied::unknown_endpoint(),
            LeaseDenied::NotLeased => Denied::new(
                "no-lease",
                "every session may write to this endpoint (writers is not \"one\")",
            ),
            LeaseDenied::Held(holder) => {
                let name = holder.and_then(|id| self.sessions.name(id));
                let name = name.unwrap_or("nobody");
                Denied::new("lease-held", format!("session {name} has the lease"))
            }
            LeaseDenied::AskedAlready => {
                Denied::new("lease-held", "another session has asked for it already")
            }
            LeaseDenied::NotASession => Denied::new(
                "no-channel",
                "over HTTP a lease is released or given to a session",
            ),
            LeaseDenied::NoChannel => {
                Denied::new("no-channel", "open a channel to the endpoint first")
            }
            LeaseDenied::Forbidden => Denied::new(
                "forbidden",
                "the token of that session does not allow writing",
            ),
            LeaseDenied::UnknownSession => Denied::new(
                "unknown-session",
                "no such session has a channel to the endpoint",
            ),
        }
    }

    /// Grants or denies a wish about a lease. `asker` is `None` for a request over HTTP, which acts for any
    /// session.
    pub(super) fn wish_lease(
        &mut self,
        cx: &mut Context<'_>,
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
        let wished = self.devices.wish_lease(cx, asker, endpoint, wish);
        wished.map_err(|why| self.describe(why))
    }

    // ---- news ----

    /// Tells a peer the holders of the leases that have changed.
    pub(super) fn tell_leases(&mut self, cx: &mut Context<'_>, id: SessionId) {
        for endpoint in self.devices.take_lease_news(cx, id) {
            let Some(state) = self.devices.table().lease(cx, endpoint) else {
                continue;
            };
            let name_of = |id: Option<SessionId>| {
                let name = id.and_then(|id| self.sessions.name(id));
                name.map(str::to_owned)
            };
            let (holder, asked_by) = (name_of(state.holder), name_of(state.asked_by));
            let wait = state.wait.map(|wait| wait.as_millis());
            let lease = Reply::Lease {
                endpoint: self.devices.table().name(endpoint).unwrap_or_default(),
                holder: holder.as_deref(),
                yours: state.holder == Some(id),
                asked_by: asked_by.as_deref(),
                wait_ms: wait.and_then(|wait| u64::try_from(wait).ok()),
            };
            self.sessions.tell(id, &lease);
        }
    }

    /// Tells a peer which messages from it or to it were dropped.
    pub(super) fn tell_drops(&mut self, cx: &mut Context<'_>, id: SessionId) {
        for news in self.devices.take_drop_news(cx, id) {
            self.sessions.tell(
                id,
                &Reply::Dropped {
                    channel: news.stream,
                    label: &news.label,
                    direction: news.direction.as_str(),
                    reason: news.reason.as_str(),
                    messages: news.count.messages,
                    bytes: news.count.bytes,
                },
            );
        }
    }

    // ---- lines ----

    fn handle_line_request(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        request: &LineRequest<'_>,
    ) {
        match self.begin_line_request(cx, id, request) {
            Ok((endpoint, script, after)) => {
                let asker = Asker::Peer {
                    session: id,
                    id: request.id.map(|id| id.get().to_owned()),
                };
                self.devices.run_script(cx, endpoint, asker, script, after);
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
        cx: &mut Context<'_>,
        id: SessionId,
        request: &LineRequest<'_>,
    ) -> Result<(EndpointId, Script, After), Denied> {
        let endpoint = self.find_allowed(id, &request.endpoint, Verb::Read)?;
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
            self.devices.discard(cx, route, until);
        }
        // A script that waits for a byte blocks all other writers, so it needs the `line` right even without steps.
        if !script.steps.is_empty() || request.after.is_some() {
            self.find_allowed(id, &request.endpoint, Verb::Line)?;
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

    // ---- over HTTP ----

    /// Runs the script of `POST /endpoints/{name}/line`. The response is sent when the script has ended.
    pub(super) fn post_line(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        endpoint: EndpointId,
        body: &[u8],
    ) -> Result<Option<Response>, Problem> {
        let fields: LineBody<'_> = parse(body)?;
        let script = Script::parse(fields.script.map_or("[]", RawValue::get)).map_err(|bad| {
            let place = bad.step.map(|step| format!("do[{step}]"));
            let place = place.as_deref().unwrap_or("do");
            Problem::new(400, &bad.to_string()).at(place)
        })?;
        let after = fields.after;
        let after = after.map_or(After::Now, |offset| After::Device { offset });
        let asker = Asker::Request(request);
        self.devices.run_script(cx, endpoint, asker, script, after);
        Ok(None)
    }

    /// Grants the wish of `POST /endpoints/{name}/lease`.
    pub(super) fn post_lease(
        &mut self,
        cx: &mut Context<'_>,
        endpoint: EndpointId,
        body: &[u8],
    ) -> Result<Option<Response>, Problem> {
        let fields: LeaseBody = parse(body)?;
        let wish = Wish::parse(&fields.what, false, fields.to)
            .map_err(|detail| Problem::new(400, &detail).at("do"))?;
        let is_give = matches!(wish, Wish::Give { .. });
        let done = self.wish_lease(cx, None, endpoint, &wish);
        done.map_err(|Denied { reason, detail }| {
            let is_receiver = is_give && reason == "unknown-session";
            Problem::new(409, &detail).at(if is_receiver { "to" } else { "do" })
        })?;
        Ok(Some(Response::new(200)))
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
