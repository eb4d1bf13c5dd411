//! `GET /metrics`: the counters of all components in one text.

use std::time::Duration;

use super::ticket::Ticket;
use crate::api::metrics::{self, Family, Values, counter, gauge, single};
use crate::devices::Table;
use crate::drops::Direction;
use crate::endpoint::{Count, DeviceState};
use crate::front::Front;
use crate::ice::network::Network;
use crate::media::Media;
use crate::session::set::Sessions;
use crate::signaling::rendezvous::Rendezvous;
use crate::sources::Sources;

/// The components whose counters `GET /metrics` reports.
pub(super) struct Figures<'a> {
    pub(super) uptime: Duration,
    pub(super) sources: &'a Sources,
    pub(super) front: &'a Front,
    pub(super) table: &'a Table,
    pub(super) network: &'a Network<Ticket>,
    pub(super) sessions: &'a Sessions,
    pub(super) rendezvous: &'a Rendezvous,
    pub(super) media: &'a Media,
}

impl Figures<'_> {
    /// Returns all counters in Prometheus text format.
    pub(super) fn text(&self) -> String {
        let mut families = self.gauges();
        families.extend(self.hub_counters());
        families.extend(self.session_counters());
        families.extend(self.front_counters());
        families.extend(self.datagram_counters());
        families.extend(self.device_families());
        families.extend(self.message_families());
        families.extend(self.media.families());
        metrics::render(families)
    }

    fn gauges(&self) -> Vec<Family> {
        let uptime = self.uptime.as_secs();
        let (routes, queued) = self.table.waiting();
        let (hub, connections) = (self.rendezvous.stats(), self.front.connections());
        let gauges = [
            ("sessions", "Sessions", self.sessions.len()),
            ("channels", "Channels bound to endpoints", routes),
            ("queued_bytes", "Bytes waiting for devices", queued),
            (
                "connections",
                "HTTP and WebSocket connections",
                connections.len(),
            ),
            (
                "event_readers",
                "Readers of the event stream",
                connections.readers(),
            ),
            (
                "address_pairs",
                "Address pairs learned",
                self.sessions.pairs(),
            ),
            ("peers", "Peers of the hub", hub.peers),
            ("links", "Connections of our own peers", hub.links),
            ("content_ports", "Content ports", hub.content_ports),
            (
                "parked_polls",
                "Requests that wait for an event",
                hub.parked_polls,
            ),
        ];
        let uptime = counter("uptime_seconds", "Seconds since the start", single(uptime));
        let gauges = gauges.map(|(name, help, value)| gauge(name, help, value));
        std::iter::once(uptime).chain(gauges).collect()
    }

    fn hub_counters(&self) -> Vec<Family> {
        let hub = self.rendezvous.stats();
        let refused = "Signals that made no sense, or were not read";
        vec![
            counter(
                "peers_refused",
                "Peers that could not join",
                single(hub.peers_refused),
            ),
            counter("signals_refused", refused, single(hub.signals_refused)),
        ]
    }

    fn session_counters(&self) -> Vec<Family> {
        let (stats, hub) = (self.sessions.stats(), self.rendezvous.stats());
        let refused = stats.refused + hub.links_refused;
        let displaced =
            "Unconnected sessions that made room for a newer one of the same token, key or address";
        vec![
            counter("sessions_created", "Offers answered", single(stats.created)),
            counter("sessions_refused", "Offers refused", single(refused)),
            counter("sessions_displaced", displaced, single(stats.displaced)),
            counter(
                "sessions_panicked",
                "Sessions lost to a bug",
                single(stats.panicked),
            ),
        ]
    }

    fn front_counters(&self) -> Vec<Family> {
        let (stats, hub) = (self.front.stats(), self.rendezvous.stats());
        let requests = stats.requests.iter();
        let requests = requests.map(|(class, n)| (vec![("code", format!("{class}xx"))], *n));
        vec![
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
                single(stats.tries_failed + hub.tries_failed),
            ),
            counter(
                "events_lost",
                "Events not told to slow readers",
                single(stats.events_lost + hub.events_dropped),
            ),
        ]
    }

    fn datagram_counters(&self) -> Vec<Family> {
        let stats = self.sessions.stats();
        let strays = stats.strays.iter();
        let strays = strays.map(|(kind, n)| (vec![("reason", kind.as_str().to_owned())], *n));
        let failed = self.network.send_failed().messages + self.sources.datagrams_refused();
        vec![
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
                single(failed),
            ),
        ]
    }

    fn device_families(&self) -> Vec<Family> {
        let [mut open, mut from_device, mut to_device] = [Vec::new(), Vec::new(), Vec::new()];
        for id in self.table.named() {
            let Some(report) = self.table.report(id) else {
                continue;
            };
            let labels = vec![("endpoint", report.config.name.clone())];
            let is_open = u64::from(report.state == DeviceState::Open);
            open.push((labels.clone(), is_open));
            from_device.push((labels.clone(), report.from_device.bytes));
            to_device.push((labels, report.to_device.bytes));
        }
        vec![
            Family {
                name: "endpoint_open",
                help: "1 when the device is there",
                is_counter: false,
                values: open,
            },
            counter("device_received_bytes", "Bytes from devices", from_device),
            counter("device_sent_bytes", "Bytes accepted for devices", to_device),
        ]
    }

    fn message_families(&self) -> Vec<Family> {
        let totals = self.table.totals();
        let way = |direction: Direction| vec![("direction", direction.as_str().to_owned())];
        let both = |of: fn(Count) -> u64| {
            vec![
                (way(Direction::FromPeer), of(totals.from_peers)),
                (way(Direction::ToPeer), of(totals.to_peers)),
            ]
        };
        let dropped = |of: fn(Count) -> u64| -> Values {
            let rows = totals.drops.iter().map(|((direction, reason), count)| {
                let mut labels = way(direction);
                labels.push(("reason", reason.as_str().to_owned()));
                (labels, of(count))
            });
            rows.collect()
        };
        vec![
            counter("messages", "Messages of channels", both(|c| c.messages)),
            counter(
                "message_bytes",
                "Bytes of those messages",
                both(|c| c.bytes),
            ),
            counter(
                "dropped_messages",
                "Messages dropped",
                dropped(|c| c.messages),
            ),
            counter(
                "dropped_bytes",
                "Bytes of those messages",
                dropped(|c| c.bytes),
            ),
        ]
    }
}
