//! The forms of payloads as str0m compares them.
//!
//! str0m knows a session's codecs from its beginning, and compares their parameters exactly. It neither encodes nor
//! decodes here, so it is told the same parameters for all formats of one form. The answer has those of the offer.

use std::fmt;

use str0m::format::{CodecConfig, FormatParams};
use str0m::media::Frequency;

use super::formats::Format;
use crate::codec::{Codec, MediaKind};

/// A codec with what changes the form of its payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    codec: Codec,
    pub(super) clock_rate: u32,
    /// More than one channel, for sound.
    pub(super) channels: Option<u8>,
    /// The `packetization-mode` of H.264 (RFC 6184 §6.2), or the `profile-id` of VP9 (RFC 9628 §6).
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
            mode: mode_of(codec, format),
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
        let mode = self.mode;
        match self.codec {
            Codec::H264 => write!(
                f,
                "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id=42e01f"
            ),
            Codec::Vp9 => write!(f, "profile-id={mode}"),
            Codec::H265
            | Codec::Vp8
            | Codec::Av1
            | Codec::Opus
            | Codec::Pcmu
            | Codec::Pcma
            | Codec::G722 => Ok(()),
        }
    }
}

fn mode_of(codec: Codec, format: &Format<'_>) -> u8 {
    let name = match codec {
        Codec::H264 => "packetization-mode",
        Codec::Vp9 => "profile-id",
        Codec::H265
        | Codec::Vp8
        | Codec::Av1
        | Codec::Opus
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722 => return 0,
    };
    let mode = format.parameter(name).and_then(|mode| mode.parse().ok());
    mode.filter(|mode| *mode < 4).unwrap_or(0)
}

/// Adds the forms that later offers may need to str0m's codecs, except those that it has. Their payload types change
/// to those of the offer.
pub(super) fn add_usual(codecs: &mut CodecConfig, has: impl Fn(Form) -> bool) {
    let modes = |codec| match codec {
        Codec::H264 => [0, 1].as_slice(),
        Codec::Vp9 => &[0, 2],
        Codec::H265
        | Codec::Vp8
        | Codec::Av1
        | Codec::Opus
        | Codec::Pcmu
        | Codec::Pcma
        | Codec::G722 => &[0],
    };
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
