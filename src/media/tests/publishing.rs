//! What browsers send, on its way to a local program.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::clocks::Clocks;
use super::super::publisher::Publisher;
use super::super::rtp;
use super::super::track::Track;
use crate::codec::Codec;
use crate::config::TrackConfig;
use crate::limits;
use crate::transceiver::{IncomingPacket, SenderReport, TransceiverKey};
use crate::util::slab::Id;

fn track() -> Track {
    let mut config = TrackConfig::new(Codec::Vp8);
    config.send_to = Some(([127, 0, 0, 1], 6000).into());
    Track::new(Id::from_bits(1), "talk", config, 100)
}

fn publisher(number: u64) -> Publisher {
    Publisher {
        session: Id::from_bits(number),
        section: TransceiverKey(0),
    }
}

/// Passes a packet to the track. Returns the SSRC, the sequence number and the timestamp that go on.
fn send(
    track: &mut Track,
    from: u64,
    ssrc: u32,
    sequence: u64,
    len: usize,
) -> Option<(u32, u16, u32)> {
    let timestamp = u32::try_from(sequence * 3_000).unwrap();
    let packet = IncomingPacket {
        ssrc,
        sequence,
        timestamp,
        marker: false,
        payload: Arc::from(vec![0; len]),
        color_space: None,
        report: None,
    };
    pass(track, from, packet)
}

fn pass(track: &mut Track, from: u64, packet: IncomingPacket) -> Option<(u32, u16, u32)> {
    let (mut clocks, mut datagram) = (Clocks::default(), Vec::new());
    let from = publisher(from);
    track.handle_published(Instant::now(), from, packet, &mut clocks, &mut datagram);
    let packet = rtp::parse(&datagram).ok()?;
    Some((packet.ssrc, packet.sequence, packet.timestamp))
}

#[test]
fn numbers_go_on_over_browsers_and_their_streams_and_none_comes_twice() {
    let mut track = track();
    assert!(track.publishers.add(publisher(1)));
    assert!(!track.publishers.add(publisher(2)), "one at a time");
    let numbers = |track: &mut Track, from, ssrc, sequence| {
        send(track, from, ssrc, sequence, 10).map(|(ssrc, sequence, _)| (ssrc, sequence))
    };
    assert_eq!(numbers(&mut track, 1, 7, 50), Some((101, 0)));
    assert_eq!(numbers(&mut track, 1, 7, 52), Some((101, 2)), "a gap stays");
    assert_eq!(
        numbers(&mut track, 1, 8, 50),
        Some((101, 3)),
        "another stream"
    );
    assert_eq!(numbers(&mut track, 1, 8, 49), None, "from before its first");
    assert_eq!(numbers(&mut track, 2, 9, 1), None, "a stranger");
    track.remove_publisher(publisher(1).session);
    assert!(track.publishers.add(publisher(2)));
    assert_eq!(numbers(&mut track, 2, 7, 9), Some((101, 4)));
    let started = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    let sent = track.publishers.sent(Instant::now(), started);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].0, sent[0].1.packets, sent[0].1.octets),
        (101, 4, 40)
    );
}

#[test]
fn a_packet_that_no_viewer_could_get_goes_nowhere() {
    let mut track = track();
    track.publishers.add(publisher(1));
    assert!(send(&mut track, 1, 7, 1, limits::RTP_PAYLOAD).is_some());
    assert_eq!(send(&mut track, 1, 7, 2, limits::RTP_PAYLOAD + 1), None);
}

#[test]
fn a_jump_of_a_browser_is_no_gap_for_those_who_follow() {
    let mut track = track();
    assert!(track.publishers.add(publisher(1)));
    let sequence = |track: &mut Track, sequence, timestamp| {
        let packet = IncomingPacket {
            ssrc: 7,
            sequence,
            timestamp,
            marker: false,
            payload: Arc::from([0; 10]),
            color_space: None,
            report: None,
        };
        pass(track, 1, packet).map(|(_, sequence, _)| sequence)
    };
    assert_eq!(sequence(&mut track, 50, 10), Some(0));
    assert_eq!(sequence(&mut track, 3_050, 20), Some(3_000), "a gap");
    assert_eq!(sequence(&mut track, 40_000, 30), Some(3_001), "a jump");
    assert_eq!(sequence(&mut track, 40_001, 40), Some(3_002));
    let far = 40 + 11 * 90_000;
    assert_eq!(
        sequence(&mut track, 40_500, far),
        Some(3_003),
        "a jump of the time"
    );
    assert_eq!(sequence(&mut track, 40_501, far + 10), Some(3_004));
}

