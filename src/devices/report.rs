//! Views of endpoints and routes for the owner and the API.

use std::net::SocketAddr;
use std::time::Duration;

use super::Table;
use super::device::{Device, Role};
use crate::config::{EndpointConfig, EndpointKind, TrackConfig};
use crate::drops::{Direction, Drops};
use crate::endpoint::{Count, DeviceState, DropReason};
use crate::framing::Faults;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;

/// How many endpoints that are not open a summary names.
const NAMED: usize = 3;

/// The state of an endpoint, as told to every reader of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointView {
    pub(crate) name: String,
    /// The kind, such as `serial`, `udp` or `demo`.
    pub(crate) kind: &'static str,
    pub(crate) state: DeviceState,
    /// The kinds of its tracks, for an endpoint with pictures or sound.
    pub(crate) media: Vec<&'static str>,
    /// Those of them that browsers may send to.
    pub(crate) takes: Vec<&'static str>,
}

impl EndpointView {
    pub(super) fn of(device: &Device) -> Self {
        Self {
            name: device.config.name.clone(),
            kind: device.config.kind.as_str(),
            state: device.endpoint.state(),
            media: kinds_of(&device.config.kind, |_| true),
            takes: kinds_of(&device.config.kind, TrackConfig::takes_from_browsers),
        }
    }
}

/// Returns the kinds of an endpoint's tracks of which this is true.
fn kinds_of(kind: &EndpointKind, is_wanted: impl Fn(&TrackConfig) -> bool) -> Vec<&'static str> {
    let EndpointKind::Rtp(rtp) = kind else {
        return Vec::new();
    };
    let tracks = rtp.tracks().filter(|track| is_wanted(track));
    tracks.map(|track| track.codec.kind().as_str()).collect()
}

/// Everything about an endpoint, including its connections for single channels.
pub(crate) struct DeviceReport<'a> {
    pub(crate) config: &'a EndpointConfig,
    pub(crate) state: DeviceState,
    pub(crate) routes: usize,
    pub(crate) from_device: Count,
    pub(crate) to_device: Count,
    pub(crate) queued_bytes: usize,
    pub(crate) drops: &'a Drops,
    pub(crate) faults: Option<Faults>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) lease: Option<SessionId>,
    pub(crate) is_armed: bool,
    pub(crate) fired: u64,
    pub(crate) capture: Option<CaptureReport<'a>>,
}

/// The state of a capture.
pub(crate) struct CaptureReport<'a> {
    pub(crate) path: &'a std::path::Path,
    /// Why the capture does not work, or empty if it works.
    pub(crate) trouble: &'a str,
    pub(crate) lost: Count,
}

/// Everything about a route.
pub(crate) struct RouteReport<'a> {
    pub(crate) label: &'a str,
    pub(crate) endpoint: EndpointId,
    pub(crate) from_peer: Count,
    pub(crate) to_peer: Count,
    pub(crate) queued_bytes: usize,
    pub(crate) credit: u64,
    pub(crate) drops: &'a Drops,
}

/// The state of a lease, as told to its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseState {
    pub(crate) holder: Option<SessionId>,
    pub(crate) asked_by: Option<SessionId>,
    /// How much longer the holder may keep the lease from the session that asked.
    pub(crate) wait: Option<Duration>,
}

/// The drops of one channel to report to its peer.
pub(crate) struct DropNews {
    pub(crate) stream: u16,
    pub(crate) label: String,
    pub(crate) direction: Direction,
    pub(crate) reason: DropReason,
    pub(crate) count: Count,
}

/// Counters of all devices together.
pub(crate) struct Totals {
    pub(crate) drops: Drops,
    pub(crate) from_peers: Count,
    pub(crate) to_peers: Count,
}

impl Table {
    /// Returns the state of an endpoint.
    pub(crate) fn view(&self, id: EndpointId) -> Option<EndpointView> {
        self.endpoints.get(id).map(EndpointView::of)
    }

    /// Returns the name under which a device appears, in the log and in events.
    pub(crate) fn name(&self, id: EndpointId) -> Option<&str> {
        Some(self.endpoints.get(id)?.config.name.as_str())
    }

