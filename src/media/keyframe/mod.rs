//! Where in an RTP stream a decoder can start, told from the payload of one packet.
//!
//! The functions look at payload headers and at the first bits of a picture, and keep no state. They take any
//! bytes: a payload that is cut off or malformed starts nothing. str0m has detectors of its own, but they
//! count each slice of a picture, do not see parameter sets, and trust a descriptor of VP9 that FFmpeg leaves
//! unset.

mod av1;
mod h264;
mod h265;
mod nal;
#[cfg(test)]
mod tests;
mod vp8;
mod vp9;

use crate::codec::Codec;

/// Returns true if a decoder can start with the payload. Sound starts anywhere.
///
/// For H.264 and H.265 this is the packet with the parameter sets, and also the packet with the first slice of
/// the picture after them, because some encoders send parameter sets only once. Both have the timestamp of the
/// picture, so a caller that keeps packets "since the start" compares timestamps.
pub fn is_keyframe_start(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::is_keyframe_start(payload),
        Codec::H265 => h265::is_keyframe_start(payload),
        Codec::Vp8 => vp8::is_keyframe_start(payload),
        Codec::Vp9 => vp9::is_keyframe_start(payload),
        Codec::Av1 => av1::is_keyframe_start(payload),
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => true,
    }
}

/// Returns the temporal layer of the payload: a stream stays decodable without the packets of a layer and of
/// all higher layers. Returns `None` if the payload does not tell.
pub fn temporal_layer(codec: Codec, payload: &[u8]) -> Option<u8> {
    match codec {
        Codec::H265 => h265::temporal_layer(payload),
        Codec::Vp8 => vp8::temporal_layer(payload),
        Codec::Vp9 => vp9::temporal_layer(payload),
        Codec::Av1 => av1::temporal_layer(payload),
        Codec::H264 | Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => None,
    }
}
