//! Which media sections of an offer carry which tracks, and those sections as str0m sees them.
//!
//! str0m's answer mirrors the offer it gets: the directions, and every codec that both sides have. So the offer
//! is edited first. A section has exactly the one format of its track, and the direction that the track can do.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use str0m::format::CodecConfig;

use super::association::Association;
use super::formats::{Format, choose, formats};
use super::forms::{self, Form};
use super::sections::{Section, Sections};
use super::slots::{OURS, SlotTrack, Slots, UsedForm};
use crate::codec::{Codec, MediaKind};
use crate::session::color_space;
use crate::transceiver::{Direction, TrackOutcome, TrackRefusal, TrackWish, TransceiverKey};

/// The longest mid that str0m keeps whole.
const MAX_MID: usize = 16;
/// The most lines about a section's streams that str0m sees. A browser writes about six per stream.
const MAX_STREAM_LINES: usize = 32;
/// The header extensions that may be negotiated, by their URIs. `transport-cc` is left out, so that browsers
/// report their estimate of the bit rate (REMB) in place of raw arrival times.
const EXTENSIONS: [&str; 7] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    color_space::URI,
];

/// A section that carries a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) struct TrackSection<'a> {
    pub(in crate::session) key: TransceiverKey,
    /// The section's index in the offer.
    pub(super) index: usize,
    pub(in crate::session) mid: &'a str,
    pub(super) format: Format<'a>,
    form: Form,
    pub(in crate::session) direction: Direction,
    pub(in crate::session) wish: TrackWish,
    /// Whether an earlier offer has given the section its track.
    pub(in crate::session) is_kept: bool,
    /// Whether str0m knows the streams of the peer already.
    has_streams: bool,
}

/// The tracks of an offer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tracks<'a> {
    /// In the order of the offer.
    pub(super) sections: Vec<TrackSection<'a>>,
    /// What became of each wish.
    pub(super) outcomes: Vec<TrackOutcome>,
    /// The tracks of earlier offers that have lost their sections.
    pub(super) released: Vec<TransceiverKey>,
}

impl<'a> Tracks<'a> {
    /// Gives sections to tracks, in the order of both, with equal kinds. Sections of earlier offers keep their
    /// tracks. `data_channel` is the index of the data channels' section.
    pub(super) fn assign(
        found: &Sections<'a>,
        data_channel: Option<usize>,
        wishes: &[TrackWish],
        known: &Slots,
    ) -> Self {
        let mut tracks = Self::default();
        let mut slots = known.clone();
        tracks.keep(found, known, &mut slots);
        let mut next = [0; 2];
        let mut assigned = Vec::new();
        for wish in wishes {
            let [audio, video] = &mut next;
            let from = match wish.kind() {
                MediaKind::Audio => audio,
                MediaKind::Video => video,
            };
            let result = match tracks.next_section(found, *from, wish.kind()) {
                None => Err(TrackRefusal::SectionsUsedUp(wish.kind())),
                Some(index) => {
                    *from = index + 1;
                    tracks.try_section(found, data_channel, index, wish, &slots)
                }
            };
            if let Ok((index, _)) = result
                && let Some(section) = tracks.sections.iter().find(|it| it.index == index)
            {
                slots.note_form(section.used_form());
            }
            assigned.push(result);
        }
        tracks.sections.sort_by_key(|section| section.index);
        tracks.give_keys(&slots);
        tracks.outcomes = (assigned.into_iter())
            .map(|result| match result {
                Err(refusal) => TrackOutcome::Refused(refusal),
                Ok((index, direction)) => {
                    let mut sections = tracks.sections.iter();
                    let section = sections.find(|section| section.index == index);
                    let key = section.map_or(TransceiverKey(u8::MAX), |section| section.key);
                    TrackOutcome::Accepted(key, direction)
                }
            })
            .collect();
        tracks
    }

