//! VP8 (RFC 7741): the payload descriptor, and the first bit of the frame after it.

/// The first byte of the descriptor (RFC 7741 §4.2).
const EXTENDED: u8 = 0x80;
const PARTITION_START: u8 = 0x10;
const PARTITION: u8 = 0x07;

/// The byte of the extension, which says what follows it.
const PICTURE_ID: u8 = 0x80;
const TL0_PIC_IDX: u8 = 0x40;
const TEMPORAL: u8 = 0x20;
const KEY_INDEX: u8 = 0x10;

/// The bit of a picture identifier of 15 bits.
const LONG_ID: u8 = 0x80;
/// The bit of a frame that refers to others (RFC 7741 §4.3).
const INTER_FRAME: u8 = 0x01;

/// The payload descriptor.
struct Descriptor<'a> {
    /// Whether the payload begins the frame's first partition, and so the frame.
    frame_start: bool,
    temporal_layer: Option<u8>,
    /// What follows the descriptor.
    frame: &'a [u8],
}

impl<'a> Descriptor<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut rest = payload;
        let first = rest.split_off_first()?;
        let mut temporal_layer = None;
        if first & EXTENDED != 0 {
            let extension = rest.split_off_first()?;
            if extension & PICTURE_ID != 0 && rest.split_off_first()? & LONG_ID != 0 {
                rest.split_off_first()?;
            }
            if extension & TL0_PIC_IDX != 0 {
                rest.split_off_first()?;
            }
            // The byte is there for either of its two halves.
            if extension & (TEMPORAL | KEY_INDEX) != 0 {
                let byte = rest.split_off_first()?;
                temporal_layer = (extension & TEMPORAL != 0).then_some(byte >> 6);
            }
        }
        Some(Self {
            frame_start: first & PARTITION_START != 0 && first & PARTITION == 0,
            temporal_layer,
            frame: rest,
        })
    }
}

pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| {
        let first = descriptor.frame.first();
        descriptor.frame_start && first.is_some_and(|byte| byte & INTER_FRAME == 0)
    })
}

pub(super) fn temporal_layer(payload: &[u8]) -> Option<u8> {
    Descriptor::parse(payload)?.temporal_layer
}
