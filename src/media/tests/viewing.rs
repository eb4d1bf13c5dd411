//! Viewers of a track: where they begin, what they get, and what the log keeps for those who come later.

use std::time::{Duration, Instant};

use super::super::packets::PacketLog;
use super::super::viewer::Viewer;
use super::{Peer, packet};
use crate::codec::Codec;
use crate::transceiver::TransceiverKey;
use crate::util::slab::Id;

const SECTION: TransceiverKey = TransceiverKey(0);
const ROOM: usize = 100_000;

fn viewer(log: &PacketLog) -> Viewer {
    let mut viewer = Viewer::new(Id::from_bits(1), SECTION, Id::from_bits(1), 1_000, 5);
    assert!(viewer.begin(Instant::now(), log));
    viewer
}

fn serve(viewer: &mut Viewer, log: &PacketLog, peer: &mut Peer) {
    assert!(viewer.serve(Instant::now(), Codec::Vp8, log, peer));
}

#[test]
fn a_viewer_waits_for_a_keyframe_where_none_is_kept() {
    let mut log = PacketLog::new(ROOM);
    log.push(packet(0, 0, false));
    log.note_served(None);
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    log.push(packet(1, 0, false));
    log.push(packet(2, 90, true));
    log.push(packet(3, 90, false));
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(peer.payloads(), ["2", "3"]);
    assert_eq!(
        peer.got[0],
        (1_000, 95, "2".to_owned()),
        "with its own first numbers"
    );
}

#[test]
fn who_comes_later_begins_with_the_last_keyframe_and_goes_on_without_a_gap() {
    let mut log = PacketLog::new(ROOM);
    for n in 0..10 {
        log.push(packet(n, u32::try_from(n).unwrap(), n == 3 || n == 6));
        log.note_served(None);
    }
    assert_eq!(log.begin(), 6, "what is before the keyframe is gone");
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    serve(&mut viewer, &log, &mut peer);
    log.push(packet(10, 10, false));
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(peer.payloads(), ["6", "7", "8", "9", "10"]);
    assert_eq!(peer.sequences(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_keyframe_may_have_several_packets() {
    let mut log = PacketLog::new(ROOM);
    for (n, key) in [(0, true), (1, true), (2, false)] {
        log.push(packet(n, 7, key));
    }
    log.note_served(None);
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(
        peer.payloads(),
        ["0", "1", "2"],
        "parameter sets belong to it"
    );
}

#[test]
fn the_past_goes_out_in_portions() {
    let mut log = PacketLog::new(ROOM);
    for n in 0..150 {
        log.push(packet(n, 0, n == 0));
    }
    log.note_served(None);
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    let start = Instant::now();
    viewer.serve(start, Codec::Vp8, &log, &mut peer);
    assert_eq!(peer.got.len(), 64);
    log.push(packet(150, 9, false));
    viewer.serve(start, Codec::Vp8, &log, &mut peer);
    assert_eq!(peer.got.len(), 64, "live packets do not overtake");
    let at = viewer.catch_up_at.expect("a time to go on");
    viewer.serve(at, Codec::Vp8, &log, &mut peer);
    viewer.serve(at + Duration::from_millis(5), Codec::Vp8, &log, &mut peer);
    assert_eq!(peer.sequences(), (0..=150).collect::<Vec<u64>>());
    assert_eq!(viewer.catch_up_at, None);
}

#[test]
fn a_viewer_that_fell_behind_goes_on_with_a_keyframe_and_notices_no_gap() {
    let mut log = PacketLog::new(ROOM);
    log.push(packet(0, 0, true));
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    serve(&mut viewer, &log, &mut peer);
    for n in 1..20 {
        log.push(packet(n, u32::try_from(n).unwrap(), n % 6 == 0));
        log.note_served(None);
    }
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(peer.payloads(), ["0", "18", "19"]);
    assert_eq!(peer.sequences(), [0, 1, 2]);
    assert_eq!(viewer.stats.left_out, 17);
}

#[test]
fn gaps_and_disorder_of_the_source_reach_the_viewer() {
    let mut log = PacketLog::new(ROOM);
    for n in [5, 8, 6, 9, 4] {
        log.push(packet(n, 0, n == 5));
    }
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(peer.sequences(), [0, 3, 1, 4]);
    assert_eq!(viewer.stats.left_out, 1, "one from before the beginning");
}

#[test]
fn a_cache_that_is_too_small_keeps_nothing() {
    let mut log = PacketLog::new(150);
    for n in 0..5 {
        log.push(packet(n, 0, n == 0));
        log.note_served(None);
    }
    assert_eq!((log.keyframe(), log.bytes()), (None, 0));
    log.push(packet(5, 1, true));
    log.note_served(None);
    assert_eq!(log.keyframe(), Some(5), "the next keyframe may fit again");
}

#[test]
fn a_keyframe_before_a_restart_is_no_beginning() {
    let mut log = PacketLog::new(ROOM);
    log.push(packet(0, 0, true));
    log.note_served(None);
    log.forget_keyframe();
    log.push(packet(1, 1, false));
    log.note_served(None);
    let (mut viewer, mut peer) = (viewer(&log), Peer::default());
    serve(&mut viewer, &log, &mut peer);
    assert_eq!(peer.payloads(), Vec::<&str>::new());
    assert!(viewer.is_waiting());
}

#[test]
fn a_peer_that_has_gone_gets_nothing_more() {
    let mut log = PacketLog::new(ROOM);
    log.push(packet(0, 0, true));
    log.push(packet(1, 0, false));
    let mut peer = Peer {
        is_gone: true,
        ..Peer::default()
    };
    assert!(!viewer(&log).serve(Instant::now(), Codec::Vp8, &log, &mut peer));
    assert_eq!(peer.got.len(), 1);
}
