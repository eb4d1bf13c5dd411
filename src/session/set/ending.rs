//! The ends of sessions: a proper close, a close after a farewell, displacement by a newer session, or a bug.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{FAREWELL, SessionOwner, Sessions, TimerKey};
use crate::ids::SessionId;
use crate::session::control::Reply;
use crate::session::event::{ConnectionState, EndReason};
use crate::sources::Context;

/// A session that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: SessionId,
    pub(crate) name: String,
    pub(crate) owner: SessionOwner,
    pub(crate) state: ConnectionState,
    pub(crate) reason: EndReason,
    /// Why the session was displaced by a newer session, if it was.
    pub(crate) displaced: Option<&'static str>,
}

/// The farewell of a session that the gateway ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bye {
    TokenRevoked,
    TokenExpired,
    Disconnected,
}

impl Bye {
    /// Returns the word for the control channel.
    fn as_str(self) -> &'static str {
        match self {
            Self::TokenRevoked => "token-revoked",
            Self::TokenExpired => "token-expired",
            Self::Disconnected => "disconnected",
        }
    }

    /// Returns the reason for the log and for events.
    fn why(self) -> &'static str {
        match self {
            Self::TokenRevoked => "its token was revoked",
            Self::TokenExpired => "its token has expired",
            Self::Disconnected => "closed over the API",
        }
    }
}

impl Sessions {
    /// Closes a session properly. The caller takes the session's last news.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, id: SessionId, why: &'static str) {
        let now = cx.now;
        self.with(cx, id, |session, transmits| {
            session.close(now, why, transmits);
        });
    }

    /// Ends a session, because a newer session of the same claimant needs its place.
    pub(super) fn displace(&mut self, cx: &mut Context<'_>, oldest: SessionId) {
        let why = "it did not connect, and a newer one needs its place";
        self.stats.displaced += 1;
        let Some(entry) = self.entries.get_mut(oldest) else {
            return;
        };
        entry.displaced = Some(why);
        // The link itself tells its peers the reason.
        let reason = match entry.owner {
            SessionOwner::Api => why,
            SessionOwner::Link(_) => "it failed",
        };
        self.close(cx, oldest, reason);
        while self.poll_news(oldest).is_some() {}
    }

    /// Ends a session after its peer was told why.
    pub(crate) fn say_bye(&mut self, cx: &mut Context<'_>, id: SessionId, bye: Bye) {
        let now = cx.now;
        self.with(cx, id, |session, transmits| {
            let reason = bye.as_str();
            session.tell(&Reply::Bye { reason });
            session.write_control();
            session.flush(now, transmits);
        });
        self.end_after_farewell(cx, id, bye.why());
    }

    /// Ends a session whose peer was just told why. The association is closed a moment later, because some
    /// libraries (libdatachannel) discard messages that they have not delivered when DTLS ends.
    fn end_after_farewell(&mut self, cx: &mut Context<'_>, id: SessionId, why: &'static str) {
        if self.farewells.len() >= self.limits.sessions {
            return self.close(cx, id, why);
        }
        let reason = EndReason::Closed(why);
        if let Some(entry) = self.forget(id, reason, Some(ConnectionState::Closed)) {
            let at = cx.now + FAREWELL;
            self.farewells.push_back((at, why, entry.session));
            if !self.timers.is_set(TimerKey::Farewell) {
                self.timers.set(TimerKey::Farewell, Some(at));
            }
        }
    }

    /// Closes the associations whose farewell time has passed.
    pub(super) fn close_after_farewell(&mut self, cx: &mut Context<'_>) {
        while self.farewells.front().is_some_and(|(at, ..)| *at <= cx.now)
            && let Some((_, why, mut session)) = self.farewells.pop_front()
        {
            let (now, transmits) = (cx.now, cx.sources.transmits());
            let closed = catch_unwind(AssertUnwindSafe(|| {
                session.close(now, why, transmits);
                drop(session);
            }));
            if closed.is_err() {
                self.stats.panicked += 1;
                log::error!("a session met a bug at its end, please report it");
            }
        }
        let next = self.farewells.front().map(|(at, ..)| *at);
        self.timers.set(TimerKey::Farewell, next);
    }
}
