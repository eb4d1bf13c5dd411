//! What the media component tells others, and later offers of peers.

use serde_json::json;

use crate::api::media::MediaWish;
use crate::api::offers::{description, refused_reoffer};
use crate::api::problem::Problem;
use crate::devices::Devices;
use crate::front::{Asked, Front};
use crate::http::Response;
use crate::ids::SessionId;
use crate::media::{Media, MediaNews};
use crate::session::control::Reply;
use crate::session::set::Sessions;
use crate::sources::Context;

/// The components that pictures and sound concern.
pub(super) struct Watching<'a> {
    pub(super) media: &'a mut Media,
    pub(super) sessions: &'a mut Sessions,
    pub(super) devices: &'a mut Devices,
    pub(super) front: &'a mut Front,
}

impl Watching<'_> {
    /// Acts on an event of the media component.
    pub(super) fn handle(&mut self, cx: &mut Context<'_>, news: MediaNews) {
        match news {
            MediaNews::Changed(endpoint) => {
                if let Some(state) = self.media.state(endpoint) {
                    self.devices.set_state(cx, endpoint, state);
                }
            }
            MediaNews::KeyframeWanted { session, section } => {
                self.sessions.request_keyframe(cx, session, section);
            }
            MediaNews::Limited {
                session,
                section,
                bitrate,
            } => self.sessions.limit_bitrate(cx, session, section, bitrate),
            MediaNews::Told {
                session,
                endpoint,
                kind,
                state,
                detail,
            } => {
                let told = Reply::media(&endpoint, kind, state, &detail);
                self.sessions.tell(session, &told);
            }
            MediaNews::Bitrate {
                endpoint,
                kind,
                bitrate,
                sessions,
            } => {
                let event = json!({"endpoint": endpoint, "kind": kind, "bitrate": bitrate});
                self.front.connections_mut().publish("bitrate", &event);
                for session in sessions {
                    let told = Reply::bitrate(&endpoint, kind, bitrate);
                    self.sessions.tell(session, &told);
                }
            }
        }
    }

    /// Answers a later offer of a session's peer, which adds tracks or takes them away.
    pub(super) fn reoffer(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        asked: &Asked,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let wish = MediaWish::of(&asked.resource, asked.query.as_deref());
        let find = |name: &str| self.devices.table().find(name);
        let (tracks, wishes) = self.media.take_wish(&wish, &asked.grant, find)?;
        let done = self.sessions.reoffer(cx, id, body, &wishes);
        let done = done.map_err(refused_reoffer)?;
        self.media.change(id, &done.released, &done.kept);
        let outcomes = tracks.into_iter().zip(done.tracks);
        self.media.join(cx, id, done.is_connected, outcomes);
        Ok(description(done.sdp))
    }
}
