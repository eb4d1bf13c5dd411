//! Datagrams of FFmpeg and GStreamer, what we write ourselves, and lies.

use data_encoding::HEXLOWER;

use super::*;

/// FFmpeg 5.1 at the start of a stream: a sender report without a description.
const FFMPEG: &str = "80c80006cd52fb65eeb851bf1645a1ca3fbeba040000000000000000";

/// GStreamer 1.22, `rtpbin`, with the SSRC 0x12345678 at the end of a stream: SR, SDES with CNAME and TOOL, BYE.
const SENDER: &str = "80c8000612345678eeb851f0faecaeea34fd1a9100000df800203ea681ca000c12345678011c7573657\
    23132313030393535333240686f73742d393736623766356606094753747265616d657200000081cb000112345678";

/// `rtpbin` with the profile AVPF, as a receiver that misses packets: RR with a block, SDES, PLI, NACK.
const RECEIVER: &str = "81c900074629781c123456781900001000003fb6000000025247664000000ecc81ca000c4629781c01\
    1c757365723133383035343134303540686f73742d343762653930623406094753747265616d657200000081ce00024629781c1\
    234567881cd00054629781c123456783f7b08003f9380013fad0001";

/// `rtpbin` between its regular reports: an empty RR, SDES with CNAME alone, PLI.
const EARLY_PLI: &str = "80c900014629781c81ca00094629781c011c757365723133383035343134303540686f73742d343762\
    6539306234000081ce00024629781c12345678";
const EARLY_PLI_CNAME: &str = "user1380541405@host-47be90b4";

/// The same of a receiver that was told to send FIR.
const EARLY_FIR: &str = "80c90001ddd6210581ca0009ddd62105011c757365723231323536343533333040686f73742d623635\
    6531343833000084ce0004ddd62105000000001234567813000000";
const EARLY_FIR_CNAME: &str = "user2125645330@host-b65e1483";

/// The report of that receiver: the one block, and a description with CNAME and TOOL.
const REPORT: &str = "81c90007ddd62105123456780f00003c00003fe4000000055238228300001b87";

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hex")
}

fn read(datagram: &[u8]) -> (Vec<Feedback>, Result<(), RtcpFault>) {
    let mut all = Vec::new();
    let result = parse(datagram, |feedback| all.push(feedback));
    (all, result)
}

/// Reads a datagram that must have no fault.
fn good(datagram: &[u8]) -> Vec<Feedback> {
    let (all, result) = read(datagram);
    assert_eq!(result, Ok(()));
    all
}

const BLOCK: ReportBlock = ReportBlock {
    about: 0x1234_5678,
    fraction_lost: 0x0f,
    lost: 0x3c,
    highest: 0x3fe4,
    jitter: 5,
    last_report: 0x5238_2283,
    delay: 0x1b87,
};

#[test]
fn the_sender_reports_of_ffmpeg_and_gstreamer_are_read() {
    let report = Feedback::SenderReport {
        ssrc: 0xcd52_fb65,
        sent: Sent {
            ntp: 0xeeb8_51bf_1645_a1ca,
            rtp: 0x3fbe_ba04,
            packets: 0,
            octets: 0,
        },
    };
    assert_eq!(good(&bytes(FFMPEG)), [report]);
    let ssrc = 0x1234_5678;
    let report = Feedback::SenderReport {
        ssrc,
        sent: Sent {
            ntp: 0xeeb8_51f0_faec_aeea,
            rtp: 0x34fd_1a91,
            packets: 0x0df8,
            octets: 0x0020_3ea6,
        },
    };
    let bye = Feedback::Bye { ssrc };
    assert_eq!(good(&bytes(SENDER)), [report, Feedback::Other, bye]);
}

#[test]
fn the_feedback_of_gstreamer_is_read() {
    let (ssrc, about) = (0x4629_781c, 0x1234_5678);
    let block = ReportBlock {
        about,
        fraction_lost: 0x19,
        lost: 0x10,
        highest: 0x3fb6,
        jitter: 2,
        last_report: 0x5247_6640,
        delay: 0x0ecc,
    };
    // 3f7b with the bit of the 12th after it, 3f93 with the 16th and the 1st, 3fad with the 1st.
    let lost = [0x3f7b, 0x3f87, 0x3f93, 0x3f94, 0x3fa3, 0x3fad, 0x3fae];
    let mut expected = vec![
        Feedback::ReceiverReport { ssrc, block },
        Feedback::Other,
        Feedback::PictureLoss { ssrc, about },
    ];
    expected.extend(lost.map(|sequence| Feedback::Nack {
        ssrc,
        about,
        sequence,
    }));
    assert_eq!(good(&bytes(RECEIVER)), expected);
    let request = Feedback::FullIntra {
        ssrc: 0xddd6_2105,
        about,
        request: 0x13,
    };
    assert_eq!(good(&bytes(EARLY_FIR)), [Feedback::Other, request]);
}

