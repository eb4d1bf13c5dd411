//! RTP, RTCP and the detectors of keyframes: any bytes are read or refused, and what was read can be written and
//! read again.

use str0m::format::{
    detect_av1_keyframe, detect_h264_nalu, detect_h265_keyframe, detect_vp8_keyframe,
    detect_vp9_keyframe,
};

use thingway::testing::codec::Codec;
use thingway::testing::limits::NACKS;
use thingway::testing::media::rtcp::{self, Feedback};
use thingway::testing::media::{keyframe, rtp};

/// Reads a datagram as RTP.
pub fn rtp(data: &[u8]) {
    let view = match rtp::parse(data) {
        Ok(view) => view,
        Err(fault) => return assert!(!fault.as_str().is_empty()),
    };
    assert!(!view.payload.is_empty() && view.payload.len() + 12 <= data.len());
    assert!(view.payload_type < 128);
    assert!(rtcp::parse(data, |_| panic!("both RTP and RTCP")).is_err());
    let mut wire = Vec::new();
    rtp::write(&mut wire, &view);
    assert_eq!(wire.len(), 12 + view.payload.len());
    assert_eq!(rtp::parse(&wire), Ok(view));
}

/// Reads a datagram as RTCP, and again what we write of its statements.
pub fn rtcp(data: &[u8]) {
    let mut all = Vec::new();
    let result = rtcp::parse(data, |feedback| all.push(feedback));
    if let Err(fault) = result {
        assert!(!fault.as_str().is_empty());
    }
    let nacks = all
        .iter()
        .filter(|feedback| matches!(feedback, Feedback::Nack { .. }));
    assert!(nacks.count() <= NACKS);
    let others = all
        .iter()
        .filter(|feedback| !matches!(feedback, Feedback::Nack { .. }));
    assert!(
        4 * others.count() <= data.len(),
        "more statements than words"
    );
    for feedback in all {
        check_echo(feedback);
    }
}

fn check_echo(feedback: Feedback) {
    let mut wire = Vec::new();
    match feedback {
        Feedback::SenderReport { ssrc, sent } => {
            rtcp::write_report(&mut wire, ssrc, Some(&sent), &[], "name");
        }
        Feedback::ReceiverReport { ssrc, block } => {
            rtcp::write_report(&mut wire, ssrc, None, &[block], "");
        }
        Feedback::Bye { ssrc } => rtcp::write_bye(&mut wire, ssrc),
        Feedback::PictureLoss { ssrc, about } => {
            rtcp::write_picture_loss(&mut wire, ssrc, about);
        }
        Feedback::FullIntra {
            ssrc,
            about,
            request,
        } => rtcp::write_full_intra(&mut wire, ssrc, about, request),
        Feedback::Estimate { ssrc, bitrate } => {
            rtcp::write_estimate(&mut wire, ssrc, &[1], bitrate);
        }
        Feedback::Nack { .. } | Feedback::Other => return,
    }
    let mut first = None;
    let result = rtcp::parse(&wire, |feedback| first = first.or(Some(feedback)));
    assert_eq!(result, Ok(()));
    match (feedback, first) {
        // The largest bitrate stands for all that are beyond 64 bits, and a mantissa cannot express it.
        (
            Feedback::Estimate {
                bitrate: u64::MAX, ..
            },
            Some(Feedback::Estimate { bitrate, .. }),
        ) => assert!(bitrate >= u64::MAX << 46, "{bitrate}"),
        (feedback, first) => assert_eq!(first, Some(feedback)),
    }
}

/// Looks for keyframes. The first byte picks the codec, and the others are a payload. What starts for us must
/// start for str0m's detectors too, which are less strict, or be a parameter set.
pub fn keyframe(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else {
        return;
    };
    let codec = Codec::ALL.get(usize::from(*choice) % Codec::ALL.len());
    let codec = *codec.expect("an index below its length");
    let start = keyframe::is_keyframe_start(codec, payload);
    let layer = keyframe::temporal_layer(codec, payload);
    assert!(layer.is_none_or(|layer| layer < 8), "{layer:?}");
    if let Some((_, shorter)) = payload.split_last() {
        check_shorter(codec, shorter, (start, layer));
    }
    match codec {
        Codec::H264 => {
            let theirs = detect_h264_nalu(payload, 5) || detect_h264_nalu(payload, 7);
            assert!(!start || theirs);
        }
        Codec::H265 => assert!(!start || detect_h265_keyframe(payload) || has_set(payload)),
        Codec::Vp8 => assert_eq!(start, detect_vp8_keyframe(payload)),
        Codec::Vp9 => assert!(!start || detect_vp9_keyframe(payload)),
        Codec::Av1 => assert!(!start || detect_av1_keyframe(payload)),
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => {
            assert_eq!((start, layer), (true, None));
        }
    }
}

/// Returns true if a byte may be the header of a parameter set of H.265, or of the first fragment of one.
fn has_set(payload: &[u8]) -> bool {
    let mut bytes = payload.iter();
    bytes.any(|byte| matches!(byte >> 1 & 0x3f, 32 | 33) || matches!(byte & 0xbf, 0xa0 | 0xa1))
}

/// A payload that is cut off says nothing that the whole one does not say.
fn check_shorter(codec: Codec, shorter: &[u8], whole: (bool, Option<u8>)) {
    let (start, layer) = whole;
    assert!(!keyframe::is_keyframe_start(codec, shorter) || start);
    let shorter_layer = keyframe::temporal_layer(codec, shorter);
    assert!(shorter_layer.is_none() || shorter_layer == layer);
}
