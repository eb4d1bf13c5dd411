//! A length before each message.

use std::time::{Duration, Instant};

use super::Faults;
use super::buffer::Buffer;

/// The number of bytes of a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Width {
    One,
    Two,
    Four,
}

impl Width {
    /// Returns the number of bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Returns the largest number that fits.
    pub(super) fn largest(self) -> usize {
        match self {
            Self::One => 0xff,
            Self::Two => 0xffff,
            Self::Four => 0xffff_ffff,
        }
    }
}

/// The byte of a length that comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// The most significant byte comes first.
    Big,
    /// The least significant byte comes first.
    Little,
}

/// The receiving side of the framing with lengths.
#[derive(Debug)]
pub(super) struct Length {
    /// The silence within a message after which the next byte begins another message.
    gap: Option<Duration>,
    /// The time at which the silence ends the message; `None` between messages.
    deadline: Option<Instant>,
    width: Width,
    order: ByteOrder,
    max: usize,
    state: LengthState,
    unfinished: Buffer,
}

/// The position of the next byte in the stream.
#[derive(Debug, Clone, Copy)]
enum LengthState {
    /// Within a length, of which `bytes` bytes have arrived with the value `value`.
    Prefix { bytes: usize, value: u32 },
    /// Within a message that ends after `left` bytes (at least 1).
    Message { left: usize },
    /// Within a message that is too long and ends after `left` bytes (at least 1).
    Skip { left: u32 },
}

const START: LengthState = LengthState::Prefix { bytes: 0, value: 0 };

impl Length {
    pub(super) fn new(gap: Option<Duration>, width: Width, order: ByteOrder, max: usize) -> Self {
        Self {
            gap,
            deadline: None,
            width,
            order,
            max,
            state: START,
            unfinished: Buffer::new(max),
        }
    }

    pub(super) fn handle_input(
        &mut self,
        now: Instant,
        input: &[u8],
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) {
        // The caller may have been late, so first end what the silence before these bytes has ended.
        self.handle_timeout(now, faults);
        self.read(input, faults, message);
        self.wait(now);
    }

    /// Restarts the silence for an unfinished message at `now`.
    pub(super) fn wait(&mut self, now: Instant) {
        let is_between = matches!(self.state, LengthState::Prefix { bytes: 0, .. });
        let gap = self.gap.filter(|_| !is_between);
        self.deadline = gap.and_then(|gap| now.checked_add(gap));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, faults: &mut Faults) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.reset(faults);
        }
    }

    fn read(&mut self, mut input: &[u8], faults: &mut Faults, message: &mut impl FnMut(&[u8])) {
        while let Some((&byte, rest)) = input.split_first() {
            match self.state {
                LengthState::Prefix { bytes, value } => {
                    let value = match self.order {
                        ByteOrder::Big => value << 8 | u32::from(byte),
                        ByteOrder::Little => value | u32::from(byte) << (8 * bytes),
                    };
                    self.state = self.after_prefix_byte(bytes + 1, value, faults, message);
                    input = rest;
                }
                LengthState::Message { left } => {
                    let (piece, rest) = input.split_at(left.min(input.len()));
                    input = rest;
                    if piece.len() == left {
                        self.unfinished.finish(piece, message);
                        self.state = START;
                    } else {
                        self.unfinished.push(piece);
                        let left = left - piece.len();
                        self.state = LengthState::Message { left };
                    }
                }
                LengthState::Skip { left } => {
                    let have = u32::try_from(input.len()).unwrap_or(u32::MAX);
                    let skipped = left.min(have);
                    faults.bytes += u64::from(skipped);
                    faults.skipping = u64::from(left - skipped);
                    input = input.get(skipped as usize..).unwrap_or_default();
                    self.state = match left - skipped {
                        0 => START,
                        left => LengthState::Skip { left },
                    };
                }
            }
        }
    }

    /// Returns the state after `bytes` bytes of a length, which may be complete.
    fn after_prefix_byte(
        &self,
        bytes: usize,
        value: u32,
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) -> LengthState {
        if bytes < self.width.bytes() {
            return LengthState::Prefix { bytes, value };
        }
        match usize::try_from(value) {
            Ok(0) => {
                message(&[]);
                START
            }
            Ok(left) if left <= self.max => LengthState::Message { left },
            Ok(_) | Err(_) => {
                faults.frames += 1;
                faults.bytes += bytes as u64;
                faults.skipping = u64::from(value);
                LengthState::Skip { left: value }
            }
        }
    }

    pub(super) fn reset(&mut self, faults: &mut Faults) {
        let buffered = self.buffered();
        if buffered > 0 {
            faults.frames += 1;
            faults.bytes += buffered as u64;
        }
        faults.skipping = 0;
        self.deadline = None;
        self.unfinished.clear();
        self.state = START;
    }

    pub(super) fn buffered(&self) -> usize {
        match self.state {
            LengthState::Prefix { bytes, .. } => bytes,
            LengthState::Message { .. } => self.width.bytes() + self.unfinished.len(),
            LengthState::Skip { .. } => 0,
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.unfinished.capacity()
    }
}

