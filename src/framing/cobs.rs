//! COBS, Consistent Overhead Byte Stuffing: the `cobs` crate, with a bound and counters.

use ::cobs::{DecodeResult, DecoderState};

use super::Faults;
use super::frame::Frame;

/// The delimiter, which never occurs within a frame.
const ZERO: u8 = 0;

/// The number of bytes after which a code stands for a full run without a zero.
#[cfg(any(test, feature = "testing"))]
const LONGEST_RUN: usize = 254;

/// The receiving side of COBS.
#[derive(Debug)]
pub(super) struct Cobs {
    frame: Frame,
    state: DecoderState,
}

impl Cobs {
    pub(super) fn new(max: usize) -> Self {
        Self {
            frame: Frame::new(max),
            state: DecoderState::Idle,
        }
    }

    pub(super) fn handle_input(
        &mut self,
        input: &[u8],
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) {
        for &byte in input {
            if byte == ZERO && self.frame.is_empty() {
                continue;
            }
            self.frame.extend();
            match self.state.feed(byte) {
                Ok(DecodeResult::NoData | DecodeResult::DataStart) => {}
                Ok(DecodeResult::DataContinue(byte)) => self.frame.push(byte, faults),
                Ok(DecodeResult::DataComplete) => self.frame.end(faults, message),
                // The only possible fault is a zero where a code has promised more bytes.
                Err(_) => {
                    self.frame.spoil(faults);
                    self.frame.end(faults, message);
                }
            }
        }
        self.frame.settle(faults);
    }

    pub(super) fn reset(&mut self, faults: &mut Faults) {
        self.state = DecoderState::Idle;
        self.frame.reset(faults);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn buffered(&self) -> usize {
        self.frame.buffered()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.frame.capacity()
    }
}

/// Appends the message with its codes and a zero.
pub(super) fn encode(message: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + ::cobs::max_encoding_length(message.len()), ZERO);
    let room = out.get_mut(start..).unwrap_or_default();
    let len = ::cobs::try_encode(message, room).expect("room for the longest encoding");
    out.truncate(start + len);
    out.push(ZERO);
}

#[cfg(any(test, feature = "testing"))]
pub(super) fn encoded_len(message: &[u8]) -> usize {
    // Every zero becomes a code, one code comes before all, and a full run needs one more after
    // it, unless it ends the message.
    let runs = message.split(|byte| *byte == ZERO);
    let full: usize = runs.map(|run| run.len() / LONGEST_RUN).sum();
    let last = message.rsplit(|byte| *byte == ZERO).next();
    let last = last.map_or(0, <[u8]>::len);
    let ends_full = last > 0 && last % LONGEST_RUN == 0;
    message.len() + 1 + full - usize::from(ends_full) + 1
}

#[cfg(test)]
mod tests {
    use super::super::Framing;
    use super::super::tests::{Receiver, encoded};

    /// Returns bytes other than zero.
    fn run(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 255) as u8 + 1).collect()
    }

    #[test]
    fn the_wire_is_that_of_the_paper() {
        let full = run(254);
        let cases: &[(&[u8], Vec<u8>)] = &[
            (b"", b"\x01\0".to_vec()),
            (b"\0", b"\x01\x01\0".to_vec()),
            (b"\0\0", b"\x01\x01\x01\0".to_vec()),
            (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33\0".to_vec()),
            (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01\0".to_vec()),
            (&full, [b"\xff", &*full, b"\0"].concat()),
            (
                &[&*full, b"\0"].concat(),
                [b"\xff", &*full, b"\x01\x01\0"].concat(),
            ),
            (
                &[&*full, b"x"].concat(),
                [b"\xff", &*full, b"\x02x\0"].concat(),
            ),
            (
                &[b"\0", &*full].concat(),
                [b"\x01\xff", &*full, b"\0"].concat(),
            ),
            (
                &[&*full, &full].concat(),
                [b"\xff", &*full, b"\xff", &*full, b"\0"].concat(),
            ),
        ];
        for (message, wire) in cases {
            assert_eq!(&encoded(Framing::Cobs, message), wire);
            let mut receiver = Receiver::new(Framing::Cobs, 600);
            assert_eq!(receiver.input(wire), [*message]);
            assert_eq!(receiver.dropped(), (0, 0));
        }
    }

    #[test]
    fn runs_around_the_longest_come_back() {
        for len in (250..260).chain(505..512) {
            for end in [&b""[..], b"\0", b"\0\0", b"\0x"] {
                let message = [&run(len), end].concat();
                let wire = encoded(Framing::Cobs, &message);
                assert_eq!(wire.iter().filter(|byte| **byte == 0).count(), 1);
                let mut receiver = Receiver::new(Framing::Cobs, 600);
                assert_eq!(receiver.input(&wire), [message]);
            }
        }
    }

    #[test]
    fn a_code_after_the_last_full_run_adds_nothing() {
        let full = run(254);
        let mut receiver = Receiver::new(Framing::Cobs, 254);
        let wire = [b"\xff", &*full, b"\x01\0"].concat();
        assert_eq!(receiver.input(&wire), [full]);
    }

    #[test]
    fn zeros_in_a_row_are_nothing_and_an_empty_message_is_one() {
        let mut receiver = Receiver::new(Framing::Cobs, 80);
        assert_eq!(receiver.input(b"\0\0\x01\0\0\x01\0\0"), [b"", b""]);
        assert_eq!(receiver.dropped(), (0, 0));
        assert_eq!(receiver.decoder.buffered(), 0);
    }

    #[test]
    fn a_code_that_runs_past_its_zero_drops_the_frame_and_no_other() {
        let mut receiver = Receiver::new(Framing::Cobs, 80);
        assert_eq!(receiver.input(b"\x03a\0\x02b\0"), [b"b"]);
        assert_eq!(receiver.dropped(), (1, 3));
        assert_eq!(receiver.input(b"\x02\0\x02b\0"), [b"b"]);
        assert_eq!(receiver.dropped(), (2, 5));
    }

    #[test]
    fn a_frame_too_long_is_dropped_whole() {
        let mut receiver = Receiver::new(Framing::Cobs, 4);
        assert_eq!(receiver.input(b"\x05abcd\0\x05abc"), [b"abcd"]);
        // One more byte fits; the zero that the next code stands for does not.
        assert_eq!(receiver.input(b"d"), [b""; 0]);
        assert_eq!(receiver.decoder.buffered(), 5);
        assert_eq!(receiver.input(b"\x02"), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 6));
        assert_eq!(receiver.decoder.buffered(), 0);
        assert_eq!(receiver.input(b"e\x02f\0\x02g\0"), [b"g"]);
        assert_eq!(receiver.dropped(), (1, 10));
        assert_eq!(receiver.input(b"\x09abcdefgh\0"), [b""; 0]);
        // A frame that is both too long and malformed counts as one fault.
        assert_eq!(receiver.input(b"\x09abcdefg\0\x02g\0"), [b"g"]);
        assert_eq!(receiver.dropped(), (3, 29));
    }

    #[test]
    fn an_unfinished_frame_is_counted_at_the_end_of_the_stream() {
        let mut receiver = Receiver::new(Framing::Cobs, 80);
        receiver.input(b"\0\x05ha");
        assert_eq!(receiver.reset(), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 3));
        assert_eq!(receiver.input(b"\x02g\0"), [b"g"], "the code is forgotten");
        receiver.reset();
        assert_eq!(receiver.dropped(), (1, 3), "nothing was unfinished");
    }
}
