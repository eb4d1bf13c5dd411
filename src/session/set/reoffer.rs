//! Later offers of a peer, which add pictures and sound to its session or take them away.

use super::Sessions;
use crate::ids::SessionId;
use crate::session::event::{ConnectionState, EndReason};
use crate::session::sdp::{self, SdpError};
use crate::sources::Context;
use crate::transceiver::{Direction, TrackOutcome, TrackWish, TransceiverKey};

/// What a later offer has changed.
#[derive(Debug)]
pub(crate) struct Reoffered {
    /// Our answer.
    pub(crate) sdp: String,
    /// What became of each track.
    pub(crate) tracks: Vec<TrackOutcome>,
    /// The sections that have kept their tracks, with the directions that they have now.
    pub(crate) kept: Vec<(TransceiverKey, Direction)>,
    /// The sections that have lost their tracks.
    pub(crate) released: Vec<TransceiverKey>,
    /// Whether the session is connected, so that new tracks begin at once.
    pub(crate) is_connected: bool,
}

/// Why a later offer was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReofferError {
    /// The session was made when nothing here had tracks.
    NoTracks,
    /// The offer is of another ICE session.
    Restart,
    /// The description is wrong.
    Sdp(SdpError),
    /// The session has ended.
    Gone,
}

impl Sessions {
    /// Answers a later offer of a session's peer. New sections get the tracks of `wishes`.
    pub(crate) fn reoffer(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        offer: &[u8],
        wishes: &[TrackWish],
    ) -> Result<Reoffered, ReofferError> {
        let done = self.with(cx, id, |session, _| {
            let slots = session.slots().ok_or(ReofferError::NoTracks)?;
            let checked = sdp::check_reoffer(offer, wishes, slots).map_err(ReofferError::Sdp)?;
            if checked.ufrag() != session.remote_ufrag() {
                return Err(ReofferError::Restart);
            }
            let kept = checked.tracks().iter().filter(|section| section.is_kept);
            let kept = kept
                .map(|section| (section.key, section.direction))
                .collect();
            let answered = session.accept_again(&checked);
            let is_connected = session.state() == ConnectionState::Connected;
            Ok(answered.map(|sdp| Reoffered {
                sdp,
                tracks: checked.outcomes().to_vec(),
                kept,
                released: checked.released().to_vec(),
                is_connected,
            }))
        });
        self.touch(id);
        match done.ok_or(ReofferError::Gone)?? {
            Ok(reoffered) => Ok(reoffered),
            // Nobody knows how far str0m has come.
            Err(error) => {
                self.end(id, EndReason::Protocol(error.to_string()));
                Err(ReofferError::Sdp(error))
            }
        }
    }
}
