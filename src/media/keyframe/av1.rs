//! AV1 (RTP Payload Format For AV1, version 1.0): the aggregation header, and the headers of the OBUs after it.

/// The aggregation header (AV1 RTP §4.4).
const CONTINUATION: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;

/// The bit of an OBU header that has a second byte, with layers (AV1 bitstream §5.3.2).
const EXTENSION: u8 = 0x04;

/// The longest number in LEB128, in bytes (AV1 bitstream §4.10.5).
const LEB128_BYTES: u32 = 8;

/// Returns true for the first packet of a coded video sequence. Such a packet begins with no continuation
/// (AV1 RTP §4.4), so one that claims both is malformed.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    match payload {
        [header, _, ..] => header & (NEW_SEQUENCE | CONTINUATION) == NEW_SEQUENCE,
        _ => false,
    }
}

/// Returns the layer of the first OBU that names one. All OBUs of a packet that have a layer have the same one
/// (AV1 RTP §5).
pub(super) fn temporal_layer(payload: &[u8]) -> Option<u8> {
    let (header, mut rest) = payload.split_first()?;
    let count = header >> 4 & 0x03;
    // The rest of an OBU from the packet before has no header.
    let mut continues = header & CONTINUATION != 0;
    let mut index = 0_u8;
    while !rest.is_empty() {
        index = index.saturating_add(1);
        // Without a count all elements have a size, with one all but the last.
        let element = if index == count {
            std::mem::take(&mut rest)
        } else {
            let size = leb128(&mut rest)?;
            rest.split_off(..size)?
        };
        if let [obu, layers, ..] = element
            && obu & EXTENSION != 0
            && !continues
        {
            return Some(layers >> 5);
        }
        continues = false;
    }
    None
}

/// Reads a number with 7 bits in each byte, the lowest ones first.
fn leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u64;
    for index in 0..LEB128_BYTES {
        let byte = rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}
