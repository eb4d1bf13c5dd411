//! Helpers that the codecs' tests share, and tests that hold for all framings.

use std::time::{Duration, Instant};

use super::*;

/// A decoder with all messages that it has passed on.
pub(super) struct Receiver {
    pub(super) decoder: Decoder,
    pub(super) now: Instant,
    messages: Vec<Vec<u8>>,
}

impl Receiver {
    pub(super) fn new(framing: Framing, max_message: usize) -> Self {
        Self {
            decoder: Decoder::new(framing, max_message),
            now: Instant::now(),
            messages: Vec::new(),
        }
    }

    /// Returns the messages that these bytes complete.
    pub(super) fn input(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let messages = &mut self.messages;
        let push = &mut |message: &[u8]| messages.push(message.to_vec());
        self.decoder.handle_input(self.now, bytes, push);
        std::mem::take(&mut self.messages)
    }

    /// Returns the messages that end when the caller acts on the deadline.
    pub(super) fn timeout(&mut self) -> Vec<Vec<u8>> {
        let messages = &mut self.messages;
        let push = &mut |message: &[u8]| messages.push(message.to_vec());
        self.decoder.handle_timeout(self.now, push);
        std::mem::take(&mut self.messages)
    }

    /// Returns the messages that end with the stream.
    pub(super) fn reset(&mut self) -> Vec<Vec<u8>> {
        let messages = &mut self.messages;
        let push = &mut |message: &[u8]| messages.push(message.to_vec());
        self.decoder.reset(push);
        std::mem::take(&mut self.messages)
    }

    /// Returns the numbers of dropped frames and bytes.
    pub(super) fn dropped(&self) -> (u64, u64) {
        let faults = self.decoder.faults();
        (faults.frames, faults.bytes)
    }
}

/// Returns a message as it is on the wire, checked against the predicted length.
pub(super) fn encoded(framing: Framing, message: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    assert_eq!(encode(framing, MAX_MESSAGE, message, &mut out), Ok(()));
    let wire = out.split_off(6);
    assert_eq!(out, b"before");
    assert_eq!(wire.len(), encoded_len(framing, message));
    wire
}

const GAP: Duration = Duration::from_millis(5);

const ALL: [Framing; 7] = [
    Framing::Line { gap: None },
    Framing::Line { gap: Some(GAP) },
    Framing::IdleGap { gap: GAP },
    Framing::Slip,
    Framing::Cobs,
    Framing::Length {
        gap: None,
        width: Width::Two,
        order: ByteOrder::Big,
    },
    Framing::Length {
        gap: None,
        width: Width::Four,
        order: ByteOrder::Little,
    },
];

#[test]
fn what_is_too_long_is_refused_and_nothing_is_written() {
    for framing in ALL {
        let mut out = Vec::new();
        assert_eq!(encode(framing, 4, b"four", &mut out), Ok(()));
        let before = out.clone();
        let refused = Err(TooLong { longest: 4 });
        assert_eq!(encode(framing, 4, b"fives", &mut out), refused);
        assert_eq!(out, before, "{}", framing.as_str());
        assert_eq!(framing.longest(0), 1);
        assert!(framing.longest(usize::MAX) <= MAX_MESSAGE);
    }
    assert_eq!(
        TooLong { longest: 4 }.to_string(),
        "the framing takes at most 4 bytes"
    );
}

#[test]
fn the_bound_is_that_of_channels() {
    assert_eq!(MAX_MESSAGE, crate::limits::MAX_MESSAGE);
}

#[test]
fn the_longest_message_passes_in_any_framing() {
    // The message has no newline except at its end.
    let mut message: Vec<u8> = (0..MAX_MESSAGE).map(|i| (i % 251) as u8 | 0x10).collect();
    for framing in ALL {
        if let Some(last) = message.last_mut() {
            *last = b'\n';
        }
        let longest = message.get(..framing.longest(MAX_MESSAGE)).unwrap();
        let mut receiver = Receiver::new(framing, usize::MAX);
        let mut messages = Vec::new();
        for piece in encoded(framing, longest).chunks(4096) {
            messages.extend(receiver.input(piece));
        }
        receiver.now += GAP;
        messages.extend(receiver.timeout());
        assert_eq!(messages, [longest], "{}", framing.as_str());
        assert_eq!(receiver.decoder.faults(), Faults::default());
        assert!(receiver.decoder.capacity() <= MAX_MESSAGE);
    }
}

#[test]
fn memory_is_used_again() {
    for framing in ALL {
        let wire = encoded(framing, b"0123456789\n");
        let mut receiver = Receiver::new(framing, 64);
        let mut capacities = Vec::new();
        for _ in 0..100 {
            for byte in &wire {
                receiver.input(&[*byte]);
            }
            receiver.now += GAP;
            receiver.timeout();
            capacities.push(receiver.decoder.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities, [64], "{}", framing.as_str());
    }
}

#[test]
fn each_has_its_name() {
    let names = ALL.map(Framing::as_str);
    assert_eq!(
        names,
        [
            "line", "line", "idle-gap", "slip", "cobs", "length", "length"
        ]
    );
}
