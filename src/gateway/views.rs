//! What the API shows of sessions, endpoints and counters.
#![expect(clippy::indexing_slicing, reason = "serde_json inserts a missing key")]

use std::time::Instant;

use serde_json::{Value, json};

use super::Gateway;
use super::devices::Device;
use super::sessions::Entry;
use super::stats::{Direction, Drops};
use crate::access::scope::{Grant, Verb};
use crate::api::metrics::{self, Family};
use crate::config::{EndpointConfig, EndpointKind, Meeting};
use crate::endpoint::{Count, DeviceState};
use crate::ids::EndpointId;
use crate::session::channels::{Binding, Reliability};
use crate::session::control::EndpointState;

/// An endpoint's state, apart from the gateway.
pub(super) struct EndpointView {
    pub(super) config: EndpointConfig,
    pub(super) state: DeviceState,
}

impl EndpointView {
    /// For the control channel.
    pub(super) fn control(&self) -> EndpointState<'_> {
        EndpointState {
            name: &self.config.name,
            kind: self.config.kind.as_str(),
            state: self.state.as_str(),
            detail: self.state.detail(),
        }
    }

    /// For the event stream.
    pub(super) fn event(&self) -> Value {
        json!(self.control())
    }
}

impl Gateway {
    pub(super) fn endpoint_view(&self, id: EndpointId) -> Option<EndpointView> {
        let device = self.routing.endpoints.get(id)?;
        Some(EndpointView {
            config: device.config.clone(),
            state: device.endpoint.state(),
        })
    }

    /// All endpoints that may be read, in the order of their names.
    pub(super) fn endpoint_states(&self, grant: &Grant) -> Vec<EndpointView> {
        let all = self.routing.endpoint_names.iter();
        let seen = all.filter(|(name, _)| grant.allows(name, Verb::Read));
        seen.filter_map(|(_, id)| self.endpoint_view(*id)).collect()
    }

    pub(super) fn endpoint_json(&self, name: &str) -> Option<Value> {
        let id = *self.routing.endpoint_names.get(name)?;
        let device = self.routing.endpoints.get(id)?;
        let state = device.endpoint.state();
        let (mut routes, mut queued) = (0, 0);
        let [mut from_device, mut to_device] = [Count::default(); 2];
        for (_, member) in self.family(id) {
            routes += member.routes.len();
            from_device.add(member.from_device);
            to_device.add(member.to_device);
            queued += self.routing.queued_of(member.waiting()) + member.endpoint.output().len();
        }
        let mut json = json!({
            "name": name,
            "kind": device.config.kind.as_str(),
            "state": state.as_str(),
            "detail": state.detail(),
            "messages": device.config.messages.as_str(),
            "routes": routes,
            "from_device": count(from_device),
            "to_device": count(to_device),
            "queued_bytes": queued,
            "drops": drops(&device.drops),
        });
        self.add_traffic(&mut json, device);
        match &device.config.kind {
            EndpointKind::Serial { path, line } => {
                json["path"] = json!(path.to_string_lossy());
                json["baud"] = json!(line.baud);
            }
            EndpointKind::Tcp(Meeting::Remote(addr) | Meeting::PerChannel(addr)) => {
                json["remote"] = json!(addr.to_string());
            }
            EndpointKind::Tcp(Meeting::Listen(addr)) => json["listen"] = json!(addr.to_string()),
            EndpointKind::Unix(Meeting::Remote(path) | Meeting::PerChannel(path)) => {
                json["remote"] = json!(path.to_string_lossy());
            }
            EndpointKind::Unix(Meeting::Listen(path)) => {
                json["listen"] = json!(path.to_string_lossy());
            }
            EndpointKind::Udp(udp) => {
                let remote = device.endpoint.remote();
                json["remote"] = json!(remote.map(|addr| addr.to_string()));
                json["bind"] = json!(udp.bind.map(|addr| addr.to_string()));
            }
            EndpointKind::Demo | EndpointKind::Echo | EndpointKind::Sink | EndpointKind::Source => {
            }
        }
        Some(json)
    }

    /// What the keys about traffic have led to; only those that mean something to the kind.
    fn add_traffic(&self, json: &mut Value, device: &Device) {
        let traffic = &device.config.traffic;
        let is_stream = matches!(
            device.config.kind,
            EndpointKind::Serial { .. } | EndpointKind::Tcp(_) | EndpointKind::Unix(_)
        );
        if is_stream {
            json["framing"] = json!(traffic.framing.as_str());
        }
        if let Some(faults) = device.endpoint.faults() {
            json["bad_frames"] = json!(faults.frames);
            json["cut_frames"] = json!(faults.cut);
            json["skipping"] = json!(faults.skipping);
        }
        if is_stream || matches!(device.config.kind, EndpointKind::Udp(_)) {
            let holder = device.writing.lease.and_then(|id| self.sessions.get(id));
            json["writers"] = json!(traffic.writers.as_str());
            json["lease"] = json!(holder.map(|entry| entry.session.name()));
            json["scrollback"] = json!(traffic.scrollback);
            json["lag"] = json!(traffic.lag.as_str());
        }
        if let Some(deadman) = &traffic.deadman {
            json["deadman"] = json!({
                "timeout_ms": u64::try_from(deadman.timeout.as_millis()).unwrap_or(u64::MAX),
                "armed": device.writing.is_armed(),
                "fired": device.writing.fired,
            });
        }
        if let Some(tape) = &device.tape {
            json["capture"] = json!({
                "path": tape.config.path.to_string_lossy(),
                "detail": tape.trouble.as_deref().unwrap_or_default(),
                "lost_bytes": tape.recorder.lost().bytes,
            });
        }
    }

