//! Offers whose media sections carry tracks: what str0m sees of them, and the answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{CheckedDescription, check_offer};
use crate::codec::Codec;
use crate::limits::Limits;
use crate::session::Session;
use crate::session::crypto::Identity;
use crate::transceiver::{Direction, TrackOutcome, TrackRefusal, TrackWish, TransceiverKey};

const TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
    a=fingerprint:sha-256 91:45:EF:3F:05:48:1D:15:C5:6E:FB:4F:CE:27:9C:48:05:01:EA:DB:2C:A9:DB:B4:\
    9E:EB:0F:C5:2A:34:FD:BA\r\na=setup:actpass\r\n";

/// The formats that a browser offers for pictures, shortened.
const VIDEO: &str = "a=rtcp-mux\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:15 urn:3gpp:video-orientation\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:96 goog-remb\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtpmap:100 VP9/90000\r\na=fmtp:100 profile-id=2\r\n\
    a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
    a=rtpmap:104 H264/90000\r\na=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=64001f\r\n\
    a=rtpmap:106 H264/90000\r\na=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f\r\n\
    a=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\n\
    a=rtpmap:108 H264/90000\r\na=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f\r\n";

/// Returns an offer with these sections: the kind, the direction, and more lines of each.
pub(super) fn offer(sections: &[(&str, &str, &str)]) -> String {
    let mids: Vec<String> = (0..sections.len()).map(|n| n.to_string()).collect();
    let mut text = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    for (mid, (kind, direction, more)) in mids.iter().zip(sections) {
        text += &match *kind {
            "video" => format!(
                "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 100 102 104 106 107 108\r\n{TRANSPORT}a=mid:{mid}\r\na={direction}\r\n{VIDEO}{more}"
            ),
            "audio" => format!(
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n{TRANSPORT}a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
                 a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n{more}"
            ),
            _ => format!(
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{TRANSPORT}a=mid:{mid}\r\na=sctp-port:5000\r\n"
            ),
        };
    }
    text
}

pub(super) fn wish(endpoint: &str, codec: Codec) -> TrackWish {
    TrackWish {
        endpoint: endpoint.to_owned(),
        codec,
        clock_rate: codec.clock_rate(),
        channels: codec.channels(),
        fmtp: None,
        sends: true,
        receives: false,
        playout_delay: None,
        resend: Duration::from_millis(500),
        is_purpose: false,
    }
}

const SENDS: Direction = Direction {
    sends: true,
    receives: false,
};

pub(super) fn accepted(key: u8) -> TrackOutcome {
    TrackOutcome::Accepted(TransceiverKey(key), SENDS)
}

fn formats(checked: &CheckedDescription<'_>) -> Vec<String> {
    let text = checked.to_text("0");
    let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
    lines.map(str::to_owned).collect()
}

#[test]
fn str0m_sees_the_one_format_of_the_track_and_the_highest_profile() {
    let text = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    for (codec, line) in [
        (Codec::H264, "video 9 UDP/TLS/RTP/SAVPF 106 107"),
        (Codec::Vp8, "video 9 UDP/TLS/RTP/SAVPF 96 97"),
        (Codec::Vp9, "video 9 UDP/TLS/RTP/SAVPF 98"),
    ] {
        let wishes = [wish("camera", codec)];
        let checked = check_offer(text.as_bytes(), &wishes).expect("good");
        assert_eq!(checked.outcomes(), [accepted(0)]);
        let application = "application 9 UDP/DTLS/SCTP webrtc-datachannel";
        assert_eq!(formats(&checked), [line, application]);
    }
    let mut mode_0 = wish("camera", Codec::H264);
    mode_0.fmtp = Some("packetization-mode=0".to_owned());
    let checked = check_offer(text.as_bytes(), std::slice::from_ref(&mode_0)).expect("good");
    assert_eq!(formats(&checked)[0], "video 9 UDP/TLS/RTP/SAVPF 104");
}

#[test]
fn what_would_bring_a_pacer_or_a_long_header_is_left_out() {
    let text = offer(&[("video", "recvonly", "")]);
    let wishes = [wish("camera", Codec::Vp8)];
    let seen = check_offer(text.as_bytes(), &wishes)
        .expect("good")
        .to_text("0");
    assert!(!seen.contains("transport"), "{seen}");
    assert!(
        !seen.contains("orientation"),
        "its number is too high: {seen}"
    );
    for line in [
        "a=extmap:4 urn",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 goog-remb",
        "a=recvonly",
    ] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
}

