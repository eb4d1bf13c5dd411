//! Lookups of endpoints, routes and sessions' shares, and changes of the table alone. This file sends no
//! command to the event loop, and sets no deadline.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use rustc_hash::FxHashMap;

use super::device::{Device, Role};
use super::{NoRoute, Table};
use crate::config::{ConfigPlace, EndpointConfig, EndpointKind, Writers};
use crate::drops::Drops;
use crate::endpoint::{Count, DropReason};
use crate::ids::{EndpointId, RouteId, SessionId, SourceId};
use crate::util::slab::Slab;

/// The limits of the configuration that apply to devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many bytes may wait on one route.
    pub(crate) route_queue: usize,
    /// The most sessions that may exist. They share the memory for all routes.
    pub(crate) sessions: usize,
}

/// Counters of removed routes and devices.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) drops: Drops,
    pub(super) from_peers: Count,
    pub(super) to_peers: Count,
}

impl Table {
    /// Returns a table without endpoints.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            endpoints: Slab::new(),
            names: BTreeMap::new(),
            routes: Slab::new(),
            shares: FxHashMap::default(),
            senders: [None; 2],
            bridges: HashMap::new(),
            readable: VecDeque::with_capacity(16),
            queued: 0,
            held: 0,
            bounds,
            counted: Counted::default(),
        }
    }

    /// Removes an endpoint's name, so that no lookup finds the endpoint while it is being removed.
    pub(super) fn forget_name(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Returns the endpoint of this name.
    pub(crate) fn find(&self, name: &str) -> Option<EndpointId> {
        self.names.get(name).copied()
    }

    /// Returns the names of all endpoints that have one, in the order of the names.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, EndpointId)> {
        self.names.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// Returns the configuration of an endpoint that has a name.
    pub(crate) fn config(&self, id: EndpointId) -> Option<&EndpointConfig> {
        let device = self.endpoints.get(id)?;
        (device.role == Role::Configured).then_some(&device.config)
    }

    /// Returns the configurations of all endpoints that have a name.
    pub(crate) fn configs(&self) -> impl Iterator<Item = (EndpointId, &EndpointConfig)> {
        let named = self.names.values();
        named.filter_map(|id| Some((*id, &self.endpoints.get(*id)?.config)))
    }

    /// Returns why no channel can be bound to an endpoint with pictures or sound, or `None` for an endpoint of
    /// another kind.
    pub(crate) fn media_refusal(&self, id: EndpointId) -> Option<String> {
        let EndpointConfig { name, kind, .. } = self.config(id)?;
        matches!(kind, EndpointKind::Rtp(_)).then(|| {
            format!("endpoint {name} carries media: add a media section, or use /whep/{name}")
        })
    }

    /// Sets the place of an endpoint in the configuration.
    pub(super) fn set_place(&mut self, id: EndpointId, place: ConfigPlace) {
        if let Some(device) = self.endpoints.get_mut(id) {
            device.config.place = place;
        }
    }

    /// Returns how many endpoints exist, including connections of single channels and content ports.
    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Returns whether nothing is under way to any device.
    pub(crate) fn is_drained(&self) -> bool {
        let mut devices = self.endpoints.iter();
        devices.all(|(_, device)| device.is_drained())
    }

    /// Logs how many bytes each device has not taken, because these bytes are lost now.
    pub(crate) fn log_unwritten(&self) {
        for (_, device) in self.endpoints.iter() {
            let lost = device.endpoint.output().len() + self.queued_of(&device.waiting);
            if lost > 0 {
                let name = &device.config.name;
                log::warn!("endpoint {name}: {lost} bytes were not written before the stop");
            }
        }
    }

    /// Notes whether a session has a control channel.
    pub(super) fn set_hears(&mut self, session: SessionId, hears: bool) {
        if let Some(share) = self.shares.get_mut(&session) {
            share.hears = hears;
        }
    }

    /// Returns whether a session has no channel, and no messages left to deliver.
    pub(crate) fn is_emptied(&self, session: SessionId) -> bool {
        let share = self.shares.get(&session);
        share.is_none_or(|share| share.routes.is_empty() && share.lingering.is_empty())
    }

    /// Queues a session whose channels may be written to.
    pub(super) fn touch(&mut self, session: SessionId) {
        if let Some(share) = self.shares.get_mut(&session)
            && !std::mem::replace(&mut share.touched, true)
        {
            self.readable.push_back(session);
        }
    }

    /// Queues every session with a channel to an endpoint, because the endpoint may have data for it.
    pub(super) fn touch_readers(&mut self, id: EndpointId) {
        let Some(device) = self.endpoints.get(id) else {
            return;
        };
        for route in &device.routes {
            if let Some(route) = self.routes.get(*route)
                && let Some(share) = self.shares.get_mut(&route.session)
                && !std::mem::replace(&mut share.touched, true)
            {
                self.readable.push_back(route.session);
            }
        }
    }

    /// Returns the sessions with a channel to an endpoint, each once.
    pub(crate) fn sessions_at(&self, id: EndpointId) -> BTreeSet<SessionId> {
        let device = self.endpoints.get(id);
        let routes = device.into_iter().flat_map(|device| &device.routes);
        routes
            .filter_map(|id| Some(self.routes.get(*id)?.session))
            .collect()
    }

    /// Returns an endpoint and all of its connections for single channels.
    pub(super) fn family(&self, id: EndpointId) -> impl Iterator<Item = (EndpointId, &Device)> {
        let devices = self.endpoints.iter();
        devices.filter(move |(other, device)| *other == id || device.parent() == Some(id))
    }

    pub(super) fn known_sender(&self, to: IpAddr) -> Option<EndpointId> {
        let sender = self.senders.get(usize::from(to.is_ipv6()));
        sender.copied().flatten()
    }

    /// Returns the socket that sends a device's datagram: the device's own socket, or a sender if the own
    /// socket cannot reach the address.
    pub(super) fn socket_to(&self, id: EndpointId, remote: SocketAddr) -> Option<SourceId> {
        let device = self.endpoints.get(id)?;
        let is_enough = match device.role {
            Role::Port(bind) | Role::Sender(bind) => reaches(bind.ip(), remote.ip()),
            Role::Configured | Role::Instance(_) | Role::Bridge => true,
        };
        if is_enough {
            return device.source;
        }
        let sender = self.known_sender(remote.ip())?;
        self.endpoints.get(sender)?.source
    }

    /// Returns the UDP ports that sockets of devices are bound to.
    pub(crate) fn local_ports(&self) -> impl Iterator<Item = u16> {
        let devices = self.endpoints.iter();
        devices.filter_map(|(_, device)| Some(device.local?.port()))
    }

    /// Returns the route whose bytes a request counts: the session's only route to the endpoint, unless the
    /// request names the channel.
    pub(crate) fn own_route(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        stream: Option<u16>,
    ) -> Result<RouteId, NoRoute> {
        let share = self.shares.get(&session);
        let routes = share.into_iter().flat_map(|share| &share.routes);
        let mut matching = routes.filter(|id| {
            let route = self.routes.get(**id);
            route.is_some_and(|route| stream.is_none_or(|stream| stream == route.stream))
                && self.leads_to(**id, endpoint)
        });
        match (matching.next(), matching.next()) {
            (Some(route), None) => Ok(*route),
            (None, _) => Err(NoRoute::None),
            (Some(_), Some(_)) => Err(NoRoute::Several),
        }
    }

    /// Returns the newest route of a closed channel that still has bytes to deliver.
    pub(crate) fn lingering_route(
        &self,
        session: SessionId,
        endpoint: EndpointId,
        stream: Option<u16>,
    ) -> Option<RouteId> {
        let share = self.shares.get(&session)?;
        let mut newest_first = share.lingering.iter().rev().copied();
        newest_first.find(|id| {
            let route = self.routes.get(*id);
            route.is_some_and(|route| Some(route.stream) == stream) && self.leads_to(*id, endpoint)
        })
    }

    /// Returns whether a route leads to this endpoint, or to one of the endpoint's connections for single
    /// channels.
    fn leads_to(&self, route: RouteId, endpoint: EndpointId) -> bool {
        self.routes.get(route).is_some_and(|route| {
            let device = self.endpoints.get(route.endpoint);
            route.endpoint == endpoint || device.is_some_and(|it| it.parent() == Some(endpoint))
        })
    }

    /// Returns whether no other session has a channel to an endpoint, or bytes that wait for it.
    pub(super) fn is_alone_at(&self, session: SessionId, endpoint: EndpointId) -> bool {
        let device = self.endpoints.get(endpoint);
        let waiting = device.into_iter().flat_map(|device| &device.waiting);
        let routes = waiting.filter_map(|id| self.routes.get(*id));
        let mut others = routes.map(|route| route.session);
        let open = self.sessions_at(endpoint);
        others.all(|other| other == session) && open.iter().all(|other| *other == session)
    }

    /// Touches every session that has not been told of all its drops, so that the owner asks for them again.
    pub(super) fn touch_sessions_with_news(&mut self) {
        let routes = self.routes.iter();
        let untold = routes.filter(|(_, route)| route.drops.total() != route.reported.0);
        let sessions: Vec<SessionId> = untold.map(|(_, route)| route.session).collect();
        for session in sessions {
            self.touch(session);
        }
    }

    /// Returns an error if a session may not write to a device now.
    pub(super) fn check_writer(
        &self,
        session: SessionId,
        id: EndpointId,
    ) -> Result<(), DropReason> {
        let Some(device) = self.endpoints.get(id) else {
            return Err(DropReason::Absent);
        };
        if device.writing.stopped.contains(&session) {
            return Err(DropReason::Deadman);
        }
        let holder = device.writing.lease;
        let is_free = holder.is_none_or(|holder| holder == session);
        if device.config.traffic.writers == Writers::One && !is_free {
            return Err(DropReason::NoLease);
        }
        Ok(())
    }

    /// Forgets that a session was stopped, because the session has ended. The deadline stays, because a
    /// machine must stop even if its writer's session has ended.
    pub(super) fn forget_stopped(&mut self, session: SessionId) {
        for (_, device) in self.endpoints.iter_mut() {
            device.writing.stopped.remove(&session);
        }
    }
}

/// Returns whether a socket bound to one address can send to another. A socket bound to loopback reaches only
/// loopback.
fn reaches(bound: IpAddr, to: IpAddr) -> bool {
    bound.is_ipv4() == to.is_ipv4()
        && (bound.is_unspecified() || bound.is_loopback() == to.is_loopback())
}