#[test]
fn what_is_written_equals_what_gstreamer_wrote() {
    let mut ours = Vec::new();
    write_report(&mut ours, 0x4629_781c, None, &[], EARLY_PLI_CNAME);
    write_picture_loss(&mut ours, 0x4629_781c, 0x1234_5678);
    assert_eq!(HEXLOWER.encode(&ours), EARLY_PLI);
    ours.clear();
    write_report(&mut ours, 0xddd6_2105, None, &[], EARLY_FIR_CNAME);
    write_full_intra(&mut ours, 0xddd6_2105, 0x1234_5678, 0x13);
    assert_eq!(HEXLOWER.encode(&ours), EARLY_FIR);
    ours.clear();
    write_report(&mut ours, 0xddd6_2105, None, &[BLOCK], "");
    assert_eq!(HEXLOWER.encode(&ours[..32]), REPORT);
    let Some(Feedback::SenderReport { ssrc, sent }) = good(&bytes(SENDER)).first().copied() else {
        panic!("no report");
    };
    ours.clear();
    write_report(&mut ours, ssrc, Some(&sent), &[], "name");
    assert_eq!(ours[..28], bytes(SENDER)[..28]);
    ours.clear();
    write_bye(&mut ours, ssrc);
    assert!(bytes(SENDER).ends_with(&ours) && ours.len() == 8);
}

#[test]
fn what_is_written_is_read() {
    let sent = Sent {
        ntp: u64::MAX,
        rtp: 1,
        packets: u32::MAX,
        octets: 3,
    };
    let lost = [0, 1, -1, MAX_LOST, -0x80_0000];
    let blocks = lost.map(|lost| ReportBlock { lost, ..BLOCK });
    let mut datagram = Vec::new();
    write_report(&mut datagram, 7, Some(&sent), &blocks, "a name");
    write_picture_loss(&mut datagram, 7, 8);
    write_full_intra(&mut datagram, 7, 9, 255);
    write_estimate(&mut datagram, 7, &[8, 9], 2_500_000);
    write_bye(&mut datagram, 7);
    let ssrc = 7;
    let mut expected = vec![Feedback::SenderReport { ssrc, sent }];
    expected.extend(blocks.map(|block| Feedback::ReceiverReport { ssrc, block }));
    expected.extend([
        Feedback::Other,
        Feedback::PictureLoss { ssrc, about: 8 },
        Feedback::FullIntra {
            ssrc,
            about: 9,
            request: 255,
        },
        Feedback::Estimate {
            ssrc,
            bitrate: 2_500_000,
        },
        Feedback::Bye { ssrc },
    ]);
    assert_eq!(good(&datagram), expected);
}

const MAX_LOST: i32 = 0x7f_ffff;

#[test]
fn what_is_too_much_to_write_is_cut() {
    let lost = [i32::MAX, i32::MIN];
    let blocks = lost.map(|lost| ReportBlock { lost, ..BLOCK }).repeat(20);
    let mut datagram = Vec::new();
    // The 255th byte is within the last character.
    write_report(&mut datagram, 1, None, &blocks, &"ä".repeat(128));
    let read = good(&datagram);
    assert_eq!(read.len(), 31 + 1);
    for (feedback, lost) in read.iter().zip([MAX_LOST, -0x80_0000].repeat(16)).take(31) {
        let block = ReportBlock { lost, ..BLOCK };
        assert_eq!(*feedback, Feedback::ReceiverReport { ssrc: 1, block });
    }
    let description = &datagram[8 + 31 * 24..];
    assert_eq!(description[8..12], [1, 254, 0xc3, 0xa4]);
    datagram.clear();
    write_estimate(&mut datagram, 1, &[5; 300], u64::MAX);
    assert_eq!(datagram.len(), 12 + 8 + 4 * 255);
    assert_eq!(good(&datagram).len(), 1);
}

#[test]
fn statements_before_a_fault_count() {
    let whole = bytes(RECEIVER);
    let all = good(&whole);
    // The ends of RR, SDES, PLI and NACK, with the statements before them.
    let ends = [(32, 1), (84, 2), (96, 3), (120, 10)];
    for length in 0..whole.len() {
        let (read, result) = read(&whole[..length]);
        let before = ends.iter().rfind(|(end, _)| *end <= length);
        let (end, statements) = before.copied().unwrap_or((0, 0));
        assert_eq!(read, all[..statements], "{length}");
        let expected = match length - end {
            0 if length > 0 => Ok(()),
            0..4 => Err(RtcpFault::TooShort),
            _ => Err(RtcpFault::BadLength),
        };
        assert_eq!(result, expected, "{length}");
    }
    let mut other_version = whole.clone();
    other_version[32] = 0x41;
    let expected = (all[..1].to_vec(), Err(RtcpFault::BadVersion));
    assert_eq!(read(&other_version), expected);
    let mut rtp = whole;
    rtp[33] = 96;
    let expected = (all[..1].to_vec(), Err(RtcpFault::NotRtcp));
    assert_eq!(read(&rtp), expected);
}

