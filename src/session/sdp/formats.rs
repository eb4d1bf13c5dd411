//! The formats of a media section (RFC 8866 §6.6 and §6.15), and the choice of the one that carries a track.

use super::sections::Section;
use super::variants::Variants;
use crate::codec::Codec;
use crate::transceiver::TrackWish;

/// One format of a media section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format<'a> {
    pub(super) payload_type: u8,
    /// The name of the encoding, such as `H264`.
    pub(super) name: &'a str,
    pub(super) clock_rate: u32,
    pub(super) channels: Option<u8>,
    /// The value of `a=fmtp` without the payload type. Empty if there is none.
    pub(super) parameters: &'a str,
    /// The payload type under which lost packets are sent again (RFC 4588).
    pub(super) resend: Option<u8>,
}

impl<'a> Format<'a> {
    /// Returns a parameter of the format, such as `packetization-mode`.
    pub(super) fn parameter(&self, key: &str) -> Option<&'a str> {
        let mut parameters = self.parameters.split(';');
        parameters.find_map(|parameter| {
            let (name, value) = parameter.trim().split_once('=')?;
            name.eq_ignore_ascii_case(key).then_some(value.trim())
        })
    }

    /// Returns the number of the payload's form, if the format says one.
    pub(super) fn mode(&self, codec: Codec) -> Option<u8> {
        let mode = self.parameter(Variants::of(codec)?.parameter)?;
        mode.parse().ok()
    }
}

/// The parameters that say which form a payload has. They are the peer's to choose.
const OF_FORM: [&str; 3] = ["packetization-mode", "profile-level-id", "profile-id"];

impl Format<'_> {
    /// Returns the parameters of the format with those of a source, which replace others of the same name.
    pub(super) fn parameters_with(&self, more: &str) -> String {
        let name = |parameter: &str| {
            let name = parameter.split('=').next().unwrap_or_default();
            name.trim().to_ascii_lowercase()
        };
        let split = |text: &'_ str| -> Vec<String> {
            let parameters = text.split(';').map(str::trim);
            let parameters = parameters.filter(|parameter| !parameter.is_empty());
            parameters.map(str::to_owned).collect()
        };
        let mut more = split(more);
        more.retain(|parameter| !OF_FORM.contains(&name(parameter).as_str()));
        if more.is_empty() {
            return self.parameters.to_owned();
        }
        let mut all = split(self.parameters);
        all.retain(|parameter| more.iter().all(|other| name(other) != name(parameter)));
        all.append(&mut more);
        all.join(";")
    }
}

/// Returns the formats of a section in the order of the peer's preference, without those that only repair
/// others.
pub(super) fn formats<'a>(section: &Section<'a>) -> Vec<Format<'a>> {
    let all: Vec<Format<'a>> = (section.formats.split_ascii_whitespace())
        .filter_map(|word| format(section, word))
        .collect();
    let resend_of = |payload_type: u8| {
        let mut all = all.iter();
        let found = all.find(|other| {
            let apt = other.parameter("apt").and_then(|apt| apt.parse().ok());
            other.name.eq_ignore_ascii_case("rtx") && apt == Some(payload_type)
        });
        found.map(|rtx| rtx.payload_type)
    };
    let is_codec = |format: &&Format<'a>| Codec::find(format.name).is_some();
    let codecs = all.iter().filter(is_codec);
    let with_resend = codecs.map(|format| Format {
        resend: resend_of(format.payload_type),
        ..*format
    });
    with_resend.collect()
}

fn format<'a>(section: &Section<'a>, word: &str) -> Option<Format<'a>> {
    let payload_type: u8 = word.parse().ok().filter(|number| *number < 128)?;
    if word != payload_type.to_string() {
        return None;
    }
    let value_of = |name: &str| {
        let mut lines = section.codecs.iter();
        lines.find_map(|line| {
            let (key, value) = line.strip_prefix("a=")?.split_once(':')?;
            let (of, value) = value.trim_start().split_once(' ')?;
            (key == name && of == word).then_some(value.trim())
        })
    };
    let (name, clock_rate, channels) = match value_of("rtpmap") {
        Some(map) => {
            let mut parts = map.split('/');
            let name = parts.next()?;
            let clock_rate = parts.next()?.parse().ok()?;
            let channels = parts.next().map(str::parse).transpose().ok()?;
            (name, clock_rate, channels)
        }
        None => {
            let is_it = |codec: &Codec| codec.static_payload_type() == Some(payload_type);
            let codec = Codec::ALL.into_iter().find(is_it)?;
            (codec.as_str(), codec.clock_rate(), None)
        }
    };
    Some(Format {
        payload_type,
        name,
        clock_rate,
        channels,
        parameters: value_of("fmtp").unwrap_or_default(),
        resend: None,
    })
}

/// Returns the format that carries a track, or `None` if none does. `is_free` tells whether a payload type
/// can still be used in this session.
pub(super) fn choose<'a>(
    wish: &TrackWish,
    formats: &[Format<'a>],
    is_free: impl Fn(&Format<'a>) -> bool,
) -> Option<Format<'a>> {
    let fits = |format: &&Format<'a>| {
        format.name.eq_ignore_ascii_case(wish.codec.as_str())
            && format.clock_rate == wish.clock_rate
            && format.channels.unwrap_or(1) == wish.channels.unwrap_or(1)
            && has_same_form(wish, format)
            && rank(wish.codec, format).is_some()
            && is_free(format)
    };
    let fitting = formats.iter().filter(fits);
    // `max_by_key` takes the last of equals, and the peer prefers the first.
    fitting
        .rev()
        .max_by_key(|format| rank(wish.codec, format))
        .copied()
}

/// Returns whether a parameter that changes the form of the payload is the same on both sides.
fn has_same_form(wish: &TrackWish, format: &Format<'_>) -> bool {
    let of_wish = Format {
        parameters: wish.fmtp.as_deref().unwrap_or_default(),
        ..*format
    };
    Variants::of(wish.codec).is_none_or(|variants| {
        let ours = of_wish.mode(wish.codec).unwrap_or(variants.of_programs);
        format.mode(wish.codec).unwrap_or(0) == ours
    })
}

/// The profiles of H.264 with 4:2:0 pictures, from the simplest: `profile_idc` and what `profile-iop` must
/// have (RFC 6184 §8.1).
const H264_PROFILES: [(u8, u8); 4] = [(0x42, 0x00), (0x42, 0x40), (0x4d, 0x00), (0x64, 0x00)];

/// Returns how good a fitting format is, or `None` if browsers cannot decode what it promises. Decoders decode the
/// profiles below theirs, too, so the highest profile promises most.
fn rank(codec: Codec, format: &Format<'_>) -> Option<usize> {
    if codec != Codec::H264 {
        return Some(0);
    }
    // Without the parameter the profile is Baseline (RFC 6184 §8.1).
    let id = format.parameter("profile-level-id").unwrap_or("42000a");
    let id = u32::from_str_radix(id, 16).ok()?;
    let [_, profile, constraints, _] = id.to_be_bytes();
    let of_profile = |(idc, bits): &(u8, u8)| *idc == profile && constraints & bits == *bits;
    H264_PROFILES.iter().rposition(of_profile)
}
