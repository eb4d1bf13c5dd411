//! The counters of tracks for `GET /metrics`, and those of a session's tracks for `GET /sessions/{id}`.

use std::time::Instant;

use serde_json::{Value, json};

use super::track::Track;
use super::viewer::{Viewer, ViewerStats};
use super::{Media, told};
use crate::api::metrics::{Family, Values, counter, single};
use crate::ids::SessionId;

/// A counter or a gauge of a track.
type Figure = (&'static str, &'static str, bool, fn(&Media, &Track) -> u64);

/// The families that have one value for each track.
const FIGURES: [Figure; 13] = [
    (
        "media_source_up",
        "1 when packets come",
        false,
        |_, track| u64::from(track.trouble().is_none()),
    ),
    ("media_received", "Packets of programs", true, |_, track| {
        track.stats.received.packets
    }),
    (
        "media_received_bytes",
        "Bytes of those packets",
        true,
        |_, track| track.stats.received.bytes,
    ),
    (
        "media_published",
        "Packets of browsers",
        true,
        |_, track| track.stats.published.packets,
    ),
    (
        "media_published_bytes",
        "Bytes of those packets",
        true,
        |_, track| track.stats.published.bytes,
    ),
    (
        "media_sent",
        "Packets written to viewers",
        true,
        |media, track| media.sent(track).packets,
    ),
    (
        "media_sent_bytes",
        "Bytes of those packets",
        true,
        |media, track| media.sent(track).bytes,
    ),
    (
        "media_left_out",
        "Packets that viewers did not get",
        true,
        |media, track| media.sent(track).left_out,
    ),
    (
        "media_restarts",
        "How often sources began anew",
        true,
        |_, track| track.stats.restarts,
    ),
    (
        "media_keyframes",
        "Keyframes of sources",
        true,
        |_, track| track.stats.keyframes,
    ),
    (
        "media_keyframes_requested",
        "Keyframes asked for",
        true,
        |_, track| track.stats.keyframes_requested,
    ),
    ("media_viewers", "Viewers", false, |_, track| {
        track.viewers.len() as u64
    }),
    (
        "media_slow_viewers",
        "Viewers that cannot take everything",
        false,
        |_, track| track.slow.len() as u64,
    ),
];

impl Media {
    /// Returns the counters of all tracks. Without tracks there are none.
    pub(crate) fn families(&self) -> Vec<Family> {
        if !self.has_any() {
            return Vec::new();
        }
        let tracks = || self.tracks.iter().map(|(_, track)| track);
        let figures = FIGURES.iter().map(|(name, help, is_counter, of)| Family {
            name,
            help,
            is_counter: *is_counter,
            values: tracks()
                .map(|track| (labels(track), of(self, track)))
                .collect(),
        });
        let bitrates: Values = tracks()
            .filter_map(|track| Some((labels(track), track.told_bitrate?.0)))
            .collect();
        let dropped: Values = tracks().flat_map(dropped).collect();
        let refused = "Viewers for whom there was no room";
        figures
            .chain([
                Family {
                    name: "media_bitrate",
                    help: "The bit rate that the source is told, in bit/s",
                    is_counter: false,
                    values: bitrates,
                },
                counter("media_dropped", "Packets dropped", dropped),
                counter(
                    "media_viewers_refused",
                    refused,
                    single(self.refused_viewers),
                ),
            ])
            .collect()
    }

    /// Returns what all viewers of a track have got, including those who have left.
    fn sent(&self, track: &Track) -> ViewerStats {
        let viewers = track.viewers.iter().filter_map(|id| self.viewers.get(*id));
        viewers.fold(track.gone, |mut sum, viewer| {
            sum.add(viewer.stats);
            sum
        })
    }

    /// Adds its tracks to the JSON of a session that has some.
    pub(crate) fn add_to_session(&self, now: Instant, json: &mut Value, session: SessionId) {
        let Some(tracks) = self.sessions.get(&session) else {
            return;
        };
        let viewers = tracks.viewers.iter().filter_map(|id| self.viewers.get(*id));
        let viewers = viewers
            .filter_map(|viewer| Some(viewer_json(now, self.tracks.get(viewer.track)?, viewer)));
        let published = tracks.published.iter().filter_map(|(_, id)| {
            let track = self.tracks.get(*id)?;
            let kind = track.config.codec.kind().as_str();
            Some(json!({"endpoint": track.name, "kind": kind, "role": "publisher"}))
        });
        let refused = tracks.refused.iter().filter_map(|(id, detail)| {
            let track = self.tracks.get(*id)?;
            let kind = track.config.codec.kind().as_str();
            Some(json!({"endpoint": track.name, "kind": kind, "role": "refused", "detail": detail}))
        });
        json["media"] = viewers.chain(published).chain(refused).collect();
    }
}

fn labels(track: &Track) -> Vec<(&'static str, String)> {
    let kind = track.config.codec.kind().as_str();
    vec![("endpoint", track.name.clone()), ("kind", kind.to_owned())]
}

fn dropped(track: &Track) -> impl Iterator<Item = (Vec<(&'static str, String)>, u64)> {
    track.stats.dropped.iter().map(|(why, count)| {
        let mut labels = labels(track);
        labels.push(("reason", why.as_str().to_owned()));
        (labels, *count)
    })
}

fn viewer_json(now: Instant, track: &Track, viewer: &Viewer) -> Value {
    let ViewerStats {
        packets,
        bytes,
        left_out,
    } = viewer.stats;
    let report = viewer.report;
    let round_trip = report.round_trip.map(|time| time.as_secs_f64() * 1000.0);
    json!({
        "endpoint": track.name,
        "kind": track.config.codec.kind().as_str(),
        "role": "viewer",
        "state": told::state(track, viewer).as_str(),
        "packets": packets,
        "bytes": bytes,
        "left_out": left_out,
        "rate": viewer.rate.get(now),
        "limit": viewer.pace.limit(),
        "estimate": viewer.estimate.map(|(bitrate, _)| bitrate),
        "loss": report.loss,
        "jitter": report.jitter,
        "nacks": report.nacks,
        "round_trip_time_ms": round_trip,
    })
}
