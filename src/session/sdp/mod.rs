//! Checks on a description before str0m sees it, and corrections of str0m's own descriptions.
//!
//! str0m parses and makes SDP (RFC 8866). It reports no line numbers, may panic on input that it does not
//! expect, and announces a message size that it does not keep. This module corrects these three faults.

mod answer;
mod association;
pub(super) mod candidate;
mod error;
mod formats;
mod forms;
#[cfg(test)]
mod reoffer_tests;
mod sections;
mod slots;
#[cfg(test)]
mod tests;
mod tracks;
#[cfg(test)]
mod tracks_tests;
mod variants;

use self::answer::{Accepted, AcceptedTrack, Shape};
use self::association::Association;
pub use self::error::SdpError;
use self::sections::{Section, Sections};
use self::slots::Holder;
pub(super) use self::slots::Slots;
pub(super) use self::tracks::TrackSection;
use self::tracks::Tracks;
use crate::limits;
use crate::transceiver::{TrackOutcome, TrackWish, TransceiverKey};

/// The name of the data channels in the offers that str0m sees. What the peer calls them may be the name of a track,
/// too.
pub(super) const DATA_CHANNEL: &str = "ours_data";

/// A well-formed offer or answer, with a data channel or with tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDescription<'a> {
    association: Association<'a>,
    tracks: Tracks<'a>,
    shape: Shape<'a>,
    is_libdatachannel: bool,
    /// The places of the sections before this description, and with it.
    known: Slots,
    slots: Slots,
}

impl<'a> CheckedDescription<'a> {
    /// Returns how many of its candidates are to be checked.
    pub fn candidates(&self) -> usize {
        self.association.candidates.len()
    }

    /// Returns the largest message that the peer accepts, and never more than our own limit.
    pub fn max_message(&self) -> usize {
        self.association.max_message()
    }

    /// Returns the peer's ufrag, which tells its trickled candidates from those of a restart.
    pub fn ufrag(&self) -> &str {
        self.association.ufrag
    }

    /// Returns whether libdatachannel wrote the description. No other library uses the user name `rtc` (RFC
    /// 8866 §5.2).
    pub fn is_libdatachannel(&self) -> bool {
        self.is_libdatachannel
    }

    /// Returns the description for str0m: the data channel, under this name if it is alone, and the tracks.
    pub(super) fn to_text(&self, mid: &str) -> String {
        let is_alone = self.tracks.sections.is_empty();
        let slots = self.slots.iter().map(|slot| match &slot.holder {
            Holder::DataChannel if is_alone => (mid, slot.section()),
            Holder::DataChannel | Holder::Track(_) | Holder::Nobody => (&*slot.mid, slot.section()),
        });
        self.write(slots, true)
    }

