//! Which media sections of an offer carry which tracks, and those sections as str0m sees them.
//!
//! str0m's answer mirrors the offer it gets: the directions, and every codec that both sides have. So the offer
//! is edited first. A section has exactly the one format of its track, and the direction that the track can do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use str0m::format::CodecConfig;

use super::association::Association;
use super::formats::{Format, choose, formats};
use super::sections::{Section, Sections};
use crate::codec::{Codec, MediaKind};
use crate::transceiver::{Direction, TrackOutcome, TrackRefusal, TrackWish, TransceiverKey};

/// The longest mid that str0m keeps whole.
const MAX_MID: usize = 16;
/// The most lines about a section's streams that str0m sees. A browser writes about six per stream.
const MAX_STREAM_LINES: usize = 32;
/// The header extensions that may be negotiated, by their URIs. `transport-cc` is left out, so that browsers
/// report their estimate of the bit rate (REMB) in place of raw arrival times.
const EXTENSIONS: [&str; 6] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
];

/// A section that carries a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) struct TrackSection<'a> {
    /// The section's index in the offer.
    pub(super) index: usize,
    pub(in crate::session) mid: &'a str,
    pub(super) format: Format<'a>,
    pub(in crate::session) direction: Direction,
    pub(in crate::session) wish: TrackWish,
}

/// The tracks of an offer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tracks<'a> {
    /// In the order of the offer.
    pub(super) sections: Vec<TrackSection<'a>>,
    /// What became of each wish.
    pub(super) outcomes: Vec<TrackOutcome>,
}

impl<'a> Tracks<'a> {
    /// Gives sections to tracks, in the order of both, with equal kinds. `data_channel` is the index of the data
    /// channels' section.
    pub(super) fn assign(
        found: &Sections<'a>,
        data_channel: Option<usize>,
        wishes: &[TrackWish],
    ) -> Self {
        let mut tracks = Self::default();
        let mut next = [0; 2];
        let mut assigned = Vec::new();
        for (number, wish) in wishes.iter().enumerate() {
            let [audio, video] = &mut next;
            let from = match wish.kind() {
                MediaKind::Audio => audio,
                MediaKind::Video => video,
            };
            let result = match next_section(found, *from, wish.kind()) {
                None => Err(TrackRefusal::SectionsUsedUp(wish.kind())),
                Some(index) => {
                    *from = index + 1;
                    tracks.try_section(found, data_channel, index, wish)
                }
            };
            assigned.push((number, result));
        }
        tracks.sections.sort_by_key(|section| section.index);
        tracks.outcomes = (assigned.into_iter())
            .map(|(_, result)| match result {
                Err(refusal) => TrackOutcome::Refused(refusal),
                Ok((index, direction)) => {
                    let mut sections = tracks.sections.iter();
                    let at = sections.position(|section| section.index == index);
                    let key = at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX);
                    TrackOutcome::Accepted(TransceiverKey(key), direction)
                }
            })
            .collect();
        tracks
    }

    fn try_section(
        &mut self,
        found: &Sections<'a>,
        data_channel: Option<usize>,
        index: usize,
        wish: &TrackWish,
    ) -> Result<(usize, Direction), TrackRefusal> {
        let Some(section) = found.media.get(index) else {
            return Err(TrackRefusal::SectionsUsedUp(wish.kind()));
        };
        let mid = usable_mid(found, section).ok_or(TrackRefusal::OtherTransport)?;
        let anchor = data_channel.or_else(|| self.sections.first().map(|first| first.index));
        let anchor = anchor.and_then(|anchor| found.media.get(anchor));
        let is_bundled = anchor.is_none_or(|anchor| {
            let bundle = found.bundle_of(section);
            bundle.is_some() && bundle == found.bundle_of(anchor)
        });
        if !is_bundled || !section.is_rtcp_mux {
            return Err(TrackRefusal::OtherTransport);
        }
        let direction = direction_of(section, wish).ok_or(TrackRefusal::OtherDirection)?;
        let formats = formats(section);
        let format = choose(wish, &formats, |format| self.is_free(format)).ok_or_else(|| {
            let codecs = formats.iter().filter_map(|format| Codec::find(format.name));
            let names: BTreeSet<&str> = codecs.map(Codec::as_str).collect();
            TrackRefusal::OtherCodecs(names.into_iter().map(str::to_owned).collect())
        })?;
        self.sections.push(TrackSection {
            index,
            mid,
            format,
            direction,
            wish: wish.clone(),
        });
        Ok((index, direction))
    }

    /// Returns whether a format's payload types mean nothing else in another section. Sections of one bundle
    /// share the payload types (RFC 9143 §9.1).
    fn is_free(&self, format: &Format<'_>) -> bool {
        let numbers = |it: &Format<'_>| [Some(it.payload_type), it.resend].into_iter().flatten();
        self.sections.iter().all(|other| {
            let other = &other.format;
            let mut ours = numbers(format);
            other == format || !ours.any(|number| numbers(other).any(|used| used == number))
        })
    }

    /// Adds the formats to str0m's codecs.
    pub(super) fn add_codecs(&self, codecs: &mut CodecConfig) {
        let mut added: Vec<u8> = Vec::new();
        for TrackSection { format, wish, .. } in &self.sections {
            if added.contains(&format.payload_type) {
                continue;
            }
            added.push(format.payload_type);
            let Some(rate) = str0m::media::Frequency::new(format.clock_rate) else {
                continue;
            };
            codecs.add_config(
                format.payload_type.into(),
                format.resend.map(Into::into),
                crate::session::media::codec(wish.codec),
                rate,
                format.channels,
                str0m::format::FormatParams::parse_line(format.parameters),
            );
        }
    }
}

