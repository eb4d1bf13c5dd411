//! The numbers of packets over loss, disorder and restarts of a source.

use std::time::{Duration, Instant};

use super::super::source::{Numbered, Numbering, Numbers, Restart, SourceNumbers};

const SILENCE: Duration = Duration::from_secs(2);

struct Source {
    numbering: Numbering,
    now: Instant,
}

impl Source {
    fn new() -> Self {
        Self {
            numbering: Numbering::new(90_000, SILENCE),
            now: Instant::now(),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn number(&mut self, ssrc: u32, sequence: u16, timestamp: u32) -> Numbered {
        let packet = SourceNumbers {
            ssrc,
            sequence,
            timestamp,
        };
        self.numbering.number(self.now, packet)
    }
}

fn taken(sequence: u64, timestamp: u32) -> Numbered {
    Numbered::Take {
        numbers: Numbers {
            sequence,
            timestamp,
        },
        restart: None,
    }
}

fn restarted(sequence: u64, timestamp: u32, why: Restart) -> Numbered {
    Numbered::Take {
        numbers: Numbers {
            sequence,
            timestamp,
        },
        restart: Some(why),
    }
}

#[test]
fn gaps_and_disorder_are_kept_and_duplicates_are_not() {
    let mut source = Source::new();
    assert_eq!(source.number(1, 65_534, 100), taken(0, 100));
    assert_eq!(source.number(1, 65_535, 100), taken(1, 100));
    assert_eq!(
        source.number(1, 2, 200),
        taken(4, 200),
        "two are missing, over the wrap"
    );
    assert_eq!(source.number(1, 0, 200), taken(2, 200), "one comes late");
    assert_eq!(source.number(1, 0, 200), Numbered::Duplicate);
    assert_eq!(source.number(1, 2, 200), Numbered::Duplicate);
    assert_eq!(
        source.number(1, 65_533, 50),
        Numbered::Replaced,
        "from before the first"
    );
    assert_eq!(source.number(1, 3, 300), taken(5, 300));
}

#[test]
fn the_timestamp_wraps_without_a_restart() {
    let mut source = Source::new();
    assert_eq!(source.number(1, 0, u32::MAX - 10), taken(0, u32::MAX - 10));
    assert_eq!(source.number(1, 1, 2_990), taken(1, 2_990));
    assert_eq!(
        source.number(1, 2, u32::MAX),
        taken(2, u32::MAX),
        "disorder over the wrap"
    );
}

#[test]
fn a_jump_of_the_sequence_number_is_a_restart() {
    let mut source = Source::new();
    source.number(1, 100, 0);
    assert_eq!(source.number(1, 3_100, 0), taken(3_000, 0), "just not yet");
    source.pass(Duration::from_millis(100));
    let after = restarted(3_001, 9_000, Restart::Sequence);
    assert_eq!(
        source.number(1, 6_101, 77),
        after,
        "the time goes on by what has passed"
    );
    assert_eq!(source.number(1, 6_102, 77 + 3_000), taken(3_002, 12_000));
    let back = source.number(1, 3_000, 77);
    assert_eq!(
        back,
        restarted(3_003, 12_001, Restart::Sequence),
        "one that falls back"
    );
}

#[test]
fn a_jump_of_the_timestamp_is_a_restart() {
    let mut source = Source::new();
    source.number(1, 0, 1_000);
    assert_eq!(
        source.number(1, 1, 901_000),
        taken(1, 901_000),
        "ten seconds are none"
    );
    source.pass(Duration::from_millis(40));
    let after = restarted(2, 904_600, Restart::Timestamp);
    assert_eq!(source.number(1, 2, 3_000_000), after);
    assert_eq!(source.number(1, 3, 3_003_600), taken(3, 908_200));
}

#[test]
fn what_comes_after_silence_is_a_restart_and_nothing_is_lost() {
    let mut source = Source::new();
    source.number(1, 10, 0);
    source.pass(SILENCE);
    assert!(!source.numbering.is_live(source.now));
    let after = restarted(1, 180_000, Restart::Silence);
    assert_eq!(source.number(1, 11, 180_000), after);
    source.pass(SILENCE);
    let other = restarted(2, 360_000, Restart::Stream);
    assert_eq!(
        source.number(2, 5_000, 7),
        other,
        "also another stream, at once"
    );
}

#[test]
fn a_second_packet_makes_another_stream_the_present_one() {
    let mut source = Source::new();
    source.number(1, 10, 0);
    assert_eq!(source.number(2, 500, 9), Numbered::Hold);
    assert_eq!(
        source.number(1, 11, 0),
        taken(1, 0),
        "the present one goes on"
    );
    source.pass(Duration::from_millis(10));
    let confirmed = source.number(2, 501, 9);
    assert_eq!(confirmed, restarted(2, 900, Restart::Stream));
    assert_eq!(
        source.number(1, 12, 0),
        Numbered::Replaced,
        "the old one is over"
    );
    assert_eq!(source.number(1, 13, 0), Numbered::Replaced);
    assert_eq!(source.number(2, 502, 9), taken(3, 900));
}

#[test]
fn four_thousand_odd_streams_change_nothing() {
    let mut source = Source::new();
    source.number(1, 0, 0);
    for ssrc in 2..4_002 {
        assert_eq!(source.number(ssrc, 7, 0), Numbered::Hold);
    }
    assert_eq!(source.number(1, 1, 0), taken(1, 0));
    assert_eq!(source.numbering.ssrc(), Some(1));
}

#[test]
fn a_source_that_said_goodbye_begins_anew() {
    let mut source = Source::new();
    source.number(1, 0, 0);
    let now = source.now;
    source.numbering.end(now);
    assert!(!source.numbering.is_live(now));
    let again = source.number(1, 1, 0);
    assert!(
        matches!(
            again,
            Numbered::Take {
                restart: Some(Restart::Silence),
                ..
            }
        ),
        "{again:?}"
    );
}
