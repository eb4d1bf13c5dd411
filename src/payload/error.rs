//! What is wrong with a payload or a frame.

use std::fmt;

use super::binarypack;

/// The serialization cannot carry a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// It is too long.
    TooLong {
        /// The longest there may be: the payload for the binary serializations, what it is written
        /// as for the others. In bytes.
        longest: usize,
    },
    /// JSON has no word for bytes, and these are no UTF-8 from here on.
    NotUtf8 {
        /// How many bytes are.
        valid: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { longest } => {
                write!(f, "the serialization takes at most {longest} bytes")
            }
            Self::NotUtf8 { valid } => {
                write!(f, "json takes text alone: byte {valid} is not UTF-8")
            }
        }
    }
}

impl std::error::Error for EncodeError {}

/// A frame is not what the serialization makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// It is text where only binary ones are used.
    TextFrame,
    /// Its text is no UTF-8 from here on.
    NotUtf8 {
        /// How many bytes are.
        valid: usize,
    },
    /// It is no JSON.
    Json {
        /// From 1.
        line: usize,
        /// In bytes, from 1; 0 at the end of a line.
        column: usize,
    },
    /// It is no BinaryPack, or the message that it completes is none.
    Pack(binarypack::Error),
    /// It is BinaryPack, but not what its library puts around or into a part of a message.
    Part(&'static str),
    /// The message is too long. What there is of it was dropped.
    TooLong {
        /// The longest that is taken, in bytes.
        longest: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextFrame => f.write_str("it is text; the serialization uses binary messages"),
            Self::NotUtf8 { valid } => write!(f, "byte {valid} is not UTF-8"),
            Self::Json { line, column } => write!(f, "line {line}, column {column}: no JSON"),
            Self::Pack(error) => write!(f, "no BinaryPack: {error}"),
            Self::Part(fault) => f.write_str(fault),
            Self::TooLong { longest } => write!(f, "messages have at most {longest} bytes"),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Pack(error) => Some(error),
            Self::TextFrame
            | Self::NotUtf8 { .. }
            | Self::Json { .. }
            | Self::Part(_)
            | Self::TooLong { .. } => None,
        }
    }
}

impl From<binarypack::Error> for DecodeError {
    fn from(error: binarypack::Error) -> Self {
        Self::Pack(error)
    }
}

impl From<serde_json::Error> for DecodeError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// There is no serialization of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no serialization of this name")
    }
}

impl std::error::Error for Unknown {}