    /// Returns the descriptions for a str0m that has a description already, to be accepted one after the other. What is
    /// released is stopped first, because str0m gives only the place of a stopped section to another one. Then it loses
    /// its name, because str0m would go on with the old streams of a section that has it.
    pub(super) fn to_steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if !self.tracks.released.is_empty() {
            let mut emptied = self.known.clone();
            for key in &self.tracks.released {
                emptied.release(*key);
            }
            let stop = self.known.iter().zip(emptied.iter());
            let stop = stop.map(|(slot, after)| (&*slot.mid, after.section()));
            steps.push(self.write(stop, false));
            let rename = emptied.iter().map(|slot| (&*slot.mid, slot.section()));
            steps.push(self.write(rename, false));
        }
        let last = self.slots.iter().map(|slot| (&*slot.mid, slot.section()));
        steps.push(self.write(last, false));
        steps
    }

    /// Writes sections with their names. One without a holder is stopped.
    fn write<'b>(
        &self,
        slots: impl Iterator<Item = (&'b str, Option<&'b Holder>)> + Clone,
        with_candidates: bool,
    ) -> String {
        let held = slots.clone().filter(|(_, holder)| holder.is_some());
        let mids: Vec<&str> = held.map(|(mid, _)| mid).collect();
        let mut text = self.association.begin(&mids.join(" "));
        for (n, (mid, holder)) in slots.enumerate() {
            let track = match holder {
                Some(Holder::Track(track)) => self.tracks.find(track.key),
                Some(Holder::DataChannel | Holder::Nobody) | None => None,
            };
            if let Some(section) = track {
                let found = self.shape.section(section.index);
                section.write(found, &self.association, &mut text);
            } else if matches!(holder, Some(Holder::DataChannel)) {
                self.association.write_data_channel(mid, &mut text);
            } else {
                self.association.write_stopped(mid, &mut text);
            }
            if n == 0 && with_candidates {
                self.association.write_candidates(&mut text);
            }
        }
        text
    }

    /// Returns the places of the sections, for the next description.
    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Returns the tracks of earlier offers that have lost their sections.
    pub(super) fn released(&self) -> &[TransceiverKey] {
        &self.tracks.released
    }

    /// Adds the formats of the tracks to str0m's codecs.
    pub(super) fn add_codecs(&self, codecs: &mut str0m::format::CodecConfig) {
        self.tracks.add_codecs(codecs);
    }

    /// Returns the sections that carry tracks, in the order of the offer.
    pub(super) fn tracks(&self) -> &[TrackSection<'a>] {
        &self.tracks.sections
    }

    /// Returns what became of each wish for a track.
    pub fn outcomes(&self) -> &[TrackOutcome] {
        &self.tracks.outcomes
    }

    /// Returns str0m's answer in the shape of this offer.
    pub(super) fn answer(&self, answer: &str) -> String {
        self.shape.answer(answer)
    }
}

/// Checks an offer, line by line. Its media sections get the tracks of `wishes`; those that get none are
/// answered with a refusal.
pub fn check_offer<'a>(
    body: &'a [u8],
    wishes: &[TrackWish],
) -> Result<CheckedDescription<'a>, SdpError> {
    let text = text_of(body)?;
    check(text, "offer", wishes, &Slots::default())
}

/// Checks a later offer of a session. Its sections keep the tracks that they have; new sections, and those that
/// were inactive, get the tracks of `wishes`.
pub(super) fn check_reoffer<'a>(
    body: &'a [u8],
    wishes: &[TrackWish],
    known: &Slots,
) -> Result<CheckedDescription<'a>, SdpError> {
    let text = text_of(body)?;
    check(text, "offer", wishes, known)
}

/// Checks an answer, line by line.
pub fn check_answer(text: &str) -> Result<CheckedDescription<'_>, SdpError> {
    check(text, "answer", &[], &Slots::default())
}

fn text_of(body: &[u8]) -> Result<&str, SdpError> {
    std::str::from_utf8(body).map_err(|error| {
        let before = body.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        SdpError::line(line, "not UTF-8")
    })
}

fn check<'a>(
    text: &'a str,
    what: &str,
    wishes: &[TrackWish],
    known: &Slots,
) -> Result<CheckedDescription<'a>, SdpError> {
    if text.trim().is_empty() {
        return Err(SdpError::whole(format!(
            "the body is empty; an SDP {what} is expected"
        )));
    }
    let found = Sections::read(text)?;
    if found.media.is_empty() {
        return Err(SdpError::whole(format!("the {what} has no m= line")));
    }
    let is_wanted = |section: &Section<'_>| section.is_data_channel() && !section.is_rejected();
    let data_channel = found.media.iter().position(is_wanted);
    if known.data_channel().is_some() && data_channel.is_none() {
        let detail = format!("the {what} lacks the data channel that the session has");
        return Err(SdpError::unsupported(detail));
    }
    let tracks = Tracks::assign(&found, data_channel, wishes, known);
    let is_in_vain = tracks.sections.is_empty() && wishes.iter().any(|wish| wish.is_purpose);
    if let (true, Some(why)) = (is_in_vain, tracks.refusal()) {
        return Err(SdpError::unsupported(why.to_string()));
    }
    let mut slots = known.clone();
    let accepted = give_places(data_channel, &tracks, &mut slots);
    let anchor = data_channel.or_else(|| accepted.first().map(|first| first.index));
    let Some(anchor) = anchor.and_then(|index| found.media.get(index)) else {
        return Err(no_data_channel(&found, what, &tracks));
    };
    let association = Association::gather(&found, anchor, what)?;
    Ok(CheckedDescription {
        association,
        tracks,
        shape: Shape::of(found, accepted),
        is_libdatachannel: text.lines().any(|line| line.starts_with("o=rtc ")),
        known: known.clone(),
        slots,
    })
}

