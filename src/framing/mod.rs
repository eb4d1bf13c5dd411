//! Framings: how messages lie in a stream of bytes, such as a serial line.
//!
//! A [`Decoder`] receives what the device sends, in any pieces, and says when it wants to be called for a
//! timeout; [`encode`] appends a message to the bytes for the device. Nothing here corrects errors: a damaged
//! message is noticed only as far as it breaks its frame.
//!
//! COBS uses the `cobs` crate, one byte at a time. SLIP is implemented here because no crate for it takes a
//! stream in pieces, bounds the frame and finds the next frame after a malformed one.

mod buffer;
mod cobs;
mod frame;
mod length;
mod plain;
mod slip;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::{Duration, Instant};

pub use length::{ByteOrder, Width};

/// A framing: how bytes of a stream are cut into messages, and how messages are put into the stream. (Raw is
/// not part of this type because endpoints do that from their ring.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A message ends after each `\n`, which stays part of it; towards the device nothing is added.
    Line {
        /// An unfinished line is passed on after this silence: a prompt has no `\n`.
        gap: Option<Duration>,
    },
    /// A message ends when the line is silent (Modbus RTU and the like).
    IdleGap {
        /// The length of the silence. Silence is measured between two reads, so it must be longer than the
        /// delays on the path: a USB adapter may hold bytes back for 16 ms.
        gap: Duration,
    },
    /// RFC 1055, with an END before each message as well as after it, so that noise on an idle line spoils no
    /// message. Two ENDs without bytes between them are no message.
    ///
    /// ESC before anything but its two escapes makes the frame malformed. (RFC 1055 lets such a
    /// byte through "for lack of something better to do"; a message that was not sent is worse
    /// than one that is missing.)
    Slip,
    /// Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999), with a zero after each message. Two
    /// zeros without bytes between them are no message; a lone code `01` is an empty message.
    Cobs,
    /// The number of bytes before each message. 0 is an empty message. Nothing in the stream says where a
    /// message begins, so a lost byte spoils all messages that follow until the stream begins anew, or falls
    /// silent within a message.
    Length {
        /// The silence that ends an unfinished message. `None`: a message may take any time.
        gap: Option<Duration>,
        /// The number of bytes of the length.
        width: Width,
        /// The order of the bytes of the length.
        order: ByteOrder,
    },
}

/// The upper limit of every `max_message`, in bytes, which is what a channel carries (`limits::MAX_MESSAGE`).
pub const MAX_MESSAGE: usize = 65_536;

impl Framing {
    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line { .. } => "line",
            Self::IdleGap { .. } => "idle-gap",
            Self::Slip => "slip",
            Self::Cobs => "cobs",
            Self::Length { .. } => "length",
        }
    }

    /// Returns the length of the longest message that [`encode`] takes: `max_message` (1 to [`MAX_MESSAGE`];
    /// anything else counts as the nearer of the two), or less if the length field cannot express it.
    pub fn longest(self, max_message: usize) -> usize {
        let max_message = max_message.clamp(1, MAX_MESSAGE);
        match self {
            Self::Line { .. } | Self::IdleGap { .. } | Self::Slip | Self::Cobs => max_message,
            Self::Length { width, .. } => max_message.min(width.largest()),
        }
    }
}

/// Counters of bytes and frames that were malformed or too long, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Frames that were malformed, too long or unfinished, and dropped whole.
    pub frames: u64,
    /// The bytes of these frames on the wire, delimiters and lengths included. Bytes of a frame that is too
    /// long are counted as they arrive.
    pub bytes: u64,
    /// The number of times that a line, or the bytes between two gaps, was cut because it was longer than a
    /// message may be. Cutting loses no byte.
    pub cut: u64,
    /// The number of bytes that are still to come of a frame that is too long, by its length. Until then, or
    /// until a silence, no message is passed on.
    pub skipping: u64,
}

/// The error that the framing cannot carry a message of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The longest message that the framing takes, in bytes.
    pub longest: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the framing takes at most {} bytes", self.longest)
    }
}

impl std::error::Error for TooLong {}

/// A decoder that finds the messages in a stream.
///
/// A decoder holds at most one message, and allocates memory for a message only as its bytes arrive.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    faults: Faults,
}

#[derive(Debug)]
enum Codec {
    Plain(plain::Plain),
    Slip(slip::Slip),
    Cobs(cobs::Cobs),
    Length(length::Length),
}

impl Decoder {
    /// Returns a decoder at the beginning of a stream. No message is longer than `max_message` bytes (1 to
    /// [`MAX_MESSAGE`]; anything else counts as the nearer of the two).
    pub fn new(framing: Framing, max_message: usize) -> Self {
        Self::of(framing, false, max_message)
    }

    /// Returns a decoder like [`Self::new`] for messages that are text: a message that is too long is not cut
    /// within a character. (A line is never cut there in any case.)
    pub fn of_text(framing: Framing, max_message: usize) -> Self {
        Self::of(framing, true, max_message)
    }

