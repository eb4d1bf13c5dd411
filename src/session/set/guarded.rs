//! The boundary for panics, and the only removal of sessions from the table.
//!
//! str0m panics when it meets an unexpected state. A panic ends its session and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ending::Ended;
use super::{Session, SessionEntry, Sessions, TimerKey};
use crate::datagram::TransmitQueue;
use crate::ids::SessionId;
use crate::session::event::{ConnectionState, EndReason};
use crate::sources::Context;

impl Sessions {
    /// Runs `f` on a session. A panic in `f` ends this session.
    pub(super) fn with<R>(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        f: impl FnOnce(&mut Session, &mut TransmitQueue) -> R,
    ) -> Option<R> {
        let entry = self.entries.get_mut(id)?;
        let transmits = cx.sources.transmits();
        match catch_unwind(AssertUnwindSafe(|| f(&mut entry.session, transmits))) {
            Ok(result) => Some(result),
            Err(_) => {
                self.end_panicked(id);
                None
            }
        }
    }

    pub(super) fn end_panicked(&mut self, id: SessionId) {
        self.stats.panicked += 1;
        self.end(id, EndReason::Panicked);
    }

    /// Removes a session and drops it.
    pub(super) fn end(&mut self, id: SessionId, reason: EndReason) {
        if let Some(entry) = self.forget(id, reason, None) {
            let name = entry.session.name().to_owned();
            // Dropping a session also runs str0m's code, which may be in any state after a panic.
            if catch_unwind(AssertUnwindSafe(|| drop(entry))).is_err() {
                log::error!("session {name}: a bug at its end, please report it");
            }
        }
    }

    /// Removes a session from every index of this component, and reports its end. `state` replaces the
    /// session's own state in that report.
    pub(super) fn forget(
        &mut self,
        id: SessionId,
        reason: EndReason,
        state: Option<ConnectionState>,
    ) -> Option<SessionEntry> {
        let entry = self.entries.remove(id)?;
        let name = entry.session.name().to_owned();
        for (local, remote) in entry.session.pairs() {
            self.demux.remove_pair(local, remote, id);
        }
        self.demux.remove_ufrag(entry.session.local_ufrag());
        self.timers.set(TimerKey::Session(id), None);
        self.names.remove(&name);
        let state = match (&reason, entry.session.state()) {
            (
                EndReason::Panicked
                | EndReason::NoCertificate
                | EndReason::MessageTooLong
                | EndReason::Protocol(_),
                _,
            ) => ConnectionState::Failed,
            (_, own) => state.unwrap_or(own),
        };
        entry.log_end(&reason);
        self.ended.push_back(Ended {
            id,
            name,
            owner: entry.owner,
            state,
            reason,
            displaced: entry.displaced,
        });
        Some(entry)
    }
}
