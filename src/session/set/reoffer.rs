//! Later offers of a session's peer.

use super::Sessions;
use crate::ids::SessionId;
use crate::session::event::EndReason;
use crate::session::reoffer::{ReofferError, Reoffered};
use crate::sources::Context;
use crate::transceiver::TrackWish;

impl Sessions {
    /// Answers a later offer of a session's peer. New sections get the tracks of `wishes`. A session whose state is
    /// unknown afterwards ends.
    pub(crate) fn reoffer(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        offer: &[u8],
        wishes: &[TrackWish],
    ) -> Result<Reoffered, ReofferError> {
        let done = self.with(cx, id, |session, _| session.reoffer(offer, wishes));
        self.touch(id);
        let done = done.unwrap_or(Err(ReofferError::Gone));
        if let Err(ReofferError::Broken(error)) = &done {
            self.end(id, EndReason::Protocol(error.to_string()));
        }
        done
    }
}
