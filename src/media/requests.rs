//! What an offer over HTTP asks of tracks, and whether it gets them.

use super::Media;
use crate::access::scope::{Grant, Verb};
use crate::api::media::{MediaPurpose, MediaWish};
use crate::api::problem::Problem;
use crate::api::shapes::no_endpoint;
use crate::ids::{EndpointId, TrackId};
use crate::transceiver::TrackWish;

impl Media {
    /// Returns an error if an offer wants what no endpoint has, or a source that is silent. Who may neither watch
    /// an endpoint nor send to it learns nothing of it.
    pub(crate) fn check_wish(
        &self,
        wish: &MediaWish,
        grant: &Grant,
        find: impl Fn(&str) -> Option<EndpointId>,
    ) -> Result<(), Problem> {
        for name in &wish.endpoints {
            let endpoint = find(name).ok_or_else(no_endpoint)?;
            if !grant.allows(name, Verb::Read) && !grant.allows(name, Verb::Write) {
                return Err(no_endpoint());
            }
            if !self.has_tracks(endpoint) {
                let detail = format!("endpoint {name} has neither pictures nor sound");
                return Err(Problem::new(422, &detail).at("path"));
            }
            if wish.purpose == MediaPurpose::Publish && self.is_taken(endpoint) {
                let detail = format!(
                    "endpoint {name} has no place for one more browser that sends (publishers in its configuration)"
                );
                return Err(Problem::new(409, &detail).header("Retry-After", "1"));
            }
            let is_silent = !self.is_live(endpoint);
            if wish.purpose == MediaPurpose::Watch && is_silent && !wish.may_wait {
                let detail =
                    format!("nothing sends to endpoint {name} now; ?wait=true waits for it");
                return Err(Problem::new(409, &detail).header("Retry-After", "1"));
            }
        }
        Ok(())
    }

    /// Returns the tracks that an offer wants, as far as the rights allow them, or an error if there is no room for
    /// their viewers.
    pub(crate) fn take_wish(
        &mut self,
        wish: &MediaWish,
        grant: &Grant,
        find: impl Fn(&str) -> Option<EndpointId>,
    ) -> Result<(Vec<TrackId>, Vec<TrackWish>), Problem> {
        self.check_wish(wish, grant, &find)?;
        let mut wishes = Vec::new();
        for name in &wish.endpoints {
            let endpoint = find(name).ok_or_else(no_endpoint)?;
            wishes.extend(self.wishes(endpoint, grant));
        }
        for (_, track) in &mut wishes {
            track.sends &= wish.purpose != MediaPurpose::Publish;
            track.receives &= wish.purpose != MediaPurpose::Watch;
            track.is_purpose = wish.purpose != MediaPurpose::AsOffered;
        }
        let wanted = wishes.iter().filter(|(_, track)| track.sends).count();
        self.check_room(wanted).map_err(|most| {
            let detail = format!("there are {most} viewers, which is the limit");
            Problem::new(503, &detail).header("Retry-After", "5")
        })?;
        Ok(wishes.into_iter().unzip())
    }
}
