//! What passes through a codec: payloads, frames and the meaning of frames.

use super::DecodeError;

/// A payload between an endpoint and a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Text, which is a string on the page.
    Text(&'a str),
    /// Bytes, which are an `ArrayBuffer` on the page.
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// Returns the bytes that a device receives.
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
    /// Text that should be UTF-8, not checked yet.
    Text(&'a [u8]),
    /// Bytes, which a page receives as an `ArrayBuffer`.
    Binary(&'a [u8]),
}

/// The meaning of a frame, or of the frames that the last one completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A payload for the endpoint.
    Payload(Payload<'a>),
    /// The page has sent all that it had and wants the connection to be closed
    /// (PeerJS' `close({ flush: true })`).
    Close,
}

/// Returns bytes as text; an error if they are not UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = error.valid_up_to();
        DecodeError::NotUtf8 { valid }
    })
}