    /// Returns everything about an endpoint.
    pub(crate) fn report(&self, id: EndpointId) -> Option<DeviceReport<'_>> {
        let device = self.endpoints.get(id)?;
        let mut report = DeviceReport {
            config: &device.config,
            state: device.endpoint.state(),
            routes: 0,
            from_device: Count::default(),
            to_device: Count::default(),
            queued_bytes: 0,
            drops: &device.drops,
            faults: device.endpoint.faults(),
            remote: device.endpoint.remote(),
            lease: device.writing.lease,
            is_armed: device.writing.is_armed(),
            fired: device.writing.fired,
            capture: device.capture.as_ref().map(|file| CaptureReport {
                path: &file.config.path,
                trouble: file.trouble.as_deref().unwrap_or_default(),
                lost: file.recorder.lost(),
            }),
        };
        for (_, member) in self.family(id) {
            report.routes += member.routes.len();
            report.from_device.add(member.from_device);
            report.to_device.add(member.to_device);
            let output = member.endpoint.output().len();
            report.queued_bytes += self.queued_of(&member.waiting) + output;
        }
        Some(report)
    }

    /// Returns everything about a route.
    pub(crate) fn route(&self, id: RouteId) -> Option<RouteReport<'_>> {
        let route = self.routes.get(id)?;
        Some(RouteReport {
            label: &route.label,
            endpoint: route.endpoint,
            from_peer: route.from_peer,
            to_peer: route.to_peer,
            queued_bytes: route.queued_bytes(),
            credit: route.credit(),
            drops: &route.drops,
        })
    }

    /// Returns the session and channel of every route to an endpoint, including the routes to the endpoint's
    /// connections.
    pub(crate) fn channels_at(
        &self,
        id: EndpointId,
    ) -> Vec<(SessionId, crate::channel::ChannelKey)> {
        let routes = self.family(id).flat_map(|(_, device)| &device.routes);
        let routes = routes.filter_map(|id| self.routes.get(*id));
        routes.map(|route| (route.session, route.channel)).collect()
    }

    /// Returns the channels of a session that are bound.
    pub(crate) fn channels_of(&self, session: SessionId) -> Vec<crate::channel::ChannelKey> {
        let share = self.shares.get(&session);
        let routes = share.into_iter().flat_map(|share| &share.routes);
        let routes = routes.filter_map(|id| self.routes.get(*id));
        routes.map(|route| route.channel).collect()
    }

    /// Returns stream id, label, credit and endpoint of each channel of a session, for a control channel that
    /// opened after them. The owner also reports the lease of each endpoint.
    pub(super) fn repeat_credits(
        &mut self,
        session: SessionId,
    ) -> Vec<(u16, String, u64, EndpointId)> {
        let share = self.shares.get(&session);
        let routes = share.map(|share| share.routes.clone()).unwrap_or_default();
        let mut credits = Vec::new();
        for id in routes {
            if let Some(route) = self.routes.get_mut(id) {
                let limit = route.repeat_credit();
                credits.push((route.stream, route.label.clone(), limit, route.endpoint));
            }
        }
        credits
    }

    /// Returns the counters of all devices and routes, including removed ones.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            drops: self.counted.drops.clone(),
            from_peers: self.counted.from_peers,
            to_peers: self.counted.to_peers,
        };
        for (_, route) in self.routes.iter() {
            totals.drops.add_all(&route.drops);
            totals.from_peers.add(route.from_peer);
            totals.to_peers.add(route.to_peer);
        }
        for (_, device) in self.endpoints.iter() {
            totals.drops.add_all(&device.drops);
        }
        totals
    }

    /// Returns the endpoints of the configuration, for the metrics.
    pub(crate) fn named(&self) -> impl Iterator<Item = EndpointId> {
        let devices = self.endpoints.iter();
        let named = devices.filter(|(_, device)| device.role == Role::Configured);
        named.map(|(id, _)| id)
    }

    /// Returns how many routes exist, and how many bytes wait on them.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.routes.len(), self.queued)
    }

    /// Counts messages that were lost before they reached a route.
    pub(super) fn count_lost(&mut self, direction: Direction, reason: DropReason, count: Count) {
        self.counted.drops.add(direction, reason, count);
    }

    /// Returns the state of all endpoints in one line for people: "2 of 3 endpoints open, arm absent".
    pub(crate) fn summary(&self) -> String {
        let states = self.names().filter_map(|(name, id)| {
            let view = self.view(id)?;
            Some((name, view.state.as_str()))
        });
        let states: Vec<_> = states.collect();
        if states.is_empty() {
            return "no endpoints".to_owned();
        }
        let others: Vec<_> = states
            .iter()
            .filter(|(_, state)| *state != "open")
            .collect();
        let (all, open) = (states.len(), states.len() - others.len());
        let plural = if all == 1 { "" } else { "s" };
        let mut text = format!("{open} of {all} endpoint{plural} open");
        for (name, state) in others.iter().take(NAMED) {
            text += &format!(", {name} {state}");
        }
        if others.len() > NAMED {
            text += ", \u{2026}";
        }
        text
    }

    /// Returns whether the loop still reads a stream that accepts no more bytes, because a program may have
    /// sent its last bytes before it closed.
    pub(crate) fn reads_to_the_end(&self, id: EndpointId) -> bool {
        let kind = self.endpoints.get(id).map(|device| &device.config.kind);
        matches!(kind, Some(EndpointKind::Tcp(_) | EndpointKind::Unix(_)))
    }

    /// Returns the bytes to be written to a device's stream.
    pub(crate) fn output(&self, id: EndpointId) -> &[u8] {
        let device = self.endpoints.get(id).filter(|device| !device.holds_output);
        device.map_or(&[], |device| device.endpoint.output())
    }

    /// Returns the text that waits for a capture file.
    pub(crate) fn capture_output(&self, id: EndpointId) -> &[u8] {
        let file = self.endpoints.get(id).and_then(|it| it.capture.as_ref());
        file.map_or(&[], |file| file.recorder.output())
    }

    /// Returns the state of an endpoint's lease.
    pub(crate) fn lease(&self, cx: &Context<'_>, id: EndpointId) -> Option<LeaseState> {
        let writing = &self.endpoints.get(id)?.writing;
        Some(LeaseState {
            holder: writing.lease,
            asked_by: writing.asked.map(|(by, _)| by),
            wait: (writing.asked).map(|(_, at)| at.saturating_duration_since(cx.now)),
        })
    }
}
