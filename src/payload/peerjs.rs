//! PeerJS' `binary` (`peerjs` 1.5.5, `BinaryPack` and `BinaryPackChunker`).
//!
//! A packed value of up to 16,300 bytes is one frame. A longer value is cut, and each piece becomes the
//! `data` of a packed object `{ __peerData, n, data, total }`: a number that the pieces have in common, the
//! index of the piece, and the number of pieces. An object whose `__peerData` is an object closes the
//! connection.

use super::binarypack::{Item, Reader, writer};
use super::packed::{HEADER, packed, size, unpack};
use super::parts::{Part, Parts, Refused};
use super::{Bounds, DecodeError, Decoded, Dropped, Frame, Payload};

/// The longest piece (`chunkedMTU`); JSON must be shorter than this.
pub(super) const CHUNK: usize = 16_300;

/// The codec for both directions of one channel.
#[derive(Debug)]
pub(super) struct Binary {
    bounds: Bounds,
    /// The number for the next message that is cut. The page treats 0 as a missing number.
    number: u32,
    packed: Vec<u8>,
    frame: Vec<u8>,
    parts: Parts<u64>,
    room: String,
}

/// The purpose of an object.
#[derive(Debug)]
enum FramePurpose<'a> {
    Value,
    Part(Part<'a, u64>),
    Close,
}

impl Binary {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            number: 1,
            packed: Vec::new(),
            frame: Vec::new(),
            parts: Parts::new(packed(bounds, bounds.message + HEADER)),
            room: String::new(),
        }
    }

    pub(super) fn encode(&mut self, payload: Payload<'_>, send: &mut impl FnMut(Frame<'_>)) {
        self.packed.clear();
        match payload {
            Payload::Text(text) => push_text(text.as_bytes(), &mut self.packed),
            Payload::Bytes(bytes) => push_bytes(bytes, &mut self.packed),
        }
        if self.packed.len() <= CHUNK {
            return send(Frame::Binary(&self.packed));
        }
        let pieces = self.packed.chunks(CHUNK);
        let total = pieces.len() as u64;
        for (index, piece) in (0..).zip(pieces) {
            let frame = &mut self.frame;
            frame.clear();
            writer::map_header(4, frame);
            push_text(b"__peerData", frame);
            writer::unsigned(self.number.into(), frame);
            push_text(b"n", frame);
            writer::unsigned(index, frame);
            push_text(b"data", frame);
            push_bytes(piece, frame);
            push_text(b"total", frame);
            writer::unsigned(total, frame);
            send(Frame::Binary(frame));
        }
        self.number = self.number.checked_add(1).unwrap_or(1);
    }

    pub(super) fn decode<'a>(
        &'a mut self,
        frame: &'a [u8],
    ) -> Result<Option<Decoded<'a>>, DecodeError> {
        let longest = self.bounds.message;
        let (message, purpose) = match purpose(frame)? {
            FramePurpose::Part(part) => {
                let complete = self.parts.insert(part).map_err(|refused| match refused {
                    Refused::Contradiction(fault) => DecodeError::Part(fault),
                    Refused::TooLong => DecodeError::TooLong { longest },
                })?;
                if !complete {
                    return Ok(None);
                }
                let whole = self.parts.whole();
                (whole, purpose(whole)?)
            }
            purpose @ (FramePurpose::Value | FramePurpose::Close) => (frame, purpose),
        };
        match purpose {
            FramePurpose::Value => {
                let payload = unpack(message, longest, &mut self.room)?;
                Ok(Some(Decoded::Payload(payload)))
            }
            FramePurpose::Close => Ok(Some(Decoded::Close)),
            FramePurpose::Part(_) => Err(DecodeError::Part("a message in parts is itself a part")),
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn dropped(&self) -> Dropped {
        self.parts.dropped()
    }

    pub(super) fn held(&self) -> usize {
        self.parts.held()
    }
}

pub(super) fn push_text(text: &[u8], out: &mut Vec<u8>) {
    writer::text_header(size(text.len()), out);
    out.extend_from_slice(text);
}

pub(super) fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    writer::bytes_header(size(bytes.len()), out);
    out.extend_from_slice(bytes);
}

fn purpose(packed: &[u8]) -> Result<FramePurpose<'_>, DecodeError> {
    let mut reader = Reader::new(packed);
    let Item::Map(entries) = reader.item()? else {
        return Ok(FramePurpose::Value);
    };
    let (mut in_band, mut index, mut total, mut bytes) = (None, None, None, None);
    for _ in 0..entries {
        let entry = reader.entry()?;
        match (entry.key, entry.item) {
            (b"__peerData", _) => in_band = Some(entry),
            (b"n", Item::Unsigned(number)) => index = Some(number),
            (b"total", Item::Unsigned(number)) => total = Some(number),
            (b"data", Item::Bytes(data)) => bytes = Some(data),
            _ => {}
        }
    }
    let Some(in_band) = in_band else {
        return Ok(FramePurpose::Value);
    };
    match in_band.item {
        // A `__peerData` that is false in JavaScript has no meaning for PeerJS either.
        Item::Null | Item::Undefined | Item::Bool(false) | Item::Unsigned(0) | Item::Text(b"") => {
            Ok(FramePurpose::Value)
        }
        Item::Unsigned(id) => {
            reader.end()?;
            let (Some(index), Some(total), Some(bytes)) = (index, total, bytes) else {
                return Err(DecodeError::Part("a part without n, total or data"));
            };
            Ok(FramePurpose::Part(Part {
                id,
                index,
                total,
                bytes,
            }))
        }
        Item::Map(entries) if is_close(in_band.inside, entries)? => Ok(FramePurpose::Close),
        Item::Map(_)
        | Item::Bool(true)
        | Item::Signed(_)
        | Item::Float(_)
        | Item::Text(_)
        | Item::Bytes(_)
        | Item::Array(_) => Err(DecodeError::Part("__peerData is neither number nor close")),
    }
}

fn is_close(mut inside: Reader<'_>, entries: usize) -> Result<bool, DecodeError> {
    for _ in 0..entries {
        let entry = inside.entry()?;
        if entry.key == b"type" {
            return Ok(entry.item == Item::Text(b"close"));
        }
    }
    Ok(false)
}
