//! Framings: for every stream and every way to read it, a decoder finds the same messages and the same faults
//! as a decoder that sees the whole stream at once.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use thingway::testing::framing::{ByteOrder, Decoder, Faults, Framing, MAX_MESSAGE, Width};
use thingway::testing::framing::{encode, encoded_len};

mod reference;

use reference::reference;

const GAP: Duration = Duration::from_millis(10);

fn a_framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        3 => prop_oneof![
            Just(Framing::Line { gap: None }),
            Just(Framing::Line { gap: Some(GAP) }),
            Just(Framing::IdleGap { gap: GAP }),
        ],
        2 => Just(Framing::Slip),
        2 => Just(Framing::Cobs),
        3 => a_length(),
    ]
}

fn a_length() -> impl Strategy<Value = Framing> {
    let width = prop::sample::select([Width::One, Width::Two, Width::Four].as_slice());
    let order = prop::sample::select([ByteOrder::Big, ByteOrder::Little].as_slice());
    (width, order).prop_map(|(width, order)| Framing::Length {
        gap: None,
        width,
        order,
    })
}

/// Returns bytes of which many have a meaning in one framing or another.
fn rubbish(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => prop::sample::select([0, 1, 2, 3, 5, b'\n', 0xc0, 0xdb, 0xdc, 0xdd, 0xff].as_slice()),
        1 => any::<u8>(),
    ];
    // Without long runs there would be no full run of COBS.
    let run = prop_oneof![
        20 => byte.prop_map(|byte| vec![byte]),
        1 => (1..=255_u8, 250..260_usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    prop::collection::vec(run, 0..len).prop_map(|runs| runs.concat())
}

/// Returns the sizes of the reads, which repeat.
fn reads() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        1 => Just(vec![1]),
        3 => prop::collection::vec(prop_oneof![1..5_usize, 1..400_usize], 1..12),
    ]
}

fn chop<'a>(mut bytes: &'a [u8], reads: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in reads.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*len));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The result of decoding a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Outcome {
    messages: Vec<Vec<u8>>,
    faults: Faults,
    buffered: usize,
}

/// A decoder, and the messages that it has passed on.
struct Receiver {
    decoder: Decoder,
    max_message: usize,
    messages: Vec<Vec<u8>>,
}

impl Receiver {
    fn new(framing: Framing, max_message: usize) -> Self {
        Self {
            decoder: Decoder::new(framing, max_message),
            max_message,
            messages: Vec::new(),
        }
    }

    fn input(&mut self, now: Instant, bytes: &[u8]) {
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.handle_input(now, bytes, push);
        assert!(self.decoder.capacity() <= self.max_message);
        // Every byte of a message may be escaped, and some bytes surround it.
        assert!(self.decoder.buffered() <= 2 * self.max_message + 4);
    }

    fn timeout(&mut self, now: Instant) {
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.handle_timeout(now, push);
    }

    fn reset(&mut self) {
        let push = &mut |message: &[u8]| self.messages.push(message.to_vec());
        self.decoder.reset(push);
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            messages: self.messages.clone(),
            faults: self.decoder.faults(),
            buffered: self.decoder.buffered(),
        }
    }

    /// Decodes all these pieces at one time.
    fn of(framing: Framing, max_message: usize, pieces: &[&[u8]]) -> Self {
        let now = Instant::now();
        let mut receiver = Self::new(framing, max_message);
        for piece in pieces {
            receiver.input(now, piece);
        }
        receiver
    }
}

