//! The key `lag`.

/// What becomes of a route that fell off the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagPolicy {
    /// Its channel is closed: a gap in a byte stream must not pass unseen.
    Close,
    /// It goes on with what is there; the gap is counted. Datagrams may be lost anyway.
    Skip,
    /// None falls off: the device is not read while its slowest reader is near the tail. That is for programs, which
    /// the system makes wait; a tty would lose its bytes elsewhere.
    Wait,
}

impl LagPolicy {
    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Skip => "skip",
            Self::Wait => "wait",
        }
    }
}
