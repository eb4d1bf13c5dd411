//! Tracks of endpoints in sessions: which of them an offer wants, and what the media component has to say.

use std::time::Instant;

use super::{Gateway, cx, look, tell};
use crate::access::scope::Grant;
use crate::access::scope::Verb;
use crate::api::problem::Problem;
use crate::ids::TrackId;
use crate::media::MediaNews;
use crate::session::set::Begun;
use crate::transceiver::{TrackOutcome, TrackWish};

/// Returns the endpoints that `?media=camera,talk` names.
pub(super) fn names_of_media(query: Option<&str>) -> Vec<String> {
    let pairs = query.unwrap_or_default().split('&');
    let values = pairs.filter_map(|pair| pair.strip_prefix("media="));
    let names = values.flat_map(|value| value.split([',']));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Gateway {
    /// Returns the tracks of the named endpoints, as far as the rights allow them.
    pub(super) fn find_tracks(
        &mut self,
        names: &[String],
        grant: &Grant,
    ) -> Result<(Vec<TrackId>, Vec<TrackWish>), Problem> {
        let mut wishes = Vec::new();
        for name in names {
            let endpoint = look!(self).find_endpoint(name)?;
            if !grant.allows(name, Verb::Read) {
                let detail = format!("the token does not allow reading {name}");
                return Err(Problem::new(403, &detail).at("media"));
            }
            let tracks = self.media.wishes(endpoint, grant);
            if tracks.is_empty() {
                let detail = format!("endpoint {name} has neither pictures nor sound");
                return Err(Problem::new(422, &detail).at("media"));
            }
            wishes.extend(tracks);
        }
        if self.media.is_full(wishes.len()) {
            let most = self.limits.viewers;
            let detail = format!("there are as many viewers as limits.viewers allows, {most}");
            return Err(Problem::new(503, &detail).header("Retry-After", "5"));
        }
        Ok(wishes.into_iter().unzip())
    }

    /// Makes a session a viewer of the tracks that its sections carry.
    pub(super) fn join_tracks(&mut self, begun: &Begun, tracks: &[TrackId]) {
        for outcome in &begun.tracks {
            if let TrackOutcome::Refused(why) = outcome {
                let name = self.sessions.name(begun.id).unwrap_or_default();
                log::info!("session {name}: a track has no section: {why}");
            }
        }
        let tracks = tracks.iter().copied().zip(begun.tracks.iter().cloned());
        self.media.join(begun.id, tracks);
    }

    /// Acts on what the media component has to say.
    pub(super) fn handle_media_news(&mut self, now: Instant, news: MediaNews) {
        match news {
            MediaNews::Changed(endpoint) => {
                if let Some(view) = self.devices.table().view(endpoint) {
                    tell!(self).announce(&view, view.state.as_str());
                }
            }
            MediaNews::KeyframeWanted { session, section } => {
                self.sessions
                    .request_keyframe(cx!(self, now), session, section);
            }
        }
    }
}
