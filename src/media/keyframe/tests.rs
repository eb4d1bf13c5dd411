//! Packets of real encoders (`packets.txt`), and made ones for what those encoders do not send.

use data_encoding::HEXLOWER;

use super::*;

/// A line of `packets.txt`.
struct Line {
    codec: Codec,
    start: bool,
    layer: Option<u8>,
    payload: Vec<u8>,
}

fn lines() -> impl Iterator<Item = Line> {
    let lines = include_str!("packets.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [codec, start, layer, payload] = fields[..] else {
            panic!("{line}");
        };
        Line {
            codec: Codec::find(codec).expect("a codec"),
            start: start == "start",
            layer: layer.parse().ok(),
            payload: HEXLOWER.decode(payload.as_bytes()).expect("hex"),
        }
    })
}

#[test]
fn packets_of_encoders_are_what_the_encoders_meant() {
    let mut seen = 0;
    for line in lines() {
        let Line { codec, payload, .. } = &line;
        let shown = format!("{codec:?} {}", HEXLOWER.encode(payload));
        assert_eq!(is_keyframe_start(*codec, payload), line.start, "{shown}");
        assert_eq!(temporal_layer(*codec, payload), line.layer, "{shown}");
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn a_payload_that_is_cut_off_says_nothing_that_the_whole_does_not() {
    for Line { codec, payload, .. } in lines() {
        for length in 0..payload.len() {
            let cut = &payload[..length];
            let start = is_keyframe_start(codec, cut);
            assert!(!start || is_keyframe_start(codec, &payload));
            let layer = temporal_layer(codec, cut);
            assert!(layer.is_none() || layer == temporal_layer(codec, &payload));
        }
    }
}

#[test]
fn sound_starts_anywhere() {
    for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::G722] {
        assert!(is_keyframe_start(codec, &[0xfc]) && is_keyframe_start(codec, &[]));
        assert_eq!(temporal_layer(codec, &[0xfc]), None);
    }
}

#[test]
fn nothing_starts_with_an_empty_payload_of_pictures() {
    for codec in Codec::ALL {
        assert_eq!(
            is_keyframe_start(codec, &[]),
            codec.kind() == crate::codec::MediaKind::Audio
        );
        assert_eq!(temporal_layer(codec, &[]), None);
    }
}

fn h264(payload: &[u8]) -> bool {
    is_keyframe_start(Codec::H264, payload)
}

#[test]
fn h264_counts_only_sps_and_the_first_slice_of_an_idr_picture() {
    // A whole SPS, an IDR slice that is the first one, and one that is not.
    assert!(h264(&[0x67, 0x42]) && h264(&[0x65, 0x88]) && !h264(&[0x65, 0x08]));
    // Slices of P pictures, data partitions, SEI, PPS, AUD, ends, fillers.
    for header in [
        0x41, 0x01, 0x02, 0x03, 0x04, 0x06, 0x68, 0x09, 0x0a, 0x0b, 0x0c,
    ] {
        assert!(!h264(&[header, 0x88]), "{header}");
    }
    // Fragments: the first one of an IDR slice, a later one, the last one.
    assert!(h264(&[0x7c, 0x85, 0x88]));
    assert!(!h264(&[0x7c, 0x05, 0x88]) && !h264(&[0x7c, 0x45, 0x88]));
    // Aggregates: PPS with IDR slice, SEI alone, an SPS with a size beyond the packet.
    assert!(h264(&[0x78, 0, 1, 0x68, 0, 2, 0x65, 0x88]));
    assert!(!h264(&[0x78, 0, 1, 0x06]) && !h264(&[0x78, 0, 3, 0x67, 0x42]));
    // The interleaved mode.
    for header in [0x79, 0x7a, 0x7b, 0x7d] {
        assert!(!h264(&[header, 0x85, 0, 1, 0x67, 0x88]), "{header}");
    }
}

#[test]
fn h265_counts_vps_sps_and_the_first_slice_of_an_irap_picture() {
    for kind in 0..64_u8 {
        let counts = matches!(kind, 16..=21 | 32 | 33);
        let header = [kind << 1, 0x01];
        let h265 = |rest: &[u8]| is_keyframe_start(Codec::H265, &[&header[..], rest].concat());
        if kind < 48 {
            assert_eq!(h265(&[0x80]), counts, "{kind}");
            assert_eq!(h265(&[0x00]), matches!(kind, 32 | 33), "{kind}");
        }
        let fragment = |flags: u8| {
            let payload = [0x62, 0x01, flags | kind, 0x80];
            is_keyframe_start(Codec::H265, &payload)
        };
        assert_eq!(fragment(0x80), counts, "{kind}");
        assert!(!fragment(0x00) && !fragment(0x40), "{kind}");
        let aggregate = [
            0x60, 0x01, 0, 3, 0x44, 0x01, 0xc1, 0, 3, header[0], 0x01, 0x80,
        ];
        assert_eq!(is_keyframe_start(Codec::H265, &aggregate), counts, "{kind}");
    }
    let layer = |second| temporal_layer(Codec::H265, &[0x02, second]);
    assert_eq!(
        [0x01, 0x02, 0xff, 0x08].map(layer),
        [Some(0), Some(1), Some(6), None]
    );
}

#[test]
fn vp8_descriptors_are_skipped_whole() {
    let key =
        |descriptor: &[u8], first| is_keyframe_start(Codec::Vp8, &[descriptor, &[first]].concat());
    // Each choice of I, L, T and K, with both lengths of the picture identifier (RFC 7741 §4.2).
    let descriptors: [(&[u8], Option<u8>); 9] = [
        (&[0x10], None),
        (&[0x90, 0x00], None),
        (&[0x90, 0x80, 0x11], None),
        (&[0x90, 0x80, 0x81, 0x11], None),
        (&[0x90, 0x20, 0xc1], Some(3)),
        (&[0x90, 0x10, 0xc1], None),
        (&[0x90, 0x60, 0x11, 0x41], Some(1)),
        (&[0x90, 0xf0, 0x11, 0x33, 0x85], Some(2)),
        (&[0xb0, 0xff, 0x91, 0x11, 0x33, 0x05], Some(0)),
    ];
    for (descriptor, layer) in descriptors {
        assert!(
            key(descriptor, 0x10) && !key(descriptor, 0x11),
            "{descriptor:?}"
        );
        assert_eq!(temporal_layer(Codec::Vp8, descriptor), layer);
        assert!(!is_keyframe_start(Codec::Vp8, descriptor), "no frame");
    }
    // The second partition, and the rest of the first.
    assert!(!key(&[0x11], 0x10) && !key(&[0x00], 0x10));
}

#[test]
fn vp9_descriptors_are_skipped_whole() {
    let key = |descriptor: &[u8]| is_keyframe_start(Codec::Vp9, &[descriptor, &[0x82]].concat());
    let layer = |descriptor: &[u8]| temporal_layer(Codec::Vp9, descriptor);
    // Layers in both modes: temporal layer 2, spatial layers 0 and 1 (RFC 9628 §4.2).
    assert!(key(&[0xa8, 0x11, 0x40, 0x05]) && !key(&[0xa8, 0x11, 0x42, 0x05]));
    assert!(key(&[0xb8, 0x91, 0x11, 0x40]) && !key(&[0xb8, 0x91, 0x11, 0x42]));
    assert_eq!(layer(&[0xa8, 0x11, 0x42, 0x05]), Some(2));
    assert_eq!(layer(&[0xb8, 0x91, 0x11, 0x40]), Some(2));
    // A later packet of the same layers.
    assert!(!key(&[0xa0, 0x11, 0x40, 0x05]));
    // Flexible mode with three references, the last of which claims a fourth.
    assert_eq!(layer(&[0xf8, 0x11, 0x40, 0x03, 0x05, 0x07]), Some(2));
    assert_eq!(layer(&[0xf8, 0x11, 0x40, 0x03, 0x05]), None);
    assert!(!key(&[0xd8, 0x11, 0x02]));
    // A structure of two sizes, and one with a group of two pictures, of which the second has two references.
    assert!(key(&[0x0a, 0x30, 0, 16, 0, 16, 0, 32, 0, 32]));
    assert!(key(&[0x0a, 0x08, 2, 0x00, 0x28, 1, 2]));
    assert!(
        !key(&[0x0a, 0x08, 2, 0x00, 0x28, 1]),
        "the frame is missing"
    );
    // A middle packet, and a packet of an inter picture.
    assert!(!key(&[0x00]) && !key(&[0x48]));
}

#[test]
fn vp9_frame_headers_decide_in_each_profile() {
    let key = |first| is_keyframe_start(Codec::Vp9, &[0x08, first]);
    // Frame marker, profile, (reserved), show_existing_frame, frame_type.
    for (shape, more) in [(0x80, 0), (0xa0, 0), (0x90, 0), (0xb0, 1)] {
        assert!(key(shape), "{shape}");
        assert!(
            !key(shape | 0x04 >> more) && !key(shape | 0x08 >> more),
            "{shape}"
        );
        assert!(!key(shape & 0x7f) && !key(shape | 0x40), "{shape}");
    }
}

#[test]
fn av1_layers_are_in_the_first_obu_that_has_them() {
    let layer = |payload: &[u8]| temporal_layer(Codec::Av1, payload);
    // A frame (type 6) with extension, temporal layer 2: with a count of 1, and without a count.
    assert_eq!(layer(&[0x10, 0x34, 0x40, 9]), Some(2));
    assert_eq!(layer(&[0x00, 3, 0x34, 0x40, 9]), Some(2));
    // A sequence header without layers before it.
    assert_eq!(layer(&[0x28, 2, 0x08, 0, 0x34, 0x60, 9]), Some(3));
    assert_eq!(layer(&[0x08, 2, 0x08, 0, 3, 0x34, 0x60, 9]), Some(3));
    // The rest of a frame has no header, whatever its bytes are.
    assert_eq!(layer(&[0x90, 0x34, 0x40, 9]), None);
    assert_eq!(layer(&[0xa0, 2, 0x34, 0x40, 0x34, 0x20]), Some(1));
    // Sizes beyond the payload, or without an end.
    assert_eq!(layer(&[0x00, 4, 0x34, 0x40, 9]), None);
    assert_eq!(
        layer(&[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
        None
    );
    assert_eq!(layer(&[0x20, 0x83, 0x00, 0x34, 0x40, 9, 0x34, 0]), Some(2));
}

#[test]
fn av1_starts_with_a_new_sequence_that_continues_nothing() {
    let key = |payload: &[u8]| is_keyframe_start(Codec::Av1, payload);
    assert!(key(&[0x18, 0x08]) && key(&[0x58, 0x08]));
    assert!(!key(&[0x98, 0x08]) && !key(&[0x10, 0x08]) && !key(&[0x18]));
}
