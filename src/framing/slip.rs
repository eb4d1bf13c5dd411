//! SLIP (RFC 1055).

use super::Faults;
use super::frame::Frame;

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
/// The byte that stands for END after an ESC.
const ESC_END: u8 = 0xdc;
/// The byte that stands for ESC after an ESC.
const ESC_ESC: u8 = 0xdd;

/// The receiving side of SLIP.
#[derive(Debug)]
pub(super) struct Slip {
    frame: Frame,
    /// Whether the last byte was ESC.
    escape: bool,
}

impl Slip {
    pub(super) fn new(max: usize) -> Self {
        Self {
            frame: Frame::new(max),
            escape: false,
        }
    }

    pub(super) fn handle_input(
        &mut self,
        input: &[u8],
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) {
        for &byte in input {
            let escape = std::mem::take(&mut self.escape);
            if byte == END && self.frame.is_empty() {
                continue;
            }
            self.frame.extend();
            match (escape, byte) {
                (false, END) => self.frame.end(faults, message),
                (false, ESC) => self.escape = true,
                (false, byte) => self.frame.push(byte, faults),
                (true, ESC_END) => self.frame.push(END, faults),
                (true, ESC_ESC) => self.frame.push(ESC, faults),
                (true, byte) => {
                    self.frame.spoil(faults);
                    // END is never part of a frame, whatever happened to the byte before it.
                    if byte == END {
                        self.frame.end(faults, message);
                    }
                }
            }
        }
        self.frame.settle(faults);
    }

    pub(super) fn reset(&mut self, faults: &mut Faults) {
        self.escape = false;
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

/// Appends END, the message with its escapes, END.
pub(super) fn encode(message: &[u8], out: &mut Vec<u8>) {
    out.reserve(encoded_len(message));
    out.push(END);
    for &byte in message {
        match byte {
            END => out.extend([ESC, ESC_END]),
            ESC => out.extend([ESC, ESC_ESC]),
            byte => out.push(byte),
        }
    }
    out.push(END);
}

pub(super) fn encoded_len(message: &[u8]) -> usize {
    let escapes = message.iter().filter(|byte| matches!(**byte, END | ESC));
    message.len() + escapes.count() + 2
}

#[cfg(test)]
mod tests {
    use super::super::Framing;
    use super::super::tests::{Receiver, encoded};

    #[test]
    fn the_wire_is_that_of_the_rfc() {
        let wire = encoded(Framing::Slip, b"a\xc0b\xdbc\xdc\xdd");
        assert_eq!(wire, b"\xc0a\xdb\xdcb\xdb\xddc\xdc\xdd\xc0");
        assert_eq!(encoded(Framing::Slip, b""), b"\xc0\xc0");
        let mut receiver = Receiver::new(Framing::Slip, 80);
        assert_eq!(receiver.input(&wire), [b"a\xc0b\xdbc\xdc\xdd"]);
        assert_eq!(receiver.decoder.buffered(), 0);
    }

    #[test]
    fn one_end_between_messages_or_many_are_the_same() {
        let mut receiver = Receiver::new(Framing::Slip, 80);
        assert_eq!(
            receiver.input(b"\xc0\xc0one\xc0two\xc0\xc0\xc0"),
            [b"one", b"two"]
        );
        assert_eq!(receiver.dropped(), (0, 0));
        assert_eq!(receiver.decoder.buffered(), 0);
    }

    #[test]
    fn an_escape_may_be_cut_in_two() {
        let mut receiver = Receiver::new(Framing::Slip, 80);
        assert_eq!(receiver.input(b"a\xdb"), [b""; 0]);
        assert_eq!(receiver.decoder.buffered(), 2);
        assert_eq!(receiver.input(b"\xdc\xc0"), [b"a\xc0"]);
    }

    #[test]
    fn a_bad_escape_drops_its_frame_and_no_other() {
        for bad in [&b"\xdbx"[..], b"\xdb\xdb", b"\xdb\x00"] {
            let mut receiver = Receiver::new(Framing::Slip, 80);
            assert_eq!(receiver.input(b"good\xc0ba"), [b"good"]);
            assert_eq!(receiver.input(bad), [b""; 0]);
            assert_eq!(receiver.dropped(), (1, 4), "counted as it comes");
            assert_eq!(receiver.decoder.buffered(), 0);
            let rest = b"d\xdc\xdd\xdb\xdc\xdby\xc0more\xc0";
            assert_eq!(receiver.input(rest), [b"more"]);
            assert_eq!(receiver.dropped(), (1, 4 + 8));
        }
    }

    #[test]
    fn end_ends_a_frame_even_after_an_escape() {
        let mut receiver = Receiver::new(Framing::Slip, 80);
        assert_eq!(receiver.input(b"bad\xdb\xc0\xdcood\xc0"), [b"\xdcood"]);
        assert_eq!(receiver.dropped(), (1, 5));
        // The same bytes in a frame that is already being dropped.
        assert_eq!(receiver.input(b"\xdbx\xdb"), [b""; 0]);
        assert_eq!(receiver.input(b"\xc0good\xc0"), [b"good"]);
        assert_eq!(receiver.dropped(), (2, 9));
    }

    #[test]
    fn a_frame_too_long_is_dropped_whole() {
        let mut receiver = Receiver::new(Framing::Slip, 4);
        assert_eq!(
            receiver.input(b"1234\xc0\xdb\xdc\xdb\xdc\xdb\xdc\xdb\xdc\xc0"),
            [b"1234", b"\xc0\xc0\xc0\xc0"]
        );
        assert_eq!(receiver.input(b"12345"), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 5));
        assert_eq!(receiver.input(b"67\xc012"), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 8));
        assert_eq!(receiver.input(b"34\xc0"), [b"1234"]);
    }

    #[test]
    fn an_unfinished_frame_is_counted_at_the_end_of_the_stream() {
        let mut receiver = Receiver::new(Framing::Slip, 80);
        receiver.input(b"\xc0half\xdb");
        assert_eq!(receiver.reset(), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 5));
        assert_eq!(receiver.input(b"\xdc\xc0"), [b"\xdc"], "the escape is gone");
        assert_eq!(receiver.reset(), [b""; 0]);
        assert_eq!(receiver.dropped(), (1, 5), "nothing was unfinished");
        receiver.input(b"\xdb!");
        receiver.reset();
        assert_eq!(receiver.dropped(), (2, 7), "counted once");
        assert_eq!(receiver.input(b"good\xc0"), [b"good"]);
    }
}
