//! Descriptions of many libraries: the text that str0m sees of them, and the answers.

use super::*;

const DIGEST: &str = "0a:1b:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9";

fn offer() -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE data\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:data\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
         a=fingerprint:sha-256 {DIGEST}\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
    )
}

/// An answer of str0m to [`DataChannel::to_text`], abridged.
const ANSWER: &str = "v=0\r\no=- 5 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic:WMS *\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=candidate:1 1 udp 1 192.0.2.9 5 typ host\r\n\
    a=mid:0\r\na=ice-ufrag:mine\r\na=sctp-port:5000\r\na=max-message-size:1048576\r\n";

fn shown(offer: &str) -> String {
    check_offer(offer.as_bytes(), &[])
        .expect("good")
        .to_text("0")
}

fn answered(offer: &str) -> String {
    check_offer(offer.as_bytes(), &[])
        .expect("good")
        .answer(ANSWER)
}

fn refused(offer: &str) -> SdpError {
    check_offer(offer.as_bytes(), &[]).expect_err("a fault")
}

#[test]
fn a_good_offer_is_read() {
    let good = offer();
    let read = check_offer(good.as_bytes(), &[]).expect("good");
    assert_eq!((read.max_message(), read.ufrag()), (65_536, "abcd"));
    let small = good.replace("262144", "1200");
    assert_eq!(
        check_offer(small.as_bytes(), &[]).unwrap().max_message(),
        1200
    );
    let unlimited = good.replace("262144", "0");
    let unlimited = check_offer(unlimited.as_bytes(), &[]).unwrap();
    assert_eq!(unlimited.max_message(), 65_536);
    // A description may end without a line end, or with a superfluous blank line.
    for ending in ["", "\r\n", "\n\n", " \r\n"] {
        assert_eq!(shown(&(good.trim_end().to_owned() + ending)), shown(&good));
    }
}

#[test]
fn of_many_candidates_the_first_are_checked() {
    let line = |n: usize| format!("a=candidate:{n} 1 udp 1 192.0.2.{n} 5 typ host\r\n");
    let few = offer() + &(0..16).map(line).collect::<String>();
    let others = "a=candidate:t 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n\
                  a=candidate:m 1 udp 1 x.local 5 typ host\r\n";
    let many = few.clone() + others + &(16..60).map(line).collect::<String>() + "a=x\r\n";
    assert_eq!(shown(&few), shown(&many));
    assert_eq!(shown(&few).matches("a=candidate:").count(), 16);
    assert_eq!(check_offer(many.as_bytes(), &[]).unwrap().candidates(), 16);
}

/// Checks that every section keeps its place and its name (RFC 3264 §6, RFC 9143 §7.3). A media section that
/// shares our transport is inactive, and any other is rejected.
#[test]
fn of_an_offer_with_media_the_data_channel_is_taken() {
    let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:a\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=bundle-only\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 packetization-mode=1\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
    let bundled = offer()
        .replace("BUNDLE data", "BUNDLE a v data")
        .replace("m=application", &(media.to_owned() + "m=application"));
    // The candidates of a bundle are in its first section.
    let of_media = "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n";
    assert_eq!(shown(&bundled), shown(&(offer() + of_media)));
    let ours = "a=candidate:1 1 udp 1 192.0.2.9 5 typ host\r\n";
    let session = "v=0\r\no=- 5 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    let data = format!(
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n{ours}a=mid:data\r\n\
         a=ice-ufrag:mine\r\na=sctp-port:5000\r\na=max-message-size:65536\r\n"
    );
    let audio = "UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=inactive\r\na=rtpmap:111 opus/48000/2\r\n";
    let video = "UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=inactive\r\na=rtpmap:96 H264/90000\r\n\
        a=fmtp:96 packetization-mode=1\r\n";
    let transport = format!("a=rtcp-mux\r\n{ours}a=ice-ufrag:mine\r\n");
    assert_eq!(
        answered(&bundled),
        format!(
            "{session}a=group:BUNDLE a v data\r\na=msid-semantic:WMS *\r\n\
             m=audio 9 {audio}{transport}m=video 9 {video}{transport}{data}"
        )
    );
    let credentials = "a=ice-ufrag:mine\r\n";
    // These media sections cannot share the transport: one is outside the bundle, one does not multiplex
    // RTCP.
    for apart in [
        bundled.replace("BUNDLE a v data", "BUNDLE data"),
        bundled.replace("a=rtcp-mux\r\n", ""),
    ] {
        assert_eq!(
            answered(&apart),
            format!(
                "{session}a=group:BUNDLE data\r\na=msid-semantic:WMS *\r\n\
                 m=audio 0 {audio}{credentials}m=video 0 {video}{credentials}{data}"
            )
        );
    }
    // Candidates of another transport are not ours.
    let apart = bundled.replace(
        "a=ice-ufrag:abcd\r\na=candidate",
        "a=ice-ufrag:else\r\na=candidate",
    );
    assert_eq!(shown(&apart), shown(&offer()));
    // The transport may be described only in the first section.
    let transport = "a=ice-pwd:0123456789012345678901\r\n";
    let first_only = bundled
        .replace(
            "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup",
            "a=setup",
        )
        .replace(
            "a=ice-ufrag:abcd\r\na=candidate",
            &format!("a=ice-ufrag:abcd\r\n{transport}a=candidate"),
        );
    assert_eq!(shown(&first_only), shown(&bundled));
}

