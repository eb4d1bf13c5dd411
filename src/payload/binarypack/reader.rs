//! BinaryPack item by item, without copies.

use super::{Error, Reason};

/// A position in a value: where the next item begins.
#[derive(Debug, Clone)]
pub(in crate::payload) struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
}

/// One value, or the beginning of a value that contains further items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::payload) enum Item<'a> {
    Null,
    Undefined,
    Bool(bool),
    Unsigned(u64),
    /// A number below 0.
    Signed(i64),
    Float(f64),
    /// A text that should be UTF-8, not checked yet.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// An array: so many values follow; the input has at least one byte for each.
    Array(usize),
    /// An object: so many keys and values follow; the input has at least two bytes for each pair.
    Map(usize),
}

/// An entry of an object: the key, the item of its value, and a reader at the beginning of that item's
/// contents.
#[derive(Debug)]
pub(in crate::payload) struct MapEntry<'a> {
    pub(in crate::payload) key: &'a [u8],
    pub(in crate::payload) item: Item<'a>,
    pub(in crate::payload) inside: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(in crate::payload) fn new(input: &'a [u8]) -> Self {
        Self { input, offset: 0 }
    }

    /// Reads the next item.
    pub(in crate::payload) fn item(&mut self) -> Result<Item<'a>, Error> {
        let mut next = self.clone();
        let item = next.read().map_err(|reason| self.error(reason))?;
        *self = next;
        Ok(item)
    }

    /// Reads the next item, which is the key of an entry.
    pub(in crate::payload) fn key(&mut self) -> Result<&'a [u8], Error> {
        let mut next = self.clone();
        let Item::Text(key) = next.item()? else {
            return Err(self.error(Reason::NotAKey));
        };
        *self = next;
        Ok(key)
    }

    /// Reads the next entry of an object and skips the contents of its value.
    pub(in crate::payload) fn entry(&mut self) -> Result<MapEntry<'a>, Error> {
        let key = self.key()?;
        let item = self.item()?;
        let inside = self.clone();
        self.skip(item)?;
        Ok(MapEntry { key, item, inside })
    }

    /// Returns an error if bytes follow.
    pub(in crate::payload) fn end(&self) -> Result<(), Error> {
        match self.left() {
            [] => Ok(()),
            left => Err(self.error(Reason::Trailing(left.len()))),
        }
    }

    pub(in crate::payload) fn error(&self, reason: Reason) -> Error {
        let offset = self.offset;
        Error { offset, reason }
    }

    /// Skips the contents of an item that was just read. A loop instead of recursion, because nothing bounds
    /// the depth.
    fn skip(&mut self, item: Item<'_>) -> Result<(), Error> {
        let mut pending = item.inside();
        while pending > 0 {
            pending = pending - 1 + self.item()?.inside();
        }
        Ok(())
    }

    fn left(&self) -> &'a [u8] {
        self.input.get(self.offset..).unwrap_or_default()
    }

    fn read(&mut self) -> Result<Item<'a>, Reason> {
        let [kind] = self.array()?;
        Ok(match kind {
            0x00..=0x7f => Item::Unsigned(kind.into()),
            0x80..=0x8f => self.map(usize::from(kind & 0x0f))?,
            0x90..=0x9f => self.counted(usize::from(kind & 0x0f), 1).map(Item::Array)?,
            0xa0..=0xaf => Item::Bytes(self.take(usize::from(kind & 0x0f))?),
            0xb0..=0xbf => Item::Text(self.take(usize::from(kind & 0x0f))?),
            0xc0 => Item::Null,
            0xc1 => Item::Undefined,
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xca => Item::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Item::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Item::Unsigned(u8::from_be_bytes(self.array()?).into()),
            0xcd => Item::Unsigned(u16::from_be_bytes(self.array()?).into()),
            0xce => Item::Unsigned(u32::from_be_bytes(self.array()?).into()),
            0xcf => Item::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i8::from_be_bytes(self.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd8 => Item::Text(self.short().and_then(|len| self.take(len))?),
            0xd9 => Item::Text(self.long().and_then(|len| self.take(len))?),
            0xda => Item::Bytes(self.short().and_then(|len| self.take(len))?),
            0xdb => Item::Bytes(self.long().and_then(|len| self.take(len))?),
            0xdc => Item::Array(self.short().and_then(|count| self.counted(count, 1))?),
            0xdd => Item::Array(self.long().and_then(|count| self.counted(count, 1))?),
            0xde => self.short().and_then(|count| self.map(count))?,
            0xdf => self.long().and_then(|count| self.map(count))?,
            0xe0..=0xff => signed(i8::from_be_bytes([kind]).into()),
            0xc4..=0xc9 | 0xd4..=0xd7 => return Err(Reason::Unassigned(kind)),
        })
    }

    fn map(&self, count: usize) -> Result<Item<'a>, Reason> {
        self.counted(count, 2).map(Item::Map)
    }

    /// Returns a number of values if the input has at least `bytes` bytes for each of them.
    fn counted(&self, count: usize, bytes: usize) -> Result<usize, Reason> {
        let needed = count.saturating_mul(bytes);
        match needed.checked_sub(self.left().len()) {
            None | Some(0) => Ok(count),
            Some(missing) => Err(Reason::Missing(missing)),
        }
    }

    fn short(&mut self) -> Result<usize, Reason> {
        self.array().map(|len| u16::from_be_bytes(len).into())
    }

    fn long(&mut self) -> Result<usize, Reason> {
        let len = u32::from_be_bytes(self.array()?);
        // A length that does not fit into `usize` is longer than any input, so it becomes the largest `usize`
        // and fails.
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Reason::Missing(N))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Reason> {
        let left = self.left();
        let Some(bytes) = left.get(..len) else {
            return Err(Reason::Missing(len - left.len()));
        };
        self.offset += len;
        Ok(bytes)
    }
}

impl Item<'_> {
    /// Returns how many items follow as part of this one.
    fn inside(self) -> u64 {
        match self {
            Self::Array(count) => count as u64,
            Self::Map(count) => count as u64 * 2,
            Self::Null
            | Self::Undefined
            | Self::Bool(_)
            | Self::Unsigned(_)
            | Self::Signed(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Bytes(_) => 0,
        }
    }
}

fn signed<'a>(value: i64) -> Item<'a> {
    match u64::try_from(value) {
        Ok(value) => Item::Unsigned(value),
        Err(_) => Item::Signed(value),
    }
}
