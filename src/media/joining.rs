//! Sessions that watch tracks or send to them: from an offer's wishes to the end of the session.

use rand::RngCore;

use super::clocks::ClockOf;
use super::track::Track;
use super::viewer::Viewer;
use super::{Media, TimerKey};
use crate::access::scope::{Grant, Verb};
use crate::config::TrackConfig;
use crate::ids::{EndpointId, SessionId, TrackId};
use crate::sources::Context;
use crate::transceiver::{Direction, TrackOutcome, TrackWish, TransceiverKey};

impl Media {
    /// Returns the tracks of an endpoint for the media sections of an offer, as the rights allow.
    pub(crate) fn wishes(&self, endpoint: EndpointId, grant: &Grant) -> Vec<(TrackId, TrackWish)> {
        let tracks = self
            .tracks_of(endpoint)
            .filter_map(|id| Some((id, self.tracks.get(id)?)));
        let wishes = tracks.map(|(id, track)| {
            let TrackConfig {
                codec,
                clock_rate,
                channels,
                fmtp,
                playout_delay,
                nack,
                ..
            } = track.config.clone();
            let wish = TrackWish {
                endpoint: track.name.clone(),
                codec,
                clock_rate,
                channels,
                fmtp,
                sends: grant.allows(&track.name, Verb::Read),
                receives: grant.allows(&track.name, Verb::Write) && self.may_publish(track),
                playout_delay,
                resend: nack,
                is_purpose: false,
            };
            (id, wish)
        });
        wishes.collect()
    }

    /// Returns whether any endpoint has tracks.
    pub(crate) fn has_any(&self) -> bool {
        self.tracks.iter().next().is_some()
    }

    /// Returns whether an endpoint has tracks.
    pub(crate) fn has_tracks(&self, endpoint: EndpointId) -> bool {
        self.tracks_of(endpoint).next().is_some()
    }

    /// Returns whether viewers of an endpoint have something to see or to hear: packets have come lately, or a
    /// browser sends.
    pub(crate) fn is_live(&self, endpoint: EndpointId) -> bool {
        let mut tracks = self
            .tracks_of(endpoint)
            .filter_map(|id| self.tracks.get(id));
        tracks.any(Track::is_alive)
    }

    /// Returns the limit of viewers if this many more would be too many, and counts the refusal.
    pub(crate) fn check_room(&mut self, wanted: usize) -> Result<(), usize> {
        if wanted == 0 || self.viewers.len() + wanted <= self.max_viewers {
            return Ok(());
        }
        self.refused_viewers += 1;
        Err(self.max_viewers)
    }

    /// Gives a session the tracks that its sections have got. `is_connected`: its viewers begin at once.
    pub(crate) fn join(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionId,
        is_connected: bool,
        tracks: impl IntoIterator<Item = (TrackId, TrackOutcome)>,
    ) {
        for (track, outcome) in tracks {
            match outcome {
                TrackOutcome::Accepted(section, direction) => {
                    let tracks = self.sessions.entry(session).or_default();
                    tracks.refused.retain(|(of, _)| *of != track);
                    tracks.sections.push((section, track));
                    self.set_direction(session, section, direction);
                }
                TrackOutcome::Refused(why) => self.tell_refused(session, track, &why),
            }
        }
        if is_connected {
            self.handle_connected(cx, session);
        }
    }

    /// Handles a later offer of a session's peer: sections that have lost their tracks, and the directions of those
    /// that have kept them.
    pub(crate) fn change(
        &mut self,
        session: SessionId,
        released: &[TransceiverKey],
        kept: &[(TransceiverKey, Direction)],
    ) {
        for section in released {
            self.remove_viewer_of(session, *section);
            self.remove_publisher_of(session, *section);
            if let Some(tracks) = self.sessions.get_mut(&session) {
                tracks.sections.retain(|(of, _)| of != section);
            }
        }
        for (section, direction) in kept {
            self.set_direction(session, *section, *direction);
        }
    }

    /// Makes the viewer and the publisher that a section needs. A viewer stays while its section does not send: it
    /// must go on with its numbers.
    fn set_direction(&mut self, session: SessionId, section: TransceiverKey, to: Direction) {
        let Some(tracks) = self.sessions.get(&session) else {
            return;
        };
        let mut sections = tracks.sections.iter();
        let Some((_, track)) = sections.find(|(of, _)| *of == section).copied() else {
            return;
        };
        let is_publishing = tracks.published.iter().any(|(of, _)| *of == section);
        if to.sends && self.find_viewer(session, section).is_none() {
            self.add_viewer(session, section, track);
        }
        match (to.receives, is_publishing) {
            (true, false) => self.add_publisher(session, section, track),
            (false, true) => self.remove_publisher_of(session, section),
            (true, true) | (false, false) => {}
        }
    }

    fn remove_viewer_of(&mut self, session: SessionId, section: TransceiverKey) {
        if let Some(viewer) = self.find_viewer(session, section) {
            self.remove_viewer(viewer);
        }
    }

    fn add_viewer(&mut self, session: SessionId, section: TransceiverKey, id: TrackId) {
        // The rollover counter begins at 0 and is not signaled, so the first wrap must be far enough away to be
        // noticed by every receiver (RFC 3711 §3.3.1).
        let first = u64::from(self.random.next_u32() & 0x7fff);
        let offset = self.random.next_u32();
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let viewer = Viewer::new(session, section, id, first, offset);
        let viewer = self.viewers.insert(viewer);
        track.viewers.push(viewer);
        self.sessions
            .entry(session)
            .or_default()
            .viewers
            .push(viewer);
    }

    /// Handles a session that is connected. Its viewers begin now. After an interruption they go on where they were,
    /// or with the next keyframe.
    pub(crate) fn handle_connected(&mut self, cx: &mut Context<'_>, session: SessionId) {
        let Some(tracks) = self.sessions.get_mut(&session) else {
            return;
        };
        (tracks.is_connected, tracks.was_connected) = (true, true);
        let mut waiting = Vec::new();
        for id in &tracks.viewers {
            let Some(viewer) = self.viewers.get_mut(*id) else {
                continue;
            };
            if let Some(track) = self.tracks.get(viewer.track)
                && viewer.begin(cx.now, &track.log)
                && track.log.keyframe().is_none()
            {
                waiting.push(viewer.track);
            }
        }
        let viewers = tracks.viewers.clone();
        for track in waiting {
            self.want_keyframe(cx, track);
        }
        for viewer in viewers {
            self.note_state(cx.now, viewer);
        }
        self.queue(session);
    }

    /// Handles a session whose path is lost. It may recover.
    pub(crate) fn handle_disconnected(&mut self, session: SessionId) {
        if let Some(tracks) = self.sessions.get_mut(&session) {
            tracks.is_connected = false;
        }
    }

    /// Removes the viewers of a session that has ended.
    pub(crate) fn remove_session(&mut self, session: SessionId) {
        let Some(tracks) = self.sessions.remove(&session) else {
            return;
        };
        self.timers.set(TimerKey::CatchUp(session), None);
        self.clocks.remove(ClockOf::Peer(session));
        for id in tracks.viewers {
            self.remove_viewer(id);
        }
        for (_, id) in tracks.published {
            if let Some(track) = self.tracks.get_mut(id) {
                track.remove_publisher(session);
            }
        }
    }
}
