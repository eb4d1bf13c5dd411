//! What did not arrive, how much and why.

/// Why a message did not arrive. Every dropped byte is counted under one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// The device is not there; nothing is kept for its return.
    Absent,
    /// The device vanished, or the daemon stopped, with this still in the queue.
    Unwritten,
    /// The route's queue was full.
    Overflow,
    /// An empty message towards the peer: str0m would number it and not send it, and every
    /// later message of an ordered channel would wait for it.
    Empty,
    /// More bytes than the device or the peer takes in one message.
    TooLarge,
    /// The peer read too slowly and the ring went on without it.
    Lagged,
    /// The channel closed first.
    Closed,
    /// The operating system would not send the datagram.
    SendFailed,
    /// It fitted no frame of the endpoint's framing, or is not written as the connection's offer says.
    BadFrame,
    /// Somebody else may write, and this one may not.
    NoLease,
    /// The writer had fallen silent, and the device was stopped.
    Deadman,
    /// The token of its session does not allow writing.
    Forbidden,
    /// The token of its session allows fewer messages per second.
    RateLimited,
    /// The peer that sent it has thrown it away.
    Discarded,
}

impl DropReason {
    /// The name in API and control channel.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unwritten => "unwritten",
            Self::Overflow => "overflow",
            Self::Empty => "empty",
            Self::TooLarge => "too-large",
            Self::Lagged => "lagged",
            Self::Closed => "closed",
            Self::SendFailed => "send-failed",
            Self::BadFrame => "bad-frame",
            Self::NoLease => "no-lease",
            Self::Deadman => "deadman",
            Self::Discarded => "discarded",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate-limited",
        }
    }
}

/// Messages and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many messages. A byte stream counts reads or writes.
    pub messages: u64,
    /// How many payload bytes.
    pub bytes: u64,
}

impl Count {
    /// One message of `bytes` bytes.
    pub fn one(bytes: usize) -> Self {
        Self {
            messages: 1,
            bytes: bytes as u64,
        }
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}
