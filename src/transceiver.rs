//! A media section of a session with its track, as both the session and the media component know it (W3C calls
//! the pair an `RTCRtpTransceiver`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{Codec, MediaKind};

/// A media section that has a track, counted from 0 within its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransceiverKey(pub u8);

/// What a media section of an offer is to carry. Sections get their tracks in the order of the offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackWish {
    /// The endpoint's name, which becomes the id of the MediaStream (RFC 8830).
    pub endpoint: String,
    /// The codec. A section has it or is refused, because nothing is transcoded.
    pub codec: Codec,
    /// The timestamp's clock, in Hz.
    pub clock_rate: u32,
    /// The channels of `a=rtpmap`; none for pictures.
    pub channels: Option<u8>,
    /// Format parameters of the source, as in `a=fmtp`.
    pub fmtp: Option<String>,
    /// Whether the track may send to this peer.
    pub sends: bool,
    /// Whether the track may take from this peer.
    pub receives: bool,
    /// How long the peer may buffer: minimum and maximum.
    pub playout_delay: Option<(Duration, Duration)>,
    /// How long sent packets are kept to be sent again.
    pub resend: Duration,
    /// Whether the session is made for its tracks alone: without any of them the offer is refused.
    pub is_purpose: bool,
}

impl TrackWish {
    /// Returns whether the track is for pictures or for sound.
    pub fn kind(&self) -> MediaKind {
        self.codec.kind()
    }
}

/// What became of one wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackOutcome {
    /// The section carries the track.
    Accepted(TransceiverKey, Direction),
    /// The offer has no section for the track, or its section was refused.
    Refused(TrackRefusal),
}

/// The directions that were negotiated, as seen from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// Whether we send to the peer.
    pub sends: bool,
    /// Whether we take what the peer sends.
    pub receives: bool,
}

/// Why a track has no section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackRefusal {
    /// The offer has no further section of this kind.
    SectionsUsedUp(MediaKind),
    /// The section does not have the track's codec, but others.
    OtherCodecs {
        /// The track's codec.
        ours: Codec,
        /// The codecs that the section has, of those that are known here.
        theirs: Vec<String>,
    },
    /// The peer wants to send where the track only sends, or the other way round.
    OtherDirection,
    /// The section is not bundled with the first one, or has no `a=rtcp-mux`. A session has one transport.
    OtherTransport,
}

impl std::fmt::Display for TrackRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SectionsUsedUp(kind) => {
                write!(f, "the offer has no m={} line left for it", kind.as_str())
            }
            Self::OtherCodecs { ours, theirs } => {
                let theirs = theirs.join(", ");
                let ours = ours.as_str();
                write!(f, "the endpoint has {ours}, the peer has only {theirs}")
            }
            Self::OtherDirection => {
                f.write_str(
                    "the endpoint does not take what the section sends, or does not send what it takes \
                     (a track takes from browsers if it has send_to or no listen, and who has the right to write)",
                )
            }
            Self::OtherTransport => {
                f.write_str("its section is not bundled with the others, or has no rtcp-mux")
            }
        }
    }
}

/// How the numbers of a picture are colors, as the header extension has it: primaries, transfer, matrix, and range.
pub type ColorSpace = [u8; 4];

/// An RTP packet for a peer.
#[derive(Debug)]
pub struct OutgoingPacket<'a> {
    /// The extended sequence number. A stream begins below 65,536, because the rollover counter of SRTP is not
    /// signaled (RFC 3711 §3.3.1).
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit (RFC 3550 §5.1).
    pub marker: bool,
    /// When the packet's picture or sound was captured, as well as is known. Sender reports get it.
    pub wallclock: Instant,
    /// The payload, which all viewers share.
    pub payload: &'a Arc<[u8]>,
    /// How its numbers are colors, if the sender has said so.
    pub color_space: Option<ColorSpace>,
}

/// An RTP packet of a peer.
#[derive(Debug)]
pub struct IncomingPacket {
    /// The stream of the packet. A section may change to another one.
    pub ssrc: u32,
    /// The extended sequence number, as the peer counts.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit (RFC 3550 §5.1).
    pub marker: bool,
    /// The payload.
    pub payload: Arc<[u8]>,
    /// How its numbers are colors, if the peer says so.
    pub color_space: Option<ColorSpace>,
    /// The stream's newest sender report.
    pub report: Option<SenderReport>,
}

/// What a sender report of a stream says of its clock (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// A time of the sender's clock: seconds in the upper half, fractions in the lower.
    pub ntp: u64,
    /// The RTP timestamp at that time.
    pub timestamp: u32,
}

/// What the peer says about a section with a track.
#[derive(Debug)]
pub enum MediaEvent {
    /// The peer wants a picture that can be decoded without others.
    KeyframeWanted,
    /// The peer's estimate of the bit rate that it can take, in bit/s (REMB).
    Estimate(u64),
    /// The peer's report about what it received.
    Report(ViewerReport),
    /// A packet of the peer.
    Packet(IncomingPacket),
}

/// A peer's report about a stream that it receives.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ViewerReport {
    /// The lost share of the packets of the last interval, 0 to 1.
    pub loss: Option<f32>,
    /// The jitter, in units of the timestamp.
    pub jitter: u32,
    /// How many packets the peer has asked for again since the start.
    pub nacks: u64,
    /// The round trip.
    pub round_trip: Option<Duration>,
}

/// The peer's side of a session's media during one of its turns.
pub(crate) trait RtpWriter {
    /// Queues a packet for the peer. Returns false if the section does not send, or not any more.
    fn write_rtp(&mut self, section: TransceiverKey, packet: &OutgoingPacket<'_>) -> bool;
}