/// Returns a message that this framing encodes and decodes without a change.
fn fit(framing: Framing, max_message: usize, mut message: Vec<u8>) -> Vec<u8> {
    message.truncate(framing.longest(max_message));
    match framing {
        Framing::Line { .. } => {
            message.retain(|byte| *byte != b'\n');
            message.truncate(max_message - 1);
            message.push(b'\n');
        }
        Framing::IdleGap { .. } | Framing::Slip if message.is_empty() => message.push(0xc0),
        Framing::IdleGap { .. } | Framing::Slip | Framing::Cobs | Framing::Length { .. } => {}
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_was_encoded_comes_back(
        framing in a_framing(),
        max_message in prop_oneof![1..700_usize, Just(MAX_MESSAGE)],
        messages in prop::collection::vec(rubbish(60), 0..12),
        reads in reads(),
    ) {
        let messages: Vec<_> =
            messages.into_iter().map(|message| fit(framing, max_message, message)).collect();
        let mut now = Instant::now();
        let mut receiver = Receiver::new(framing, max_message);
        let mut wire = Vec::new();
        for message in &messages {
            let before = wire.len();
            prop_assert!(encode(framing, max_message, message, &mut wire).is_ok());
            prop_assert_eq!(wire.len() - before, encoded_len(framing, message));
            if let Framing::IdleGap { gap } = framing {
                for piece in chop(&wire, &reads) {
                    receiver.input(now, piece);
                }
                now += gap;
                wire.clear();
            }
        }
        for piece in chop(&wire, &reads) {
            receiver.input(now, piece);
        }
        receiver.timeout(now);
        let expected = Outcome { messages, ..Outcome::default() };
        prop_assert_eq!(receiver.outcome(), expected);
    }

    #[test]
    fn any_reads_of_anything_are_what_the_whole_is(
        framing in a_framing(),
        max_message in prop_oneof![3 => 1..12_usize, 1 => 1..700_usize, 1 => Just(MAX_MESSAGE)],
        bytes in rubbish(120),
        reads in reads(),
    ) {
        let (mut expected, idle) = reference(framing, max_message, &bytes);
        let mut whole = Receiver::of(framing, max_message, &[&bytes]);
        let mut chopped = Receiver::of(framing, max_message, &chop(&bytes, &reads));
        prop_assert_eq!(&whole.outcome(), &expected);
        prop_assert_eq!(&chopped.outcome(), &expected);
        prop_assert!(expected.messages.iter().all(|message| message.len() <= max_message));
        account(framing, &expected, idle, bytes.len());

        whole.reset();
        chopped.reset();
        let unfinished = expected.buffered as u64;
        match framing {
            Framing::Line { .. } | Framing::IdleGap { .. } => {
                let passed: usize = expected.messages.iter().map(Vec::len).sum();
                if unfinished > 0 {
                    expected.messages.push(bytes[passed..].to_vec());
                }
            }
            Framing::Slip | Framing::Cobs | Framing::Length { .. } => {
                expected.faults.frames += u64::from(unfinished > 0);
                expected.faults.bytes += unfinished;
            }
        }
        expected.buffered = 0;
        expected.faults.skipping = 0;
        prop_assert_eq!(&whole.outcome(), &expected);
        prop_assert_eq!(&chopped.outcome(), &expected);
        account(framing, &expected, idle, bytes.len());
    }

    #[test]
    fn a_new_stream_knows_nothing_of_the_one_before(
        framing in a_framing(),
        max_message in prop_oneof![1..12_usize, Just(MAX_MESSAGE)],
        before in rubbish(30),
        after in rubbish(30),
        reads in reads(),
    ) {
        let now = Instant::now();
        let mut receiver = Receiver::of(framing, max_message, &chop(&before, &reads));
        receiver.reset();
        receiver.messages.clear();
        let old = receiver.outcome().faults;
        for piece in chop(&after, &reads) {
            receiver.input(now, piece);
        }
        let (mut expected, _) = reference(framing, max_message, &after);
        expected.faults.frames += old.frames;
        expected.faults.bytes += old.bytes;
        expected.faults.cut += old.cut;
        prop_assert_eq!(receiver.outcome(), expected);
    }

    #[test]
    fn after_anything_the_next_frame_is_found(
        framing in prop_oneof![Just(Framing::Slip), Just(Framing::Cobs)],
        max_message in 1..40_usize,
        bytes in rubbish(60),
        message in rubbish(20),
        reads in reads(),
    ) {
        let message = fit(framing, max_message, message);
        let mut wire = bytes;
        wire.push(if framing == Framing::Slip { 0xc0 } else { 0 });
        prop_assert!(encode(framing, max_message, &message, &mut wire).is_ok());
        let outcome = Receiver::of(framing, max_message, &chop(&wire, &reads)).outcome();
        prop_assert_eq!(outcome.messages.last(), Some(&message));
        prop_assert_eq!(outcome.buffered, 0);
    }

    #[test]
    fn a_message_too_long_costs_no_other_its_place(
        framing in a_length(),
        lens in prop::collection::vec(0..300_usize, 0..12),
        max_message in 1..200_usize,
        reads in reads(),
    ) {
        let mut wire = Vec::new();
        let mut expected = Outcome::default();
        for len in lens {
            let message = vec![0xff; len];
            if encode(framing, MAX_MESSAGE, &message, &mut wire).is_err() {
                prop_assert!(len > 255);
            } else if len <= max_message {
                expected.messages.push(message);
            } else {
                expected.faults.frames += 1;
                expected.faults.bytes += encoded_len(framing, &message) as u64;
            }
        }
        let receiver = Receiver::of(framing, max_message, &chop(&wire, &reads));
        prop_assert_eq!(receiver.outcome(), expected);
    }

    #[test]
    fn silence_ends_a_message_whether_the_caller_heeds_the_deadline_or_not(
        framing in prop_oneof![
            Just(Framing::Line { gap: Some(GAP) }),
            Just(Framing::IdleGap { gap: GAP }),
        ],
        max_message in prop_oneof![1..12_usize, Just(MAX_MESSAGE)],
        steps in prop::collection::vec((0..=12_u64, rubbish(8)), 0..30),
        reads in reads(),
    ) {
        // Bytes without a gap in between are one burst.
        let mut bursts: Vec<Vec<u8>> = vec![Vec::new()];
        let start = Instant::now();
        let (mut now, mut last) = (start, start);
        let mut heeding = Receiver::new(framing, max_message);
        let mut late = Receiver::new(framing, max_message);
        for (pause, mut bytes) in steps {
            now += Duration::from_millis(pause);
            if let Framing::Line { .. } = framing {
                // An incomplete character would wait for a second silence, which another test covers.
                bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
            }
            let bytes = &bytes;
            if let Some(at) = heeding.decoder.poll_timeout() {
                heeding.timeout(now.min(at - Duration::from_nanos(1)));
                prop_assert_eq!(heeding.decoder.poll_timeout(), Some(at), "too early");
                if at <= now {
                    heeding.timeout(at);
                    prop_assert_eq!(heeding.decoder.poll_timeout(), None);
                }
            }
            for piece in chop(bytes, &reads) {
                heeding.input(now, piece);
            }
            late.input(now, bytes);
            if now - last >= GAP {
                bursts.push(Vec::new());
            }
            if !bytes.is_empty() {
                last = now;
                bursts.last_mut().unwrap().extend(bytes);
            }
            for decoder in [&heeding.decoder, &late.decoder] {
                let deadline = (decoder.buffered() > 0).then_some(last + GAP);
                prop_assert_eq!(decoder.poll_timeout(), deadline);
            }
        }
        now += GAP;
        heeding.timeout(now);
        late.input(now, &[]);

        let mut expected = Outcome::default();
        for burst in &bursts {
            let (outcome, _) = reference(framing, max_message, burst);
            let rest = burst.len() - outcome.buffered;
            expected.messages.extend(outcome.messages);
            if rest < burst.len() {
                expected.messages.push(burst[rest..].to_vec());
            }
            expected.faults.cut += outcome.faults.cut;
        }
        prop_assert_eq!(heeding.outcome(), expected.clone());
        prop_assert_eq!(late.outcome(), expected);
    }

    #[test]
    fn what_is_refused_is_too_long_and_leaves_nothing_behind(
        framing in a_framing(),
        max_message in 0..600_usize,
        message in rubbish(40),
    ) {
        let mut out = b"before".to_vec();
        let longest = framing.longest(max_message);
        match encode(framing, max_message, &message, &mut out) {
            Ok(()) => {
                prop_assert!(message.len() <= longest);
                prop_assert_eq!(out.len(), 6 + encoded_len(framing, &message));
            }
            Err(error) => {
                prop_assert_eq!(error.longest, longest);
                prop_assert!(message.len() > longest);
                prop_assert_eq!(out.len(), 6);
            }
        }
        prop_assert_eq!(&out[..6], b"before");
    }
}

/// Checks that every byte is in a message, among the faults, unfinished, or a delimiter with nothing before
/// it.
fn account(framing: Framing, outcome: &Outcome, idle: usize, len: usize) {
    let faults = usize::try_from(outcome.faults.bytes).unwrap();
    let rest = len - idle - faults - outcome.buffered;
    let on_the_wire: usize = outcome
        .messages
        .iter()
        .map(|message| encoded_len(framing, message))
        .sum();
    match framing {
        Framing::Line { .. } | Framing::IdleGap { .. } | Framing::Length { .. } => {
            assert_eq!(rest, on_the_wire);
        }
        // The END before a message is a delimiter with nothing before it.
        Framing::Slip => assert_eq!(rest, on_the_wire - outcome.messages.len()),
        // A code that adds nothing may follow the last full run.
        Framing::Cobs => {
            let full = outcome
                .messages
                .iter()
                .filter(|message| message.len() >= 254);
            assert!((on_the_wire..=on_the_wire + full.count()).contains(&rest));
        }
    }
}
