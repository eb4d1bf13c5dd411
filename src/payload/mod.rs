//! Payloads: what a message looks like on a data connection of PeerJS or SkyWay-JS, which write
//! each into a form that both sides have agreed upon, so that an unmodified page understands us.
//!
//! A [`Codec`] belongs to one channel. [`Codec::encode`] makes frames of what a device says;
//! [`Codec::decode`] finds in a frame what the device is to be told. A text gives its characters in
//! UTF-8; an `ArrayBuffer`, a typed array and a `Blob` give their bytes; anything else that a page
//! can send (numbers, arrays, objects) gives the text that `JSON.stringify` makes of it.
//!
//! The source is what `peerjs` 1.5.5 and `skyway-js` 4.4.5 do; `tests/golden/payloads.json` is
//! theirs. `MsgPack`, which PeerJS has as an extra, is not here.

pub mod binarypack;
mod error;
mod json;
mod parts;
mod peerjs;
mod skyway;
mod surrogates;
#[cfg(test)]
mod tests;

use binarypack::{Item, Reader, Value};

pub use error::{DecodeError, EncodeError, Unknown};

use crate::limits;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serialization {
    /// As they are: PeerJS' `raw`, SkyWay's `none`.
    Raw,
    /// PeerJS' `json`: JSON in a binary frame. It takes up to 16,299 bytes and no bytes but text.
    PeerJsJson,
    /// PeerJS' `binary`: BinaryPack, and parts where that is long.
    PeerJsBinary,
    /// SkyWay's `json`: JSON in a text frame. It takes no bytes but text.
    SkyWayJson,
    /// SkyWay's `binary`: BinaryPack in envelopes of BinaryPack.
    SkyWayBinary,
}

/// Whose names and habits they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// npm package `peerjs`.
    PeerJs,
    /// npm package `skyway-js`, and the REST API of SkyWay's gateway.
    SkyWay,
}

impl Serialization {
    /// The one that a page or the REST API calls so, in upper or lower case.
    pub fn parse(dialect: Dialect, name: &str) -> Result<Self, Unknown> {
        let is = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
        match dialect {
            Dialect::PeerJs if is(&["raw"]) => Ok(Self::Raw),
            Dialect::PeerJs if is(&["json"]) => Ok(Self::PeerJsJson),
            Dialect::PeerJs if is(&["binary", "binary-utf8", "default"]) => Ok(Self::PeerJsBinary),
            Dialect::SkyWay if is(&["none"]) => Ok(Self::Raw),
            Dialect::SkyWay if is(&["json"]) => Ok(Self::SkyWayJson),
            // The REST API has an underscore.
            Dialect::SkyWay if is(&["binary", "binary-utf8", "binary_utf8"]) => {
                Ok(Self::SkyWayBinary)
            }
            Dialect::PeerJs | Dialect::SkyWay => Err(Unknown),
        }
    }

    /// What the page is told in an offer; in the REST API it is in upper case.
    pub fn name(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Raw, Dialect::PeerJs) => "raw",
            (Self::Raw, Dialect::SkyWay) => "none",
            (Self::PeerJsJson | Self::SkyWayJson, _) => "json",
            (Self::PeerJsBinary | Self::SkyWayBinary, _) => "binary",
        }
    }

    /// What is called the same by pages of the other library, which write it in another way.
    pub fn of(self, dialect: Dialect) -> Self {
        match (self, dialect) {
            (Self::Raw, _) => Self::Raw,
            (Self::PeerJsJson | Self::SkyWayJson, Dialect::PeerJs) => Self::PeerJsJson,
            (Self::PeerJsJson | Self::SkyWayJson, Dialect::SkyWay) => Self::SkyWayJson,
            (Self::PeerJsBinary | Self::SkyWayBinary, Dialect::PeerJs) => Self::PeerJsBinary,
            (Self::PeerJsBinary | Self::SkyWayBinary, Dialect::SkyWay) => Self::SkyWayBinary,
        }
    }
}

/// What an endpoint and a page have to say to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A string to the page.
    Text(&'a str),
    /// An `ArrayBuffer` to the page.
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// What a device is given.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// One message of a DataChannel (RFC 8831 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Which should be UTF-8.
    Text(&'a [u8]),
    /// Which a page has as an `ArrayBuffer`.
    Binary(&'a [u8]),
}

/// What a frame says, or the last one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Something for the endpoint.
    Payload(Payload<'a>),
    /// The page has sent all that it had and wants the connection to be closed
    /// (PeerJS' `close({ flush: true })`).
    Close,
}

/// How much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest payload either way, in bytes; above 16 MiB is as 16 MiB.
    pub message: usize,
    /// What unfinished messages may have together, in bytes; no less than a message.
    pub held: usize,
    /// How many unfinished messages there may be; no less than one.
    pub groups: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            message: limits::PAYLOAD,
            held: limits::PAYLOAD_PARTS,
            groups: limits::PAYLOAD_UNFINISHED,
        }
    }
}

/// Messages that were never finished and had to make room, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// How many. What comes of such a message later counts as another one.
    pub messages: u64,
    /// What had come of them, in bytes as they were packed.
    pub bytes: u64,
}

