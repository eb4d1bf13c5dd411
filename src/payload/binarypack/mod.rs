//! BinaryPack, in which PeerJS and SkyWay-JS write values of JavaScript.
//!
//! BinaryPack began as an early MessagePack and then diverged from it: `a0` is bytes and `b0` is text, and
//! the numbers of the longer forms differ. There is no standard; the source is what the npm packages
//! `peerjs-js-binarypack` 2.1.0 and `js-binarypack` 0.0.9 write and read. Everything is big-endian.
//!
//! The registry has no crate for BinaryPack, and the crates for MessagePack read other bytes.

mod reader;
#[cfg(test)]
mod tests;
pub(super) mod writer;

use std::fmt;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

pub(super) use reader::{Item, Reader};

use super::surrogates;

/// A value of JavaScript.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `undefined`, which is only read; both libraries write `undefined` as `null`, and so does this encoder.
    Undefined,
    /// `true` and `false`.
    Bool(bool),
    /// A number from 0 on, without a fraction.
    Unsigned(u64),
    /// A number without a fraction. The decoder makes only numbers below 0 of this kind.
    Signed(i64),
    /// Any other number, of 32 or 64 bits. JavaScript has one kind of number, so a number without a fraction
    /// is written as an integer where one holds it.
    Float(f64),
    /// A string.
    Text(String),
    /// An `ArrayBuffer`, and what is written as one: typed arrays and `Blob`s.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Self>),
    /// An object, in the order of the wire. JavaScript takes the second of two equal keys.
    Map(Vec<(String, Self)>),
}

/// Limits for the size of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The largest depth of arrays and objects inside one another.
    pub depth: usize,
    /// The largest number of values in all, those in arrays and objects included.
    pub elements: usize,
    /// The largest length on the wire, in bytes; more than 4 GiB counts as 4 GiB.
    pub size: usize,
}

/// The limit of [`Bounds`] that a value exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the bounds")]
pub enum Exceeded {
    Depth,
    Elements,
    Size,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "arrays and objects lie too deep in one another",
            Self::Elements => "there are too many values",
            Self::Size => "it has too many bytes",
        })
    }
}

impl std::error::Error for Exceeded {}

/// The reason why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Offset of the first byte of the wrong item.
    pub offset: usize,
    /// The fault of that item.
    pub reason: Reason,
}

/// The fault of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The item needs so many bytes more than there are. Items of arrays and objects count as one byte each.
    Missing(usize),
    /// A type that neither library writes.
    Unassigned(u8),
    /// A string that is not UTF-8.
    NotUtf8,
    /// A key of an object that is not a string.
    NotAKey,
    /// The number of bytes after the end of the value.
    Trailing(usize),
    /// A value that is too large.
    Exceeded(Exceeded),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: ", self.offset)?;
        match self.reason {
            Reason::Missing(bytes) => write!(f, "{bytes} bytes are missing"),
            Reason::Unassigned(byte) => write!(f, "{byte:#04x} is no type of BinaryPack"),
            Reason::NotUtf8 => f.write_str("a string is not UTF-8"),
            Reason::NotAKey => f.write_str("the key in an object is not a string"),
            Reason::Trailing(bytes) => write!(f, "the value has ended, but {bytes} bytes follow"),
            Reason::Exceeded(exceeded) => exceeded.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Exceeded(exceeded) => Some(exceeded),
            Reason::Missing(_)
            | Reason::Unassigned(_)
            | Reason::NotUtf8
            | Reason::NotAKey
            | Reason::Trailing(_) => None,
        }
    }
}

/// Appends a value to `out`, or nothing if it is too large.
///
/// The bytes are those of the libraries, but for two faults of theirs: they write 2^63 as -2^63,
/// and a number with a fraction that lies just below a power of two a little too large.
#[cfg(any(test, feature = "testing"))]
pub fn encode(value: &Value, bounds: &Bounds, out: &mut Vec<u8>) -> Result<(), Exceeded> {
    let start = out.len();
    let mut encoder = Encoder {
        elements: bounds.elements,
        longest: start.saturating_add(bounds.size.min(u32::MAX as usize)),
        out,
    };
    let encoded = encoder.value(value, bounds.depth);
    if encoded.is_err() {
        out.truncate(start);
    }
    encoded
}

/// Reads one value, which takes up the whole input.
pub fn decode(input: &[u8], bounds: &Bounds) -> Result<Value, Error> {
    let mut decoder = Decoder {
        reader: Reader::new(input),
        elements: bounds.elements,
    };
    if input.len() > bounds.size {
        return Err(decoder.reader.error(Reason::Exceeded(Exceeded::Size)));
    }
    let value = decoder.value(bounds.depth)?;
    decoder.reader.end()?;
    Ok(value)
}

