//! Messages whose bytes are the stream's bytes: lines, and bytes between two silences.

use std::time::{Duration, Instant};

use super::Faults;
use super::buffer::Buffer;

/// Cuts a stream after a delimiter, after a silence, or after either.
///
/// No byte is lost: a message that is too long is cut and continues in the next one. The cut happens when the
/// first excess byte arrives, so a message of exactly the largest size is not cut.
#[derive(Debug)]
pub(super) struct Plain {
    /// The last byte of a message.
    delimiter: Option<u8>,
    /// The silence after which a message has ended.
    gap: Option<Duration>,
    /// Whether messages are text, which is not cut within a character.
    text: bool,
    unfinished: Buffer,
    /// The time at which the silence ends the message; `None` while no message is unfinished.
    deadline: Option<Instant>,
}

impl Plain {
    pub(super) fn new(
        delimiter: Option<u8>,
        gap: Option<Duration>,
        text: bool,
        max: usize,
    ) -> Self {
        Self {
            delimiter,
            gap,
            text,
            unfinished: Buffer::new(max),
            deadline: None,
        }
    }

    pub(super) fn handle_input(
        &mut self,
        now: Instant,
        mut input: &[u8],
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) {
        // The caller may have been late, so first end what the silence before these bytes has ended.
        self.handle_timeout(now, message);
        if input.is_empty() {
            return;
        }
        while let Some((line, rest)) = self.split(input) {
            let tail = self.cut(line, faults, message);
            self.unfinished.finish(tail, message);
            input = rest;
        }
        let tail = self.cut(input, faults, message);
        self.unfinished.push(tail);
        self.wait(now);
    }

    /// Restarts the silence for an unfinished message at `now`.
    pub(super) fn wait(&mut self, now: Instant) {
        self.deadline = match self.gap {
            // A gap that exceeds the range of the clock never ends.
            Some(gap) if self.unfinished.len() > 0 => now.checked_add(gap),
            Some(_) | None => None,
        };
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, message: &mut impl FnMut(&[u8])) {
        let Some(silent) = self.deadline.filter(|at| *at <= now) else {
            return;
        };
        if self.text {
            // The rest of a character may still arrive. Wait for it through one more silence, but no longer.
            self.unfinished.finish_whole(&[], message);
            self.wait(silent);
            self.handle_timeout(now, message);
        } else {
            self.flush(message);
        }
    }