#[test]
fn a_section_gets_the_direction_that_the_track_can_do() {
    for (offered, sends, receives, seen) in [
        ("sendrecv", true, true, Some("a=sendrecv")),
        ("sendrecv", true, false, Some("a=recvonly")),
        ("sendrecv", false, true, Some("a=sendonly")),
        ("sendonly", true, true, Some("a=sendonly")),
        ("recvonly", false, true, None),
        ("sendonly", true, false, None),
    ] {
        let text = offer(&[("video", offered, ""), ("data", "", "")]);
        let wishes = [TrackWish {
            sends,
            receives,
            ..wish("camera", Codec::Vp8)
        }];
        let checked = check_offer(text.as_bytes(), &wishes).expect("good");
        let Some(seen) = seen else {
            let refused = TrackOutcome::Refused(TrackRefusal::OtherDirection);
            assert_eq!(checked.outcomes(), [refused], "{offered}");
            continue;
        };
        assert!(checked.to_text("0").contains(seen), "{offered} {seen}");
    }
}

#[test]
fn sections_are_given_in_order_and_by_kind() {
    let text = offer(&[
        ("audio", "recvonly", ""),
        ("video", "recvonly", ""),
        ("data", "", ""),
        ("video", "recvonly", ""),
    ]);
    let wishes = [
        wish("one", Codec::Vp8),
        wish("two", Codec::H264),
        wish("talk", Codec::Opus),
        wish("three", Codec::Vp8),
    ];
    let checked = check_offer(text.as_bytes(), &wishes).expect("good");
    let none_left = TrackRefusal::SectionsUsedUp(crate::codec::MediaKind::Video);
    let expected = [
        accepted(1),
        accepted(2),
        accepted(0),
        TrackOutcome::Refused(none_left),
    ];
    assert_eq!(checked.outcomes(), expected);
    let words = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    let kinds: Vec<String> = formats(&checked).iter().map(words).collect();
    assert_eq!(kinds, ["audio", "video", "application", "video"]);
}

#[test]
fn a_codec_that_the_peer_lacks_costs_its_section_alone() {
    let text = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    let wishes = [wish("camera", Codec::H265)];
    let checked = check_offer(text.as_bytes(), &wishes).expect("the data channel is left");
    let theirs = ["H264", "VP8", "VP9"].map(str::to_owned).to_vec();
    let refused = TrackRefusal::OtherCodecs {
        ours: Codec::H265,
        theirs,
    };
    let text_of_it = "the endpoint has H265, the peer has only H264, VP8, VP9";
    assert_eq!(refused.to_string(), text_of_it);
    assert_eq!(checked.outcomes(), [TrackOutcome::Refused(refused)]);
    let alone = offer(&[("video", "recvonly", "")]);
    let fault = check_offer(alone.as_bytes(), &wishes).expect_err("nothing is left");
    assert!(
        fault.unsupported && fault.detail.contains("only H264"),
        "{fault}"
    );
}

#[test]
fn a_player_that_can_have_no_track_is_refused_with_its_data_channel() {
    let text = offer(&[("video", "recvonly", ""), ("data", "", "")]);
    let of_player = |codec| TrackWish {
        is_purpose: true,
        ..wish("camera", codec)
    };
    let none = [of_player(Codec::Opus), of_player(Codec::H265)];
    let fault = check_offer(text.as_bytes(), &none).expect_err("nothing to play");
    assert!(fault.unsupported, "{fault}");
    assert_eq!(
        fault.detail,
        "the endpoint has H265, the peer has only H264, VP8, VP9"
    );
    let one = [of_player(Codec::Opus), of_player(Codec::Vp8)];
    check_offer(text.as_bytes(), &one).expect("a picture without sound is better than nothing");
}

#[test]
fn a_payload_type_means_one_thing_in_a_session() {
    let other = offer(&[("video", "recvonly", ""), ("video", "recvonly", "")]);
    let second = other.rfind("VP8/90000").expect("there");
    let mut other = other;
    other.replace_range(second..second + 3, "AV1");
    let wishes = [wish("one", Codec::Vp8), wish("two", Codec::Av1)];
    let checked = check_offer(other.as_bytes(), &wishes).expect("good");
    assert_eq!(checked.outcomes()[0], accepted(0));
    let refused = &checked.outcomes()[1];
    assert!(
        matches!(
            refused,
            TrackOutcome::Refused(TrackRefusal::OtherCodecs { .. })
        ),
        "{refused:?}"
    );
}