#[test]
fn counts_beyond_the_packet_are_faults() {
    for packet in [
        // A sender report shorter than its fixed part, reports with a block less than they claim, a BYE with a
        // source less, one whose reason is longer than the packet, feedback without sources, FIR without an
        // entry, REMB with a source less.
        &[&[0x80, 200, 0, 5][..], &[0; 20]].concat(),
        &[&[0x81, 200, 0, 6][..], &[0; 24]].concat(),
        &[&[0x82, 201, 0, 7][..], &[0; 28]].concat(),
        &[0x82, 203, 0, 1, 0, 0, 0, 1][..],
        &[0x81, 203, 0, 2, 0, 0, 0, 1, 4, b'a', b'b', b'c'],
        &[0x81, 205, 0, 1, 0, 0, 0, 1],
        &[0x81, 206, 0, 1, 0, 0, 0, 1],
        &[0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
        &[&[0x8f, 206, 0, 4][..], &[0; 8], b"REMB\x01\0\0\x01"].concat(),
    ] {
        let expected = (vec![], Err(RtcpFault::BadLength));
        assert_eq!(read(packet), expected, "{packet:?}");
    }
}

#[test]
fn padding_is_no_content() {
    let (ssrc, about) = (1, 2);
    let pli = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    assert_eq!(good(&pli), [Feedback::PictureLoss { ssrc, about }]);
    let nack = [
        0xa1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, 0, 9, 9, 9, 4,
    ];
    let sequence = 3;
    let expected = Feedback::Nack {
        ssrc,
        about,
        sequence,
    };
    assert_eq!(good(&nack), [expected]);
    // Padding before the last packet is tolerated.
    let twice = [&pli[..], &nack].concat();
    assert_eq!(good(&twice).len(), 2);
    for padding in [0, 1, 3, 16, 20, 255] {
        let mut bad = pli;
        bad[15] = padding;
        assert_eq!(
            read(&bad),
            (vec![], Err(RtcpFault::BadPadding)),
            "{padding}"
        );
    }
    // Padding over the sources, and in a packet that has nothing else.
    let mut over = pli;
    over[15] = 8;
    assert_eq!(read(&over), (vec![], Err(RtcpFault::BadLength)));
    assert_eq!(read(&[0xa0, 203, 0, 0]).1, Err(RtcpFault::BadPadding));
    // A sender report of which padding is a part.
    let mut report = [&[0xa0, 200, 0, 6][..], &[0; 24]].concat();
    report[27] = 4;
    assert_eq!(read(&report), (vec![], Err(RtcpFault::BadLength)));
}

#[test]
fn rtcp_is_told_from_rtp() {
    for datagram in [FFMPEG, SENDER, RECEIVER, EARLY_FIR] {
        assert!(is_rtcp(&bytes(datagram)));
    }
    for second in 0..=255 {
        assert_eq!(is_rtcp(&[0x80, second]), (192..=223).contains(&second));
        assert!(!is_rtcp(&[0x40, second]) && !is_rtcp(&[0x80]) && !is_rtcp(&[]));
    }
}

#[test]
fn unknown_packets_are_passed_over() {
    let kinds = (192..=223).filter(|kind| !matches!(kind, 200 | 201 | 203 | 205 | 206));
    for kind in kinds {
        assert_eq!(good(&[0x80, kind, 0, 0]), [Feedback::Other], "{kind}");
    }
    // Feedback of other formats: transport-wide congestion control, slice loss, another of application layer.
    for (first, kind) in [(0x8f, 205), (0x80, 205), (0x82, 206), (0x8f, 206)] {
        let packet = [
            first, kind, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, b'A', b'F', b'B', b'1',
        ];
        assert_eq!(good(&packet), [Feedback::Other]);
    }
    // A BYE of no source, and an empty report.
    assert_eq!(good(&[0x80, 203, 0, 0]), []);
    assert_eq!(good(&[0x80, 201, 0, 1, 0, 0, 0, 1]), []);
}

#[test]
fn lost_packets_are_bounded_over_the_whole_datagram() {
    // 17 packets an entry: 61 entries are more than the bound.
    let mut nack = vec![0x81, 205, 0, 2 + 31, 0, 0, 0, 1, 0, 0, 0, 2];
    nack.extend([0, 1, 0xff, 0xff].repeat(31));
    assert_eq!(good(&nack).len(), 31 * 17);
    let (read, result) = read(&nack.repeat(2));
    assert_eq!(result, Err(RtcpFault::TooManyNacks));
    assert_eq!(read.len(), crate::limits::NACKS);
}

#[test]
fn faults_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = RtcpFault::ALL.map(RtcpFault::as_str).into();
    assert_eq!(names.len(), RtcpFault::ALL.len());
    // They stand in the API beside other reasons, which have hyphens.
    assert!(names.iter().all(|name| !name.contains('_')), "{names:?}");
}
