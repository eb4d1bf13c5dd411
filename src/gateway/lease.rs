//! Leases: with `writers = "one"` one session at a time may write to an endpoint. The session that writes first
//! gets the lease. On the control channel it is asked for, taken over, handed over and given back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Gateway;
use super::timers::TimerKey;
use crate::access::scope::Verb;
use crate::config::Writers;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::session::control::{Reply, Wish};

/// A session hears of leases at most this often.
const LEASE_INTERVAL: Duration = Duration::from_millis(20);
/// How long a person has to say that they want to keep a lease.
const ASK_WAIT: Duration = Duration::from_secs(10);

/// Why a wish was not granted: one word, one sentence.
pub(super) type Denied = (&'static str, String);

impl Gateway {
    /// Grants or denies what a session wants of a lease. `asker` is `None` for a request over HTTP, which acts for any session.
    pub(super) fn wish_lease(
        &mut self,
        now: Instant,
        asker: Option<SessionId>,
        id: EndpointId,
        wish: &Wish,
    ) -> Result<(), Denied> {
        let Some(device) = self.routing.endpoints.get(id) else {
            return Err(("unknown-endpoint", "no endpoint has this name".to_owned()));
        };
        if device.config.traffic.writers != Writers::One {
            let detail =
                "every session may write to this endpoint (writers is not \"one\")".to_owned();
            return Err(("no-lease", detail));
        }
        let holder = device.writing.lease;
        let is_holder = asker.is_none() || holder == asker;
        let held = || {
            let name = holder.and_then(|id| self.sessions.get(id));
            let name = name.map_or("nobody", |entry| entry.session.name());
            ("lease-held", format!("session {name} has the lease"))
        };
        let asked = device.writing.asked;
        let next = match wish {
            Wish::Take { .. } | Wish::Ask | Wish::Keep if asker.is_none() => {
                let detail = "over HTTP a lease is released or given to a session".to_owned();
                return Err(("no-channel", detail));
            }
            Wish::Release if holder.is_none() => None,
            Wish::Take { .. } | Wish::Ask => {
                let Some(asker) = asker.filter(|asker| self.sessions_at(id).contains(asker)) else {
                    let detail = "open a channel to the endpoint first".to_owned();
                    return Err(("no-channel", detail));
                };
                let is_forced = *wish == Wish::Take { force: true };
                if holder.is_some() && !is_holder && !is_forced {
                    if *wish != Wish::Ask {
                        return Err(held());
                    }
                    return self.ask_holder(now, asker, id);
                }
                Some(asker)
            }
            Wish::Keep | Wish::Release | Wish::Give { .. } if !is_holder => return Err(held()),
            Wish::Keep => {
                self.end_asking(id);
                return Ok(());
            }
            // The one who waits for it comes before the one who happens to write next.
            Wish::Release => asked.map(|(by, _)| by).filter(|by| Some(*by) != asker),
            Wish::Give { to } => {
                let to = self.names.get(to).copied();
                let to = to.filter(|to| self.sessions_at(id).contains(to));
                let may_write = |to: &SessionId| {
                    let (entry, device) = (self.sessions.get(*to), self.routing.endpoints.get(id));
                    let name = device.map(|device| device.config.name.as_str());
                    let name = name.unwrap_or_default();
                    entry.is_some_and(|entry| entry.grant.allows(name, Verb::Write))
                };
                if to.as_ref().is_some_and(|to| !may_write(to)) {
                    let detail = "the token of that session does not allow writing".to_owned();
                    return Err(("forbidden", detail));
                }
                Some(to.ok_or_else(|| {
                    let detail = "no such session has a channel to the endpoint".to_owned();
                    ("unknown-session", detail)
                })?)
            }
        };
        self.set_lease(id, next);
        Ok(())
    }

    /// Tells the holder that another session wants the lease, and gives it some time to keep it.
    fn ask_holder(&mut self, now: Instant, asker: SessionId, id: EndpointId) -> Result<(), Denied> {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return Ok(());
        };
        match device.writing.asked {
            // Asking again makes nothing faster or slower.
            Some((by, _)) if by == asker => Ok(()),
            Some(_) => Err((
                "lease-held",
                "another session has asked for it already".to_owned(),
            )),
            None => {
                let at = now + ASK_WAIT;
                device.writing.asked = Some((asker, at));
                self.timers.set(TimerKey::Asked(id), Some(at));
                self.tell_all_of_lease(id);
                Ok(())
            }
        }
    }

    /// The holder has not said that it keeps the lease.
    pub(super) fn hand_over_lease(&mut self, id: EndpointId) {
        let device = self.routing.endpoints.get(id);
        if let Some((by, _)) = device.and_then(|device| device.writing.asked) {
            self.set_lease(id, Some(by));
        }
    }

    /// No session waits for the lease any more.
    fn end_asking(&mut self, id: EndpointId) {
        let device = self.routing.endpoints.get_mut(id);
        if device
            .and_then(|device| device.writing.asked.take())
            .is_some()
        {
            self.timers.set(TimerKey::Asked(id), None);
            self.tell_all_of_lease(id);
        }
    }

    fn tell_all_of_lease(&mut self, id: EndpointId) {
        for reader in self.sessions_at(id) {
            self.tell_lease(reader, id);
        }
    }

    pub(super) fn set_lease(&mut self, id: EndpointId, holder: Option<SessionId>) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut device.writing.lease, holder) == holder {
            return;
        }
        device.writing.asked = None;
        self.timers.set(TimerKey::Asked(id), None);
        let endpoint = device.config.name.clone();
        let name = holder.and_then(|id| self.sessions.get(id));
        let name = name.map(|entry| entry.session.name().to_owned());
        log::debug!(
            "endpoint {endpoint}: the lease has {}",
            name.as_deref().unwrap_or("nobody")
        );
        let event = json!({"endpoint": endpoint, "holder": name});
        self.events.push("lease", &event);
        self.tell_all_of_lease(id);
    }

    /// A session is to be told who may write to an endpoint, if that is one session at a time.
    pub(super) fn tell_lease(&mut self, reader: SessionId, id: EndpointId) {
        let device = self.routing.endpoints.get(id);
        let is_leased = device.is_some_and(|device| device.config.traffic.writers == Writers::One);
        if let Some(entry) = self.sessions.get_mut(reader).filter(|_| is_leased) {
            entry.lease_news.insert(id);
            self.touch_session(reader);
        }
    }

    /// Tells a session how leases are now. Somebody may take and release one in a loop, and a peer
    /// that reads slowly must not pay for it: it is told of the latest, and not too often.
    pub(super) fn tell_lease_news(&mut self, now: Instant, reader: SessionId) {
        let Some(entry) = self.sessions.get_mut(reader) else {
            return;
        };
        if entry.lease_news.is_empty() || !entry.session.has_room_for_answers() {
            return;
        }
        let next = entry.lease_told.map(|at| at + LEASE_INTERVAL);
        if let Some(at) = next.filter(|at| *at > now) {
            return self.timers.set(TimerKey::Lease(reader), Some(at));
        }
        entry.lease_told = Some(now);
        for id in std::mem::take(&mut entry.lease_news) {
            let Some(device) = self.routing.endpoints.get(id) else {
                continue;
            };
            let (endpoint, lease) = (device.config.name.as_str(), device.writing.lease);
            let asked = device.writing.asked;
            let name_of = |id: SessionId| {
                let entry = self.sessions.get(id);
                entry.map(|entry| entry.session.name().to_owned())
            };
            let holder = lease.and_then(name_of);
            let asked_by = asked.and_then(|(by, _)| name_of(by));
            let wait = asked.map(|(_, at)| at.saturating_duration_since(now));
            if let Some(entry) = self.sessions.get_mut(reader) {
                entry.session.tell(&Reply::Lease {
                    endpoint,
                    holder: holder.as_deref(),
                    yours: lease == Some(reader),
                    asked_by: asked_by.as_deref(),
                    wait_ms: wait.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
                });
            }
        }
    }

    /// A channel to an endpoint has closed; the session's lease ends with its last channel.
    pub(super) fn release_lease(&mut self, session: SessionId, id: EndpointId, gone: RouteId) {
        let Some(device) = self.routing.endpoints.get_mut(id) else {
            return;
        };
        let is_asker = device.writing.asked.is_some_and(|(by, _)| by == session);
        let is_holder = device.writing.lease == Some(session);
        if !is_holder && !is_asker {
            return;
        }
        let mut others = device.routes.iter().filter(|id| **id != gone);
        let routes = &self.routing.routes;
        let stays = others.any(|id| routes.get(*id).is_some_and(|r| r.session == session));
        if stays {
            return;
        }
        if is_asker {
            self.end_asking(id);
        }
        if is_holder {
            let device = self.routing.endpoints.get(id);
            let next = device.and_then(|device| device.writing.asked);
            self.set_lease(id, next.map(|(by, _)| by));
        }
    }
}