    /// Passes on the unfinished message.
    pub(super) fn flush(&mut self, message: &mut impl FnMut(&[u8])) {
        self.deadline = None;
        if self.unfinished.len() > 0 {
            self.unfinished.finish(&[], message);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn buffered(&self) -> usize {
        self.unfinished.len()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn capacity(&self) -> usize {
        self.unfinished.capacity()
    }

    /// Returns the input up to and including the first delimiter, and the rest.
    fn split<'a>(&self, input: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let delimiter = self.delimiter?;
        let at = input.iter().position(|byte| *byte == delimiter)?;
        input.split_at_checked(at + 1)
    }

    /// Passes on what has become too long; returns the rest of the piece, which fits into the buffer.
    fn cut<'a>(
        &mut self,
        mut piece: &'a [u8],
        faults: &mut Faults,
        message: &mut impl FnMut(&[u8]),
    ) -> &'a [u8] {
        while let Some((head, tail)) = piece.split_at_checked(self.unfinished.room()) {
            if tail.is_empty() {
                break;
            }
            if self.text {
                self.unfinished.finish_whole(head, message);
            } else {
                self.unfinished.finish(head, message);
            }
            faults.cut += 1;
            piece = tail;
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Receiver;
    use super::super::{Framing, MAX_MESSAGE};
    use super::*;

    const GAP: Duration = Duration::from_millis(5);
    const JUST_LESS: Duration = Duration::from_nanos(4_999_999);
    const LINE: Framing = Framing::Line { gap: Some(GAP) };
    const IDLE_GAP: Framing = Framing::IdleGap { gap: GAP };

    #[test]
    fn lines_keep_their_ends() {
        let mut receiver = Receiver::new(Framing::Line { gap: None }, 80);
        assert_eq!(receiver.input(b"G1 X"), [b""; 0]);
        assert_eq!(receiver.decoder.buffered(), 4);
        let lines: [&[u8]; 4] = [b"G1 X1\r\n", b"\n", b"\0\n", b"ok\n"];
        assert_eq!(receiver.input(b"1\r\n\n\0\nok\n> "), lines);
        assert_eq!(receiver.decoder.poll_timeout(), None, "it waits for ever");
        assert_eq!(receiver.reset(), [b"> "]);
        assert_eq!(receiver.reset(), [b""; 0]);
        assert_eq!(receiver.decoder.faults(), Faults::default());
    }

    #[test]
    fn a_line_is_not_cut_within_a_character() {
        let mut receiver = Receiver::new(Framing::Line { gap: None }, 4);
        let text: [&[u8]; 3] = ["a€".as_bytes(), "b€".as_bytes(), "€\n".as_bytes()];
        let all = text.concat();
        for pieces in 1..all.len() {
            let cut: Vec<_> = all
                .chunks(pieces)
                .flat_map(|piece| receiver.input(piece))
                .collect();
            assert_eq!(cut, text);
        }
        let mut binary = Receiver::new(IDLE_GAP, 4);
        assert_eq!(
            binary.input("ab€".as_bytes()),
            ["ab€".as_bytes()[..4].to_vec()]
        );
        let mut text = Receiver::new(IDLE_GAP, 4);
        text.decoder = super::super::Decoder::of_text(IDLE_GAP, 4);
        assert_eq!(text.input("ab€".as_bytes()), [b"ab"]);
    }

    #[test]
    fn half_a_character_waits_for_a_second_silence() {
        for heeded in [true, false] {
            let mut receiver = Receiver::new(LINE, 80);
            assert_eq!(receiver.input(b"T:21 \xc2"), [b""; 0]);
            receiver.now += GAP;
            let text = if heeded {
                receiver.timeout()
            } else {
                Vec::new()
            };
            let text = [text, receiver.input(b"\xb0")].concat();
            assert_eq!(text, [b"T:21 "]);
            receiver.now += GAP;
            assert_eq!(receiver.timeout(), [b"\xc2\xb0"], "the rest had come");
            assert_eq!(receiver.input(b"caf\xe9"), [b""; 0]);
            receiver.now += GAP;
            let text = if heeded {
                receiver.timeout()
            } else {
                Vec::new()
            };
            receiver.now += GAP;
            assert_eq!([text, receiver.timeout()].concat(), [&b"caf"[..], b"\xe9"]);
            assert_eq!(receiver.decoder.poll_timeout(), None);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_goes_on() {
        for framing in [LINE, IDLE_GAP] {
            let mut receiver = Receiver::new(framing, 4);
            assert_eq!(receiver.input(b"1234"), [b""; 0], "it may end here");
            assert_eq!(receiver.input(b""), [b""; 0]);
            receiver.now += GAP;
            assert_eq!(receiver.timeout(), [b"1234"]);
            assert_eq!(receiver.decoder.faults().cut, 0);

            assert_eq!(receiver.input(b"123456789"), [b"1234", b"5678"]);
            receiver.now += GAP;
            assert_eq!(receiver.timeout(), [b"9"]);
            assert_eq!(receiver.decoder.faults().cut, 2);
            assert_eq!(receiver.dropped(), (0, 0));
        }
        let mut receiver = Receiver::new(LINE, 4);
        assert_eq!(
            receiver.input(b"123\n4567\n"),
            [&b"123\n"[..], b"4567", b"\n"]
        );
        assert_eq!(receiver.decoder.faults().cut, 1);
    }

    #[test]
    fn a_prompt_is_passed_on_after_the_gap() {
        let mut receiver = Receiver::new(LINE, 80);
        assert_eq!(receiver.input(b"ok\n"), [b"ok\n"]);
        assert_eq!(receiver.decoder.poll_timeout(), None, "nothing unfinished");
        assert_eq!(receiver.input(b"> "), [b""; 0]);
        assert_eq!(receiver.decoder.poll_timeout(), Some(receiver.now + GAP));
        receiver.now += GAP;
        assert_eq!(receiver.timeout(), [b"> "]);
        assert_eq!(receiver.decoder.poll_timeout(), None);
        assert_eq!(receiver.timeout(), [b""; 0]);
    }

    #[test]
    fn the_gap_is_reached_exactly_and_begins_anew_with_each_byte() {
        for framing in [LINE, IDLE_GAP] {
            let mut receiver = Receiver::new(framing, 80);
            assert_eq!(receiver.input(b"a"), [b""; 0]);
            receiver.now += JUST_LESS;
            assert_eq!(receiver.timeout(), [b""; 0]);
            assert_eq!(receiver.input(b"b"), [b""; 0]);
            assert_eq!(receiver.decoder.poll_timeout(), Some(receiver.now + GAP));
            receiver.now += JUST_LESS;
            assert_eq!(receiver.input(b""), [b""; 0], "no byte breaks no silence");
            receiver.now += GAP - JUST_LESS;
            assert_eq!(receiver.timeout(), [b"ab"]);
        }
    }

    #[test]
    fn input_after_a_missed_deadline_is_a_new_message() {
        for framing in [LINE, IDLE_GAP] {
            let mut receiver = Receiver::new(framing, 80);
            receiver.input(b"old");
            receiver.now += GAP;
            assert_eq!(receiver.input(b"new"), [b"old"]);
            assert_eq!(receiver.decoder.poll_timeout(), Some(receiver.now + GAP));
            receiver.now += GAP * 100;
            assert_eq!(receiver.input(b""), [b"new"]);
            assert_eq!(receiver.decoder.poll_timeout(), None);
        }
    }

    #[test]
    fn a_newline_means_nothing_between_gaps() {
        let mut receiver = Receiver::new(IDLE_GAP, 80);
        assert_eq!(receiver.input(b"\x01\x03\n\n"), [b""; 0]);
        assert_eq!(receiver.reset(), [b"\x01\x03\n\n"]);
        assert_eq!(receiver.decoder.poll_timeout(), None);
    }

    #[test]
    fn a_gap_of_nothing_and_one_of_ages_do_no_harm() {
        let gap = Duration::ZERO;
        let mut receiver = Receiver::new(Framing::IdleGap { gap }, 80);
        assert_eq!(receiver.input(b"a"), [b""; 0]);
        assert_eq!(receiver.decoder.poll_timeout(), Some(receiver.now));
        assert_eq!(receiver.input(b"b"), [b"a"]);

        let gap = Duration::MAX;
        let mut receiver = Receiver::new(Framing::IdleGap { gap }, usize::MAX);
        assert_eq!(receiver.input(b"a"), [b""; 0]);
        assert_eq!(receiver.decoder.poll_timeout(), None);
        let long = receiver.input(&[b'b'; MAX_MESSAGE]);
        assert_eq!(long.first().map(Vec::len), Some(MAX_MESSAGE));
    }
}