/// A time of the browser's clock, in ms, as its reports have it.
fn ntp(milliseconds: u64) -> u64 {
    (milliseconds << 32) / 1_000
}

/// Passes a packet with the browser's newest report to a track that has no program. Returns the timestamp that goes on.
fn report(
    track: &mut Track,
    clocks: &mut Clocks,
    now: Instant,
    sequence: u64,
    of: SenderReport,
) -> u32 {
    let packet = IncomingPacket {
        ssrc: 7,
        sequence,
        timestamp: of.timestamp,
        marker: false,
        payload: Arc::from([0; 10]),
        color_space: None,
        report: Some(of),
    };
    let mut datagram = Vec::new();
    track.handle_published(now, publisher(1), packet, clocks, &mut datagram);
    rtp::parse(&datagram).expect("it goes on").timestamp
}

/// Returns when a timestamp was, in ms of the clock of our sender reports.
fn told(track: &Track, now: Instant, timestamp: u32) -> i64 {
    let started = now.checked_sub(Duration::from_secs(100)).unwrap();
    let sent = track.publishers.sent(now, started)[0].1;
    let after = i64::from(sent.rtp.wrapping_sub(timestamp).cast_signed());
    let ntp = i64::try_from((sent.ntp >> 16) * 1_000 / 65_536).unwrap();
    ntp - after * 1_000 / i64::from(track.config.clock_rate)
}

#[test]
fn picture_and_sound_of_a_browser_stay_in_step() {
    let [mut picture, mut sound] = [Codec::Vp8, Codec::Opus].map(|codec| {
        let mut track = Track::new(Id::from_bits(1), "talk", TrackConfig::new(codec), 100);
        assert!(track.publishers.add(publisher(1)));
        track
    });
    let (mut clocks, now) = (Clocks::default(), Instant::now());
    let of_picture = SenderReport {
        ntp: ntp(5_000_100),
        timestamp: 90_000,
    };
    // It was captured 100 ms earlier, and comes later.
    let of_sound = SenderReport {
        ntp: ntp(5_000_000),
        timestamp: 48_000,
    };
    let shown = report(&mut picture, &mut clocks, now, 1, of_picture);
    let later = now + Duration::from_millis(30);
    let heard = report(&mut sound, &mut clocks, later, 1, of_sound);
    let much_later = now + Duration::from_secs(2);
    let apart = told(&picture, much_later, shown) - told(&sound, much_later, heard);
    assert!((99..=101).contains(&apart), "{apart} ms");
    // Viewers are told the same.
    let captured = |track: &Track| track.log.get(track.log.begin()).expect("there").wallclock;
    let apart = captured(&picture).duration_since(captured(&sound));
    assert!((99..=101).contains(&apart.as_millis()), "{apart:?}");
}

#[test]
fn a_report_from_before_a_jump_says_nothing() {
    let mut track = track();
    assert!(track.publishers.add(publisher(1)));
    let (mut clocks, now) = (Clocks::default(), Instant::now());
    let before = SenderReport {
        ntp: ntp(5_000_000),
        timestamp: 90_000,
    };
    report(&mut track, &mut clocks, now, 1, before);
    let mut datagram = Vec::new();
    let later = now + Duration::from_secs(1);
    let packet = IncomingPacket {
        ssrc: 7,
        sequence: 2,
        timestamp: 90_000 * 100,
        marker: false,
        payload: Arc::from([0; 10]),
        color_space: None,
        report: Some(before),
    };
    track.handle_published(later, publisher(1), packet, &mut clocks, &mut datagram);
    let shown = rtp::parse(&datagram).expect("it goes on").timestamp;
    let (at, zero) = (told(&track, later, shown), 100_000);
    assert!((zero - 1..=zero + 1).contains(&at), "{at} ms");
}
