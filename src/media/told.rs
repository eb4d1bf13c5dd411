//! What peers are told of the tracks that they watch: whether there is something to see, and how many bits a second
//! the source may send.

use std::time::{Duration, Instant};

use super::track::Track;
use super::viewer::{Viewer, ViewerState};
use super::{Media, MediaNews, TimerKey};
use crate::config::BitratePolicy;
use crate::ids::{SessionId, TrackId, ViewerId};
use crate::sources::Context;
use crate::transceiver::TrackRefusal;

/// How often a bit rate is told.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a browser's estimate is believed. Browsers send one every second.
const ESTIMATE_AGE: Duration = Duration::from_secs(15);

impl Media {
    /// Tells a peer that it does not get a track.
    pub(super) fn tell_refused(&mut self, session: SessionId, id: TrackId, why: &TrackRefusal) {
        let Some(track) = self.tracks.get(id) else {
            return;
        };
        let (endpoint, kind) = (track.name.clone(), track.config.codec.kind().as_str());
        let detail = why.to_string();
        log::info!("endpoint {endpoint}: a session gets no {kind}: {detail}");
        let tracks = self.sessions.entry(session).or_default();
        tracks.refused.retain(|(of, _)| *of != id);
        tracks.refused.push((id, detail.clone()));
        self.news.push_back(MediaNews::Told {
            session,
            endpoint,
            kind,
            state: "refused",
            detail,
        });
    }

    /// Tells a peer everything once more, because its control channel has just opened.
    pub(crate) fn repeat(&mut self, now: Instant, session: SessionId) {
        let Some(tracks) = self.sessions.get(&session) else {
            return;
        };
        let viewers = tracks.viewers.clone();
        for (id, detail) in &tracks.refused {
            if let Some(track) = self.tracks.get(*id) {
                self.news.push_back(MediaNews::Told {
                    session,
                    endpoint: track.name.clone(),
                    kind: track.config.codec.kind().as_str(),
                    state: "refused",
                    detail: detail.clone(),
                });
            }
        }
        for id in viewers {
            if let Some(viewer) = self.viewers.get_mut(id) {
                viewer.told = None;
            }
            self.note_state(now, id);
        }
    }

    /// Tells a peer that another one sends to a track in its place.
    pub(super) fn tell_displaced(&mut self, session: SessionId, id: TrackId) {
        let tracks = self.sessions.get_mut(&session);
        let (Some(tracks), Some(track)) = (tracks, self.tracks.get(id)) else {
            return;
        };
        tracks.published.retain(|(_, of)| *of != id);
        self.news.push_back(MediaNews::Told {
            session,
            endpoint: track.name.clone(),
            kind: track.config.codec.kind().as_str(),
            state: "refused",
            detail: "another browser sends to it now".to_owned(),
        });
    }

    /// Tells the peers of a track's viewers and publishers that it is removed.
    pub(super) fn tell_removed(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get(id) else {
            return;
        };
        let viewers = track.viewers.iter().filter_map(|id| self.viewers.get(*id));
        let viewers = viewers.map(|viewer| viewer.session);
        for session in viewers.chain(track.publishers.sessions()) {
            self.news.push_back(MediaNews::Told {
                session,
                endpoint: track.name.clone(),
                kind: track.config.codec.kind().as_str(),
                state: "removed",
                detail: "the endpoint was removed or changed: ask for it once more".to_owned(),
            });
        }
    }

    /// Tells the peers of all viewers of a track what has changed.
    pub(super) fn note_states(&mut self, now: Instant, id: TrackId) {
        let viewers = self.tracks.get(id).map(|track| track.viewers.clone());
        for viewer in viewers.unwrap_or_default() {
            self.note_state(now, viewer);
        }
    }

    /// Tells the peer of a viewer what it sees, if that has changed.
    pub(super) fn note_state(&mut self, now: Instant, id: ViewerId) {
        let Some(viewer) = self.viewers.get_mut(id) else {
            return;
        };
        let Some(track) = self.tracks.get_mut(viewer.track) else {
            return;
        };
        let state = state(track, viewer);
        if viewer.told.replace(state) == Some(state) {
            return;
        }
        if state == ViewerState::Waiting && track.rtcp_sender.is_none() {
            track.warn_of_interval();
        }
        self.news.push_back(MediaNews::Told {
            session: viewer.session,
            endpoint: track.name.clone(),
            kind: track.config.codec.kind().as_str(),
            state: state.as_str(),
            detail: detail(now, track, viewer, state),
        });
    }

