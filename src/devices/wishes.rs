//! The wishes of sessions and of the operator about leases, and whether they are granted.

use std::time::Duration;

use super::{Devices, TimerKey};
use crate::config::Writers;
use crate::ids::{EndpointId, SessionId};
use crate::sources::Context;

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
            .flow
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
                if !self.flow.table.sessions_at(id).contains(&asker) {
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
                self.flow.end_asking(id);
                return Ok(());
            }
            // A session that asked for the lease gets it before a session that merely writes next.
            LeaseWish::Release => asked.map(|(by, _)| by).filter(|by| Some(*by) != asker),
            LeaseWish::Give { to, may_write } => {
                let to = to.filter(|to| self.flow.table.sessions_at(id).contains(to));
                let to = to.ok_or(LeaseDenied::UnknownSession)?;
                if !may_write {
                    return Err(LeaseDenied::Forbidden);
                }
                Some(to)
            }
        };
        self.flow.set_lease(id, next);
        Ok(())
    }

    /// Tells the holder that another session wants the lease, and gives it some time to keep it.
    fn ask_holder(
        &mut self,
        cx: &Context<'_>,
        asker: SessionId,
        id: EndpointId,
    ) -> Result<(), LeaseDenied> {
        let Some(device) = self.flow.table.endpoints.get_mut(id) else {
            return Err(LeaseDenied::UnknownEndpoint);
        };
        match device.writing.asked {
            // Asking again changes no deadline.
            Some((by, _)) if by == asker => Ok(()),
            Some(_) => Err(LeaseDenied::AskedAlready),
            None => {
                let at = cx.now + ASK_WAIT;
                device.writing.asked = Some((asker, at));
                self.flow.timers.set(TimerKey::Asked(id), Some(at));
                self.flow.tell_all_of_lease(id);
                Ok(())
            }
        }
    }
}