fn next_section(found: &Sections<'_>, from: usize, kind: MediaKind) -> Option<usize> {
    let sections = found.media.iter().enumerate().skip(from);
    let mut fitting = sections.filter(|(_, section)| {
        section.media.eq_ignore_ascii_case(kind.as_str()) && !section.is_rejected()
    });
    fitting.next().map(|(index, _)| index)
}

/// Returns the mid of a section, if str0m can keep it and no other section has it.
fn usable_mid<'a>(found: &Sections<'a>, section: &Section<'a>) -> Option<&'a str> {
    let mid = section.mid?;
    // str0m replaces every other character.
    let is_token = mid
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut others = found
        .media
        .iter()
        .filter(|other| other.number != section.number);
    let is_usable = is_token && (1..=MAX_MID).contains(&mid.len());
    (is_usable && others.all(|other| other.mid != Some(mid))).then_some(mid)
}

/// Returns what is left of the offered direction when the track has its say.
fn direction_of(section: &Section<'_>, wish: &TrackWish) -> Option<Direction> {
    // Without a line the direction is sendrecv (RFC 8866 §6.7).
    let (peer_sends, peer_receives) = match section.direction {
        "a=sendonly" => (true, false),
        "a=recvonly" => (false, true),
        "a=inactive" => (false, false),
        _ => (true, true),
    };
    let direction = Direction {
        sends: wish.sends && peer_receives,
        receives: wish.receives && peer_sends,
    };
    (direction.sends || direction.receives).then_some(direction)
}

impl TrackSection<'_> {
    /// Returns the payload type of the section's packets.
    pub(in crate::session) fn payload_type(&self) -> u8 {
        self.format.payload_type
    }

    /// Returns the value of `a=msid` (RFC 8830 §2): the endpoint is the stream, the kind is the track.
    pub(super) fn msid(&self) -> String {
        format!("{} {}", self.wish.endpoint, self.wish.kind().as_str())
    }

    /// Adds the section for str0m: one format, the direction that the track can do, and the streams that the
    /// peer will send.
    pub(super) fn write(
        &self,
        found: &Section<'_>,
        association: &Association<'_>,
        text: &mut String,
    ) {
        let Format {
            payload_type,
            name,
            clock_rate,
            channels,
            parameters,
            resend,
        } = self.format;
        let kind = self.wish.kind().as_str();
        let resend_type = resend
            .map(|number| format!(" {number}"))
            .unwrap_or_default();
        let channels = channels
            .map(|number| format!("/{number}"))
            .unwrap_or_default();
        let _never_fails = write!(
            text,
            "m={kind} 9 UDP/TLS/RTP/SAVPF {payload_type}{resend_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\n",
            self.mid
        );
        association.write_transport(text);
        let _never_fails = write!(
            text,
            "a=rtcp-mux\r\na={}\r\na=rtpmap:{payload_type} {name}/{clock_rate}{channels}\r\n",
            match self.direction {
                Direction {
                    sends: true,
                    receives: true,
                } => "sendrecv",
                Direction { receives: true, .. } => "sendonly",
                Direction { .. } => "recvonly",
            }
        );
        if !parameters.is_empty() {
            let _never_fails = write!(text, "a=fmtp:{payload_type} {parameters}\r\n");
        }
        if let Some(resend) = resend {
            let _never_fails = write!(
                text,
                "a=rtpmap:{resend} rtx/{clock_rate}\r\na=fmtp:{resend} apt={payload_type}\r\n"
            );
        }
        for line in found
            .of_track
            .iter()
            .filter_map(|line| self.line(line))
            .take(MAX_STREAM_LINES)
        {
            let _never_fails = write!(text, "{line}\r\n");
        }
    }

    /// Returns a line of the offer as str0m may see it.
    fn line(&self, line: &str) -> Option<String> {
        let (name, value) = line.strip_prefix("a=")?.split_once(':')?;
        match name {
            "rtcp-fb" => {
                let (of, what) = value.split_once(' ')?;
                let is_ours = of == "*" || of.parse() == Ok(self.format.payload_type);
                let is_known = ["nack", "nack pli", "ccm fir", "goog-remb"].contains(&what);
                (is_ours && is_known)
                    .then(|| format!("a=rtcp-fb:{} {what}", self.format.payload_type))
            }
            "extmap" => {
                let (id, uri) = value.split_once(' ')?;
                let id: u8 = id.split('/').next()?.parse().ok()?;
                let uri = uri.split(' ').next()?;
                // Of the ids 1 to 14 each fits into the short form of the header (RFC 8285 §4.2).
                let is_wanted = EXTENSIONS.contains(&uri)
                    && (1..=14).contains(&id)
                    && (!uri.ends_with("playout-delay") || self.wish.playout_delay.is_some());
                is_wanted.then(|| format!("a=extmap:{id} {uri}"))
            }
            "ssrc" if self.direction.receives => {
                let (ssrc, attribute) = value.split_once(' ')?;
                let ssrc: u32 = ssrc.parse().ok()?;
                attribute
                    .starts_with("cname:")
                    .then(|| format!("a=ssrc:{ssrc} {attribute}"))
            }
            "ssrc-group" if self.direction.receives => {
                let mut words = value.split_ascii_whitespace();
                let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
                let (first, second): (u32, u32) = (first.parse().ok()?, second.parse().ok()?);
                (kind == "FID").then(|| format!("a=ssrc-group:FID {first} {second}"))
            }
            _ => None,
        }
    }
}
