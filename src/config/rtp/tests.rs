//! Tests of the keys of tracks, their defaults and their faults.

use std::net::SocketAddr;

use super::*;
use crate::config::{Config, Prefix};

const HEAD: &str = "[[endpoint]]\nname = \"camera\"\nkind = \"rtp\"\n";

fn tracks(text: &str) -> RtpConfig {
    let config = Config::parse(&format!("{HEAD}{text}")).expect(text);
    match &config.endpoints[0].kind {
        EndpointKind::Rtp(rtp) => (**rtp).clone(),
        other => panic!("{other:?}"),
    }
}

fn faults(text: &str) -> Vec<String> {
    let faults = Config::parse(&format!("{HEAD}{text}")).expect_err(text);
    faults.iter().map(ToString::to_string).collect()
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

#[test]
fn the_codec_alone_gives_every_default() {
    let both = tracks("[endpoint.video]\ncodec = \"h264\"\n[endpoint.audio]\ncodec = \"OPUS\"");
    let video = TrackConfig::new(Codec::H264);
    assert_eq!(both.video, Some(video.clone()));
    assert_eq!(both.audio, Some(TrackConfig::new(Codec::Opus)));
    assert_eq!((video.clock_rate, video.channels), (90_000, None));
    assert_eq!((video.send_payload_type, video.cache), (96, 1_048_576));
    assert_eq!((video.publishers, video.listen), (1, None));
    assert!(both.local_addresses().next().is_none());
    let opus = both.audio.expect("a track");
    assert_eq!((opus.clock_rate, opus.channels), (48_000, Some(2)));
    assert_eq!((opus.send_payload_type, opus.cache), (111, 0));
    let alaw = tracks("audio = { codec = \"PCMA\" }").audio.expect("one");
    assert_eq!((alaw.send_payload_type, alaw.clock_rate), (8, 8_000));
}

#[test]
fn every_key_is_read() {
    let video = tracks(
        r#"[endpoint.video]
        listen = "0.0.0.0:5004"
        rtcp = "[::1]:6000"
        from = ["192.0.2.7", "2001:db8::/32"]
        codec = "VP9"
        payload_type = 98
        clock_rate = 90_000
        fmtp = "profile-id=0"
        send_to = "192.0.2.9:5006"
        send_rtcp = "192.0.2.9:7000"
        send_payload_type = 99
        publishers = 16
        cache_kib = 64
        keyframe_interval_ms = 100
        nack_ms = 0
        silence_ms = 60000
        playout_delay_ms = [0, 40950]
        bitrate = "median""#,
    )
    .video
    .expect("a track");
    let networks = ["192.0.2.7", "2001:db8::/32"].map(|text| Prefix::parse(text).expect(text));
    let expected = TrackConfig {
        listen: Some(addr("0.0.0.0:5004")),
        rtcp: RtcpPlace::At(addr("[::1]:6000")),
        from: networks.to_vec(),
        payload_type: Some(98),
        fmtp: Some("profile-id=0".to_owned()),
        send_to: Some(addr("192.0.2.9:5006")),
        send_rtcp: Some(addr("192.0.2.9:7000")),
        send_payload_type: 99,
        publishers: 16,
        cache: 65_536,
        keyframe_interval: Duration::from_millis(100),
        nack: Duration::ZERO,
        silence: Duration::from_secs(60),
        playout_delay: Some((Duration::ZERO, Duration::from_millis(40_950))),
        bitrate: BitratePolicy::Median,
        ..TrackConfig::new(Codec::Vp9)
    };
    assert_eq!(video, expected);
}

#[test]
fn rtcp_is_at_the_next_port_unless_it_is_placed() {
    let video = |keys: &str| {
        let text = format!("[endpoint.video]\ncodec = \"AV1\"\n{keys}");
        tracks(&text).video.expect("a track")
    };
    let plain = video("listen = \"127.0.0.1:5004\"\nsend_to = \"[2001:db8::1]:5006\"");
    assert_eq!(plain.rtcp, RtcpPlace::At(addr("127.0.0.1:5005")));
    assert_eq!(plain.send_rtcp, Some(addr("[2001:db8::1]:5007")));
    let local: Vec<SocketAddr> = plain.local_addresses().collect();
    assert_eq!(local, [addr("127.0.0.1:5004"), addr("127.0.0.1:5005")]);
    let muxed = video("listen = \"127.0.0.1:65535\"\nrtcp = \"mux\"\npayload_type = 96");
    assert_eq!(muxed.rtcp, RtcpPlace::Mux);
    assert_eq!(muxed.local_addresses().count(), 1);
    assert_eq!(
        (muxed.payload_type, muxed.send_payload_type),
        (Some(96), 96)
    );
}

#[test]
fn faults_have_the_line_of_their_key() {
    // The key is on line 6 of the file, below the table's header and its codec.
    for (key, fault) in [
        (
            "listen = \"camera:5004\"",
            "listen \"camera:5004\" is not an address",
        ),
        (
            "listen = \"0.0.0.0:5004\"",
            "listen 0.0.0.0:5004 is open to other machines",
        ),
        (
            "listen = \"[::]:5004\"",
            "listen [::]:5004 is open to other machines",
        ),
        (
            "listen = \"127.0.0.1:65535\"",
            "listen 127.0.0.1:65535 leaves no port",
        ),
        (
            "listen = \"239.1.2.3:5004\"",
            "listen 239.1.2.3:5004 is a group",
        ),
        ("rtcp = \"mux\"", " has rtcp or from without listen"),
        ("from = [\"local\"]", "from: \"local\" is neither"),
        ("from = []", "from is empty"),
        ("payload_type = 128", "payload_type must be from 0 to 127"),
        (
            "payload_type = 0",
            "payload_type 0 is that of another codec",
        ),
        (
            "payload_type = 26",
            "payload_type 26 is that of another codec",
        ),
        (
            "send_payload_type = 9",
            "send_payload_type 9 is that of another codec",
        ),
        (
            "clock_rate = 48000",
            "clock_rate of VP8 is 90000, not 48000",
        ),
        ("channels = 1", "channels is for sound: VP8 has none"),
        ("fmtp = \"\"", "fmtp must be one line"),
        ("fmtp = \"a\\nb\"", "fmtp must be one line"),
        ("fmtp = \"ü\"", "fmtp must be one line"),
        (
            "send_to = \"0.0.0.0:5006\"",
            "send_to 0.0.0.0:5006 is nowhere",
        ),
        (
            "send_to = \"127.0.0.1:65535\"",
            "send_to 127.0.0.1:65535 leaves no port",
        ),
        (
            "send_rtcp = \"127.0.0.1:5007\"",
            "send_rtcp without endpoint.video.send_to",
        ),
        ("publishers = 0", "publishers must be from 1 to 16"),
        ("cache_kib = 65537", "cache_kib must be from 0 to 65536"),
        (
            "keyframe_interval_ms = 99",
            "keyframe_interval_ms must be from 100",
        ),
        ("nack_ms = 5001", "nack_ms must be from 0 to 5000"),
        ("silence_ms = 60001", "silence_ms must be from 100"),
        (
            "playout_delay_ms = [40960, 40960]",
            "playout_delay_ms must be from 0 to 40950",
        ),
        (
            "playout_delay_ms = [20, 10]",
            "playout_delay_ms must be [least, most]",
        ),
        (
            "playout_delay_ms = [0, 15]",
            "playout_delay_ms must be [least, most]",
        ),
        (
            "playout_delay_ms = [0]",
            "playout_delay_ms must be [least, most]",
        ),
        (
            "playout_delay_ms = 10",
            "playout_delay_ms must be a list of whole numbers",
        ),
        (
            "bitrate = \"high\"",
            "bitrate must be lowest, median or off",
        ),
        ("framing = \"line\"", "framing"),
    ] {
        let found = faults(&format!("[endpoint.video]\ncodec = \"VP8\"\n{key}"));
        let key_is_unknown = key.starts_with("framing");
        let begin = if key_is_unknown {
            "6: unknown key endpoint.video"
        } else {
            "6: endpoint.video"
        };
        let [found] = found.as_slice() else {
            panic!("{key}: {found:?}")
        };
        let rest = found
            .strip_prefix(begin)
            .unwrap_or_else(|| panic!("{found}"));
        assert!(rest.trim_start_matches('.').starts_with(fault), "{found}");
    }
}

#[test]
fn a_codec_belongs_to_its_table() {
    for (text, fault) in [
        ("", "1: endpoint without [endpoint.video]"),
        ("video = {}", "4: endpoint.video without codec"),
        (
            "video = { codec = \"opus\" }",
            "4: endpoint.video.codec must be H264, H265, VP8, VP9 or AV1, not \"opus\"",
        ),
        (
            "audio = { codec = \"VP8\" }",
            "4: endpoint.audio.codec must be opus, PCMU, PCMA or G722, not \"VP8\"",
        ),
        (
            "audio = { codec = \"opus\", channels = 1 }",
            "4: endpoint.audio.channels of opus is 2, not 1",
        ),
        ("video = \"VP8\"", "4: endpoint.video must be a table"),
        (
            "messages = \"text\"\nvideo = { codec = \"VP8\" }",
            "4: unknown key endpoint.messages",
        ),
        (
            "writers = \"one\"\nvideo = { codec = \"VP8\" }",
            "4: unknown key endpoint.writers",
        ),
    ] {
        let found = faults(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(fault), "{text}: {found:?}");
    }
}

#[test]
fn rtcp_at_the_port_of_rtp_bounds_the_payload_types() {
    let listen = "listen = \"127.0.0.1:5004\"\n";
    let video = |keys: &str| format!("[endpoint.video]\ncodec = \"VP8\"\n{keys}");
    tracks(&video(&format!("{listen}payload_type = 72")));
    let muxed = faults(&video(&format!(
        "{listen}rtcp = \"mux\"\npayload_type = 72"
    )));
    assert!(
        muxed[0].starts_with("8: endpoint.video.payload_type 72 cannot be told"),
        "{muxed:?}"
    );
    let to = "send_to = \"192.0.2.7:5004\"\n";
    tracks(&video(&format!("{to}send_payload_type = 72")));
    let same = format!("{to}send_rtcp = \"192.0.2.7:5004\"\nsend_payload_type = 72");
    let muxed = faults(&video(&same));
    assert!(
        muxed[0].starts_with("8: endpoint.video.send_payload_type 72 cannot"),
        "{muxed:?}"
    );
    let same = faults(&video(&format!("{listen}rtcp = \"127.0.0.1:5004\"")));
    assert!(
        same[0].contains("rtcp = \"mux\" receives both there"),
        "{same:?}"
    );
}

#[test]
fn no_two_tracks_have_the_same_local_port() {
    let within = faults(
        "[endpoint.video]\ncodec = \"VP8\"\nlisten = \"127.0.0.1:5004\"\n\
         [endpoint.audio]\ncodec = \"opus\"\nlisten = \"127.0.0.1:5005\"\nrtcp = \"mux\"\n",
    );
    assert_eq!(
        within,
        [
            "9: endpoint.audio.listen 127.0.0.1:5005 is already endpoint.video.rtcp (the port after listen) of the \
          same endpoint"
        ]
    );
    let one = |name: &str, port: u16| {
        format!(
            "[[endpoint]]\nname = \"{name}\"\nkind = \"rtp\"\n[endpoint.video]\ncodec = \"VP8\"\n\
             from = [\"::/0\"]\nlisten = \"[::]:{port}\"\n"
        )
    };
    let both = |a, b| Config::parse(&(one("left", a) + &one("right", b)));
    both(5004, 5006).expect("two pairs of ports");
    let faults = both(5004, 5003).expect_err("the same port");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        faults[0].to_string(),
        "14: endpoint.video.rtcp (the port after listen) [::]:5004 is already endpoint.video.listen of endpoint \
         \"left\" at line 1"
    );
    let mut endpoints = both(5004, 5006).expect("two").endpoints;
    let (right, left) = (endpoints.remove(1), endpoints.remove(0));
    assert!(!left.shares_with(&right));
    let other = Config::parse(&one("other", 5005))
        .expect("one")
        .endpoints
        .remove(0);
    assert!(left.shares_with(&other) && right.shares_with(&other));
}
