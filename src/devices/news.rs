//! Reports of dropped messages to peers.

use std::time::Duration;

use super::report::DropNews;
use super::{Devices, TimerKey};
use crate::ids::SessionId;
use crate::sources::Context;

/// The shortest time between two reports of one route's drops.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Devices {
    /// Returns the drops to report to a session now, each route at most once a second. The owner calls this
    /// only if the session has a control channel.
    pub(crate) fn take_drop_news(&mut self, cx: &Context<'_>, session: SessionId) -> Vec<DropNews> {
        let mut news = Vec::new();
        let Some(share) = self.table.shares.get(&session).filter(|share| share.hears) else {
            return news;
        };
        for id in &share.routes {
            let Some(route) = self.table.routes.get_mut(*id) else {
                continue;
            };
            let total = route.drops.total();
            let (reported, at) = route.reported;
            if total == reported {
                continue;
            }
            if at.is_some_and(|at| cx.now < at + REPORT_INTERVAL) {
                if !self.timers.is_set(TimerKey::Reports) {
                    let at = cx.now + REPORT_INTERVAL;
                    self.timers.set(TimerKey::Reports, Some(at));
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

    /// Touches every session that has not been told of all its drops, so that the owner asks for them again.
    pub(super) fn touch_sessions_with_news(&mut self) {
        let routes = self.table.routes.iter();
        let untold = routes.filter(|(_, route)| route.drops.total() != route.reported.0);
        let sessions: Vec<SessionId> = untold.map(|(_, route)| route.session).collect();
        for session in sessions {
            self.table.touch(session);
        }
    }
}