    pub(super) fn endpoints_json(&self, grant: &Grant) -> Value {
        let names = self.routing.endpoint_names.keys();
        let seen = names.filter(|name| grant.allows(name, Verb::Read));
        let all: Vec<Value> = seen.filter_map(|name| self.endpoint_json(name)).collect();
        json!({"endpoints": all})
    }

    pub(super) fn sessions_json(&self, now: Instant, grant: &Grant) -> Value {
        let all: Vec<Value> = self
            .sessions
            .iter()
            .filter(|(_, entry)| grant.may_see(&entry.grant))
            .map(|(_, entry)| self.session_json(now, entry))
            .collect();
        json!({"sessions": all})
    }

    pub(super) fn session_json(&self, now: Instant, entry: &Entry) -> Value {
        let session = &entry.session;
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
        let closed: Vec<Value> = entry
            .closed
            .iter()
            .map(|c| json!({"id": c.stream, "label": c.label, "reason": c.reason, "detail": c.detail}))
            .collect();
        let age = now.saturating_duration_since(session.created()).as_millis();
        json!({
            "id": session.name(),
            "state": session.state().as_str(),
            "token": entry.grant.token.as_ref().map(|token| &token.name),
            "remote": entry.remote.map(|address| address.to_string()),
            "created": super::tokens::rfc3339(entry.created),
            "age_ms": u64::try_from(age).unwrap_or(u64::MAX),
            "control": session.has_control(),
            "candidate_pair": pair,
            "round_trip_time_ms": round_trip.map(|rtt| rtt.as_secs_f64() * 1000.0),
            "bytes_sent": sent,
            "bytes_received": received,
            "channels": self.channels_json(entry),
            "closed_channels": closed,
        })
    }

    fn channels_json(&self, entry: &Entry) -> Vec<Value> {
        let channels = entry.session.channels().iter();
        let open = channels.filter(|(_, channel)| channel.binding != Binding::Closing);
        open.map(|(_, channel)| {
            let (max_retransmits, max_packet_life_time) = match channel.reliability {
                Reliability::Reliable => (None, None),
                Reliability::MaxRetransmits { retransmits } => (Some(retransmits), None),
                Reliability::MaxPacketLifetime { lifetime } => (None, Some(lifetime)),
            };
            let route = match channel.binding {
                Binding::Route(route) => self.routing.routes.get(route),
                Binding::Unbound | Binding::Control | Binding::Closing => None,
            };
            let mut json = json!({
                "id": channel.stream,
                "label": channel.label,
                "endpoint": route.map(|route| route.label.as_str()),
                "ordered": channel.ordered,
                "max_retransmits": max_retransmits,
                "max_packet_life_time": max_packet_life_time,
                "protocol": channel.protocol,
            });
            if let Some(route) = route {
                json["from_peer"] = count(route.from_peer);
                json["to_peer"] = count(route.to_peer);
                json["queued_bytes"] = json!(route.queued_bytes());
                json["credit"] = json!(route.credit());
                json["drops"] = drops(&route.drops);
            }
            json
        })
        .collect()
    }

