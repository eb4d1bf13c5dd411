//! `kind = "rtp"`: a program that sends and receives pictures or sound as RTP.

mod places;

use std::ops::RangeInclusive;
use std::time::Duration;

use super::claims::Claim;
use super::reader::{Document, Section, one_of};
use super::values::required;
use super::{BitratePolicy, EndpointKind, RtcpPlace, RtpConfig, TrackConfig};
use crate::codec::{Codec, MediaKind};
use places::{read_destination, read_source};

const POLICIES: [(&str, BitratePolicy); 3] = [
    ("lowest", BitratePolicy::Lowest),
    ("median", BitratePolicy::Median),
    ("off", BitratePolicy::Off),
];

/// The longest `fmtp`, in bytes. Every answer to a viewer repeats the text.
const LONGEST_FMTP: usize = 255;
/// The step of `playout_delay_ms`, and its greatest value: the header extension counts 10 ms in 12 bits.
const DELAY_STEP: i64 = 10;
const LONGEST_DELAY: i64 = 4_095 * DELAY_STEP;
/// Payload types that RTCP on the same port could be taken for (RFC 5761 §4).
const LIKE_RTCP: RangeInclusive<u8> = 64..=95;

/// Reads the keys of an RTP program, and notes the local ports that they claim.
pub(super) fn read<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
    claims: &mut Vec<Claim>,
) -> Option<EndpointKind> {
    let before = document.fault_count();
    let mut track = |kind: MediaKind| {
        let table = section.table(kind.as_str(), document)?;
        read_track(kind, table, document, claims)
    };
    let (video, audio) = (track(MediaKind::Video), track(MediaKind::Audio));
    if video.is_none() && audio.is_none() {
        if document.fault_count() == before {
            let message = "endpoint without [endpoint.video] (pictures) and [endpoint.audio] (sound): it needs one \
                           of them or both";
            document.fault_at(section.line(), message.to_owned());
        }
        return None;
    }
    Some(EndpointKind::Rtp(Box::new(RtpConfig { video, audio })))
}

fn read_track<'a>(
    kind: MediaKind,
    mut section: Section<'a>,
    document: &mut Document<'a>,
    claims: &mut Vec<Claim>,
) -> Option<TrackConfig> {
    let codec = read_codec(kind, &mut section, document);
    // Without a codec the other keys are still read, so that their faults are reported at once.
    let mut track = TrackConfig::new(codec.unwrap_or(match kind {
        MediaKind::Video => Codec::H264,
        MediaKind::Audio => Codec::Opus,
    }));
    read_source(&mut track, &mut section, document, claims);
    read_destination(&mut track, &mut section, document);
    read_payload_types(codec, &mut track, &mut section, document);
    read_format(codec, &mut track, &mut section, document);
    read_bounds(&mut track, &mut section, document);
    section.finish(document);
    codec.map(|_| track)
}

fn read_codec<'a>(
    kind: MediaKind,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<Codec> {
    let (line, name) = required(section, "codec", document)?;
    let codec = Codec::find(&name).filter(|codec| codec.kind() == kind);
    if codec.is_none() {
        let all = Codec::ALL.into_iter().filter(|codec| codec.kind() == kind);
        let names: Vec<&str> = all.map(Codec::as_str).collect();
        let (path, names) = (section.path(), one_of(&names));
        document.fault_at(line, format!("{path}.codec must be {names}, not {name:?}"));
    }
    codec
}

fn read_payload_types<'a>(
    codec: Option<Codec>,
    track: &mut TrackConfig,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) {
    let all = 0..=127;
    let received = number::<u8>("payload_type", all.clone(), section, document);
    let sent = number::<u8>("send_payload_type", all, section, document);
    let path = section.path();
    let mut check = |key: &str, line: usize, number: u8, is_muxed: bool| {
        if codec.is_some_and(|codec| is_of_another(number, codec)) {
            let message = format!(
                "{path}.{key} {number} is that of another codec (RFC 3551 §6): take one from 96 to 127"
            );
            document.fault_at(line, message);
        } else if is_muxed && LIKE_RTCP.contains(&number) {
            let message = format!(
                "{path}.{key} {number} cannot be told from RTCP at the same port (RFC 5761 §4): take one from 96 to 127"
            );
            document.fault_at(line, message);
        }
    };
    if let Some((line, number)) = received {
        let is_muxed = track.listen.is_some() && track.rtcp == RtcpPlace::Mux;
        check("payload_type", line, number, is_muxed);
        track.payload_type = Some(number);
        track.send_payload_type = number;
    }
    let is_muxed = track.send_to.is_some() && track.send_to == track.send_rtcp;
    if let Some((line, number)) = sent.or_else(|| received.filter(|_| is_muxed)) {
        check("send_payload_type", line, number, is_muxed);
        track.send_payload_type = number;
    }
}

