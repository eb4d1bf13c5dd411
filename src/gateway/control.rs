//! What is said on control channels.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Gateway;
use super::lease::Denied;
use super::line::{After, Asker};
use super::routes::Route;
use super::views::EndpointView;
use crate::access::scope::{Grant, Verb};
use crate::config::EndpointConfig;
use crate::endpoint::script::Script;
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::session::channels::ChannelKey;
use crate::session::control::{self, BadRequest, LineRequest, Reply, Request};

impl Gateway {
    pub(super) fn open_control(&mut self, id: SessionId, key: ChannelKey) {
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        let well_made = entry
            .session
            .channels()
            .get(key)
            .is_some_and(|channel| channel.is_reliable() && channel.ordered);
        if !well_made {
            let detail = "the control channel must be reliable and ordered";
            return self.refuse_channel(id, key, "bad-control-channel", detail);
        }
        if !entry.session.set_control(key) {
            let detail = "the session has a control channel already";
            return self.refuse_channel(id, key, "duplicate-control-channel", detail);
        }
        let (name, grant) = (entry.session.name().to_owned(), entry.grant.clone());
        let states = self.endpoint_states(&grant);
        let endpoints = states.iter().map(EndpointView::control).collect();
        let server = concat!("thingway/", env!("CARGO_PKG_VERSION"));
        let hello = Reply::Hello {
            v: control::VERSION,
            session: &name,
            server,
            endpoints,
        };
        let Some(entry) = self.sessions.get_mut(id) else {
            return;
        };
        entry.session.tell(&hello);
        // Channels that were there before it.
        for route_id in &entry.routes {
            if let Some(route) = self.routing.routes.get_mut(*route_id) {
                let (channel, label) = (route.stream, route.label.clone());
                let limit = route.grant_again();
                let opened = Reply::Opened {
                    channel,
                    label: &label,
                    endpoint: &label,
                };
                entry.session.tell(&opened);
                entry.session.tell(&Reply::Credit { channel, limit });
            }
        }
        let routes = entry.routes.iter();
        let endpoints = routes.filter_map(|id| Some(self.routing.routes.get(*id)?.endpoint));
        let endpoints: BTreeSet<_> = endpoints.collect();
        for endpoint in endpoints {
            self.tell_lease(id, endpoint);
        }
        log::debug!("session {name}: control channel open");
        self.touch_session(id);
    }

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
                if let Some(entry) = self.sessions.get_mut(id) {
                    entry.session.answer(&Reply::Pong { id: ping });
                }
            }
            Ok(Request::Endpoints) => {
                let grant = self.grant_of(id);
                let states = self.endpoint_states(&grant);
                let endpoints = states.iter().map(EndpointView::control).collect();
                if let Some(entry) = self.sessions.get_mut(id) {
                    entry.session.answer(&Reply::Endpoints { endpoints });
                }
            }
            Ok(Request::Line(request)) => self.handle_line_request(now, id, &request),
            Ok(Request::Lease { endpoint, wish }) => {
                let done = self
                    .find_allowed(id, &endpoint, Verb::Write)
                    .and_then(|endpoint| self.wish_lease(now, Some(id), endpoint, &wish));
                if let Err((reason, detail)) = done {
                    self.tell_error(id, reason, &detail);
                }
            }
            Ok(Request::Heartbeat {
                endpoint,
                stop,
                fired,
            }) => match endpoint
                .map(|name| self.find_allowed(id, &name, Verb::Read))
                .transpose()
            {
                Ok(endpoint) => self.handle_heartbeat(now, id, endpoint, stop, fired),
                Err((reason, detail)) => self.tell_error(id, reason, &detail),
            },
            Err(BadRequest {
                reason,
                detail,
                fatal,
            }) => {
                self.tell_error(id, reason, &detail);
                if fatal {
                    return self.end_channel(id, key, reason, &detail);
                }
            }
        }
        self.touch_session(id);
    }

    fn tell_error(&mut self, id: SessionId, reason: &str, detail: &str) {
        if let Some(entry) = self.sessions.get_mut(id) {
            entry.session.answer(&Reply::Error { reason, detail });
        }
    }

    /// An endpoint by its name.
    pub(super) fn find_endpoint(&self, name: &str) -> Result<EndpointId, Denied> {
        let found = self.routing.endpoint_names.get(name).copied();
        found.ok_or_else(|| ("unknown-endpoint", "no endpoint has this name".to_owned()))
    }

    /// What a session may do.
    fn grant_of(&self, id: SessionId) -> Grant {
        let entry = self.sessions.get(id);
        entry.map_or_else(Grant::default, |entry| entry.grant.clone())
    }

    /// An endpoint by its name, if the session may do this with it. Of one that it may not even
    /// read nothing is said.
    fn find_allowed(&self, id: SessionId, name: &str, verb: Verb) -> Result<EndpointId, Denied> {
        let may = |verb| {
            let entry = self.sessions.get(id);
            entry.is_some_and(|entry| entry.grant.allows(name, verb))
        };
        let name = if may(Verb::Read) { name } else { "" };
        let endpoint = self.find_endpoint(name)?;
        if may(verb) {
            return Ok(endpoint);
        }
        let detail = "the token of this session does not allow that".to_owned();
        Err(("forbidden", detail))
    }

    fn handle_line_request(&mut self, now: Instant, id: SessionId, request: &LineRequest<'_>) {
        let found = self.find_allowed(id, &request.endpoint, Verb::Read);
        let parsed = found.and_then(|endpoint| {
            let script = Script::parse(request.script).map_err(|bad| {
                let place = bad
                    .step
                    .map_or(String::new(), |step| format!("do[{step}]: "));
                ("bad-script", format!("{place}{bad}"))
            })?;
            let after = match request.after {
                Some(offset) => {
                    let route = self.own_route(id, endpoint, request.channel)?;
                    After::Route { route, offset }
                }
                // A script without steps only looks, and needs no place in the queue.
                None if request.overtake && !script.steps.is_empty() => After::Ahead,
                None => After::Now,
            };
            if let Some(until) = request.discard {
                // The channel may have closed meanwhile, and what it left behind is still to be delivered.
                let own = self.own_route(id, endpoint, request.channel);
                let left = || self.lingering_route(id, endpoint, request.channel);
                let route = own.or_else(|denied| left().ok_or(denied))?;
                self.discard(now, route, until);
            }
            // Who waits for a byte keeps the others waiting.
            if !script.steps.is_empty() || request.after.is_some() {
                self.find_allowed(id, &request.endpoint, Verb::Line)?;
            }
            Ok((endpoint, script, after))
        });
        let request_id = request.id;
        match parsed {
            Ok((endpoint, script, after)) => {
                let asker = Asker::Peer {
                    session: id,
                    id: request_id.map(|id| id.get().to_owned()),
                };
                self.run_script(now, endpoint, asker, script, after);
            }
            Err((reason, detail)) => {
                if let Some(entry) = self.sessions.get_mut(id) {
                    entry.session.answer(&Reply::Line {
                        id: request_id,
                        endpoint: &request.endpoint,
                        ok: false,
                        line: None,
                        step: None,
                        reason: Some(reason),
                        detail: Some(&detail),
                    });
                }
            }
        }
    }

    /// The channel whose bytes a request counts: the session's only one to the endpoint, unless it says which.
    fn own_route(
        &self,
        id: SessionId,
        endpoint: EndpointId,
        channel: Option<u16>,
    ) -> Result<RouteId, Denied> {
        let entry = self.sessions.get(id);
        let routes = entry.into_iter().flat_map(|entry| &entry.routes);
        let mut matching = routes.filter(|id| {
            let route = self.routing.routes.get(**id);
            route.is_some_and(|route| {
                let asked = channel.is_none_or(|stream| stream == route.stream);
                self.leads_to(route, endpoint) && asked
            })
        });
        match (matching.next(), matching.next()) {
            (Some(route), None) => Ok(*route),
            (None, _) => {
                let detail = "the bytes of a channel are meant, and there is none".to_owned();
                Err(("no-channel", detail))
            }
            (Some(_), Some(_)) => {
                let detail = "there are several channels: say which, \"channel\"".to_owned();
                Err(("which-channel", detail))
            }
        }
    }

    /// Whether a channel is one to this endpoint, or to a connection of its own there.
    fn leads_to(&self, route: &Route, endpoint: EndpointId) -> bool {
        let device = self.routing.endpoints.get(route.endpoint);
        route.endpoint == endpoint || device.is_some_and(|device| device.parent == Some(endpoint))
    }

    /// A channel of a session that has closed with bytes still to be delivered.
    fn lingering_route(
        &self,
        id: SessionId,
        endpoint: EndpointId,
        channel: Option<u16>,
    ) -> Option<RouteId> {
        let lingering = &self.sessions.get(id)?.lingering;
        let mut newest_first = lingering.iter().rev().copied();
        newest_first.find(|id| {
            let route = self.routing.routes.get(*id);
            let is_of = |route: &Route| self.leads_to(route, endpoint);
            route.is_some_and(|route| is_of(route) && Some(route.stream) == channel)
        })
    }

    /// Tells a peer how much more it may send, when that is worth a message.
    pub(super) fn grant(&mut self, id: RouteId) {
        let Some(route) = self.routing.routes.get_mut(id) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(route.session) else {
            return;
        };
        if !entry.session.has_control() || route.lingers {
            return;
        }
        if let Some(limit) = route.grant() {
            entry.session.tell(&Reply::Credit {
                channel: route.stream,
                limit,
            });
            let session = route.session;
            self.touch_session(session);
        }
    }

    /// Bytes that were queued for a device which vanished: every session with a channel to it
    /// is told, once.
    pub(super) fn tell_lost(&mut self, id: EndpointId, lost: Count) {
        let Some(device) = self.routing.endpoints.get(id) else {
            return;
        };
        let endpoint = device.config.name.as_str();
        let sessions = self.sessions_at(id);
        let reason = DropReason::Unwritten.as_str();
        for session in &sessions {
            if let Some(entry) = self.sessions.get_mut(*session) {
                entry.session.tell(&Reply::Lost {
                    endpoint,
                    reason,
                    bytes: lost.bytes,
                });
            }
        }
        for session in sessions {
            self.touch_session(session);
        }
    }

    /// Tells everybody that an endpoint has changed.
    pub(super) fn announce_endpoint(&mut self, id: EndpointId) {
        let Some(view) = self.endpoint_view(id) else {
            return;
        };
        let EndpointConfig { name, .. } = &view.config;
        let (state, detail) = (view.state.as_str(), view.state.detail());
        if detail.is_empty() {
            log::info!("endpoint {name}: {state}");
        } else {
            log::warn!("endpoint {name}: {state}: {detail}");
        }
        self.events.push("endpoint", &view.event());
        for session in self.sessions.ids() {
            if let Some(entry) = self.sessions.get_mut(session)
                && entry.session.has_control()
                && entry.grant.allows(name, Verb::Read)
            {
                entry.session.tell(&Reply::Endpoint {
                    endpoint: view.control(),
                });
                self.touch_session(session);
            }
        }
    }
}
