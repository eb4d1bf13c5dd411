//! JSON as `JSON.stringify` writes it and `JSON.parse` reads it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::DecodeError;
use super::binarypack::Value;
use super::message::utf8;
use crate::util::halves;

/// Appends text as a JSON string.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text is a string, and a Vec takes what is written");
}

/// Returns any value as `JSON.stringify` writes it.
pub(super) fn stringify(value: &Value) -> String {
    serde_json::to_string(value).expect("all keys are strings")
}

/// A document of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document<'a> {
    /// A string, with its escapes resolved.
    String(&'a str),
    /// Any other value, as it was written.
    Other(&'a str),
}

/// Reads a value; a string with escapes is stored in `room`, with U+FFFD for halves of surrogate pairs.
pub(super) fn decode<'a>(
    document: &'a [u8],
    room: &'a mut String,
) -> Result<Document<'a>, DecodeError> {
    let document = utf8(document)?;
    let value: &RawValue = serde_json::from_str(document)?;
    let value = value.get();
    if !value.starts_with('"') {
        return Ok(Document::Other(value));
    }
    if let Ok(text) = serde_json::from_str(value) {
        return Ok(Document::String(text));
    }
    *room = halves::string(value)?;
    Ok(Document::String(room))
}

/// Returns whether a value that is no string says that PeerJS on the other side closes the connection.
pub(super) fn is_close(value: &str) -> bool {
    #[derive(Deserialize)]
    struct InBand<'a> {
        #[serde(borrow, rename = "__peerData")]
        peer_data: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct PeerData<'a> {
        #[serde(borrow, rename = "type")]
        kind: &'a str,
    }
    // Without the check for the name, every object would be read twice. Without the check for `{`, serde
    // would accept an array for the struct.
    if !value.starts_with('{') || !value.contains("__peerData") {
        return false;
    }
    let Ok(InBand { peer_data }) = serde_json::from_str(value) else {
        return false;
    };
    let peer_data = peer_data.get();
    peer_data.starts_with('{')
        && serde_json::from_str(peer_data).is_ok_and(|it: PeerData<'_>| it.kind == "close")
}
