//! The forms of payloads as str0m compares them.
//!
//! str0m knows a session's codecs from its beginning, and compares their parameters exactly. It neither encodes nor
//! decodes here, so it is told the same parameters for all formats of one form. The answer has those of the offer.

use std::fmt;

use str0m::format::{CodecConfig, FormatParams};
use str0m::media::Frequency;

use super::formats::Format;
use super::variants::Variants;
use crate::codec::{Codec, MediaKind};

/// A codec with what changes the form of its payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    codec: Codec,
    pub(super) clock_rate: u32,
    /// More than one channel, for sound.
    pub(super) channels: Option<u8>,
    /// Which of the codec's [`Variants`] it is. 0 for a codec without.
    mode: u8,
}

impl Form {
    /// Returns the form of a format, if its codec is known.
    pub(super) fn of(format: &Format<'_>) -> Option<Self> {
        let codec = Codec::find(format.name)?;
        Some(Self {
            codec,
            clock_rate: format.clock_rate,
            channels: format.channels.filter(|channels| *channels > 1),
            // H.264 has modes 0 to 2, VP9 has profiles 0 to 3.
            mode: format.mode(codec).filter(|mode| *mode < 4).unwrap_or(0),
        })
    }

    fn usual(codec: Codec, mode: u8) -> Self {
        Self {
            codec,
            clock_rate: codec.clock_rate(),
            channels: codec.channels().filter(|channels| *channels > 1),
            mode,
        }
    }

    /// Adds the form to str0m's codecs, with these payload types.
    pub(super) fn add_to(self, codecs: &mut CodecConfig, payload_type: u8, resend: Option<u8>) {
        let Some(rate) = Frequency::new(self.clock_rate) else {
            return;
        };
        codecs.add_config(
            payload_type.into(),
            resend.map(Into::into),
            crate::session::media::codec(self.codec),
            rate,
            self.channels,
            FormatParams::parse_line(&self.to_string()),
        );
    }
}

/// The parameters that str0m sees, as in `a=fmtp`.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Variants::of(self.codec) {
            Some(variants) => write!(f, "{}={}{}", variants.parameter, self.mode, variants.fixed),
            None => Ok(()),
        }
    }
}

/// Adds the forms that later offers may need to str0m's codecs, except those that it has. Their payload types change
/// to those of the offer.
pub(super) fn add_usual(codecs: &mut CodecConfig, has: impl Fn(Form) -> bool) {
    let modes = |codec| Variants::of(codec).map_or(&[0][..], |variants| variants.usual);
    let all = Codec::ALL.into_iter();
    let forms = all.flat_map(|codec| {
        modes(codec)
            .iter()
            .map(move |mode| Form::usual(codec, *mode))
    });
    // str0m moves these away from the payload types of an offer.
    let mut next = 96_u8..128;
    for form in forms.filter(|form| !has(*form)) {
        let resend = match form.codec.kind() {
            MediaKind::Video => next.next_back(),
            MediaKind::Audio => None,
        };
        if let Some(payload_type) = next.next_back() {
            form.add_to(codecs, payload_type, resend);
        }
    }
}
