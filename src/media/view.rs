//! What the API shows of tracks, and why there is nothing to see.

use serde_json::{Value, json};

use super::Media;
use super::stats::Packets;
use super::track::Track;
use crate::endpoint::DeviceState;
use crate::ids::EndpointId;

impl Media {
    /// Returns the state of an endpoint, which is that of its best track. `None`: it has no tracks.
    pub(crate) fn state(&self, endpoint: EndpointId) -> Option<DeviceState> {
        let tracks = self
            .tracks_of(endpoint)
            .filter_map(|id| self.tracks.get(id));
        let states: Vec<DeviceState> = tracks.map(Track::state).collect();
        let is_failed = |state: &&DeviceState| matches!(state, DeviceState::Failed(_));
        let failed = states.iter().find(is_failed);
        let open = states.iter().find(|state| **state == DeviceState::Open);
        failed.or(open).or_else(|| states.first()).cloned()
    }

    /// Adds what is known of an endpoint's tracks to its JSON, which has their configuration.
    pub(crate) fn add_tracks(&self, json: &mut Value, endpoint: EndpointId) {
        for id in self.tracks_of(endpoint) {
            let Some(track) = self.tracks.get(id) else {
                continue;
            };
            let kind = track.config.codec.kind().as_str();
            let Some(fields) = json.get_mut(kind).and_then(Value::as_object_mut) else {
                continue;
            };
            let viewers = track.viewers.iter().filter_map(|id| self.viewers.get(*id));
            let waiting = viewers.clone().filter(|viewer| viewer.is_waiting()).count();
            let left_out: u64 = viewers.map(|viewer| viewer.stats.left_out).sum();
            let left_out = track.gone.left_out + left_out;
            let stats = &track.stats;
            let dropped = stats
                .dropped
                .iter()
                .map(|(why, count)| (why.as_str(), *count));
            let dropped: serde_json::Map<String, Value> = dropped
                .map(|(why, count)| (why.to_owned(), json!(count)))
                .collect();
            let more = [
                ("state", json!(track.state().as_str())),
                ("why", json!(track.trouble())),
                ("ssrc", json!(track.ssrc())),
                (
                    "source",
                    json!(track.sender().map(|sender| sender.to_string())),
                ),
                ("payload_type_seen", json!(track.payload_type())),
                ("received", packets(stats.received)),
                ("forwarded", packets(stats.forwarded)),
                ("published", packets(stats.published)),
                ("dropped", Value::Object(dropped)),
                ("rtcp_received", json!(stats.rtcp)),
                ("rtcp_malformed", json!(stats.bad_rtcp)),
                ("restarts", json!(stats.restarts)),
                ("keyframes", json!(stats.keyframes)),
                ("keyframes_wanted", json!(stats.keyframes_wanted)),
                ("keyframes_requested", json!(stats.keyframes_requested)),
                ("cached_bytes", json!(track.log.bytes())),
                ("rate", json!(track.rate.last())),
                ("viewers", json!(track.viewers.len())),
                ("slow_viewers", json!(track.slow.len())),
                ("waiting_viewers", json!(waiting)),
                ("left_out", json!(left_out)),
                ("publishers", json!(track.publishers.all().count())),
                (
                    "bitrate",
                    json!(track.told_bitrate.map(|(bitrate, _)| bitrate)),
                ),
            ];
            for (name, value) in more {
                fields.insert(name.to_owned(), value);
            }
        }
    }
}

fn packets(count: Packets) -> Value {
    json!({"packets": count.packets, "bytes": count.bytes})
}

impl Track {
    /// Returns the state for the endpoint.
    pub(super) fn state(&self) -> DeviceState {
        if let Some((_, trouble)) = &self.socket_trouble {
            return DeviceState::Failed(trouble.clone());
        }
        match self.trouble() {
            // Without a program of its own it is ready to take what browsers send.
            Some(why) if self.config.listen.is_some() => DeviceState::Absent(why),
            Some(_) | None => DeviceState::Open,
        }
    }

    /// Returns why viewers get nothing. `None`: packets come.
    pub(super) fn trouble(&self) -> Option<String> {
        if let Some((_, trouble)) = &self.socket_trouble {
            return Some(trouble.clone());
        }
        if self.is_alive() {
            return None;
        }
        let Some(listen) = self.config.listen else {
            return Some("no browser sends to it".to_owned());
        };
        let other = self.other_payload_type().zip(self.payload_type());
        Some(match other {
            Some((seen, expected)) => {
                format!("packets of payload type {seen} come to {listen}, {expected} is expected")
            }
            None => format!("no packets on {listen}"),
        })
    }
}
