//! What all parts of this component look up and note.

use std::time::Instant;

use super::{Media, MediaNews, TimerKey};
use crate::ids::{EndpointId, SessionId, TrackId, ViewerId};
use crate::transceiver::TransceiverKey;

impl Media {
    pub(super) fn tracks_of(&self, endpoint: EndpointId) -> impl Iterator<Item = TrackId> {
        let tracks = self.tracks.iter();
        tracks.filter_map(move |(id, track)| (track.endpoint == endpoint).then_some(id))
    }

    /// Queues a session whose viewers have something to get.
    pub(super) fn queue(&mut self, session: SessionId) {
        if let Some(tracks) = self.sessions.get_mut(&session) {
            tracks.queue(session, &mut self.readable);
        }
    }

    pub(super) fn find_viewer(
        &self,
        session: SessionId,
        section: TransceiverKey,
    ) -> Option<ViewerId> {
        let mut viewers = self.sessions.get(&session)?.viewers.iter();
        let is_it = |id: &&ViewerId| {
            let viewer = self.viewers.get(**id);
            viewer.is_some_and(|viewer| viewer.section == section)
        };
        viewers.find(is_it).copied()
    }

    pub(super) fn remove_viewer(&mut self, id: ViewerId) {
        let Some(viewer) = self.viewers.remove(id) else {
            return;
        };
        if let Some(track) = self.tracks.get_mut(viewer.track) {
            track.viewers.retain(|other| *other != id);
            track.slow.retain(|other| *other != id);
            track.gone.add(viewer.stats);
        }
        if let Some(tracks) = self.sessions.get_mut(&viewer.session) {
            tracks.viewers.retain(|other| *other != id);
        }
    }

    /// Notes that packets come which viewers get.
    pub(super) fn begin_source(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        track.set_alive(true);
        self.news.push_back(MediaNews::Changed(track.endpoint));
        let at = now + track.config.silence;
        self.timers.set(TimerKey::Silence(id), Some(at));
    }
}