    fn of(framing: Framing, text: bool, max_message: usize) -> Self {
        let max = max_message.clamp(1, MAX_MESSAGE);
        let codec = match framing {
            Framing::Line { gap } => Codec::Plain(plain::Plain::new(Some(b'\n'), gap, true, max)),
            Framing::IdleGap { gap } => Codec::Plain(plain::Plain::new(None, Some(gap), text, max)),
            Framing::Slip => Codec::Slip(slip::Slip::new(max)),
            Framing::Cobs => Codec::Cobs(cobs::Cobs::new(max)),
            Framing::Length { gap, width, order } => {
                Codec::Length(length::Length::new(gap, width, order, max))
            }
        };
        Self {
            codec,
            faults: Faults::default(),
        }
    }

    /// Takes bytes from the device; each complete message goes to `message`, in order. If the caller missed a
    /// deadline, the message that was unfinished by then is passed on first.
    pub fn handle_input(&mut self, now: Instant, input: &[u8], message: &mut impl FnMut(&[u8])) {
        let faults = &mut self.faults;
        match &mut self.codec {
            Codec::Plain(plain) => plain.handle_input(now, input, faults, message),
            Codec::Slip(slip) => slip.handle_input(input, faults, message),
            Codec::Cobs(cobs) => cobs.handle_input(input, faults, message),
            Codec::Length(length) => length.handle_input(now, input, faults, message),
        }
    }

    /// Returns when [`Self::handle_timeout`] must be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.codec {
            Codec::Plain(plain) => plain.poll_timeout(),
            Codec::Length(length) => length.poll_timeout(),
            Codec::Slip(_) | Codec::Cobs(_) => None,
        }
    }

    /// Acts on a deadline that has passed because the line was silent. Does nothing if called too early.
    pub fn handle_timeout(&mut self, now: Instant, message: &mut impl FnMut(&[u8])) {
        match &mut self.codec {
            Codec::Plain(plain) => plain.handle_timeout(now, message),
            Codec::Length(length) => length.handle_timeout(now, &mut self.faults),
            Codec::Slip(_) | Codec::Cobs(_) => {}
        }
    }

    /// Restarts the silence at `now` because the device was not read until now.
    pub fn postpone(&mut self, now: Instant) {
        match &mut self.codec {
            Codec::Plain(plain) => plain.wait(now),
            Codec::Length(length) => length.wait(now),
            Codec::Slip(_) | Codec::Cobs(_) => {}
        }
    }

    /// Ends the stream, or begins it anew: an unfinished message is passed on (line, idle gap) or counted as
    /// a fault (the other framings).
    pub fn reset(&mut self, message: &mut impl FnMut(&[u8])) {
        let faults = &mut self.faults;
        match &mut self.codec {
            Codec::Plain(plain) => plain.flush(message),
            Codec::Slip(slip) => slip.reset(faults),
            Codec::Cobs(cobs) => cobs.reset(faults),
            Codec::Length(length) => length.reset(faults),
        }
    }

    /// Returns the faults since the beginning; a reset does not clear them.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Returns how many bytes of the wire belong to an unfinished message. Bytes of a frame that is being
    /// dropped are not included because the faults contain them already.
    #[cfg(any(test, feature = "testing"))]
    pub fn buffered(&self) -> usize {
        match &self.codec {
            Codec::Plain(plain) => plain.buffered(),
            Codec::Slip(slip) => slip.buffered(),
            Codec::Cobs(cobs) => cobs.buffered(),
            Codec::Length(length) => length.buffered(),
        }
    }

    /// Returns how many bytes of memory the unfinished message has; never more than `max_message`.
    #[cfg(any(test, feature = "testing"))]
    pub fn capacity(&self) -> usize {
        match &self.codec {
            Codec::Plain(plain) => plain.capacity(),
            Codec::Slip(slip) => slip.capacity(),
            Codec::Cobs(cobs) => cobs.capacity(),
            Codec::Length(length) => length.capacity(),
        }
    }
}

/// Appends the framed message to `out`, or nothing if it is longer than [`Framing::longest`].
///
/// For line and idle gap the bytes are written as they are: the caller must end a line with `\n` and must
/// keep the silence. An empty message is invisible in these two framings and in SLIP.
pub fn encode(
    framing: Framing,
    max_message: usize,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), TooLong> {
    let longest = framing.longest(max_message);
    if message.len() > longest {
        return Err(TooLong { longest });
    }
    match framing {
        Framing::Line { .. } | Framing::IdleGap { .. } => out.extend_from_slice(message),
        Framing::Slip => slip::encode(message, out),
        Framing::Cobs => cobs::encode(message, out),
        Framing::Length { width, order, .. } => length::encode(width, order, message, out),
    }
    Ok(())
}

/// Returns exactly how many bytes [`encode`] appends for a message that it takes, so that the owner of a
/// bounded queue can check beforehand whether the message fits.
#[cfg(any(test, feature = "testing"))]
pub fn encoded_len(framing: Framing, message: &[u8]) -> usize {
    match framing {
        Framing::Line { .. } | Framing::IdleGap { .. } => message.len(),
        Framing::Slip => slip::encoded_len(message),
        Framing::Cobs => cobs::encoded_len(message),
        Framing::Length { width, .. } => width.bytes() + message.len(),
    }
}