/// Reads the facts about the codec that may be written down, and the format parameters.
fn read_format<'a>(
    codec: Option<Codec>,
    track: &mut TrackConfig,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) {
    let path = section.path().to_owned();
    // These two are what the codec says already. They may be written down because SDP has them, too.
    let rate = section.number("clock_rate", 1..=i64::from(u32::MAX), document);
    let channels = section.number("channels", 1..=i64::from(u8::MAX), document);
    let fmtp = section.string("fmtp", document);
    if let Some(codec) = codec {
        let name = codec.as_str();
        if let Some((line, given)) = rate
            && given != i64::from(codec.clock_rate())
        {
            let right = codec.clock_rate();
            let message = format!("{path}.clock_rate of {name} is {right}, not {given}");
            document.fault_at(line, message);
        }
        if let Some((line, given)) = channels
            && Some(given) != codec.channels().map(i64::from)
        {
            let message = match codec.channels() {
                Some(right) => format!("{path}.channels of {name} is {right}, not {given}"),
                None => format!("{path}.channels is for sound: {name} has none"),
            };
            document.fault_at(line, message);
        }
    }
    let Some((line, text)) = fmtp else { return };
    let is_line = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || text.len() > LONGEST_FMTP || !is_line {
        let message = format!(
            "{path}.fmtp must be one line of 1 to {LONGEST_FMTP} printable ASCII characters"
        );
        document.fault_at(line, message);
    }
    track.fmtp = Some(text);
}

/// Reads what bounds the work for a track and its memory.
fn read_bounds<'a>(
    track: &mut TrackConfig,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) {
    let publishers = number("publishers", 1..=16, section, document);
    track.publishers = publishers.map_or(track.publishers, |(_, n)| n);
    let kib = number::<usize>("cache_kib", 0..=65_536, section, document);
    track.cache = kib.map_or(track.cache, |(_, kib)| kib * 1024);
    let mut millis = |key, range, place: &mut Duration| {
        let given = number(key, range, section, document);
        *place = given.map_or(*place, |(_, n)| Duration::from_millis(n));
    };
    millis(
        "keyframe_interval_ms",
        100..=60_000,
        &mut track.keyframe_interval,
    );
    millis("nack_ms", 0..=5_000, &mut track.nack);
    millis("silence_ms", 100..=60_000, &mut track.silence);
    track.playout_delay = read_playout_delay(section, document);
    let bitrate = section.choice("bitrate", &POLICIES, document);
    track.bitrate = bitrate.unwrap_or(track.bitrate);
}

fn read_playout_delay<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<(Duration, Duration)> {
    let (line, given) = section.numbers("playout_delay_ms", 0..=LONGEST_DELAY, document)?;
    let is_step = given.iter().all(|millis| millis % DELAY_STEP == 0);
    match given.as_slice() {
        [min, max] if min <= max && is_step => {
            let duration = |millis: i64| u64::try_from(millis).map(Duration::from_millis).ok();
            Some((duration(*min)?, duration(*max)?))
        }
        _ => {
            let message = format!(
                "{}.playout_delay_ms must be [least, most] in steps of {DELAY_STEP}, like [0, 100]",
                section.path()
            );
            document.fault_at(line, message);
            None
        }
    }
}

/// Takes a whole number within a range, with its line, as the type of its field.
fn number<'a, T: TryFrom<i64>>(
    key: &str,
    range: RangeInclusive<i64>,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Option<(usize, T)> {
    let (line, number) = section.number(key, range, document)?;
    Some((line, T::try_from(number).ok()?))
}

/// Returns whether a payload type is assigned (RFC 3551 §6, tables 4 and 5), but not to this codec.
fn is_of_another(payload_type: u8, codec: Codec) -> bool {
    let is_assigned = matches!(payload_type, 0 | 3..=18 | 25 | 26 | 28 | 31..=34);
    is_assigned && codec.static_payload_type() != Some(payload_type)
}

#[cfg(test)]
mod tests;
