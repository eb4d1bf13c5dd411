//! Packed values: payloads in BinaryPack, and their lengths.

use super::binarypack::{self, Item, Reader, Value};
use super::{Bounds, DecodeError, Payload, json, surrogates};

/// The upper limit of [`Bounds::message`], because a written message has a length of four bytes.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;

/// The longest header that BinaryPack puts before a text or bytes.
pub(super) const HEADER: usize = 5;

/// Limits for values from a page that are neither text nor bytes; generous for what a program makes.
const VALUE: binarypack::Bounds = binarypack::Bounds {
    depth: 32,
    elements: 16_384,
    size: 2 * LARGEST,
};

/// Returns the payload of a packed value. The text is stored in `room` unless it can be borrowed as it is.
pub(super) fn unpack<'a>(
    packed: &'a [u8],
    longest: usize,
    room: &'a mut String,
) -> Result<Payload<'a>, DecodeError> {
    let mut reader = Reader::new(packed);
    let item = reader.item()?;
    let payload = match item {
        Item::Bytes(bytes) => {
            reader.end()?;
            Payload::Bytes(bytes)
        }
        Item::Text(text) => {
            reader.end()?;
            match std::str::from_utf8(text) {
                Ok(text) => Payload::Text(text),
                Err(_) => {
                    let start = Reader::new(packed);
                    let joined = surrogates::join(text);
                    *room = joined.ok_or_else(|| start.error(binarypack::Reason::NotUtf8))?;
                    Payload::Text(room)
                }
            }
        }
        Item::Null
        | Item::Undefined
        | Item::Bool(_)
        | Item::Unsigned(_)
        | Item::Signed(_)
        | Item::Float(_)
        | Item::Array(_)
        | Item::Map(_) => {
            let value: Value = binarypack::decode(packed, &VALUE)?;
            *room = json::stringify(&value);
            Payload::Text(room)
        }
    };
    bounded(payload, longest)
}

/// Returns a payload; an error if the payload has more than `longest` bytes.
pub(super) fn bounded(payload: Payload<'_>, longest: usize) -> Result<Payload<'_>, DecodeError> {
    if payload.as_bytes().len() > longest {
        return Err(DecodeError::TooLong { longest });
    }
    Ok(payload)
}

/// Returns a length within [`LARGEST`] in the type of BinaryPack's lengths.
pub(super) fn size(len: usize) -> u32 {
    u32::try_from(len).expect("no payload is longer than 16 MiB")
}

/// Returns the bounds of reassembly, where the longest payload becomes `longest` bytes when it is packed.
pub(super) fn packed(bounds: Bounds, longest: usize) -> Bounds {
    Bounds {
        message: longest,
        held: bounds.held.max(longest),
        groups: bounds.groups,
    }
}
