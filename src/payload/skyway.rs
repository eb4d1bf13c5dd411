//! SkyWay's `binary` (`skyway-js` 4.4.5, `DataConnection`), which is also its `binary-utf8`.
//!
//! A value is packed and cut, and each piece becomes the `data` of a packed object: `id`, which the pieces
//! have in common, `type`, the name of the value's constructor, `size` in bytes of the packed value,
//! `totalParts`, `index` and `data`; for a `Blob` also its `mimeType`, and for a `File` also its `name`. A
//! value that needs no cutting is one such piece.

use std::io::Write;

use super::binarypack::{Item, Reader, writer};
use super::packed::{HEADER, bounded, packed, size, unpack};
use super::parts::{Part, Parts, Refused};
use super::peerjs::{push_bytes, push_text};
use super::surrogates;
use super::{Bounds, DecodeError, Decoded, Dropped, Frame, Payload};

/// The codec for both directions of one channel.
#[derive(Debug)]
pub(super) struct Binary {
    bounds: Bounds,
    /// The number of messages sent so far.
    sent: u64,
    packed: Vec<u8>,
    frame: Vec<u8>,
    parts: Parts<Id>,
    room: String,
}

/// The id of a message, padded with zeros. The page makes 16 random characters; other senders may use more.
type Id = [u8; 32];

/// The properties that a piece must have.
#[derive(Debug)]
struct Envelope<'a> {
    size: u64,
    part: Part<'a, Id>,
}

impl Binary {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            sent: 0,
            packed: Vec::new(),
            frame: Vec::new(),
            parts: Parts::new(packed(bounds, longest_packed(bounds))),
            room: String::new(),
        }
    }

    pub(super) fn encode(&mut self, payload: Payload<'_>, send: &mut impl FnMut(Frame<'_>)) {
        self.packed.clear();
        let constructor = match payload {
            Payload::Text(text) => {
                writer::text_header(size(surrogates::len(text)), &mut self.packed);
                surrogates::push(text, &mut self.packed);
                "String"
            }
            Payload::Bytes(bytes) => {
                push_bytes(bytes, &mut self.packed);
                "ArrayBuffer"
            }
        };
        self.sent += 1;
        let id = id(self.sent);
        let pieces = self.packed.chunks(piece(constructor));
        let total = pieces.len() as u64;
        for (index, piece) in (0..).zip(pieces) {
            let frame = &mut self.frame;
            frame.clear();
            writer::map_header(6, frame);
            push_text(b"id", frame);
            push_text(&id, frame);
            push_text(b"type", frame);
            push_text(constructor.as_bytes(), frame);
            push_text(b"size", frame);
            writer::unsigned(self.packed.len() as u64, frame);
            push_text(b"totalParts", frame);
            writer::unsigned(total, frame);
            push_text(b"index", frame);
            writer::unsigned(index, frame);
            push_text(b"data", frame);
            push_bytes(piece, frame);
            send(Frame::Binary(frame));
        }
    }

    pub(super) fn decode<'a>(
        &'a mut self,
        frame: &'a [u8],
    ) -> Result<Option<Decoded<'a>>, DecodeError> {
        let longest = self.bounds.message;
        let too_long = DecodeError::TooLong { longest };
        let Envelope { size, part } = envelope(frame)?;
        if size > longest_packed(self.bounds) as u64 {
            return Err(too_long);
        }
        let message = if part.index == 0 && part.total == 1 {
            part.bytes
        } else {
            let complete = self.parts.insert(part).map_err(|refused| match refused {
                Refused::Contradiction(fault) => DecodeError::Part(fault),
                Refused::TooLong => too_long,
            })?;
            if !complete {
                return Ok(None);
            }
            self.parts.whole()
        };
        if message.len() as u64 != size {
            return Err(DecodeError::Part("the parts are not as long as size says"));
        }
        let payload = match miscounted(message) {
            Some(text) => bounded(Payload::Text(text), longest)?,
            None => unpack(message, longest, &mut self.room)?,
        };
        Ok(Some(Decoded::Payload(payload)))
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn dropped(&self) -> Dropped {
        self.parts.dropped()
    }

    pub(super) fn held(&self) -> usize {
        self.parts.held()
    }
}

/// Returns the greatest length of a packed payload: a text that consists of wide characters becomes half as
/// long again.
fn longest_packed(bounds: Bounds) -> usize {
    bounds.message + bounds.message / 2 + HEADER
}

/// Returns the greatest length of a piece. The page reserves room for the envelope, which it estimates by the
/// names (two bytes a character) and the values (two bytes a character, or eight bytes a number).
fn piece(constructor: &str) -> usize {
    let names = 2 * ("id".len() + "type".len() + "size".len() + "totalParts".len());
    let values = 2 * (16 + constructor.len()) + 2 * 8;
    16_300 - names - values
}

/// Returns an id of as many characters as the page's own ids, from the page's alphabet of 36. Ids need not
/// look random because they only distinguish messages on one channel.
fn id(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    write!(id.as_mut_slice(), "{number:016x}").expect("64 bits are 16 digits");
    id
}

fn envelope(frame: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let mut reader = Reader::new(frame);
    let Item::Map(entries) = reader.item()? else {
        return Err(DecodeError::Part("a message without its envelope"));
    };
    let (mut name, mut size, mut total, mut index, mut bytes) = (None, None, None, None, None);
    for _ in 0..entries {
        let entry = reader.entry()?;
        match (entry.key, entry.item) {
            (b"id", Item::Text(text)) => name = Some(text),
            (b"size", Item::Unsigned(number)) => size = Some(number),
            (b"totalParts", Item::Unsigned(number)) => total = Some(number),
            (b"index", Item::Unsigned(number)) => index = Some(number),
            (b"data", Item::Bytes(data)) => bytes = Some(data),
            _ => {}
        }
    }
    reader.end()?;
    let (Some(name), Some(size), Some(total), Some(index), Some(bytes)) =
        (name, size, total, index, bytes)
    else {
        let fault = "an envelope without id, size, totalParts, index or data";
        return Err(DecodeError::Part(fault));
    };
    let mut id: Id = [0; 32];
    let Some(room) = id.get_mut(..name.len()) else {
        return Err(DecodeError::Part("an id has more than 32 bytes"));
    };
    room.copy_from_slice(name);
    let part = Part {
        id,
        index,
        total,
        bytes,
    };
    Ok(Envelope { size, part })
}

/// Returns a text whose length the page has written wrong: the page counts six bytes for a character above
/// U+FFFF and sends four. (Within an object no program can read such a text, the page itself included.)
fn miscounted(packed: &[u8]) -> Option<&str> {
    let (declared, text) = match packed {
        [kind @ 0xb0..=0xbf, text @ ..] => (usize::from(kind & 0x0f), text),
        // No other header occurs: the page counts texts of more than 600 units in another way, which is
        // right.
        [0xd8, high, low, text @ ..] => (u16::from_be_bytes([*high, *low]).into(), text),
        _ => return None,
    };
    if declared <= text.len() {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    (surrogates::len(text) == declared).then_some(text)
}
