//! Why a description is not taken, and where.

use std::fmt;

/// Why a description or a trickled candidate was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError {
    /// Where, as in `line 7`; empty when it is the whole.
    pub place: String,
    /// What is wrong with it.
    pub detail: String,
    /// Well-formed, but nothing we can do.
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

    /// A fault in a line, counted from 1.
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
