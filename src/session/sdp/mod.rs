//! Checks on a description before str0m sees it, and corrections of str0m's own descriptions.
//!
//! str0m parses and makes SDP (RFC 8866). It reports no line numbers, may panic on input that it does not
//! expect, and announces a message size that it does not keep. This module corrects these three faults.

mod answer;
mod association;
pub(super) mod candidate;
mod error;
mod formats;
mod sections;
#[cfg(test)]
mod tests;
mod tracks;
#[cfg(test)]
mod tracks_tests;

use self::answer::{Accepted, Shape};
use self::association::Association;
pub use self::error::SdpError;
use self::sections::{Section, Sections};
pub(super) use self::tracks::TrackSection;
use self::tracks::Tracks;
use crate::limits;
use crate::transceiver::{TrackOutcome, TrackWish};

/// A well-formed offer or answer, with a data channel or with tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDescription<'a> {
    association: Association<'a>,
    tracks: Tracks<'a>,
    shape: Shape<'a>,
    is_libdatachannel: bool,
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
        let sections = self.shape.accepted();
        let mid_of = |section: &Section<'a>| match self.tracks.sections.is_empty() {
            true => mid,
            false => section.mid.unwrap_or(mid),
        };
        let mids: Vec<&str> = sections
            .clone()
            .map(|(_, section)| mid_of(section))
            .collect();
        let mut text = self.association.begin(&mids.join(" "));
        for (n, (index, section)) in sections.enumerate() {
            let mut tracks = self.tracks.sections.iter();
            match tracks.find(|track| track.index == index) {
                Some(track) => track.write(section, &self.association, &mut text),
                None => self
                    .association
                    .write_data_channel(mid_of(section), &mut text),
            }
            if n == 0 {
                self.association.write_candidates(&mut text);
            }
        }
        text
    }

    /// Adds the formats of the tracks to str0m's codecs.
    pub(super) fn add_codecs(&self, codecs: &mut str0m::format::CodecConfig) {
        self.tracks.add_codecs(codecs);
    }

    /// Returns the sections that carry tracks, in the order of their [`TransceiverKey`]s.
    ///
    /// [`TransceiverKey`]: crate::transceiver::TransceiverKey
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
    check(text, "offer", wishes)
}

/// Checks an answer, line by line.
pub fn check_answer(text: &str) -> Result<CheckedDescription<'_>, SdpError> {
    check(text, "answer", &[])
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
    let tracks = Tracks::assign(&found, data_channel, wishes);
    let mut accepted: Vec<Accepted> = (tracks.sections.iter())
        .map(|track| Accepted {
            index: track.index,
            msid: Some(track.msid()),
        })
        .collect();
    accepted.extend(data_channel.map(|index| Accepted { index, msid: None }));
    accepted.sort_by_key(|section| section.index);
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
    })
}

/// Returns the fault of a description from which nothing can be accepted.
fn no_data_channel(found: &Sections<'_>, what: &str, tracks: &Tracks<'_>) -> SdpError {
    let mut refusals = tracks.outcomes.iter();
    if let Some(TrackOutcome::Refused(why)) = refusals.next() {
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
