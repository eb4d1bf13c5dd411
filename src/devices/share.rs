//! A session's share of the devices: its routes, its position among them, and its pending reports.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::{Devices, TimerKey};
use crate::access::scope::Grant;
use crate::endpoint::DropReason;
use crate::ids::{EndpointId, RouteId, SessionId};
use crate::sources::Context;

/// The share of one session.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// The routes of its open channels.
    pub(super) routes: Vec<RouteId>,
    /// The index of the route that sends next.
    pub(super) turn: usize,
    /// The routes of its closed channels whose last messages still wait, oldest first.
    pub(super) lingering: VecDeque<RouteId>,
    /// Whether the session has a control channel.
    pub(super) hears: bool,
    /// Whether the session is already queued for [`Devices::poll_readable`].
    pub(super) touched: bool,
    /// The token whose rate limits the session's messages, and the limit per second.
    pub(super) rate: Option<(String, u32)>,
    /// The endpoints whose leases are still to be reported to the session, and the time of the last report.
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
        self.flow.table.shares.insert(session, share);
    }

    /// Removes a session with all its routes. The session's scripts that have not begun are forgotten.
    pub(crate) fn remove_session(&mut self, cx: &mut Context<'_>, session: SessionId) {
        let Some(share) = self.flow.table.shares.get(&session) else {
            return;
        };
        let routes: Vec<RouteId> = share
            .routes
            .iter()
            .chain(&share.lingering)
            .copied()
            .collect();
        for route in routes {
            self.flow.remove_route(cx, route, DropReason::Closed);
        }
        self.flow.forget_scripts_of(session);
        self.flow.table.forget_stopped(session);
        self.flow.timers.set(TimerKey::Lease(session), None);
        self.flow.table.shares.remove(&session);
    }
}