/// An encoder that keeps within bounds.
#[derive(Debug)]
#[cfg(any(test, feature = "testing"))]
struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// The number of values that may still come.
    elements: usize,
    /// The largest length of the output.
    longest: usize,
}

#[cfg(any(test, feature = "testing"))]
impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Exceeded> {
        let elements = self.elements.checked_sub(1);
        self.elements = elements.ok_or(Exceeded::Elements)?;
        match value {
            Value::Null | Value::Undefined => writer::null(self.out),
            Value::Bool(value) => writer::bool(*value, self.out),
            Value::Unsigned(value) => writer::unsigned(*value, self.out),
            Value::Signed(value) => writer::signed(*value, self.out),
            Value::Float(value) => writer::number(*value, self.out),
            Value::Text(text) => self.text(text)?,
            Value::Bytes(bytes) => {
                writer::bytes_header(self.count(bytes.len())?, self.out);
                self.out.extend_from_slice(bytes);
            }
            Value::Array(items) => {
                let depth = depth.checked_sub(1).ok_or(Exceeded::Depth)?;
                writer::array_header(self.count(items.len())?, self.out);
                for item in items {
                    self.value(item, depth)?;
                }
            }
            Value::Map(entries) => {
                let depth = depth.checked_sub(1).ok_or(Exceeded::Depth)?;
                writer::map_header(self.count(entries.len())?, self.out);
                for (key, value) in entries {
                    self.text(key)?;
                    self.value(value, depth)?;
                }
            }
        }
        if self.out.len() > self.longest {
            return Err(Exceeded::Size);
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Exceeded> {
        writer::text_header(self.count(text.len())?, self.out);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Returns the number of bytes or items for a header, if they fit into the allowed output.
    fn count(&self, len: usize) -> Result<u32, Exceeded> {
        if self.out.len().saturating_add(len) > self.longest {
            return Err(Exceeded::Size);
        }
        u32::try_from(len).map_err(|_| Exceeded::Size)
    }
}

/// A decoder that keeps within bounds.
#[derive(Debug)]
struct Decoder<'a> {
    reader: Reader<'a>,
    /// The number of values that may still come.
    elements: usize,
}

impl Decoder<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        let before = self.reader.clone();
        let exceeded = |exceeded| before.error(Reason::Exceeded(exceeded));
        let item = self.reader.item()?;
        // Check the count before allocating memory for any values.
        let left = self.elements.checked_sub(1);
        self.elements = left.ok_or_else(|| exceeded(Exceeded::Elements))?;
        let inner = |count: usize| {
            let depth = depth.checked_sub(1);
            let depth = depth.ok_or_else(|| exceeded(Exceeded::Depth))?;
            match left {
                Some(left) if count <= left => Ok(depth),
                Some(_) | None => Err(exceeded(Exceeded::Elements)),
            }
        };
        Ok(match item {
            Item::Null => Value::Null,
            Item::Undefined => Value::Undefined,
            Item::Bool(value) => Value::Bool(value),
            Item::Unsigned(value) => Value::Unsigned(value),
            Item::Signed(value) => Value::Signed(value),
            Item::Float(value) => Value::Float(value),
            Item::Text(text) => Value::Text(string(text, &before)?),
            Item::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Item::Array(count) => {
                let depth = inner(count)?;
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.value(depth)?);
                }
                Value::Array(items)
            }
            Item::Map(count) => {
                let depth = inner(count)?;
                let mut entries = Vec::with_capacity(count);
                for _ in 0..count {
                    let before = self.reader.clone();
                    let key = string(self.reader.key()?, &before)?;
                    entries.push((key, self.value(depth)?));
                }
                Value::Map(entries)
            }
        })
    }
}

/// Returns the string of an item that began at `before`.
fn string(text: &[u8], before: &Reader<'_>) -> Result<String, Error> {
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => surrogates::join(text).ok_or_else(|| before.error(Reason::NotUtf8)),
    }
}

/// Serializes as `JSON.stringify` does: `undefined` is left out of an object and is `null` in an array, and
/// so is a number that is not finite. Bytes become an array of numbers because JSON has no type for bytes.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Undefined => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Float(value) => match writer::integer(*value) {
                Some(integer) => integer.serialize(serializer),
                None => serializer.serialize_f64(*value),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.collect_seq(bytes),
            Self::Array(items) => {
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    array.serialize_element(item)?;
                }
                array.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in entries {
                    if *value != Self::Undefined {
                        map.serialize_entry(key, value)?;
                    }
                }
                map.end()
            }
        }
    }
}
