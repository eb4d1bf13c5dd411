//! Browsers that send: who may, and their packets on the way to a local program, and to the viewers of a track without one.

use std::time::Instant;

use super::publisher::Publisher;
use super::track::Track;
use super::{Media, MediaNews};
use crate::codec::MediaKind;
use crate::ids::{EndpointId, SessionId, TrackId};
use crate::sources::Context;
use crate::transceiver::{IncomingPacket, TransceiverKey};

impl Media {
    /// Returns whether one more browser may send to a track: there is a place, or one whose browser has gone.
    pub(super) fn may_publish(&self, track: &Track) -> bool {
        track.has_room_for_publisher() || self.lost_publisher(track).is_some()
    }

    /// Returns the session of a publisher that is not connected.
    fn lost_publisher(&self, track: &Track) -> Option<SessionId> {
        let mut sessions = track.publishers.sessions();
        sessions.find(|session| {
            let tracks = self.sessions.get(session);
            tracks.is_none_or(|tracks| tracks.was_connected && !tracks.is_connected)
        })
    }

    /// Returns whether every track of an endpoint that takes from browsers has as many as it may have.
    pub(crate) fn is_taken(&self, endpoint: EndpointId) -> bool {
        let tracks = self.tracks.iter().map(|(_, track)| track);
        let tracks = tracks.filter(|track| track.endpoint == endpoint);
        let mut used = tracks
            .filter(|track| track.config.takes_from_browsers())
            .peekable();
        used.peek().is_some() && used.all(|track| !self.may_publish(track))
    }

    pub(super) fn add_publisher(
        &mut self,
        session: SessionId,
        section: TransceiverKey,
        id: TrackId,
    ) {
        let Some(track) = self.tracks.get(id) else {
            return;
        };
        let lost = (!track.has_room_for_publisher()).then(|| self.lost_publisher(track));
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        if let Some(lost) = lost.flatten() {
            track.remove_publisher(lost);
            self.tell_displaced(lost, id);
        }
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        if track.publishers.add(Publisher { session, section }) {
            let tracks = self.sessions.entry(session).or_default();
            tracks.published.push((section, id));
        }
    }

    /// Asks the browsers that send to a track for a keyframe, unless they were asked lately.
    pub(super) fn ask_publishers(&mut self, cx: &Context<'_>, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let interval = track.config.keyframe_interval;
        let is_early = |at: Instant| cx.now.saturating_duration_since(at) < interval;
        if track.config.codec.kind() == MediaKind::Audio
            || track.publishers.asked.is_some_and(is_early)
        {
            return;
        }
        track.publishers.asked = Some(cx.now);
        track.stats.keyframes_requested += 1;
        for publisher in track.publishers.all() {
            self.news.push_back(MediaNews::KeyframeWanted {
                session: publisher.session,
                section: publisher.section,
            });
        }
    }

    pub(super) fn remove_publisher_of(&mut self, session: SessionId, section: TransceiverKey) {
        let Some(tracks) = self.sessions.get_mut(&session) else {
            return;
        };
        let of_section = |(of, _): &(TransceiverKey, TrackId)| *of == section;
        let Some(at) = tracks.published.iter().position(of_section) else {
            return;
        };
        let (_, id) = tracks.published.remove(at);
        if let Some(track) = self.tracks.get_mut(id) {
            track.remove_publisher(session);
        }
    }

    /// Handles a packet that a browser sends to a track.
    pub(super) fn handle_published(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionId,
        section: TransceiverKey,
        packet: IncomingPacket,
    ) {
        let tracks = self.sessions.get(&session);
        let mut published = tracks.into_iter().flat_map(|tracks| &tracks.published);
        let found = published.find(|(of, _)| *of == section);
        let Some((id, track)) = found.and_then(|(_, id)| Some((*id, self.tracks.get_mut(*id)?)))
        else {
            return;
        };
        let was_live = track.is_alive();
        self.datagram.clear();
        let publisher = Publisher { session, section };
        let change = track.handle_published(
            cx.now,
            publisher,
            packet,
            &mut self.clocks,
            &mut self.datagram,
        );
        if self.datagram.is_empty() {
            // The packet was dropped.
            return;
        }
        if let (Some(socket), Some(to)) = (track.sockets.for_output(), track.config.send_to) {
            cx.sources
                .transmits()
                .push(socket, None, to, &self.datagram);
        }
        if change.has_news && !self.fresh.contains(&id) {
            self.fresh.push(id);
        }
        if change.has_news && !was_live {
            self.begin_source(cx.now, id);
        }
        if change.needs_keyframe {
            self.ask_publishers(cx, id);
        }
        self.schedule_report(cx, id);
    }
}
