//! H.264 (RFC 6184), in the modes 0 and 1 of packetization. The interleaved mode (STAP-B, MTAP, FU-B) is not
//! for conversations, so none of its packets starts anything.

use super::nal::{is_first_slice, units};

/// A slice of a picture from which decoding can start (H.264 table 7-1).
const IDR: u8 = 5;
/// A sequence parameter set.
const SPS: u8 = 7;
/// Several NAL units in one packet (RFC 6184 §5.7.1).
const STAP_A: u8 = 24;
/// A fragment of one NAL unit (RFC 6184 §5.8).
const FU_A: u8 = 28;

const TYPE: u8 = 0x1f;
/// The bit of the first fragment.
const FU_START: u8 = 0x80;

pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    match payload {
        [header, units_of @ ..] if header & TYPE == STAP_A => units(units_of).any(|unit| {
            let Some((header, rest)) = unit.split_first() else {
                return false;
            };
            starts(header & TYPE, rest)
        }),
        [indicator, header, fragment @ ..] if indicator & TYPE == FU_A => {
            header & FU_START != 0 && starts(header & TYPE, fragment)
        }
        [header, rest @ ..] => starts(header & TYPE, rest),
        [] => false,
    }
}

/// Returns true if a decoder can start with a NAL unit of this type. Of an IDR picture only the first slice
/// counts, because the other slices do not begin the picture. A picture parameter set alone does not count: the
/// SPS precedes it.
fn starts(kind: u8, rest: &[u8]) -> bool {
    match kind {
        SPS => true,
        IDR => is_first_slice(rest),
        _ => false,
    }
}
