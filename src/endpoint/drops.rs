//! Dropped messages: their reasons and their counts.

/// Why a message was dropped. Every dropped byte is counted under one of these reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// The device is absent. No message is kept for its return.
    Absent,
    /// The device vanished, or the daemon stopped, with this message still in the queue.
    Unwritten,
    /// The route's queue was full.
    Overflow,
    /// The message to the peer is empty. str0m would number such a message without sending it, and every
    /// later message of an ordered channel would wait for it.
    Empty,
    /// The message is larger than the device or the peer accepts.
    TooLarge,
    /// The peer read too slowly, and newer data replaced this message in the ring.
    Lagged,
    /// The channel closed before the message was delivered.
    Closed,
    /// The operating system did not send the datagram.
    SendFailed,
    /// The bytes fitted no frame of the endpoint's framing, or the message is not encoded as the connection's
    /// offer says.
    BadFrame,
    /// Another session holds the lease.
    NoLease,
    /// The writer was silent for too long, and the device was stopped.
    Deadman,
    /// The token of the session does not allow writing.
    Forbidden,
    /// The token of the session allows fewer messages per second.
    RateLimited,
    /// The peer that sent the message has discarded it.
    Discarded,
}

impl DropReason {
    /// Returns the name in the API and on the control channel.
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

/// A number of messages and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// The number of messages. A byte stream counts reads or writes.
    pub messages: u64,
    /// The number of payload bytes.
    pub bytes: u64,
}

impl Count {
    /// Returns the count of one message of `bytes` bytes.
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