#[test]
fn one_transport_is_all_there_is() {
    let good = offer(&[("data", "", ""), ("video", "recvonly", "")]);
    let wishes = [wish("camera", Codec::Vp8)];
    for bad in [
        good.replace("a=rtcp-mux\r\n", ""),
        good.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"),
        good.replace("a=mid:1", "a=mid:0"),
        good.replace("a=mid:1", "a=mid:a-b"),
        good.replace("a=mid:1", "a=mid:seventeen_letters"),
    ] {
        let checked = check_offer(bad.as_bytes(), &wishes).expect("the data channel is left");
        let refused = TrackOutcome::Refused(TrackRefusal::OtherTransport);
        assert_eq!(checked.outcomes(), [refused], "{bad}");
    }
}

#[test]
fn the_answer_has_the_shape_of_the_offer_and_names_the_endpoint() {
    let streams = "a=ssrc:7 cname:x\r\na=ssrc-group:FID 7 8\r\na=ssrc:8 cname:x\r\n";
    let text = offer(&[
        ("audio", "recvonly", ""),
        ("video", "sendrecv", streams),
        ("data", "", ""),
    ]);
    let wishes = [TrackWish {
        receives: true,
        ..wish("camera", Codec::H264)
    }];
    let checked = check_offer(text.as_bytes(), &wishes).expect("good");
    let identity = Identity::generate().expect("an identity");
    let local = [SocketAddr::from(([192, 0, 2, 1], 5000))];
    let (now, limits) = (Instant::now(), Limits::default());
    let (_, answer) = Session::accept(
        now,
        "s".to_owned(),
        &checked,
        false,
        &local,
        &identity,
        &limits,
    )
    .expect("good");
    let kinds: Vec<&str> = (answer.lines().filter_map(|line| line.strip_prefix("m=")))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(kinds, ["audio", "video", "application"]);
    let (before, video) = answer.split_once("m=video ").expect("a section");
    assert!(
        before.contains("a=inactive") && before.contains("a=candidate:"),
        "{answer}"
    );
    assert!(before.contains("a=group:BUNDLE 0 1 2\r\n"), "{answer}");
    assert!(
        video.starts_with("9 UDP/TLS/RTP/SAVPF 106 107\r\n"),
        "{answer}"
    );
    for line in [
        "a=sendrecv\r\n",
        "a=msid:camera video\r\n",
        "a=mid:1\r\n",
        "a=rtcp-mux\r\n",
    ] {
        assert!(video.contains(line), "{line} in {answer}");
    }
}

#[test]
fn how_long_a_browser_may_buffer_is_negotiated_where_it_is_configured() {
    let line = "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n";
    let text = offer(&[("video", "recvonly", line)]);
    let plain = wish("camera", Codec::Vp8);
    let delayed = TrackWish {
        playout_delay: Some((Duration::ZERO, Duration::ZERO)),
        ..plain.clone()
    };
    for (wish, is_there) in [(plain, false), (delayed, true)] {
        let checked = check_offer(text.as_bytes(), &[wish]).expect("good");
        assert_eq!(checked.to_text("0").contains(line), is_there);
    }
}

#[test]
fn of_a_simulcast_one_stream_is_taken() {
    let layers = "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n\
        a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n";
    let text = offer(&[("video", "sendonly", layers)]);
    let wishes = [TrackWish {
        sends: false,
        receives: true,
        ..wish("talk", Codec::Vp8)
    }];
    let checked = check_offer(text.as_bytes(), &wishes).expect("good");
    let identity = Identity::generate().expect("an identity");
    let (now, limits) = (Instant::now(), Limits::default());
    let made = Session::accept(
        now,
        "s".to_owned(),
        &checked,
        false,
        &[],
        &identity,
        &limits,
    );
    let (_, answer) = made.expect("good");
    assert!(answer.contains("a=recvonly"), "{answer}");
    assert!(
        !answer.contains("simulcast") && !answer.contains("a=rid"),
        "{answer}"
    );
}
