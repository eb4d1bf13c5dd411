//! The API's view of sessions and endpoints.
#![expect(clippy::indexing_slicing, reason = "serde_json inserts a missing key")]

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use super::ticket::Ticket;
use crate::access::scope::{Grant, Verb};
use crate::api::bodies::text;
use crate::api::problem::Problem;
use crate::api::shapes::{add_place, count, drops, nothing_here};
use crate::api::{Resource, authority};
use crate::config::EndpointKind;
use crate::configured::Configured;
use crate::devices::{DeviceReport, EndpointView, RouteReport, Table};
use crate::front::{Front, rfc3339};
use crate::http::{RequestHead, Response};
use crate::ice::network::Network;
use crate::ids::{ConnectionId, EndpointId, RequestId, SessionId};
use crate::media::Media;
use crate::session::Session;
use crate::session::channels::{Binding, Channel, Reliability};
use crate::session::control::EndpointState;
use crate::session::set::Sessions;

/// The components that views are made of.
#[derive(Clone, Copy)]
pub(super) struct Views<'a> {
    pub(super) table: &'a Table,
    pub(super) sessions: &'a Sessions,
    pub(super) front: &'a Front,
    pub(super) network: &'a Network<Ticket>,
    pub(super) config: &'a Configured,
    pub(super) media: &'a Media,
}

/// Returns an endpoint's state for the control channel and the event stream.
pub(super) fn endpoint_state(view: &EndpointView) -> EndpointState<'_> {
    EndpointState {
        name: &view.name,
        kind: view.kind,
        state: view.state.as_str(),
        detail: view.state.detail(),
        media: &view.media,
        takes: &view.takes,
    }
}

/// Returns the states of all endpoints that a grant may read, in the order of their names.
pub(super) fn endpoint_states(table: &Table, grant: &Grant) -> Vec<EndpointView> {
    let all = table.names();
    let seen = all.filter(|(name, _)| grant.allows(name, Verb::Read));
    seen.filter_map(|(_, id)| table.view(id)).collect()
}

impl<'a> Views<'a> {
    /// Returns what depends on no right and on no state: pages, and the authority of the board.
    pub(super) fn file(self, head: &RequestHead, resource: &Resource) -> Result<Response, Problem> {
        if let Resource::Page(asset) = resource {
            asset.response(head)
        } else if let Resource::Authority(file) = resource {
            let tls = self.front.tls();
            let authority = tls.and_then(|tls| tls.authority.as_ref());
            file.response(authority.ok_or_else(authority::none)?)
        } else if *resource == Resource::Health {
            Ok(text("ok\n"))
        } else if *resource == Resource::Everything {
            Ok(Response::new(204))
        } else {
            Err(nothing_here())
        }
    }

    /// Returns the UDP ports of this daemon. A message that is redirected to one of them would loop for ever.
    pub(super) fn own_ports(self) -> BTreeSet<u16> {
        self.table
            .local_ports()
            .chain(self.network.ports())
            .collect()
    }

    pub(super) fn endpoints(self, grant: &Grant) -> Value {
        let all = self.table.names();
        let seen = all.filter(|(name, _)| grant.allows(name, Verb::Read));
        let all: Vec<Value> = seen.filter_map(|(_, id)| self.endpoint(id)).collect();
        json!({"endpoints": all})
    }

    pub(super) fn endpoint(self, id: EndpointId) -> Option<Value> {
        let report = self.table.report(id)?;
        let mut json = json!({
            "name": report.config.name,
            "kind": report.config.kind.as_str(),
            "state": report.state.as_str(),
            "detail": report.state.detail(),
            "messages": report.config.messages.as_str(),
            "routes": report.routes,
            "from_device": count(report.from_device),
            "to_device": count(report.to_device),
            "queued_bytes": report.queued_bytes,
            "drops": drops(report.drops),
        });
        self.add_traffic(&mut json, &report);
        add_place(&mut json, &report.config.kind, report.remote);
        self.media.add_tracks(&mut json, id);
        Some(json)
    }

    /// Adds the effects of the keys about traffic, and only those that apply to the kind.
    fn add_traffic(self, json: &mut Value, report: &DeviceReport<'_>) {
        let traffic = &report.config.traffic;
        let kind = &report.config.kind;
        let is_stream = matches!(
            kind,
            EndpointKind::Serial { .. } | EndpointKind::Tcp(_) | EndpointKind::Unix(_)
        );
        if is_stream {
            json["framing"] = json!(traffic.framing.as_str());
        }
        if let Some(faults) = report.faults {
            json["bad_frames"] = json!(faults.frames);
            json["cut_frames"] = json!(faults.cut);
            json["skipping"] = json!(faults.skipping);
        }
        if is_stream || matches!(kind, EndpointKind::Udp(_)) {
            let holder = report.lease.and_then(|id| self.sessions.name(id));
            json["writers"] = json!(traffic.writers.as_str());
            json["lease"] = json!(holder);
            json["scrollback"] = json!(traffic.scrollback);
            json["lag"] = json!(traffic.lag.as_str());
        }
        if let Some(deadman) = &traffic.deadman {
            json["deadman"] = json!({
                "timeout_ms": u64::try_from(deadman.timeout.as_millis()).unwrap_or(u64::MAX),
                "armed": report.is_armed,
                "fired": report.fired,
            });
        }
        if let Some(capture) = &report.capture {
            json["capture"] = json!({
                "path": capture.path.to_string_lossy(),
                "detail": capture.trouble,
                "lost_bytes": capture.lost.bytes,
            });
        }
    }