    /// Returns the section of a track.
    pub(super) fn find(&self, key: TransceiverKey) -> Option<&TrackSection<'a>> {
        self.sections.iter().find(|section| section.key == key)
    }

    /// Returns why no wish has got a section. Codecs that differ say more than sections that are missing.
    pub(super) fn refusal(&self) -> Option<&TrackRefusal> {
        let refusals = self.outcomes.iter().filter_map(|outcome| match outcome {
            TrackOutcome::Refused(why) if self.sections.is_empty() => Some(why),
            TrackOutcome::Refused(_) | TrackOutcome::Accepted(..) => None,
        });
        refusals.min_by_key(|why| !matches!(why, TrackRefusal::OtherCodecs { .. }))
    }

    /// Keeps the tracks of earlier offers whose sections are still there, and releases the others.
    fn keep(&mut self, found: &Sections<'a>, known: &Slots, slots: &mut Slots) {
        for slot in known.iter() {
            let Some(track) = slot.track() else {
                continue;
            };
            match kept(found, &slot.mid, track) {
                Some(section) => self.sections.push(section),
                None => {
                    self.released.push(track.key);
                    slots.release(track.key);
                }
            }
        }
    }

    /// Gives keys to new tracks, in the order of the offer.
    fn give_keys(&mut self, slots: &Slots) {
        let mut slots = slots.clone();
        for section in self.sections.iter_mut().filter(|section| !section.is_kept) {
            section.key = slots.free_key().unwrap_or(TransceiverKey(u8::MAX));
            let holder = section.holder();
            // Whether there is a place is decided where the places are given.
            slots.take(section.mid.to_owned(), holder);
        }
    }

    fn try_section(
        &mut self,
        found: &Sections<'a>,
        data_channel: Option<usize>,
        index: usize,
        wish: &TrackWish,
        slots: &Slots,
    ) -> Result<(usize, Direction), TrackRefusal> {
        let Some(section) = found.media.get(index) else {
            return Err(TrackRefusal::SectionsUsedUp(wish.kind()));
        };
        let mid = usable_mid(found, section, slots).ok_or(TrackRefusal::OtherTransport)?;
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
        let format = choose(wish, &formats, |format| is_free(format, slots));
        let format = format.and_then(|format| Some((format, Form::of(&format)?)));
        let (format, form) = format.ok_or_else(|| {
            let codecs = formats.iter().filter_map(|format| Codec::find(format.name));
            let names: BTreeSet<&str> = codecs.map(Codec::as_str).collect();
            TrackRefusal::OtherCodecs {
                ours: wish.codec,
                theirs: names.into_iter().map(str::to_owned).collect(),
            }
        })?;
        self.sections.push(TrackSection {
            key: TransceiverKey(u8::MAX),
            index,
            mid,
            format,
            form,
            direction,
            wish: wish.clone(),
            is_kept: false,
            has_streams: false,
        });
        Ok((index, direction))
    }

    /// Adds the formats to str0m's codecs, and those that later offers may need.
    pub(super) fn add_codecs(&self, codecs: &mut CodecConfig) {
        let mut added: Vec<Form> = Vec::new();
        for TrackSection { format, form, .. } in &self.sections {
            if !added.contains(form) {
                added.push(*form);
                form.add_to(codecs, format.payload_type, format.resend);
            }
        }
        forms::add_usual(codecs, |form| added.contains(&form));
    }

    /// Returns the next section of this kind that has no track. An inactive one carries nothing.
    fn next_section(&self, found: &Sections<'_>, from: usize, kind: MediaKind) -> Option<usize> {
        let is_kept = |index| {
            let mut kept = self.sections.iter().filter(|section| section.is_kept);
            kept.any(|section| section.index == index)
        };
        let sections = found.media.iter().enumerate().skip(from);
        let mut fitting = sections.filter(|(index, section)| {
            let is_of_kind = section.media.eq_ignore_ascii_case(kind.as_str());
            is_of_kind && !section.is_rejected() && !section.is_inactive() && !is_kept(*index)
        });
        fitting.next().map(|(index, _)| index)
    }
}

/// Returns the section of a track that an earlier offer has given to this section, if it still fits.
fn kept<'a>(found: &Sections<'a>, mid: &str, track: &SlotTrack) -> Option<TrackSection<'a>> {
    let mut sections = found.media.iter().enumerate();
    let (index, section) = sections.find(|(_, section)| section.mid == Some(mid))?;
    let is_of_kind = section
        .media
        .eq_ignore_ascii_case(track.wish.kind().as_str());
    if !is_of_kind || section.is_rejected() {
        return None;
    }
    let direction = direction_of(section, &track.wish)?;
    let formats = formats(section);
    let mut fitting = formats.iter().filter(|format| {
        format.payload_type == track.payload_type
            && Codec::find(format.name) == Some(track.wish.codec)
    });
    let format = *fitting.next()?;
    Some(TrackSection {
        key: track.key,
        index,
        mid: section.mid?,
        format,
        form: Form::of(&format)?,
        direction,
        wish: track.wish.clone(),
        is_kept: true,
        has_streams: track.has_streams,
    })
}

