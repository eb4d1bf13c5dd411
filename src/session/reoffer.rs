//! Later offers of a peer, which add pictures and sound to its session or take them away.

use super::Session;
use super::create::accept_text;
use super::event::ConnectionState;
use super::sdp::{self, SdpError};
use crate::transceiver::{Direction, TrackOutcome, TrackWish, TransceiverKey};

/// What a later offer has changed.
#[derive(Debug)]
pub struct Reoffered {
    /// Our answer.
    pub sdp: String,
    /// What became of each track.
    pub tracks: Vec<TrackOutcome>,
    /// The sections that have kept their tracks, with the directions that they have now.
    pub kept: Vec<(TransceiverKey, Direction)>,
    /// The sections that have lost their tracks.
    pub released: Vec<TransceiverKey>,
    /// Whether the session is connected, so that new tracks begin at once.
    pub is_connected: bool,
}

/// Why a later offer was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum ReofferError {
    /// The session was made when nothing here had tracks.
    NoTracks,
    /// The offer is of another ICE session.
    Restart,
    /// The description is wrong.
    Sdp(SdpError),
    /// The session has ended.
    Gone,
    /// str0m has failed at one of the steps. The session is unusable.
    Broken(SdpError),
}

impl Session {
    /// Answers a later offer of the peer. New sections get the tracks of `wishes`.
    pub fn reoffer(
        &mut self,
        offer: &[u8],
        wishes: &[TrackWish],
    ) -> Result<Reoffered, ReofferError> {
        let slots = self.media.as_deref().map(|media| &media.slots);
        let slots = slots.ok_or(ReofferError::NoTracks)?;
        let offer = sdp::check_reoffer(offer, wishes, slots).map_err(ReofferError::Sdp)?;
        if offer.ufrag() != self.remote_ufrag() {
            return Err(ReofferError::Restart);
        }
        let mut answer = String::new();
        for step in offer.to_steps() {
            answer = accept_text(&mut self.rtc, &step).map_err(ReofferError::Broken)?;
        }
        self.set_tracks(offer.released(), offer.tracks(), offer.slots());
        self.dirty = true;
        let kept = offer.tracks().iter().filter(|section| section.is_kept);
        Ok(Reoffered {
            sdp: offer.answer(&answer),
            tracks: offer.outcomes().to_vec(),
            kept: kept
                .map(|section| (section.key, section.direction))
                .collect(),
            released: offer.released().to_vec(),
            is_connected: self.state() == ConnectionState::Connected,
        })
    }
}