/// Gives places to the sections that str0m is to see, and returns these sections in the order of the offer.
fn give_places<'a>(
    data_channel: Option<usize>,
    tracks: &Tracks<'a>,
    slots: &mut Slots,
) -> Vec<Accepted<'a>> {
    for key in &tracks.released {
        slots.release(*key);
    }
    let mut indexes: Vec<usize> = tracks.sections.iter().map(|track| track.index).collect();
    indexes.extend(data_channel);
    indexes.sort_unstable();
    let mut accepted = Vec::new();
    for index in indexes {
        let track = tracks.sections.iter().find(|track| track.index == index);
        let place = match track {
            Some(track) if track.is_kept => {
                if track.direction.receives {
                    slots.note_streams(track.key);
                }
                slots.place_of(track.key)
            }
            Some(track) => {
                slots.note_form(track.used_form());
                slots.take(track.mid.to_owned(), track.holder())
            }
            None => slots
                .data_channel()
                .or_else(|| slots.take(DATA_CHANNEL.to_owned(), Holder::DataChannel)),
        };
        accepted.extend(place.map(|slot| Accepted {
            slot,
            index,
            track: track.map(AcceptedTrack::of),
        }));
    }
    accepted
}

/// Returns the fault of a description from which nothing can be accepted.
fn no_data_channel(found: &Sections<'_>, what: &str, tracks: &Tracks<'_>) -> SdpError {
    if let Some(why) = tracks.refusal() {
        return SdpError::unsupported(why.to_string());
    }
    let application = found
        .media
        .iter()
        .find(|section| section.media.eq_ignore_ascii_case("application"));
    let (line, detail) = match application {
        Some(section) if section.is_data_channel() => (
            section.number,
            format!("the {what} rejects its data channel: the port is 0"),
        ),
        Some(section) => (
            section.number,
            "no data channel of WebRTC: UDP/DTLS/SCTP webrtc-datachannel is needed".to_owned(),
        ),
        None => {
            return SdpError::unsupported(format!(
                "the {what} has no data channel (an m=application line with webrtc-datachannel); \
                 create one before createOffer()"
            ));
        }
    };
    SdpError {
        unsupported: true,
        ..SdpError::line(line, detail)
    }
}

/// Announces the message size that we want instead of the one configured in str0m. str0m also enforces its
/// configured size, by ending the association at a longer message (see [`limits::RECEIVED_MESSAGE`]).
pub(super) fn mend(description: &str) -> String {
    let mut mended = String::with_capacity(description.len());
    for line in description.split_inclusive("\r\n") {
        if line.starts_with("a=max-message-size:") {
            mended.push_str("a=max-message-size:");
            mended.push_str(&limits::MAX_MESSAGE.to_string());
            mended.push_str("\r\n");
        } else {
            mended.push_str(line);
        }
    }
    mended
}

/// Returns the name of the first section of our description.
pub(super) fn first_mid(description: &str) -> &str {
    let mut lines = description.lines();
    lines
        .find_map(|line| line.strip_prefix("a=mid:"))
        .unwrap_or_default()
}
