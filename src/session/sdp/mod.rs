//! Checks on a description before str0m sees it, and corrections of str0m's own descriptions.
//!
//! str0m parses and makes SDP (RFC 8866). It reports no line numbers, may panic on input that it does not
//! expect, and announces a message size that it does not keep. This module corrects these three faults.

mod answer;
pub(super) mod candidate;
mod data_channel;
mod error;
mod sections;
#[cfg(test)]
mod tests;

use self::answer::Shape;
use self::data_channel::DataChannel;
pub use self::error::SdpError;
use self::sections::{Section, Sections};
use crate::limits;

/// A well-formed offer or answer with a data channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDescription<'a> {
    data_channel: DataChannel<'a>,
    shape: Shape<'a>,
    is_libdatachannel: bool,
}

impl CheckedDescription<'_> {
    /// Returns how many of its candidates are to be checked.
    pub fn candidates(&self) -> usize {
        self.data_channel.candidates.len()
    }

    /// Returns the largest message that the peer accepts, and never more than our own limit.
    pub fn max_message(&self) -> usize {
        self.data_channel.max_message()
    }

    /// Returns the peer's ufrag, which tells its trickled candidates from those of a restart.
    pub fn ufrag(&self) -> &str {
        self.data_channel.ufrag
    }

    /// Returns whether libdatachannel wrote the description. No other library uses the user name `rtc` (RFC
    /// 8866 §5.2).
    pub fn is_libdatachannel(&self) -> bool {
        self.is_libdatachannel
    }

    /// Returns the description for str0m: the data channel alone, under this name.
    pub(super) fn to_text(&self, mid: &str) -> String {
        self.data_channel.to_text(mid)
    }

    /// Returns str0m's answer in the shape of this offer.
    pub(super) fn answer(&self, answer: &str) -> String {
        self.shape.answer(answer)
    }
}

/// Checks an offer, line by line. Only its data channel is used; its media sections are answered with a
/// refusal.
pub fn check_offer(body: &[u8]) -> Result<CheckedDescription<'_>, SdpError> {
    let text = text_of(body)?;
    check(text, "offer")
}

/// Checks an answer, line by line.
pub fn check_answer(text: &str) -> Result<CheckedDescription<'_>, SdpError> {
    check(text, "answer")
}

fn text_of(body: &[u8]) -> Result<&str, SdpError> {
    std::str::from_utf8(body).map_err(|error| {
        let before = body.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        SdpError::line(line, "not UTF-8")
    })
}

fn check<'a>(text: &'a str, what: &str) -> Result<CheckedDescription<'a>, SdpError> {
    if text.trim().is_empty() {
        return Err(SdpError::whole(format!(
            "the body is empty; an SDP {what} is expected"
        )));
    }
    let found = Sections::read(text)?;
    if found.media.is_empty() {
        return Err(SdpError::whole(format!("the {what} has no m= line")));
    }
    let mut data_channels = found.media.iter().enumerate();
    let is_wanted =
        |(_, section): &(usize, &Section<'_>)| section.is_data_channel() && !section.is_rejected();
    let Some((ours, section)) = data_channels.find(is_wanted) else {
        return Err(no_data_channel(&found, what));
    };
    let data_channel = DataChannel::gather(&found, section, what)?;
    Ok(CheckedDescription {
        data_channel,
        shape: Shape::of(found, ours),
        is_libdatachannel: text.lines().any(|line| line.starts_with("o=rtc ")),
    })
}

fn no_data_channel(found: &Sections<'_>, what: &str) -> SdpError {
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
