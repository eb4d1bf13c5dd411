//! Reports of dropped messages and of leases to peers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::report::DropNews;
use super::{Devices, TimerKey};
use crate::ids::{EndpointId, SessionId};
use crate::sources::Context;

/// The shortest time between two reports of one route's drops.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two reports of leases to one session.
const LEASE_INTERVAL: Duration = Duration::from_millis(20);

impl Devices {
    /// Returns the drops to report to a session now, each route at most once a second. The owner calls this
    /// only if the session has a control channel.
    pub(crate) fn take_drop_news(&mut self, cx: &Context<'_>, session: SessionId) -> Vec<DropNews> {
        let mut news = Vec::new();
        let Some(share) = self
            .flow
            .table
            .shares
            .get(&session)
            .filter(|share| share.hears)
        else {
            return news;
        };
        for id in &share.routes {
            let Some(route) = self.flow.table.routes.get_mut(*id) else {
                continue;
            };
            let total = route.drops.total();
            let (reported, at) = route.reported;
            if total == reported {
                continue;
            }
            if at.is_some_and(|at| cx.now < at + REPORT_INTERVAL) {
                if !self.flow.timers.is_set(TimerKey::Reports) {
                    let at = cx.now + REPORT_INTERVAL;
                    self.flow.timers.set(TimerKey::Reports, Some(at));
                }
                continue;
            }
            route.reported = (total, Some(cx.now));
            let drops = route.drops.iter();
            news.extend(drops.map(|((direction, reason), count)| DropNews {
                stream: route.stream,
                label: route.label.clone(),
                direction,
                reason,
                count,
            }));
        }
        news
    }

    /// Returns the endpoints whose leases must be reported to a session now. A session may take and release a
    /// lease in a loop, and this must not burden a peer that reads slowly: so only the latest state is
    /// reported, and not too often. The owner calls this only while the session's control channel has room.
    pub(crate) fn take_lease_news(
        &mut self,
        cx: &Context<'_>,
        reader: SessionId,
    ) -> impl Iterator<Item = EndpointId> + use<> {
        let mut news = BTreeSet::new();
        if let Some(share) = self.flow.table.shares.get_mut(&reader)
            && !share.lease_news.is_empty()
        {
            let next = share.lease_told.map(|at| at + LEASE_INTERVAL);
            if let Some(at) = next.filter(|at| *at > cx.now) {
                self.flow.timers.set(TimerKey::Lease(reader), Some(at));
            } else {
                share.lease_told = Some(cx.now);
                news = std::mem::take(&mut share.lease_news);
            }
        }
        news.into_iter()
    }
}
