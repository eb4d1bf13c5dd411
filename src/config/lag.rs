//! The key `lag`: the treatment of slow readers.

/// The treatment of a route that reads too slowly and falls off the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagPolicy {
    /// The channel is closed, because a gap in a byte stream must not go unnoticed.
    Close,
    /// The route goes on with the data that is left, and the gap is counted. Datagrams may be lost anyway.
    Skip,
    /// No route falls off, because the device is not read while its slowest reader is near the tail. This is
    /// for programs, which the system makes wait; a tty would lose its bytes elsewhere.
    Wait,
}

impl LagPolicy {
    /// Returns the name in the configuration and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Skip => "skip",
            Self::Wait => "wait",
        }
    }
}
