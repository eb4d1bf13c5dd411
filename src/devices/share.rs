//! What a session has of the devices: its routes, whose turn it is, and what it is still to hear.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::{Devices, TimerKey};
use crate::access::scope::Grant;
use crate::endpoint::DropReason;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;

/// One session's part.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// The routes of its open channels.
    pub(super) routes: Vec<RouteId>,
    /// Which of them sends next.
    pub(super) turn: usize,
    /// The routes of its closed channels whose last messages still wait, oldest first.
    pub(super) lingering: VecDeque<RouteId>,
    /// Whether the session has a control channel.
    pub(super) hears: bool,
    /// Whether the session is named by [`Devices::poll_readable`] already.
    pub(super) touched: bool,
    /// The token that limits its messages, and to how many per second.
    pub(super) rate: Option<(String, u32)>,
    /// Endpoints whose leases it is still to hear of, and when it last heard of leases.
    pub(super) lease_news: BTreeSet<EndpointId>,
    pub(super) lease_told: Option<Instant>,
}

impl Devices {
    /// Adds a session, which has no channels yet.
    pub(crate) fn add_session(&mut self, session: SessionId, grant: &Grant) {
        let rate = grant.token.as_ref().zip(grant.limits.messages_per_second);
        let share = Share {
            rate: rate.map(|(token, limit)| (token.id.clone(), limit)),
            ..Share::default()
        };
        self.shares.insert(session, share);
    }

    /// Removes a session with all its routes. Its scripts that have not begun are forgotten.
    pub(crate) fn remove_session(&mut self, cx: &mut Context<'_>, session: SessionId) {
        let Some(share) = self.shares.get(&session) else {
            return;
        };
        let routes: Vec<RouteId> = share
            .routes
            .iter()
            .chain(&share.lingering)
            .copied()
            .collect();
        for route in routes {
            self.remove_route(cx, route, DropReason::Closed);
        }
        self.forget_scripts_of(session);
        self.forget_stopped(session);
        self.timers.set(TimerKey::Lease(session), None);
        self.shares.remove(&session);
    }

    /// Notes whether a session has a control channel.
    pub(crate) fn set_hears(&mut self, session: SessionId, hears: bool) {
        if let Some(share) = self.shares.get_mut(&session) {
            share.hears = hears;
        }
    }

    /// Returns whether a session has no channel, and nothing left that is to be delivered.
    pub(crate) fn is_emptied(&self, session: SessionId) -> bool {
        let share = self.shares.get(&session);
        share.is_none_or(|share| share.routes.is_empty() && share.lingering.is_empty())
    }

    /// Puts a session on the list of those whose channels may be written to.
    pub(super) fn touch(&mut self, session: SessionId) {
        if let Some(share) = self.shares.get_mut(&session)
            && !std::mem::replace(&mut share.touched, true)
        {
            self.readable.push_back(session);
        }
    }

    /// Puts every session with a channel to an endpoint on that list: it may have something to be sent.
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
}
