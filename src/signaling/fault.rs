//! Faults in client messages: what is wrong, and where. A fault contains no text of the client, so it may be
//! logged and sent to any client.

use std::fmt;

/// A field with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The field's path in the message: `payload.sdp.sdp`; [`Fault::WHOLE`] for the message itself.
    pub field: &'static str,
    /// The kind of fault.
    pub wrong: Wrong,
}

/// The kind of fault of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The field is missing or empty.
    Missing,
    /// The field is not JSON.
    NotJson,
    /// The field is not a JSON object.
    NotAnObject,
    /// The field is not a string.
    NotText,
    /// The field is not a whole number, or negative, or too large.
    NotANumber,
    /// The field is neither true nor false.
    NotABoolean,
    /// The field has more bytes than this.
    TooLong(usize),
    /// The field is none of these values.
    NotOneOf(&'static str),
    /// The field is not percent-encoded UTF-8 (RFC 3986 §2.1).
    Encoding,
    /// The field is not base 64 (RFC 4648 §4).
    NotBase64,
    /// The field is not a valid id of a peer.
    NotAnId,
}

impl Fault {
    /// The name of the whole message as a field.
    pub const WHOLE: &'static str = "the message";

    pub(super) fn new(field: &'static str, wrong: Wrong) -> Self {
        Self { field, wrong }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.wrong {
            Wrong::Missing => write!(f, "{field} is missing"),
            Wrong::NotJson => write!(f, "{field} is not JSON"),
            Wrong::NotAnObject => write!(f, "{field} is not an object"),
            Wrong::NotText => write!(f, "{field} is not a string"),
            Wrong::NotANumber => write!(f, "{field} is not a number that can be there"),
            Wrong::NotABoolean => write!(f, "{field} is neither true nor false"),
            Wrong::TooLong(bound) => write!(f, "{field} has more than {bound} bytes"),
            Wrong::NotOneOf(words) => write!(f, "{field} is none of: {words}"),
            Wrong::Encoding => write!(f, "{field} is not percent-encoded UTF-8"),
            Wrong::NotBase64 => write!(f, "{field} is not base 64"),
            Wrong::NotAnId => write!(
                f,
                "{field} is not an id: letters and digits, with single spaces, _ or - between them"
            ),
        }
    }
}

impl std::error::Error for Fault {}