impl Dropped {
    fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

/// Both directions of one channel.
#[derive(Debug)]
pub struct Codec {
    bounds: Bounds,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Raw,
    Json {
        dialect: Dialect,
        /// What is being sent, and a string with its escapes undone.
        frame: Vec<u8>,
        room: String,
    },
    PeerJs(peerjs::Binary),
    SkyWay(skyway::Binary),
}

impl Codec {
    /// For a channel that has just been opened.
    pub fn new(serialization: Serialization, bounds: Bounds) -> Self {
        let bounds = Bounds {
            message: bounds.message.min(LARGEST),
            held: bounds.held,
            groups: bounds.groups.max(1),
        };
        let json = |dialect| Form::Json {
            dialect,
            frame: Vec::new(),
            room: String::new(),
        };
        let form = match serialization {
            Serialization::Raw => Form::Raw,
            Serialization::PeerJsJson => json(Dialect::PeerJs),
            Serialization::PeerJsBinary => Form::PeerJs(peerjs::Binary::new(bounds)),
            Serialization::SkyWayJson => json(Dialect::SkyWay),
            Serialization::SkyWayBinary => Form::SkyWay(skyway::Binary::new(bounds)),
        };
        Self { bounds, form }
    }

    /// Passes on the frames that say this to the page, in order; none if it is refused.
    pub fn encode(
        &mut self,
        payload: Payload<'_>,
        send: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), EncodeError> {
        let longest = match &self.form {
            Form::Raw | Form::Json { .. } => self.bounds.message.min(limits::MAX_MESSAGE),
            Form::PeerJs(_) | Form::SkyWay(_) => self.bounds.message,
        };
        if payload.as_bytes().len() > longest {
            return Err(EncodeError::TooLong { longest });
        }
        match &mut self.form {
            Form::Raw => send(match payload {
                Payload::Text(text) => Frame::Text(text.as_bytes()),
                Payload::Bytes(bytes) => Frame::Binary(bytes),
            }),
            Form::Json { dialect, frame, .. } => {
                frame.clear();
                json::encode(text(payload)?, frame);
                let (longest, whole) = match dialect {
                    Dialect::PeerJs => (peerjs::CHUNK - 1, Frame::Binary(frame)),
                    Dialect::SkyWay => (limits::MAX_MESSAGE, Frame::Text(frame)),
                };
                if frame.len() > longest {
                    return Err(EncodeError::TooLong { longest });
                }
                send(whole);
            }
            Form::PeerJs(binary) => binary.encode(payload, send),
            Form::SkyWay(binary) => binary.encode(payload, send),
        }
        Ok(())
    }

    /// What a frame says; `None` if it is part of a message that is not complete yet.
    pub fn decode<'a>(&'a mut self, frame: Frame<'a>) -> Result<Option<Decoded<'a>>, DecodeError> {
        let (Frame::Text(bytes) | Frame::Binary(bytes)) = frame;
        match &mut self.form {
            Form::Raw => {
                let payload = match frame {
                    Frame::Text(text) => Payload::Text(utf8(text)?),
                    Frame::Binary(bytes) => Payload::Bytes(bytes),
                };
                Ok(Some(Decoded::Payload(payload)))
            }
            // In either kind of frame: there is no doubt about what is meant.
            Form::Json { dialect, room, .. } => {
                Ok(Some(match (json::decode(bytes, room)?, *dialect) {
                    (json::Document::Other(value), Dialect::PeerJs) if json::is_close(value) => {
                        Decoded::Close
                    }
                    (json::Document::String(text) | json::Document::Other(text), _) => {
                        Decoded::Payload(Payload::Text(text))
                    }
                }))
            }
            Form::PeerJs(binary) => match frame {
                Frame::Text(_) => Err(DecodeError::TextFrame),
                Frame::Binary(bytes) => binary.decode(bytes),
            },
            Form::SkyWay(binary) => match frame {
                Frame::Text(_) => Err(DecodeError::TextFrame),
                Frame::Binary(bytes) => binary.decode(bytes),
            },
        }
    }

    /// What never became whole.
    #[cfg(any(test, feature = "testing"))]
    pub fn dropped(&self) -> Dropped {
        match &self.form {
            Form::Raw | Form::Json { .. } => Dropped::default(),
            Form::PeerJs(binary) => binary.dropped(),
            Form::SkyWay(binary) => binary.dropped(),
        }
    }

    /// How many bytes wait for the rest of their messages; a part that came before its turn counts
    /// a little more than it has.
    pub fn held(&self) -> usize {
        match &self.form {
            Form::Raw | Form::Json { .. } => 0,
            Form::PeerJs(binary) => binary.held(),
            Form::SkyWay(binary) => binary.held(),
        }
    }
}

/// The bound of [`Bounds::message`]: what is written has a length of four bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// What BinaryPack puts before a text or bytes, at most.
const HEADER: usize = 5;

/// What a page may send that is neither text nor bytes; generous for what a program makes.
const VALUE: binarypack::Bounds = binarypack::Bounds {
    depth: 32,
    elements: 16_384,
    size: 2 * LARGEST,
};

/// Text of a payload that need not be.
fn text(payload: Payload<'_>) -> Result<&str, EncodeError> {
    match payload {
        Payload::Text(text) => Ok(text),
        Payload::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|error| {
            let valid = error.valid_up_to();
            EncodeError::NotUtf8 { valid }
        }),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = error.valid_up_to();
        DecodeError::NotUtf8 { valid }
    })
}

/// What a packed value says. It is in `room` unless it can be taken as it is.
fn unpack<'a>(
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

fn bounded(payload: Payload<'_>, longest: usize) -> Result<Payload<'_>, DecodeError> {
    if payload.as_bytes().len() > longest {
        return Err(DecodeError::TooLong { longest });
    }
    Ok(payload)
}

/// A length within [`LARGEST`], as BinaryPack has it.
fn size(len: usize) -> u32 {
    u32::try_from(len).expect("no payload is longer than 16 MiB")
}

/// The bounds of reassembly, where the longest payload becomes so many bytes when it is packed.
fn packed(bounds: Bounds, longest: usize) -> Bounds {
    Bounds {
        message: longest,
        held: bounds.held.max(longest),
        groups: bounds.groups,
    }
}
