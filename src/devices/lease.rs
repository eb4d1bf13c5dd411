//! Leases: with `writers = "one"` one session at a time may write to an endpoint. The first session that
//! writes gets the lease. On the control channel a session can request, take over, hand over and release the
//! lease.

use std::time::Duration;

use super::{DeviceEvent, Devices, TimerKey};
use crate::config::Writers;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;

/// The shortest time between two reports of leases to one session.
const LEASE_INTERVAL: Duration = Duration::from_millis(20);
/// How long the holder has to keep a lease that another session asks for.
const ASK_WAIT: Duration = Duration::from_secs(10);

/// The wish of a session, or of the operator over HTTP, about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseWish {
    /// Take the lease; with `force` even if another session holds it.
    Take { force: bool },
    /// Get the lease, unless the holder refuses within a short time.
    Ask,
    /// Keep the lease from the session that has asked for it.
    Keep,
    /// Release the lease.
    Release,
    /// Hand the lease over to a session. `None`: no such session exists; `may_write`: whether the receiver's
    /// token allows writing.
    Give {
        to: Option<SessionId>,
        may_write: bool,
    },
}

/// The reason for denying a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseDenied {
    UnknownEndpoint,
    /// Every session may write to this endpoint.
    NotLeased,
    /// This session holds the lease. `None`: no session holds it.
    Held(Option<SessionId>),
    /// Another session has already asked for the lease.
    AskedAlready,
    /// Only a session can hold a lease, not a request over HTTP.
    NotASession,
    /// The session has no channel to the endpoint.
    NoChannel,
    /// The token of the receiver does not allow writing.
    Forbidden,
    /// The receiver does not exist, or has no channel to the endpoint.
    UnknownSession,
}

/// The state of a lease, as told to its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseState {
    pub(crate) holder: Option<SessionId>,
    pub(crate) asked_by: Option<SessionId>,
    /// How much longer the holder may keep the lease from the session that asked.
    pub(crate) wait: Option<Duration>,
}

impl Devices {
    /// Grants or denies a wish about a lease. `asker` is `None` for a request over HTTP, which acts for any
    /// session.
    pub(crate) fn wish_lease(
        &mut self,
        cx: &Context<'_>,
        asker: Option<SessionId>,
        id: EndpointId,
        wish: LeaseWish,
    ) -> Result<(), LeaseDenied> {
        let device = self
            .table
            .endpoints
            .get(id)
            .ok_or(LeaseDenied::UnknownEndpoint)?;
        if device.config.traffic.writers != Writers::One {
            return Err(LeaseDenied::NotLeased);
        }
        let (holder, asked) = (device.writing.lease, device.writing.asked);
        let is_holder = asker.is_none() || holder == asker;
        let next = match wish {
            LeaseWish::Take { .. } | LeaseWish::Ask => {
                let asker = asker.ok_or(LeaseDenied::NotASession)?;
                if !self.table.sessions_at(id).contains(&asker) {
                    return Err(LeaseDenied::NoChannel);
                }
                let is_forced = wish == LeaseWish::Take { force: true };
                if holder.is_some() && !is_holder && !is_forced {
                    if wish != LeaseWish::Ask {
                        return Err(LeaseDenied::Held(holder));
                    }
                    return self.ask_holder(cx, asker, id);
                }
                Some(asker)
            }
            LeaseWish::Keep if asker.is_none() => return Err(LeaseDenied::NotASession),
            LeaseWish::Release if holder.is_none() => None,
            LeaseWish::Keep | LeaseWish::Release | LeaseWish::Give { .. } if !is_holder => {
                return Err(LeaseDenied::Held(holder));
            }
            LeaseWish::Keep => {
                self.end_asking(id);
                return Ok(());
            }
            // A session that asked for the lease gets it before a session that merely writes next.
            LeaseWish::Release => asked.map(|(by, _)| by).filter(|by| Some(*by) != asker),
            LeaseWish::Give { to, may_write } => {
                let to = to.filter(|to| self.table.sessions_at(id).contains(to));
                let to = to.ok_or(LeaseDenied::UnknownSession)?;
                if !may_write {
                    return Err(LeaseDenied::Forbidden);
                }
                Some(to)
            }
        };
        self.set_lease(id, next);
        Ok(())
    }

    /// Tells the holder that another session wants the lease, and gives it some time to keep it.
    fn ask_holder(
        &mut self,
        cx: &Context<'_>,
        asker: SessionId,
        id: EndpointId,
    ) -> Result<(), LeaseDenied> {
        let Some(device) = self.table.endpoints.get_mut(id) else {
            return Err(LeaseDenied::UnknownEndpoint);
        };
        match device.writing.asked {
            // Asking again changes no deadline.
            Some((by, _)) if by == asker => Ok(()),
            Some(_) => Err(LeaseDenied::AskedAlready),
            None => {
                let at = cx.now + ASK_WAIT;
                device.writing.asked = Some((asker, at));
                self.timers.set(TimerKey::Asked(id), Some(at));
                self.tell_all_of_lease(id);
                Ok(())
            }
        }
    }

    /// Hands a lease over, because the holder did not refuse in time.
    pub(super) fn hand_over_lease(&mut self, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        if let Some((by, _)) = device.and_then(|device| device.writing.asked) {
            self.set_lease(id, Some(by));
        }
    }

    /// Ends a session's wait for the lease, if a session waits.
    fn end_asking(&mut self, id: EndpointId) {
        let device = self.table.endpoints.get_mut(id);
        let asked = device.and_then(|device| device.writing.asked.take());
        if asked.is_some() {
            self.timers.set(TimerKey::Asked(id), None);
            self.tell_all_of_lease(id);
        }
    }

    fn tell_all_of_lease(&mut self, id: EndpointId) {
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
    pub(crate) fn tell_lease(&mut self, reader: SessionId, id: EndpointId) {
        let device = self.table.endpoints.get(id);
        let is_leased = device.is_some_and(|device| device.config.traffic.writers == Writers::One);
        if let Some(share) = self.table.shares.get_mut(&reader).filter(|_| is_leased) {
            share.lease_news.insert(id);
            self.table.touch(reader);
        }
    }

    /// Returns the endpoints whose leases must be reported to a session now. A session may take and release a
    /// lease in a loop, and this must not burden a peer that reads slowly: so only the latest state is
    /// reported, and not too often. The owner calls this only while the session's control channel has room.
    pub(crate) fn take_lease_news(
        &mut self,
        cx: &Context<'_>,
        reader: SessionId,
    ) -> impl Iterator<Item = EndpointId> + use<> {
        let mut news = std::collections::BTreeSet::new();
        if let Some(share) = self.table.shares.get_mut(&reader)
            && !share.lease_news.is_empty()
        {
            let next = share.lease_told.map(|at| at + LEASE_INTERVAL);
            if let Some(at) = next.filter(|at| *at > cx.now) {
                self.timers.set(TimerKey::Lease(reader), Some(at));
            } else {
                share.lease_told = Some(cx.now);
                news = std::mem::take(&mut share.lease_news);
            }
        }
        news.into_iter()
    }

    /// Returns the state of an endpoint's lease.
    pub(crate) fn lease(&self, cx: &Context<'_>, id: EndpointId) -> Option<LeaseState> {
        let writing = &self.table.endpoints.get(id)?.writing;
        Some(LeaseState {
            holder: writing.lease,
            asked_by: writing.asked.map(|(by, _)| by),
            wait: (writing.asked).map(|(_, at)| at.saturating_duration_since(cx.now)),
        })
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
