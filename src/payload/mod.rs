//! Payloads: what a message looks like on a data connection of PeerJS or SkyWay-JS. Both libraries serialize
//! each message in a form that both sides have agreed upon, and this module does the same so that an
//! unmodified page understands the gateway.
//!
//! A [`Codec`] belongs to one channel. [`Codec::encode`] makes frames from what a device sends;
//! [`Codec::decode`] returns from a frame what is written to the device. A text gives its characters in
//! UTF-8; an `ArrayBuffer`, a typed array and a `Blob` give their bytes; anything else that a page can send
//! (numbers, arrays, objects) gives the text that `JSON.stringify` makes of it.
//!
//! The source is what `peerjs` 1.5.5 and `skyway-js` 4.4.5 do; `tests/golden/payloads.json` comes from them.
//! `MsgPack`, which PeerJS offers as an extra, is not supported.

pub mod binarypack;
mod error;
mod json;
mod message;
mod packed;
mod parts;
mod peerjs;
mod skyway;
mod surrogates;
#[cfg(test)]
mod tests;

pub use error::{DecodeError, EncodeError, Unknown};
use message::utf8;
pub use message::{Decoded, Frame, Payload};
use packed::LARGEST;
pub use parts::Dropped;

use crate::limits;

/// The form in which messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serialization {
    /// Messages as they are: PeerJS' `raw`, SkyWay's `none`.
    Raw,
    /// PeerJS' `json`: JSON in a binary frame of up to 16,299 bytes. Bytes can be sent only if they are UTF-8
    /// text.
    PeerJsJson,
    /// PeerJS' `binary`: BinaryPack, cut into parts where a message is long.
    PeerJsBinary,
    /// SkyWay's `json`: JSON in a text frame. Bytes can be sent only if they are UTF-8 text.
    SkyWayJson,
    /// SkyWay's `binary`: BinaryPack in envelopes of BinaryPack.
    SkyWayBinary,
}

/// The library whose names and conventions apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// npm package `peerjs`.
    PeerJs,
    /// npm package `skyway-js`, and the REST API of SkyWay's gateway.
    SkyWay,
}

impl Serialization {
    /// Returns the serialization that a page or the REST API calls `name`, in upper or lower case.
    pub fn parse(dialect: Dialect, name: &str) -> Result<Self, Unknown> {
        let is = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
        match dialect {
            Dialect::PeerJs if is(&["raw"]) => Ok(Self::Raw),
            Dialect::PeerJs if is(&["json"]) => Ok(Self::PeerJsJson),
            Dialect::PeerJs if is(&["binary", "binary-utf8", "default"]) => Ok(Self::PeerJsBinary),
            Dialect::SkyWay if is(&["none"]) => Ok(Self::Raw),
            Dialect::SkyWay if is(&["json"]) => Ok(Self::SkyWayJson),
            // The REST API writes an underscore.
            Dialect::SkyWay if is(&["binary", "binary-utf8", "binary_utf8"]) => {
                Ok(Self::SkyWayBinary)
            }
            Dialect::PeerJs | Dialect::SkyWay => Err(Unknown),
        }
    }

    /// Returns the name in an offer to the page; the REST API has it in upper case.
    pub fn name(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Raw, Dialect::PeerJs) => "raw",
            (Self::Raw, Dialect::SkyWay) => "none",
            (Self::PeerJsJson | Self::SkyWayJson, _) => "json",
            (Self::PeerJsBinary | Self::SkyWayBinary, _) => "binary",
        }
    }

    /// Returns the serialization that the other library calls by the same name, but writes differently.
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

/// Limits of messages and of what may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest payload in either direction, in bytes; more than 16 MiB counts as 16 MiB.
    pub message: usize,
    /// The bytes that unfinished messages may hold together; at least one message.
    pub held: usize,
    /// The number of unfinished messages; at least one.
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

/// The codec for both directions of one channel.
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
        /// `frame` holds the message being sent, `room` a string with its escapes undone.
        frame: Vec<u8>,
        room: String,
    },
    PeerJs(peerjs::Binary),
    SkyWay(skyway::Binary),
}

impl Codec {
    /// Returns a codec for a channel that was just opened.
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

    /// Passes the frames for this payload to `send`, in order; no frame if the payload is refused.
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

    /// Returns the meaning of a frame; `None` if the frame is part of a message that is not complete yet.
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
            // JSON is accepted in either kind of frame because its meaning is clear.
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

    /// Returns the messages that were dropped unfinished.
    #[cfg(any(test, feature = "testing"))]
    pub fn dropped(&self) -> Dropped {
        match &self.form {
            Form::Raw | Form::Json { .. } => Dropped::default(),
            Form::PeerJs(binary) => binary.dropped(),
            Form::SkyWay(binary) => binary.dropped(),
        }
    }

    /// Returns how many bytes wait for the rest of their messages; a part that came before its turn counts a
    /// little more than its length.
    pub fn held(&self) -> usize {
        match &self.form {
            Form::Raw | Form::Json { .. } => 0,
            Form::PeerJs(binary) => binary.held(),
            Form::SkyWay(binary) => binary.held(),
        }
    }
}

/// Returns a payload as text; an error if it is bytes that are not UTF-8.
fn text(payload: Payload<'_>) -> Result<&str, EncodeError> {
    match payload {
        Payload::Text(text) => Ok(text),
        Payload::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|error| {
            let valid = error.valid_up_to();
            EncodeError::NotUtf8 { valid }
        }),
    }
}
