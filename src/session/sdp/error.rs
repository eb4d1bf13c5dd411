//! Why a description is refused, and at which place.

use std::fmt;

/// Why a description or a trickled candidate was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError {
    /// The place, such as `line 7`. Empty if the whole is meant.
    pub place: String,
    /// The fault.
    pub detail: String,
    /// Whether the text is well-formed but asks for something unsupported.
    pub unsupported: bool,
}

impl SdpError {
    pub(in crate::session) fn whole(detail: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            detail: detail.into(),
            unsupported: false,
        }
    }

    /// Returns a fault in a line, counted from 1.
    pub fn line(number: usize, detail: impl Into<String>) -> Self {
        Self {
            place: format!("line {number}"),
            detail: detail.into(),
            unsupported: false,
        }
    }

    pub(super) fn unsupported(detail: impl Into<String>) -> Self {
        Self {
            place: String::new(),
            detail: detail.into(),
            unsupported: true,
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.place, self.detail)
        }
    }
}

impl std::error::Error for SdpError {}