/// Returns whether the payload types of a format mean nothing else in this session. Sections of one bundle share
/// the payload types (RFC 9143 §9.1).
fn is_free(format: &Format<'_>, slots: &Slots) -> bool {
    let Some(form) = Form::of(format) else {
        return false;
    };
    let wanted = UsedForm {
        form,
        payload_type: format.payload_type,
        resend: format.resend,
    };
    slots.forms().iter().all(|used| used.agrees(&wanted))
}

/// Returns the mid of a section, if str0m can keep it and no other section has it.
fn usable_mid<'a>(found: &Sections<'a>, section: &Section<'a>, slots: &Slots) -> Option<&'a str> {
    let mid = section.mid?;
    // str0m replaces every other character.
    let is_token = mid
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut others = found
        .media
        .iter()
        .filter(|other| other.number != section.number);
    let is_taken = mid.starts_with(OURS) || slots.iter().any(|slot| slot.mid == mid);
    let is_usable = is_token && !is_taken && (1..=MAX_MID).contains(&mid.len());
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

    /// Returns the payload type of packets that are sent again.
    pub(in crate::session) fn resend_type(&self) -> Option<u8> {
        self.format.resend
    }

    /// Returns what the session remembers of the section.
    pub(super) fn holder(&self) -> super::slots::Holder {
        super::slots::Holder::Track(Box::new(SlotTrack {
            key: self.key,
            wish: self.wish.clone(),
            payload_type: self.format.payload_type,
            has_streams: self.direction.receives,
        }))
    }

    pub(super) fn used_form(&self) -> UsedForm {
        UsedForm {
            form: self.form,
            payload_type: self.format.payload_type,
            resend: self.format.resend,
        }
    }

    /// Returns the value of `a=msid` (RFC 8830 §2): the endpoint is the stream, the kind is the track.
    pub(super) fn msid(&self) -> String {
        format!("{} {}", self.wish.endpoint, self.wish.kind().as_str())
    }

    /// Adds the section for str0m: one format, the direction that the track can do, and the streams that the
    /// peer will send.
    pub(super) fn write(
        &self,
        found: Option<&Section<'_>>,
        association: &Association<'_>,
        text: &mut String,
    ) {
        let Format {
            payload_type,
            name,
            clock_rate,
            resend,
            ..
        } = self.format;
        let kind = self.wish.kind().as_str();
        let resend_type = resend
            .map(|number| format!(" {number}"))
            .unwrap_or_default();
        let parameters = self.form.to_string();
        let channels = (self.form.channels)
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
        let lines = found.into_iter().flat_map(|section| &section.of_track);
        for line in lines
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
                    && (!uri.ends_with("playout-delay") || self.wish.playout_delay.is_some())
                    // A browser that may not say how its camera is held turns its pictures itself.
                    && (!uri.ends_with("video-orientation") || !self.direction.receives);
                let uri = match uri {
                    color_space::URI => color_space::ALIAS,
                    uri => uri,
                };
                is_wanted.then(|| format!("a=extmap:{id} {uri}"))
            }
            "ssrc" if self.direction.receives && !self.has_streams => {
                let (ssrc, attribute) = value.split_once(' ')?;
                let ssrc: u32 = ssrc.parse().ok()?;
                attribute
                    .starts_with("cname:")
                    .then(|| format!("a=ssrc:{ssrc} {attribute}"))
            }
            "ssrc-group" if self.direction.receives && !self.has_streams => {
                let mut words = value.split_ascii_whitespace();
                let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
                let (first, second): (u32, u32) = (first.parse().ok()?, second.parse().ok()?);
                (kind == "FID").then(|| format!("a=ssrc-group:FID {first} {second}"))
            }
            _ => None,
        }
    }
}
