//! What is wrong with what a client said, and where. Nothing of what it said is in it, so that it may
//! go to the log and to anybody.

use std::fmt;

/// A field that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which, by its path in the message: `payload.sdp.sdp`; [`Fault::WHOLE`] for the message itself.
    pub field: &'static str,
    /// In what way.
    pub wrong: Wrong,
}

/// In what way a field is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is not there, or empty.
    Missing,
    /// It is no JSON.
    NotJson,
    /// It is no JSON object.
    NotAnObject,
    /// It is no string.
    NotText,
    /// It is no whole number, or negative, or too large.
    NotANumber,
    /// It is neither true nor false.
    NotABoolean,
    /// It has more bytes than this.
    TooLong(usize),
    /// It is none of these.
    NotOneOf(&'static str),
    /// It is not percent-encoded UTF-8 (RFC 3986 §2.1).
    Encoding,
    /// It is not base 64 (RFC 4648 §4).
    NotBase64,
    /// A peer may not be called so.
    NotAnId,
}

impl Fault {
    /// The field that is the whole message.
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
