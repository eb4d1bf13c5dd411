//! Viewers that cannot take everything: whole pictures are left out, and the numbers go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::packets::{Packet, PacketLog};
use super::super::source::Numbers;
use super::super::viewer::Viewer;
use super::Peer;
use crate::codec::Codec;
use crate::transceiver::TransceiverKey;
use crate::util::slab::Id;

/// A stream of 30 pictures a second in packets of 1,000 bytes. Every 30th picture is a keyframe of ten packets, the
/// others have two.
struct Stream {
    now: Instant,
    log: PacketLog,
    viewer: Viewer,
    peer: Peer,
    pictures: u32,
    sequence: u64,
    codec: Codec,
}

const INTERVAL: Duration = Duration::from_micros(33_333);

impl Stream {
    fn new(codec: Codec) -> Self {
        let now = Instant::now();
        let log = PacketLog::new(1 << 20);
        let mut viewer = Viewer::new(
            Id::from_bits(1),
            TransceiverKey(0),
            Id::from_bits(1),
            1_000,
            0,
        );
        assert!(viewer.begin(now, &log));
        Self {
            now,
            log,
            viewer,
            peer: Peer::default(),
            pictures: 0,
            sequence: 0,
            codec,
        }
    }

    /// Has the browser say that it gets this many bits a second through, until that is believed.
    fn report(&mut self, bitrate: u64) {
        let rate = Some(700_000);
        for _ in 0..2 {
            let pace = &mut self.viewer.pace;
            pace.handle_estimate(self.now, bitrate, rate, rate);
        }
    }

    /// Sends one picture, and serves the viewer until the next one is due.
    fn picture(&mut self) {
        let is_keyframe = self.pictures.is_multiple_of(30);
        let count = if is_keyframe { 10 } else { 2 };
        for n in 0..count {
            // The name of the picture, and which packet of it this is; in VP8's descriptor the layer.
            let layer = if self.pictures % 2 == 1 { 1_u8 << 6 } else { 0 };
            let mut payload = vec![0x90, 0x20, layer];
            payload.extend(format!("{}/{n}/{count};", self.pictures).into_bytes());
            payload.resize(1_000, b' ');
            self.log.push(Packet {
                numbers: Numbers {
                    sequence: self.sequence,
                    timestamp: self.pictures * 3_000,
                },
                marker: n + 1 == count,
                begins_keyframe: is_keyframe && n == 0,
                wallclock: self.now,
                arrived: self.now,
                payload: Arc::from(payload),
                color_space: None,
            });
            self.sequence += 1;
        }
        self.pictures += 1;
        let end = self.now + INTERVAL;
        loop {
            let (now, codec) = (self.now, self.codec);
            self.viewer.serve(now, codec, &self.log, &mut self.peer);
            let behind = self.viewer.is_slow().then(|| self.viewer.cursor());
            self.log.note_served(behind);
            match self.viewer.catch_up_at.filter(|at| *at < end) {
                Some(at) => self.now = at,
                None => break,
            }
        }
        self.now = end;
    }

    /// Returns the names of the pictures that the peer got. Panics if one of them is not whole.
    fn whole_pictures(&self) -> Vec<u32> {
        let mut pictures = Vec::new();
        let mut open: Option<(u32, u32, u32)> = None;
        for (.., payload) in &self.peer.got {
            let text = payload.get(payload.find(|c: char| c.is_ascii_digit()).unwrap_or(0)..);
            let text = text.unwrap_or_default();
            let (name, _) = text.split_once(';').expect("a name");
            let numbers: Vec<u32> = name
                .split('/')
                .map(|n| n.parse().expect("a number"))
                .collect();
            let [picture, n, count] = *numbers else {
                panic!("{name}")
            };
            match open {
                Some((of, next, _)) => assert_eq!((of, next), (picture, n), "whole"),
                None => assert_eq!(n, 0, "the beginning of picture {picture}"),
            }
            open = (n + 1 < count).then_some((picture, n + 1, count));
            if open.is_none() {
                pictures.push(picture);
            }
        }
        pictures
    }
}

#[test]
fn a_viewer_that_is_too_slow_gets_whole_pictures_from_a_keyframe_on() {
    let mut stream = Stream::new(Codec::H264);
    for _ in 0..30 {
        stream.picture();
    }
    assert_eq!(stream.whole_pictures().len(), 30, "all of them");
    stream.peer.got.clear();
    stream.report(300_000);
    let start = stream.now;
    for _ in 0..300 {
        stream.picture();
    }
    let pictures = stream.whole_pictures();
    let sequences = stream.peer.sequences();
    let expected: Vec<u64> = (0..sequences.len() as u64).collect();
    assert_eq!(sequences, expected, "nothing seems to be lost");
    for pair in pictures.windows(2) {
        let [before, after] = *pair else {
            unreachable!()
        };
        assert!(
            after == before + 1 || after.is_multiple_of(30),
            "{after} cannot be decoded after {before}"
        );
    }
    let keyframes = pictures.iter().filter(|n| n.is_multiple_of(30)).count();
    assert!(keyframes >= 4 && pictures.len() < 250, "{pictures:?}");
    let bits = stream.peer.got.len() as u128 * 8_000;
    let pace = 180 * (stream.now - start).as_millis();
    assert!(bits <= pace + 8_000, "{bits} of {pace}");
    assert!(bits >= pace / 2, "{bits} of {pace}: the path is used");
    assert_eq!(
        stream.viewer.stats.left_out + stream.viewer.stats.packets,
        stream.sequence - (stream.log.end() - stream.viewer.cursor()),
        "every packet is written, left out or waits"
    );
}

#[test]
fn upper_layers_are_left_out_first() {
    let mut stream = Stream::new(Codec::Vp8);
    for _ in 0..30 {
        stream.picture();
    }
    stream.peer.got.clear();
    // All keyframes and the lower layer fit into the pace, all pictures do not.
    stream.report(620_000);
    for _ in 0..300 {
        stream.picture();
    }
    let pictures = stream.whole_pictures();
    let upper = pictures.iter().filter(|n| *n % 2 == 1).count();
    let lower = pictures.len() - upper;
    assert!(
        lower > upper && lower >= 140,
        "{lower} of 150, and {upper} of the upper layer"
    );
}

#[test]
fn who_has_missed_the_beginning_gets_it_once_more() {
    let mut stream = Stream::new(Codec::H264);
    for _ in 0..15 {
        stream.picture();
    }
    let before = stream.peer.got.len();
    assert!(
        stream.viewer.rewind(stream.now, &stream.log),
        "after half a second"
    );
    stream.picture();
    let names: Vec<&str> = stream.peer.payloads();
    assert!(
        names[before].contains("0/0/10"),
        "the keyframe: {}",
        names[before]
    );
    let sequences = stream.peer.sequences();
    let expected: Vec<u64> = (0..sequences.len() as u64).collect();
    assert_eq!(sequences, expected, "under new numbers");
    assert!(!stream.viewer.rewind(stream.now, &stream.log), "once");
    let mut other = Stream::new(Codec::H264);
    for _ in 0..3 {
        other.picture();
    }
    assert!(
        !other.viewer.rewind(other.now, &other.log),
        "the answer is on its way"
    );
    for _ in 0..100 {
        other.picture();
    }
    assert!(
        !other.viewer.rewind(other.now, &other.log),
        "it has seen pictures for long"
    );
}