#[test]
fn without_a_group_or_names_there_are_none_in_the_answer() {
    let no_group = offer().replace("a=group:BUNDLE data\r\n", "");
    assert_eq!(shown(&no_group), shown(&offer()));
    let answer = answered(&no_group);
    assert!(
        !answer.contains("a=group") && answer.contains("a=mid:data\r\n"),
        "{answer}"
    );
    let no_name = no_group.replace("a=mid:data\r\n", "");
    assert_eq!(shown(&no_name), shown(&offer()));
    assert!(!answered(&no_name).contains("a=mid"));
    // This name is longer than any that str0m keeps.
    let long = offer().replace(" data\r\n", " a-rather-long-name-of-a-section\r\n");
    let long = long.replace("mid:data", "mid:a-rather-long-name-of-a-section");
    let answer = answered(&long);
    assert!(answer.contains("a=mid:a-rather-long-name-of-a-section\r\n"));
    assert!(answer.contains("a=group:BUNDLE a-rather-long-name-of-a-section\r\n"));
}

#[test]
fn an_offer_of_before_rfc_8841_is_answered_in_its_words() {
    let old = offer()
        .replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000")
        .replace("a=sctp-port:5000", "a=sctpmap:5000 webrtc-datachannel 1024");
    assert_eq!(shown(&old), shown(&offer()));
    let answer = answered(&old);
    assert!(
        answer.contains("m=application 9 DTLS/SCTP 5000\r\n"),
        "{answer}"
    );
    assert!(answer.contains("a=sctpmap:5000 webrtc-datachannel 1024\r\n"));
    assert!(!answer.contains("sctp-port"));
}

/// Checks that of several fingerprints the first comparable one is used (RFC 8122 §5).
#[test]
fn of_several_fingerprints_the_one_is_taken_that_we_can_compare() {
    let line = format!("a=fingerprint:sha-256 {DIGEST}\r\n");
    let several = format!(
        "a=fingerprint:sha-1 00:11\r\na=fingerprint:SHA-256 {DIGEST}\r\na=fingerprint:sha-512 22:33\r\n"
    );
    assert!(shown(&offer()).contains(&format!(
        "a=fingerprint:sha-256 {}\r\n",
        DIGEST.to_uppercase()
    )));
    assert_eq!(shown(&offer().replace(&line, &several)), shown(&offer()));
    // The section's fingerprint has priority over the session's. The session's is for all sections without
    // one.
    let other = format!(
        "a=fingerprint:sha-256 {}\r\nm=application",
        DIGEST.replace('0', "1")
    );
    assert_eq!(
        shown(&offer().replace("m=application", &other)),
        shown(&offer())
    );
    let of_session = offer()
        .replace(&line, "")
        .replace("m=application", &format!("{line}m=application"));
    assert_eq!(shown(&of_session), shown(&offer()));
    // No fingerprint is usable.
    for (fingerprint, told) in [
        (
            "sha-1 00:11",
            "line 12: no fingerprint that can be compared",
        ),
        (
            "sha-256 00:11",
            "line 12: a sha-256 fingerprint has 32 pairs",
        ),
        ("sha-256", "line 12: not of the form <hash> <fingerprint>"),
    ] {
        let bad = offer().replace(&line, &format!("a=fingerprint:{fingerprint}\r\n"));
        assert!(
            refused(&bad).to_string().starts_with(told),
            "{}",
            refused(&bad)
        );
    }
}

#[test]
fn a_bad_offer_is_told_what_and_where() {
    let good = offer();
    let cases = [
        ("".to_owned(), "", "empty"),
        (good.replace("v=0", "v=1"), "line 1", "v=0"),
        (good.replace("s=-", "sess"), "line 3", "<letter>=<value>"),
        (good.replace("s=-", ""), "line 3", "<letter>=<value>"),
        (good.replace("262144", "many"), "line 14", "not a number"),
        (good.replace("a=ice-ufrag:abcd\r\n", ""), "", "ice-ufrag"),
        (
            good.replace("ufrag:abcd", "ufrag:abc"),
            "line 9",
            "4 to 256",
        ),
        (
            good.replace("ice-pwd:0123456", "ice-pwd:"),
            "line 10",
            "22 to 256",
        ),
        (good.replace("a=ice-pwd", "a=x"), "", "ice-pwd"),
        (good.replace("a=fingerprint", "a=x"), "", "a=fingerprint"),
        (good.replace("actpass", "holdconn"), "line 11", "actpass"),
        (good.replace("application", "audio"), "", "no data channel"),
        (
            good.replace("m=application 9", "m=application 0"),
            "line 6",
            "the port is 0",
        ),
        (
            good.replace("UDP/DTLS/SCTP", "UDP/BFCP"),
            "line 6",
            "no data channel of WebRTC",
        ),
        (
            good.replace(" UDP/DTLS/SCTP webrtc-datachannel", ""),
            "line 6",
            "m=<media> <port>",
        ),
        ("v=0\r\ns=-\r\n".to_owned(), "", "no m= line"),
        (good.clone() + "a=candidate:x\r\n", "line 15", "eight parts"),
        (
            good.clone() + &"a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n".repeat(65),
            "line 79",
            "more than 64",
        ),
        (
            good.clone() + &"a=x\r\n".repeat(2_000),
            "line 2001",
            "more than 2000 lines",
        ),
        (
            good + &"m=audio 9 X 0\r\n".repeat(32),
            "line 46",
            "more than 32",
        ),
    ];
    for (offer, place, detail) in cases {
        let error = refused(&offer);
        assert_eq!(error.place, place, "{error}");
        assert!(error.detail.contains(detail), "{error}");
    }
    let error = check_offer(b"v=0\r\ns=\xff\r\n", &[]).expect_err("not text");
    assert_eq!(error.to_string(), "line 2: not UTF-8");
}

#[test]
fn our_own_descriptions_announce_what_we_keep() {
    let mended = mend("v=0\r\na=max-message-size:262144\r\na=x\r\n");
    assert_eq!(mended, "v=0\r\na=max-message-size:65536\r\na=x\r\n");
}