/// Appends the length of a message, which must fit into `width`, and the message.
pub(super) fn encode(width: Width, order: ByteOrder, message: &[u8], out: &mut Vec<u8>) {
    let len = message.len() as u64;
    match order {
        ByteOrder::Big => out.extend(len.to_be_bytes().iter().skip(8 - width.bytes())),
        ByteOrder::Little => out.extend(len.to_le_bytes().iter().take(width.bytes())),
    }
    out.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::super::Framing;
    use super::super::tests::{Receiver, encoded};
    use super::*;

    fn framing(width: Width, order: ByteOrder) -> Framing {
        let gap = None;
        Framing::Length { gap, width, order }
    }

    #[test]
    fn the_length_comes_first_in_its_order() {
        let cases: &[(Width, ByteOrder, &[u8])] = &[
            (Width::One, ByteOrder::Big, b"\x03"),
            (Width::One, ByteOrder::Little, b"\x03"),
            (Width::Two, ByteOrder::Big, b"\0\x03"),
            (Width::Two, ByteOrder::Little, b"\x03\0"),
            (Width::Four, ByteOrder::Big, b"\0\0\0\x03"),
            (Width::Four, ByteOrder::Little, b"\x03\0\0\0"),
        ];
        for &(width, order, prefix) in cases {
            let wire = encoded(framing(width, order), b"abc");
            assert_eq!(wire, [prefix, b"abc"].concat());
            let mut receiver = Receiver::new(framing(width, order), 3);
            assert_eq!(receiver.input(&wire), [b"abc"]);
        }
        let long = vec![7; 0x0102];
        let wire = encoded(framing(Width::Two, ByteOrder::Little), &long);
        assert_eq!(wire.get(..3), Some(&[2, 1, 7][..]));
        let mut receiver = Receiver::new(framing(Width::Two, ByteOrder::Little), 0x0102);
        assert_eq!(receiver.input(&wire), [long]);
    }

    #[test]
    fn a_length_can_say_so_much() {
        let longest = |width| framing(width, ByteOrder::Big).longest(usize::MAX);
        let widths = [Width::One, Width::Two, Width::Four];
        assert_eq!(widths.map(longest), [255, 65_535, 65_536]);
    }

    #[test]
    fn an_empty_message_is_one_even_at_the_end_of_a_read() {
        let mut receiver = Receiver::new(framing(Width::Two, ByteOrder::Big), 80);
        assert_eq!(receiver.input(b"\0"), [b""; 0]);
        assert_eq!(receiver.decoder.buffered(), 1);
        assert_eq!(receiver.input(b"\0"), [b""]);
        assert_eq!(receiver.input(b"\0\0\0\0"), [b"", b""]);
        assert_eq!(receiver.decoder.buffered(), 0);
    }

    #[test]
    fn a_message_too_long_is_skipped_to_its_last_byte() {
        let mut receiver = Receiver::new(framing(Width::One, ByteOrder::Big), 4);
        assert_eq!(receiver.input(b"\x041234\x0512"), [b"1234"]);
        assert_eq!(receiver.dropped(), (1, 3), "counted as it comes");
        assert_eq!(receiver.decoder.buffered(), 0);
        assert_eq!(receiver.input(b"345\x02ok\x05"), [b"ok"]);
        assert_eq!(receiver.dropped(), (2, 7));
    }

    #[test]
    fn the_longest_lie_takes_no_memory() {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            let mut receiver = Receiver::new(framing(Width::Four, order), 65_536);
            assert_eq!(receiver.input(b"\xff\xff\xff\xff"), [b""; 0]);
            let piece = vec![0; 1 << 20];
            for _ in 0..4095 {
                assert_eq!(receiver.input(&piece), [b""; 0]);
            }
            assert_eq!(receiver.input(&piece[1..]), [b""; 0]);
            assert_eq!(receiver.dropped(), (1, (1 << 32) + 3));
            assert_eq!(receiver.decoder.capacity(), 0);
            assert_eq!(
                receiver.input(&encoded(framing(Width::Four, order), b"ok")),
                [b"ok"]
            );
        }
    }

    #[test]
    fn a_silence_within_a_message_begins_a_new_one() {
        let gap = Duration::from_millis(5);
        let framing = Framing::Length {
            gap: Some(gap),
            width: Width::Four,
            order: ByteOrder::Big,
        };
        let ok = encoded(framing, b"ok");
        for heeded in [true, false] {
            let mut receiver = Receiver::new(framing, 80);
            let silence = |receiver: &mut Receiver| {
                assert_eq!(receiver.decoder.poll_timeout(), Some(receiver.now + gap));
                receiver.now += gap;
                if heeded {
                    assert_eq!(receiver.timeout(), [b""; 0]);
                }
            };
            assert_eq!(receiver.input(b"\xff\xff\xff\xffnoise"), [b""; 0]);
            assert_eq!(receiver.decoder.faults().skipping, 0xffff_ffff - 5);
            silence(&mut receiver);
            assert_eq!(receiver.input(&ok), [b"ok"]);
            assert_eq!(receiver.dropped(), (1, 9));
            assert_eq!(receiver.decoder.faults().skipping, 0);
            assert_eq!(receiver.decoder.poll_timeout(), None, "between messages");
            // An unfinished message with a correct length, and an unfinished length.
            for begun in [&ok[..5], &ok[..1]] {
                let (frames, bytes) = receiver.dropped();
                assert_eq!(receiver.input(begun), [b""; 0]);
                silence(&mut receiver);
                assert_eq!(receiver.input(&ok), [b"ok"]);
                assert_eq!(receiver.dropped(), (frames + 1, bytes + begun.len() as u64));
            }
            receiver.input(&ok[..5]);
            receiver.now += gap / 2;
            assert_eq!(
                receiver.input(&ok[5..]),
                [b"ok"],
                "it was not silent for so long"
            );
        }
    }

    #[test]
    fn no_memory_is_taken_before_the_bytes_have_come() {
        let mut receiver = Receiver::new(framing(Width::Four, ByteOrder::Big), 65_536);
        assert_eq!(receiver.input(b"\0\x01\0\0"), [b""; 0]);
        assert_eq!(receiver.decoder.capacity(), 0);
        assert_eq!(receiver.input(&[1; 100]), [b""; 0]);
        assert!(receiver.decoder.capacity() < 200);
        assert_eq!(receiver.decoder.buffered(), 104);
    }

    #[test]
    fn what_is_unfinished_is_counted_at_the_end_of_the_stream() {
        let mut receiver = Receiver::new(framing(Width::Two, ByteOrder::Big), 4);
        receiver.input(b"\0");
        assert_eq!(receiver.reset(), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 1));
        receiver.input(b"\0\x03ab");
        receiver.reset();
        assert_eq!(receiver.dropped(), (2, 5));
        receiver.input(b"\xff\xff12");
        receiver.reset();
        assert_eq!(receiver.dropped(), (3, 9), "counted as it came");
        assert_eq!(receiver.input(b"\0\x01x"), [b"x"]);
        receiver.reset();
        assert_eq!(receiver.dropped(), (3, 9), "nothing was unfinished");
    }
}
