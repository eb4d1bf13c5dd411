//! The offers of one session, one after the other: sections come, change, stop, and come again, as no browser
//! would have it. No offer that passes our checks may be one that str0m fails at.

use proptest::prelude::*;

use crate::fuzz;

const TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
    a=fingerprint:sha-256 91:45:EF:3F:05:48:1D:15:C5:6E:FB:4F:CE:27:9C:48:05:01:EA:DB:2C:A9:DB:B4:\
    9E:EB:0F:C5:2A:34:FD:BA\r\na=setup:actpass\r\na=rtcp-mux\r\n";

/// The kind, the name, the direction, whether it is stopped, and the number of the first payload type.
type Section = (u8, u8, &'static str, bool, u8);

fn a_section() -> impl Strategy<Value = Section> {
    const DIRECTIONS: &[&str] = &["sendrecv", "sendonly", "recvonly", "inactive"];
    (
        0..8_u8,
        0..6_u8,
        prop::sample::select(DIRECTIONS),
        prop::bool::weighted(0.15),
        prop_oneof![6 => Just(96_u8), 1 => Just(100), 1 => 35..64_u8],
    )
}

fn write((kind, mid, direction, is_stopped, first): Section, text: &mut String) {
    let port = if is_stopped { 0 } else { 9 };
    let pt = |n: u8| first + n;
    text.push_str(&match kind {
        0 => format!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel\r\n"),
        1..4 => format!("m=audio {port} UDP/TLS/RTP/SAVPF {} 0\r\n", pt(10)),
        _ => format!(
            "m=video {port} UDP/TLS/RTP/SAVPF {} {} {} {}\r\n",
            pt(0),
            pt(1),
            pt(2),
            pt(3)
        ),
    });
    text.push_str(TRANSPORT);
    text.push_str(&format!("a=mid:{mid}\r\na={direction}\r\n"));
    text.push_str(&match kind {
        0 => "a=sctp-port:5000\r\n".to_owned(),
        1..4 => format!("a=rtpmap:{} opus/48000/2\r\n", pt(10)),
        _ => format!(
            "a=rtpmap:{0} VP8/90000\r\na=rtpmap:{1} rtx/90000\r\na=fmtp:{1} apt={0}\r\n\
             a=rtpmap:{2} H264/90000\r\na=fmtp:{2} packetization-mode=1;profile-level-id=42e01f\r\n\
             a=rtpmap:{3} rtx/90000\r\na=fmtp:{3} apt={2}\r\na=ssrc:{4} cname:x\r\n",
            pt(0),
            pt(1),
            pt(2),
            pt(3),
            u32::from(mid) + 7
        ),
    });
}

fn an_offer() -> impl Strategy<Value = String> {
    prop::collection::vec(a_section(), 1..7).prop_map(|mut sections| {
        // One name is one section.
        let mut names = std::collections::BTreeSet::new();
        sections.retain(|(_, mid, ..)| names.insert(*mid));
        let mids: Vec<String> = sections
            .iter()
            .map(|(_, mid, ..)| mid.to_string())
            .collect();
        let mut text = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
            mids.join(" ")
        );
        for section in sections {
            write(section, &mut text);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sections_come_and_go_and_str0m_takes_it(offers in prop::collection::vec(an_offer(), 2..9)) {
        fuzz::reoffer(offers.join("\0").as_bytes());
    }
}
