//! VP9 (RFC 9628): the payload descriptor, and the header of the frame after it.

/// The first byte of the descriptor (RFC 9628 §4.2).
const PICTURE_ID: u8 = 0x80;
const INTER_PICTURE: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const FRAME_START: u8 = 0x08;
const SCALABILITY: u8 = 0x02;

/// The bit of a picture identifier of 15 bits.
const LONG_ID: u8 = 0x80;
/// The bit of a reference that another one follows. There are at most three (RFC 9628 §4.2).
const ANOTHER_REFERENCE: u8 = 0x01;
const MAX_REFERENCES: usize = 3;

/// The flags of the scalability structure (RFC 9628 §4.2.1).
const SIZES: u8 = 0x10;
const PICTURE_GROUP: u8 = 0x08;

/// The payload descriptor.
struct Descriptor<'a> {
    /// Whether the picture refers to earlier ones.
    inter_picture: bool,
    /// Whether the payload begins a frame of the lowest spatial layer, and so a picture.
    picture_start: bool,
    temporal_layer: Option<u8>,
    /// What follows the descriptor.
    frame: &'a [u8],
}

impl<'a> Descriptor<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut rest = payload;
        let first = *rest.split_off_first()?;
        if first & PICTURE_ID != 0 && rest.split_off_first()? & LONG_ID != 0 {
            rest.split_off_first()?;
        }
        let mut layers = None;
        if first & LAYERS != 0 {
            layers = Some(*rest.split_off_first()?);
            if first & FLEXIBLE == 0 {
                // TL0PICIDX
                rest.split_off_first()?;
            }
        }
        if first & FLEXIBLE != 0 && first & INTER_PICTURE != 0 {
            for _ in 0..MAX_REFERENCES {
                if rest.split_off_first()? & ANOTHER_REFERENCE == 0 {
                    break;
                }
            }
        }
        if first & SCALABILITY != 0 {
            skip_scalability_structure(&mut rest)?;
        }
        let spatial_layer = layers.map_or(0, |byte| byte >> 1 & 0x07);
        Some(Self {
            inter_picture: first & INTER_PICTURE != 0,
            picture_start: first & FRAME_START != 0 && spatial_layer == 0,
            temporal_layer: layers.map(|byte| byte >> 5),
            frame: rest,
        })
    }
}

/// Skips the sizes of the spatial layers and the references in a group of pictures (RFC 9628 §4.2.1).
fn skip_scalability_structure(rest: &mut &[u8]) -> Option<()> {
    let first = *rest.split_off_first()?;
    if first & SIZES != 0 {
        let spatial_layers = usize::from(first >> 5) + 1;
        rest.split_off(..4 * spatial_layers)?;
    }
    if first & PICTURE_GROUP != 0 {
        let pictures = *rest.split_off_first()?;
        for _ in 0..pictures {
            let references = usize::from(rest.split_off_first()? >> 2 & 0x03);
            rest.split_off(..references)?;
        }
    }
    Some(())
}

/// Returns true for the header of a key frame (VP9 bitstream specification §6.2). The descriptor alone is not
/// sufficient, because FFmpeg never sets its bit of inter pictures.
fn is_key_frame(frame: &[u8]) -> bool {
    let Some(first) = frame.first() else {
        return false;
    };
    if first >> 6 != 0b10 {
        return false;
    }
    // Profile 3 has a reserved bit more.
    let flags = if first >> 4 & 0b11 == 0b11 {
        first >> 1
    } else {
        first >> 2
    };
    // The frame shows an earlier one, or refers to one.
    flags & 0b11 == 0
}

pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| {
        descriptor.picture_start && !descriptor.inter_picture && is_key_frame(descriptor.frame)
    })
}

pub(super) fn temporal_layer(payload: &[u8]) -> Option<u8> {
    Descriptor::parse(payload)?.temporal_layer
}