    // ---- bit rates ----

    /// Tells the bit rate of a track soon, unless it was told lately.
    pub(super) fn schedule_bitrate(&mut self, cx: &Context<'_>, id: TrackId) {
        let Some(track) = self.tracks.get(id) else {
            return;
        };
        if !self.timers.is_set(TimerKey::Bitrate(id)) {
            let last = track.told_bitrate.map(|(_, at)| at + INTERVAL);
            let at = last.unwrap_or(cx.now).max(cx.now);
            self.timers.set(TimerKey::Bitrate(id), Some(at));
        }
    }

    /// Tells everybody the bit rate of a track, if it has changed, and the browser that is its source.
    pub(super) fn tell_bitrate(&mut self, cx: &Context<'_>, id: TrackId) {
        let estimate = self.estimate(id, cx.now);
        let Some(track) = self.tracks.get_mut(id) else {
            return;
        };
        let told = track.told_bitrate.map(|(bitrate, _)| bitrate);
        let Some(bitrate) = estimate.filter(|bitrate| told != Some(*bitrate)) else {
            return;
        };
        track.told_bitrate = Some((bitrate, cx.now));
        let viewers = track.viewers.iter().filter_map(|id| self.viewers.get(*id));
        let mut sessions: Vec<SessionId> = viewers.map(|viewer| viewer.session).collect();
        sessions.extend(track.publishers.sessions());
        if let Some(publisher) = track.source_publisher() {
            self.news.push_back(MediaNews::Limited {
                session: publisher.session,
                section: publisher.section,
                bitrate,
            });
        }
        self.news.push_back(MediaNews::Bitrate {
            endpoint: track.name.clone(),
            kind: track.config.codec.kind().as_str(),
            bitrate,
            sessions,
        });
    }

    /// Returns the bit rate that the source is told, in bit/s. Slow viewers do not count while others exist: they
    /// get less than everything anyway.
    pub(super) fn estimate(&self, id: TrackId, now: Instant) -> Option<u64> {
        let track = self.tracks.get(id)?;
        let viewers = || track.viewers.iter().filter_map(|id| self.viewers.get(*id));
        let all_are_slow = viewers().all(Viewer::is_slow);
        let estimates = viewers()
            .filter(|viewer| all_are_slow || !viewer.is_slow())
            .filter_map(|viewer| viewer.estimate);
        let is_new = |at: Instant| now.saturating_duration_since(at) < ESTIMATE_AGE;
        let mut estimates: Vec<u64> = estimates
            .filter(|(_, at)| is_new(*at))
            .map(|(bitrate, _)| bitrate)
            .collect();
        estimates.sort_unstable();
        match track.config.bitrate {
            BitratePolicy::Lowest => estimates.first().copied(),
            BitratePolicy::Median => estimates.get(estimates.len() / 2).copied(),
            BitratePolicy::Off => None,
        }
    }
}

/// Returns what a viewer sees.
pub(super) fn state(track: &Track, viewer: &Viewer) -> ViewerState {
    if !track.is_alive() {
        ViewerState::Absent
    } else if viewer.is_slow() {
        ViewerState::Thinned
    } else if viewer.is_waiting() && track.log.keyframe().is_none() {
        ViewerState::Waiting
    } else {
        ViewerState::Playing
    }
}

fn detail(now: Instant, track: &Track, viewer: &Viewer, state: ViewerState) -> String {
    match state {
        ViewerState::Absent => {
            track.trouble().unwrap_or_default()
        }
        ViewerState::Waiting if track.rtcp_sender.is_some() => {
            "no keyframe has come yet; the source was asked for one".to_owned()
        }
        ViewerState::Waiting => {
            "no keyframe has come yet, and the source takes no requests: a shorter keyframe interval helps"
                .to_owned()
        }
        ViewerState::Playing => String::new(),
        ViewerState::Thinned => {
            let kilobits = |rate: Option<u64>| rate.unwrap_or(0) / 1_000;
            format!(
                "the path takes {} kbit/s, the pictures have {}: whole pictures are left out",
                kilobits(viewer.pace.limit()),
                kilobits(track.rate.get(now))
            )
        }
    }
}
