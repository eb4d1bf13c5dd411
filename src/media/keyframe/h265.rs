//! H.265 (RFC 7798), without decoding order numbers (`sprop-max-don-diff` is 0), which is the only mode that
//! browsers have.

use super::nal::{is_first_slice, units};

/// The first and the last type of pictures where decoding can start, called IRAP (H.265 table 7-1). Types 22
/// and 23 are reserved.
const BLA_W_LP: u8 = 16;
const CRA: u8 = 21;
/// A video and a sequence parameter set.
const VPS: u8 = 32;
const SPS: u8 = 33;
/// Several NAL units in one packet (RFC 7798 §4.4.2).
const AGGREGATION: u8 = 48;
/// A fragment of one NAL unit (RFC 7798 §4.4.3).
const FRAGMENT: u8 = 49;

/// The bit of the first fragment, and the type of the fragmented NAL unit.
const FU_START: u8 = 0x80;
const FU_TYPE: u8 = 0x3f;

pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    let [first, _, rest @ ..] = payload else {
        return false;
    };
    match (kind(*first), rest) {
        // A unit that is shorter than its header is no unit, and nothing after it is to be trusted.
        (AGGREGATION, _) => units(rest)
            .map_while(|unit| match unit {
                [first, _, rest @ ..] => Some((kind(*first), rest)),
                _ => None,
            })
            .any(|(kind, rest)| starts(kind, rest)),
        (FRAGMENT, [header, fragment @ ..]) => {
            header & FU_START != 0 && starts(header & FU_TYPE, fragment)
        }
        (kind, _) => starts(kind, rest),
    }
}

/// Returns the layer in the payload header. Aggregation packets and fragments have there what their NAL units
/// have (RFC 7798 §4.4.2, §4.4.3). The field is 1 more than the layer, and 0 is forbidden (§1.1.4).
pub(super) fn temporal_layer(payload: &[u8]) -> Option<u8> {
    let [_, second, ..] = payload else {
        return None;
    };
    (second & 0x07).checked_sub(1)
}

/// Returns the type in the first byte of a NAL unit header (RFC 7798 §1.1.4).
fn kind(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// Returns true if a decoder can start with a NAL unit of this type. Of a picture only the first slice counts,
/// because the other slices do not begin it.
fn starts(kind: u8, rest: &[u8]) -> bool {
    match kind {
        VPS | SPS => true,
        BLA_W_LP..=CRA => is_first_slice(rest),
        _ => false,
    }
}
