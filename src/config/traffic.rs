//! The keys about bytes and messages that pass: framing, scrollback, lag, writers, dead-man switch, capture.

use std::time::Duration;

use super::reader::{Document, Section};
use super::values::{absolute, required};
use super::{Capture, Deadman, LagPolicy, StreamFraming, Traffic, Writers};
use crate::framing::{ByteOrder, Framing, Width};
use crate::limits;

/// How many bytes of the past a new reader of a byte stream receives.
const SCROLLBACK: usize = 64 * 1024;
/// The default wait for more bytes: long enough for a few bytes of a slow line to become one message, and too
/// short for a person to notice.
const LATENCY: Duration = Duration::from_millis(2);
/// The default gap between frames. Modbus RTU needs at least 1.75 ms, and timers here are accurate to a
/// millisecond or two.
const GAP: Duration = Duration::from_millis(5);

pub(super) const FRAMINGS: [(&str, Shape); 6] = [
    ("raw", Shape::Raw),
    ("line", Shape::Line),
    ("idle-gap", Shape::IdleGap),
    ("slip", Shape::Slip),
    ("cobs", Shape::Cobs),
    ("length", Shape::Length),
];
/// The silence within a message after which a lost byte is more likely than a slow device.
const LENGTH_GAP: Duration = Duration::from_secs(1);

const LAGS: [(&str, LagPolicy); 2] = [("close", LagPolicy::Close), ("skip", LagPolicy::Skip)];
/// The values of `lag` for `tcp` and `unix`, where the system makes a program wait that is not read.
const PROGRAM_LAGS: [(&str, LagPolicy); 3] = [
    ("close", LagPolicy::Close),
    ("skip", LagPolicy::Skip),
    ("wait", LagPolicy::Wait),
];
const WRITERS: [(&str, Writers); 2] = [("all", Writers::All), ("one", Writers::One)];
const ORDERS: [(&str, ByteOrder); 2] = [("big", ByteOrder::Big), ("little", ByteOrder::Little)];

/// The source of a byte stream, which determines the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// A tty: bytes may be lost on the way, and the sender cannot be held up.
    Tty,
    /// A connection to a program that all channels share.
    Program,
    /// A connection to a program for each channel.
    Conversation,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Raw,
    Line,
    IdleGap,
    Slip,
    Cobs,
    Length,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            framing: StreamFraming::Raw { latency: LATENCY },
            max_message: limits::MAX_MESSAGE,
            scrollback: 0,
            lag: LagPolicy::Skip,
            writers: Writers::All,
            deadman: None,
            capture: None,
        }
    }
}

impl Traffic {
    /// Returns the defaults of a byte stream.
    pub fn stream() -> Self {
        Self {
            scrollback: SCROLLBACK,
            lag: LagPolicy::Close,
            ..Self::default()
        }
    }
}

/// Reads the keys of kinds that are byte streams.
pub(super) fn read_stream<'a>(
    stream: Stream,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Traffic {
    let mut traffic = Traffic::stream();
    let shape = section.choice("framing", &FRAMINGS, document);
    traffic.framing = read_framing(stream, shape.unwrap_or(Shape::Raw), section, document);
    if matches!(traffic.framing, StreamFraming::Framed(_)) {
        let max = i64::try_from(limits::MAX_MESSAGE).unwrap_or(i64::MAX);
        let given = section.integer("max_message", 1..=max, document);
        let given = given.and_then(|n| usize::try_from(n).ok());
        traffic.max_message = given.unwrap_or(traffic.max_message);
    }
    let lags: &[_] = match stream {
        Stream::Tty => &LAGS,
        Stream::Program | Stream::Conversation => &PROGRAM_LAGS,
    };
    if stream == Stream::Conversation {
        traffic.lag = LagPolicy::Wait;
    }
    read_common(lags, section, document, traffic)
}

/// Reads the keys of kinds whose messages are datagrams.
pub(super) fn read_datagrams<'a>(
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> Traffic {
    read_common(&LAGS, section, document, Traffic::default())
}

