//! Errors of payloads and frames.

use std::fmt;

use super::binarypack;

/// The reason why the serialization cannot carry a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The payload is too long.
    TooLong {
        /// The longest allowed, in bytes: of the payload for the binary serializations, of its written form
        /// for the others.
        longest: usize,
    },
    /// The payload is bytes that are not UTF-8, and JSON has no type for bytes.
    NotUtf8 {
        /// The number of bytes at the beginning that are UTF-8.
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

/// The reason why a frame is not what the serialization makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The frame is text, but the serialization uses binary frames only.
    TextFrame,
    /// The text of the frame is not UTF-8.
    NotUtf8 {
        /// The number of bytes at the beginning that are UTF-8.
        valid: usize,
    },
    /// The frame is not JSON.
    Json {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; 0 at the end of a line.
        column: usize,
    },
    /// The frame, or the message that it completes, is not BinaryPack.
    Pack(binarypack::Error),
    /// The frame is BinaryPack, but not what its library puts around or into a part of a message.
    Part(&'static str),
    /// The message is too long. The parts received so far were dropped.
    TooLong {
        /// The longest message that is accepted, in bytes.
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

/// The error that no serialization has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no serialization of this name")
    }
}

impl std::error::Error for Unknown {}
