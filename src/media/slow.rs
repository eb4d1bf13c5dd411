//! Viewers that cannot take everything: what their browsers report, and who of them is too slow.

use std::time::Instant;

use super::Media;
use super::pace::Verdict;
use crate::codec::MediaKind;
use crate::ids::{SessionId, TrackId, ViewerId};
use crate::sources::Context;
use crate::transceiver::ViewerReport;

/// The lowest estimate that is believed, in bit/s. Nothing that can be looked at needs less.
const LEAST_ESTIMATE: u64 = 10_000;

impl Media {
    /// Handles a browser's estimate of the bit rate that it can take. It is about all pictures of a session.
    pub(super) fn handle_estimate(&mut self, cx: &Context<'_>, session: SessionId, bitrate: u64) {
        if bitrate < LEAST_ESTIMATE {
            return;
        }
        let pictures = self.pictures_of(session);
        let now = cx.now;
        let rate_of = |id: &ViewerId| self.viewers.get(*id).and_then(|it| it.rate.get(now));
        let all: u64 = pictures.iter().filter_map(rate_of).sum();
        for id in pictures {
            let Some(viewer) = self.viewers.get_mut(id) else {
                continue;
            };
            let sent = viewer.rate.get(cx.now);
            let share = match (sent, all) {
                (Some(sent), 1..) => u128::from(bitrate) * u128::from(sent) / u128::from(all),
                (Some(_) | None, _) => u128::from(bitrate),
            };
            let share = u64::try_from(share).unwrap_or(bitrate);
            viewer.estimate = Some((share, cx.now));
            let Some(track) = self.tracks.get(viewer.track) else {
                continue;
            };
            let offered = track.rate.get(cx.now);
            let verdict = viewer.pace.handle_estimate(cx.now, share, offered, sent);
            let track = viewer.track;
            self.note_verdict(cx.now, id, verdict);
            self.schedule_bitrate(cx, track);
        }
    }

    /// Handles a browser's report of what it has received.
    pub(super) fn handle_report(&mut self, cx: &Context<'_>, id: ViewerId, report: ViewerReport) {
        let Some(viewer) = self.viewers.get_mut(id) else {
            return;
        };
        viewer.report = report;
        let kind = self
            .tracks
            .get(viewer.track)
            .map(|track| track.config.codec.kind());
        if let (Some(loss), Some(MediaKind::Video)) = (report.loss, kind) {
            let sent = viewer.rate.get(cx.now);
            let verdict = viewer.pace.handle_loss(cx.now, loss, sent);
            self.note_verdict(cx.now, id, verdict);
        }
    }

    /// Returns the viewers of a session's pictures.
    fn pictures_of(&self, session: SessionId) -> Vec<ViewerId> {
        let tracks = self.sessions.get(&session);
        let viewers = tracks.into_iter().flat_map(|tracks| &tracks.viewers);
        let is_picture = |id: &&ViewerId| {
            let viewer = self.viewers.get(**id);
            let track = viewer.and_then(|viewer| self.tracks.get(viewer.track));
            track.is_some_and(|track| track.config.codec.kind() == MediaKind::Video)
        };
        viewers.filter(is_picture).copied().collect()
    }

    fn note_verdict(&mut self, now: Instant, id: ViewerId, verdict: Verdict) {
        let Some(viewer) = self.viewers.get(id) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(viewer.track) else {
            return;
        };
        match verdict {
            Verdict::Same => return,
            Verdict::Slow => {
                track.slow.push(id);
                let limit = viewer.pace.limit().unwrap_or(0) / 1_000;
                let name = &track.name;
                log::info!("endpoint {name}: a viewer is too slow, it gets {limit} kbit/s");
            }
            Verdict::Fast => {
                track.slow.retain(|other| *other != id);
                log::info!("endpoint {}: a viewer gets everything again", track.name);
            }
        }
        self.note_state(now, id);
    }

    /// Returns where the last of a track's slow viewers is.
    pub(super) fn behind(&self, id: TrackId) -> Option<u64> {
        let track = self.tracks.get(id)?;
        let slow = track.slow.iter().filter_map(|id| self.viewers.get(*id));
        slow.map(super::viewer::Viewer::cursor).min()
    }
}
