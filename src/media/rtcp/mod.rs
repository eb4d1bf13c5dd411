//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104): what a local sender or receiver says about a stream, and what we say
//! to it.
//!
//! A datagram is a compound of packets. Reduced-size compounds, without a report in front (RFC 5506), are read
//! as well, and a caller writes one by appending no report. When reports are due is not decided here.

mod estimate;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use parse::parse;
pub use write::{write_bye, write_estimate, write_full_intra, write_picture_loss, write_report};

/// Returns true if a datagram looks like RTCP, on a port that carries RTP as well (RFC 5761 §4): the types of RTCP
/// packets lie where RTP would have its marker bit and payload types 64 to 95.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, kind, ..] if first >> 6 == VERSION && is_type(*kind))
}

/// Returns true for a type of RTCP packets.
fn is_type(kind: u8) -> bool {
    matches!(kind, 192..=223)
}

const VERSION: u8 = 2;

/// One statement of an RTCP datagram. `ssrc` is always the source that speaks, and `about` the source of the
/// stream that is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// A sender's report on its own stream.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// The sender's clocks and counters.
        sent: Sent,
    },
    /// A block of a report, of a receiver or of a sender that also receives.
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// What the receiver reports on one stream.
        block: ReportBlock,
    },
    /// The source ends.
    Bye {
        /// The source.
        ssrc: u32,
    },
    /// The receiver cannot decode and needs a keyframe (PLI, RFC 4585 §6.3.1).
    PictureLoss {
        /// The receiver.
        ssrc: u32,
        /// The stream.
        about: u32,
    },
    /// The receiver asks for a keyframe, because it has newly joined (FIR, RFC 5104 §4.3.1).
    FullIntra {
        /// The receiver.
        ssrc: u32,
        /// The stream.
        about: u32,
        /// The number of the request. A repeated request has the same number.
        request: u8,
    },
    /// The receiver misses a packet (generic NACK, RFC 4585 §6.2.1).
    Nack {
        /// The receiver.
        ssrc: u32,
        /// The stream.
        about: u32,
        /// The packet's sequence number.
        sequence: u16,
    },
    /// The receiver's estimate of what the path carries (REMB, draft-alvestrand-rmcat-remb-03 §2.2).
    Estimate {
        /// The receiver.
        ssrc: u32,
        /// The estimate in bits a second, for all streams of the sender together.
        bitrate: u64,
    },
    /// A packet that says nothing of the above: a description of sources (SDES), or a packet that is to be
    /// ignored (RFC 3550 §6.1).
    Other,
}

/// The sender information of a report (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The sender's time of day in seconds since 1900, with 32 bits of fraction.
    pub ntp: u64,
    /// The same time as a timestamp of the stream.
    pub rtp: u32,
    /// The number of packets sent, which wraps.
    pub packets: u32,
    /// The bytes of payload sent, which wrap.
    pub octets: u32,
}

/// A report block: a receiver's statistics on one stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub about: u32,
    /// The share of packets lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// The number of packets lost, of 24 bits with a sign. Duplicates make it negative.
    pub lost: i32,
    /// The highest sequence number received, with the number of its wraps in the upper half.
    pub highest: u32,
    /// The jitter of arrivals, in the clock of the stream.
    pub jitter: u32,
    /// The middle 32 bits of [`Sent::ntp`] of the last sender report, or 0 if there was none.
    pub last_report: u32,
    /// The time since the last sender report, in 65,536ths of a second.
    pub delay: u32,
}

/// The reason why the rest of a datagram was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RtcpFault {
    /// The datagram ends within the header of a packet, or is empty.
    TooShort,
    /// The version is not 2.
    BadVersion,
    /// The packet's type is none of RTCP (RFC 5761 §4).
    NotRtcp,
    /// The packet ends beyond the datagram, or its contents end beyond the packet.
    BadLength,
    /// The padding is longer than the packet, or no multiple of 4 bytes.
    BadPadding,
    /// The datagram names more lost packets than [`crate::limits::NACKS`].
    TooManyNacks,
}

impl RtcpFault {
    /// All faults.
    pub const ALL: [Self; 6] = [
        Self::TooShort,
        Self::BadVersion,
        Self::NotRtcp,
        Self::BadLength,
        Self::BadPadding,
        Self::TooManyNacks,
    ];

    /// Returns the name of the fault's counter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too-short",
            Self::BadVersion => "bad-version",
            Self::NotRtcp => "not-rtcp",
            Self::BadLength => "bad-length",
            Self::BadPadding => "bad-padding",
            Self::TooManyNacks => "too-many-nacks",
        }
    }
}