    pub(super) fn metrics_text(&self, now: Instant) -> String {
        let stats = &self.stats;
        let gauge = |name, help, value: usize| Family {
            name,
            help,
            is_counter: false,
            values: vec![(Vec::new(), value as u64)],
        };
        let counter = |name, help, values| Family {
            name,
            help,
            is_counter: true,
            values,
        };
        let single = |value| vec![(Vec::new(), value)];
        let strays = stats.strays.iter();
        let strays = strays.map(|(kind, n)| (vec![("reason", kind.as_str().to_owned())], *n));
        let requests = stats.requests.iter();
        let requests = requests.map(|(class, n)| (vec![("code", format!("{class}xx"))], *n));
        let (pairs, _) = self.demux.len();
        let [peers, links, content_ports, polls] = self.hub_counts();
        let uptime = now.saturating_duration_since(self.started).as_secs();
        let mut families = vec![
            counter("uptime_seconds", "Seconds since the start", single(uptime)),
            gauge("sessions", "Sessions", self.sessions.len()),
            gauge(
                "channels",
                "Channels bound to endpoints",
                self.routing.routes.len(),
            ),
            gauge(
                "queued_bytes",
                "Bytes waiting for devices",
                self.routing.queued,
            ),
            gauge(
                "connections",
                "HTTP and WebSocket connections",
                self.visitors.len(),
            ),
            gauge(
                "event_readers",
                "Readers of the event stream",
                self.events.len(),
            ),
            gauge("address_pairs", "Address pairs learned", pairs),
            gauge("peers", "Peers of the hub", peers),
            gauge("links", "Connections of our own peers", links),
            gauge("content_ports", "Content ports", content_ports),
            gauge("parked_polls", "Requests that wait for an event", polls),
            counter(
                "peers_refused",
                "Peers that could not join",
                single(stats.peers_refused),
            ),
            counter(
                "signals_refused",
                "Signals that made no sense, or were not read",
                single(stats.signals_refused + self.signals_dropped()),
            ),
            counter(
                "sessions_created",
                "Offers answered",
                single(stats.sessions_created),
            ),
            counter(
                "sessions_refused",
                "Offers refused",
                single(stats.sessions_refused),
            ),
            counter(
                "sessions_displaced",
                "Unconnected sessions that made room for a newer one of the same token, key or address",
                single(stats.sessions_displaced),
            ),
            counter(
                "sessions_panicked",
                "Sessions lost to a bug",
                single(stats.sessions_panicked),
            ),
            counter("requests", "HTTP answers", requests.collect()),
            counter(
                "connections_refused",
                "Connections turned away",
                single(stats.connections_refused),
            ),
            counter(
                "connections_displaced",
                "Connections without a valid right that made room for newer ones",
                single(stats.connections_displaced),
            ),
            counter(
                "tries_failed",
                "Requests with an unknown token, ticket or share code",
                single(stats.tries_failed),
            ),
            counter(
                "events_lost",
                "Events not told to slow readers",
                single(stats.events_lost + self.peer_events_dropped()),
            ),
            counter(
                "datagrams_received",
                "Datagrams on the ICE sockets",
                single(stats.datagrams_received.messages),
            ),
            counter(
                "datagrams_stray",
                "Datagrams that belong to no session",
                strays.collect(),
            ),
            counter(
                "datagrams_not_sent",
                "Datagrams that could not be sent",
                single(stats.send_failed.messages + self.routing.transmits.refused()),
            ),
        ];
        families.extend(self.payload_families());
        metrics::render(families)
    }

    fn payload_families(&self) -> Vec<Family> {
        let mut all = self.stats.drops.clone();
        let [mut from_peer, mut to_peer] = self.stats.ended;
        for (_, route) in self.routing.routes.iter() {
            all.add_all(&route.drops);
            from_peer.add(route.from_peer);
            to_peer.add(route.to_peer);
        }
        let mut endpoints = [Vec::new(), Vec::new(), Vec::new()];
        let [open, from_device, to_device] = &mut endpoints;
        for (id, device) in self.routing.endpoints.iter() {
            all.add_all(&device.drops);
            if device.parent.is_some() || device.is_nameless() {
                continue;
            }
            let [mut from, mut to] = [Count::default(); 2];
            for (_, member) in self.family(id) {
                from.add(member.from_device);
                to.add(member.to_device);
            }
            let labels = vec![("endpoint", device.config.name.clone())];
            open.push((
                labels.clone(),
                u64::from(device.endpoint.state() == DeviceState::Open),
            ));
            from_device.push((labels.clone(), from.bytes));
            to_device.push((labels, to.bytes));
        }
        let way = |direction: Direction| vec![("direction", direction.as_str().to_owned())];
        let both = |of: fn(Count) -> u64| {
            vec![
                (way(Direction::FromPeer), of(from_peer)),
                (way(Direction::ToPeer), of(to_peer)),
            ]
        };
        let dropped = |of: fn(Count) -> u64| -> Vec<_> {
            let rows = all.iter().map(|((direction, reason), count)| {
                let mut labels = way(direction);
                labels.push(("reason", reason.as_str().to_owned()));
                (labels, of(count))
            });
            rows.collect()
        };
        let [open, from_device, to_device] = endpoints;
        let family = |name, help, is_counter, values| Family {
            name,
            help,
            is_counter,
            values,
        };
        vec![
            family("endpoint_open", "1 when the device is there", false, open),
            family(
                "device_received_bytes",
                "Bytes from devices",
                true,
                from_device,
            ),
            family(
                "device_sent_bytes",
                "Bytes accepted for devices",
                true,
                to_device,
            ),
            family(
                "messages",
                "Messages of channels",
                true,
                both(|c| c.messages),
            ),
            family(
                "message_bytes",
                "Bytes of those messages",
                true,
                both(|c| c.bytes),
            ),
            family(
                "dropped_messages",
                "Messages dropped",
                true,
                dropped(|c| c.messages),
            ),
            family(
                "dropped_bytes",
                "Bytes of those messages",
                true,
                dropped(|c| c.bytes),
            ),
        ]
    }
}

fn count(count: Count) -> Value {
    json!({"messages": count.messages, "bytes": count.bytes})
}

fn drops(drops: &Drops) -> Value {
    let rows = drops.iter().map(|((direction, reason), count)| {
        json!({
            "direction": direction.as_str(),
            "reason": reason.as_str(),
            "messages": count.messages,
            "bytes": count.bytes,
        })
    });
    rows.collect()
}
