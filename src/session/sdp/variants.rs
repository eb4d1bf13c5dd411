//! What changes the form of a codec's payloads.

use crate::codec::Codec;

/// The forms that the payloads of a codec can have. A decoder of one form cannot read another.
#[derive(Debug)]
pub(super) struct Variants {
    /// The parameter of `a=fmtp` that says the form by a number. Without it an offer means 0.
    pub(super) parameter: &'static str,
    /// The number that a program means without the parameter.
    pub(super) of_programs: u8,
    /// The numbers that browsers offer.
    pub(super) usual: &'static [u8],
    /// The other parameters that str0m compares, as they follow the first.
    pub(super) fixed: &'static str,
}

/// The parameter is RFC 6184 §6.2. Without it the mode is 0, but programs that send fragments seldom say so.
const H264: Variants = Variants {
    parameter: "packetization-mode",
    of_programs: 1,
    usual: &[0, 1],
    fixed: ";level-asymmetry-allowed=1;profile-level-id=42e01f",
};

/// The parameter is RFC 9628 §6.
const VP9: Variants = Variants {
    parameter: "profile-id",
    of_programs: 0,
    usual: &[0, 2],
    fixed: "",
};

impl Variants {
    /// Returns the forms of a codec, or `None` if it has only one.
    pub(super) fn of(codec: Codec) -> Option<&'static Self> {
        match codec {
            Codec::H264 => Some(&H264),
            Codec::Vp9 => Some(&VP9),
            Codec::H265
            | Codec::Vp8
            | Codec::Av1
            | Codec::Opus
            | Codec::Pcmu
            | Codec::Pcma
            | Codec::G722 => None,
        }
    }
}