    pub(super) fn sessions(self, now: Instant, grant: &Grant) -> Value {
        let ids = self.sessions.ids().into_iter();
        let seen = ids.filter(|id| self.may_see(grant, *id));
        let all: Vec<Value> = seen.filter_map(|id| self.session(now, id)).collect();
        json!({"sessions": all})
    }

    /// Returns the answer to `GET /access`: the caller's rights, and which gateway it is. For administrators
    /// this includes the names and addresses at which other machines reach the gateway, for making links.
    pub(super) fn access(self, request: RequestId, grant: &Grant) -> Value {
        let way = self.front.connections().way_of(request);
        let expires = self.front.token_of(grant).and_then(|token| token.expires);
        json!({
            "token": grant.token.as_ref().map(|holder| &holder.name),
            "loopback": way.is_loopback,
            "tls": way.is_tls,
            "port": self.front.network_port(),
            "admin": grant.admin,
            "scopes": grant.scopes,
            "expires": expires.map(rfc3339),
            "fingerprints": {
                "dtls": self.sessions.fingerprint(),
                "tls": self.front.tls().map(|tls| &tls.fingerprint),
            },
            "configure": grant.admin && self.config.may_configure(),
            "hosts": grant.admin.then(|| self.front.outside_hosts()),
        })
    }

    /// Returns whether a grant may see a session.
    pub(super) fn may_see(self, grant: &Grant, id: SessionId) -> bool {
        let other = self.sessions.grant(id);
        other.is_some_and(|other| grant.may_see(other))
    }

    pub(super) fn session(self, now: Instant, id: SessionId) -> Option<Value> {
        let session = self.sessions.get(id)?;
        let (grant, origin) = (self.sessions.grant(id)?, self.sessions.origin(id)?);
        let (sent, received) = session.datagram_bytes();
        let path = session.path();
        let pair = path.map(|path| {
            json!({
                "local": path.local.to_string(),
                "remote": path.remote.to_string(),
                "protocol": "udp",
            })
        });
        let round_trip = path.and_then(|path| path.round_trip);
        let closed = origin.closed.iter().map(
            |it| json!({"id": it.stream, "label": it.label, "reason": it.reason, "detail": it.detail}),
        );
        let age = now.saturating_duration_since(session.created()).as_millis();
        let mut json = json!({
            "id": session.name(),
            "state": session.state().as_str(),
            "token": grant.token.as_ref().map(|token| &token.name),
            "remote": origin.remote.map(|address| address.to_string()),
            "created": rfc3339(origin.created),
            "age_ms": u64::try_from(age).unwrap_or(u64::MAX),
            "control": session.has_control(),
            "candidate_pair": pair,
            "round_trip_time_ms": round_trip.map(|rtt| rtt.as_secs_f64() * 1000.0),
            "bytes_sent": sent,
            "bytes_received": received,
            "channels": self.channels(session),
            "closed_channels": closed.collect::<Vec<Value>>(),
        });
        self.media.add_to_session(now, &mut json, id);
        Some(json)
    }

    fn channels(self, session: &Session) -> Vec<Value> {
        let channels = session.channels().iter();
        let open = channels.filter(|(_, channel)| channel.binding != Binding::Closing);
        open.map(|(_, channel)| {
            let route = match channel.binding {
                Binding::Route(route) => self.table.route(route),
                Binding::Unbound | Binding::Control | Binding::Closing => None,
            };
            channel_json(channel, route.as_ref())
        })
        .collect()
    }

    /// Returns the current states for a new reader of events.
    pub(super) fn current(self, reader: ConnectionId) -> Vec<(&'static str, Value)> {
        let grant = self.front.connections().reader_grant(reader);
        let grant = grant.unwrap_or_default();
        let mut current = Vec::new();
        for view in endpoint_states(self.table, &grant) {
            current.push(("endpoint", json!(endpoint_state(&view))));
        }
        let ids = self.sessions.ids();
        for id in ids.into_iter().filter(|_| grant.admin) {
            if let Some(session) = self.sessions.get(id) {
                let (name, state) = (session.name(), session.state().as_str());
                current.push(("session", json!({"id": name, "state": state})));
            }
        }
        current
    }
}

fn channel_json(channel: &Channel, route: Option<&RouteReport<'_>>) -> Value {
    let (max_retransmits, max_packet_life_time) = match channel.reliability {
        Reliability::Reliable => (None, None),
        Reliability::MaxRetransmits { retransmits } => (Some(retransmits), None),
        Reliability::MaxPacketLifetime { lifetime } => (None, Some(lifetime)),
    };
    let mut json = json!({
        "id": channel.stream,
        "label": channel.label,
        "endpoint": route.map(|route| route.label),
        "ordered": channel.ordered,
        "max_retransmits": max_retransmits,
        "max_packet_life_time": max_packet_life_time,
        "protocol": channel.protocol,
    });
    if let Some(route) = route {
        json["from_peer"] = count(route.from_peer);
        json["to_peer"] = count(route.to_peer);
        json["queued_bytes"] = json!(route.queued_bytes);
        json["credit"] = json!(route.credit);
        json["drops"] = drops(route.drops);
    }
    json
}
