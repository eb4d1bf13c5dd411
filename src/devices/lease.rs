//! Leases: with `writers = "one"` one session at a time may write to an endpoint. The first session that
//! writes gets the lease. This file changes leases; `wishes.rs` decides about the wishes of sessions.

use super::{DeviceEvent, Flow, TimerKey};
use crate::config::Writers;
use crate::ids::{EndpointId, RouteId, SessionId};

impl Flow {
    /// Hands a lease over, because the holder did not refuse in time.
    pub(super) fn hand_over_lease(&mut self, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        if let Some((by, _)) = device.and_then(|device| device.writing.asked) {
            self.set_lease(id, Some(by));
        }
    }

    /// Ends a session's wait for the lease, if a session waits.
    pub(super) fn end_asking(&mut self, id: EndpointId) {
        let device = self.table.endpoints.get_mut(id);
        let asked = device.and_then(|device| device.writing.asked.take());
        if asked.is_some() {
            self.timers.set(TimerKey::Asked(id), None);
            self.tell_all_of_lease(id);
        }
    }

    pub(super) fn tell_all_of_lease(&mut self, id: EndpointId) {
        for reader in self.table.sessions_at(id) {
            self.tell_lease(reader, id);
        }
    }

    pub(super) fn set_lease(&mut self, id: EndpointId, holder: Option<SessionId>) {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut device.writing.lease, holder) == holder {
            return;
        }
        device.writing.asked = None;
        self.timers.set(TimerKey::Asked(id), None);
        let endpoint = id;
        self.events
            .push_back(DeviceEvent::Leased { endpoint, holder });
        self.tell_all_of_lease(id);
    }

    /// Marks an endpoint's lease to be reported to a session, if the endpoint has a lease.
    pub(super) fn tell_lease(&mut self, reader: SessionId, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        let is_leased = device.is_some_and(|device| device.config.traffic.writers == Writers::One);
        if let Some(share) = self.table.shares.get_mut(&reader).filter(|_| is_leased) {
            share.lease_news.insert(id);
            self.table.touch(reader);
        }
    }

    /// Ends a session's hold of an endpoint's lease, and its request for the lease, if the route being
    /// removed is the session's last route there.
    pub(super) fn release_lease(&mut self, session: SessionId, id: EndpointId, removed: RouteId) {
        let Some(device) = self.table.endpoints.get(id) else {
            return;
        };
        let is_asker = device.writing.asked.is_some_and(|(by, _)| by == session);
        let is_holder = device.writing.lease == Some(session);
        if !is_holder && !is_asker {
            return;
        }
        let mut others = device.routes.iter().filter(|id| **id != removed);
        let stays = others.any(|id| {
            let route = self.table.routes.get(*id);
            route.is_some_and(|route| route.session == session)
        });
        if stays {
            return;
        }
        if is_asker {
            self.end_asking(id);
        }
        if is_holder {
            let device = self.table.endpoints.get(id);
            let next = device.and_then(|device| device.writing.asked);
            self.set_lease(id, next.map(|(by, _)| by));
        }
    }
}
