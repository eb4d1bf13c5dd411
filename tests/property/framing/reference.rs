//! A second, simple implementation of the framings, which cuts up the whole stream.

use thingway::testing::framing::{ByteOrder, Faults, Framing, Width};

use super::Outcome;

/// Returns the result for a stream that arrives at one time and has not ended, and how many of its bytes are
/// delimiters with nothing before them.
pub(super) fn reference(framing: Framing, max: usize, stream: &[u8]) -> (Outcome, usize) {
    match framing {
        Framing::Line { .. } => (
            plain(stream.split_inclusive(|byte| *byte == b'\n'), max, true),
            0,
        ),
        Framing::IdleGap { .. } => (plain(std::iter::once(stream), max, false), 0),
        Framing::Slip => delimited(stream, 0xc0, max, slip),
        Framing::Cobs => delimited(stream, 0, max, cobs),
        Framing::Length { width, order, .. } => (length(stream, width, order, max), 0),
    }
}

fn plain<'a>(lines: impl Iterator<Item = &'a [u8]>, max: usize, newline: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for mut line in lines {
        while line.len() > max {
            let (head, tail) = line.split_at(if newline { text_end(&line[..max]) } else { max });
            outcome.messages.push(head.to_vec());
            outcome.faults.cut += 1;
            line = tail;
        }
        outcome.messages.push(line.to_vec());
        if !(newline && line.ends_with(b"\n")) {
            outcome.buffered = outcome.messages.pop().map_or(0, |message| message.len());
        }
    }
    outcome
}

/// Returns the length of the part that ends with a whole character, or the whole length if there is no such
/// part.
fn text_end(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().unwrap();
    let begun = last.invalid();
    let lacks_more = std::str::from_utf8(begun).is_err_and(|error| error.error_len().is_none());
    match bytes.len() - begun.len() {
        0 => bytes.len(),
        whole if lacks_more => whole,
        _ => bytes.len(),
    }
}

/// The contents of a frame, or of the beginning of one.
struct Contents {
    bytes: Vec<u8>,
    /// Whether the frame is already wrong.
    wrong: bool,
    /// Whether the frame may go on and must not end here.
    incomplete: bool,
}

fn delimited(
    stream: &[u8],
    delimiter: u8,
    max: usize,
    contents: fn(&[u8]) -> Contents,
) -> (Outcome, usize) {
    let mut outcome = Outcome::default();
    let mut idle = 0;
    let mut frames: Vec<&[u8]> = stream.split(|byte| *byte == delimiter).collect();
    let last = frames.pop().unwrap();
    for frame in frames {
        let contents = contents(frame);
        if frame.is_empty() {
            idle += 1;
        } else if contents.wrong || contents.incomplete || contents.bytes.len() > max {
            outcome.faults.frames += 1;
            outcome.faults.bytes += frame.len() as u64 + 1;
        } else {
            outcome.messages.push(contents.bytes);
        }
    }
    let contents = contents(last);
    if contents.wrong || contents.bytes.len() > max {
        outcome.faults.frames += 1;
        outcome.faults.bytes += last.len() as u64;
    } else {
        outcome.buffered = last.len();
    }
    (outcome, idle)
}

fn slip(frame: &[u8]) -> Contents {
    // Each ESC forms a unit with the byte after it.
    let mut units: Vec<Vec<u8>> = Vec::new();
    for byte in frame {
        match units.last_mut() {
            Some(unit) if unit == &[0xdb] => unit.push(*byte),
            _ => units.push(vec![*byte]),
        }
    }
    let incomplete = units.last().is_some_and(|unit| unit == &[0xdb]);
    if incomplete {
        units.pop();
    }
    let mut bytes = Vec::new();
    let mut wrong = false;
    for unit in units {
        match unit[..] {
            [0xdb, 0xdc] => bytes.push(0xc0),
            [0xdb, 0xdd] => bytes.push(0xdb),
            [byte] => bytes.push(byte),
            _ => wrong = true,
        }
    }
    Contents {
        bytes,
        wrong,
        incomplete,
    }
}

fn cobs(mut frame: &[u8]) -> Contents {
    let mut bytes = Vec::new();
    let mut incomplete = false;
    let mut zero = false;
    while let Some((code, rest)) = frame.split_first() {
        if zero {
            bytes.push(0);
        }
        zero = *code != 255;
        let run = usize::from(*code) - 1;
        incomplete = rest.len() < run;
        let (run, rest) = rest.split_at(run.min(rest.len()));
        bytes.extend(run);
        frame = rest;
    }
    Contents {
        bytes,
        wrong: false,
        incomplete,
    }
}

fn length(mut stream: &[u8], width: Width, order: ByteOrder, max: usize) -> Outcome {
    let mut outcome = Outcome {
        messages: Vec::new(),
        faults: Faults::default(),
        buffered: 0,
    };
    loop {
        let Some((prefix, rest)) = stream.split_at_checked(width.bytes()) else {
            outcome.buffered = stream.len();
            return outcome;
        };
        let mut prefix = prefix.to_vec();
        if order == ByteOrder::Little {
            prefix.reverse();
        }
        let len = prefix
            .iter()
            .fold(0, |len, byte| len * 256 + u64::from(*byte));
        let len = usize::try_from(len).unwrap();
        let come = len.min(rest.len());
        if len > max {
            outcome.faults.frames += 1;
            outcome.faults.bytes += (width.bytes() + come) as u64;
            outcome.faults.skipping = (len - come) as u64;
        } else if come < len {
            outcome.buffered = stream.len();
        } else {
            outcome.messages.push(rest[..len].to_vec());
        }
        if come < len {
            return outcome;
        }
        stream = &rest[len..];
    }
}
