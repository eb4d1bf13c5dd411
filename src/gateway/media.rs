//! Tracks of endpoints in sessions: which of them an offer wants and gets.

use std::time::Instant;

use serde_json::json;

use super::views::Views;
use super::{Gateway, cx, look};
use crate::access::scope::{Grant, Verb};
use crate::api::media::{MediaPurpose, MediaWish};
use crate::api::offers::refused_reoffer;
use crate::api::problem::Problem;
use crate::api::shapes::no_endpoint;
use crate::api::whip;
use crate::front::Asked;
use crate::http::Response;
use crate::ids::{SessionId, TrackId};
use crate::media::{Media, MediaNews};
use crate::session::control::Reply;
use crate::session::event::ConnectionState;
use crate::transceiver::TrackWish;

impl Views<'_> {
    /// Returns an error if an offer wants what no endpoint has, or a source that is silent. Who may neither watch
    /// an endpoint nor send to it learns nothing of it.
    pub(super) fn check_media(self, wish: &MediaWish, grant: &Grant) -> Result<(), Problem> {
        for name in &wish.endpoints {
            let endpoint = self.find_endpoint(name)?;
            if !grant.allows(name, Verb::Read) && !grant.allows(name, Verb::Write) {
                return Err(no_endpoint());
            }
            if !self.media.has_tracks(endpoint) {
                let detail = format!("endpoint {name} has neither pictures nor sound");
                return Err(Problem::new(422, &detail).at("path"));
            }
            if wish.purpose == MediaPurpose::Publish && self.media.is_taken(endpoint) {
                let detail = format!("as many send to endpoint {name} as publishers allows");
                return Err(Problem::new(409, &detail).header("Retry-After", "1"));
            }
            let is_silent = !self.media.is_live(endpoint);
            if wish.purpose == MediaPurpose::Watch && is_silent && !wish.may_wait {
                let detail =
                    format!("nothing sends to endpoint {name} now; ?wait=true waits for it");
                return Err(Problem::new(409, &detail).header("Retry-After", "1"));
            }
        }
        Ok(())
    }

    /// Returns the tracks that an offer wants, as far as the rights allow them.
    pub(super) fn tracks_of(
        self,
        wish: &MediaWish,
        grant: &Grant,
    ) -> Result<Vec<(TrackId, TrackWish)>, Problem> {
        let mut wishes = Vec::new();
        for name in &wish.endpoints {
            wishes.extend(self.media.wishes(self.find_endpoint(name)?, grant));
        }
        for (_, track) in &mut wishes {
            track.sends &= wish.purpose != MediaPurpose::Publish;
            track.receives &= wish.purpose != MediaPurpose::Watch;
        }
        Ok(wishes)
    }
}

impl Gateway {
    /// Acts on an event of the media component.
    pub(super) fn handle_media_news(&mut self, now: Instant, news: MediaNews) {
        match news {
            MediaNews::Changed(endpoint) => {
                if let Some(state) = self.media.state(endpoint) {
                    self.devices.set_state(cx!(self, now), endpoint, state);
                }
            }
            MediaNews::KeyframeWanted { session, section } => {
                let cx = cx!(self, now);
                self.sessions.request_keyframe(cx, session, section);
            }
            MediaNews::Limited {
                session,
                section,
                bitrate,
            } => {
                let cx = cx!(self, now);
                self.sessions.limit_bitrate(cx, session, section, bitrate);
            }
            MediaNews::Told {
                session,
                endpoint,
                kind,
                state,
                detail,
            } => {
                let reply = Reply::Media {
                    endpoint: &endpoint,
                    kind,
                    state,
                    detail: &detail,
                };
                self.sessions.tell(session, &reply);
            }
            MediaNews::Bitrate {
                endpoint,
                kind,
                bitrate,
                sessions,
            } => {
                let event = json!({"endpoint": endpoint, "kind": kind, "bitrate": bitrate});
                self.front.connections_mut().publish("bitrate", &event);
                let reply = Reply::Bitrate {
                    endpoint: &endpoint,
                    kind,
                    bitrate,
                };
                for session in sessions {
                    self.sessions.tell(session, &reply);
                }
            }
        }
    }

    /// Answers a later offer of a session's peer, which adds tracks or takes them away.
    pub(super) fn reoffer(
        &mut self,
        now: Instant,
        id: SessionId,
        asked: &Asked,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let wish = MediaWish::of(&asked.resource, asked.query.as_deref());
        let wishes = look!(self).tracks_of(&wish, &asked.grant)?;
        let (tracks, wishes): (Vec<_>, Vec<_>) = wishes.into_iter().unzip();
        check_viewers(&mut self.media, &wishes)?;
        let done = self.sessions.reoffer(cx!(self, now), id, body, &wishes);
        let done = done.map_err(refused_reoffer)?;
        self.media.change(id, &done.released, &done.kept);
        let state = self.sessions.get(id).map(|session| session.state());
        let is_connected = state == Some(ConnectionState::Connected);
        let outcomes = tracks.into_iter().zip(done.tracks);
        let cx = cx!(self, now);
        self.media.join(cx, id, is_connected, outcomes);
        Ok(Response::new(200)
            .header("Cache-Control", "no-store")
            .body(whip::SDP, done.sdp.into_bytes()))
    }
}

/// Returns an error if there is no room for the viewers that an offer would make.
pub(super) fn check_viewers(media: &mut Media, wishes: &[TrackWish]) -> Result<(), Problem> {
    let wanted = wishes.iter().filter(|track| track.sends).count();
    media.check_room(wanted).map_err(|most| {
        let detail = format!("there are {most} viewers, which is the limit");
        Problem::new(503, &detail).header("Retry-After", "5")
    })
}