fn read_framing<'a>(
    stream: Stream,
    shape: Shape,
    section: &mut Section<'a>,
    document: &mut Document<'a>,
) -> StreamFraming {
    let mut millis = |key, from| {
        let given = section.integer(key, from..=10_000, document);
        let given = given.and_then(|n| u64::try_from(n).ok());
        given.map(Duration::from_millis)
    };
    let framing = match shape {
        Shape::Raw => {
            let latency = millis("latency_ms", 0).unwrap_or(LATENCY);
            return StreamFraming::Raw { latency };
        }
        Shape::Line => Framing::Line {
            gap: millis("gap_ms", 1),
        },
        Shape::IdleGap => Framing::IdleGap {
            gap: millis("gap_ms", 1).unwrap_or(GAP),
        },
        Shape::Slip => Framing::Slip,
        Shape::Cobs => Framing::Cobs,
        Shape::Length => {
            let gap = millis("gap_ms", 1);
            let line = section.line();
            let width = match section.integer("length_bytes", 1..=4, document) {
                Some(1) => Width::One,
                None | Some(2) => Width::Two,
                Some(4) => Width::Four,
                Some(other) => {
                    let message = format!("endpoint.length_bytes must be 1, 2 or 4, not {other}");
                    document.fault_at(line, message);
                    Width::Two
                }
            };
            let order = section.choice("length_order", &ORDERS, document);
            Framing::Length {
                gap: gap.or_else(|| (stream == Stream::Tty).then_some(LENGTH_GAP)),
                width,
                order: order.unwrap_or(ByteOrder::Big),
            }
        }
    };
    StreamFraming::Framed(framing)
}

fn read_common<'a>(
    lags: &[(&str, LagPolicy)],
    section: &mut Section<'a>,
    document: &mut Document<'a>,
    mut traffic: Traffic,
) -> Traffic {
    let most = i64::try_from(limits::RING).unwrap_or(i64::MAX);
    let scrollback = section.integer("scrollback", 0..=most, document);
    let scrollback = scrollback.and_then(|n| usize::try_from(n).ok());
    traffic.scrollback = scrollback.unwrap_or(traffic.scrollback);
    let lag = section.choice("lag", lags, document);
    traffic.lag = lag.unwrap_or(traffic.lag);
    let writers = section.choice("writers", &WRITERS, document);
    traffic.writers = writers.unwrap_or(traffic.writers);
    if let Some(deadman) = section.table("deadman", document) {
        let line = deadman.line();
        traffic.deadman = read_deadman(deadman, document);
        // A program that has to wait until it is read does not read either, so it would not read the stop.
        if lag == Some(LagPolicy::Wait) {
            let message = "endpoint.lag \"wait\" goes with no deadman: a program that has to wait reads no stop";
            document.fault_at(line, message.to_owned());
        } else if traffic.lag == LagPolicy::Wait {
            traffic.lag = LagPolicy::Close;
        }
    }
    if let Some(capture) = section.table("capture", document) {
        traffic.capture = read_capture(capture, document);
    }
    traffic
}

fn read_deadman<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Option<Deadman> {
    let before = document.fault_count();
    let line = section.line();
    let timeout = section.integer("timeout_ms", 20..=600_000, document);
    let text = section.string("send", document);
    let hex = section.string("send_hex", document);
    let send = match (text, hex) {
        (Some((_, text)), None) => Some(text.into_bytes()),
        (None, Some((line, hex))) => {
            let bytes = from_hex(&hex);
            if bytes.is_none() {
                let message = format!("endpoint.deadman.send_hex {hex:?} is not like \"02 ff 03\"");
                document.fault_at(line, message);
            }
            bytes
        }
        (Some(_), Some(_)) => {
            document.fault_at(line, "endpoint.deadman has send and send_hex".to_owned());
            None
        }
        (None, None) => None,
    };
    section.finish(document);
    let timeout = timeout.and_then(|n| u64::try_from(n).ok());
    let send = send.filter(|bytes| !bytes.is_empty() && bytes.len() <= 1_024);
    let (Some(timeout), Some(send)) = (timeout, send) else {
        if document.fault_count() == before {
            let message = "endpoint.deadman needs timeout_ms and 1 to 1024 bytes of send \
                           (or send_hex)";
            document.fault_at(line, message.to_owned());
        }
        return None;
    };
    Some(Deadman {
        timeout: Duration::from_millis(timeout),
        send,
    })
}

fn read_capture<'a>(mut section: Section<'a>, document: &mut Document<'a>) -> Option<Capture> {
    let path = required(&mut section, "path", document);
    let path = path.and_then(|path| absolute("capture.path", path, document));
    let max_bytes = section.integer("max_bytes", 4_096..=1 << 40, document);
    let files = section.integer("files", 1..=100, document);
    section.finish(document);
    Some(Capture {
        path: path?,
        max_bytes: max_bytes
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(10_000_000),
        files: files.and_then(|n| u32::try_from(n).ok()).unwrap_or(3),
    })
}

/// Parses pairs of hexadecimal digits, with or without spaces between bytes.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}
